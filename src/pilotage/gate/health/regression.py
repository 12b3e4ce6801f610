"""Has a test got worse? One comparison of a sample of runs with a base.

The judgement is that of component readiness: openshift/sippy `pkg/api/componentreadiness/middleware` (`fisherexact`,
`newtestpassrate`, `analysis`, `regressiontracker`). A drop counts when it is large enough to care about (`pity`), seen
often enough (`min_fail`), and hardly chance (Fisher's exact test, one-sided). A test without a base is judged by its pass
rate alone: `min_fail`, which component readiness asks of it as well, is not asked here, because `min_new_runs` is. A
regression that is open already needs less to stay open than it needed to be opened.

Rates are compared as fractions, so a drop of exactly the pity is not above it.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Literal

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate.health.statistics import Runs, fisher_tail
from pilotage.gate.written import shown

__all__ = [
    "EXTREME_DROP",
    "QUESTION",
    "REGRESSIONS",
    "REGRESSION_RULES",
    "Comparison",
    "RegressionOptions",
    "Status",
    "compare",
]

QUESTION = "regression"
Status = Literal[
    "extreme-regression",
    "significant-regression",
    "not-significant",
    "significant-improvement",
    "missing-sample",
    "missing-basis",
    "missing-basis-and-sample",
]
REGRESSIONS = ("extreme-regression", "significant-regression")

EXTREME_DROP = Fraction(15, 100)
"""A significant drop of the pass rate beyond this is extreme."""

_OPEN_CONFIDENCE = 5
_OPEN_PITY = 2


class RegressionOptions(msgspec.Struct, frozen=True):
    """`confidence`, `pity` and `pass_rate_new` are percentages; the pity is a difference of two pass rates.

    `pass_rate_new` is what a test without a base must reach once it ran `min_new_runs` times; 0 asks nothing of it.
    `open_regression` says that this test is known to be worse.
    """

    confidence: Fraction = Fraction(95)
    pity: Fraction = Fraction(5)
    min_fail: Fraction = Fraction(3)
    pass_rate_new: Fraction = Fraction(95)
    min_new_runs: Fraction = Fraction(6)
    open_regression: bool = False

    @property
    def alpha(self) -> Fraction:
        """A p below this is significant."""
        return (100 - self.confidence + (_OPEN_CONFIDENCE if self.open_regression else 0)) / 100

    @property
    def least_drop(self) -> Fraction:
        """A drop of the pass rate above this is worth a test."""
        return (self.pity - (_OPEN_PITY if self.open_regression else 0)) / 100


class Comparison(msgspec.Struct, frozen=True):
    """`p` is that of the test that was run, 0 when none was."""

    status: Status
    p: float = 0.0


class _Facts(msgspec.Struct, frozen=True, dict=True):
    sample: Runs
    base: Runs
    options: RegressionOptions

    @property
    def drop(self) -> Fraction:
        return self.base.rate - self.sample.rate

    @cached_property
    def worse(self) -> Fraction:
        """How likely is a sample as bad as this by chance?"""
        return fisher_tail(self.sample, self.base)

    @cached_property
    def better(self) -> Fraction:
        """How likely is a sample as good as this by chance?"""
        return fisher_tail(self.base, self.sample)

    @property
    def is_comparable(self) -> bool:
        return bool(self.sample.total and self.base.total) and self.sample.failed >= self.options.min_fail


def compare(
    sample: Runs, base: Runs, options: RegressionOptions | None = None, subject: str = "test"
) -> Decision[Comparison]:
    """Judge `sample` against `base`; the last row always applies."""
    facts = _Facts(sample, base, options or RegressionOptions())
    return first_match(QUESTION, subject, REGRESSION_RULES, facts, otherwise=_UNREACHABLE)


def _nothing(facts: _Facts) -> Verdict[Comparison]:
    """Neither sample nor base has a run."""
    if facts.sample.total or facts.base.total:
        return Passes("there are runs")
    return Applies(Comparison("missing-basis-and-sample"), "neither has a run")


def _no_sample(facts: _Facts) -> Verdict[Comparison]:
    """The sample has no run."""
    if facts.sample.total:
        return Passes(f"{facts.sample.total} runs in the sample")
    return Applies(Comparison("missing-sample"), "the sample has no run")


def _new_test(facts: _Facts) -> Verdict[Comparison]:
    """The base has no run, and the sample misses the pass rate of new tests; twice the allowed failures is extreme."""
    options, rate = facts.options, facts.sample.rate * 100
    if facts.base.total or facts.sample.total < options.min_new_runs:
        return Passes("not a new test with enough runs")
    told = f"{shown(rate)} % passed, {shown(options.pass_rate_new)} % required of a new test"
    if rate >= options.pass_rate_new:
        return Passes(told)
    is_extreme = rate < 2 * options.pass_rate_new - 100
    return Applies(Comparison("extreme-regression" if is_extreme else "significant-regression"), told)


def _no_base(facts: _Facts) -> Verdict[Comparison]:
    """The base has no run."""
    if facts.base.total:
        return Passes(f"{facts.base.total} runs in the base")
    return Applies(Comparison("missing-basis"), "the base has no run")


def _few_failures(facts: _Facts) -> Verdict[Comparison]:
    """The sample has fewer failures than count."""
    told = f"{facts.sample.failed} failures in the sample, {shown(facts.options.min_fail)} count"
    if facts.sample.failed < facts.options.min_fail:
        return Applies(Comparison("not-significant"), told)
    return Passes(told)


def _not_worse(facts: _Facts) -> Verdict[Comparison]:
    """The sample passes at least as often as the base: an improvement when that is hardly chance."""
    if not facts.is_comparable or facts.drop > 0:
        return Passes("the sample passes less often")
    significant = facts.better < facts.options.alpha
    return Applies(
        Comparison("significant-improvement" if significant else "not-significant", float(facts.better)),
        f"the pass rate rose by {shown(-100 * facts.drop)} points",
    )


def _within_pity(facts: _Facts) -> Verdict[Comparison]:
    """The drop is too small to care about."""
    told = f"a drop of {shown(100 * facts.drop)} points, {shown(100 * facts.options.least_drop)} are forgiven"
    return (
        Passes(told)
        if facts.drop > facts.options.least_drop
        else Applies(Comparison("not-significant"), told)
    )


def _worse(facts: _Facts) -> Verdict[Comparison]:
    """The drop is hardly chance: a regression, extreme above 15 points."""
    if not facts.is_comparable or facts.drop <= 0:
        return Passes("no drop")
    told = f"a drop of {shown(100 * facts.drop)} points, p = {float(facts.worse):.4g}"
    if facts.worse >= facts.options.alpha:
        return Passes(told)
    status: Status = "extreme-regression" if facts.drop > EXTREME_DROP else "significant-regression"
    return Applies(Comparison(status, float(facts.worse)), told)


def _chance(facts: _Facts) -> Verdict[Comparison]:
    """Else the drop may be chance."""
    was_tested = facts.is_comparable and facts.drop > 0 and facts.drop > facts.options.least_drop
    return Applies(
        Comparison("not-significant", float(facts.worse) if was_tested else 0.0), "the drop may be chance"
    )


REGRESSION_RULES: tuple[Rule[_Facts, Comparison], ...] = (
    Rule("missing-basis-and-sample", _nothing),
    Rule("missing-sample", _no_sample),
    Rule("new-test", _new_test),
    Rule("missing-basis", _no_base),
    Rule("few-failures", _few_failures),
    Rule("not-worse", _not_worse),
    Rule("within-pity", _within_pity),
    Rule("worse", _worse),
    Rule("chance", _chance),
)
"""How a sample is judged, read from top to bottom."""

_UNREACHABLE = error("NoVerdict", "no rule of the comparison applied")
