"""The arithmetic of pass rates, checked against independent exact sums and published values."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from pilotage.gate.health import statistics
from pilotage.gate.health.statistics import Interval, Runs, adjusted, fisher_tail, wilson


def exact(suspect: Runs, other: Runs) -> Fraction:
    """The tail by its definition, each term on its own."""
    failures = suspect.failed + other.failed
    ways = math.comb(suspect.total + other.total, failures)
    return sum(
        (
            Fraction(math.comb(suspect.total, k) * math.comb(other.total, failures - k), ways)
            for k in range(suspect.failed, min(suspect.total, failures) + 1)
        ),
        Fraction(0),
    )


@pytest.mark.parametrize(
    ("suspect", "other"),
    [
        (Runs(4, 3), Runs(30, 0)),
        (Runs(17, 3), Runs(117, 3)),
        (Runs(0, 3), Runs(3, 0)),
        (Runs(10, 0), Runs(10, 0)),
        (Runs(0, 0), Runs(5, 5)),
        (Runs(5, 5), Runs(0, 0)),
        (Runs(900, 100), Runs(950, 50)),
        (Runs(0, 2000), Runs(2000, 0)),
    ],
)
def test_fisher_is_exact(suspect: Runs, other: Runs) -> None:
    """Up to twenty thousand runs the tail is the rational number itself."""
    assert exact(suspect, other) == fisher_tail(suspect, other)


@pytest.mark.parametrize(
    ("suspect", "other"),
    [
        (Runs(4900, 100), Runs(29500, 500)),
        (Runs(4900, 130), Runs(29500, 500)),
        (Runs(4000, 1000), Runs(5000, 0)),
        (Runs(4990, 10), Runs(4900, 100)),
        (Runs(3, 4), Runs(20000, 0)),
        (Runs(3, 4), Runs(20000, 13)),
        (Runs(0, 6000), Runs(1, 6000)),
        (Runs(6000, 0), Runs(6000, 1)),
        (Runs(12000, 0), Runs(12000, 0)),
    ],
)
def test_fisher_of_large_counts(suspect: Runs, other: Runs) -> None:
    """The sum for larger counts keeps ten digits, also in the far tail."""
    expected = pytest.approx(float(exact(suspect, other)), rel=1e-11, abs=0)
    assert statistics._summed_tail(suspect, other) == expected
    assert float(fisher_tail(suspect, other)) == expected


def test_both_ways_of_summing_agree() -> None:
    """The sum in floats gives what the sum in whole numbers gives, on either side of the switch."""
    for failed in range(0, 60, 7):
        pair = Runs(2000 - failed, failed), Runs(1970, 30)
        assert statistics._summed_tail(*pair) == pytest.approx(float(exact(*pair)), rel=1e-12, abs=0)


def test_the_normal_limit_is_near() -> None:
    """Where the limit takes over, it differs from the sum by less than a part in a thousand."""
    pair = Runs(999_000, 1_000), Runs(998_900, 1_100)
    assert statistics._normal_tail(*pair) == pytest.approx(statistics._summed_tail(*pair), rel=1e-3)
    assert statistics._normal_tail(Runs(5, 0), Runs(5, 0)) == 1.0


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (1, 30, 0.0059, 0.1667)],
)
def test_wilson(successes: int, total: int, low: float, high: float) -> None:
    """The interval is that of the textbooks."""
    assert wilson(successes, total).low == pytest.approx(low, abs=5e-5)
    assert wilson(successes, total).high == pytest.approx(high, abs=5e-5)


def test_wilson_of_nothing() -> None:
    """Without a count the rate may be anything."""
    assert wilson(0, 0) == Interval(0.0, 1.0)


def test_adjusted_p_values() -> None:
    """The values of Benjamini and Hochberg, in the order in which they were given."""
    assert adjusted([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.04, 0.04, 0.04, 0.04))
    assert adjusted([0.005, 0.5, 0.04]) == pytest.approx((0.015, 0.5, 0.06))
    assert adjusted([]) == ()
    assert adjusted([1.0, 1.0]) == (1.0, 1.0)
