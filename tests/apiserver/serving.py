"""A whole embedded API in this process, served over HTTPS from a thread of its own: clients under test are other processes.

The store is strict, as a whole cluster is.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilotage.apiserver import kubeconfig
from pilotage.apiserver.server import serving
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore

DEADLINE = 30.0


@contextmanager
def served_api(folder: Path) -> Iterator[Path]:
    """Serve until the block ends; gives the kubeconfig."""
    path = folder / "kubeconfig"
    is_ready = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    failures: list[BaseException] = []

    async def serve() -> None:
        done = asyncio.Event()
        running.append((asyncio.get_running_loop(), done))
        async with contextlib.AsyncExitStack() as stack:
            store = await stack.enter_async_context(
                await EmbeddedStore.open(None, SystemClock(), is_strict=True)
            )
            api = await stack.enter_async_context(serving(store))
            kubeconfig.write(path, api.address, api.identity)
            is_ready.set()
            await done.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 -- told to the test
            failures.append(error)
        finally:
            is_ready.set()

    thread = threading.Thread(target=run, name="served-api")
    thread.start()
    assert is_ready.wait(DEADLINE)
    try:
        if failures:
            raise failures[0]
        yield path
    finally:
        loop, done = running[0]
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)
        thread.join(DEADLINE)
        assert not thread.is_alive()
        if failures:
            raise failures[0]
