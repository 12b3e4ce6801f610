"""Which push broke it: what is probed, and what is concluded."""

from __future__ import annotations

import random

import pytest

from pilotage.api.errors import InputError
from pilotage.gate.health.bisect import BisectPolicy, Probe, next_step, posterior

EIGHT = tuple(f"snapshot-{number}" for number in range(8))


def test_one_suspect_is_found_at_once() -> None:
    """Between a good digest and a bad one next to it there is nothing to test."""
    step = next_step(["only"], [])
    assert (step.action, step.snapshot, step.odds, step.spent) == ("found", "only", 1.0, 0)


def test_the_first_probe_is_in_the_middle() -> None:
    """Of eight suspects the fourth is probed: it splits them evenly."""
    step = next_step(EIGHT, [])
    assert (step.action, step.snapshot) == ("probe", "snapshot-3")


def test_a_failure_looks_left_and_a_pass_looks_right() -> None:
    """The next probe lies on the side that the last one points to."""
    assert next_step(EIGHT, [Probe("snapshot-3", "failed")]).snapshot == "snapshot-1"
    assert next_step(EIGHT, [Probe("snapshot-3", "passed")]).snapshot == "snapshot-5"


def test_infrastructure_says_nothing_but_costs() -> None:
    """A probe that proves nothing moves no odds and counts for the budget."""
    probes = [Probe("snapshot-3", "infra_error"), Probe("snapshot-3", "timeout")]
    assert posterior(EIGHT, probes) == posterior(EIGHT, [])
    step = next_step(EIGHT, probes)
    assert (step.action, step.snapshot, step.spent) == ("probe", "snapshot-3", 2)


def test_a_running_probe_is_waited_for() -> None:
    """Nothing new is started while a probe runs; one of another bisection does not count."""
    step = next_step(EIGHT, [Probe("elsewhere", "pending"), Probe("snapshot-3", "pending")])
    assert (step.action, step.snapshot, step.spent) == ("wait", "snapshot-3", 1)
    assert next_step(EIGHT, [Probe("elsewhere", "pending")]).action == "probe"


def test_the_budget_ends_it() -> None:
    """When the budget is spent the likeliest suspect is named, and not as found."""
    probes = [Probe("snapshot-3", "failed"), Probe("snapshot-1", "passed")]
    step = next_step(EIGHT, probes, BisectPolicy(budget=2))
    assert step.action == "exhausted"
    assert step.snapshot in ("snapshot-2", "snapshot-3")


def test_a_flaky_job_takes_more_probes() -> None:
    """One failure of a job that fails a third of the time convinces nobody; of a steady job two probes do."""
    pair = ("good", "bad")
    flaky = BisectPolicy(flake_rate=0.3, miss_rate=0.01)
    assert next_step(pair, [Probe("good", "failed")], flaky).action == "probe"
    assert next_step(pair, [Probe("good", "passed")], flaky).action == "found"
    steady = BisectPolicy(flake_rate=0.01, miss_rate=0.01)
    assert next_step(pair, [Probe("good", "failed")], steady).action == "found"


@pytest.mark.parametrize("rates", [(0.0, 0.0), (1.0, 1.0)])
def test_rates_of_a_short_history_do_no_harm(rates: tuple[float, float]) -> None:
    """No flake so far is no proof that there is none: contradicting probes leave odds that add up to one."""
    policy = BisectPolicy(flake_rate=rates[0], miss_rate=rates[1])
    probes = [Probe("snapshot-2", "failed"), Probe("snapshot-2", "passed"), Probe("snapshot-5", "passed")]
    assert sum(posterior(EIGHT, probes, policy)) == pytest.approx(1)


def test_the_culprit_is_found_among_many() -> None:
    """With a flaky job the first bad of forty is found nineteen times in twenty, with few probes."""
    chance = random.Random(1)
    suspects = tuple(f"s{number}" for number in range(40))
    policy = BisectPolicy(flake_rate=0.1, miss_rate=0.05, budget=40)
    right = spent = 0
    for _ in range(200):
        culprit = chance.randrange(40)
        probes: list[Probe] = []
        while (step := next_step(suspects, probes, policy)).action == "probe":
            is_bad = suspects.index(step.snapshot) >= culprit
            failed = chance.random() < (0.95 if is_bad else 0.1)
            probes.append(Probe(step.snapshot, "failed" if failed else "passed"))
        right += step.snapshot == suspects[culprit]
        spent += step.spent
    assert right >= 186
    assert spent / 200 < 16


def test_nothing_to_bisect() -> None:
    """Without suspects, or with one listed twice, there is no answer."""
    with pytest.raises(InputError) as nothing:
        next_step([], [])
    assert nothing.value.code == "NothingToBisect"
    with pytest.raises(InputError) as twice:
        next_step(["a", "b", "a"], [])
    assert twice.value.code == "DuplicateSuspect"
