"""What becomes of objects whose owners go: background garbage collection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import NotFoundError, Store

OWNER = Kind("", "v1", "ConfigMap", "configmaps")


def owned_by(*owners: Object) -> dict[str, Any]:
    references = [
        {"apiVersion": "v1", "kind": owner.kind, "name": owner.meta.name, "uid": owner.meta.uid}
        for owner in owners
    ]
    return {"metadata": {"ownerReferences": references}}


def key(name: str) -> ObjectKey:
    return ObjectKey("a", name)


async def gone(store: Store, name: str) -> None:
    """Wait until an object is gone."""
    async with asyncio.timeout(10):
        listing = await store.list(OWNER, "a")
        if not any(item.meta.name == name for item in listing.items):
            return
        async for event in store.watch(OWNER, listing.resource_version, "a"):
            if event.type == "DELETED" and event.object.meta.name == name:
                return


async def test_dependents_follow_their_owner(store: Store):
    """Deleting an owner deletes what it owns, and what that owns in turn."""
    owner = await store.apply(OWNER, key("owner"), {}, manager="me")
    child = await store.apply(OWNER, key("child"), owned_by(owner), manager="me")
    await store.apply(OWNER, key("grandchild"), owned_by(child), manager="me")
    await store.apply(OWNER, key("stranger"), {}, manager="me")
    await store.delete(OWNER, key("owner"))
    await gone(store, "grandchild")
    assert [item.meta.name for item in (await store.list(OWNER)).items] == ["stranger"]


async def test_an_object_with_another_owner_stays(store: Store):
    """Of two owners one goes: the object stays and forgets that one."""
    first = await store.apply(OWNER, key("first"), {}, manager="me")
    second = await store.apply(OWNER, key("second"), {}, manager="me")
    await store.apply(OWNER, key("child"), owned_by(first, second), manager="me")
    start = (await store.list(OWNER)).resource_version
    await store.delete(OWNER, key("first"))
    async with asyncio.timeout(10):
        async for event in store.watch(OWNER, start):
            if event.object.meta.name == "child":
                break
    child = await store.get(OWNER, key("child"))
    assert [owner.uid for owner in child.meta.owner_references or ()] == [second.meta.uid]
    await store.delete(OWNER, key("second"))
    await gone(store, "child")


async def test_a_dependent_with_finalizers_is_marked(store: Store):
    """Garbage collection respects finalizers as any deletion does."""
    owner = await store.apply(OWNER, key("owner"), {}, manager="me")
    held = owned_by(owner)
    held["metadata"]["finalizers"] = ["pilotage.dev/hold"]
    before = await store.apply(OWNER, key("child"), held, manager="me")
    await store.delete(OWNER, key("owner"))
    async with asyncio.timeout(10):
        async for event in store.watch(OWNER, before.meta.resource_version):
            if event.object.meta.name == "child":
                assert event.object.meta.deletion_timestamp
                break
    await store.apply(OWNER, key("child"), owned_by(owner), manager="me")
    with pytest.raises(NotFoundError):
        await store.get(OWNER, key("child"))


async def test_a_late_dependent_of_a_gone_owner_goes(store: Store):
    """A controller that did not see the owner go creates a dependent in vain."""
    owner = await store.apply(OWNER, key("owner"), {}, manager="me")
    await store.delete(OWNER, key("owner"))
    await store.apply(OWNER, key("late"), owned_by(owner), manager="me")
    await gone(store, "late")


async def test_an_owner_never_seen_keeps_its_dependents(store: Store):
    """What was never in this store is not known to be gone: a partial copy of a cluster keeps its objects."""
    references = [{"apiVersion": "v1", "kind": "Node", "name": "elsewhere", "uid": "0-1"}]
    await store.apply(OWNER, key("kept"), {"metadata": {"ownerReferences": references}}, manager="me")
    other = await store.apply(OWNER, key("other"), {}, manager="me")
    await store.apply(OWNER, key("marker"), owned_by(other), manager="me")
    await store.delete(OWNER, key("other"))
    await gone(store, "marker")
    assert [item.meta.name for item in (await store.list(OWNER)).items] == ["kept"]
