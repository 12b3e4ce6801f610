"""Whether the gate is worth its trust, from the lines that its Gates keep."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pilotage.api.gate import Gate, GateSpec, GateStatus, JobHistory, RunSummary
from pilotage.gate.health.figures import health_of, joined
from pilotage.gate.health.metrics import families, text
from pilotage.runtime.clock import rfc3339

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)


def line(days_ago: float, verdict: str = "passed", *, digest: str = "a", **more) -> RunSummary:
    ended = NOW - timedelta(days=days_ago)
    given = {
        "state": {"passed": "promoted", "failed": "failed", "error": "errored"}.get(verdict, verdict),
        "built_at": rfc3339(ended - timedelta(hours=6)),
        "started_at": rfc3339(ended - timedelta(hours=2)),
        "triggered_at": rfc3339(ended - timedelta(hours=2) + timedelta(seconds=30)),
        "job_set": "jobs",
    } | more
    return RunSummary(f"run-{days_ago}", digest, None, verdict, finished_at=rfc3339(ended), **given)


def status(*lines: RunSummary, streak: int = 0) -> GateStatus:
    return GateStatus(recent=lines, consecutive_failures=streak)


def test_an_unknown_platform_has_no_rates():
    """Without runs nothing is claimed: no rate, the whole interval, not enough data."""
    found = health_of(status(), NOW)
    assert (0, None, None, (0.0, 1.0), True) == (
        found.runs,
        found.success_rate,
        found.false_negative_rate,
        found.interval,
        found.insufficient_data,
    )
    assert (None, 0, None) == (found.red_to_green, found.queue.count, found.queue.p50)


def test_a_red_time_lasts_from_the_first_red_run_to_the_next_green_one():
    """Two red times of one and three days are two days on average; one that is not over is not counted."""
    lines = [
        line(1, "failed"),
        line(2),
        line(4, "failed"),
        line(5, "error"),
        line(6),
        line(7, "failed"),
        line(8),
    ]
    found = health_of(status(*lines, streak=1), NOW)
    assert timedelta(days=2).total_seconds() == found.red_to_green
    assert 1 == found.consecutive_failures
    assert pytest.approx(3 / 7) == found.success_rate


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ([line(2, "failed"), line(1)], 1),  # the same image passed the same jobs later
        ([line(2, "failed"), line(1, digest="b")], 0),
        ([line(2, "failed"), line(1, job_set="others")], 0),
        ([line(2, "error")], 1),
        ([line(2, "failed", cause="quota")], 1),
        ([line(2, "failed", cause="product")], 0),
        ([line(2, "failed", forced=True, cause="infra")], 0),
        ([line(2, "failed", state="cancelled", cause="infra")], 0),
        ([line(31, "error")], 0),
    ],
)
def test_false_negatives_are_counted_as_the_criterion_says(lines, count):
    """Errors, later passes and triage; not what was cancelled, forced, or is older than thirty days."""
    assert count == health_of(status(*lines), NOW).false_negatives


def test_a_criterion_needs_sixty_runs():
    """59 good runs prove nothing yet; the sixtieth does."""
    lines = [line(0.4 * number) for number in range(60)]
    assert health_of(status(*lines[:59]), NOW).criterion is None
    assert health_of(status(*lines), NOW).criterion is True


def test_times_are_spread_over_half_and_nine_tenths():
    """From the Snapshot to the tag, and from the plan to the first job; what was not promoted has no tag."""
    lines = [
        line(number, built_at=rfc3339(NOW - timedelta(days=number, hours=number))) for number in range(1, 11)
    ]
    found = health_of(status(*lines, line(11, "failed")), NOW)
    assert (10, 5.5 * 3600, 9.1 * 3600) == (
        found.build_to_promotion.count,
        found.build_to_promotion.p50,
        pytest.approx(found.build_to_promotion.p90),
    )
    assert (11, 30.0) == (found.queue.count, found.queue.p50)


def test_a_line_that_cannot_be_read_counts_for_nothing():
    """Half a time, none at all, or one in the future: the other lines still count."""
    lines = [
        RunSummary("soon", "a", None, "passed", finished_at="soon"),
        RunSummary("unfinished", "a", None, "passed"),
        RunSummary("odd", "a", None, "passed", finished_at="2026-06-31T00:00:00Z"),
        RunSummary("ahead", "a", None, "passed", finished_at="2026-07-01T00:00:00Z"),
        line(1, started_at="never"),
    ]
    found = health_of(status(*lines), NOW)
    assert (1, 0) == (found.runs, found.queue.count)


def test_several_platforms_are_joined_without_mixing_their_red_times():
    """A green run of one platform ends no red time of another."""
    red, green = status(line(3, "failed"), line(2, digest="b"), streak=2), status(line(2.5))
    found = joined([red, green], NOW)
    assert (3, 86_400.0, 2) == (found.runs, found.red_to_green, found.consecutive_failures)


def test_metrics_are_text_that_prometheus_reads():
    """Counters with _total, labels escaped, a summary with count and sum; read back by the client library."""
    gate = Gate(
        GateSpec("aro-hcp", "ARO", "registry.example.com/v", ("hcp",)),
        status=GateStatus(
            verdicts={"passed": 3, "failed": 1},
            run_seconds=1200.5,
            jobs=(JobHistory('e2e "quoted"\\', results={"passed": 4}),),
        ),
    )
    written = text(families([gate], [], {"200": 7, "0": 1}, NOW))
    read = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(written)
        for sample in family.samples
    }
    platform = ("platform", "aro-hcp")
    assert 3 == read["pilotage_gate_runs_total", (platform, ("verdict", "passed"))]
    assert 4 == read["pilotage_gate_jobs_total", (("job", 'e2e "quoted"\\'), platform, ("result", "passed"))]
    assert 1200.5 == read["pilotage_gate_run_duration_seconds_sum", (platform,)]
    assert 4 == read["pilotage_gate_run_duration_seconds_count", (platform,)]
    assert 7 == read["pilotage_gate_gangway_requests_total", (("code", "200"),)]
    assert 1 == read["pilotage_gate_stale", (platform,)]
    assert ("pilotage_gate_last_tick_timestamp_seconds", (platform,)) not in read
