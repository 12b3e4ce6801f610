"""What a person sets for a while: pause a platform, freeze promotions, set a job aside.

It is written into `spec` of the Gate, each kind of setting by a field manager of its own: so a pause is not undone when somebody
applies an unrelated setting, and who applies the Gate's manifest again is told who set what.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import msgspec

from pilotage.api.errors import InputError, RefusedError
from pilotage.api.gate import GATE, VERSION_MATRIX, FreezeWindow, Gate, QuarantineEntry, VersionMatrix
from pilotage.api.meta import ObjectKey
from pilotage.app.gate import ledgers
from pilotage.gate.health.quarantine import Quarantine, check
from pilotage.gate.instants import read_instant
from pilotage.gate.ticks.jobs import planned_jobs
from pilotage.runtime.clock import rfc3339
from pilotage.store.base import Store

__all__ = ["Setting", "freeze", "lift_quarantine", "pause", "quarantine", "resume", "thaw"]

_PAUSES: Final = "pilotage-pause"
_FREEZES: Final = "pilotage-freeze"
_QUARANTINES: Final = "pilotage-quarantine"


class Setting(msgspec.Struct, frozen=True):
    """What is set now, as a sentence, and the Gate as it is."""

    said: str
    gate: Gate


async def pause(
    store: Store, platform: str, by: str, reason: str, until: datetime | None, namespace: str = ""
) -> Setting:
    """Start no runs until somebody resumes. With `until` the stale alarm is silent as well, until then.

    Raises InputError `ReasonNeeded`, `NoSuchGate`.
    """
    _need(reason, "pause a platform")
    spec: dict[str, Any] = {"paused": True, "pauseReason": f"{reason} ({by})"}
    spec["pausedUntil"] = rfc3339(until) if until else ""
    gate = await _set(store, platform, namespace, _PAUSES, lambda _gate: spec)
    quiet = f"; no alarm before {spec['pausedUntil']}" if until else "; the stale alarm goes on"
    return Setting(f"{gate.spec.platform} is paused: {reason}{quiet}", gate)


async def resume(store: Store, platform: str, namespace: str = "") -> Setting:
    """The next slot starts a run again."""
    spec = {"paused": False, "pauseReason": "", "pausedUntil": ""}
    gate = await _set(store, platform, namespace, _PAUSES, lambda _gate: spec)
    return Setting(f"{gate.spec.platform} is not paused", gate)


async def freeze(
    store: Store,
    platform: str,
    by: str,
    reason: str,
    now: datetime,
    until: datetime | None,
    namespace: str = "",
) -> Setting:
    """Promote nothing from now on; runs go on, and what passed is promoted when the window closes.

    Raises InputError `ReasonNeeded`, `BadTime` for an end that is over.
    """
    _need(reason, "freeze promotions")
    if until is not None and until <= now:
        raise InputError("BadTime", f"--until {rfc3339(until)}: is over", hint="name a time to come")
    window = FreezeWindow(rfc3339(now), rfc3339(until) if until else "", f"{reason} ({by})")
    gate = await _set(
        store, platform, namespace, _FREEZES, lambda gate: _windows((*_ahead(gate, now), window))
    )
    return Setting(
        f"{gate.spec.platform}: nothing is promoted until {window.end or 'somebody ends it'}", gate
    )


async def thaw(store: Store, platform: str, now: datetime, namespace: str = "") -> Setting:
    """Close every window that is open. Raises RefusedError `NotFrozen`."""

    def closed(gate: Gate) -> dict[str, Any]:
        left = [each for each in _ahead(gate, now) if not _is_open(each, now)]
        if len(left) == len(_ahead(gate, now)):
            raise RefusedError("NotFrozen", f"{gate.spec.platform}: no freeze window is open")
        return _windows(tuple(left))

    gate = await _set(store, platform, namespace, _FREEZES, closed)
    return Setting(f"{gate.spec.platform}: promotions go on", gate)


async def quarantine(
    store: Store, platform: str, entry: QuarantineEntry, now: datetime, namespace: str = ""
) -> Setting:
    """Count a required job as informing for a while. Raises InputError `QuarantineRefused` with everything that is wrong."""
    gate = await ledgers.gate_of(store, platform, namespace)
    until = read_instant(entry.until) or now
    asked = Quarantine(entry.job, entry.owner, entry.reason, entry.bug, now, until)
    active = [each.job for each in _kept(gate, now)]
    findings = check(
        asked, await _required(store, gate), active, Fraction(repr(gate.spec.max_quarantined_fraction))
    )
    if findings:
        raise InputError(
            "QuarantineRefused",
            "; ".join(finding.message for finding in findings),
            messages=tuple(f"{finding.code}: {finding.message}" for finding in findings),
            hint="a quarantine has an owner, a reason, a bug and an end within 14 days; required jobs must be left",
        )
    entry = msgspec.structs.replace(entry, since=rfc3339(now))
    gate = await _set(
        store,
        gate.spec.platform,
        gate.metadata.namespace,
        _QUARANTINES,
        lambda gate: _entries((*(each for each in _kept(gate, now) if each.job != entry.job), entry)),
    )
    return Setting(f"{entry.job} is set aside on {gate.spec.platform} until {entry.until}", gate)


async def lift_quarantine(
    store: Store, platform: str, job: str, now: datetime, namespace: str = ""
) -> Setting:
    """The job is required again. Raises RefusedError `NotQuarantined`."""

    def lifted(gate: Gate) -> dict[str, Any]:
        if job not in {each.job for each in gate.spec.quarantine}:
            raise RefusedError("NotQuarantined", f"{job} is not set aside on {gate.spec.platform}")
        # An entry that a manifest names is not ours to remove: it is over from now on.
        ended = (
            msgspec.structs.replace(each, until=rfc3339(now))
            for each in gate.spec.quarantine
            if each.job == job
        )
        return _entries((*(each for each in _kept(gate, now) if each.job != job), *ended))

    gate = await _set(store, platform, namespace, _QUARANTINES, lifted)
    return Setting(f"{job} is required again on {gate.spec.platform}", gate)


async def _set(
    store: Store, platform: str, namespace: str, manager: str, spec_of: Callable[[Gate], dict[str, Any]]
) -> Gate:
    gate = await ledgers.gate_of(store, platform, namespace)
    key = ObjectKey(gate.metadata.namespace, gate.metadata.name)
    written = await store.apply(GATE, key, {"spec": spec_of(gate)}, manager=manager, force=True)
    return written.view(Gate)


async def _required(store: Store, gate: Gate) -> frozenset[str]:
    matrix = None
    if gate.spec.matrix_ref is not None:
        found = await store.get(VERSION_MATRIX, ObjectKey(gate.metadata.namespace, gate.spec.matrix_ref.name))
        matrix = found.view(VersionMatrix).spec
    return frozenset(job.name for job in planned_jobs(gate.spec, matrix) if job.type == "required")


def _kept(gate: Gate, now: datetime) -> list[QuarantineEntry]:
    """Entries that are not over."""
    return [
        each
        for each in gate.spec.quarantine
        if (until := read_instant(each.until)) is not None and until > now
    ]


def _ahead(gate: Gate, now: datetime) -> list[FreezeWindow]:
    """Windows that are open, or yet to come."""
    return [each for each in gate.spec.policy.freeze if (end := read_instant(each.end)) is None or end > now]


def _is_open(window: FreezeWindow, now: datetime) -> bool:
    start = read_instant(window.start)
    return start is not None and start <= now


def _windows(windows: tuple[FreezeWindow, ...]) -> dict[str, Any]:
    return {"policy": {"freeze": msgspec.to_builtins(windows)}}


def _entries(entries: tuple[QuarantineEntry, ...]) -> dict[str, Any]:
    return {"quarantine": msgspec.to_builtins(entries)}


def _need(reason: str, what: str) -> None:
    if not reason.strip():
        raise InputError("ReasonNeeded", f"to {what} needs a reason", hint="say why with --reason TEXT")
