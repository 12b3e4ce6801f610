"""The options that say how images are reached, and where objects come from: one set for every verb that reads them.

A verb takes one argument `access`, or `source`; `with_access` and `with_source` give it the options and make the record of them.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.sources import (
    AuthfileOption,
    CaFileOption,
    ContextOption,
    DataDirOption,
    DumpOption,
    FilesOption,
    InsecureOption,
    KubeconfigOption,
    OfflineOption,
    TolerantOption,
)

if TYPE_CHECKING:
    from pilotage.app.images import ImageAccess
    from pilotage.app.objects import ObjectSource
    from pilotage.decision.findings import Finding
else:
    # Typer evaluates annotations; the records themselves come with libraries that a help page needs not.
    ImageAccess = ObjectSource = object

__all__ = [
    "ImageAccess",
    "ObjectSource",
    "report",
    "with_access",
    "with_records",
    "with_release_access",
    "with_source",
]

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


def _source(
    files: FilesOption = None,
    tolerant: TolerantOption = False,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
    data_dir: DataDirOption = None,
) -> ObjectSource:
    from pilotage.app.clusters import ClusterChoice
    from pilotage.app.objects import ObjectSource

    cluster = ClusterChoice(kubeconfig, context) if kubeconfig or context else None
    return ObjectSource(tuple(files or ()), data_dir, tolerant, cluster)


def _records(
    files: DumpOption = None,
    tolerant: TolerantOption = False,
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
    data_dir: DataDirOption = None,
) -> ObjectSource:
    return _source(files, tolerant, kubeconfig, context, data_dir)


def with_records(verb: Callable[..., Any]) -> Callable[..., Any]:
    """As `with_source`, with files under the name `--from` as well: what was recorded, rather than what to act on."""
    return _with_options(verb, "source", _records, _parameters(_records))


def with_source(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb with the options for objects in place of its argument `source`; an instance that it names is for both."""
    return _with_options(verb, "source", _source, _parameters(_source))


def with_access(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb with the options for images in place of its argument `access`."""
    return _with_options(verb, "access", _access, _parameters(_access))


def with_release_access(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a verb that also takes a version for a release."""
    own = [each for each in _parameters(_release_access) if each.name != "given"]
    return _with_options(verb, "access", _release_access, [*own, *_parameters(_access)])


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _with_options(
    verb: Callable[..., Any], argument: str, make: Callable[..., Any], options: list[inspect.Parameter]
) -> Callable[..., Any]:
    own = [each for each in _parameters(verb) if each.name != argument]
    names = {each.name for each in own}

    @functools.wraps(verb)
    def command(**given: Any) -> Any:
        made = make(**{each.name: given[each.name] for each in options})
        return verb(**{name: given[name] for name in names}, **{argument: made})

    taken = [*own, *(each for each in options if each.name not in names)]
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in taken]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def report(finding: Finding) -> None:
    """A finding that comes up while images are read."""
    from pilotage.cli.output import say
    from pilotage.decision.render import findings_text

    say(findings_text((finding,)))
