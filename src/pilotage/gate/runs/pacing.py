"""When may the next request go out, and when is a job looked at again?

OpenShift CI limits a source address to about 9 requests a minute with a burst of 5 (openshift/boilerplate#868). All platforms
of a process, and through the ledger all processes, share one bucket for each host; its state is a small record that can be
stored. Everything here is pure: the time and the jitter are facts.

The bucket is a *generic cell rate algorithm*: one time, `next`, at which a bucket without slack would let the next request
through. A request may come earlier than that by the slack of the burst. A reservation moves `next`, so those who wait are
served in the order in which they asked, also across processes.

Clocks are set back now and then. A bucket counts durations, so it moves with the clock; a deadline does not move: it is
judged by the latest time ever seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol, TypeVar

import msgspec

__all__ = [
    "DEFAULT_RATE",
    "JOB_LIMIT",
    "Bucket",
    "History",
    "Rate",
    "Turn",
    "answered",
    "first_poll",
    "is_overdue",
    "job_deadline",
    "latest",
    "next_poll",
    "poll_interval",
    "take",
    "throttled",
    "trigger_order",
]

_LONGEST_PAUSE: Final = 300.0
_SHORTEST_POLL: Final = 60.0
_LONGEST_POLL: Final = 600.0
_BLIND: Final = 600.0
_JITTER: Final = 0.1
_USUAL_P50: Final = 5400.0
"""An e2e job of HyperShift takes about an hour and a half; used until there is a history."""
JOB_LIMIT: Final = timedelta(hours=4)


class Rate(msgspec.Struct, frozen=True):
    """How often a host is asked at most. `margin` keeps us below a limit that the host counts itself: replies travel."""

    per_minute: float = 6.0
    burst: int = 3
    margin: float = 0.02

    @property
    def interval(self) -> float:
        """Seconds between requests in the long run."""
        return 60.0 / self.per_minute * (1.0 + self.margin)


DEFAULT_RATE: Final = Rate()


class Bucket(msgspec.Struct, frozen=True):
    """The state for one host: nothing was asked yet unless `next` says so.

    `seen` is when the state was last used; `pause` is the interval, in seconds, that the last 429 without `Retry-After` led to.
    """

    next: datetime | None = None
    seen: datetime | None = None
    pause: float = 0.0


class Turn(msgspec.Struct, frozen=True):
    """A reservation: send after `wait` seconds. `bucket` is the state to keep."""

    bucket: Bucket
    wait: float


class History(msgspec.Struct, frozen=True):
    """How long a job usually takes, in seconds; None without history."""

    p10: float | None = None
    p50: float | None = None


def take(bucket: Bucket, rate: Rate, now: datetime) -> Turn:
    """Reserve the next request."""
    bucket = _carried(bucket, now)
    interval = max(rate.interval, bucket.pause)
    slack = timedelta(seconds=rate.interval * (rate.burst - 1))
    due = now if bucket.next is None else max(now, bucket.next - slack)
    following = (due if bucket.next is None else max(due, bucket.next)) + timedelta(seconds=interval)
    return Turn(Bucket(following, now, bucket.pause), (due - now).total_seconds())


def throttled(bucket: Bucket, rate: Rate, now: datetime, retry_after: float | None = None) -> Bucket:
    """After a 429: nothing before `Retry-After`, and no burst then; without one the interval doubles, up to 300 s."""
    bucket = _carried(bucket, now)
    pause = bucket.pause
    if retry_after is None:
        pause = min(_LONGEST_PAUSE, 2 * max(rate.interval, pause))
    quiet = pause if retry_after is None else max(0.0, retry_after)
    slack = rate.interval * (rate.burst - 1)
    resumed = now + timedelta(seconds=quiet + slack)
    return Bucket(max(resumed, bucket.next or resumed), now, pause)


def answered(bucket: Bucket) -> Bucket:
    """After any other answer: the usual interval again."""
    return msgspec.structs.replace(bucket, pause=0.0) if bucket.pause else bucket


def first_poll(triggered: datetime, history: History) -> datetime:
    """No job ends at once: the first look is after ten minutes, or half of what its fastest tenth takes."""
    return triggered + timedelta(seconds=max(_BLIND, 0.5 * (history.p10 or 0.0)))


def poll_interval(history: History, elapsed: float, jitter: float, pending: int, rate: Rate) -> float:
    """Seconds to the next look at a job that has run for `elapsed` seconds.

    Often when it should end soon, seldom when it is far from it; `jitter` in [0, 1) spreads the looks by a tenth either way.
    Never so often that the looks at all `pending` jobs together would need more than the rate allows.
    """
    p50 = _USUAL_P50 if history.p50 is None else history.p50
    wished = min(max((p50 - elapsed) / 4, _SHORTEST_POLL), _LONGEST_POLL)
    return max(wished * (1 - _JITTER + 2 * _JITTER * jitter), pending * rate.interval)


def next_poll(
    triggered: datetime,
    polled: datetime | None,
    now: datetime,
    history: History = History(),  # noqa: B008 -- frozen
    *,
    jitter: float,
    pending: int,
    rate: Rate = DEFAULT_RATE,
) -> datetime:
    """When a job is looked at next; `polled` is the last look, None before the first."""
    first = first_poll(triggered, history)
    if polled is None:
        return first
    elapsed = (latest(now, polled) - triggered).total_seconds()
    return max(first, polled + timedelta(seconds=poll_interval(history, elapsed, jitter, pending, rate)))


def job_deadline(
    triggered: datetime, limit: timedelta = JOB_LIMIT, run_deadline: datetime | None = None
) -> datetime:
    """When a job is given up: its own limit from its trigger, and never after the run."""
    own = triggered + limit
    return own if run_deadline is None else min(own, run_deadline)


def is_overdue(deadline: datetime, now: datetime, last_seen: datetime | None = None) -> bool:
    """Was the deadline ever reached, whatever the clock says now?"""
    return latest(now, last_seen) >= deadline


def latest(now: datetime, last_seen: datetime | None) -> datetime:
    """The time by which deadlines are judged: a clock that goes back gives nobody more time."""
    return now if last_seen is None else max(now, last_seen)


class _Typed(Protocol):
    @property
    def type(self) -> Literal["required", "blocking", "informing"] | str: ...  # noqa: PYI051 -- the known ones, to read


J = TypeVar("J", bound=_Typed)


def trigger_order(jobs: Iterable[J]) -> tuple[J, ...]:
    """Required jobs first, each kind in its own order: the verdict waits for them alone."""
    return tuple(sorted(jobs, key=lambda job: job.type == "informing"))


def _carried(bucket: Bucket, now: datetime) -> Bucket:
    """The same state after the clock was set back: as if no time had passed since it was last used."""
    if bucket.seen is None or bucket.next is None or now >= bucket.seen:
        return bucket
    return msgspec.structs.replace(bucket, next=bucket.next - (bucket.seen - now), seen=now)
