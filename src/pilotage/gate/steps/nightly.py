"""trigger: the tick of the night for every platform of one schedule, one after the other.

A platform that fails stops no other; the worst code is that of the step. A tick that is made again (its pod was restarted in the same
slot, or a person started the same Job) finds its run by the id of the trigger. A run that was planned and whose label was not
confirmed is taken up again.

Before the tick the ledger is tidied: runs that ended are folded into the state of their Gate, and runs whose pipeline died without a
word are ended here, since nobody else will.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from pilotage.api.core import CONFIG_MAP
from pilotage.api.errors import PilotageError
from pilotage.api.gate import (
    GATE,
    GATE_RUN,
    LIVE_LABEL,
    PLATFORM_LABEL,
    Gate,
    GateRun,
    GateStatus,
    LedgerEvent,
)
from pilotage.gate.instants import read_instant
from pilotage.gate.konflux.labeller import Labeller, is_unconfirmed
from pilotage.gate.konflux.labelling import Failed
from pilotage.gate.konflux.names import names_of
from pilotage.gate.konflux.target import CONFIG_MAP_LABEL
from pilotage.gate.runs.folding import fold
from pilotage.gate.runs.ledger import MANAGER, stated
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.steps.ending import CONFLICT, DONE, NOTHING, OUTSIDE, StepEnd, code_of
from pilotage.gate.steps.place import Place
from pilotage.gate.steps.telling import channel_of
from pilotage.gate.telling import runmessages as messages
from pilotage.gate.telling.message import Subject
from pilotage.gate.telling.owing import Outbox, messages_of
from pilotage.gate.ticks.nights import noted, owed_for
from pilotage.gate.ticks.schedule import trigger_id
from pilotage.gate.ticks.tick import TickOutcome, TickRequest, make_tick
from pilotage.runtime.clock import rfc3339
from pilotage.store.base import ConflictError

__all__ = ["NightRequest", "platforms_of", "trigger_all", "trigger_of"]

_SLOT: Final = re.compile(r".+-([0-9]{7,9})")
"""A CronJob names its Jobs after the minute of their slot, counted from 1970."""
_TRIES: Final = 5
_RELEASE: Final = timedelta(hours=5)
"""How long after its deadline a run that passed may still be released."""


class NightRequest(msgspec.Struct, frozen=True):
    """Which platforms: those of this schedule, all of them where it is empty. `holder` names this process."""

    id: str
    kind: Literal["schedule", "manual"] = "schedule"
    by: str = ""
    schedule: str = ""
    time_zone: str = ""
    platforms: tuple[str, ...] = ()
    holder: str = ""


def trigger_of(job: str, uid: str) -> tuple[str, Literal["schedule", "manual"]]:
    """The id of a trigger: the slot of a Job that a CronJob made, else the uid of one that a person made."""
    minute = _SLOT.fullmatch(job)
    if minute is None:
        return f"manual-{uid or job}", "manual"
    return trigger_id(datetime.fromtimestamp(60 * int(minute[1]), UTC)), "schedule"


async def platforms_of(place: Place) -> tuple[str, ...]:
    """Every platform that has a Gate here, in order."""
    found = await place.cluster.list(CONFIG_MAP, place.namespace, {CONFIG_MAP_LABEL: "definition"})
    return tuple(sorted(each.labels[PLATFORM_LABEL] for each in found.items if PLATFORM_LABEL in each.labels))


async def trigger_all(place: Place, request: NightRequest) -> StepEnd:
    """Raises RemoteError when not even the gates can be listed."""
    ends: list[StepEnd] = []
    for platform in await platforms_of(place):
        if request.platforms and platform not in request.platforms:
            continue
        try:
            end = await _trigger(place, platform, request)
        except PilotageError as error:
            end = StepEnd(code_of(error), says=f"{platform}: {error.code}: {error.message}")
        if end is not None:
            ends.append(end)
    if not ends:
        wanted = ", ".join(request.platforms) or f"{request.schedule} {request.time_zone}".strip() or "any"
        return StepEnd(NOTHING, says=f"{place.namespace}: there is no gate for {wanted}")
    return StepEnd(max(end.code for end in ends), says="\n".join(end.says for end in ends))


async def _trigger(place: Place, platform: str, request: NightRequest) -> StepEnd | None:
    """One platform; None when it has another schedule."""
    gate = await place.gate(platform)
    if request.schedule and (gate.spec.schedule, gate.spec.time_zone) != (
        request.schedule,
        request.time_zone or "Etc/UTC",
    ):
        return None
    outbox = Outbox(place.store, (channel_of(gate.spec),), place.clock)
    await _end_the_dead(place, gate, outbox)
    tick = TickRequest(id=request.id, kind=request.kind, by=request.by)
    outcome = await _tick(place, platform, tick)
    await outbox.owe(place.namespace, owed_for(gate, tick, outcome))
    told = f"{platform}: {outcome.action}: {outcome.reason}"
    if outcome.action == "none":
        return StepEnd(NOTHING, says=told)
    if not outcome.run or outcome.action not in ("start", "attach"):
        return StepEnd(DONE, says=told)
    entry = await place.settled(outcome.run, gate)
    if not is_unconfirmed(entry.run):
        return StepEnd(DONE, says=f"{told}: run {outcome.run}")
    return await _label(place, gate, outcome.run, request, outbox)


async def _tick(place: Place, platform: str, request: TickRequest) -> TickOutcome:
    """The tick, and what it came to in the state of the Gate. Raises ConflictError."""
    for _ in range(_TRIES):
        found = await place.store.get(GATE, place.key(platform))
        gate, now = found.view(Gate), place.clock.now()
        labels = {PLATFORM_LABEL: platform}
        runs = [
            each.view(GateRun) for each in (await place.store.list(GATE_RUN, place.namespace, labels)).items
        ]
        status = _folded(gate.status, runs)
        gate = msgspec.structs.replace(gate, status=status)
        outcome = await make_tick(place.store, gate, place.namespace, request, now)
        status = noted(status, request, outcome, now)
        try:
            await place.store.patch_status(
                GATE,
                found.key,
                stated(status),
                manager=MANAGER,
                resource_version=found.meta.resource_version,
            )
        except ConflictError:
            continue
        return outcome
    raise ConflictError(f"gate {platform}: somebody else writes its state all the time")


def _folded(status: GateStatus, runs: Sequence[GateRun]) -> GateStatus:
    status = fold(status, [run for run in runs if run.status.state in ENDED])
    active = [run.metadata.name for run in runs if run.status.state not in ENDED]
    return msgspec.structs.replace(status, active_run=active[0] if active else "")


async def _end_the_dead(place: Place, gate: Gate, outbox: Outbox) -> None:
    """Runs whose time is over while nobody follows them: what is open has timed out, and what was not released is not."""
    labels = {PLATFORM_LABEL: gate.spec.platform}
    for found in (await place.store.list(GATE_RUN, place.namespace, labels)).items:
        run, now = found.view(GateRun), place.clock.now()
        deadline = read_instant(run.spec.deadline)
        if deadline is None or now < deadline:
            continue
        if run.status.state not in ENDED:
            entry = await place.settled(run.metadata.name, gate)
            if entry.status.state in ("evaluated", "promoting") and now >= deadline + _RELEASE:
                told = "its pipeline ended without a word; look at the Release by hand"
                status = msgspec.structs.replace(
                    entry.status, state="promotion-failed", message=told, finished_at=rfc3339(now)
                )
                entry = await place.ledger.write(entry, status, LedgerEvent("", "PromotionFailed", told))
            if entry.status.state in ENDED:
                await outbox.owe(place.namespace, list(messages_of(entry.run, gate))[-1:])
        if found.labels.get(LIVE_LABEL) == "true" and run.status.state in ENDED:
            retired = {"metadata": {"labels": {LIVE_LABEL: "false"}}}
            await place.store.apply(GATE_RUN, found.key, retired, manager=MANAGER, force=True)


async def _label(place: Place, gate: Gate, run: str, request: NightRequest, outbox: Outbox) -> StepEnd:
    platform, scenario = gate.spec.platform, names_of(gate.spec.platform).scenario
    labeller = Labeller(place.cluster, place.ledger, place.clock, f"{request.holder}/{platform}")
    outcome = await labeller.start(place.key(run), scenario)
    if not isinstance(outcome, Failed):
        return StepEnd(DONE, says=f"{platform}: run {run} is PipelineRun {outcome.pipeline_run}")
    entry = await place.run(run)
    told = f"{outcome.problem}: scenario {scenario}, label {outcome.label or 'none'}"
    if entry.status.state not in ENDED:
        status = msgspec.structs.replace(
            entry.status, state="cancelled", message=told, finished_at=rfc3339(place.ledger.now(entry))
        )
        await place.ledger.write(entry, status, LedgerEvent("", "TriggerFailed", told))
    pin = entry.run.spec.snapshot
    subject = Subject(
        event=f"{run}/trigger",
        platform=platform,
        display_name=gate.spec.display_name,
        snapshot=pin.name,
        digest=entry.run.spec.digest,
        run=run,
        owner=", ".join(gate.spec.owners),
    )
    command = f"oc create job --from=cronjob/hypershift-operator-nightly-promotion manual-$(date +%s) -n {place.namespace}"
    facts = messages.TriggerStuck(outcome.problem, outcome.label, scenario, command)
    await outbox.owe(place.namespace, (messages.trigger_stuck(subject, facts),))
    codes = {"label stuck": CONFLICT, "scenario not found or skipped": NOTHING, "Snapshot gone": NOTHING}
    return StepEnd(codes.get(outcome.problem, OUTSIDE), says=f"{platform}: {told}")
