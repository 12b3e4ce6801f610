"""A real kube-apiserver as the management cluster of a fleet: the definitions, the namespaces, and nothing of earlier tests.

Fixture `management`. `pilotage run` reads the images of the sample world from disk, so no registry is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pilotage.api import crd, kinds, pilotage
from pilotage.api.core import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, EVENT, LEASE, NAMESPACE, SECRET
from pilotage.api.hypershift import HOSTED_CLUSTER, NODE_POOL
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.api.pilotage import CONTROL_PLANE_IMAGE, CONTROL_PLANE_SETTINGS
from pilotage.store.base import NotFoundError
from pilotage.store.cluster import ClusterSettings, ClusterStore, read_kubeconfig
from pilotage.world import fleet

T = TypeVar("T")

MANAGER = "user-of-a-test"
CLEANED = (CONTROL_PLANE_IMAGE, HOSTED_CLUSTER, CONTROL_PLANE_SETTINGS)
CLEANED_THERE = (EVENT, CONFIG_MAP, SECRET, LEASE)
NAMESPACES = ("clusters", "hypershift", "pilotage")


class Management:
    """The cluster, as its administrator sees it."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def do(self, work: Callable[[ClusterStore], Awaitable[T]]) -> T:
        async def session() -> T:
            async with ClusterStore(read_kubeconfig(self.kubeconfig), ClusterSettings(rate=0)) as store:
                return await work(store)

        return asyncio.run(session())

    def apply(self, *items: Object) -> None:
        async def work(store: ClusterStore) -> None:
            for item in sorted(items, key=lambda item: item.kind != NAMESPACE.kind):
                await store.apply(kinds.of_object(item), item.key, item.value(), manager=MANAGER, force=True)

        self.do(work)

    def put(self, kind: Kind, name: str, namespace: str = "", **fields: Any) -> None:
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, **fields}

        async def work(store: ClusterStore) -> None:
            await store.apply(kind, ObjectKey(namespace, name), manifest, manager=MANAGER, force=True)

        self.do(work)

    def values(self, kind: Kind, namespace: str = "") -> dict[str, Any]:
        """All objects of a kind, by `namespace/name`; none of a kind that is not served yet."""

        async def work(store: ClusterStore) -> dict[str, Any]:
            return {str(item.key): item.value() for item in (await store.list(kind, namespace)).items}

        return self.do(work)

    def find(self, kind: Kind, key: ObjectKey) -> dict[str, Any]:
        """One object, {} when it is not there."""

        async def work(store: ClusterStore) -> dict[str, Any]:
            try:
                return (await store.get(kind, key)).value()
            except NotFoundError:
                return {}

        return self.do(work)

    def load_fleet(self) -> None:
        """The sample fleet without its node pools, of which nothing is decided here."""
        self.apply(*(item for item in fleet.manifests() if item.kind != NODE_POOL.kind))

    def records(self) -> dict[str, Any]:
        """The status of every ControlPlaneImage that has one."""
        found = self.values(CONTROL_PLANE_IMAGE)
        return {name: value["status"] for name, value in found.items() if value.get("status")}

    def acting_as(self, folder: Path, user: str) -> Path:
        """A kubeconfig by which the administrator acts for somebody else."""
        config = json.loads(self.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        cluster["certificate-authority"] = str(self.kubeconfig.parent / cluster["certificate-authority"])
        config["users"] = [{"name": "token", "user": {**config["users"][0]["user"], "as": user}}]
        config["contexts"] = [{"name": "token", "context": {"cluster": "test", "user": "token"}}]
        path = folder / "impersonating.json"
        path.write_text(json.dumps(config))
        return path

    async def install(self, store: ClusterStore, definitions: Iterable[dict[str, Any]]) -> None:
        names = []
        for definition in definitions:
            names.append(definition["metadata"]["name"])
            key = ObjectKey("", names[-1])
            await store.apply(CUSTOM_RESOURCE_DEFINITION, key, definition, manager="set-up", force=True)
        async with asyncio.timeout(30):
            for name in names:
                while not await _is_served(store, name):
                    await asyncio.sleep(0.05)

    async def empty(self, store: ClusterStore) -> None:
        """Definitions and namespaces are there, and nothing else."""
        for name in NAMESPACES:
            await store.apply(NAMESPACE, ObjectKey("", name), {}, manager="set-up")
        await self.install(store, [hosted_cluster_definition(), *map(crd.manifest, pilotage.DEFINITIONS)])
        for kind in CLEANED:
            await _remove(store, kind, (await store.list(kind)).items)
        for kind in CLEANED_THERE:
            for namespace in NAMESPACES:
                await _remove(store, kind, (await store.list(kind, namespace)).items)


async def _remove(store: ClusterStore, kind: Kind, items: Iterable[Object]) -> None:
    for item in items:
        with contextlib.suppress(NotFoundError):
            await store.delete(kind, item.key)


async def _is_served(store: ClusterStore, name: str) -> bool:
    found = (await store.get(CUSTOM_RESOURCE_DEFINITION, ObjectKey("", name))).value()
    conditions = found.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def hosted_cluster_definition() -> dict[str, Any]:
    """HostedCluster as far as Pilotage uses it: conditions are told apart by type, everything else is kept as it is."""
    condition = {
        "type": "object",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": {"type": "string"},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string", "minLength": 1},
            "message": {"type": "string"},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
            "observedGeneration": {"type": "integer", "format": "int64"},
        },
    }
    conditions = {"type": "array", "items": condition, "x-kubernetes-list-type": "map"}
    conditions["x-kubernetes-list-map-keys"] = ["type"]
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {
        "type": "object",
        "properties": {"spec": loose, "status": {**loose, "properties": {"conditions": conditions}}},
    }
    version = {
        "name": HOSTED_CLUSTER.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
    }
    names = {"kind": HOSTED_CLUSTER.kind, "plural": HOSTED_CLUSTER.plural, "singular": "hostedcluster"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": HOSTED_CLUSTER.resource},
        "spec": {
            "group": HOSTED_CLUSTER.group,
            "scope": "Namespaced",
            "names": {**names, "shortNames": ["hc", "hcs"]},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


@pytest.fixture
def management(real_api: Any) -> Management:
    """The cluster, empty but for what every management cluster has."""
    if not real_api.is_ours:
        pytest.skip("a fleet of tests needs a cluster that nobody else uses")
    made = Management(real_api.kubeconfig)
    made.do(made.empty)
    return made
