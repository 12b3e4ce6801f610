"""A whole report: windows, bases, many questions at once; and the early sign of one test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pilotage.gate.health.drift import CusumPolicy, cusum
from pilotage.gate.health.families import (
    Outcome,
    Unit,
    anchor_base,
    counted,
    report,
    sample_of,
    sliding_base,
    smallest_detectable_drop,
)
from pilotage.gate.health.regression import RegressionOptions
from pilotage.gate.health.statistics import Runs

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def nights(count: int, failed: set[int] = frozenset()) -> tuple[Outcome, ...]:
    """One run a night, the youngest nine hours old; `failed` says how many nights ago it failed."""
    return tuple(
        Outcome(NOW - timedelta(days=night, hours=9), night not in failed) for night in reversed(range(count))
    )


def unit(outcomes: tuple[Outcome, ...], test: str = "upgrade", *, is_open: bool = False) -> Unit:
    return Unit(test, "4.20", "aro-hcp", outcomes, is_open)


def test_sample_is_a_week() -> None:
    """Seven nights are seven runs; the base are the thirty nights before."""
    history = nights(60, {0, 3, 7})
    sample = sample_of(history, NOW)
    assert sample.runs == Runs(5, 2)
    assert sliding_base(history, sample).runs == Runs(29, 1)
    assert sliding_base(history, sample).end == sample.start


def test_sample_is_widened_once() -> None:
    """With fewer than five runs in a week the sample are two weeks."""
    sparse = tuple(outcome for number, outcome in enumerate(nights(60)) if number % 3 == 0)
    assert sample_of(sparse, NOW).runs.total == 4
    assert sample_of(sparse, NOW).start == NOW - timedelta(days=14)


def test_window_holds_its_start_and_not_its_end() -> None:
    """Windows that touch share no run."""
    at = Outcome(NOW, passed=True)
    assert counted([at], NOW, NOW + timedelta(days=1)).runs == Runs(1, 0)
    assert counted([at], NOW - timedelta(days=1), NOW).runs == Runs(0, 0)


def test_anchor_is_the_best_month() -> None:
    """The anchor proves the highest pass rate of half a year, and does not reach into the sample."""
    # Decayed slowly: perfect three months ago, one in five since.
    history = nights(180, {night for night in range(80) if night % 5 == 0})
    sample = sample_of(history, NOW)
    anchor = anchor_base(history, sample, NOW)
    assert anchor is not None
    assert anchor.runs == Runs(30, 0)
    assert anchor.end <= sample.start
    assert anchor.start >= NOW - timedelta(days=180)


def test_anchor_needs_twenty_runs() -> None:
    """A young test has no anchor; a lucky month with few runs is none."""
    young = nights(25)
    assert anchor_base(young, sample_of(young, NOW), NOW) is None
    older = nights(27)
    assert anchor_base(older, sample_of(older, NOW), NOW) is not None


def test_slow_decay_is_caught_by_the_anchor() -> None:
    """Against the last month nothing happened, against the best month it did."""
    failed = {night for night in range(60) if night % 2 == 0}
    (found,) = report([unit(nights(170, failed))], NOW)
    assert found.against_sliding.value.status == "not-significant"
    assert found.against_anchor.value.status == "extreme-regression"
    assert found.regressed


def test_one_of_many_small_p_values_is_chance() -> None:
    """A drop that convinces alone is not believed among a hundred questions; a larger one still is."""
    suspicious = unit(nights(50, {0, 2, 4, 8, 9, 10, 11, 12}), "suspicious")
    clear = unit(nights(50, set(range(7))), "clear")
    fine = [unit(nights(50), f"fine-{number}") for number in range(100)]
    (alone,) = report([suspicious], NOW)
    assert alone.regressed
    among = report([suspicious, clear, *fine], NOW)
    assert [found.unit.test for found in among if found.regressed] == ["clear"]
    assert among[0].against_sliding.value.p == alone.against_sliding.value.p
    assert among[0].sliding_q > 0.05


def test_an_open_regression_stays_open_longer() -> None:
    """What would not be opened now is not closed either."""
    history = nights(37, {0, 2, 4, 10, 20, 30})
    (closed,) = report([unit(history)], NOW)
    (still,) = report([unit(history, is_open=True)], NOW)
    assert (closed.regressed, still.regressed) == (False, True)


def test_a_new_test_is_judged_by_its_rate() -> None:
    """Without any base there is no p to correct."""
    (found,) = report([unit(nights(7, {0, 1, 2}))], NOW)
    assert found.against_sliding.rule == "new-test"
    assert found.regressed
    assert (found.sliding_q, found.detectable) == (1.0, None)


def test_a_report_of_nothing() -> None:
    """No units, no findings; a unit that never ran is not regressed."""
    assert report([], NOW) == ()
    (found,) = report([unit(())], NOW)
    assert not found.regressed
    assert found.against_sliding.value.status == "missing-basis-and-sample"


def test_smallest_detectable_drop() -> None:
    """One run a night shows no less than three failures in seven; pooled over platforms it shows less."""
    assert smallest_detectable_drop(7, Runs(30, 0)) == pytest.approx(3 / 7)
    assert smallest_detectable_drop(20, Runs(120, 0)) == pytest.approx(3 / 20)
    assert smallest_detectable_drop(2, Runs(30, 0)) is None
    assert smallest_detectable_drop(0, Runs(30, 0)) is None
    assert smallest_detectable_drop(7, Runs(0, 0)) is None
    assert smallest_detectable_drop(7, Runs(0, 30)) is None
    assert smallest_detectable_drop(7, Runs(30, 0), RegressionOptions(min_fail=2)) == pytest.approx(2 / 7)


def test_cusum_tells_a_change_early() -> None:
    """A test that breaks is told at its second failure, and where that began."""
    found = cusum([False] * 50 + [True] * 5)
    assert (found.alarm_at, found.since) == (51, 50)


def test_cusum_forgets_a_single_failure() -> None:
    """One failure now and then is what a good test does."""
    found = cusum(([True] + [False] * 29) * 10)
    assert found.alarm_at is None
    assert found.value == 0


def test_cusum_remembers_a_slow_change() -> None:
    """Every fifth run failing is told, though no two follow each other."""
    found = cusum(([True] + [False] * 4) * 20)
    assert found.alarm_at is not None
    assert cusum([], CusumPolicy()).alarm_at is None
