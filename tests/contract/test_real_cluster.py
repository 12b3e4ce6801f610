"""The same contract, kept by a real kube-apiserver behind `ClusterStore`: what is promised of stores is what Kubernetes does.

Every test of this folder runs here as well. `Secluded` makes a cluster that was never empty look like a new store: the
namespaces that tests use are there, and what belongs to the cluster itself is not shown. Where the server differs, `DIFFERENCES`
says how, and a difference that has gone fails, so the list stays true; `NOT_HERE` says what cannot be asked of it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import Event, Listing, NotFoundError
from pilotage.store.cluster import ClusterSettings, ClusterStore, read_kubeconfig

MODULES = ("test_objects", "test_owners", "test_watching", "test_load")

DIFFERENCES = {
    "test_create_gives_identity": "the time is the server's, not the test's",
    "test_finalizers_hold_an_object": "the time is the server's, not the test's",
    "test_versions_are_global_and_grow": "the namespace is there already, and applying nothing writes nothing",
}
NO_CONTROLLERS = "a kube-apiserver alone collects no garbage: that is kube-controller-manager's work"
NOT_HERE = {
    "test_dependents_follow_their_owner": NO_CONTROLLERS,
    "test_an_object_with_another_owner_stays": NO_CONTROLLERS,
    "test_a_dependent_with_finalizers_is_marked": NO_CONTROLLERS,
    "test_a_late_dependent_of_a_gone_owner_goes": NO_CONTROLLERS,
    "test_an_owner_never_seen_keeps_its_dependents": NO_CONTROLLERS,
    "test_bookmarks_carry_a_quiet_watch_forward": "a server's bookmarks come once a minute, with versions of the one kind",
    "test_a_compacted_version_is_expired": "compaction is the server's own; see the tests of the store",
    "test_a_version_from_the_future_is_expired": "a server waits for it in silence",
    "test_ten_thousand_objects": "a server's watch does not reach back to version 1; the benchmark measures ten thousand",
}

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
SECRET = Kind("", "v1", "Secret", "secrets")
NODE_POOL = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
NAMESPACES = ("a", "b", "clusters", "elsewhere", *(f"ns{number}" for number in range(7)))


class Secluded:
    """A cluster without what was there before."""

    def __init__(self, store: ClusterStore) -> None:
        self._store = store
        self._hidden: frozenset[str] = frozenset()

    async def hide_present(self) -> None:
        listings = [await self._store.list(kind) for kind in (NAMESPACE, CONFIG_MAP, SECRET, NODE_POOL)]
        self._hidden = frozenset(item.meta.uid for listing in listings for item in listing.items)

    def _shows(self, item: Object) -> bool:
        return item.meta.uid not in self._hidden and not item.meta.namespace.startswith("kube-")

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, name: str = ""
    ) -> Listing:
        found = await self._store.list(kind, namespace, labels, name=name)
        return Listing(tuple(filter(self._shows, found.items)), found.resource_version)

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str = "", *, name: str = ""
    ) -> AsyncIterator[Event]:
        async for event in self._store.watch(kind, resource_version, namespace, name=name):
            if self._shows(event.object):
                yield event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
async def store(request: pytest.FixtureRequest, real_api: Any) -> AsyncIterator[Secluded]:
    name = request.node.name
    if name in NOT_HERE:
        pytest.skip(NOT_HERE[name])
    if name in DIFFERENCES:
        request.applymarker(pytest.mark.xfail(reason=DIFFERENCES[name], strict=True))
    if not real_api.is_ours:
        pytest.skip("the contract needs a cluster that nobody else uses")
    settings = ClusterSettings(rate=0, watch_seconds=(10, 10))
    async with ClusterStore(read_kubeconfig(real_api.kubeconfig), settings) as opened:
        await prepare(opened)
        secluded = Secluded(opened)
        await secluded.hide_present()
        yield secluded


async def prepare(store: ClusterStore) -> None:
    """Namespaces and the definition are there, and nothing of an earlier test."""
    for name in NAMESPACES:
        await store.apply(NAMESPACE, ObjectKey("", name), {}, manager="set-up")
    await store.apply(DEFINITION, ObjectKey("", NODE_POOL.resource), definition(), manager="set-up")
    async with asyncio.timeout(30):
        while not await is_served(store):
            await asyncio.sleep(0.05)
    for kind in (CONFIG_MAP, SECRET, NODE_POOL):
        left = [
            item for item in (await store.list(kind)).items if not item.meta.namespace.startswith("kube-")
        ]
        await asyncio.gather(*(remove(store, kind, item) for item in left))


async def is_served(store: ClusterStore) -> bool:
    found = (await store.get(DEFINITION, ObjectKey("", NODE_POOL.resource))).value()
    conditions = found.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


async def remove(store: ClusterStore, kind: Kind, item: Object) -> None:
    """Also when finalizers hold it: they are taken over, then let go."""
    try:
        if item.meta.finalizers:
            for finalizers in (list(item.meta.finalizers), []):
                manifest = {"metadata": {"finalizers": finalizers}} if finalizers else {}
                for manager in {entry["manager"] for entry in item.value()["metadata"]["managedFields"]}:
                    await store.apply(kind, item.key, manifest, manager=manager, force=True)
        await store.delete(kind, item.key)
    except NotFoundError:
        pass


def definition() -> dict[str, Any]:
    """NodePool, as far as the contract uses it: fields are kept unseen, conditions are told apart by type."""
    condition = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "required": ["type"]}
    condition["properties"] = {"type": {"type": "string"}, "status": {"type": "string"}}
    conditions = {"type": "array", "items": condition}
    conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {
        "type": "object",
        "properties": {"spec": loose, "status": {**loose, "properties": {"conditions": conditions}}},
    }
    version = {"name": NODE_POOL.version, "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "spec": {
            "group": NODE_POOL.group,
            "scope": "Namespaced",
            "names": {"kind": NODE_POOL.kind, "plural": NODE_POOL.plural, "singular": "nodepool"},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        }
    }


def contract() -> dict[str, Callable[..., Any]]:
    """Every test of the contract, by name; loaded as pytest loads tests, so that failing asserts explain themselves."""
    tests: dict[str, Callable[..., Any]] = {}
    for name in MODULES:
        found = (finder.find_spec(name, [str(Path(__file__).parent)]) for finder in sys.meta_path)
        spec = next(filter(None, found))
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tests |= {name: value for name, value in vars(module).items() if name.startswith("test_")}
    return tests


globals().update(contract())
