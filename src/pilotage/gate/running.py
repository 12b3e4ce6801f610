"""The controller of runs: walk along the run, promote what passed, and owe people their messages.

Level-triggered like every controller: it is told a key, reads the ledger, and takes the run as far as it gets. The ledger itself is
read from the store, never from a cache; a conflict means that somebody else wrote, and the run is read again.
"""

from __future__ import annotations

import contextlib
from typing import Final, Protocol

import msgspec

from pilotage.api.gate import CANCEL_ANNOTATION, GATE, GATE_RUN, Cancellation, Gate
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.instants import read_instant
from pilotage.gate.promotion.promoting import Promoting
from pilotage.gate.runs.calls import is_over
from pilotage.gate.runs.ledger import Entry, Ledger
from pilotage.gate.runs.progress import ENDED, Moment
from pilotage.gate.runs.walk import Memory, Outside, Walk
from pilotage.gate.settings import histories_of, settings_of
from pilotage.gate.telling.owing import TOLD_WITHIN, Outbox, messages_of
from pilotage.runtime.controller import Controller, Result
from pilotage.store.base import NotFoundError

__all__ = ["RunController", "cancellation_of"]

_DEADLINE: Final = 4 * 3600.0
"""Seconds for one look at a run: a copy of a large image belongs to it."""


class GateReader(Protocol):
    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...


class RunController:
    """Follows every GateRun that is not over."""

    def __init__(self, store: GateReader, outside: Outside, promoting: Promoting, outbox: Outbox) -> None:
        self._store = store
        self._outside = outside
        self._ledger: Ledger = outside.ledger
        self._promoting = promoting
        self._outbox = outbox
        self._memory = Memory()

    def declaration(self) -> Controller:
        return Controller(
            name="gate-run", kind=GATE_RUN, reconcile=self.reconcile, workers=16, deadline=_DEADLINE
        )

    async def reconcile(self, key: ObjectKey) -> Result:
        try:
            entry = await self._ledger.read(key)
        except NotFoundError:
            return Result()
        if entry.status.state in ENDED and is_over(entry.run, self._ledger.now(entry)):
            if self._may_be_owed(entry):
                await self._outbox.owe(key.namespace, messages_of(entry.run, await self._gate(entry)))
            self._memory.forget(entry)
            return Result()
        gate = await self._gate(entry)
        walk = Walk(
            entry, self._outside, self._memory, lambda each: self._moment(each, gate), histories_of(gate)
        )
        entry = await walk.go()
        await self._outbox.owe(key.namespace, messages_of(entry.run, gate))
        walk.entry, promotion = await self._promoting.go_on(entry, gate)
        await self._outbox.owe(key.namespace, messages_of(walk.entry.run, gate))
        waits = [wait for wait in (walk.next_look(), promotion) if wait is not None]
        return Result(requeue_after=min(waits)) if waits else Result()

    def _moment(self, entry: Entry, gate: Gate | None) -> Moment:
        now = self._ledger.now(entry)
        return Moment(entry.run, settings_of(gate, now), now, cancellation_of(entry))

    def _may_be_owed(self, entry: Entry) -> bool:
        """Messages of a run that is over may be owed still when the process died right after its end."""
        ended = read_instant(entry.status.finished_at)
        return ended is None or self._ledger.now(entry) - ended <= TOLD_WITHIN

    async def _gate(self, entry: Entry) -> Gate | None:
        """The Gate as it is now; None when it was deleted under the run, which then ends with what it planned."""
        with contextlib.suppress(NotFoundError):
            key = ObjectKey(entry.key.namespace, entry.run.spec.platform)
            return (await self._store.get(GATE, key)).view(Gate)
        return None


def cancellation_of(entry: Entry) -> Cancellation | None:
    """A request to stop stands in an annotation, as JSON: whoever asks need not write the ledger."""
    text = entry.annotations.get(CANCEL_ANNOTATION, "")
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Cancellation)
    except msgspec.MsgspecError:
        return Cancellation(entry.run.spec.created_at, "unknown", text[:200])
