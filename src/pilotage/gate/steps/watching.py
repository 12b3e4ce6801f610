"""stale-check: once an hour, what did not happen? And what nobody could say until now is said.

Runs apart from every pipeline, because an alarm inside the thing that it watches is silent when that dies. The promotion that counts
is read from the ledger and from Release objects, so that a ledger that was lost is no false alarm while they are kept. Which alarm was
told when stands in ConfigMaps of the ledger: the same one is not told every hour.

A release may outlast the pipeline, which Tekton ends after some hours. What became of it is found out here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from pilotage.api.errors import PilotageError, RemoteError
from pilotage.api.gate import GATE_RUN, PLATFORM_LABEL, Gate, GateRun, LedgerEvent, PromotionSpec
from pilotage.api.konflux import RELEASE
from pilotage.gate.health.watchman import DeadMan, Watchman
from pilotage.gate.instants import read_instant
from pilotage.gate.konflux.configmapledger import ConfigMapLedger
from pilotage.gate.konflux.release import read_release
from pilotage.gate.konflux.releasing import ReleaseEnd, Releasing
from pilotage.gate.promotion.tags import TagRequest, tags_of
from pilotage.gate.runs.ledger import Ledger
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.steps.ending import DONE, NOTHING, OUTSIDE, StepEnd, code_of
from pilotage.gate.steps.nightly import platforms_of
from pilotage.gate.steps.place import Place
from pilotage.gate.steps.telling import channel_of, empty_outbox
from pilotage.gate.telling.owing import Outbox, messages_of
from pilotage.gate.telling.sinks import Sink
from pilotage.runtime.clock import rfc3339
from pilotage.store.base import ConflictError, NotFoundError

__all__ = ["stale_check"]

_PIPELINE_ENDS: Final = timedelta(hours=1)
"""How long after the deadline of its run a pipeline is surely over."""
_NEWS: Final = ("M3", "M5")
"""Of a run that is under way: credentials that are refused, and a Prow that does not answer."""


async def stale_check(place: Place, sink: Sink, dead_man: DeadMan | None = None) -> StepEnd:
    """Every gate whose chat is the channel of `sink`. Raises RemoteError when not even the gates can be listed."""
    ledger_alone, released = place, await _released(place)
    store = ConfigMapLedger(place.cluster, promotions=lambda: released)
    place = msgspec.structs.replace(place, store=store, ledger=Ledger(store, place.clock))
    outbox = Outbox(store, (sink.channel,), place.clock)
    watchman = Watchman(store, outbox, place.clock, dead_man)
    code, said, looked = DONE, [], 0
    for platform in await platforms_of(place):
        try:
            gate = await place.gate(platform)
            if channel_of(gate.spec) != sink.channel:
                continue
            looked += 1
            await watchman.reconcile(place.key(platform))
            runs = await store.list(GATE_RUN, place.namespace, {PLATFORM_LABEL: platform})
            for run in (each.view(GateRun) for each in runs.items):
                if await _finish(ledger_alone, gate, run):
                    ended = await place.run(run.metadata.name)
                    await outbox.owe(place.namespace, list(messages_of(ended.run, gate))[-1:])
                if run.status.state not in ENDED and not run.status.verdict:
                    owed = [each for each in messages_of(run, gate) if each.id in _NEWS]
                    await outbox.owe(place.namespace, owed)
        except ConflictError:
            said.append(f"{platform}: somebody else looks at it")
        except PilotageError as error:
            code = max(code, code_of(error))
            said.append(f"{platform}: {error.code}: {error.message}")
    if not looked and not said:
        return StepEnd(NOTHING, says=f"{place.namespace}: no gate tells {sink.channel}")
    delivered, problems = await empty_outbox(place, (sink,))
    said += [f"{looked} gates looked at, {delivered} messages delivered", *problems]
    return StepEnd(max(code, OUTSIDE) if problems else code, says="\n".join(said))


async def _finish(place: Place, gate: Gate, run: GateRun) -> bool:
    """A Release whose pipeline is surely gone: whether it came to an end, which is written down. Raises what the cluster raises."""
    deadline, promotion = read_instant(run.spec.deadline), run.status.promotion
    if run.status.state != "promoting" or promotion is None or deadline is None:
        return False
    if place.clock.now() < deadline + _PIPELINE_ENDS:
        return False
    try:
        seen = read_release((await place.cluster.get(RELEASE, place.key(promotion.release))).value())
    except NotFoundError:
        return False
    if not seen.has_succeeded and not seen.has_failed:
        return False
    key = place.key(run.metadata.name)
    work = Releasing(place.store, place.ledger, place.clock, place.clock.now(), None)
    if seen.has_succeeded:
        return isinstance(await work.step(key, gate, seen.plan), ReleaseEnd)
    entry = await place.ledger.read(key)
    told = f"Release {seen.name} failed: {seen.message or 'no message'}"
    status = msgspec.structs.replace(
        entry.status, state="promotion-failed", message=told, finished_at=rfc3339(place.ledger.now(entry))
    )
    await place.ledger.write(entry, status, LedgerEvent("", "PromotionFailed", told))
    return True


async def _released(place: Place) -> tuple[PromotionSpec, ...]:
    """Promotions as Release objects tell them, for as long as Konflux keeps those."""
    try:
        found = await place.cluster.list(RELEASE, place.namespace)
    except RemoteError as error:
        if error.code not in ("Forbidden", "KindNotServed"):
            raise
        return ()
    specs = []
    for seen in (read_release(each.value()) for each in found.items):
        if not seen.has_succeeded or not seen.platform:
            continue
        tags = tags_of(TagRequest(seen.platform, seen.digest)).value
        if tags is not None:
            specs.append(
                PromotionSpec(
                    platform=seen.platform,
                    digest=seen.digest,
                    repository="",
                    tag=tags.tag,
                    run="",
                    at=seen.ended_at,
                    snapshot=seen.snapshot,
                    release_ref=seen.name,
                )
            )
    return tuple(specs)
