"""`pilotage serve`: the embedded API and all controllers on a file, with the real world outside. For one machine without a cluster."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, with_access
from pilotage.cli.output import Output
from pilotage.cli.sources import PortOption
from pilotage.cli.up import Screen, shown

if TYPE_CHECKING:
    from pilotage.app.gate.hosting import GateOutside
    from pilotage.app.hosting import Running
    from pilotage.runtime.perform import Change

__all__ = ["serve"]

GANGWAY = "https://gangway-ci.apps.ci.l2s4.p1.openshiftapps.com"
DECK = "https://prow.ci.openshift.org"
ARTIFACTS = "https://storage.googleapis.com"


@with_access
def serve(
    port: PortOption = 0,
    gangway: Annotated[
        str, typer.Option("--gangway", metavar="URL", help="Where Prow starts jobs.")
    ] = GANGWAY,
    gangway_token: Annotated[
        Path | None,
        typer.Option(
            "--gangway-token", metavar="FILE", help="Its token; the file is read for every request."
        ),
    ] = None,
    deck: Annotated[str, typer.Option("--deck", metavar="URL", help="Where Prow shows its jobs.")] = DECK,
    artifacts: Annotated[
        str, typer.Option("--artifacts", metavar="URL", help="Where jobs leave their files.")
    ] = ARTIFACTS,
    rate: Annotated[
        str,
        typer.Option("--gangway-rate", metavar="N/BURST", help="Requests a minute, and how many at once."),
    ] = "6/3",
    slack: Annotated[
        list[str] | None,
        typer.Option(
            "--slack",
            metavar="CHANNEL=FILE",
            help="A chat, with the file that holds the address of its incoming webhook. Repeatable.",
        ),
    ] = None,
    events: Annotated[
        list[str] | None,
        typer.Option(
            "--events", metavar="CHANNEL=FILE", help="A webhook that takes CloudEvents, likewise. Repeatable."
        ),
    ] = None,
    dead_man: Annotated[
        Path | None,
        typer.Option(
            "--dead-man", metavar="FILE", help="An address to call after each look of the watchman."
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Health and metrics; off for none.")
    ] = "off",
    *,
    access: ImageAccess,
) -> None:
    """Run an instance on this machine with the real world outside: an embedded API in a file, and the controllers.

    Like up, but empty at first; images are read from registries, and gates run their jobs on a real Prow and promote to real
    registries. Objects (Gates, Snapshots, HostedClusters) come with kubectl, by the kubeconfig in its directory, or with
    pilotage apply. Without --data-dir and $PILOTAGE_DATA_DIR the directory is ~/.local/share/pilotage. Ctrl-C stops.

    Exit codes: 0 stopped, 2 the directory or the port cannot be used, 3 an instance runs in the directory already.

    Example: pilotage serve --data-dir gate --port 6443
    """
    from pilotage.app.gate.hosting import GateOutside, read_channels, read_rate
    from pilotage.app.health import address_of

    outside = GateOutside(
        gangway=gangway,
        deck=deck,
        artifacts=artifacts,
        token_file=gangway_token,
        rate=read_rate(rate),
        slack=read_channels("--slack", slack or ()),
        events=read_channels("--events", events or ()),
        dead_man_file=dead_man,
        ca_file=access.ca_file,
        listen=None if listen == "off" else address_of(listen),
    )
    raise typer.Exit(asyncio.run(_serve(port, access, outside)))


async def _serve(port: int, access: ImageAccess, outside: GateOutside) -> int:
    import msgspec

    from pilotage.app import serve

    data_dir = access.data_dir or _default(os.environ)
    images = msgspec.structs.replace(access, data_dir=None, finds_instance=False)

    def opened(screen: Screen, on_change: Callable[[Change], None]) -> AbstractAsyncContextManager[Running]:
        return serve.running(data_dir, images, outside, port=port, on_step=screen.step, on_change=on_change)

    return await shown(opened, Output.TEXT, None, _invitation)


def _default(environment: Mapping[str, str]) -> Path:
    named = environment.get("PILOTAGE_DATA_DIR")
    home = environment.get("XDG_DATA_HOME") or f"{environment.get('HOME', '')}/.local/share"
    return Path(named) if named else Path(home) / "pilotage"


def _invitation(instance: Running) -> str:
    return (
        f"running in {instance.data_dir}; try in another terminal:"
        f" kubectl --kubeconfig {instance.kubeconfig} api-resources"
    )
