"""Has a test started to fail more often, told as early as can be? A Bernoulli CUSUM, one test at a time.

A comparison of windows sees a change when the window is full of it. The cumulative sum adds, run by run, how much more
that run speaks for `bad_rate` failures than for `good_rate`, never falling below zero; when it passes the threshold, the
change is there. It only informs: it has no family of tests to be corrected for. (E. S. Page, Biometrika 41, 1954;
M. R. Reynolds and Z. G. Stoumbos, Journal of Quality Technology 31, 1999, for the Bernoulli case.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

__all__ = ["Cusum", "CusumPolicy", "cusum"]


class CusumPolicy(msgspec.Struct, frozen=True, gc=False):
    """Failure rates between 0 and 1, `good_rate` below `bad_rate`, and the sum at which a change is told.

    At the default of 3, a test that always fails is told at its second failure in a row, one that fails in a fifth of its
    runs after a dozen on average, and a good one is told of falsely once in about 260 runs.
    """

    good_rate: float = 0.03
    bad_rate: float = 0.2
    threshold: float = 3.0


class Cusum(msgspec.Struct, frozen=True, gc=False):
    """`value` after the last run; `alarm_at` is the position of the run that passed the threshold first, None if none
    did; `since` is where the climb to it began.
    """

    value: float
    alarm_at: int | None
    since: int | None


def cusum(failed: Iterable[bool], policy: CusumPolicy | None = None) -> Cusum:
    """Follow a test; `failed` says of each run, the oldest first, whether it failed."""
    policy = policy or CusumPolicy()
    on_failure = math.log(policy.bad_rate / policy.good_rate)
    on_pass = math.log((1 - policy.bad_rate) / (1 - policy.good_rate))
    value, began = 0.0, 0
    alarm_at = since = None
    for position, one in enumerate(failed):
        if value == 0:
            began = position
        value = max(0.0, value + (on_failure if one else on_pass))
        if alarm_at is None and value > policy.threshold:
            alarm_at, since = position, began
    return Cusum(value, alarm_at, since)
