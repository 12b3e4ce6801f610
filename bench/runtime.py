"""How fast do changes reach a reconcile? Informer, index, queue and a no-op reconcile over the embedded store.

`initial` is a start with everything there: list, index, queue, every key reconciled. `deltas` is the watch of a change to
every object, from the store's log to the last reconcile. Both are in process; writing the objects is not measured here.
"""

from __future__ import annotations

import asyncio
import json
import resource
import time
from typing import Any

import orjson

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import SystemClock
from pilotage.runtime.controller import Controller, Result
from pilotage.runtime.loop import ControllerLoop
from pilotage.runtime.perform import Performer
from pilotage.store.embedded import EmbeddedStore

NODE_POOL = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
BODY_BYTES = 4_700  # of a NodePool with status and managed fields, as served by a cluster


def run(objects: int = 10_000, workers: int = 4) -> dict[str, Any]:
    """Seconds and rates for `objects` objects; peak memory of the process in MiB."""
    return asyncio.run(_measure(objects, workers))


async def _measure(objects: int, workers: int) -> dict[str, Any]:
    clock = SystemClock()
    reconciled = 0
    all_reconciled = asyncio.Event()

    async def reconcile(_: ObjectKey) -> Result:
        nonlocal reconciled
        reconciled += 1
        if reconciled % objects == 0:
            all_reconciled.set()
        return Result()

    async with await EmbeddedStore.open(None, clock) as store:
        await store.restore(_pool(number, replicas=1) for number in range(objects))
        informers = Informers(store, clock)
        informer = informers.of(NODE_POOL)
        informer.add_index("cluster", lambda found: (found.labels["cluster"],))
        loop = ControllerLoop(
            Controller("no-op", NODE_POOL, reconcile, workers=workers),
            informers,
            Performer(store, clock),
            clock,
        )
        workforce = [asyncio.create_task(loop.work()) for _ in range(workers)]

        async def follow_once() -> float:
            began = time.perf_counter()
            following = asyncio.create_task(informer.run())
            await all_reconciled.wait()
            all_reconciled.clear()
            seconds = time.perf_counter() - began
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            return seconds

        initial = await follow_once()
        await store.restore(_pool(number, replicas=2) for number in range(objects))
        deltas = await follow_once()
        loop.queue.shut_down()
        await asyncio.gather(*workforce)
    return {
        "objects": objects,
        "initial_seconds": round(initial, 3),
        "initial_per_second": round(objects / initial),
        "deltas_seconds": round(deltas, 3),
        "deltas_per_second": round(objects / deltas),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _pool(number: int, replicas: int) -> Object:
    value: dict[str, Any] = {
        "apiVersion": NODE_POOL.api_version,
        "kind": NODE_POOL.kind,
        "metadata": {
            "name": f"pool-{number:05}",
            "namespace": f"clusters-{number % 500:03}",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "creationTimestamp": "2026-05-20T04:35:16Z",
            "labels": {"cluster": f"cluster-{number % 500:03}", "environment": "production"},
        },
        "spec": {"clusterName": f"cluster-{number % 500:03}", "replicas": replicas},
    }
    value["spec"]["padding"] = "x" * (BODY_BYTES - len(orjson.dumps(value)) - len(',"padding":""'))
    return Object.of(value)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
