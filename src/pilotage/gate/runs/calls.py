"""What does Prow have to be asked about a run, and when?

    attempt.posts == 0, no id     nothing is known to be under way: to be sent
    attempt.posts > 0, no id      may have been received: find out before it is sent again
    id, no final result           running: looked at when it is due
    nobody knows the id           three looks, a minute apart; then what the job left behind is read

Pure, so a process that was killed at any line and starts again asks the same. Results that come after the run gave up waiting
are still fetched for a while; they change nothing but the statistics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from pilotage.api.gate import AttemptRecord, GateRun
from pilotage.gate.instants import read_instant
from pilotage.gate.runs.pacing import trigger_order
from pilotage.gate.runs.progress import ENDED, FINAL, open_attempts

__all__ = ["COLLECT_FOR", "GONE_LOOKS", "Call", "calls", "is_over", "next_due"]

COLLECT_FOR: Final = timedelta(hours=4)
"""How long after its deadline a run is still asked for results that came too late to count."""
GONE_LOOKS: Final = 3
"""How often nobody may know an execution before it is believed."""

_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


class Call(msgspec.Struct, frozen=True):
    """One thing to ask about one attempt; `key` is the attempt's.

    `send` starts the job; `reconcile` finds out whether it was started; `poll` asks how it goes; `artifact` reads what a job
    left whose execution nobody knows any more.
    """

    what: Literal["send", "reconcile", "poll", "artifact"]
    job: str
    number: int
    key: str


def calls(
    run: GateRun, now: datetime, polls: Mapping[str, datetime], busy: Collection[str] = ()
) -> tuple[Call, ...]:
    """What may be asked now: starts of required jobs first, then other starts, then everything else by its time.

    `polls` says when each attempt (by key) is looked at next; one that is not in it is looked at now. `busy` are the keys
    of attempts that are being asked about.
    """
    due = [each for each in _timed(run, now, polls) if each[1] <= now and each[2].key not in busy]
    return tuple(call for _, _, call in sorted(due, key=lambda each: each[:2]))


def next_due(run: GateRun, now: datetime, polls: Mapping[str, datetime]) -> datetime | None:
    """When something has to be asked, or becomes overdue; None when nothing ever will."""
    times = [max(at, now) for _, at, _ in _timed(run, now, polls)]
    times += [at for at in _deadlines(run) if at > now]
    return min(times, default=None)


def is_over(run: GateRun, now: datetime) -> bool:
    """Nothing will be written any more: the run ended, and what may still come was waited for."""
    return run.status.state in ENDED and not any(True for _ in _timed(run, now, {}))


def _timed(
    run: GateRun, now: datetime, polls: Mapping[str, datetime]
) -> Iterator[tuple[int, datetime, Call]]:
    """Every call that there is to make, with its rank and its time."""
    if run.status.state in ("", "cancelled"):
        return
    deadline = read_instant(run.spec.deadline)
    if deadline is not None and now >= deadline + COLLECT_FOR:
        return
    attempts = {record.name: record.attempts for record in run.status.jobs}
    taken = _taken_semaphores(run)
    for rank, job in enumerate(trigger_order(run.spec.jobs)):
        for attempt in attempts.get(job.name, ()):
            call = _call(attempt, job.name)
            if call is None or (call.what == "send" and job.semaphore in taken):
                continue
            if call.what == "send" and job.semaphore:
                taken.add(job.semaphore)
            yield (
                rank if call.what == "send" else len(run.spec.jobs),
                polls.get(attempt.key, _ALWAYS),
                call,
            )


def _call(attempt: AttemptRecord, job: str) -> Call | None:
    what: Literal["send", "reconcile", "poll", "artifact"]
    if attempt.result in FINAL:
        # What was given up may still end; that is told, and changes nothing.
        if attempt.result != "timeout" or not attempt.id or attempt.late_result:
            return None
        what = "poll"
    elif attempt.gone_count >= GONE_LOOKS:
        what = "artifact"
    elif attempt.id:
        what = "poll"
    else:
        what = "reconcile" if attempt.posts else "send"
    return Call(what, job, attempt.number, attempt.key)


def _taken_semaphores(run: GateRun) -> set[str]:
    """Those whose one slot is held by a job that runs, or may run."""
    names = {job.name: job.semaphore for job in run.spec.jobs}
    held = {
        names[record.name] for record, attempt in open_attempts(run.status) if attempt.id or attempt.posts
    }
    return held - {""}


def _deadlines(run: GateRun) -> Iterator[datetime]:
    limits = {job.name: timedelta(minutes=job.deadline_minutes) for job in run.spec.jobs}
    run_deadline = read_instant(run.spec.deadline)
    for record, attempt in open_attempts(run.status):
        triggered = read_instant(attempt.triggered_at)
        if triggered is not None:
            yield triggered + limits[record.name]
        if run_deadline is not None:
            yield run_deadline
