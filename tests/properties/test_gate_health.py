"""Laws of the gate's decisions about jobs and health: they answer whatever they are asked, order does not matter, and more
evidence never turns them the other way.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.decision.questions import answer
from pilotage.gate.health.bisect import Probe, next_step, posterior
from pilotage.gate.health.families import smallest_detectable_drop
from pilotage.gate.health.regression import REGRESSIONS, compare
from pilotage.gate.health.stale import Moment, StaleFacts, standing_of
from pilotage.gate.health.statistics import Runs, _exact_tail, _summed_tail, adjusted, fisher_tail, wilson
from pilotage.gate.questions import health, jobs
from pilotage.gate.runs.aggregate import Given, JobEntry, aggregate
from pilotage.gate.ticks.matrix import ROLES, Minor, expand

quick = settings(max_examples=150, derandomize=True, deadline=None)
few = settings(max_examples=40, derandomize=True, deadline=None)

QUESTIONS = {question.name: question for question in (*jobs.QUESTIONS, *health.QUESTIONS)}
KEYS = {
    "gate.aggregate": ["expected", "results", "quarantine", "now", "maxQuarantinedFraction"],
    "gate.retry": ["job", "attempts", "now", "deadline", "p90Minutes", "run", "policy"],
    "gate.matrix": ["minors", "select"],
    "gate.stale": [
        *("now", "thresholdDays", "lastPromotion", "latestEligible", "onboardedAt"),
        *("lastAlert", "pausedUntil", "remindHours", "skewSeconds"),
    ],
    "gate.regression": ["sample", "base", "options"],
}
INNER = [
    *("job", "type", "result", "attempt", "until", "cancelledBy", "name", "requiredTotal", "requiredFailed"),
    *("maxProductAttempts", "maxInfraAttempts", "retryTimeouts", "maxFailedFraction", "minor", "releases"),
    *("supported", "at", "digest", "observedAt", "level", "reference", "resolved", "pass", "fail"),
    *("confidence", "pity", "minFail", "passRateNew", "minNewRuns", "openRegression"),
]
WORDS = [
    *("", "a", "required", "blocking", "informing", "passed", "failed", "pending", "aborted", "timeout"),
    *("4.20", "4.20.1", "4.20.0", "latest", "zero", "3", "NaN", "1e999", "[]", "null", '[{"job": "a"}]'),
    *("2026-06-11T03:15:00Z", "2026-06-11T03:15:00", "0001-01-01T00:00:00+14:00", "2026-06-11", "warning"),
]
numbers = (
    st.integers(-3, 40)
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 1e308, 5e-324])
)
scalars = st.none() | st.booleans() | numbers | st.sampled_from(WORDS) | st.text(max_size=5)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(INNER), inner, min_size=1, max_size=6)
    ),
    max_leaves=12,
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, Any]:
    name = draw(st.sampled_from(sorted(KEYS)))
    return name, draw(st.dictionaries(st.sampled_from(KEYS[name]), json_values, max_size=len(KEYS[name])))


results = st.sampled_from(["passed", "failed", "pending", "lost", "", "aborted"])
entries = st.builds(
    JobEntry,
    st.sampled_from("abcde"),
    st.sampled_from(["required", "blocking", "informing", "required"]),
    results,
    st.integers(1, 3),
)
counts = st.builds(Runs, st.integers(0, 40), st.integers(0, 40))


def exact(suspect: Runs, other: Runs) -> Fraction:
    """Fisher's tail by its definition: all ways to choose who fails, counted."""
    failures = suspect.failed + other.failed
    return sum(
        (
            Fraction(
                math.comb(suspect.total, k) * math.comb(other.total, failures - k),
                math.comb(suspect.total + other.total, failures),
            )
            for k in range(suspect.failed, min(suspect.total, failures) + 1)
        ),
        Fraction(0),
    )


@settings(quick, max_examples=250)
@given(questions())
def test_any_json_has_a_value(asked: tuple[str, Any]) -> None:
    """Whatever stands in the input, the answer is a value with every key, and asking again gives the same bytes."""
    name, given_ = asked
    raw = json.dumps(given_).encode()
    said = answer(QUESTIONS[name], raw)
    value = json.loads(said)["value"]
    assert list(QUESTIONS[name].value_type.__struct_encode_fields__) == list(value)
    assert said == answer(QUESTIONS[name], raw)


@quick
@given(st.lists(entries, max_size=8), st.randoms(use_true_random=False), st.sets(st.sampled_from("abcde")))
def test_verdict_does_not_depend_on_order(jobs_: list[JobEntry], chance: Any, quarantined: set[str]) -> None:
    """Results arrive in any order; the verdict and its lists are the same."""
    shuffled = list(jobs_)
    chance.shuffle(shuffled)
    waived = frozenset(quarantined)
    one, other = (
        aggregate(Given(results=tuple(order), quarantined=waived, max_quarantined=Fraction(1)))
        for order in (jobs_, shuffled)
    )
    assert one == other


@quick
@given(st.lists(entries, min_size=1, max_size=8), st.integers(0, 7))
def test_a_worse_result_never_promotes(jobs_: list[JobEntry], index: int) -> None:
    """Turning any result into a failure never makes a run pass that did not pass before."""
    place = index % len(jobs_)
    worse = [*jobs_]
    worse[place] = JobEntry(jobs_[place].job, jobs_[place].type, "failed", jobs_[place].attempt)
    before, after = (aggregate(Given(results=tuple(one))).outcome.verdict for one in (jobs_, worse))
    assert after != "passed" or before == "passed"


@quick
@given(st.lists(entries, max_size=8), st.sets(st.sampled_from("abcde")))
def test_passed_is_proven(jobs_: list[JobEntry], quarantined: set[str]) -> None:
    """A run passes only when some required job outside quarantine passed, and none of them did anything else."""
    found = aggregate(
        Given(results=tuple(jobs_), quarantined=frozenset(quarantined), max_quarantined=Fraction(1))
    )
    if found.outcome.verdict != "passed":
        return
    required = {entry.job for entry in jobs_ if entry.type != "informing"} - quarantined
    assert required
    for job in required:
        attempts = [entry for entry in jobs_ if entry.job == job]
        last = max(entry.attempt for entry in attempts)
        assert {entry.result for entry in attempts if entry.attempt == last} == {"passed"}


@quick
@given(
    st.lists(
        st.builds(
            lambda minor, patches, supported: Minor(
                f"4.{minor}", tuple(f"4.{minor}.{patch}" for patch in patches), supported
            ),
            st.integers(0, 12),
            st.lists(st.integers(0, 12), max_size=6),
            st.booleans(),
        ),
        max_size=6,
    ),
    st.sets(st.sampled_from(ROLES)),
    st.randoms(use_true_random=False),
)
def test_matrix_does_not_depend_on_order(minors: list[Minor], selected: set[str], chance: Any) -> None:
    """The matrix is sorted whatever the order of its data; each version is there once, each role once a minor."""
    shuffled = [Minor(one.minor, tuple(reversed(one.releases)), one.supported) for one in minors]
    chance.shuffle(shuffled)
    found = expand(minors, selected)
    assert found == expand(shuffled, selected)
    numbers_of = [tuple(map(int, entry.version.split("."))) for entry in found.entries]
    assert numbers_of == sorted(numbers_of, key=lambda one: (one[:2], -one[2]))
    assert len(set(numbers_of)) == len(numbers_of)
    roles = [(entry.minor, role) for entry in found.entries for role in entry.roles]
    assert len(set(roles)) == len(roles)
    assert {role for _, role in roles} <= selected


@quick
@given(st.integers(0, 60 * 24 * 10), st.integers(0, 60 * 24 * 10), st.integers(1, 20))
def test_staleness_grows_with_age(minutes: int, more: int, half_days: int) -> None:
    """What is stale stays stale, and never becomes less bad, while nothing is promoted."""
    now = datetime(2026, 6, 11, tzinfo=UTC)
    rank = {None: 0, "warning": 1, "critical": 2}
    levels = []
    for age in (minutes, minutes + more):
        moment = Moment(now - timedelta(minutes=age), "")
        facts = StaleFacts(now=now, threshold_days=Fraction(half_days, 2), promoted=moment)
        levels.append(rank[standing_of(facts).value.level])
    assert levels == sorted(levels)


@quick
@given(counts, counts)
def test_fisher_is_the_exact_sum(suspect: Runs, other: Runs) -> None:
    """The tail equals its definition, is a probability, and summing in floats keeps ten digits of it."""
    tail = fisher_tail(suspect, other)
    assert exact(suspect, other) == tail
    assert 0 < tail <= 1
    assert _summed_tail(suspect, other) == pytest.approx(float(tail), rel=1e-12, abs=0)


@few
@given(
    *(st.integers(0, 4000) for _ in range(2)),
    *(st.integers(0, 300) for _ in range(2)),
)
def test_both_sums_agree(passed: int, other_passed: int, failed: int, other_failed: int) -> None:
    """For counts of a year as well."""
    pair = Runs(passed, failed), Runs(other_passed, other_failed)
    assert _summed_tail(*pair) == pytest.approx(float(_exact_tail(*pair)), rel=1e-11, abs=1e-300)


@quick
@given(counts, counts)
def test_fisher_falls_with_more_failures(suspect: Runs, other: Runs) -> None:
    """Among as many runs, one more failure of the suspect is never more likely by chance."""
    if suspect.passed:
        worse = Runs(suspect.passed - 1, suspect.failed + 1)
        assert fisher_tail(worse, other) <= fisher_tail(suspect, other)


@quick
@given(counts, counts)
def test_both_tails_meet(suspect: Runs, other: Runs) -> None:
    """The two one-sided tests overlap in exactly the case that was seen."""
    failures = suspect.failed + other.failed
    seen = Fraction(
        math.comb(suspect.total, suspect.failed) * math.comb(other.total, other.failed),
        math.comb(suspect.total + other.total, failures),
    )
    assert fisher_tail(suspect, other) + fisher_tail(other, suspect) == 1 + seen


@quick
@given(counts, counts)
def test_no_regression_without_a_drop(sample: Runs, base: Runs) -> None:
    """A test that passes at least as often as before is never called worse, and its p is a probability."""
    found = compare(sample, base).value
    if base.total and sample.rate >= base.rate:
        assert found.status not in REGRESSIONS
    assert 0 <= found.p <= 1


@few
@given(st.integers(1, 30), counts)
def test_detectable_drop_is_the_smallest(runs: int, base: Runs) -> None:
    """Halving finds what trying every number of failures finds."""
    tried = [
        float(base.rate - Runs(runs - failed, failed).rate)
        for failed in range(runs + 1)
        if base.total and compare(Runs(runs - failed, failed), base).value.status in REGRESSIONS
    ]
    assert smallest_detectable_drop(runs, base) == (tried[0] if tried else None)


@quick
@given(st.lists(st.floats(0, 1), max_size=12))
def test_adjusted_p_values(p_values: list[float]) -> None:
    """A corrected p is never below the raw one, keeps its order, and stays a probability."""
    corrected = adjusted(p_values)
    pairs = sorted(zip(p_values, corrected, strict=True))
    assert all(raw <= one + 1e-12 and one <= 1 for raw, one in pairs)
    assert [one for _, one in pairs] == sorted(corrected)


@quick
@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_holds_the_rate(successes: int, total: int) -> None:
    """The interval lies in [0, 1] and holds the rate it was made from."""
    rate = min(successes, total) / total
    found = wilson(min(successes, total), total)
    assert 0 <= found.low <= rate + 1e-12
    assert rate - 1e-12 <= found.high <= 1


@quick
@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["passed", "failed", "lost"])), max_size=12),
    st.randoms(use_true_random=False),
)
def test_bisect_odds(size: int, told: list[tuple[int, str]], chance: Any) -> None:
    """The odds add up to one and do not depend on the order of the probes; a step names a suspect."""
    suspects = [f"s{number}" for number in range(size)]
    probes = [Probe(f"s{place}", result) for place, result in told]
    odds = posterior(suspects, probes)
    assert sum(odds) == pytest.approx(1)
    chance.shuffle(probes)
    assert posterior(suspects, probes) == pytest.approx(odds)
    assert next_step(suspects, probes).snapshot in suspects
