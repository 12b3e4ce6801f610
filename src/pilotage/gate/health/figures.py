"""Is the gate worth its trust? The figures of a platform, from the lines that its Gate keeps of its runs.

    success rate        completed runs that passed
    false negatives     red for no good reason (`accounting`), with the Wilson interval, and "insufficient data" below twenty
    red to green        from the first run that did not pass to the next one that did, on average (MTTR)
    build to promotion  from the Snapshot to the tag: half and nine tenths of the promotions were faster
    queue               from the plan of a run to its first job
    saved               runs that passed only thanks to a retry

Everything counts the last thirty days. Cancelled runs and forced verifications of a promoted image are left out. One pass over at
most a hundred short lines: a thousand platforms are a matter of a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, cast

import msgspec

from pilotage.api.gate import GateStatus, RunSummary
from pilotage.gate.health.accounting import WINDOW, Account, FinishedRun, account
from pilotage.gate.instants import read_instant
from pilotage.runtime.clock import rfc3339

__all__ = ["Health", "Spread", "health_of", "joined"]

_VERDICTS: Final = frozenset({"passed", "failed", "error"})


class Spread(msgspec.Struct, frozen=True, rename="camel"):
    """Half, and nine tenths, of the `count` values are at most this; in seconds, None without values."""

    count: int = 0
    p50: float | None = None
    p90: float | None = None


class Health(msgspec.Struct, frozen=True, rename="camel"):
    """Rates in [0, 1], None where nothing was counted; times in seconds."""

    runs: int
    passed: int
    success_rate: float | None
    false_negatives: int
    false_negative_rate: float | None
    interval: tuple[float, float]
    insufficient_data: bool
    criterion: bool | None
    red_to_green: float | None
    build_to_promotion: Spread
    queue: Spread
    consecutive_failures: int
    retries: int
    saved: int


def health_of(status: GateStatus, now: datetime, window: timedelta = WINDOW) -> Health:
    """The figures of one platform."""
    return _health(status.recent, status.consecutive_failures, now, window)


def joined(statuses: Iterable[GateStatus], now: datetime, window: timedelta = WINDOW) -> Health:
    """The figures of several platforms as one; a streak is the longest, and red to green is each platform's own."""
    known = list(statuses)
    lines = [line for status in known for line in status.recent]
    streak = max((status.consecutive_failures for status in known), default=0)
    whole = _health(lines, streak, now, window)
    spans = [span for status in known for span in _repairs(_counted(status.recent, now, window))]
    return msgspec.structs.replace(whole, red_to_green=_mean(spans))


def _health(lines: Sequence[RunSummary], streak: int, now: datetime, window: timedelta) -> Health:
    counted = _counted(lines, now, window)
    figures: Account = account((_finished(line, at) for line, at in counted), now, window)
    return Health(
        runs=figures.runs,
        passed=figures.passed,
        success_rate=figures.passed / figures.runs if figures.runs else None,
        false_negatives=figures.false_negatives,
        false_negative_rate=figures.rate,
        interval=(figures.interval.low, figures.interval.high),
        insufficient_data=figures.insufficient_data,
        criterion=figures.criterion,
        red_to_green=_mean(_repairs(counted)),
        build_to_promotion=_spread(
            _seconds(line.built_at, at) for line, at in counted if line.state == "promoted"
        ),
        queue=_spread(_seconds(line.started_at, _moment(line.triggered_at)) for line, _ in counted),
        consecutive_failures=streak,
        retries=figures.retries,
        saved=figures.saved_by_retry,
    )


def _counted(
    lines: Iterable[RunSummary], now: datetime, window: timedelta
) -> list[tuple[RunSummary, datetime]]:
    """Runs that ended with a verdict in the window, the oldest first."""
    # Times that we write ourselves compare as they sort, so most lines need not be read at all.
    begin = rfc3339(now - window)
    found = []
    for line in lines:
        if line.verdict not in _VERDICTS or line.state == "cancelled" or line.finished_at < begin:
            continue
        at = _moment(line.finished_at)
        if at is not None and now - window < at <= now:
            found.append((line, at))
    return sorted(found, key=lambda each: each[1])


def _finished(line: RunSummary, at: datetime) -> FinishedRun:
    return FinishedRun(
        digest=line.digest,
        jobs=frozenset((line.job_set,)),
        verdict=cast(Literal["passed", "failed", "error"], line.verdict),
        finished_at=at,
        cause=line.cause,
        forced=line.forced,
        retries=line.retries,
        saved_by_retry=line.saved,
    )


def _repairs(counted: Iterable[tuple[RunSummary, datetime]]) -> list[float]:
    """How long each red time lasted that is over."""
    spans: list[float] = []
    red: datetime | None = None
    for line, at in counted:
        if line.verdict != "passed":
            red = red or at
        elif red is not None:
            spans.append((at - red).total_seconds())
            red = None
    return spans


def _mean(spans: Sequence[float]) -> float | None:
    return sum(spans) / len(spans) if spans else None


def _spread(values: Iterable[float | None]) -> Spread:
    known = sorted(value for value in values if value is not None)
    if not known:
        return Spread()
    return Spread(len(known), _quantile(known, 0.5), _quantile(known, 0.9))


def _quantile(known: Sequence[float], part: float) -> float:
    """Between two values in proportion."""
    place = part * (len(known) - 1)
    low = int(place)
    high = min(low + 1, len(known) - 1)
    return known[low] + (known[high] - known[low]) * (place - low)


def _seconds(begin: str, end: datetime | None) -> float | None:
    began = _moment(begin)
    if began is None or end is None or end < began:
        return None
    return (end - began).total_seconds()


def _moment(text: str) -> datetime | None:
    """As `read_instant`, with a short way for what we wrote ourselves."""
    if len(text) == 20 and text.endswith("Z"):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    return read_instant(text)
