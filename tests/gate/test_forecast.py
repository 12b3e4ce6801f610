"""Cost and finish of a night, by hand-made histories whose answers can be worked out on paper."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pilotage.api.gate import GateStatus, JobHistory, NamedReference, RunJob
from pilotage.gate.health.forecast import Cost, Prices, forecast
from pilotage.gate.ticks.jobs import planned_jobs

from .konflux.rendering import gate, matrix

NOW = datetime(2026, 6, 11, tzinfo=UTC)
ONE = RunJob("one", cluster_hours=2.0)
TWO = RunJob("two", cluster_hours=3.0)
TOLD = RunJob("told", type="informing", cluster_hours=5.0)


def history(name: str, *minutes: float, retried: tuple[bool, ...] = ()) -> JobHistory:
    return JobHistory(name, minutes, retried)


def test_cost_counts_attempts() -> None:
    """Once each; what history expects; every attempt that the Gate allows. Informing jobs run once."""
    status = GateStatus(jobs=(history("one", 60.0, retried=(True, False, False, False)),))
    found = forecast(gate().spec, status, (ONE, TOLD), Prices(), NOW)
    assert Cost(7.0, 7.5, 11.0) == found.hours


def test_money_by_the_first_pattern_that_fits() -> None:
    """A price for some jobs, another for all others."""
    prices = Prices(10.0, "EUR", {"t*": 1.0})
    found = forecast(gate().spec, GateStatus(), (ONE, TWO), prices, NOW)
    assert (23.0, "EUR") == (found.money.least, found.currency)


def test_the_slowest_job_decides_the_finish() -> None:
    """Two jobs with ten runs each: all are done with the probability that each of them is."""
    minutes = [float(value) for value in range(10, 110, 10)]
    status = GateStatus(jobs=(history("one", *minutes), history("two", *minutes)))
    found = forecast(gate().spec, status, (ONE, TWO), Prices(), NOW)
    # At 80 minutes both are done with .8 * .7 (the second started a moment later), at 70 with .7 * .6; at 100 with 1 * .9.
    assert 80.0 == found.verdict.p50
    assert 100.0 == found.verdict.p90
    assert () == found.verdict.guessed


def test_the_verdict_does_not_wait_for_informing_jobs() -> None:
    """Two finishes: of the required ones, and of all."""
    status = GateStatus(jobs=(history("one", 30.0), history("told", 300.0)))
    found = forecast(gate().spec, status, (TOLD, ONE), Prices(), NOW)
    assert 30.0 == found.verdict.p50
    assert 300.2 == pytest.approx(found.finish.p50)
    assert ["one", "told"] == [each.job.name for each in found.jobs]


def test_a_job_without_history_is_named() -> None:
    """It counts with two hours, and nobody takes that for knowledge."""
    found = forecast(gate().spec, GateStatus(), (ONE,), Prices(), NOW)
    assert (120.0, ("one",), 0) == (found.verdict.p90, found.verdict.guessed, found.jobs[0].runs)


def test_a_month_against_its_budget() -> None:
    """Thirty nights of what is expected; without a budget everything is enough."""
    found = forecast(gate(monthly_budget_hours=59.0).spec, GateStatus(), (ONE,), Prices(), NOW)
    assert (30, 60.0, False) == (found.month.nights, found.month.hours.expected, found.month.is_enough)
    assert forecast(gate(monthly_budget_hours=60.0).spec, GateStatus(), (ONE,), Prices(), NOW).month.is_enough
    often = forecast(gate(schedule="0 */6 * * *").spec, GateStatus(), (ONE,), Prices(), NOW)
    assert (120, True) == (often.month.nights, often.month.is_enough)
    assert "2026-06-11T06:00:00Z" == often.next_slots[0]


def test_cells_of_the_matrix_are_jobs() -> None:
    """Each with its versions."""
    given = gate(matrix_ref=NamedReference("cpo"))
    jobs = planned_jobs(given.spec, matrix().spec)
    found = forecast(given.spec, GateStatus(), jobs, Prices(), NOW)
    cells = [each.job.cell.hosted for each in found.jobs if each.job.cell]
    assert ["4.20.4", "4.20.3", "4.20.0", "4.21.0"] == cells
    assert 6.0 + 4 * 1.5 == found.hours.least
