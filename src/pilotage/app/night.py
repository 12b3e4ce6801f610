"""The sample night of `pilotage up`: the real gate on a simulated Prow and chat, which speak HTTP on loopback.

The night is the last one before now, played without its waiting; then time goes on as it does. What the outside
would remember is kept in the data directory, so that a kill in the middle changes nothing: Prow's jobs in a journal, the key of
the attestations beside the store, everything else in the store itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from pilotage.api.gate import GATE_RUN, GateRun
from pilotage.app.gate.keys import instance_key
from pilotage.gate.controllers import GateServices, controllers
from pilotage.gate.instants import read_instant
from pilotage.gate.promotion.registrypromoter import RegistryPromoter
from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings
from pilotage.gate.prow.wire import Wire
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.runs.pacing import Rate
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.telling.sinks import SlackSink
from pilotage.images import reference
from pilotage.images.disk.layout import OciLayout
from pilotage.runtime.clock import SystemClock
from pilotage.runtime.perform import Change
from pilotage.runtime.runner import Runner
from pilotage.runtime.tasks import cancel_all
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world import night, payloads
from pilotage.world.chat import Chat
from pilotage.world.lapse import LapseClock
from pilotage.world.prow import Prow
from pilotage.world.prow.server import Limit

__all__ = ["sample_night"]

_LIMIT: Final = Limit(per_minute=9.0, burst=5)
_RATE: Final = Rate(per_minute=9.0, burst=5)


@contextlib.asynccontextmanager
async def sample_night(
    store: EmbeddedStore, layout: OciLayout, directory: Path, on_change: Callable[[Change], None]
) -> AsyncIterator[Runner]:
    """Load the gates when there are none, and run them until the block ends."""
    now = SystemClock().now()
    began = night.begins(now)
    digests = {
        each.tag: (await layout.resolve(reference.parse(f"{payloads.OPERATOR}:{each.tag}"))).digest
        for each in payloads.OPERATORS
    }
    await night.load(store, digests, began)
    clock = LapseClock(await _resumed(store) or (began if not await _has_runs(store) else now))
    world = directory / "world"
    world.mkdir(mode=0o700, exist_ok=True)
    token = secrets.token_urlsafe(24)
    async with contextlib.AsyncExitStack() as stack:
        prow = await stack.enter_async_context(
            Prow(night.PLAYBOOK, clock, limit=_LIMIT, tokens=frozenset({token}), journal=world / "prow.jsonl")
        )
        chat = await stack.enter_async_context(Chat(clock))
        wire = Wire()
        stack.push_async_callback(wire.close)
        _write_secret(world / "gangway-token", token)
        _write_secret(world / "slack-webhook", chat.webhook("gate"))
        settings = ProwSettings(prow.url, prow.url, prow.url, world / "gangway-token")
        services = GateServices(
            store=store,
            clock=clock,
            runner=GangwayRunner(settings, wire),
            promoter=RegistryPromoter(lambda _image: layout, lambda _image: layout, instance_key(directory)),
            pacer=Pacer(clock, _RATE),
            sinks=(SlackSink("chat", world / "slack-webhook", wire),),
        )
        runner = Runner(store, controllers(services), clock, on_change=on_change)
        await stack.enter_async_context(runner)
        playing = asyncio.create_task(clock.catch_up(runner.rested), name="sample-night")
        stack.push_async_callback(cancel_all, [playing])
        yield runner


async def _resumed(store: EmbeddedStore) -> datetime | None:
    """The latest time that a run which is under way has seen: the night goes on there."""
    seen = [
        read_instant(run.status.last_seen or run.spec.created_at)
        for run in [item.view(GateRun) for item in (await store.list(GATE_RUN)).items]
        if run.status.state not in ENDED
    ]
    return max((each for each in seen if each is not None), default=None)


async def _has_runs(store: EmbeddedStore) -> bool:
    return bool((await store.list(GATE_RUN)).items)


def _write_secret(file: Path, text: str) -> None:
    draft = file.with_name(f"{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    draft.replace(file)
