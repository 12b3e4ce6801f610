"""The states of a regression record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pilotage.gate.health.families import Outcome
from pilotage.gate.health.regressionrecord import RecordFacts, record_facts, state_of

FIXED = datetime(2026, 6, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (RecordFacts(regressed=True), "open"),
        (RecordFacts(regressed=True, bug="BUG-1"), "triaged"),
        (RecordFacts(regressed=True, bug="BUG-1", fixed_at=FIXED), "fixed"),
        (RecordFacts(regressed=True, fixed_at=FIXED, failures_since_fix=1), "fixed"),
        (RecordFacts(regressed=True, fixed_at=FIXED, failures_since_fix=2), "failed-fix"),
        (RecordFacts(regressed=False, fixed_at=FIXED, failures_since_fix=2), "failed-fix"),
        (RecordFacts(regressed=False, bug="BUG-1", fixed_at=FIXED, failures_since_fix=1), "closed"),
        (RecordFacts(regressed=False), "closed"),
        (RecordFacts(regressed=True, failures_since_fix=5), "open"),
    ],
)
def test_state(facts: RecordFacts, state: str) -> None:
    """Runs have the last word, then the report, then people."""
    assert state_of(facts).value == state


def test_failures_are_counted_after_the_fix() -> None:
    """What failed before the fix, or in the very moment of it, says nothing about it."""
    runs = [
        Outcome(FIXED + timedelta(hours=hours), passed)
        for hours, passed in [(-5, False), (0, False), (1, False), (2, True), (3, False)]
    ]
    assert record_facts(runs, regressed=True, fixed_at=FIXED).failures_since_fix == 2
    assert record_facts(runs, regressed=True).failures_since_fix == 0
