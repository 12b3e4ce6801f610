"""`pilotage up`: an instance with the sample world, all in one process: a fleet of hosted clusters, and a night at the gate.

Images, fleet and gates are loaded only into an empty directory, so a user's own changes survive a restart.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from pilotage.api.errors import RemoteError
from pilotage.app import instance
from pilotage.app.hosting import Outside, Running, Table, hosted
from pilotage.app.night import sample_night
from pilotage.images.disk.layout import OciLayout
from pilotage.runtime.perform import Change
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world import fleet, payloads

__all__ = ["Running", "Table", "running"]


@contextlib.asynccontextmanager
async def running(
    data_dir: Path | None,
    *,
    port: int = 0,
    on_step: Callable[[str], None],
    on_change: Callable[[Change], None],
) -> AsyncIterator[Running]:
    """As `hosting.hosted`, with images from a layout in the directory."""

    async def furnish(directory: Path, store: EmbeddedStore, _stack: contextlib.AsyncExitStack) -> Outside:
        with _writing(directory):
            layout = _layout(directory)
            await payloads.build(layout, on_step)
        on_step("loading the sample fleet")
        await fleet.load(store)
        return Outside(layout, more=lambda: sample_night(store, layout, directory, on_change))

    async with hosted(data_dir, furnish, port=port, on_step=on_step, on_change=on_change) as started:
        yield started


def _layout(directory: Path) -> OciLayout:
    """Its place stands in messages of the clusters, which must not change with the way it was named."""
    return OciLayout(instance.layout_path(directory.resolve()), create=True)


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """The system's refusals while images are built: a full disk, a file where a folder should be."""
    try:
        yield
    except OSError as error:
        where = error.filename or directory
        raise RemoteError(
            "DirectoryFailed",
            f"{directory}: writing the sample images failed: {where}: {error.strerror}",
            hint="look at the disk's space and permissions, or name another directory; what is there is kept",
        ) from None
