"""Several processes that compete for one Lease, on wires that can be cut, and a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pilotage.api.errors import RemoteError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import Alarm, ManualClock
from pilotage.runtime.lease import Elector, LeaseSettings, Term
from pilotage.store.embedded import EmbeddedStore

T = TypeVar("T")

LEASE_KEY = ObjectKey("pilotage", "pilotage")
WIRES = ("well", "cut", "mute", "late", "slow", "deaf")
LATENESS = 4.0


class SkewedClock:
    """The time that passes is everybody's; what the calendar says is a process's own."""

    def __init__(self, clock: ManualClock, skew: float) -> None:
        self._clock = clock
        self._skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        return self._clock.now() + self._skew

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Alarm:
        return self._clock.call_later(delay, callback)

    async def sleep(self, delay: float) -> None:
        await self._clock.sleep(delay)


class Wire:
    """The way of one process to the store.

    cut    every request fails at once                   late   requests arrive after `LATENESS` seconds, even when given up
    mute   requests never arrive, and nobody answers      slow   requests arrive, their answers after `LATENESS` seconds
    deaf   requests arrive, their answers never do
    """

    def __init__(self, store: EmbeddedStore, clock: ManualClock, busy: list[int]) -> None:
        self.state = "well"
        self.writes = 0
        self._store = store
        self._clock = clock
        self._busy = busy
        self._under_way: set[asyncio.Task[Any]] = set()

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        return await self._carry(lambda: self._store.get(kind, key))

    async def create(self, kind: Kind, manifest: Any, *, manager: str) -> Object:
        self.writes += 1
        return await self._carry(lambda: self._store.create(kind, manifest, manager=manager))

    async def apply(self, kind: Kind, key: ObjectKey, manifest: Any, *, manager: str, force: bool) -> Object:
        self.writes += 1
        return await self._carry(lambda: self._store.apply(kind, key, manifest, manager=manager, force=force))

    async def _carry(self, request: Callable[[], Awaitable[T]]) -> T:
        state = self.state
        match state:
            case "cut":
                raise RemoteError("ClusterUnreachable", "cannot connect")
            case "mute":
                await asyncio.Event().wait()
        travelling = asyncio.ensure_future(self._travel(request, LATENESS if state == "late" else 0.0))
        self._under_way.add(travelling)
        travelling.add_done_callback(self._arrived)
        answer = await asyncio.shield(travelling)  # who gives up waiting does not call a request back
        match state:
            case "slow":
                await self._clock.sleep(LATENESS)
            case "deaf":
                await asyncio.Event().wait()
        return answer

    async def _travel(self, request: Callable[[], Awaitable[T]], seconds: float) -> T:
        if seconds:
            await self._clock.sleep(seconds)
        self._busy[0] += 1
        try:
            return await request()
        finally:
            self._busy[0] -= 1

    def _arrived(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # perhaps nobody waits for it any more

    async def close(self) -> None:
        for task in tuple(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


class Process:
    """One candidate; its work is to act until it is told to stop."""

    def __init__(self, electorate: Electorate, name: str, skew: float) -> None:
        self.wire = Wire(electorate.store, electorate.clock, electorate.busy)
        self.elector = Elector(
            self.wire,  # type: ignore[arg-type]  # as much of a store as an election needs
            LEASE_KEY,
            name,
            SkewedClock(electorate.clock, skew),
            electorate.settings,
            chance=lambda: 0.5,
        )
        self.term: Term | None = None
        self.terms = 0
        self.stopping = asyncio.Event()
        self.task = asyncio.ensure_future(self.elector.run(self._work, self.stopping))

    @property
    def acts(self) -> bool:
        return self.term is not None and self.term.holds()

    @property
    def works(self) -> bool:
        return self.term is not None

    async def _work(self, term: Term) -> None:
        self.terms += 1
        self.term = term
        try:
            await self.stopping.wait()
        finally:
            self.term = None

    async def kill(self) -> None:
        """As SIGKILL: no good-bye."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


class Electorate:
    def __init__(
        self, store: EmbeddedStore, clock: ManualClock, settings: LeaseSettings | None = None
    ) -> None:
        self.store = store
        self.clock = clock
        self.settings = settings or LeaseSettings()
        self.busy = [0]
        self.processes: list[Process] = []

    def join(self, name: str, skew: float = 0.0) -> Process:
        process = Process(self, name, skew)
        self.processes.append(process)
        return process

    async def quiet(self) -> None:
        """Until nothing happens unless time passes."""
        still = 0
        while still < 20:
            await asyncio.sleep(0)
            still = 0 if self.busy[0] else still + 1

    async def pass_time(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        """Let time pass from alarm to alarm, and `look` at every moment at which something happened."""
        await self.quiet()
        end = self.clock.monotonic() + seconds
        while (due := self.clock.next_due) is not None and due <= end:
            self.clock.advance_to_next()
            look()
            await self.quiet()
            look()
        self.clock.advance(end - self.clock.monotonic())
        await self.quiet()
        look()

    async def close(self) -> None:
        for process in self.processes:
            await process.kill()
            await process.wire.close()
