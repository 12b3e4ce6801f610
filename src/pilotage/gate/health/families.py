"""Which tests have got worse, over a whole report? Windows, bases, and the price of asking many questions at once.

A unit is one test or job with one hosted minor on one platform. Its sample are the last days. It is compared twice: with
the thirty days before the sample, which move along, and with the best thirty days of the last half year, which do not. The
sliding base alone would absorb a slow decay; the anchor is the ratchet. Where hundreds of units are compared, a p of 0.04
is expected many times by chance, so all comparisons of one report are one family and are corrected together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from pilotage.decision.rules import Decision
from pilotage.gate.health.regression import REGRESSIONS, Comparison, RegressionOptions, compare
from pilotage.gate.health.statistics import Runs, adjusted, wilson

__all__ = [
    "FALSE_DISCOVERY_RATE",
    "Judged",
    "Outcome",
    "Unit",
    "Window",
    "anchor_base",
    "counted",
    "report",
    "sample_of",
    "sliding_base",
    "smallest_detectable_drop",
]

FALSE_DISCOVERY_RATE = 0.05
"""The share of the regressions of a report that may be chance."""

_OPEN_ALLOWANCE = 0.05

_SAMPLE_DAYS = (7, 14)
_SAMPLE_RUNS = 5
_BASE = timedelta(days=30)
_ANCHOR_REACH = timedelta(days=180)
_ANCHOR_RUNS = 20
_DAY = timedelta(days=1)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """One conclusive run of a unit on a digest of its own; trouble of the infrastructure is left out before."""

    at: datetime
    passed: bool


class Window(msgspec.Struct, frozen=True):
    """The runs from `start`, inclusive, to `end`, exclusive."""

    start: datetime
    end: datetime
    runs: Runs


class Unit(msgspec.Struct, frozen=True):
    """What is compared; `is_open` says that a regression of it is open."""

    test: str
    minor: str
    platform: str
    outcomes: tuple[Outcome, ...]
    is_open: bool = False


class Judged(msgspec.Struct, frozen=True):
    """A unit with both comparisons. `sliding_q` and `anchor_q` are p corrected for the family, 1 where no drop was tested.

    `regressed` is said after the correction; `detectable` is the smallest drop below the sliding base that this sample could
    have shown, None when none would.
    """

    unit: Unit
    sample: Window
    sliding: Window
    anchor: Window | None
    against_sliding: Decision[Comparison]
    against_anchor: Decision[Comparison] | None
    sliding_q: float
    anchor_q: float
    regressed: bool
    detectable: float | None


def counted(outcomes: Iterable[Outcome], start: datetime, end: datetime) -> Window:
    passed = failed = 0
    for outcome in outcomes:
        if start <= outcome.at < end:
            passed += outcome.passed
            failed += not outcome.passed
    return Window(start, end, Runs(passed, failed))


def sample_of(outcomes: Sequence[Outcome], now: datetime) -> Window:
    """The last week; the last two where a week has too few runs."""
    week, fortnight = (counted(outcomes, now - timedelta(days=days), now) for days in _SAMPLE_DAYS)
    return week if week.runs.total >= _SAMPLE_RUNS else fortnight


def sliding_base(outcomes: Sequence[Outcome], sample: Window) -> Window:
    """The thirty days before the sample."""
    return counted(outcomes, sample.start - _BASE, sample.start)


def anchor_base(outcomes: Sequence[Outcome], sample: Window, now: datetime) -> Window | None:
    """The thirty days of the last half year, none of them in the sample, that prove the highest pass rate.

    Proves: the lower end of the Wilson interval counts, so that few lucky runs are no anchor. Of equals the latest counts.
    None when no thirty days have twenty runs.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.at)
    best: Window | None = None
    best_low = -1.0
    first = last = passed = 0
    start = now - _ANCHOR_REACH
    while start + _BASE <= sample.start:
        end = start + _BASE
        # Both ends only move on, so every outcome enters once and leaves once.
        while last < len(ordered) and ordered[last].at < end:
            passed += ordered[last].passed
            last += 1
        while first < last and ordered[first].at < start:
            passed -= ordered[first].passed
            first += 1
        total = last - first
        low = wilson(passed, total).low
        if total >= _ANCHOR_RUNS and low >= best_low:
            best, best_low = Window(start, end, Runs(passed, total - passed)), low
        start += _DAY
    return best


def report(
    units: Sequence[Unit],
    now: datetime,
    options: RegressionOptions | None = None,
    false_discovery_rate: float = FALSE_DISCOVERY_RATE,
) -> tuple[Judged, ...]:
    """Judge all units of one report together, in the order given.

    A test without any base is judged by its pass rate, where there is no p to correct. One whose regression is open stays
    regressed up to a rate five points higher: it needs less to stay open than it needed to be opened.
    """
    options = options or RegressionOptions()
    compared = [_compared(unit, now, options) for unit in units]
    raw: list[float] = []
    for _, _, _, sliding, anchor in compared:
        raw += [_p_of_drop(sliding), _p_of_drop(anchor)]
    corrected = adjusted(raw)
    judged = []
    for position, (unit, (sample, sliding_window, anchor_window, sliding, anchor)) in enumerate(
        zip(units, compared, strict=True)
    ):
        sliding_q, anchor_q = corrected[2 * position : 2 * position + 2]
        rate = false_discovery_rate + (_OPEN_ALLOWANCE if unit.is_open else 0)
        judged.append(
            Judged(
                unit,
                sample,
                sliding_window,
                anchor_window,
                sliding,
                anchor,
                sliding_q,
                anchor_q,
                _holds(sliding, sliding_q, rate) or _holds(anchor, anchor_q, rate),
                smallest_detectable_drop(sample.runs.total, sliding_window.runs, options),
            )
        )
    return tuple(judged)


def smallest_detectable_drop(runs: int, base: Runs, options: RegressionOptions | None = None) -> float | None:
    """The smallest drop of the pass rate below `base` that `runs` runs could show as a regression; None when none could.

    More failures are a larger drop and a smaller p, so the number of failures that suffice is found by halving.
    """
    if runs <= 0 or base.total == 0:
        return None
    options = options or RegressionOptions()
    low, high = 0, runs + 1
    while low < high:
        failures = (low + high) // 2
        found = compare(Runs(runs - failures, failures), base, options).value if failures <= runs else None
        if failures > runs or (found is not None and found.status in REGRESSIONS):
            high = failures
        else:
            low = failures + 1
    return float(base.rate - Runs(runs - low, low).rate) if low <= runs else None


def _compared(
    unit: Unit, now: datetime, options: RegressionOptions
) -> tuple[Window, Window, Window | None, Decision[Comparison], Decision[Comparison] | None]:
    sample = sample_of(unit.outcomes, now)
    sliding = sliding_base(unit.outcomes, sample)
    anchor = anchor_base(unit.outcomes, sample, now)
    options = msgspec.structs.replace(options, open_regression=unit.is_open)
    subject = f"{unit.test} on {unit.platform} with {unit.minor}"
    return (
        sample,
        sliding,
        anchor,
        compare(sample.runs, sliding.runs, options, subject),
        compare(sample.runs, anchor.runs, options, subject) if anchor else None,
    )


def _p_of_drop(decision: Decision[Comparison] | None) -> float:
    """The p of a test for a drop; 1 where none was run, so that the family is as large as the report."""
    if decision is None or decision.value is None or decision.rule not in ("worse", "chance"):
        return 1.0
    return decision.value.p


def _holds(decision: Decision[Comparison] | None, corrected: float, rate: float) -> bool:
    """Is a regression still one after the correction?"""
    if decision is None or decision.value is None or decision.value.status not in REGRESSIONS:
        return False
    return decision.rule == "new-test" or corrected <= rate
