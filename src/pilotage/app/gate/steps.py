"""The steps of the gate with everything that they reach outside: the cluster, Prow, the chat, the verified repository."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pilotage.api.errors import InputError, PilotageError
from pilotage.app.clusters import ClusterChoice, open_cluster
from pilotage.gate.health.watchman import DeadMan
from pilotage.gate.konflux.labelling import read_duration
from pilotage.gate.konflux.releasing import Releasing
from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings
from pilotage.gate.prow.wire import Wire, WireSettings
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.steps import closing, e2e, evaluate, extract, nightly, watching
from pilotage.gate.steps.closing import Closing
from pilotage.gate.steps.ending import CONFLICT, DONE, NO, StepEnd
from pilotage.gate.steps.extract import ExtractRequest
from pilotage.gate.steps.nightly import NightRequest
from pilotage.gate.steps.place import Place, place_at
from pilotage.gate.steps.telling import empty_outbox
from pilotage.gate.telling.sinks import SlackSink
from pilotage.runtime.clock import SystemClock

if TYPE_CHECKING:
    from pilotage.app.images import ImageAccess

__all__ = [
    "Chat",
    "Site",
    "create_release",
    "evaluate_results",
    "extract_image",
    "holder",
    "limit",
    "notify",
    "run_e2e",
    "stale_check",
    "trigger",
]

_CODES = {"promoted": DONE, "superseded": DONE, "conflict": CONFLICT}
_LAST_WORDS = timedelta(minutes=5)


class Site(msgspec.Struct, frozen=True):
    """Which namespace of which cluster."""

    cluster: ClusterChoice
    namespace: str


class Chat(msgspec.Struct, frozen=True):
    """The Secret that names the channel, and the file with its address; None when nobody is told."""

    channel: str
    url_file: Path | None = None


async def extract_image(site: Site, request: ExtractRequest) -> StepEnd:
    async with _place(site) as place:
        return await extract.extract_image(place, request)


async def run_e2e(
    site: Site, platform: str, run: str, prow: ProwSettings, lasts: timedelta, jobs: tuple[str, str]
) -> StepEnd:
    """`jobs` are the lists of required and informing jobs that the scenario names, as text."""
    async with _place(site) as place, _wire() as wire:
        began = place.clock.now()
        gate, entry = await place.gate_if_any(platform), await place.run(run)
        runner = GangwayRunner(prow, wire)
        deadline = began + max(lasts - e2e.SAVED_BEFORE, lasts / 2)
        end = await e2e.run_e2e(place, run, gate, runner, Pacer(place.clock), deadline)
        differs = e2e.other_jobs(entry.run, e2e.job_names(jobs[0]), e2e.job_names(jobs[1]))
        return msgspec.structs.replace(end, says=f"{end.says}\n{differs}") if differs else end


async def evaluate_results(site: Site, platform: str, run: str) -> StepEnd:
    async with _place(site) as place:
        return await evaluate.evaluate_results(place, run, await place.gate_if_any(platform))


async def create_release(
    site: Site, platform: str, run: str, plan: str, lasts: timedelta, access: ImageAccess | None
) -> StepEnd:
    """Without `access` the registry is not looked at."""
    from pilotage.app.images import Images  # noqa: PLC0415 -- start-up time: only this step reads images
    from pilotage.gate.promotion.registrycheck import TagCheck  # noqa: PLC0415 -- as above

    images = Images(access) if access is not None else None
    try:
        async with _place(site) as place:
            deadline = place.clock.now() + max(lasts - e2e.SAVED_BEFORE, lasts / 2)
            check = TagCheck(images.registry) if images is not None else None
            work = Releasing(place.store, place.ledger, place.clock, deadline, check)
            end = await work.go(place.key(run), await place.gate(platform), plan)
            results = {"release-name": end.release}
            return StepEnd(_CODES.get(end.outcome, NO), results, f"{run}: {end.outcome}: {end.message}")
    finally:
        if images is not None:
            await images.close()


async def notify(site: Site, request: Closing, chat: Chat, lasts: timedelta) -> StepEnd:
    """Always ends with 0: a cluster that cannot be reached is said, too."""
    try:
        async with _place(site) as place, _wire() as wire:
            sink = SlackSink(chat.channel, chat.url_file, wire) if chat.url_file else None
            deadline = place.clock.now() + max(lasts - _LAST_WORDS, lasts / 2)
            return await closing.notify(place, request, sink, deadline)
    except (PilotageError, OSError) as error:
        return StepEnd(DONE, says=f"nobody was told: {error}")


async def trigger(site: Site, request: NightRequest, chat: Chat) -> StepEnd:
    """With an address of the chat what there is to say is said at once, else by the hourly check."""
    async with _place(site) as place, _wire() as wire:
        end = await nightly.trigger_all(place, request)
        if chat.url_file is not None:
            await empty_outbox(place, (SlackSink(chat.channel, chat.url_file, wire),))
        return end


async def stale_check(site: Site, chat: Chat, dead_man_file: Path | None) -> StepEnd:
    """Raises InputError `NoChat`: an alarm that nobody can hear is a mistake."""
    if chat.url_file is None:
        raise InputError(
            "NoChat", "stale-check: no file with the address of the chat", hint="give --slack-file"
        )
    async with _place(site) as place, _wire() as wire:
        dead_man = DeadMan(dead_man_file, wire, place.clock) if dead_man_file else None
        return await watching.stale_check(place, SlackSink(chat.channel, chat.url_file, wire), dead_man)


def limit(text: str) -> timedelta:
    """How long a task may take, as Tekton writes it: `5h30m0s`. Raises InputError `BadDuration`."""
    seconds = read_duration(text)
    if seconds is None or seconds <= 0:
        raise InputError("BadDuration", f"timeout {text!r}: is no duration", hint="write it as 5h30m0s")
    return timedelta(seconds=float(seconds))


def holder(job: str) -> str:
    """Names this process among others that may hold the lease of a Snapshot."""
    return f"{job or socket.gethostname()}/{os.getpid()}"


@asynccontextmanager
async def _place(site: Site) -> AsyncIterator[Place]:
    async with open_cluster(site.cluster.access()) as cluster:
        yield place_at(cluster, SystemClock(), site.namespace)


@asynccontextmanager
async def _wire() -> AsyncIterator[Wire]:
    wire = Wire(WireSettings(environment=dict(os.environ)))
    try:
        yield wire
    finally:
        await wire.close()
