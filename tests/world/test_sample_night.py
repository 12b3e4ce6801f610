"""When the sample night is: over by now, at whatever time of day somebody looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pilotage.world import night

DAY = datetime(2026, 6, 11, tzinfo=UTC)


@pytest.mark.parametrize("minutes", range(0, 24 * 60, 20))
def test_the_night_is_over_whenever_one_looks(minutes: int) -> None:
    """It began long enough ago for all its jobs, and less than a day before; the next slot is still to come for hours."""
    now = DAY + timedelta(minutes=minutes)
    ago = now - night.begins(now)
    assert timedelta(hours=6) <= ago < timedelta(hours=24)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-06-11T15:26:00Z", "2026-06-11T03:14:00Z"),
        ("2026-06-11T01:00:00Z", "2026-06-10T03:14:00Z"),
        ("2026-06-11T03:15:00Z", "2026-06-10T15:14:00Z"),
        ("2026-06-11T04:00:00Z", "2026-06-10T15:14:00Z"),
        ("2026-06-11T11:30:00+02:00", "2026-06-11T03:14:00Z"),
    ],
)
def test_it_is_last_night_but_in_the_morning(now: str, expected: str) -> None:
    """In the first hours after the slot it is the afternoon before, because that night's jobs still run."""
    assert night.begins(datetime.fromisoformat(now)) == datetime.fromisoformat(expected)
