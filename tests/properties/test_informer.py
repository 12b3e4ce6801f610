"""After any history, the informer holds what the store holds, and what it told adds up to the same."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.informer import Delta, Informer
from pilotage.store.base import NotFoundError
from pilotage.store.embedded import EmbeddedStore

MAPS = Kind("", "v1", "ConfigMap", "configmaps")
KEYS = st.sampled_from([ObjectKey("a", "x"), ObjectKey("a", "y"), ObjectKey("b", "x")])
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(0, 2)),
    st.tuples(st.just("delete"), KEYS, st.just(0)),
    st.tuples(st.sampled_from(["stop", "start", "compact", "catch up", "let run"]), st.none(), st.just(0)),
)


class Listener:
    """Replays the deltas: a delta that does not fit what was told before was missed or doubled."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, Object] = {}

    def hear(self, delta: Delta) -> None:
        found = delta.new or delta.old
        assert found is not None
        assert self.objects.get(found.key) == delta.old
        assert delta.old != delta.new
        if delta.new is None:
            del self.objects[found.key]
        else:
            if delta.old is not None:
                assert delta.old.meta.uid == delta.new.meta.uid
            self.objects[found.key] = delta.new


async def _step(store: EmbeddedStore, verb: str, key: ObjectKey | None, value: int) -> None:
    if verb == "put" and key is not None:
        await store.apply(
            MAPS,
            key,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"namespace": key.namespace, "name": key.name},
                "data": {"value": str(value)},
            },
            manager="user",
        )
    elif verb == "delete" and key is not None:
        with suppress(NotFoundError):
            await store.delete(MAPS, key)
    elif verb == "compact":
        await store.compact()
    elif verb == "let run":
        for _ in range(20):
            await asyncio.sleep(0)


async def _play(history: list[tuple[str, ObjectKey | None, int]]) -> None:
    clock = ManualClock()
    async with await EmbeddedStore.open(None, clock) as store:
        informer = Informer(store, MAPS, clock)
        informer.add_index("value", lambda found: [found.value()["data"]["value"]])
        listener = Listener()
        failures: list[AssertionError] = []

        def hear(delta: Delta) -> None:
            try:
                listener.hear(delta)
            except AssertionError as error:
                failures.append(error)

        informer.add_handler(hear)
        task: asyncio.Task[None] | None = None
        for verb, key, value in [*history, ("start", None, 0), ("catch up", None, 0)]:
            await _step(store, verb, key, value)
            if verb == "start" and task is None:
                task = asyncio.create_task(informer.run())
            elif verb == "stop" and task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                task = None
            elif verb == "catch up" and task is not None:
                async with asyncio.timeout(20):
                    await informer.caught_up()
        held = (await store.list(MAPS)).items
        assert failures == []
        assert informer.list() == held
        assert tuple(sorted(listener.objects.values(), key=lambda found: found.key)) == held
        for value in range(3):
            filed = tuple(found for found in held if found.value()["data"]["value"] == str(value))
            assert informer.select("value", str(value)) == filed
        for namespace in ("a", "b"):
            assert informer.list(namespace) == tuple(f for f in held if f.meta.namespace == namespace)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(history=st.lists(STEPS, max_size=30))
def test_the_informer_equals_the_store(history: list[tuple[str, ObjectKey | None, int]]) -> None:
    """Whatever was written, compacted or interrupted meanwhile; every delta fits the ones before it."""
    asyncio.run(_play(history))
