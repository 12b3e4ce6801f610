"""The store against a model: whatever is done in whatever order, versions, generations and watches add up."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import ConflictError, Event, NotFoundError
from pilotage.store.embedded import EmbeddedStore

KIND = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")

names = st.sampled_from(["a", "b"])
managers = st.sampled_from(["one", "two"])
specs = st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 2), max_size=2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("apply"), names, managers, specs),
        st.tuples(st.just("status"), names, managers, specs),
        st.tuples(st.just("delete"), names, managers, specs),
        st.tuples(st.just("compact"), names, managers, specs),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(steps, st.lists(st.integers(0, 24), max_size=3))
def test_histories_add_up(history: list[tuple[str, str, str, dict[str, int]]], looks: list[int]):
    """After any history the list is the model, each version higher than the last, and watches fold into the list."""
    asyncio.run(_live_through(history, set(looks)))


async def _live_through(history: list[tuple[str, str, str, dict[str, int]]], looks: set[int]) -> None:
    async with await EmbeddedStore.open(None, ManualClock(), entropy=random.Random(1)) as store:
        newest, seen_from = 1, []
        for number, (verb, name, manager, spec) in enumerate(history):
            key = ObjectKey("a", name)
            if number in looks:
                listing = await store.list(KIND)
                seen_from.append(
                    {item.meta.name: item.meta for item in listing.items} | {"": listing.resource_version}
                )
            before = {item.key: item for item in (await store.list(KIND)).items}.get(key)
            try:
                if verb == "apply":
                    after = await store.apply(KIND, key, {"spec": spec}, manager=manager, force=True)
                    assert after.value().get("spec", {}).items() >= spec.items()
                elif verb == "status":
                    after = await store.patch_status(KIND, key, spec, manager=manager)
                elif verb == "delete":
                    await store.delete(KIND, key)
                    newest += 1
                    continue
                else:
                    await store.compact()
                    seen_from = []
                    continue
            except NotFoundError:
                assert before is None
                continue
            if before is not None and after.meta.resource_version == before.meta.resource_version:
                assert after == before
                continue
            newest += 1
            assert int(after.meta.resource_version) == newest
            changed = before is not None and before.value().get("spec") != after.value().get("spec")
            assert after.meta.generation == (before.meta.generation if before else 1) + changed
        listing = await store.list(KIND)
        assert int(listing.resource_version) == newest
        for seen in seen_from:
            await _check_watch(store, seen, {item.meta.name: item.meta for item in listing.items})


async def _check_watch(store: EmbeddedStore, seen: dict[str, Any], present: dict[str, Any]) -> None:
    """A watch from an earlier list tells exactly what leads from there to now."""
    start = seen.pop("")
    await store.apply(KIND, ObjectKey("a", "the-end"), {"spec": {"x": 9}}, manager="me")
    async for event in store.watch(KIND, start):
        if event.object.meta.name == "the-end":
            if event.type == "ADDED":
                break
            continue
        _fold(seen, event)
    await store.delete(KIND, ObjectKey("a", "the-end"))
    assert seen == present


def _fold(state: dict[str, Any], event: Event) -> None:
    meta = event.object.meta
    assert (event.type == "ADDED") == (meta.name not in state)
    if event.type == "DELETED":
        del state[meta.name]
    else:
        state[meta.name] = meta


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.tuples(managers, specs, st.booleans()), max_size=12))
def test_a_refused_apply_changes_nothing(attempts: list[tuple[str, dict[str, int], bool]]):
    """A conflict leaves the object byte for byte as it was."""

    async def attempt_all() -> None:
        async with await EmbeddedStore.open(None, ManualClock()) as store:
            key = ObjectKey("a", "a")
            await store.apply(KIND, key, {}, manager="me")
            for manager, spec, force in attempts:
                before = await store.get(KIND, key)
                try:
                    await store.apply(KIND, key, {"spec": spec}, manager=manager, force=force)
                except ConflictError:
                    assert not force
                    assert await store.get(KIND, key) == before

    asyncio.run(attempt_all())
