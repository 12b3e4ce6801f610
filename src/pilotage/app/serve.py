"""`pilotage serve`: an instance on one machine with the real outside world: registries, Prow, chats."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from pilotage.app import images
from pilotage.app.gate.hosting import GateOutside, real_gate
from pilotage.app.hosting import Outside, Running, hosted
from pilotage.app.images import ImageAccess
from pilotage.runtime.perform import Change
from pilotage.store.embedded.store import EmbeddedStore

__all__ = ["Running", "running"]


@contextlib.asynccontextmanager
async def running(
    data_dir: Path,
    access: ImageAccess,
    outside: GateOutside,
    *,
    port: int = 0,
    on_step: Callable[[str], None],
    on_change: Callable[[Change], None],
) -> AsyncIterator[Running]:
    """As `hosting.hosted`, with images as the user reaches them, and the gate on the outside that the user named."""

    async def furnish(directory: Path, store: EmbeddedStore, stack: contextlib.AsyncExitStack) -> Outside:
        places = await stack.enter_async_context(images.opened(access))
        return Outside(
            places.cached,
            places.with_pull_secret,
            more=lambda: real_gate(store, places, directory, outside, on_change),
        )

    async with hosted(data_dir, furnish, port=port, on_step=on_step, on_change=on_change) as started:
        yield started
