"""The controller of gates: starts the night's run when its slot comes, and keeps what the runs came to.

A slot is acted on once. Killed between the run and the note of the slot, the tick is made again and finds its run by the id of the
trigger. What a finished run came to is folded into the status of its Gate, so that questions about a thousand gates read a
thousand objects; then the run is no longer live, and only history asks for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from pilotage.api.gate import (
    GATE,
    GATE_RUN,
    LIVE_LABEL,
    PLATFORM_LABEL,
    Gate,
    GateRun,
    GateStatus,
    TickRecord,
)
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.instants import read_instant
from pilotage.gate.runs.calls import is_over
from pilotage.gate.runs.folding import fold
from pilotage.gate.runs.ledger import MANAGER, stated
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.telling import runmessages as messages
from pilotage.gate.telling.message import Message, Subject
from pilotage.gate.telling.owing import Outbox
from pilotage.gate.ticks.schedule import due, next_slot, parse, trigger_id
from pilotage.gate.ticks.tick import TickOutcome, TickRequest, TickStore, make_tick
from pilotage.runtime.clock import Clock, rfc3339
from pilotage.runtime.controller import Controller, Result, Watch
from pilotage.store.base import NotFoundError

__all__ = ["GateController", "GateStore", "noted", "owed_for"]

_DEADLINE: Final = 3600.0
"""Seconds: a rehearsal's clock runs fast, and the store answers when it does."""
_SOON: Final = 1.0
_LOOK_AGAIN: Final = 600.0
"""Seconds: whatever the schedule says, a clock may have been set."""


class GateStore(TickStore, Protocol):
    """The part of a store that the controller of gates needs."""

    async def apply(
        self, kind: Kind, key: ObjectKey, manifest: Mapping[str, Any], *, manager: str, force: bool = False
    ) -> Object: ...

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: str = "",
    ) -> Object: ...


class GateController:
    """One reconcile looks at one Gate, its live runs and its schedule."""

    def __init__(self, store: GateStore, outbox: Outbox, clock: Clock) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock

    def declaration(self) -> Controller:
        return Controller(
            name="gate",
            kind=GATE,
            reconcile=self.reconcile,
            watches=(Watch(GATE_RUN, _gate_of_run),),
            workers=4,
            deadline=_DEADLINE,
        )

    async def reconcile(self, key: ObjectKey) -> Result:
        try:
            found = await self._store.get(GATE, key)
        except NotFoundError:
            return Result()
        gate, now = found.view(Gate), self._clock.now()
        labels = {PLATFORM_LABEL: gate.spec.platform, LIVE_LABEL: "true"}
        live = (await self._store.list(GATE_RUN, key.namespace, labels)).items
        runs = [(each.key, each.view(GateRun)) for each in live]
        status = fold(gate.status, [run for _, run in runs if run.status.state in ENDED])
        active = [run.metadata.name for _, run in runs if run.status.state not in ENDED]
        status = msgspec.structs.replace(status, active_run=active[0] if active else "")
        status = await self._tick(found, msgspec.structs.replace(gate, status=status), now)
        if stated(status) != stated(gate.status):
            await self._store.patch_status(
                GATE, key, stated(status), manager=MANAGER, resource_version=found.meta.resource_version
            )
        over = [run for run in runs if is_over(run[1], now)]
        for run_key, _ in over:
            await self._retire(run_key)
        return Result(requeue_after=None, resync_after=self._next_look(status, now))

    async def _tick(self, found: Object, gate: Gate, now: datetime) -> GateStatus:
        """Act on the slot that is due, or on a Snapshot that waited for the platform to be free."""
        schedule = parse(gate.spec.schedule, gate.spec.time_zone)
        status = gate.status
        began = read_instant(gate.spec.onboarded_at) or read_instant(found.meta.creation_timestamp) or now
        acted = read_instant(status.last_slot)
        if acted is not None and acted > now:
            # A clock that ran ahead acted on that slot. The nights until then are to come all the same, from now on; triggers
            # have names, so a night that had its run has no other.
            acted = now
            status = msgspec.structs.replace(status, last_slot=rfc3339(now))
        last = acted or began
        slot = due(schedule, last, now).slot
        status = msgspec.structs.replace(status, next_tick=rfc3339(next_slot(schedule, max(now, last))))
        if slot is not None:
            request = TickRequest(id=trigger_id(slot))
            status = msgspec.structs.replace(status, last_slot=rfc3339(slot))
        elif status.pending_snapshot and not status.active_run:
            request = TickRequest(id=f"{trigger_id(last)}+", kind="coalesced")
        else:
            return status
        outcome = await make_tick(self._store, gate, found.key.namespace, request, now)
        await self._outbox.owe(found.key.namespace, owed_for(gate, request, outcome))
        return noted(status, request, outcome, now)

    async def _retire(self, key: ObjectKey) -> None:
        """From now on only history finds the run."""
        manifest = {"metadata": {"labels": {LIVE_LABEL: "false"}}}
        with contextlib.suppress(NotFoundError):
            await self._store.apply(GATE_RUN, key, manifest, manager=MANAGER, force=True)

    def _next_look(self, status: GateStatus, now: datetime) -> float:
        upcoming = read_instant(status.next_tick)
        if upcoming is None:
            return _LOOK_AGAIN
        return min(max((upcoming - now).total_seconds(), _SOON), _LOOK_AGAIN)


def _gate_of_run(run: Object) -> Iterable[ObjectKey]:
    platform = run.labels.get(PLATFORM_LABEL)
    return (ObjectKey(run.key.namespace, platform),) if platform else ()


def noted(status: GateStatus, request: TickRequest, outcome: TickOutcome, now: datetime) -> GateStatus:
    """The status of the Gate after a tick."""
    chosen = outcome.chosen
    record = TickRecord(
        id=request.id,
        at=rfc3339(now),
        action=outcome.action,
        reason=outcome.reason,
        snapshot=chosen.snapshot.name if chosen else "",
        digest=chosen.digest if chosen else "",
    )
    waits = outcome.action == "wait"
    return msgspec.structs.replace(
        status,
        last_tick=record,
        latest_eligible=record if chosen else status.latest_eligible,
        pending_snapshot=record.snapshot if waits else "",
        active_run=outcome.run if outcome.action == "start" else status.active_run,
    )


def owed_for(gate: Gate, request: TickRequest, outcome: TickOutcome) -> Sequence[Message]:
    """Nothing to test is news."""
    if outcome.action != "none":
        return ()
    counts: dict[str, int] = {}
    for code in outcome.rejected.values():
        counts[code] = counts.get(code, 0) + 1
    subject = Subject(
        event=f"{gate.spec.platform}/{request.id}/selection",
        platform=gate.spec.platform,
        display_name=gate.spec.display_name,
        owner=", ".join(gate.spec.owners),
    )
    newest = next(iter([*outcome.rejected.items()][::-1]), ("", ""))
    facts = messages.SelectionFailed(
        outcome.reason, counts, newest[0], newest[1], f"pilotage gate trigger {gate.spec.platform}"
    )
    return (messages.selection_failed(subject, facts),)
