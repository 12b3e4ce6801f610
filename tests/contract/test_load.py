"""What a store must bear: many writers at once, many objects."""

from __future__ import annotations

import asyncio

from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import ConflictError, Store

KIND = Kind("", "v1", "ConfigMap", "configmaps")


async def test_sixty_four_writers_of_one_object_lose_no_update(store: Store):
    """Read, change, write back with a version: every one of 64 concurrent increments counts."""
    key = ObjectKey("a", "counter")
    await store.apply(KIND, key, {"data": {"count": "0"}}, manager="me")

    async def increment() -> None:
        while True:
            present = await store.get(KIND, key)
            count = int(present.value()["data"]["count"])
            manifest = {
                "metadata": {"resourceVersion": present.meta.resource_version},
                "data": {"count": str(count + 1)},
            }
            try:
                await store.apply(KIND, key, manifest, manager="me")
            except ConflictError:
                continue
            return

    async with asyncio.timeout(60):
        await asyncio.gather(*(increment() for _ in range(64)))
    assert (await store.get(KIND, key)).value()["data"] == {"count": "64"}


async def test_sixty_four_writers_get_versions_of_their_own(store: Store):
    """Concurrent creates all succeed, each with its own version and uid, and none is lost."""

    async def create(writer: int) -> list[tuple[str, str]]:
        created = []
        for number in range(10):
            manifest = {"metadata": {"name": f"w{writer}-{number}", "namespace": "a"}}
            item = await store.create(KIND, manifest, manager=f"w{writer}")
            created.append((item.meta.resource_version, item.meta.uid))
        return created

    answers = [answer for one in await asyncio.gather(*map(create, range(64))) for answer in one]
    assert len({version for version, _ in answers}) == 640
    assert len({uid for _, uid in answers}) == 640
    assert len((await store.list(KIND)).items) == 640


async def test_ten_thousand_objects(store: Store):
    """Ten thousand objects are listed in order and watched from the beginning, each once."""
    for start in range(0, 10_000, 500):
        await asyncio.gather(
            *(
                store.create(
                    KIND,
                    {"metadata": {"name": f"n{number:05}", "namespace": f"ns{number % 7}"}},
                    manager="me",
                )
                for number in range(start, start + 500)
            )
        )
    listing = await store.list(KIND)
    keys = [item.key for item in listing.items]
    assert len(keys) == 10_000
    assert keys == sorted(keys)
    told = []
    async with asyncio.timeout(60):
        async for event in store.watch(KIND, "1"):
            told.append(event.object.key)
            if len(told) == 10_000:
                break
    assert sorted(told) == keys
