"""`pilotage up`: the embedded store, the sample world and all controllers in one process.

The data directory is the whole state: stop at any line and start again, and what is missing is built, what is there is
kept. Images and fleet are loaded only into an empty directory, so a user's own changes survive a restart.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pilotage.app import instance, rooms
from pilotage.images.layout import OciLayout
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
    `on_change` of every write a controller made.
    """
    with _directory(data_dir) as directory:
        clock = SystemClock()
        layout = OciLayout(instance.layout_path(directory), create=True)
        await payloads.build(layout, on_step)
        async with await EmbeddedStore.open(instance.store_path(directory), clock) as store:
            on_step("loading the sample fleet")
            await fleet.load(store)
            informers = Informers(store, clock)
            services = Services(informers.reader(), layout, clock)
            controllers = tuple(
                controller for room in rooms.rooms() for controller in room.controllers(services)
            )
            on_step("starting controllers")
            runner = Runner(
                store, controllers, clock, informers=informers, on_change=on_change, freeze_heap=True
            )
            with instance.announced(directory, os.environ):
                async with runner:
                    yield Running(directory, services, runner)


@contextlib.contextmanager
def _directory(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="pilotage-") as directory:
        yield Path(directory)
