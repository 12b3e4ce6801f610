"""`pilotage overrides`: the care of the table that pins a control plane operator image for one version and platform."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from pilotage.cli.access import ImageAccess, with_access
from pilotage.cli.output import Output, OutputOption, emit

__all__ = ["overrides"]

OK, NO = 0, 1

overrides = typer.Typer(
    name="overrides",
    help="The table of pinned control plane operator images.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
TableArgument = Annotated[Path, typer.Argument(help="The override table (YAML).", metavar="TABLE")]


@overrides.command("lint", short_help="Check a table, and the images in it.")
@with_access
def lint(
    table: TableArgument,
    previous: Annotated[Path | None, typer.Option("--previous", help="The table before the change.")] = None,
    oldest: Annotated[
        str, typer.Option("--oldest-supported", metavar="X.Y", help="Entries below this minor are reported.")
    ] = "",
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Check a table: format, duplicates, tags, gaps, architectures, images that cannot be pulled, older builds.

    Exit codes: 0 no error or warning, 1 there are some, 2 the table does not load.

    Example: pilotage overrides lint overrides.yaml --previous released.yaml
    """
    from pilotage.app import tables

    findings = asyncio.run(tables.lint(table, previous, oldest, access))
    lines = [
        f"{finding.severity}: {finding.code}: {finding.field or table}: {finding.message}"
        for finding in findings
    ]
    emit(
        {"table": str(table), "findings": findings}, output, "\n".join(lines) or f"{table}: nothing to report"
    )
    raise typer.Exit(NO if any(finding.severity != "info" for finding in findings) else OK)


@overrides.command("why", short_help="Say by which entry a version is pinned, or that it is not.")
def why(
    version: Annotated[str, typer.Argument(help="The exact release version, for example 4.20.3.")],
    platform: Annotated[str, typer.Argument(help="The platform, in any case of letters.")],
    table: Annotated[Path, typer.Option("--table", "-t", help="The override table (YAML).")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Say whether a version is pinned on a platform, by which entry, and what is pinned next to it.

    Exit codes: 0 it is pinned, 1 it is not.

    Example: pilotage overrides why 4.20.3 azure -t overrides.yaml
    """
    from pilotage.app import tables

    found = tables.why(table, version, platform)
    near = [
        f"  near: {entry.platform} {entry.version} {entry.image}"
        for entry in found.neighbours
        if entry != found.entry
    ]
    hidden = [f"  hidden duplicate: {entry.image}" for entry in found.shadowed]
    emit(found, output, "\n".join([found.sentence, *hidden, *near]))
    raise typer.Exit(OK if found.entry else NO)


@overrides.command("retire", short_help="List entries that may go.")
@with_access
def retire(
    table: TableArgument,
    payload: Annotated[
        list[str],
        typer.Option("--payload", metavar="REF", help="Release payloads of the pinned versions. Repeatable."),
    ],
    contains: Annotated[
        list[str] | None,
        typer.Option(
            "--contains",
            metavar="PAYLOAD_COMMIT=PINNED_COMMIT",
            help="A payload commit that descends from a pinned one. Repeatable.",
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """List entries that may go, because the payload of their version carries the commit that the pinned image was built from.

    Commits are compared by the label vcs-ref of the pinned image and the commit annotation of component hypershift. Which
    commit descends from which is not in any image: say what your git history knows with --contains.

    Example: pilotage overrides retire overrides.yaml --payload quay.example.com/openshift/release:4.20.3-multi
    """
    from pilotage.app import tables
    from pilotage.decision.render import table as as_table

    found = asyncio.run(tables.retire(table, tuple(payload), tuple(contains or ()), access))
    verdicts = {True: "yes", False: "no", None: "unknown"}
    rows = (
        [verdicts[each.may_retire], each.entry.platform, each.entry.version, each.entry.image, each.reason]
        for each in found
    )
    emit({"entries": found}, output, as_table(["MAY GO", "PLATFORM", "VERSION", "IMAGE", "WHY"], rows))
