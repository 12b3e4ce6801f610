"""A controller that builds on what it wrote before comes to rest, however late its own events arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pilotage.api.core import CONFIG_MAP, ConfigMap
from pilotage.api.meta import Kind, ObjectKey
from pilotage.decision.actions import Apply
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import ManualClock, rfc3339
from pilotage.runtime.controller import Controller, Result
from pilotage.runtime.runner import Runner
from pilotage.store.base import Event, NotFoundError
from pilotage.store.embedded import EmbeddedStore

KEY = ObjectKey("default", "record")
ENOUGH = 20
"""Rounds that no controller needs for three objects."""


class LateWatch:
    """The embedded store over a line on which each event waits until the next one comes, or until `flush`."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self.flushed = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def watch(self, kind: Kind, resource_version: str, namespace: str = "") -> AsyncIterator[Event]:
        held: Event | None = None
        stream = self._store.watch(kind, resource_version, namespace)
        following = asyncio.ensure_future(anext(stream))
        try:
            while True:
                flush = asyncio.ensure_future(self.flushed.wait())
                await asyncio.wait((following, flush), return_when=asyncio.FIRST_COMPLETED)
                flush.cancel()
                if held is not None:
                    yield held
                    held = None
                if following.done():
                    held = following.result()
                    following = asyncio.ensure_future(anext(stream))
                elif self.flushed.is_set():
                    await asyncio.sleep(0)
                    await asyncio.wait((following,))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await stream.aclose()  # type: ignore[attr-defined]


async def test_a_copied_time_does_not_run_in_circles() -> None:
    """The first write's time is kept by every later one: two writes, not one for each event."""
    clock = ManualClock()
    async with await EmbeddedStore.open(None, clock) as real:
        store = LateWatch(real)
        informers = Informers(store, clock)
        objects = informers.reader()
        rounds = 0

        async def reconcile(key: ObjectKey) -> Result:
            nonlocal rounds
            rounds += 1
            if rounds > ENOUGH:
                return Result()
            try:
                since = (await objects.get(CONFIG_MAP, KEY)).view(ConfigMap).read("since")
            except NotFoundError:
                since = None
            clock.advance(1)
            data = {"since": since or rfc3339(clock.now())}
            manifest = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": KEY.name, "namespace": KEY.namespace},
                "data": data,
            }
            return Result((Apply(CONFIG_MAP, KEY, manifest),))

        controller = Controller("copier", CONFIG_MAP, reconcile)
        seed = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seed", "namespace": "default"}}
        await real.create(CONFIG_MAP, seed, manager="user")
        async with Runner(store, (controller,), clock, informers=informers) as runner:
            other = dict(seed, metadata={"name": "other", "namespace": "default"})
            await real.create(CONFIG_MAP, other, manager="user")
            for _ in range(200):
                await asyncio.sleep(0)
            store.flushed.set()
            await runner.settled()
        assert rounds < ENOUGH, "it copies its own writes in circles"
