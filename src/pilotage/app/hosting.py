"""One instance on a directory: objects in a file, served over HTTPS, and all controllers at work on them.

`up` puts a sample world into it, `serve` the real outside. The data directory is the whole state: stop at any line and start
again, and what is missing is built, what is there is kept. The objects are opened first: a directory that holds something else is
refused before anything is written into it. The file is this process's alone; every other program talks to the API.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pilotage.api.errors import InputError
from pilotage.app import definitions, instance, rooms, serving
from pilotage.images.source import ImageSource
from pilotage.room import Board, Services
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import SystemClock
from pilotage.runtime.loop import Problem
from pilotage.runtime.perform import Change
from pilotage.runtime.runner import Runner
from pilotage.store.embedded.store import EmbeddedStore

__all__ = ["Furnish", "Outside", "Running", "Table", "hosted"]


class Table(msgspec.Struct, frozen=True):
    """The present state of one board."""

    board: Board
    records: tuple[dict[str, Any], ...]


class Outside(msgspec.Struct, frozen=True):
    """Where images come from; `images_with` as in `Services`. `more` starts further controllers, on a clock of their own."""

    images: ImageSource
    images_with: Callable[[bytes], ImageSource] | None = None
    more: Callable[[], contextlib.AbstractAsyncContextManager[Runner]] | None = None


class Running(msgspec.Struct, frozen=True):
    """A started instance."""

    data_dir: Path
    kubeconfig: Path
    services: Services
    runners: tuple[Runner, ...]

    async def settled(self) -> None:
        """Wait until nothing moves any more in any of the runners."""
        while True:
            for runner in self.runners:
                await runner.settled()
            if all(runner.is_settled() for runner in self.runners):
                return

    def moving(self) -> tuple[str, ...]:
        """What keeps it from settling: controller and object."""
        return tuple(
            f"{name} {key}"
            for runner in self.runners
            for name, keys in runner.pending().items()
            for key in keys
        )

    def problems(self) -> tuple[Problem, ...]:
        return tuple(problem for runner in self.runners for problem in runner.problems())

    async def tables(self) -> tuple[Table, ...]:
        boards = [board for room in rooms.rooms() for board in room.boards]
        return tuple([Table(board, await board.records(self.services.objects)) for board in boards])


Furnish = Callable[[Path, EmbeddedStore, contextlib.AsyncExitStack], Awaitable[Outside]]
"""Given the directory and its open store, makes the outside world; what it opens is closed with the stack."""


@contextlib.asynccontextmanager
async def hosted(
    data_dir: Path | None,
    furnish: Furnish,
    *,
    port: int = 0,
    on_step: Callable[[str], None],
    on_change: Callable[[Change], None],
) -> AsyncIterator[Running]:
    """Start everything; stop it in order when the block ends, however it ends.

    `data_dir` None is a directory that is gone afterwards, `port` 0 a free one. `on_step` is told what is being done, for
    progress; `on_change` of every write a controller made. Raises InputError `UnusableDirectory`, `NotAStore` or `UnusablePort`,
    StoreBusyError when an instance runs there already, RemoteError `DirectoryFailed`.
    """
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(_directory(data_dir))
        serving.forget(directory)
        clock = SystemClock()
        opened = await EmbeddedStore.open(
            instance.store_path(directory), clock, is_strict=True, is_shared=False
        )
        store = await stack.enter_async_context(opened)
        await definitions.define(store)
        outside = await furnish(directory, store, stack)
        on_step("opening the API")
        kubeconfig = await stack.enter_async_context(serving.served(store, directory, port))
        informers = Informers(store, clock)
        services = Services(informers.reader(), outside.images, clock, outside.images_with)
        controllers = tuple(controller for room in rooms.rooms() for controller in room.controllers(services))
        on_step("starting controllers")
        runner = Runner(store, controllers, clock, informers=informers, on_change=on_change, freeze_heap=True)
        stack.enter_context(instance.announced(directory, os.environ))
        runners = [await stack.enter_async_context(runner)]
        if outside.more is not None:
            runners.append(await stack.enter_async_context(outside.more()))
        yield Running(directory, kubeconfig, services, tuple(runners))


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
