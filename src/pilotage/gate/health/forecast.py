"""What will a night cost, and when will it be over? Before anything is spent.

Cost is counted in cluster hours, which a price table turns into money. Each attempt of a job costs what the Gate says it does; how
many attempts it takes is what its last runs say. Time comes from history as well: the finish is that of the slowest job, so its
distribution is the product of those of all jobs, as if they were slow independently of each other. Jobs start one after another,
as fast as the limit of Prow's gateway allows. A job without history counts with two hours, and the forecast says so.
"""

from __future__ import annotations

import fnmatch
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pilotage.api.gate import GateSpec, GateStatus, JobHistory, RunJob
from pilotage.gate.ticks.schedule import Schedule, parse, slots_after

__all__ = ["Budget", "Cost", "Finish", "Forecast", "JobForecast", "Prices", "forecast"]

_UNKNOWN_MINUTES: Final = 120.0
_GAP_MINUTES: Final = 1 / 6
"""Between two starts: six requests a minute."""
_MONTH: Final = timedelta(days=30)
_FEW_SLOTS: Final = 40


class Prices(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a cluster hour costs; `jobs` has other prices by a pattern of job names, the first that fits counts."""

    per_cluster_hour: float = 0.0
    currency: str = "USD"
    jobs: dict[str, float] = msgspec.field(default_factory=dict)

    def of(self, job: str) -> float:
        for pattern, price in self.jobs.items():
            if fnmatch.fnmatchcase(job, pattern):
                return price
        return self.per_cluster_hour


class Cost(msgspec.Struct, frozen=True, rename="camel"):
    """When every job passes at once, as history expects, and when every job needs all its attempts."""

    least: float = 0.0
    expected: float = 0.0
    most: float = 0.0

    def plus(self, other: Cost) -> Cost:
        return Cost(self.least + other.least, self.expected + other.expected, self.most + other.most)

    def times(self, factor: float) -> Cost:
        return Cost(self.least * factor, self.expected * factor, self.most * factor)


class JobForecast(msgspec.Struct, frozen=True, rename="camel"):
    """One job. `minutes` are p50 and p90; `runs` is the number of runs that they come from, 0 for a guess."""

    job: RunJob
    hours: Cost
    minutes: tuple[float, float]
    runs: int
    retry_rate: float


class Finish(msgspec.Struct, frozen=True, rename="camel"):
    """Minutes after the start; `guessed` names the jobs without history."""

    p50: float
    p90: float
    guessed: tuple[str, ...] = ()


class Budget(msgspec.Struct, frozen=True, rename="camel"):
    """Cluster hours of thirty days. `limit` is 0 without a budget."""

    nights: int
    hours: Cost
    limit: float
    is_enough: bool


class Forecast(msgspec.Struct, frozen=True, rename="camel"):
    """Of one run: cost in cluster hours and money, the verdict (required jobs) and the end of all jobs, and a month of it."""

    jobs: tuple[JobForecast, ...]
    hours: Cost
    money: Cost
    currency: str
    verdict: Finish
    finish: Finish
    month: Budget
    next_slots: tuple[str, ...] = ()


def forecast(
    spec: GateSpec, status: GateStatus, jobs: Sequence[RunJob], prices: Prices, now: datetime
) -> Forecast:
    """Raises InputError `BadSchedule`, `BadTimeZone`."""
    histories = {each.name: each for each in status.jobs}
    # As they are started: required before informing.
    ordered = sorted(jobs, key=lambda job: job.type != "required")
    each = tuple(_job(job, histories.get(job.name), spec) for job in ordered)
    hours, money = Cost(), Cost()
    for one in each:
        hours = hours.plus(one.hours)
        money = money.plus(one.hours.times(prices.of(one.job.name)))
    slots = _slots(parse(spec.schedule, spec.time_zone), now)
    nights = sum(slot <= now + _MONTH for slot in slots)
    limit = spec.monthly_budget_hours
    month = hours.times(nights)
    return Forecast(
        jobs=each,
        hours=hours,
        money=money,
        currency=prices.currency,
        verdict=_finish([one for one in each if one.job.type == "required"], histories),
        finish=_finish(each, histories),
        month=Budget(nights, month, limit, not limit or month.expected <= limit),
        next_slots=tuple(slot.isoformat().replace("+00:00", "Z") for slot in slots[:3]),
    )


def _slots(schedule: Schedule, now: datetime) -> tuple[datetime, ...]:
    """At least those of a month; a nightly schedule has few, and others are asked for more."""
    count = _FEW_SLOTS
    while True:
        slots = slots_after(schedule, now, count)
        if len(slots) < count or slots[-1] > now + _MONTH:
            return slots
        count *= 8


def _job(job: RunJob, history: JobHistory | None, spec: GateSpec) -> JobForecast:
    minutes = sorted(history.minutes) if history else []
    retried = history.retried if history else ()
    rate = sum(retried) / len(retried) if retried else 0.0
    once = job.cluster_hours
    # Informing jobs are never tried again.
    attempts = spec.retry.max_infra_attempts if job.type == "required" else 1
    hours = Cost(once, once * (1 + rate if job.type == "required" else 1), once * attempts)
    middle, late = _quantile([minutes], [0.0], 0.5), _quantile([minutes], [0.0], 0.9)
    return JobForecast(job, hours, (middle, late), len(minutes), rate)


def _finish(jobs: Sequence[JobForecast], histories: Mapping[str, JobHistory]) -> Finish:
    samples, starts, guessed = [], [], []
    for position, each in enumerate(jobs):
        history = histories.get(each.job.name)
        samples.append(sorted(history.minutes) if history else [])
        starts.append(position * _GAP_MINUTES)
        if not samples[-1]:
            guessed.append(each.job.name)
    return Finish(_quantile(samples, starts, 0.5), _quantile(samples, starts, 0.9), tuple(guessed))


def _quantile(samples: Sequence[Sequence[float]], starts: Iterable[float], share: float) -> float:
    """The moment by which all are done in `share` of the nights; 0 without a job."""
    shifted = [
        [start + minutes for minutes in (sample or [_UNKNOWN_MINUTES])]
        for sample, start in zip(samples, starts, strict=True)
    ]
    for moment in sorted({value for sample in shifted for value in sample}):
        done = 1.0
        for sample in shifted:
            done *= bisect_right(sample, moment) / len(sample)
        if done >= share - 1e-9:
            return round(moment, 1)
    return 0.0
