"""How often is the gate red for no good reason? The false-negative rate, which must stay below 5 % to be relied on.

A finished run is a false negative when it did not pass and the product was not at fault: its verdict was `error`, the same
digest passed the same jobs later, or a person found that something else was the cause. A failed run that nobody has looked
at, of a digest that never passed, is taken as a true finding. Cancelled runs and forced re-verifications count for nothing.

The rate of a few runs says little, so it comes with its Wilson interval, and below twenty runs with a plain
"insufficient data".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from pilotage.gate.health.statistics import Interval, wilson

__all__ = [
    "CRITERION_RATE",
    "CRITERION_RUNS",
    "ENOUGH_RUNS",
    "WINDOW",
    "Account",
    "FinishedRun",
    "account",
    "is_false_negative",
]

WINDOW = timedelta(days=30)
ENOUGH_RUNS = 20
"""Below this many runs a rate is not worth looking at."""

CRITERION_RUNS = 60
CRITERION_RATE = 0.05
"""The gate may be relied on when, over at least `CRITERION_RUNS` runs, the rate is below this."""

_NOT_THE_PRODUCT = ("infra", "flake", "test-bug", "quota")


class FinishedRun(msgspec.Struct, frozen=True):
    """One completed run. `jobs` names its job set; `cause` is what triage found, empty before; `retries` are further
    attempts of its jobs, and `saved_by_retry` says that it would not have passed without them.
    """

    digest: str
    jobs: frozenset[str]
    verdict: Literal["passed", "failed", "error"]
    finished_at: datetime
    cause: str = ""
    cancelled: bool = False
    forced: bool = False
    retries: int = 0
    saved_by_retry: bool = False


class Account(msgspec.Struct, frozen=True):
    """The account of a window. `rate` is None without runs; `criterion` is None while there are too few runs for it."""

    runs: int
    passed: int
    false_negatives: int
    rate: float | None
    interval: Interval
    insufficient_data: bool
    criterion: bool | None
    retries: int
    saved_by_retry: int


def account(runs: Iterable[FinishedRun], now: datetime, window: timedelta = WINDOW) -> Account:
    """The account of the runs that finished within `window` before `now`.

    A later pass acquits an earlier run wherever it lies, so `runs` may reach beyond the window.
    """
    known = [run for run in runs if run.finished_at <= now and not run.cancelled]
    passes = _latest_passes(known)
    counted = [run for run in known if not run.forced and run.finished_at > now - window]
    false = sum(_is_false(run, passes) for run in counted)
    total = len(counted)
    rate = false / total if total else None
    return Account(
        runs=total,
        passed=sum(run.verdict == "passed" for run in counted),
        false_negatives=false,
        rate=rate,
        interval=wilson(false, total),
        insufficient_data=total < ENOUGH_RUNS,
        criterion=rate < CRITERION_RATE if rate is not None and total >= CRITERION_RUNS else None,
        retries=sum(run.retries for run in counted),
        saved_by_retry=sum(run.verdict == "passed" and run.saved_by_retry for run in counted),
    )


def is_false_negative(run: FinishedRun, others: Sequence[FinishedRun]) -> bool:
    """Was this run red although the product was not at fault, given the other runs of the ledger?"""
    return _is_false(run, _latest_passes([other for other in others if not other.cancelled]))


def _latest_passes(runs: Iterable[FinishedRun]) -> dict[tuple[str, frozenset[str]], datetime]:
    """When each digest last passed each job set. A re-verification that passed is a pass, too."""
    latest: dict[tuple[str, frozenset[str]], datetime] = {}
    for run in runs:
        key = (run.digest, run.jobs)
        if run.verdict == "passed" and (key not in latest or run.finished_at > latest[key]):
            latest[key] = run.finished_at
    return latest


def _is_false(run: FinishedRun, passes: dict[tuple[str, frozenset[str]], datetime]) -> bool:
    if run.verdict == "passed":
        return False
    if run.verdict == "error" or run.cause in _NOT_THE_PRODUCT:
        return True
    passed_at = passes.get((run.digest, run.jobs))
    return passed_at is not None and passed_at > run.finished_at
