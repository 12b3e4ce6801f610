"""`pilotage gate render`: the tree that GitOps applies and Tekton runs, and whether it is what lives."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.gate.sources import GatesOption, given, tenant
from pilotage.cli.output import Output, emit, say
from pilotage.cli.sources import ContextOption, DataDirOption, KubeconfigOption

if TYPE_CHECKING:
    from pilotage.gate.konflux.comparison import Drift
    from pilotage.gate.konflux.files import File

__all__ = ["render"]

OK, DRIFTED, UNSEEN = 0, 1, 3


def render(
    directory: Annotated[
        Path, typer.Option("--output-dir", "-o", metavar="DIR", help="Where the tree is, or is written to.")
    ],
    platform: Annotated[
        list[str] | None,
        typer.Option(
            "--platform", help="Only this managed service. Repeatable. [default: all that are given]"
        ),
    ] = None,
    files: GatesOption = None,
    data_dir: DataDirOption = None,
    image: Annotated[
        str,
        typer.Option(
            "--image",
            metavar="REF",
            envvar="PILOTAGE_GATE_IMAGE",
            help="The image with `pilotage` that runs the steps, by digest. [default: as in the tree]",
        ),
    ] = "",
    revision: Annotated[
        str,
        typer.Option(
            "--revision",
            metavar="COMMIT",
            envvar="PILOTAGE_GATE_REVISION",
            help="The commit that holds repo/.tekton. [default: as in the tree]",
        ),
    ] = "",
    repository: Annotated[
        str,
        typer.Option(
            "--repository",
            metavar="URL",
            help="The git repository that holds repo/.tekton. [default: as in the tree]",
        ),
    ] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say what differs in DIR, or where --from says.")
    ] = False,
    origin: Annotated[
        str,
        typer.Option(
            "--from", metavar="DUMP|live", help="With --check: compare with a dump, or with a cluster."
        ),
    ] = "",
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
    output: Annotated[Output, typer.Option("--format", help="How to print the result.")] = Output.TEXT,
) -> None:
    """Write everything that Konflux needs to run the gate of a platform: scenario, release plan and admission, CronJobs, accounts
    with their rights, policies, the pipeline, a runbook and a diagram.

    The same Gate gives the same bytes. Files without a platform in their name are shared by all platforms. Pins that are
    not named are taken from the tree; without any, zeros stand there and nothing can run. With --check, objects are compared field by field.

    Exit codes: 0 written, or nothing differs; 1 something differs; 2 wrong use; 3 something could not be seen.

    Example: pilotage gate render --platform aro-hcp -f gate.yaml -o rendered
    """
    from pilotage.app.gate import rendering as app

    where = tenant(origin, kubeconfig, context)
    if where.origin and not check:
        raise typer.BadParameter("--from needs --check: it says with what the tree is compared")
    pins = app.pins_of(directory, image, repository, revision)
    tree = app.rendered(asyncio.run(given(files, data_dir)), tuple(platform or ()), pins)
    if pins.missing:
        options = " and ".join(f"--{name}" for name in pins.missing)
        say(
            f"warning: NotPinned: {' and '.join(pins.missing)} of zeros stand in the tree; nothing runs with them"
        )
        say(f"  → render with {options} before it is applied")
    if not check:
        done = app.write(tree, directory)
        emit(
            {"kind": "RenderedGate", "apiVersion": "pilotage.dev/v1", "files": done},
            output,
            "\n".join(f"{each.state:<9}  {each.path}" for each in done),
        )
        return
    if where.origin:
        found = asyncio.run(_check(tree, origin, kubeconfig, context))
    else:
        found = app.check_files(tree, directory)
    document = {"kind": "GateDrift", "apiVersion": "pilotage.dev/v1", "drift": found}
    emit(document, output, "\n".join(map(_told, found)) or "nothing differs")
    if any(each.state != "not seen" for each in found):
        raise typer.Exit(DRIFTED)
    raise typer.Exit(UNSEEN if found else OK)


async def _check(tree: tuple[File, ...], origin: str, kubeconfig: str, context: str) -> tuple[Drift, ...]:
    from pilotage.app.gate.given import open_tenant
    from pilotage.app.gate.rendering import check_objects

    async with open_tenant(tenant(origin, kubeconfig, context)) as opened:
        return await check_objects(tree, opened.reader)


def _told(drift: Drift) -> str:
    if drift.state == "differs":
        return f"{drift.subject}: {drift.field}: is {drift.found or 'not there'}, rendered {drift.wanted or 'not there'}"
    said = {
        "missing": "is not there",
        "surplus": "is there and not rendered",
        "not seen": f"cannot be seen: {drift.found}",
    }
    return f"{drift.subject}: {said[drift.state]}"
