"""False negatives: which red nights count, and what the rate says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilotage.gate.health.accounting import FinishedRun, account, is_false_negative

NOW = datetime(2026, 6, 30, tzinfo=UTC)
JOBS = frozenset({"e2e-aws", "e2e-azure"})


def run(digest: str = "d", verdict: Any = "passed", days_ago: float = 1, **more: Any) -> FinishedRun:
    return FinishedRun(
        **{"digest": digest, "jobs": JOBS, "verdict": verdict, "finished_at": NOW - timedelta(days=days_ago)}
        | more
    )


@pytest.mark.parametrize(
    ("red", "others", "expected"),
    [
        (run(verdict="error"), [], True),
        (run(verdict="failed"), [], False),
        (run(verdict="failed", cause="product"), [], False),
        (run(verdict="failed", cause="infra"), [], True),
        (run(verdict="failed", cause="flake"), [], True),
        (run(verdict="failed", cause="test-bug"), [], True),
        (run(verdict="failed", cause="quota"), [], True),
        (run(verdict="failed", days_ago=3), [run(days_ago=2)], True),
        (run(verdict="failed", days_ago=3), [run(days_ago=4)], False),
        (run(verdict="failed", days_ago=3), [run("other", days_ago=2)], False),
        (run(verdict="failed", days_ago=3), [run(days_ago=2, jobs=frozenset({"e2e-aws"}))], False),
        (run(verdict="failed", days_ago=3), [run(days_ago=2, cancelled=True)], False),
        (run(verdict="failed", days_ago=3), [run(days_ago=2, forced=True)], True),
        (run(verdict="failed", days_ago=3), [run(verdict="failed", days_ago=2)], False),
        (run(verdict="passed", cause="infra"), [], False),
    ],
)
def test_which_runs_are_false_negatives(red: FinishedRun, others: list[FinishedRun], expected: bool) -> None:
    """A red run is one when the product was not at fault, as far as anybody knows."""
    assert expected == is_false_negative(red, [red, *others])


def test_account_of_a_month() -> None:
    """The rate is over the finished runs of the last thirty days; cancelled and forced runs count for nothing."""
    runs = [run(f"d{night}", days_ago=night + 0.5) for night in range(28)]
    runs += [run("x", "error", days_ago=3), run("y", "failed", days_ago=4)]
    runs += [
        run("z", "error", days_ago=31),
        run("c", "error", cancelled=True),
        run("f", "error", forced=True),
        run("later", "error", days_ago=-1),
    ]
    found = account(runs, NOW)
    assert (30, 28, 1) == (found.runs, found.passed, found.false_negatives)
    assert found.rate == pytest.approx(1 / 30)
    assert found.interval.low == pytest.approx(0.0059, abs=5e-5)
    assert not found.insufficient_data
    assert found.criterion is None


def test_too_few_runs() -> None:
    """Nineteen runs are insufficient data, twenty are not."""
    assert account([run(f"d{number}") for number in range(19)], NOW).insufficient_data
    assert not account([run(f"d{number}") for number in range(20)], NOW).insufficient_data


def test_nothing_was_run() -> None:
    """Without runs there is no rate, and it may be anything."""
    found = account([], NOW)
    assert (found.rate, found.criterion, found.insufficient_data) == (None, None, True)
    assert (0.0, 1.0) == (found.interval.low, found.interval.high)


@pytest.mark.parametrize(
    ("total", "red", "expected"), [(59, 0, None), (60, 2, True), (60, 3, False), (100, 4, True)]
)
def test_criterion(total: int, red: int, expected: bool | None) -> None:
    """The gate may be relied on below 5 %, over sixty runs at least."""
    runs = [run(f"d{number}", "error" if number < red else "passed") for number in range(total)]
    assert expected is account(runs, NOW).criterion


def test_a_later_pass_acquits_from_outside_the_window() -> None:
    """The evidence may be younger than the run by any time, as long as it is known."""
    red = run(verdict="failed", days_ago=29)
    assert account([red, run(days_ago=0)], NOW).false_negatives == 1


def test_retries_are_told() -> None:
    """What retries cost and what they saved stands beside the rate."""
    runs = [
        run("a", retries=2, saved_by_retry=True),
        run("b", retries=1),
        run("c", "failed", retries=1, saved_by_retry=True),
    ]
    found = account(runs, NOW)
    assert (4, 1) == (found.retries, found.saved_by_retry)
