"""Namespaces and what goes with them; owners in the foreground and orphans. Texts are those of kube-apiserver 1.36."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilotage.api.core import NAMESPACE
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import (
    DeleteOptions,
    ForbiddenError,
    ListOptions,
    MethodError,
    NotFoundError,
    WriteOptions,
    status_of,
)
from pilotage.store.embedded import EmbeddedStore

CONFIG = Kind("", "v1", "ConfigMap", "configmaps")
ME = WriteOptions(manager="me")


@pytest.fixture
async def cluster(clock: ManualClock) -> AsyncIterator[EmbeddedStore]:
    """A store that is a whole cluster."""
    async with await EmbeddedStore.open(None, clock, is_strict=True) as opened:
        yield opened


async def until_gone(store: EmbeddedStore, kind: Kind, key: ObjectKey) -> None:
    async with asyncio.timeout(10):
        listing = await store.list(kind)
        if all(item.key != key for item in listing.items):
            return
        async for event in store.watch(kind, listing.resource_version):
            if event.type == "DELETED" and event.object.key == key:
                return


async def config(store: EmbeddedStore, name: str, namespace: str = "default", **metadata: Any) -> Object:
    return (await store.post(CONFIG, namespace, {"metadata": {"name": name, **metadata}}, ME)).object


def owner(item: Object, *, blocks: bool) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": item.kind,
        "name": item.meta.name,
        "uid": item.meta.uid,
        "blockOwnerDeletion": blocks,
    }


async def test_a_cluster_has_namespaces(cluster: EmbeddedStore):
    """The four that every cluster has, and as the API server makes them."""
    listing = await cluster.list(NAMESPACE)
    assert [item.meta.name for item in listing.items] == [
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
    ]
    value = listing.items[0].value()
    assert value["spec"] == {"finalizers": ["kubernetes"]}
    assert value["status"] == {"phase": "Active"}
    assert value["metadata"]["labels"] == {"kubernetes.io/metadata.name": "default"}
    (entry,) = value["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:metadata": {"f:labels": {".": {}, "f:kubernetes.io/metadata.name": {}}}}


async def test_objects_live_in_namespaces_that_are_there(cluster: EmbeddedStore):
    """The namespace is what was not found."""
    with pytest.raises(NotFoundError) as caught:
        await config(cluster, "a", "nope")
    assert status_of(caught.value) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'namespaces "nope" not found',
        "reason": "NotFound",
        "details": {"name": "nope", "kind": "namespaces"},
        "code": 404,
    }


async def test_a_kind_must_be_known(cluster: EmbeddedStore):
    """A kind that nobody defined is not served."""
    with pytest.raises(NotFoundError, match="the server could not find the requested resource"):
        await cluster.list(Kind("ex.dev", "v1", "Foo", "foos"))


async def test_some_namespaces_stay(cluster: EmbeddedStore):
    """Nobody deletes the namespaces of the system, nor all namespaces at once."""
    with pytest.raises(ForbiddenError) as caught:
        await cluster.remove(NAMESPACE, ObjectKey("", "default"), DeleteOptions())
    assert str(caught.value) == 'namespaces "default" is forbidden: this namespace may not be deleted'
    with pytest.raises(MethodError):
        await cluster.remove_all(NAMESPACE, ListOptions(), DeleteOptions())


async def test_a_namespace_takes_its_content_along(cluster: EmbeddedStore):
    """It waits for what has finalizers, says so, lets nothing new in, and goes last."""
    key = ObjectKey("", "team")
    await cluster.post(NAMESPACE, "", {"metadata": {"name": "team"}}, ME)
    await config(cluster, "held", "team", finalizers=["ex.dev/hold"])
    await config(cluster, "free", "team")
    deleted = await cluster.remove(NAMESPACE, key, DeleteOptions())
    assert not deleted.is_gone
    assert deleted.object.value()["status"]["phase"] == "Terminating"
    await until_gone(cluster, CONFIG, ObjectKey("team", "free"))
    with pytest.raises(ForbiddenError) as caught:
        await config(cluster, "late", "team")
    assert status_of(caught.value)["details"] == {
        "name": "late",
        "kind": "configmaps",
        "causes": [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace team is being terminated",
                "field": "metadata.namespace",
            }
        ],
    }
    assert str(caught.value) == (
        'configmaps "late" is forbidden: unable to create new content in namespace team because it is being terminated'
    )
    patch = {"metadata": {"finalizers": None}}
    await cluster.patch(CONFIG, ObjectKey("team", "held"), "merge", patch, ME)
    await until_gone(cluster, NAMESPACE, key)


async def test_ends_survive_a_restart(tmp_path: Any, clock: ManualClock):
    """What a process left to do, the next one does."""
    path = tmp_path / "store.sqlite"
    async with await EmbeddedStore.open(path, clock, is_strict=True) as store:
        await store.post(NAMESPACE, "", {"metadata": {"name": "team"}}, ME)
        await config(store, "held", "team", finalizers=["ex.dev/hold"])
        await store.delete(NAMESPACE, ObjectKey("", "team"))
    async with await EmbeddedStore.open(path, clock, is_strict=True) as store:
        patch = {"metadata": {"finalizers": None}}
        await store.patch(CONFIG, ObjectKey("team", "held"), "merge", patch, ME)
        await until_gone(store, NAMESPACE, ObjectKey("", "team"))


async def test_foreground(cluster: EmbeddedStore):
    """An owner that goes in the foreground goes after the dependents that block it."""
    parent = await config(cluster, "parent")
    child = await config(
        cluster, "child", ownerReferences=[owner(parent, blocks=True)], finalizers=["ex.dev/hold"]
    )
    await config(cluster, "grandchild", ownerReferences=[owner(child, blocks=True)])
    key = ObjectKey("default", "parent")
    deleted = await cluster.remove(CONFIG, key, DeleteOptions(propagation="Foreground"))
    assert not deleted.is_gone
    assert deleted.object.meta.finalizers == ("foregroundDeletion",)
    await until_gone(cluster, CONFIG, ObjectKey("default", "grandchild"))
    assert (await cluster.get(CONFIG, key)).meta.deletion_timestamp
    patch = {"metadata": {"finalizers": None}}
    await cluster.patch(CONFIG, ObjectKey("default", "child"), "merge", patch, ME)
    await until_gone(cluster, CONFIG, key)


async def test_an_owner_that_nothing_blocks_goes_at_once(cluster: EmbeddedStore):
    """Dependents that do not block follow in the background."""
    parent = await config(cluster, "parent")
    await config(cluster, "child", ownerReferences=[owner(parent, blocks=False)])
    await cluster.remove(CONFIG, parent.key, DeleteOptions(propagation="Foreground"))
    await until_gone(cluster, CONFIG, parent.key)
    await until_gone(cluster, CONFIG, ObjectKey("default", "child"))


async def test_orphans_stay(cluster: EmbeddedStore):
    """An owner that orphans its dependents leaves them without a trace of it."""
    parent = await config(cluster, "parent")
    await config(cluster, "child", ownerReferences=[owner(parent, blocks=True)])
    deleted = await cluster.remove(CONFIG, parent.key, DeleteOptions(propagation="Orphan"))
    assert deleted.object.meta.finalizers == ("orphan",)
    await until_gone(cluster, CONFIG, parent.key)
    child = await cluster.get(CONFIG, ObjectKey("default", "child"))
    assert not child.meta.owner_references


async def test_a_fork_goes_its_own_way(cluster: EmbeddedStore):
    """A fork has everything, versions included; what happens there happens only there."""
    first = await config(cluster, "a")
    async with await cluster.fork() as fork:
        assert await fork.get(CONFIG, first.key) == first
        await fork.delete(CONFIG, first.key)
        assert (await fork.list(CONFIG)).items == ()
    assert await cluster.get(CONFIG, first.key) == first
