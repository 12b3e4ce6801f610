"""The client of real clusters: listing ten thousand objects, following a watch, over HTTP on loopback.

The other side is a process of its own that sends prepared bytes, so that what is measured is the client: pages of 500
NodePools of 4.7 KB, and 20,000 events of the same size as fast as the client takes them. Headers are decoded, bodies stay bytes.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from pilotage.api.meta import Kind
from pilotage.store.cluster import Access, ClusterSettings, ClusterStore
from pilotage.store.cluster.access import Proof
from pilotage.store.cluster.credentials import FixedLogin

__all__ = ["run"]

POOL = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
OBJECTS = 10_000
BODY_BYTES = 4_700  # of a NodePool with status and managed fields, as served by a cluster
PAGE = 500
EVENTS = 20_000
DISTINCT = 2_000  # events that are prepared; they are sent again and again
ROUNDS = 5
AT_ONCE = 50  # events in one write, as a server under load sends them


def run() -> dict[str, Any]:
    """Medians; seconds, rates and bytes, as the names say; peak memory of the client's process in MiB."""
    with _server() as url:
        return asyncio.run(_measure(url))


async def _measure(url: str) -> dict[str, Any]:
    access = Access(server=url, login=FixedLogin(Proof()), source="bench")
    lists, watches, gets = [], [], []
    async with ClusterStore(access, ClusterSettings(page=PAGE, rate=0)) as store:
        await store.server_version()
        for _ in range(ROUNDS):
            began = time.perf_counter()
            listing = await store.list(POOL)
            lists.append(time.perf_counter() - began)
            assert len(listing.items) == OBJECTS
        for _ in range(ROUNDS):
            began, count = time.perf_counter(), 0
            async for _event in store.watch(POOL, listing.resource_version):
                count += 1
            watches.append(count / (time.perf_counter() - began))
            assert count == EVENTS
        key = listing.items[0].key
        for _ in range(200):
            began = time.perf_counter()
            await store.get(POOL, key)
            gets.append(time.perf_counter() - began)
    return {
        "list_10000_seconds": statistics.median(lists),
        "watch_events_per_second": statistics.median(watches),
        "get_seconds": statistics.median(gets),
        "object_bytes": len(listing.items[0].raw),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "objects": OBJECTS,
        "events": EVENTS,
        "page": PAGE,
        "rounds": ROUNDS,
    }


@contextmanager
def _server() -> Iterator[str]:
    """The other side, in a process of its own; it says where it listens."""
    command = [sys.executable, "-m", "bench.cluster"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


async def _serve() -> None:
    from aiohttp import web

    pools = [orjson.dumps(_served(number)) for number in range(OBJECTS)]
    pages = [_page(pools, start) for start in range(0, OBJECTS, PAGE)]
    lines = [b'{"type":"MODIFIED","object":' + pool + b"}\n" for pool in pools[:DISTINCT]]
    batches = [b"".join(lines[start : start + AT_ONCE]) for start in range(0, DISTINCT, AT_ONCE)]

    async def collection(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            page = pages[int(request.query.get("continue", "0")) // PAGE]
            return web.Response(body=page, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for number in range(EVENTS // AT_ONCE):
            await response.write(batches[number % len(batches)])
        return response

    async def one(_: web.Request) -> web.Response:
        return web.Response(body=pools[0], content_type="application/json")

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.2"})

    app = web.Application()
    app.router.add_get("/version", version)
    app.router.add_get(f"/apis/{POOL.api_version}/{POOL.plural}", collection)
    app.router.add_get(f"/apis/{POOL.api_version}/namespaces/{{namespace}}/{POOL.plural}/{{name}}", one)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def _served(number: int) -> dict[str, Any]:
    """A NodePool as it comes from a cluster: a spec, labels, sixteen conditions with messages."""
    conditions = [
        {"type": f"Condition{index:02}", "status": "True", "reason": "AsExpected", "message": ""}
        for index in range(16)
    ]
    pool = {
        "apiVersion": POOL.api_version,
        "kind": POOL.kind,
        "metadata": {
            "name": f"pool-{number:05}",
            "namespace": f"clusters-{number % 200:03}",
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "resourceVersion": str(100_000 + number),
            "generation": 1,
            "creationTimestamp": "2026-05-20T04:35:16Z",
            "labels": {"tier": f"t{number % 20}", "region": "eu-central-1", "fleet": "prod"},
        },
        "spec": {"clusterName": f"cluster-{number % 200}", "replicas": number % 9},
        "status": {"replicas": number % 9, "conditions": conditions},
    }
    filler = (BODY_BYTES - len(orjson.dumps(pool))) // len(conditions)
    for condition in conditions:
        condition["message"] = "m" * filler
    return pool


def _page(pools: list[bytes], start: int) -> bytes:
    end = start + PAGE
    more = f'"continue":"{end}",' if end < len(pools) else ""
    head = f'{{"apiVersion":"{POOL.api_version}","kind":"NodePoolList","metadata":{{{more}"resourceVersion":"200000"}},"items":['
    return head.encode() + b",".join(pools[start:end]) + b"]}"


if __name__ == "__main__":
    asyncio.run(_serve())
