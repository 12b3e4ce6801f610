"""`pilotage get`, `apply`, `delete` and `crds`: objects of an instance, for people without kubectl."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from pilotage.cli.access import ObjectSource, report, with_source
from pilotage.cli.output import Output, OutputOption, emit, say
from pilotage.cli.sources import DataDirOption, FilesOption, NamespaceOption

__all__ = ["apply", "crds", "delete", "get"]

KindArgument = Annotated[
    str, typer.Argument(help="A kind by any of its names: hc, nodepools, ControlPlaneImage, secrets.")
]


@with_source
def get(
    kind: KindArgument,
    name: Annotated[str, typer.Argument(help="NAME or NAMESPACE/NAME; all objects without one.")] = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print objects of one kind, from an instance, a cluster, or manifests. Any kind that is served there is found.

    Example: pilotage get controlplaneimages -o yaml
    """
    asyncio.run(_get(kind, name, namespace, source, output))


def apply(
    files: Annotated[
        list[str],
        typer.Option("--filename", "-f", metavar="FILE|DIR|-", help="Manifests to apply. Repeatable."),
    ],
    data_dir: DataDirOption = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="For manifests that name none.")
    ] = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over fields that another manager owns.")
    ] = False,
    with_status: Annotated[
        bool,
        typer.Option("--with-status", help="Write status, too: for objects from another cluster."),
    ] = False,
) -> None:
    """Apply manifests to an instance, server-side. All are tried before the first is written.

    Example: pilotage apply -f cluster.yaml
    """
    from pilotage.app import edit

    work = edit.apply(
        tuple(files),
        data_dir,
        namespace,
        dry_run=dry_run,
        force=force,
        with_status=with_status,
        report=report,
    )
    for line in asyncio.run(work):
        print(line)


def delete(
    kind: Annotated[str, typer.Argument(help="A kind by any of its names; leave out with -f.")] = "",
    name: Annotated[str, typer.Argument(help="NAME or NAMESPACE/NAME.")] = "",
    files: FilesOption = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Of an object that is named without one.")
    ] = "default",
    data_dir: DataDirOption = None,
) -> None:
    """Delete one object, or every object that the manifests name, from an instance.

    Example: pilotage delete hc clusters/aws-stage
    """
    from pilotage.app import edit

    if bool(files) == bool(kind or name) or bool(kind) != bool(name):
        raise typer.BadParameter("name a kind and an object, or manifests with -f")
    work = (
        edit.delete_named(kind, name, data_dir, namespace)
        if not files
        else edit.delete_files(tuple(files), data_dir, namespace, report)
    )
    for line in asyncio.run(work):
        print(line)


def crds() -> None:
    """Print the CustomResourceDefinitions of the kinds that Pilotage serves itself.

    Example: pilotage crds | kubectl apply -f -
    """
    from pilotage.api import crd, kinds, yaml

    print(yaml.dump_all(crd.manifest(definition) for definition in kinds.DEFINITIONS), end="")


async def _get(kind_name: str, name: str, namespace: str, source: ObjectSource, output: Output) -> None:
    from pilotage.app import edit
    from pilotage.app.kindnames import find_kind
    from pilotage.app.objects import open_reader
    from pilotage.decision.render import findings_text

    async with open_reader(source) as opened:
        if opened.findings:
            say(findings_text(opened.findings))
        kind = await find_kind(opened.reader, kind_name)
        objects = await edit.select(opened.reader, kind, name, namespace)
    if not objects and output is Output.TEXT:
        say(f"No {kind.plural} found in {opened.name}.")
    values = [item.value() for item in objects]
    document: Any = values[0] if name and values else {"apiVersion": "v1", "kind": "List", "items": values}
    emit(document, output, edit.listing(kind, objects))
