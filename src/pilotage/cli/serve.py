"""`pilotage serve`: the embedded API and all controllers on a file, with the real world outside. For one machine without a cluster."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pilotage.cli.access import ImageAccess, with_access
from pilotage.cli.output import Output
from pilotage.cli.sources import PortOption
from pilotage.cli.up import Screen, shown

if TYPE_CHECKING:
    from pilotage.app.hosting import Running
    from pilotage.runtime.perform import Change

__all__ = ["serve"]


@with_access
def serve(
    port: PortOption = 0,
    *,
    access: ImageAccess,
) -> None:
    """Run an instance on this machine with the real world outside: an embedded API in a file, and the controllers.

    Like up, but empty at first, and images are read from registries. Objects come with kubectl, by the kubeconfig in its
    directory, or with pilotage apply. Without --data-dir and $PILOTAGE_DATA_DIR the directory is
    ~/.local/share/pilotage. Ctrl-C stops.

    Exit codes: 0 stopped, 2 the directory or the port cannot be used, 3 an instance runs in the directory already.

    Example: pilotage serve --data-dir gate --port 6443
    """
    raise typer.Exit(asyncio.run(_serve(port, access)))


async def _serve(port: int, access: ImageAccess) -> int:
    import msgspec

    from pilotage.app import serve

    data_dir = access.data_dir or _default(os.environ)
    images = msgspec.structs.replace(access, data_dir=None, finds_instance=False)

    def opened(screen: Screen, on_change: Callable[[Change], None]) -> AbstractAsyncContextManager[Running]:
        return serve.running(data_dir, images, port=port, on_step=screen.step, on_change=on_change)

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
