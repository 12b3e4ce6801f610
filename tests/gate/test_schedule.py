"""Nights on which a gate runs: slots, time zones, missed ones."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from pilotage.api.errors import InputError
from pilotage.gate.ticks.schedule import (
    Due,
    Schedule,
    due,
    heartbeat_deadline,
    next_slot,
    parse,
    slots_after,
    trigger_id,
)

NIGHTLY = parse("15 3 * * *")
BERLIN = parse("30 2 * * *", "Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_the_next_slot_is_later_than_the_moment():
    """Also when the moment is itself a slot."""
    assert utc(2026, 6, 11, 3, 15) == next_slot(NIGHTLY, utc(2026, 6, 11, 3, 14, 59))
    assert utc(2026, 6, 12, 3, 15) == next_slot(NIGHTLY, utc(2026, 6, 11, 3, 15))
    assert "2026-06-11T03:15Z" == trigger_id(utc(2026, 6, 11, 3, 15))


@pytest.mark.parametrize("begin", [utc(2026, 3, 26, 12), utc(2026, 10, 22, 12)])
def test_no_night_is_skipped_or_doubled_when_the_clocks_change(begin):
    """One slot for each local date, in spring and in autumn."""
    slots = slots_after(BERLIN, begin, 6)
    days = [slot.astimezone(ZoneInfo("Europe/Berlin")).date() for slot in slots]
    assert [timedelta(days=1)] * 5 == [later - earlier for earlier, later in pairwise(days)]


def test_a_slot_in_the_missing_hour_is_the_moment_after_it():
    """02:30 does not exist in Berlin on 29 March 2026; 03:00 does."""
    assert utc(2026, 3, 29, 1, 0) == next_slot(BERLIN, utc(2026, 3, 28, 12))
    assert utc(2026, 3, 30, 0, 30) == next_slot(BERLIN, utc(2026, 3, 29, 1, 0))


def test_a_slot_in_the_doubled_hour_counts_the_first_time():
    """02:30 summer time is run; asked during the second pass, the next one is tomorrow."""
    assert utc(2026, 10, 25, 0, 30) == next_slot(BERLIN, utc(2026, 10, 24, 12))
    for minute in (0, 10, 29, 30, 31):
        assert utc(2026, 10, 26, 1, 30) == next_slot(BERLIN, utc(2026, 10, 25, 1, minute))


def test_two_slots_in_the_missing_hour_are_one():
    """Both would fall on 03:00."""
    twice = parse("30,45 2 * * *", "Europe/Berlin")
    assert (utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)) == slots_after(twice, utc(2026, 3, 28, 12), 2)


def test_hourly_slots_follow_elapsed_time():
    """25 of them on the day of the doubled hour."""
    slots = slots_after(parse("30 * * * *", "Europe/Berlin"), utc(2026, 10, 24, 22), 30)
    assert {timedelta(hours=1)} == {later - earlier for earlier, later in pairwise(slots)}


def test_a_slot_is_due_once_it_came():
    """And handled once it is the last."""
    before, slot = utc(2026, 6, 10, 3, 15), utc(2026, 6, 11, 3, 15)
    assert Due() == due(NIGHTLY, before, slot - timedelta(seconds=1))
    assert Due(slot) == due(NIGHTLY, before, slot)
    assert Due() == due(NIGHTLY, slot, slot + timedelta(hours=1))


def test_a_missed_slot_is_made_good_for_two_hours():
    """Then it is only told."""
    before, slot = utc(2026, 6, 10, 3, 15), utc(2026, 6, 11, 3, 15)
    assert Due(slot) == due(NIGHTLY, before, slot + timedelta(hours=2))
    assert Due(None, (slot,)) == due(NIGHTLY, before, slot + timedelta(hours=2, seconds=1))


def test_of_several_missed_slots_the_newest_is_run():
    """The others are told, oldest first."""
    nights = tuple(utc(2026, 6, day, 3, 15) for day in (11, 12, 13))
    assert Due(nights[2], nights[:2]) == due(NIGHTLY, utc(2026, 6, 10, 3, 15), utc(2026, 6, 13, 4))


def test_a_last_slot_in_the_future_makes_nothing_due():
    """A clock set back does not repeat a night."""
    assert Due() == due(NIGHTLY, utc(2026, 6, 20, 3, 15), utc(2026, 6, 11, 3, 15))


def test_many_years_of_minutes_are_counted_quickly():
    """A gate that slept for years wakes up at once."""
    began = time.perf_counter()
    found = due(parse("* * * * *"), utc(2016, 1, 1), utc(2026, 6, 11, 3, 15))
    assert (utc(2026, 6, 11, 3, 15), 99) == (found.slot, len(found.missed))
    assert utc(2026, 6, 11, 3, 14) == found.missed[-1]
    assert time.perf_counter() - began < 2


def test_heartbeats_are_awaited_for_a_tenth_longer_than_the_period():
    """A nightly gate is missed after 26 hours and a bit; one that rests on weekends is not missed on Sunday."""
    friday = utc(2026, 6, 12, 3, 15)
    assert friday + timedelta(hours=26.4) == heartbeat_deadline(NIGHTLY, friday)
    assert utc(2026, 6, 15, 3, 15) < heartbeat_deadline(parse("15 3 * * 1-5"), friday)


@pytest.mark.parametrize(
    ("cron", "kept"),
    [
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("? 3 ? * MON-FRI", "* 3 * * MON-FRI"),
        ("  15   3 * JUL,MAR WED,THU ", "15 3 * JUL,MAR WED,THU"),
    ],
)
def test_schedules_are_kept_in_five_fields(cron, kept):
    """Macros of Kubernetes are spelt out."""
    assert Schedule(kept) == parse(cron)


@pytest.mark.parametrize(
    ("cron", "text"),
    [
        ("@every 6h", "only @yearly"),
        ("@reboot", "only @yearly"),
        ("H 3 * * *", "H is known to Jenkins and Prow only"),
        ("15 3 * *", "has 4 fields, not 5"),
        ("0 15 3 * * *", "has 6 fields, not 5"),
        ("", "has 0 fields, not 5"),
        ("61 3 * * *", "Bad minute"),
        ("15 3 L * *", "Kubernetes does not know"),
        ("15 3 * * 5#2", "Kubernetes does not know"),
        ("15 3 LW * *", "Kubernetes does not know"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("TZ=UTC 15 3 * * *", "timeZone"),
    ],
)
def test_what_kubernetes_would_not_take_is_refused(cron, text):
    """With the schedule and the reason."""
    with pytest.raises(InputError, match=r"^schedule ") as caught:
        parse(cron)
    assert text in str(caught.value)


@pytest.mark.parametrize("zone", ["Nowhere", "", "../../etc/passwd", "/etc/localtime", "Europe"])
def test_a_time_zone_must_have_a_name(zone):
    """A path is none."""
    with pytest.raises(InputError, match="is not in the time zone database"):
        parse("15 3 * * *", zone)
