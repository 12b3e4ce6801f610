"""The options that say how images are reached: one set for every verb that reads or writes images.

A verb takes one argument `access`; `with_access` gives it the options and makes the record of them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.sources import AuthfileOption, CaFileOption, DataDirOption, InsecureOption, OfflineOption

if TYPE_CHECKING:
    from pilotage.app.images import ImageAccess
    from pilotage.decision.findings import Finding
else:
    ImageAccess = object  # Typer evaluates annotations; the record itself comes with libraries that a help page needs not

__all__ = ["ImageAccess", "report", "with_access"]

MirrorsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--mirrors",
        metavar="FILE",
        help="Read through these mirrors: ImageDigestMirrorSet, ImageTagMirrorSet, ImageContentSourcePolicy. Repeatable.",
    ),
]
OverridesOption = Annotated[
    list[str] | None,
    typer.Option("--overrides", metavar="SRC=DST", help="Rewrite this prefix of references. Repeatable."),
]


def _access(
    authfile: AuthfileOption = None,
    ca_file: CaFileOption = None,
    insecure_registry: InsecureOption = None,
    offline: OfflineOption = False,
    mirrors: MirrorsOption = None,
    overrides: OverridesOption = None,
    data_dir: DataDirOption = None,
) -> ImageAccess:
    from pilotage.app.images import ImageAccess

    return ImageAccess(
        authfile,
        ca_file,
        frozenset(insecure_registry or ()),
        offline,
        tuple(mirrors or ()),
        tuple(overrides or ()),
        data_dir,
    )


def with_access(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb with the options in place of its argument `access`."""
    options = inspect.signature(_access, eval_str=True).parameters
    own = inspect.signature(verb, eval_str=True).parameters

    @functools.wraps(verb)
    def command(**given: Any) -> Any:
        access = _access(**{name: given.pop(name) for name in options})
        return verb(**given, access=access)

    taken = [*(each for name, each in own.items() if name != "access"), *options.values()]
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in taken]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def report(finding: Finding) -> None:
    """A finding that comes up while images are read."""
    from pilotage.cli.output import say
    from pilotage.decision.render import findings_text

    say(findings_text((finding,)))
