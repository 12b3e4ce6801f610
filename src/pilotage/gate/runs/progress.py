"""What follows from what a run's ledger says already, without asking anybody?

Jobs that are overdue, another attempt for a flake, and in the end the verdict. Pure: a process that was killed at any line
starts again, reads the ledger and comes to the same answers. The verdict is written once and never changes; results that
come later are kept for the statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

import msgspec

from pilotage.api.gate import (
    AttemptRecord,
    Cancellation,
    GateRun,
    GateRunStatus,
    JobRecord,
    LedgerEvent,
    RunJob,
)
from pilotage.gate.instants import read_instant
from pilotage.gate.runs.aggregate import Aggregate, Given, JobEntry, aggregate
from pilotage.gate.runs.jobkeys import job_key
from pilotage.gate.runs.retry import (
    DEFAULT_P90_MINUTES,
    Attempt,
    Retry,
    RetryFacts,
    RetryPolicy,
    decide_retry,
)
from pilotage.runtime.clock import rfc3339

__all__ = [
    "ENDED",
    "FINAL",
    "Moment",
    "Settings",
    "Settled",
    "attempt_of",
    "open_attempts",
    "settle",
    "verdict_of",
    "with_attempt",
]

FINAL: Final = frozenset(
    {"passed", "failed", "aborted", "infra_error", "timeout", "trigger_error", "lost", "skipped"}
)
"""Results that no later answer changes."""
ENDED: Final = frozenset({"promoted", "failed", "errored", "cancelled", "superseded", "promotion-failed"})
"""States that a run does not leave."""

_STATE_OF: Final = {"passed": "evaluated", "failed": "failed", "error": "errored"}


class Settings(msgspec.Struct, frozen=True):
    """What the Gate says now about a run that is under way. `p90` is in minutes, for jobs with a history."""

    retry: RetryPolicy = RetryPolicy()
    quarantined: frozenset[str] = frozenset()
    max_quarantined: Fraction = Fraction(1, 4)
    fail_fast: bool = False
    p90: Mapping[str, float] = {}


class Moment(msgspec.Struct, frozen=True):
    """All that the next step of a run depends on."""

    run: GateRun
    settings: Settings
    now: datetime
    cancellation: Cancellation | None = None

    @property
    def stamp(self) -> str:
        return rfc3339(self.now)

    def required(self) -> frozenset[str]:
        """The jobs that the verdict waits for."""
        jobs = {job.name for job in self.run.spec.jobs if job.type == "required"}
        return frozenset(jobs - self.settings.quarantined)


class Settled(msgspec.Struct, frozen=True):
    """The status after everything that follows by itself. Without events nothing followed."""

    status: GateRunStatus
    events: tuple[LedgerEvent, ...] = ()


_Step = tuple[GateRunStatus, list[LedgerEvent]]


def settle(moment: Moment) -> Settled:
    """Everything that is due without asking anybody; told again with its result it has nothing to add."""
    status, events = moment.run.status, []
    for step in (_planned, _cancelled, _overdue, _retried, _judged):
        status, news = step(moment, status)
        events += news
    return Settled(status, tuple(events))


def verdict_of(moment: Moment, status: GateRunStatus) -> Aggregate:
    """What the results that are there come to."""
    spec = moment.run.spec
    return aggregate(
        Given(
            expected=tuple(JobEntry(job.name, job.type) for job in spec.jobs),
            results=tuple(_results(spec.jobs, status)),
            quarantined=moment.settings.quarantined,
            max_quarantined=moment.settings.max_quarantined,
        ),
        spec.platform,
    )


def attempt_of(status: GateRunStatus, job: str, number: int) -> AttemptRecord:
    """Raises LookupError when the ledger does not have it."""
    for attempt in _record(status, job).attempts:
        if attempt.number == number:
            return attempt
    raise LookupError(f"{job}: no attempt {number}")


def with_attempt(status: GateRunStatus, job: str, attempt: AttemptRecord) -> GateRunStatus:
    """The status with this attempt in place of the one with its number, or behind the others."""
    record = _record(status, job)
    others = [each for each in record.attempts if each.number != attempt.number]
    attempts = sorted([*others, attempt], key=lambda each: each.number)
    return _with_record(status, msgspec.structs.replace(record, attempts=tuple(attempts)))


def open_attempts(status: GateRunStatus) -> Iterator[tuple[JobRecord, AttemptRecord]]:
    """The last attempt of every job that has no final result yet."""
    for record in status.jobs:
        if record.attempts and record.attempts[-1].result not in FINAL:
            yield record, record.attempts[-1]


def _planned(moment: Moment, status: GateRunStatus) -> _Step:
    """A run that was only planned gets a line for each job."""
    if status.state:
        return status, []
    jobs = moment.run.spec.jobs
    records = tuple(JobRecord(job.name, (_attempt(moment.run, job.name, 1),)) for job in jobs)
    event = LedgerEvent("", "RunPlanned", f"{len(jobs)} jobs on {moment.run.spec.digest}")
    return msgspec.structs.replace(status, state="triggered", jobs=records), [event]


def _cancelled(moment: Moment, status: GateRunStatus) -> _Step:
    """A person stopped the run: nothing more is started or promoted. What runs in Prow cannot be stopped from here."""
    cancellation = moment.cancellation
    if cancellation is None or status.state in ENDED:
        return status, []
    for record, attempt in list(open_attempts(status)):
        ended = msgspec.structs.replace(
            attempt, result="skipped", cancelled_by=cancellation.by, completed_at=moment.stamp
        )
        status = with_attempt(status, record.name, ended)
    status = msgspec.structs.replace(
        status, state="cancelled", cancellation=cancellation, finished_at=moment.stamp, suspended_since=""
    )
    return status, [LedgerEvent("", "Cancelled", f"by {cancellation.by}: {cancellation.reason}")]


def _overdue(moment: Moment, status: GateRunStatus) -> _Step:
    """Jobs that took longer than they may, and everything that is open when the run's own time is over."""
    limits = {job.name: timedelta(minutes=job.deadline_minutes) for job in moment.run.spec.jobs}
    run_deadline = read_instant(moment.run.spec.deadline)
    events = []
    for record, attempt in list(open_attempts(status)):
        triggered = read_instant(attempt.triggered_at)
        own = triggered + limits[record.name] if triggered else None
        due = min((each for each in (own, run_deadline) if each is not None), default=None)
        if due is None or moment.now < due:
            continue
        detail = "not done in time" if attempt.id else "could not be started in time"
        ended = msgspec.structs.replace(attempt, result="timeout", detail=detail, completed_at=moment.stamp)
        status = with_attempt(status, record.name, ended)
        events.append(LedgerEvent("", "JobResult", f"timeout: {detail}", record.name, attempt.number))
    return status, events


def _retried(moment: Moment, status: GateRunStatus) -> _Step:
    """Another attempt where the retry rules want one; what was decided is kept beside the job."""
    if status.verdict or status.state in ENDED:
        return status, []
    events = []
    for job in moment.run.spec.jobs:
        record = _record(status, job.name)
        last = record.attempts[-1]
        if last.result not in FINAL or last.result == "passed":
            continue
        answer = _retry(moment, status, job, record)
        decision = f"{last.number}: {answer.reason}"
        if decision == record.decision:
            continue
        status = _with_record(status, msgspec.structs.replace(record, decision=decision))
        if answer.retry:
            status = with_attempt(status, job.name, _attempt(moment.run, job.name, last.number + 1))
        word = "JobRetry" if answer.retry else "JobNotRetried"
        events.append(LedgerEvent("", word, answer.reason, job.name, last.number))
    return status, events


def _retry(moment: Moment, status: GateRunStatus, job: RunJob, record: JobRecord) -> Retry:
    required = moment.required()
    failed = sum(
        each.name in required and each.attempts[-1].result == "failed"
        for each in status.jobs
        if each.attempts
    )
    p90 = moment.settings.p90.get(job.name)
    facts = RetryFacts(
        attempts=tuple(Attempt(each.result, bool(each.cancelled_by)) for each in record.attempts),
        informing=job.name not in required,
        now=moment.now,
        deadline=read_instant(moment.run.spec.deadline),
        p90_minutes=DEFAULT_P90_MINUTES if p90 is None else Fraction(p90),
        required_total=Fraction(len(required)),
        required_failed=Fraction(failed),
        policy=moment.settings.retry,
    )
    return decide_retry(facts, job.name).value or Retry(retry=False, reason="undecided")


def _judged(moment: Moment, status: GateRunStatus) -> _Step:
    """The verdict, once. A run that did not pass is over with it; one that passed goes on to its promotion."""
    if status.verdict or status.state in ENDED:
        return status, []
    judged = verdict_of(moment, status)
    outcome = judged.outcome
    if outcome.verdict == "pending":
        return status, []
    state = _STATE_OF[outcome.verdict]
    status = msgspec.structs.replace(
        status,
        state=state,
        verdict=outcome.verdict,
        verdict_reason=outcome.reason,
        evaluated_at=moment.stamp,
        finished_at=moment.stamp if state in ENDED else "",
    )
    if moment.settings.fail_fast and state in ENDED:
        status = _without_unsent(moment, status)
    return status, [LedgerEvent("", "Evaluated", f"{outcome.verdict}: {_because(judged)}")]


def _without_unsent(moment: Moment, status: GateRunStatus) -> GateRunStatus:
    for record, attempt in list(open_attempts(status)):
        if not attempt.id and not attempt.posts:
            ended = msgspec.structs.replace(
                attempt, result="skipped", detail="the verdict was certain", completed_at=moment.stamp
            )
            status = with_attempt(status, record.name, ended)
    return status


def _results(jobs: tuple[RunJob, ...], status: GateRunStatus) -> Iterator[JobEntry]:
    types: dict[str, str] = {job.name: job.type for job in jobs}
    for record in status.jobs:
        for attempt in record.attempts:
            result = attempt.result if attempt.result in FINAL else "pending"
            yield JobEntry(record.name, types[record.name], result, attempt.number)


def _because(judged: Aggregate) -> str:
    named = {
        "required-failed": judged.failed_required,
        "required-inconclusive": judged.inconclusive_required,
        "missing-result": judged.missing,
    }.get(judged.outcome.reason, ())
    return f"{judged.outcome.reason} ({', '.join(named)})" if named else judged.outcome.reason


def _attempt(run: GateRun, job: str, number: int) -> AttemptRecord:
    return AttemptRecord(number, job_key(run.metadata.name, job, number))


def _record(status: GateRunStatus, job: str) -> JobRecord:
    for record in status.jobs:
        if record.name == job:
            return record
    raise LookupError(f"{job}: not a job of this run")


def _with_record(status: GateRunStatus, record: JobRecord) -> GateRunStatus:
    jobs = tuple(record if each.name == record.name else each for each in status.jobs)
    return msgspec.structs.replace(status, jobs=jobs)
