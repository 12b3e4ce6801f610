"""How the gate reads times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pilotage.gate.instants import read_instant

NOON = datetime(2026, 6, 11, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-11T12:00:00Z",
        "2026-06-11T12:00:00z",
        "2026-06-11t12:00:00Z",
        "2026-06-11 12:00:00Z",
        "2026-06-11T12:00:00",
        "2026-06-11T12:00:00+00:00",
        "2026-06-11T12:00:00-00:00",
        "2026-06-11T14:00:00+02:00",
        "2026-06-11T06:30:00-05:30",
        "2026-06-12T11:59:00+23:59",
        "2026-06-11T12:00:00.0Z",
        "2026-06-11T12:00:00.000000000999",
    ],
)
def test_a_time_is_read_with_any_zone_and_without_one(text: str) -> None:
    """All of these are noon in UTC; without a zone it is UTC."""
    assert read_instant(text) == NOON
    assert read_instant(text).tzinfo is UTC


@pytest.mark.parametrize("fraction", [".5", ".50", ".500000", ".5000009"])
def test_fractions_of_a_second_count_to_the_microsecond(fraction: str) -> None:
    """As many digits as somebody wrote; those behind the sixth are dropped."""
    assert read_instant(f"2026-06-11T12:00:00{fraction}Z") == NOON.replace(microsecond=500000)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "yesterday",
        "2026-06-11",
        "2026-06-11Z",
        "2026-06-11T",
        "2026-06-11T12:00Z",
        "2026-06-11T12",
        "2026-06-11T12:00:00 Z",
        " 2026-06-11T12:00:00Z",
        "2026-06-11T12:00:00Z\n",
        "2026-06-11T12:00:00+0200",
        "2026-06-11T12:00:00+02",
        "2026-06-11T12:00:00+24:00",
        "2026-06-11T12:00:00+02:60",
        "2026-06-11T12:00:00,5Z",
        "2026-06-11T12:00:00.Z",
        "2026-06-11T12:00:00UTC",
        "2026-06-11T24:00:00Z",
        "2026-06-11T12:60:00Z",
        "2026-12-31T23:59:60Z",
        "2026-02-30T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-00-01T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-01:00",
        "12026-06-11T12:00:00Z",
        "20260611T120000Z",
        "2026-W24-4T12:00:00Z",
        "２０２６-06-11T12:00:00Z",
        "1781179200",
        1781179200,
        1781179200.5,
        True,
        [],
        {},
        ["2026-06-11T12:00:00Z"],
    ],
)
def test_what_is_no_time_is_none(value: Any) -> None:
    """A date alone, a number, another type, a moment that cannot be: never a guess and never an exception."""
    assert read_instant(value) is None
