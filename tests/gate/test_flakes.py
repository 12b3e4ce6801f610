"""Jobs that cannot be trusted, and how long they may be waived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from pilotage.gate.health import quarantine
from pilotage.gate.health.flakes import Execution, flip_rate, is_chronic, needed_retry
from pilotage.gate.health.quarantine import Quarantine, check

NOW = datetime(2026, 6, 11, tzinfo=UTC)
REQUIRED = ("a", "b", "c", "d")


def asked(**more: Any) -> Quarantine:
    usual = {"job": "a", "owner": "team", "reason": "it hangs", "bug": "https://example.org/1", "since": NOW}
    return Quarantine(**usual | {"until": NOW + timedelta(days=14)} | more)


@pytest.mark.parametrize(
    ("retried", "expected"),
    [
        ([], False),
        ([True, True], False),
        ([True, True, True], True),
        ([True] * 3 + [False] * 7, True),
        ([True] * 3 + [False] * 8, False),
        ([True] + [False] * 8 + [True, True], False),
    ],
)
def test_chronic_flake(retried: list[bool], expected: bool) -> None:
    """Three retries among the last ten runs are chronic."""
    assert expected == is_chronic(retried)
    assert expected == quarantine.is_proposed(retried)


def test_needed_retry() -> None:
    """A second attempt is a retry, however it ended."""
    assert not needed_retry(["passed"])
    assert needed_retry(["failed", "passed"])
    assert not needed_retry([])


def test_flip_rate() -> None:
    """Only a second opinion about one digest can flip, and trouble of the infrastructure is no opinion."""
    history = [
        Execution("x", "failed"),
        Execution("y", "passed"),
        Execution("x", "infra_error"),
        Execution("x", "passed"),
        Execution("x", "passed"),
        Execution("y", "failed"),
        Execution("z", "failed"),
        Execution("y", "failed"),
    ]
    assert flip_rate(history) == pytest.approx(2 / 4)
    assert flip_rate([Execution("x", "passed"), Execution("y", "failed")]) is None


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        (asked(), []),
        (asked(owner=" "), ["QuarantineIncomplete"]),
        (asked(owner="", reason="", bug=""), ["QuarantineIncomplete"] * 3),
        (asked(until=NOW + timedelta(days=14, seconds=1)), ["QuarantineTooLong"]),
        (asked(until=NOW), ["QuarantineOver"]),
        (asked(job="z"), ["QuarantineNotRequired"]),
    ],
)
def test_what_a_quarantine_needs(given: Quarantine, codes: list[str]) -> None:
    """Everything that is wrong is told at once."""
    assert codes == [finding.code for finding in check(given, REQUIRED)]


def test_quarantine_is_capped() -> None:
    """One of four may be waived, a second may not; asking again for the first is no second."""
    assert [finding.code for finding in check(asked(job="b"), REQUIRED, active=["a"])] == [
        "QuarantineTooMuch"
    ]
    assert not check(asked(), REQUIRED, active=["a"])
    assert not check(asked(job="b"), REQUIRED, active=["a"], max_fraction=Fraction(1, 2))
    assert not check(asked(), REQUIRED, active=["not-required-any-more"])


def test_quarantine_is_lifted_by_clean_runs() -> None:
    """Ten clean runs in a row lift it; one stain starts the count again."""
    assert not quarantine.is_lifted([True] * 9)
    assert quarantine.is_lifted([False] + [True] * 10)
    assert not quarantine.is_lifted([True] * 9 + [False] + [True] * 9)


def test_quarantine_ends() -> None:
    """At its end it is over."""
    assert quarantine.is_active(asked(), NOW + timedelta(days=14) - timedelta(seconds=1))
    assert not quarantine.is_active(asked(), NOW + timedelta(days=14))
