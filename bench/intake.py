"""A whole kind into an indexed cache over HTTP, and its changes after that: what a controller does when it starts, and ever after.

The other side is a process of its own. Once it is the embedded API as `pilotage up` serves it, over HTTPS; once a server that only
sends prepared bytes, so that client and server can be told apart. Objects are NodePools of 4.7 KB, in pages of 500;
the cache has an index by cluster, and each change is mapped to the key of its cluster, in a queue.

client-go's dynamic client took 1.7 s for a list of ten thousand on the machine where the limit was set: the goal is a quarter.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson
from bench._figures import growth, held
from bench.store import POOL, stored_node_pool

from pilotage.api.meta import Object, ObjectKey
from pilotage.runtime.clock import SystemClock
from pilotage.runtime.informer import Delta, Informer
from pilotage.runtime.queue import WorkQueue
from pilotage.store.cluster import Access, ClusterSettings, ClusterStore, read_kubeconfig
from pilotage.store.cluster.access import Proof
from pilotage.store.cluster.credentials import FixedLogin
from pilotage.store.embedded import EmbeddedStore
from pilotage.store.embedded.builtin import BUILT_IN

__all__ = ["run"]

DEFINITION = BUILT_IN["apiextensions.k8s.io", "CustomResourceDefinition"].kind
SIZES = (100, 1_000, 10_000, 100_000)
MEASURED = 10_000
PAGE = 500
EVENTS = 20_000
AT_ONCE = 50  # events in one write, as a server under load sends them
CLIENT_GO_SECONDS = 1.7
MOST_BYTES = 8 << 10
HTTP_EVENTS, IN_PROCESS_EVENTS = 20_000, 50_000


def run() -> dict[str, Any]:
    """Medians; limits are those of ten thousand objects."""
    plain = {size: _asked("plain", size, _rounds(size)) for size in SIZES}
    served = {size: _asked("product", size, _rounds(size)) for size in SIZES}
    result = {}
    for name, found in (("plain_http", plain), ("product_https", served)):
        seconds = found[MEASURED]["list"]
        result[name] = {
            "list": growth({size: each["list"] for size, each in found.items()}),
            "times_as_fast_as_client_go": held(CLIENT_GO_SECONDS / seconds, least=4),
            "bytes_per_object": held(found[MEASURED]["bytes"], most=MOST_BYTES),
        }
    result["plain_http"]["watch_events_per_second"] = held(plain[MEASURED]["events"], least=HTTP_EVENTS)
    result["in_process"] = asyncio.run(_in_process())
    return {**result, "object_bytes": len(stored(0)), "page": PAGE, "events": EVENTS}


def _rounds(size: int) -> int:
    return 5 if size <= MEASURED else 1


def stored(number: int, version: int = 1) -> bytes:
    """As a server has it, 4.7 KB."""
    pool = stored_node_pool(number)
    pool["metadata"]["resourceVersion"] = str(version)
    return orjson.dumps(pool)


def defined() -> dict[str, Any]:
    """A definition of the kind that takes anything."""
    version = {
        "name": POOL.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    return {
        "metadata": {"name": POOL.resource},
        "spec": {
            "group": POOL.group,
            "scope": "Namespaced",
            "names": {"plural": POOL.plural, "kind": POOL.kind},
            "versions": [version],
        },
    }


class _Intake:
    """An informer as a controller has it, and how much it took in."""

    def __init__(self, source: Any) -> None:
        clock = SystemClock()
        self.queue: WorkQueue[ObjectKey] = WorkQueue("bench", clock)
        self.informer = Informer(source, POOL, clock)
        self.informer.add_index("cluster", lambda found: (found.labels["tier"],))
        self.informer.add_handler(self._map)
        self._expected = -1
        self._reached = asyncio.Event()
        self._taken = 0

    def _map(self, delta: Delta) -> None:
        found = delta.new or delta.old
        if found is None:
            return
        self.queue.add(ObjectKey(found.meta.namespace, found.labels["tier"]), background=delta.is_initial)
        self._taken += 1
        if self._taken == self._expected:
            self._reached.set()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.informer.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def taken(self, events: int) -> float:
        """Seconds until this many more came."""
        self._taken, self._expected = 0, events
        self._reached.clear()
        began = time.perf_counter()
        await self._reached.wait()
        return time.perf_counter() - began


async def _fill(access: Access, events: int) -> tuple[float, float]:
    """Seconds until the cache is filled, and events per second after that."""
    async with ClusterStore(access, ClusterSettings(page=PAGE, rate=0)) as store:
        await store.server_version()
        intake = _Intake(store)
        began = time.perf_counter()
        async with intake.following():
            await intake.informer.synced()
            seconds = time.perf_counter() - began
            rate = events / await intake.taken(events) if events else 0.0
    return seconds, rate


async def _bytes_each(access: Access, size: int) -> float:
    async with ClusterStore(access, ClusterSettings(page=PAGE, rate=0)) as store:
        await store.server_version()
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        intake = _Intake(store)
        async with intake.following():
            await intake.informer.synced()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return (after - before) / size


def _asked(server: str, size: int, rounds: int) -> dict[str, float]:
    events = EVENTS if server == "plain" and size == MEASURED else 0
    with (
        tempfile.TemporaryDirectory(prefix="pilotage-bench-") as folder,
        _server(server, size, folder) as told,
    ):
        access = (
            Access(server=told, login=FixedLogin(Proof()), source="bench")
            if server == "plain"
            else read_kubeconfig(Path(told), clock=SystemClock())
        )
        runs = [asyncio.run(_fill(access, events)) for _ in range(rounds)]
        found = {
            "list": statistics.median(seconds for seconds, _ in runs),
            "events": statistics.median(rate for _, rate in runs),
        }
        if size == MEASURED:
            found["bytes"] = asyncio.run(_bytes_each(access, size))
    return found


async def _in_process() -> dict[str, Any]:
    """The same from the embedded store itself: a change of every object, ten thousand at a time."""
    rates = []
    async with await EmbeddedStore.open(None, SystemClock()) as store:
        await store.restore(Object.parse(stored(number)) for number in range(MEASURED))
        intake = _Intake(store)
        async with intake.following():
            await intake.informer.synced()
        for _ in range(5):
            await store.restore(Object.parse(stored(number)) for number in range(MEASURED))
            async with intake.following():
                rates.append(MEASURED / await intake.taken(MEASURED))
    return {"watch_events_per_second": held(statistics.median(rates), least=IN_PROCESS_EVENTS)}


# The other side


@contextmanager
def _server(server: str, size: int, folder: str) -> Iterator[str]:
    """Gives its address, or its kubeconfig."""
    command = [sys.executable, "-m", "bench.intake", server, str(size), folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


async def _serve_product(size: int, folder: Path) -> None:
    from pilotage.apiserver import kubeconfig
    from pilotage.apiserver.server import serving

    path = folder / "store.sqlite"
    async with await EmbeddedStore.open(path, SystemClock(), is_durable=False) as store:
        await store.create(DEFINITION, defined(), manager="bench")
        await store.restore(Object.parse(stored(number)) for number in range(size))
        async with serving(store) as api:
            kubeconfig.write(folder / "kubeconfig", api.address, api.identity)
            print(folder / "kubeconfig", flush=True)
            await asyncio.Event().wait()


async def _serve_bytes(size: int) -> None:
    from aiohttp import web

    pages = [_page(start, size) for start in range(0, size, PAGE)]
    lines = [
        b'{"type":"MODIFIED","object":%b}\n' % stored(number % size, 200_001 + number)
        for number in range(EVENTS if size == MEASURED else 0)
    ]
    batches = [b"".join(lines[start : start + AT_ONCE]) for start in range(0, len(lines), AT_ONCE)]

    async def collection(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            page = pages[int(request.query.get("continue", "0")) // PAGE]
            return web.Response(body=page, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for batch in batches:
            await response.write(batch)
        await asyncio.sleep(3600)  # a watch stays open
        return response

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.2"})

    app = web.Application()
    app.router.add_get("/version", version)
    app.router.add_get(f"/apis/{POOL.api_version}/{POOL.plural}", collection)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def _page(start: int, size: int) -> bytes:
    end = min(start + PAGE, size)
    more = f'"continue":"{end}",' if end < size else ""
    head = f'{{"apiVersion":"{POOL.api_version}","kind":"NodePoolList","metadata":{{{more}"resourceVersion":"200000"}},"items":['
    return head.encode() + b",".join(stored(number) for number in range(start, end)) + b"]}"


if __name__ == "__main__":
    kind, size, folder = sys.argv[1:]
    asyncio.run(_serve_product(int(size), Path(folder)) if kind == "product" else _serve_bytes(int(size)))
