"""What finished runs come to, kept in the status of their Gate: the newest runs, a streak of failures, how long jobs take.

Folding a run twice changes nothing, so it may be done again after a crash. Rehearsals are not folded.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from pilotage.api.gate import AttemptRecord, GateRun, GateStatus, JobHistory, RunSummary
from pilotage.gate.instants import read_instant

__all__ = ["RECENT", "fold", "summary"]

RECENT: Final = 100
"""Runs that a Gate remembers: about three months of nights."""
_DURATIONS: Final = 20
_RETRIES: Final = 10
_SET_DIGITS: Final = 12

_MINUTE: Final = 60
_BY_ITSELF: Final = frozenset({"passed", "failed"})
_STREAK_ENDS: Final = "passed"


def fold(status: GateStatus, ended: Sequence[GateRun]) -> GateStatus:
    """The status with these runs in it, the oldest first."""
    counting = [run for run in ended if run.spec.run_class != "test"]
    for run in sorted(counting, key=lambda each: (each.status.finished_at, each.metadata.name)):
        line = summary(run)
        known = next((each for each in status.recent if each.name == line.name), None)
        if known == line:
            continue
        if known is None:
            status = msgspec.structs.replace(
                status,
                recent=(line, *status.recent)[:RECENT],
                jobs=_histories(status.jobs, run),
                consecutive_failures=_streak(status.consecutive_failures, run),
                verdicts=_counted(status.verdicts, [run.status.verdict or run.status.state]),
                run_seconds=round(status.run_seconds + _seconds(line), 1),
            )
        else:
            # It was taken up again, or triage found its cause: only its line changes.
            recent = tuple(line if each is known else each for each in status.recent)
            status = msgspec.structs.replace(status, recent=recent)
        if run.status.state == "promoted" and run.status.promotion is not None:
            status = msgspec.structs.replace(
                status, last_promotion=line, last_promoted_tag=run.status.promotion.tag
            )
    return status


def summary(run: GateRun) -> RunSummary:
    """A run in one line."""
    return RunSummary(
        name=run.metadata.name,
        digest=run.spec.digest,
        revision=run.spec.revision,
        verdict=run.status.verdict,
        state=run.status.state,
        built_at=run.spec.snapshot.created,
        started_at=run.spec.created_at,
        triggered_at=_triggered(run),
        finished_at=run.status.finished_at,
        retries=sum(max(0, len(record.attempts) - 1) for record in run.status.jobs),
        saved=_was_saved(run),
        job_set=_job_set(run),
        cause=run.status.cause,
        forced=run.spec.trigger.forced,
    )


def _triggered(run: GateRun) -> str:
    times = [
        attempt.triggered_at
        for record in run.status.jobs
        for attempt in record.attempts
        if attempt.triggered_at
    ]
    return min(times, default="")


def _was_saved(run: GateRun) -> bool:
    """It passed only because a required job was tried again."""
    required = {job.name for job in run.spec.jobs if job.type == "required"}
    retried = any(record.name in required and len(record.attempts) > 1 for record in run.status.jobs)
    return run.status.verdict == "passed" and retried


def _job_set(run: GateRun) -> str:
    names = "\0".join(sorted(job.name for job in run.spec.jobs))
    return hashlib.sha256(names.encode()).hexdigest()[:_SET_DIGITS]


def _streak(failures: int, run: GateRun) -> int:
    if run.status.verdict == _STREAK_ENDS:
        return 0
    return failures + 1 if run.status.verdict in ("failed", "error") else failures


def _histories(known: Iterable[JobHistory], run: GateRun) -> tuple[JobHistory, ...]:
    histories = {each.name: each for each in known}
    for record in run.status.jobs:
        before = histories.get(record.name, JobHistory(record.name))
        took = [minutes for attempt in record.attempts if (minutes := _minutes(attempt)) is not None]
        histories[record.name] = JobHistory(
            record.name,
            (*reversed(took), *before.minutes)[:_DURATIONS],
            (len(record.attempts) > 1, *before.retried)[:_RETRIES],
            _counted(before.results, [attempt.result for attempt in record.attempts if attempt.result]),
        )
    return tuple(histories[name] for name in sorted(histories))


def _counted(known: Mapping[str, int], more: Iterable[str]) -> dict[str, int]:
    return dict(Counter(known) + Counter(more))


def _seconds(line: RunSummary) -> float:
    began, ended = read_instant(line.started_at), read_instant(line.finished_at)
    return max(0.0, (ended - began).total_seconds()) if began and ended else 0.0


def _minutes(attempt: AttemptRecord) -> float | None:
    """How long an attempt took that ended by itself; what was cut off says nothing about a job."""
    began, ended = read_instant(attempt.triggered_at), read_instant(attempt.completed_at)
    if attempt.result not in _BY_ITSELF or began is None or ended is None or ended < began:
        return None
    return round((ended - began).total_seconds() / _MINUTE, 1)
