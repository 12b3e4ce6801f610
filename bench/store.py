"""The object store: durable writes, listing ten thousand objects, an apply that changes nothing.

Writes are set against what this disk can do: `1 / fdatasync` of a 4 KiB page is the most commits one writer can have made
durable one after the other, whatever the software.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson
from bench._figures import growth, held

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore
from pilotage.store.embedded.builtin import BUILT_IN

__all__ = ["run"]

POOL = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
OBJECTS = 10_000
WRITERS = 64
WRITES = 6_400
ROUNDS = 3
RULES = 60
"""About as many as the definition of NodePool has."""
FORKED = (100, 1_000, 10_000, 100_000)
DEFINITION = BUILT_IN["apiextensions.k8s.io", "CustomResourceDefinition"].kind


def node_pool(number: int, size: int = 4_700) -> dict[str, Any]:
    """A NodePool as they are in the field: a spec, labels, sixteen conditions with messages, `size` bytes of JSON."""
    conditions = [
        {
            "type": f"Condition{index:02}",
            "status": "True",
            "reason": "AsExpected",
            "message": "",
            "lastTransitionTime": "2026-05-20T04:35:16Z",
            "observedGeneration": 1,
        }
        for index in range(16)
    ]
    pool = {
        "metadata": {
            "name": f"pool-{number:05}",
            "namespace": f"clusters-{number % 200:03}",
            "labels": {"tier": f"t{number % 20}", "region": "eu-central-1", "fleet": "prod"},
        },
        "spec": {
            "clusterName": f"cluster-{number % 200}",
            "replicas": number % 9,
            "release": {"image": f"quay.io/openshift-release-dev/ocp-release@sha256:{number:064x}"},
            "management": {"upgradeType": "Replace", "autoRepair": True},
        },
        "status": {"replicas": number % 9, "conditions": conditions},
    }
    filler = (size - len(orjson.dumps(pool))) // len(conditions)
    for condition in conditions:
        condition["message"] = "m" * max(filler, 0)
    return pool


def stored_node_pool(number: int) -> dict[str, Any]:
    """One as it stands in a store, 4.7 KB with what the API sets."""
    pool = {"apiVersion": POOL.api_version, "kind": POOL.kind, **node_pool(number, size=4_540)}
    pool["metadata"] |= {
        "uid": f"00000000-0000-4000-8000-{number:012}",
        "creationTimestamp": "2026-05-20T04:35:16Z",
        "generation": 1,
    }
    return pool


def _flush_seconds(folder: Path) -> float:
    """Median time of a 4 KiB write that is on the disk."""
    times = []
    with (folder / "flush").open("wb", buffering=0) as file:
        for _ in range(300):
            begun = time.perf_counter()
            file.write(b"\0" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


async def _writes_per_second(store: EmbeddedStore, writers: int, writes: int, first: int) -> float:
    numbers = iter(range(first, first + writes))

    async def write() -> None:
        for number in numbers:
            await store.create(POOL, node_pool(number), manager="bench")

    begun = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(writers)))
    return writes / (time.perf_counter() - begun)


async def _seconds(action: Any, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        await action()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


async def _measure(folder: Path) -> dict[str, Any]:
    flush = _flush_seconds(folder)
    grouped, alone = [], []
    for round_ in range(ROUNDS):
        path = folder / f"writes-{round_}.sqlite"
        async with await EmbeddedStore.open(path, SystemClock()) as store:
            grouped.append(await _writes_per_second(store, WRITERS, WRITES, 0))
            alone.append(await _writes_per_second(store, 1, 300, WRITES))
    path = folder / "list.sqlite"
    async with await EmbeddedStore.open(path, SystemClock()) as store:
        await store.restore(Object.of(stored_node_pool(number)) for number in range(OBJECTS))
        listing = await store.list(POOL)
        some = node_pool(4711)
        key = ObjectKey(some["metadata"]["namespace"], some["metadata"]["name"])

        async def apply_unchanged() -> None:
            await store.apply(POOL, key, some, manager="steady")

        await store.apply(POOL, key, some, manager="steady", force=True)
        result = {
            "list_10000_seconds": await _seconds(lambda: store.list(POOL), 5),
            "list_namespace_50_seconds": await _seconds(lambda: store.list(POOL, "clusters-007"), 50),
            "list_label_500_seconds": await _seconds(lambda: store.list(POOL, labels={"tier": "t3"}), 20),
            "get_seconds": await _seconds(lambda: store.get(POOL, key), 500),
            "apply_unchanged_seconds": await _seconds(apply_unchanged, 500),
            "object_bytes": len(listing.items[0].raw),
        }
    return {
        "flush_seconds": flush,
        "flushes_per_second": 1 / flush,
        "durable_writes_per_second_64_writers": statistics.median(grouped),
        "durable_writes_per_second_1_writer": statistics.median(alone),
        "writes_to_flushes": held(statistics.median(grouped) * flush, least=0.6),
        **result,
        **await _ruled(),
        "fork": await _forks(),
        "file_bytes": path.stat().st_size,
        "objects": OBJECTS,
        "rounds": ROUNDS,
    }


async def _ruled() -> dict[str, Any]:
    """An apply that changes nothing, and one that changes a NodePool whose definition has as many rules as the real one."""
    async with await EmbeddedStore.open(None, SystemClock()) as store:
        await store.create(DEFINITION, _defined(), manager="bench")
        pool = node_pool(1)
        key = ObjectKey(pool["metadata"]["namespace"], pool["metadata"]["name"])
        await store.apply(POOL, key, pool, manager="steady")

        async def apply() -> None:
            await store.apply(POOL, key, pool, manager="steady")

        async def change() -> None:
            pool["spec"]["replicas"] = (pool["spec"]["replicas"] + 1) % 9
            await apply()

        return {
            "apply_unchanged_with_rules_seconds": held(await _seconds(apply, 300), most=0.001),
            "validated_update_seconds": held(await _seconds(change, 300), most=0.005),
            "rules": RULES,
        }


def _defined() -> dict[str, Any]:
    text = {"type": "string"}
    spec = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {
            "clusterName": {**text, "x-kubernetes-validations": [_rule("self == oldSelf")]},
            "replicas": {"type": "integer"},
            "release": {"type": "object", "properties": {"image": text}},
            "management": {
                "type": "object",
                "properties": {"upgradeType": text, "autoRepair": {"type": "boolean"}},
            },
        },
        "x-kubernetes-validations": [
            _rule(f"!has(self.replicas) || self.replicas < {1000 + number} || has(self.release.image)")
            for number in range(RULES - 1)
        ],
    }
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"spec": spec}}
    version = {
        "name": POOL.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": POOL.plural, "kind": POOL.kind}
    return {
        "metadata": {"name": POOL.resource},
        "spec": {"group": POOL.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _rule(rule: str) -> dict[str, str]:
    return {"rule": rule, "message": "is not as it should be"}


async def _forks() -> dict[str, Any]:
    """A store in memory, copied."""
    seconds = {}
    for size in FORKED:
        async with await EmbeddedStore.open(None, SystemClock()) as store:
            await store.restore(Object.of(stored_node_pool(number)) for number in range(size))

            async def fork(store: EmbeddedStore = store) -> None:
                await (await store.fork()).close()

            seconds[size] = await _seconds(fork, 3)
    return {**growth(seconds), "fork_10000_seconds": held(seconds[10_000], most=1.0)}


def run() -> dict[str, Any]:
    """Medians; seconds, bytes and rates, as the names say."""
    with tempfile.TemporaryDirectory(
        prefix="pilotage-bench-", dir=os.environ.get("PILOTAGE_BENCH_DIR")
    ) as folder:
        return asyncio.run(_measure(Path(folder)))
