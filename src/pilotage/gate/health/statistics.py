"""What do a few runs prove? The arithmetic of pass rates, on exact numbers.

A nightly gate has small counts, seven runs a week, so nothing here rests on a normal approximation where the exact answer
is at hand:

- `fisher_tail`: the one-sided exact test of Fisher. Given how many runs and how many failures there are in all, how likely
  would the first group see at least its failures if both groups were alike? (R. A. Fisher, The Design of Experiments.)
- `wilson`: the interval in which a rate lies, honest near 0 and 1. (E. B. Wilson, JASA 22, 1927.)
- `adjusted`: p values of a whole report, corrected for having asked many questions. (Benjamini and Hochberg, JRSS B 57, 1995.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import msgspec

__all__ = ["Z95", "Interval", "Runs", "adjusted", "fisher_tail", "wilson"]

Z95 = 1.959963984540054
"""The two-sided 95 % quantile of the normal distribution."""

_EXACT_UP_TO = 20_000
"""Runs in all up to which the tail is summed in whole numbers, in milliseconds; above, in floats that lose a few last digits."""

_SUMMED_UP_TO = 10**10
"""Runs in all up to which the tail is summed term by term; above, the normal limit stands for it."""

_NEGLIGIBLE = 1e-18


class Runs(msgspec.Struct, frozen=True, gc=False):
    """How often something passed and failed; neither count is negative."""

    passed: int
    failed: int

    @property
    def total(self) -> int:
        return self.passed + self.failed

    @property
    def rate(self) -> Fraction:
        """The share that passed; 0 without a run."""
        return Fraction(self.passed, self.total) if self.total else Fraction(0)


class Interval(msgspec.Struct, frozen=True, gc=False):
    low: float
    high: float


def fisher_tail(suspect: Runs, other: Runs) -> Fraction:
    """P(X >= failures of `suspect`) for the hypergeometric X: small when `suspect` fails more often than `other`.

    1 when a group is empty or nothing failed. Exact up to twenty thousand runs, beyond that to
    about eleven digits, and beyond ten billion as the normal limit has it.
    """
    total = suspect.total + other.total
    if total <= _EXACT_UP_TO:
        return _exact_tail(suspect, other)
    if total <= _SUMMED_UP_TO:
        return Fraction(_summed_tail(suspect, other))
    return Fraction(_normal_tail(suspect, other))


def wilson(successes: int, total: int, z: float = Z95) -> Interval:
    """The score interval of a rate; all of [0, 1] when nothing was counted."""
    if total <= 0:
        return Interval(0.0, 1.0)
    rate = successes / total
    scale = 1 + z * z / total
    middle = (rate + z * z / (2 * total)) / scale
    half = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total)) / scale
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == total else min(1.0, middle + half)
    return Interval(low, high)


def adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """Each p value as Benjamini and Hochberg adjust it: reject those that are at most q, and a share q of them is false."""
    count = len(p_values)
    result = [1.0] * count
    lowest = 1.0
    # From the largest down: an adjusted value is never above that of a larger p.
    ranked = sorted(range(count), key=p_values.__getitem__, reverse=True)
    for position, index in enumerate(ranked):
        lowest = min(lowest, p_values[index] * count / (count - position))
        result[index] = lowest
    return tuple(result)


def _exact_tail(suspect: Runs, other: Runs) -> Fraction:
    failures = suspect.failed + other.failed
    total = suspect.total + other.total
    most = min(suspect.total, failures)
    # Ways to spread the failures with `k` of them on the suspect; the next term follows from the last one.
    ways = math.comb(suspect.total, suspect.failed) * math.comb(other.total, other.failed)
    summed = 0
    for k in range(suspect.failed, most + 1):
        summed += ways
        ways = ways * (suspect.total - k) * (failures - k) // ((k + 1) * (other.total - failures + k + 1))
    return Fraction(summed, math.comb(total, failures))


def _summed_tail(suspect: Runs, other: Runs) -> float:
    """The same sum with the first term as unit; every further term is a product of exact ratios."""
    n, m = suspect.total, other.total
    failures = suspect.failed + other.failed
    above = below = 0.0
    term, k = 1.0, suspect.failed
    while k < min(n, failures):
        ratio = (n - k) * (failures - k) / ((k + 1) * (m - failures + k + 1))
        term *= ratio
        above += term
        k += 1
        if ratio < 1 and term * ratio < _NEGLIGIBLE * (1 + above) * (1 - ratio):
            break
        if math.isinf(above):
            break
    term, k = 1.0, suspect.failed
    while k > max(0, failures - m):
        ratio = k * (m - failures + k) / ((n - k + 1) * (failures - k + 1))
        term *= ratio
        below += term
        k -= 1
        if ratio < 1 and term * ratio < _NEGLIGIBLE * (1 + below) * (1 - ratio):
            break
        if math.isinf(below):
            return 0.0
    return 1.0 if math.isinf(above) else (1 + above) / (1 + above + below)


def _normal_tail(suspect: Runs, other: Runs) -> float:
    n, total = suspect.total, suspect.total + other.total
    failures = suspect.failed + other.failed
    variance = Fraction(n * failures * (total - failures) * (total - n), total * total * (total - 1))
    if not variance:
        return 1.0
    distance = Fraction(2 * suspect.failed - 1, 2) - Fraction(n * failures, total)
    squared = min(distance * distance / variance, Fraction(10**6))
    return 0.5 * math.erfc(math.copysign(math.sqrt(squared / 2), distance))
