"""`pilotage skew`: which combinations of versions an operator image was proven with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, with_access
from pilotage.cli.output import Output, OutputOption, emit
from pilotage.cli.sources import FilesOption

if TYPE_CHECKING:
    from pilotage.controlplane.skew import CellState

__all__ = ["skew"]

OK, NO = 0, 1

skew = typer.Typer(
    name="skew",
    help="Which combinations of versions an operator image was proven with.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
ResultsOption = Annotated[Path, typer.Option("--results", help="What is offered and what was tested (YAML).")]
DigestArgument = Annotated[str, typer.Argument(help="The digest of the operator image, sha256:...")]


@skew.command("show", short_help="Print every combination with its state.")
def show(digest: DigestArgument, results: ResultsOption, output: OutputOption = Output.TEXT) -> None:
    """Print every combination with its state: proven, inherited, unproven, failed, excluded.

    Example: pilotage skew show sha256:66f4... --results results.yaml
    """
    from pilotage.app import skew as app
    from pilotage.runtime.clock import SystemClock

    _print(app.show(results, digest, SystemClock().now()), output)


@skew.command("check", short_help="Say whether a hosted cluster is in proven combinations.")
@with_access
def check(
    digest: DigestArgument,
    cluster: Annotated[str, typer.Argument(help="The hosted cluster, NAMESPACE/NAME.")],
    results: ResultsOption,
    management: Annotated[
        str, typer.Option("--management", help='The management cluster, as in the results: "OpenShift 4.20".')
    ],
    architecture: Annotated[str, typer.Option("--architecture", help="amd64, arm64 or multi.")] = "multi",
    files: FilesOption = None,
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Say which combinations one hosted cluster is in, and whether each was proven with an operator image.

    Exit codes: 0 all are proven or inherited, 1 some are not, or nothing is offered for this cluster.

    Example: pilotage skew check sha256:66f4... clusters/aws-stage --results results.yaml --management "OpenShift 4.20"
    """
    states = asyncio.run(
        _check(digest, cluster, results, management, architecture, tuple(files or ()), access)
    )
    _print(states, output)
    raise typer.Exit(OK if states and all(each.state in ("proven", "inherited") for each in states) else NO)


async def _check(
    digest: str,
    cluster: str,
    results: Path,
    management: str,
    architecture: str,
    files: tuple[str, ...],
    access: ImageAccess,
) -> tuple[CellState, ...]:
    from pilotage.app import skew as app
    from pilotage.app.objects import ObjectSource
    from pilotage.app.services import open_services

    async with open_services(ObjectSource(files, access.data_dir), access) as opened:
        return await app.check(opened.services, results, digest, cluster, management, architecture)


def _print(states: tuple[CellState, ...], output: Output) -> None:
    from pilotage.decision.render import table

    rows = ([each.state, *_cell(each), each.reason] for each in states)
    headings = ["STATE", "CONTROL PLANE", "NODES", "MANAGEMENT", "PLATFORM", "ARCHITECTURE", "PATH", "WHY"]
    emit({"cells": states}, output, table(headings, rows) if states else "no combination is offered here")


def _cell(state: CellState) -> list[str]:
    cell = state.cell
    return [cell.control_plane, cell.data_plane, cell.management, cell.platform, cell.architecture, cell.path]
