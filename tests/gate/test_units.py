"""The history of runs as a report of regressions reads it, and the grid of versions of an image."""

from datetime import UTC, datetime, timedelta

from pilotage.api.gate import (
    AttemptRecord,
    GateRun,
    GateRunSpec,
    GateRunStatus,
    JobRecord,
    MatrixCell,
    RunJob,
    SnapshotPin,
    TriggerRecord,
)
from pilotage.api.meta import Meta
from pilotage.gate.health.families import report
from pilotage.gate.health.grid import cells_of, sorted_versions
from pilotage.gate.health.units import units_of
from pilotage.runtime.clock import rfc3339

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"


def run(
    days_ago: float, *results: str, digest: str = "", run_class="", cell: MatrixCell | None = None
) -> GateRun:
    """A run of one job, with one attempt for each result."""
    at = rfc3339(NOW - timedelta(days=days_ago))
    spec = GateRunSpec(
        platform="aro-hcp",
        snapshot=SnapshotPin("tenant", "s"),
        image=f"quay.example.com/op@{DIGEST}",
        digest=digest or f"sha256:{int(days_ago * 100):064x}",
        trigger=TriggerRecord("t"),
        jobs=(RunJob("e2e", cell=cell),),
        created_at=at,
        deadline=at,
        run_class=run_class,
    )
    attempts = tuple(
        AttemptRecord(number, f"k{number}", result=result, completed_at=at)
        for number, result in enumerate(results, 1)
    )
    status = GateRunStatus(jobs=(JobRecord("e2e", attempts),))
    return GateRun(spec, Meta(name=f"run-{days_ago}"), status)


def test_a_unit_counts_digests_and_forgives_flakes():
    """Failed and then passed is passed; the same image twice is one outcome; infrastructure and rehearsals are none."""
    runs = [
        run(5, "failed", "passed"),
        run(4, "failed", digest=DIGEST),
        run(3, "passed", digest=DIGEST),
        run(2, "infra_error"),
        run(1, "failed", run_class="test"),
        run(0.5, "failed"),
    ]
    (unit,) = units_of(runs)
    assert ("e2e", "", "aro-hcp") == (unit.test, unit.minor, unit.platform)
    assert [True, True, False] == [outcome.passed for outcome in unit.outcomes]


def test_a_job_that_got_worse_is_found():
    """Five of seven nights failed after a month without a failure: regressed, also after the correction."""
    runs = [run(8 + day, "passed") for day in range(30)]
    runs += [run(day + 0.5, "failed" if day < 5 else "passed") for day in range(7)]
    (judged,) = report(units_of(runs), NOW)
    assert judged.regressed
    assert judged.against_sliding.value.status == "extreme-regression"


def test_units_are_kept_apart_by_the_hosted_minor():
    """4.20.7 and 4.20.10 are one minor; 4.21 is another."""
    runs = [
        run(day, "passed", cell=MatrixCell(version, "4.21.2"))
        for day, version in enumerate(("4.20.7", "4.20.10", "4.21.2"), 1)
    ]
    assert ["4.20", "4.21"] == [unit.minor for unit in units_of(runs)]


def test_a_cell_shows_the_worst_and_the_newest_of_each_job():
    """A job that was run again counts with its newest run; versions sort as numbers."""
    cell = MatrixCell("4.20.10", "4.21.2", ("latest",))
    runs = [run(2, "failed", digest=DIGEST, cell=cell), run(1, "passed", digest=DIGEST, cell=cell)]
    (found,) = cells_of(runs, DIGEST)
    assert ("4.20.10", "4.21.2", "passed", ("aro-hcp/e2e: passed",)) == (
        found.hosted,
        found.management,
        found.result,
        found.jobs,
    )
    (worst,) = cells_of([*runs, run(0.5, "failed", digest=DIGEST, cell=cell)], DIGEST)
    assert "failed" == worst.result
    assert ("4.9.1", "4.20.7", "4.20.10", "") == sorted_versions(["4.20.10", "", "4.9.1", "4.20.7"])
