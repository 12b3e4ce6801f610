"""How does a platform stand right now? One record, from its Gate and what is under way.

What was promoted last and how old it is, the run that is under way with each of its jobs, the next tick, how long until the stale
alarm, whether it is paused or frozen, and what a person should look at: open alarms, dead letters, jobs that flake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from pilotage.api.gate import (
    Alert,
    AttemptRecord,
    Gate,
    GateRun,
    Notification,
    PromotionSpec,
    TickRecord,
)
from pilotage.gate.health.quarantine import is_proposed
from pilotage.gate.health.stale import standing_of
from pilotage.gate.health.standing import last_promoted, stale_facts
from pilotage.gate.instants import read_instant
from pilotage.gate.runs.progress import FINAL
from pilotage.gate.settings import quarantined

__all__ = ["JobProgress", "Letters", "Panel", "Promotion", "RunProgress", "Staleness", "panel", "progress_of"]

_DAY = 86_400


class Promotion(msgspec.Struct, frozen=True, rename="camel"):
    """What consumers have. `age` in seconds, None when it cannot be told."""

    digest: str
    tag: str
    revision: str
    at: str
    age: float | None


class JobProgress(msgspec.Struct, frozen=True, rename="camel"):
    """One job of a run. `state` is its result, or waiting, starting, running, retrying; `minutes` since its last start."""

    name: str
    type: str
    state: str
    attempts: int
    minutes: float | None = None
    url: str = ""
    detail: str = ""


class RunProgress(msgspec.Struct, frozen=True, rename="camel"):
    """A run, and how far it is; `done` of `total` required jobs have a final result."""

    name: str
    state: str
    verdict: str
    snapshot: str
    digest: str
    started_at: str
    deadline: str
    done: int
    total: int
    jobs: tuple[JobProgress, ...]
    suspended_since: str = ""
    message: str = ""


class Staleness(msgspec.Struct, frozen=True, rename="camel"):
    """`left` is the seconds until the alarm, negative since it is due; None while it cannot come (up to date) or be told."""

    stale: bool
    reason: str
    level: str = ""
    left: float | None = None


class Letters(msgspec.Struct, frozen=True):
    """Messages of the platform that did not arrive: still tried, and given up."""

    waiting: int = 0
    dead: int = 0


class Panel(msgspec.Struct, frozen=True, rename="camel"):
    platform: str
    namespace: str
    display_name: str
    promoted: Promotion | None
    run: RunProgress | None
    pending_snapshot: str
    last_tick: TickRecord | None
    next_tick: str
    staleness: Staleness
    paused: bool
    paused_until: str
    pause_reason: str
    frozen_until: str
    frozen: bool
    freeze_reason: str
    consecutive_failures: int
    quarantined: tuple[str, ...]
    proposed: tuple[str, ...]
    alarms: tuple[str, ...]
    letters: Letters

    @property
    def needs(self) -> tuple[str, ...]:
        """What a person should look at, the worst first."""
        told = [f"alarm {name}" for name in self.alarms]
        if self.letters.dead:
            told.append(f"{self.letters.dead} message{'s' * (self.letters.dead != 1)} could not be delivered")
        if self.run is not None and self.run.suspended_since:
            told.append(f"credentials refused since {self.run.suspended_since}")
        told += [f"quarantine of {job} is proposed: it needs retries too often" for job in self.proposed]
        return tuple(told)


def panel(
    gate: Gate,
    run: GateRun | None,
    alerts: Iterable[Alert],
    notes: Iterable[Notification],
    now: datetime,
    promotions: Sequence[PromotionSpec] = (),
) -> Panel:
    """`run` is the one under way; `alerts` and `notes` (those not delivered) are of this platform.

    `promotions` are needed when the last one was yanked: what counts then is an older one.
    """
    spec, status = gate.spec, gate.status
    frozen = _freeze(gate, now)
    notes = list(notes)
    set_aside = quarantined(spec, now)
    return Panel(
        platform=spec.platform,
        namespace=gate.metadata.namespace,
        display_name=spec.display_name,
        promoted=_promoted(gate, promotions, now),
        run=progress_of(run, now) if run else None,
        pending_snapshot=status.pending_snapshot,
        last_tick=status.last_tick,
        next_tick=status.next_tick,
        staleness=_staleness(gate, promotions, now),
        paused=spec.paused,
        paused_until=spec.paused_until,
        pause_reason=spec.pause_reason,
        frozen=frozen is not None,
        frozen_until=frozen[0] if frozen else "",
        freeze_reason=frozen[1] if frozen else "",
        consecutive_failures=status.consecutive_failures,
        quarantined=tuple(sorted(set_aside)),
        proposed=tuple(
            job.name
            for job in status.jobs
            if job.name not in set_aside and is_proposed(tuple(reversed(job.retried)))
        ),
        alarms=tuple(
            f"{each.spec.key.partition('/')[0]} ({each.status.level} since {each.status.opened_at})"
            for each in alerts
            if each.status.opened_at and not each.status.resolved_at
        ),
        letters=Letters(
            sum(not note.status.dead and not note.status.delivered_at for note in notes),
            sum(note.status.dead for note in notes),
        ),
    )


def progress_of(run: GateRun, now: datetime) -> RunProgress:
    """A run with each of its jobs, as they were planned."""
    records = {record.name: record.attempts for record in run.status.jobs}
    jobs = tuple(_job(job.name, job.type, records.get(job.name, ()), now) for job in run.spec.jobs)
    required = [job for job in jobs if job.type == "required"]
    return RunProgress(
        name=run.metadata.name,
        state=run.status.state or "planned",
        verdict=run.status.verdict,
        snapshot=run.spec.snapshot.name,
        digest=run.spec.digest,
        started_at=run.spec.created_at,
        deadline=run.spec.deadline,
        done=sum(job.state in FINAL for job in required),
        total=len(required),
        jobs=jobs,
        suspended_since=run.status.suspended_since,
        message=run.status.message,
    )


def _job(name: str, kind: str, attempts: Sequence[AttemptRecord], now: datetime) -> JobProgress:
    if not attempts:
        return JobProgress(name, kind, "waiting", 0)
    last = attempts[-1]
    began = read_instant(last.triggered_at)
    ended = read_instant(last.completed_at) if last.result in FINAL else now
    minutes = round((ended - began).total_seconds() / 60, 1) if began and ended else None
    return JobProgress(name, kind, _state(last), len(attempts), minutes, last.url, last.detail)


def _state(last: AttemptRecord) -> str:
    if last.result in FINAL:
        return last.result
    if last.id:
        return "running"
    if last.posts:
        return "starting"
    return "waiting" if last.number == 1 else "retrying"


def _promoted(gate: Gate, promotions: Sequence[PromotionSpec], now: datetime) -> Promotion | None:
    last = last_promoted(gate, promotions)
    if last is None:
        return None
    line, tag = gate.status.last_promotion, gate.status.last_promoted_tag
    revision = line.revision if line and line.digest == last.digest else None
    for each in promotions:
        if each.digest == last.digest:
            tag, revision = each.tag, each.revision
    at = read_instant(last.at)
    age = max(0.0, (now - at).total_seconds()) if at else None
    return Promotion(last.digest, tag, revision or "", last.at, age)


def _staleness(gate: Gate, promotions: Sequence[PromotionSpec], now: datetime) -> Staleness:
    facts = stale_facts(gate, last_promoted(gate, promotions), None, now)
    if facts.paused_until is not None and facts.paused_until > now:
        return Staleness(stale=False, reason="paused")
    standing = standing_of(facts, gate.spec.platform).value
    if standing is None:
        return Staleness(stale=True, reason="invalid-threshold")
    level: Literal["warning", "critical", ""] = standing.level or ""
    left = None
    if facts.age is not None and facts.threshold_days is not None and standing.reason != "up-to-date":
        left = float(facts.threshold_days * _DAY - facts.age)
    return Staleness(standing.stale, standing.reason, level, left)


def _freeze(gate: Gate, now: datetime) -> tuple[str, str] | None:
    """The end and the reason of the window that is open."""
    for window in gate.spec.policy.freeze:
        start, end = read_instant(window.start), read_instant(window.end)
        if start is not None and start <= now and (end is None or now < end):
            return window.end, window.reason
    return None
