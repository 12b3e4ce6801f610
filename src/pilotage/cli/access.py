"""The options that say how images are reached: one set for every verb that reads or writes images.

A verb takes one argument `access`; `with_access` gives it the options and makes the record of them.
"""

from __future__ import annotations

import functools
import inspect
import os
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

__all__ = ["ImageAccess", "report", "with_access", "with_release_access"]

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
VersionsOption = Annotated[
    Path | None,
    typer.Option("--versions", metavar="FILE", help="A map of versions to pull specs, looked at first."),
]
ChannelOption = Annotated[
    str,
    typer.Option(
        "--channel", help="Look a version up in this channel. [default: fast, stable, candidate-X.Y]"
    ),
]
ArchOption = Annotated[
    str, typer.Option("--arch", help="Look a version up for this architecture, such as amd64.")
]
GraphOption = Annotated[
    str,
    typer.Option(
        "--update-graph",
        metavar="URL",
        help="The update graph. [default: $PILOTAGE_UPDATE_GRAPH, or the public one]",
    ),
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


def _release_access(
    versions: VersionsOption = None,
    channel: ChannelOption = "",
    arch: ArchOption = "multi",
    update_graph: GraphOption = "",
    **given: Any,
) -> ImageAccess:
    import msgspec

    from pilotage.app.releaseversions import DEFAULT_GRAPH, Versions

    graph = update_graph or os.environ.get("PILOTAGE_UPDATE_GRAPH") or DEFAULT_GRAPH
    return msgspec.structs.replace(_access(**given), versions=Versions(versions, graph, channel, arch))


def with_access(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb with the options for images in place of its argument `access`."""
    return _with_options(verb, _access, _parameters(_access))


def with_release_access(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a verb that also takes a version for a release."""
    own = [each for each in _parameters(_release_access) if each.name != "given"]
    return _with_options(verb, _release_access, [*own, *_parameters(_access)])


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _with_options(
    verb: Callable[..., Any], make: Callable[..., Any], options: list[inspect.Parameter]
) -> Callable[..., Any]:
    @functools.wraps(verb)
    def command(**given: Any) -> Any:
        access = make(**{each.name: given.pop(each.name) for each in options})
        return verb(**given, access=access)

    taken = [*(each for each in _parameters(verb) if each.name != "access"), *options]
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in taken]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def report(finding: Finding) -> None:
    """A finding that comes up while images are read."""
    from pilotage.cli.output import say
    from pilotage.decision.render import findings_text

    say(findings_text((finding,)))
