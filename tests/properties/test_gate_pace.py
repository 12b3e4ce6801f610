"""Laws of the gate's pace and of its nights."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.gate.runs.pacing import Bucket, Rate, answered, take, throttled
from pilotage.gate.ticks.schedule import due, next_slot, parse

NOW = datetime(2026, 6, 11, 3, 15, tzinfo=UTC)
QUICK = settings(max_examples=80, derandomize=True, deadline=None)

RATES = st.builds(Rate, st.floats(0.5, 60), st.integers(1, 10), st.floats(0, 0.2))
# What happens and how many seconds later: a request, a 429 with or without a time, a clock set back.
STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "take", "take", "429", "429s", "ok"]), st.floats(0, 90)), max_size=40
)


@QUICK
@given(RATES, STEPS)
def test_no_window_has_more_requests_than_the_rate_allows(rate, steps):
    """Whatever was asked for when: a burst, and then one for each interval."""
    bucket, now, sent = Bucket(), NOW, []
    for what, pause in steps:
        now += timedelta(seconds=pause)
        match what:
            case "take":
                turn = take(bucket, rate, now)
                bucket = turn.bucket
                assert turn.wait >= 0
                sent.append((now - NOW).total_seconds() + turn.wait)
            case "ok":
                bucket = answered(bucket)
            case _:
                bucket = throttled(bucket, rate, now, 30.0 if what == "429s" else None)
    assert sent == sorted(sent)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            window = sent[last] - sent[first]
            assert last - first + 1 <= rate.burst + window / rate.interval + 1e-6


@QUICK
@given(RATES, st.lists(st.floats(-7200, 7200), max_size=30))
def test_a_clock_that_jumps_never_stops_the_requests(rate, jumps):
    """The wait is never longer than what the requests themselves have used up."""
    bucket, now = Bucket(), NOW
    for count, jump in enumerate(jumps):
        now += timedelta(seconds=jump)
        turn = take(bucket, rate, now)
        bucket = turn.bucket
        assert 0 <= turn.wait <= max(0, count - rate.burst + 1) * rate.interval + 1e-3


ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata", "Etc/UTC"]
)


@settings(max_examples=6, derandomize=True, deadline=None)
@given(ZONES, st.integers(0, 23), st.integers(0, 59), st.integers(2024, 2030))
def test_a_year_has_one_run_for_each_night(zone, hour, minute, year):
    """Followed slot by slot, as a scheduler does that asks again after each: no local date without, none with two."""
    schedule = parse(f"{minute} {hour} * * *", zone)
    tz = ZoneInfo(zone)
    slot, end = datetime(year, 1, 1, 12, tzinfo=UTC), datetime(year + 1, 1, 1, 12, tzinfo=UTC)
    dates: Counter[object] = Counter()
    last = slot
    while (slot := next_slot(schedule, slot)) < end:
        assert slot == due(schedule, last, slot).slot
        assert due(schedule, slot, slot + timedelta(seconds=59)).slot is None
        last = slot
        # A slot in an hour that is missing at midnight falls on the same date all the same.
        dates[slot.astimezone(tz).date()] += 1
    days = (end - datetime(year, 1, 1, 12, tzinfo=UTC)).days
    assert {1} == set(dates.values())
    assert days - 1 <= len(dates) <= days + 1
