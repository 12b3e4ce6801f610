"""`pilotage up`: the embedded store, the sample world and all controllers in one process.

The data directory is the whole state: stop at any line and start again, and what is missing is built, what is there is
kept. Images and fleet are loaded only into an empty directory, so a user's own changes survive a restart. The objects are
opened first: a directory that holds something else is refused before anything is written into it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pilotage.api.errors import InputError, RemoteError
from pilotage.app import instance, rooms
from pilotage.images.disk.layout import OciLayout
from pilotage.room import Board, Services
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import SystemClock
from pilotage.runtime.perform import Change
from pilotage.runtime.runner import Runner
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world import fleet, payloads

__all__ = ["Running", "Table", "running"]


class Table(msgspec.Struct, frozen=True):
    """The present state of one board."""

    board: Board
    records: tuple[dict[str, Any], ...]


class Running(msgspec.Struct, frozen=True):
    """A started instance."""

    data_dir: Path
    services: Services
    runner: Runner

    async def tables(self) -> tuple[Table, ...]:
        boards = [board for room in rooms.rooms() for board in room.boards]
        return tuple([Table(board, await board.records(self.services.objects)) for board in boards])


@contextlib.asynccontextmanager
async def running(
    data_dir: Path | None,
    *,
    on_step: Callable[[str], None],
    on_change: Callable[[Change], None],
) -> AsyncIterator[Running]:
    """Start everything; stop it in order when the block ends, however it ends.

    `data_dir` None is a directory that is gone afterwards. `on_step` is told what is being done, for progress;
    `on_change` of every write a controller made. Raises InputError `UnusableDirectory` or `NotAStore`, StoreBusyError when
    an instance runs there already, RemoteError `DirectoryFailed`.
    """
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(_directory(data_dir))
        clock = SystemClock()
        with _writing(directory):
            store = await stack.enter_async_context(
                await EmbeddedStore.open(instance.store_path(directory), clock)
            )
            # Its place stands in messages of the clusters, which must not change with the way it was named.
            layout = OciLayout(instance.layout_path(directory.resolve()), create=True)
            await payloads.build(layout, on_step)
        on_step("loading the sample fleet")
        await fleet.load(store)
        informers = Informers(store, clock)
        services = Services(informers.reader(), layout, clock)
        controllers = tuple(controller for room in rooms.rooms() for controller in room.controllers(services))
        on_step("starting controllers")
        runner = Runner(store, controllers, clock, informers=informers, on_change=on_change, freeze_heap=True)
        stack.enter_context(instance.announced(directory, os.environ))
        await stack.enter_async_context(runner)
        yield Running(directory, services, runner)


@contextlib.contextmanager
def _directory(data_dir: Path | None) -> Iterator[Path]:
    """The directory, ours alone. Raises InputError `UnusableDirectory`, StoreBusyError."""
    with contextlib.ExitStack() as stack:
        if data_dir is None:
            data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pilotage-")))
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(instance.held(data_dir))
        except OSError as error:
            raise InputError(
                "UnusableDirectory",
                f"{data_dir}: cannot be used as data directory: {error.strerror}",
                hint="name a directory that can be written with --data-dir DIR",
            ) from None
        yield data_dir


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
