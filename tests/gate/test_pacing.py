"""The pace of requests, the looks at jobs, and deadlines under a clock that misbehaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings
from pilotage.gate.prow.jobrunner import JobRequest
from pilotage.gate.prow.wire import Wire
from pilotage.gate.runs.pacing import (
    DEFAULT_RATE,
    Bucket,
    History,
    Rate,
    answered,
    first_poll,
    is_overdue,
    job_deadline,
    next_poll,
    poll_interval,
    take,
    throttled,
    trigger_order,
)
from pilotage.runtime.clock import ManualClock
from pilotage.world.prow import Playbook, Prow
from pilotage.world.prow.server import Limit

NOW = datetime(2026, 6, 11, 3, 15, tzinfo=UTC)
EXACT = Rate(6, 3, margin=0)
FRESH = Bucket()


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def waits(count: int, rate: Rate, bucket: Bucket = FRESH, now: datetime = NOW) -> list[float]:
    found = []
    for _ in range(count):
        turn = take(bucket, rate, now)
        bucket = turn.bucket
        found.append(turn.wait)
    return found


def test_a_burst_and_then_the_rate():
    """Three at once, then one every ten seconds; all reserved at one moment."""
    assert [0, 0, 0, 10, 20, 30] == waits(6, EXACT)


def test_an_idle_bucket_fills_up():
    """After a pause the burst is there again, and not more."""
    bucket = take(take(take(Bucket(), EXACT, NOW).bucket, EXACT, NOW).bucket, EXACT, NOW).bucket
    assert [0, 0, 0, 10] == waits(4, EXACT, bucket, NOW + seconds(3600))
    assert [0, 5] == waits(2, EXACT, bucket, NOW + seconds(15))


def test_a_bucket_can_be_stored():
    """The ledger keeps it as JSON."""
    bucket = take(Bucket(), EXACT, NOW).bucket
    assert bucket == msgspec.json.decode(msgspec.json.encode(bucket), type=Bucket)


async def test_twelve_jobs_start_as_soon_as_the_host_allows():
    """At nine a minute with a burst of five the last of twelve can start after 46.7 s; no request is turned away."""
    clock, wire, bucket, rate = ManualClock(NOW), Wire(), Bucket(), Rate(9, 5)
    async with Prow(Playbook(), clock, limit=Limit(9, 5)) as prow:
        jobs = GangwayRunner(ProwSettings(prow.url, prow.url, prow.url), wire)
        for number in range(12):
            turn = take(bucket, rate, clock.now())
            bucket = turn.bucket
            clock.advance(turn.wait)
            assert 200 == (await jobs.create(JobRequest(f"job-{number}"))).status
        await wire.close()
    assert 12 == len(prow.starts)
    assert clock.monotonic() <= 7 / 9 * 60 * 1.1


def test_a_pause_that_was_asked_for_is_kept_and_there_is_no_burst_after_it():
    """`Retry-After` holds for everybody who shares the bucket."""
    bucket = throttled(Bucket(), EXACT, NOW, 45.0)
    assert [45, 55, 65] == waits(3, EXACT, bucket)
    assert 0.0 == bucket.pause


def test_without_being_told_the_interval_doubles_up_to_five_minutes():
    """20, 40, ... 300 s; any other answer brings the usual interval back."""
    bucket, pauses = Bucket(), []
    for _ in range(7):
        bucket = throttled(bucket, EXACT, NOW)
        pauses.append(bucket.pause)
    assert [20, 40, 80, 160, 300, 300, 300] == pauses
    assert [300, 600] == waits(2, EXACT, bucket)
    assert 0.0 == answered(bucket).pause
    assert [300, 310] == waits(2, EXACT, answered(bucket))


def test_a_late_429_never_shortens_a_wait():
    """What was reserved stays reserved."""
    bucket = throttled(Bucket(), EXACT, NOW, 600.0)
    assert [600] == waits(1, EXACT, throttled(bucket, EXACT, NOW, 1.0))


def test_a_clock_set_back_moves_the_bucket_with_it():
    """An hour back does not stop the requests for an hour."""
    bucket = Bucket()
    for _ in range(5):
        bucket = take(bucket, EXACT, NOW).bucket
    assert [30, 40] == waits(2, EXACT, bucket, NOW - timedelta(hours=1))


def test_the_first_look_is_late():
    """Ten minutes, or half of the fastest tenth."""
    assert NOW + seconds(600) == first_poll(NOW, History())
    assert NOW + seconds(600) == first_poll(NOW, History(p10=1000))
    assert NOW + seconds(1800) == first_poll(NOW, History(p10=3600))


@pytest.mark.parametrize(
    ("elapsed", "jitter", "pending", "expected"),
    [
        (600, 0.5, 1, 600),
        (3600, 0.5, 1, 450),
        (5200, 0.5, 1, 60),
        (9999, 0.5, 1, 60),
        (3600, 0.0, 1, 405),
        (3600, 1.0, 1, 495),
        (9999, 0.5, 20, 200),
        (9999, 0.0, 90, 900),
    ],
)
def test_the_interval_of_looks(elapsed, jitter, pending, expected):
    """A quarter of what is left, between one minute and ten, a tenth more or less, and never more than the rate allows."""
    assert pytest.approx(expected) == poll_interval(History(p50=5400), elapsed, jitter, pending, EXACT)


def test_the_looks_at_all_jobs_together_fit_the_rate():
    """Whatever the number of jobs."""
    for pending in (1, 12, 60, 200):
        interval = poll_interval(History(), 7200, 0.0, pending, DEFAULT_RATE)
        assert pending * 60 / interval <= DEFAULT_RATE.per_minute


def test_the_next_look():
    """The first rule once, then the interval from the last look; a clock set back changes nothing."""
    first = next_poll(NOW, None, NOW, jitter=0.5, pending=1)
    assert NOW + seconds(600) == first
    second = next_poll(NOW, first, first, History(p50=3600), jitter=0.5, pending=1)
    assert first + seconds(600) == second
    assert second == next_poll(NOW, first, NOW - seconds(9000), History(p50=3600), jitter=0.5, pending=1)


def test_deadlines():
    """Four hours from the trigger, never after the run; once reached, reached for ever."""
    deadline = job_deadline(NOW)
    assert NOW + timedelta(hours=4) == deadline
    assert NOW + seconds(60) == job_deadline(NOW, run_deadline=NOW + seconds(60))
    assert not is_overdue(deadline, deadline - seconds(1))
    assert is_overdue(deadline, deadline)
    assert is_overdue(deadline, NOW - timedelta(days=1), last_seen=deadline)


def test_required_jobs_are_started_first():
    """Each kind in its own order."""

    class Job(msgspec.Struct):
        name: str
        type: str

    jobs = [Job("a", "informing"), Job("b", "required"), Job("c", "blocking"), Job("d", "informing")]
    assert ["b", "c", "a", "d"] == [job.name for job in trigger_order(jobs)]
