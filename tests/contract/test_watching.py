"""What a watch must tell: everything after its version, once, in order, until the log no longer reaches back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import Event, ExpiredError, InvalidObjectError
from pilotage.store.embedded import EmbeddedStore

KIND = Kind("", "v1", "ConfigMap", "configmaps")
OTHER = Kind("", "v1", "Secret", "secrets")


def key(name: str, namespace: str = "a") -> ObjectKey:
    return ObjectKey(namespace, name)


async def take(events: AsyncIterator[Event], count: int) -> list[tuple[str, str]]:
    """The next changes as (type, name), bookmarks aside."""
    taken: list[tuple[str, str]] = []
    async with asyncio.timeout(20):
        async for event in events:
            if event.type != "BOOKMARK":
                taken.append((event.type, event.object.meta.name))
            if len(taken) == count:
                break
    return taken


async def test_a_watch_tells_what_follows_a_list(store: EmbeddedStore):
    """From the version of a list a watch tells later changes of its kind, also those that were before it began."""
    await store.apply(KIND, key("old"), {}, manager="me")
    start = (await store.list(KIND)).resource_version
    await store.apply(KIND, key("new"), {}, manager="me")
    await store.apply(OTHER, key("other"), {}, manager="me")
    events = store.watch(KIND, start)
    assert await take(events, 1) == [("ADDED", "new")]
    follow = asyncio.create_task(take(store.watch(KIND, (await store.list(KIND)).resource_version), 2))
    await asyncio.sleep(0)
    await store.apply(KIND, key("old"), {"data": {"a": "b"}}, manager="me")
    await store.delete(KIND, key("new"))
    assert await follow == [("MODIFIED", "old"), ("DELETED", "new")]


async def test_a_watch_of_a_namespace_tells_of_no_other(store: EmbeddedStore):
    """A watch of one namespace is silent about others."""
    start = (await store.list(KIND)).resource_version
    await store.apply(KIND, key("x", "elsewhere"), {}, manager="me")
    await store.apply(KIND, key("y"), {}, manager="me")
    assert await take(store.watch(KIND, start, "a"), 1) == [("ADDED", "y")]


async def test_one_name_is_listed_and_watched_alone(store: EmbeddedStore):
    """A list and a watch of one name hold that object or nothing, and the watch tells its beginning, changes and end."""
    await store.apply(KIND, key("other"), {}, manager="me")
    before = await store.list(KIND, "a", name="x")
    assert before.items == ()
    created = await store.apply(KIND, key("x"), {}, manager="me")
    await store.apply(KIND, key("x", "b"), {}, manager="me")
    assert (await store.list(KIND, "a", name="x")).items == (created,)
    await store.apply(KIND, key("other"), {"data": {"a": "b"}}, manager="me")
    assert await take(store.watch(KIND, before.resource_version, "a", name="x"), 1) == [("ADDED", "x")]
    version = (await store.list(KIND, "a", name="x")).resource_version
    await store.delete(KIND, key("other"))
    await store.delete(KIND, key("x"))
    assert await take(store.watch(KIND, version, "a", name="x"), 1) == [("DELETED", "x")]
    follow = asyncio.create_task(
        take(store.watch(KIND, (await store.list(KIND, "a", name="x")).resource_version, "a", name="x"), 1)
    )
    await asyncio.sleep(0)
    await store.apply(KIND, key("another"), {}, manager="me")
    await store.apply(KIND, key("x"), {}, manager="me")
    assert await follow == [("ADDED", "x")]


async def test_a_watch_from_zero_begins_with_what_is_there(store: EmbeddedStore):
    """Version 0 asks for the present objects first, as ADDED."""
    for name in ("a", "b"):
        await store.apply(KIND, key(name), {}, manager="me")
    assert await take(store.watch(KIND, "0"), 2) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_deleted_event_carries_the_last_state(store: EmbeddedStore):
    """Who watched a deletion is told what was deleted, with the version of the deletion."""
    created = await store.apply(KIND, key("x"), {"data": {"k": "v"}}, manager="me")
    await store.delete(KIND, key("x"))
    async with asyncio.timeout(10):
        event = await anext(aiter(store.watch(KIND, created.meta.resource_version)))
    assert event.type == "DELETED"
    assert event.object.value()["data"] == {"k": "v"}
    assert int(event.object.meta.resource_version) > int(created.meta.resource_version)


async def test_a_recreated_object_ends_and_begins(store: EmbeddedStore):
    """A name that was deleted and created again is two lives, also for a watcher that slept."""
    first = await store.apply(KIND, key("x"), {}, manager="me")
    await store.delete(KIND, key("x"))
    second = await store.apply(KIND, key("x"), {}, manager="me")
    await store.apply(KIND, key("x"), {"data": {"a": "b"}}, manager="me")
    events = store.watch(KIND, first.meta.resource_version)
    assert await take(events, 2) == [("DELETED", "x"), ("ADDED", "x")]
    assert first.meta.uid != second.meta.uid


async def test_bookmarks_carry_a_quiet_watch_forward(store: EmbeddedStore):
    """A watch whose kind is quiet says how far it has come, so that it can resume there."""
    start = (await store.list(KIND)).resource_version
    last = await store.apply(OTHER, key("noise"), {}, manager="me")
    async with asyncio.timeout(10):
        event = await anext(aiter(store.watch(KIND, start)))
    assert event.type == "BOOKMARK"
    assert event.object.meta.resource_version == last.meta.resource_version
    assert event.object.kind == "ConfigMap"


async def test_a_compacted_version_is_expired(store: EmbeddedStore):
    """A watch from before the compaction must list again; one from after it goes on."""
    start = (await store.list(KIND)).resource_version
    for number in range(5):
        await store.apply(KIND, key("x"), {"data": {"n": str(number)}}, manager="me")
    await store.compact()
    with pytest.raises(ExpiredError, match="too old resource version"):
        await anext(aiter(store.watch(KIND, start)))
    now = (await store.list(KIND)).resource_version
    await store.delete(KIND, key("x"))
    assert await take(store.watch(KIND, now), 1) == [("DELETED", "x")]


async def test_a_version_from_the_future_is_expired(store: EmbeddedStore):
    """A version that this store never gave out, such as of a lost file, cannot be waited for."""
    with pytest.raises(ExpiredError):
        await anext(aiter(store.watch(KIND, "999999")))


async def test_a_version_must_be_one(store: EmbeddedStore):
    """What is no version at all is the caller's mistake."""
    with pytest.raises(InvalidObjectError, match="resourceVersion"):
        await anext(aiter(store.watch(KIND, "yesterday")))


async def test_closing_ends_watches(store: EmbeddedStore):
    """A watch ends when its store is closed."""

    async def drain() -> int:
        return len([event async for event in store.watch(KIND, "") if event.type != "BOOKMARK"])

    watching = asyncio.create_task(drain())
    await store.apply(KIND, key("x"), {}, manager="me")
    await store.close()
    async with asyncio.timeout(10):
        assert await watching in {0, 1}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_watches_miss_nothing_and_double_nothing(store: EmbeddedStore, seed: int):
    """While many write, what each watcher is told adds up to what a list says, each change once and in order."""
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(12)]
    for name in names[:4]:
        await store.apply(KIND, key(name), {}, manager="me")

    async def write(writer: int) -> None:
        for number in range(60):
            name = chance.choice(names)
            if chance.random() < 0.3:
                try:
                    await store.delete(KIND, key(name))
                except Exception as error:  # noqa: BLE001 another writer was faster
                    assert "not found" in str(error)  # noqa: PT017
            else:
                data = {"data": {"by": f"{writer}-{number}"}}
                await store.apply(KIND, key(name), data, manager=f"w{writer}", force=True)

    async def follow() -> dict[str, str]:
        listing = await store.list(KIND)
        state = {item.meta.name: item.meta.resource_version for item in listing.items}
        last = int(listing.resource_version)
        async for event in store.watch(KIND, listing.resource_version):
            name, version = event.object.meta.name, int(event.object.meta.resource_version)
            if event.type == "BOOKMARK":
                continue
            assert version > last
            last = version
            if name == "the-end":
                return state
            assert (event.type == "ADDED") == (name not in state)
            if event.type == "DELETED":
                del state[name]
            else:
                state[name] = str(version)
        raise AssertionError("the watch ended")

    followers = [asyncio.create_task(follow()) for _ in range(4)]
    await asyncio.gather(*(write(writer) for writer in range(8)))
    truth = {item.meta.name: item.meta.resource_version for item in (await store.list(KIND)).items}
    await store.apply(KIND, key("the-end"), {}, manager="me")
    async with asyncio.timeout(30):
        assert await asyncio.gather(*followers) == [truth] * 4
