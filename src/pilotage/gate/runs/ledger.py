"""What was done for a run, written down before and after every step that the outside can see.

The ledger of a run is the status of its GateRun: every attempt of every job, and the events in the order in which they were
written. One write changes one object, so a crash leaves either the state before or the state after it, never half of one.

Every write is a compare-and-set on the version that was read: two processes that follow the same run cannot both write the
verdict, and a process that was asleep finds out at its next write. Empty fields are left out; a run of a dozen jobs is a few
kilobytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from pilotage.api.gate import GATE_RUN, GateRun, GateRunStatus, LedgerEvent
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.instants import read_instant
from pilotage.runtime.clock import Clock, rfc3339

__all__ = ["MANAGER", "Entry", "Ledger", "LedgerStore", "stated"]

MANAGER = "pilotage-gate"
"""The field manager of every status that the gate writes."""


class LedgerStore(Protocol):
    """The part of a store that the ledger needs."""

    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: str = "",
    ) -> Object: ...


class Entry(msgspec.Struct, frozen=True):
    """A run as it was read, with the version that the next write must find."""

    key: ObjectKey
    version: str
    run: GateRun
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}

    @classmethod
    def of(cls, found: Object) -> Entry:
        """Raises InputError when the object is no GateRun."""
        meta = found.meta
        return cls(
            found.key, meta.resource_version, found.view(GateRun), meta.labels or {}, meta.annotations or {}
        )

    @property
    def status(self) -> GateRunStatus:
        return self.run.status


class Ledger:
    """The runs of a store. `on_write` hears of every write, for caches."""

    def __init__(
        self,
        store: LedgerStore,
        clock: Clock,
        *,
        on_write: Callable[[Kind, Object], None] = lambda _kind, _object: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_write = on_write
        self._set_back: dict[ObjectKey, tuple[datetime, float]] = {}

    async def read(self, key: ObjectKey) -> Entry:
        """Straight from the store, never from a cache. Raises NotFoundError."""
        return Entry.of(await self._store.get(GATE_RUN, key))

    async def write(self, entry: Entry, status: GateRunStatus, *events: LedgerEvent) -> Entry:
        """Write the status and add the events, onto the state that `entry` read. Raises ConflictError, NotFoundError."""
        now = self.now(entry)
        dated = tuple(msgspec.structs.replace(event, at=event.at or rfc3339(now)) for event in events)
        status = msgspec.structs.replace(status, events=entry.status.events + dated, last_seen=rfc3339(now))
        written = await self._store.patch_status(
            GATE_RUN, entry.key, stated(status), manager=MANAGER, resource_version=entry.version
        )
        self._on_write(GATE_RUN, written)
        return Entry.of(written)

    def now(self, entry: Entry) -> datetime:
        """The time by which the run goes on: a clock that is set back gives nobody more time, and holds nobody up.

        Where the clock is behind what the run has seen, its time goes on from there, by the seconds that really pass.
        """
        now, seen = self._clock.now(), read_instant(entry.status.last_seen)
        if seen is None or (seen <= now and entry.key not in self._set_back):
            return now
        passed = self._clock.monotonic()
        began, since = self._set_back.get(entry.key, (seen, passed))
        going_on = began + timedelta(seconds=passed - since)
        if now >= max(seen, going_on):
            self._set_back.pop(entry.key, None)
            return now
        if seen > going_on:
            began, since, going_on = seen, passed, seen
        self._set_back[entry.key] = (began, since)
        return going_on


def stated(status: msgspec.Struct) -> dict[str, Any]:
    """A status as it is written: without what is empty."""
    written: dict[str, Any] = _filled(msgspec.to_builtins(status)) or {}
    return written


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item) for name, item in value.items() if not _is_empty(item)}
    if isinstance(value, list | tuple):
        return [_filled(item) for item in value]
    return value


def _is_empty(value: Any) -> bool:
    return (
        value is None or value is False or (value in ("", 0) and value is not True) or value in ([], {}, ())
    )
