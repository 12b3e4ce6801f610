"""What a Gate says, in the terms of the decisions that ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from statistics import quantiles

from pilotage.api.gate import Gate, GateSpec
from pilotage.gate.instants import read_instant
from pilotage.gate.runs.pacing import History
from pilotage.gate.runs.progress import Settings
from pilotage.gate.runs.retry import RetryPolicy
from pilotage.gate.ticks.selection import SelectionPolicy

__all__ = ["histories_of", "quarantined", "selection_policy", "settings_of"]


def settings_of(gate: Gate | None, now: datetime) -> Settings:
    """How a run goes on. Without a Gate (it was deleted under the run) the defaults hold."""
    if gate is None:
        return Settings()
    spec = gate.spec
    return Settings(
        retry=RetryPolicy(
            Fraction(spec.retry.max_product_attempts),
            Fraction(spec.retry.max_infra_attempts),
            spec.retry.retry_timeouts,
            Fraction(repr(spec.retry.max_failed_fraction)),
        ),
        quarantined=quarantined(spec, now),
        max_quarantined=Fraction(repr(spec.max_quarantined_fraction)),
        fail_fast=spec.fail_fast,
        p90={job.name: _at(job.minutes, 9) for job in gate.status.jobs if job.minutes},
    )


def quarantined(spec: GateSpec, now: datetime) -> frozenset[str]:
    """The jobs whose quarantine is not over. One without a readable end is none."""
    return frozenset(
        entry.job
        for entry in spec.quarantine
        if (until := read_instant(entry.until)) is not None and until > now
    )


def histories_of(gate: Gate | None) -> Mapping[str, History]:
    """How long jobs take, in seconds."""
    jobs = gate.status.jobs if gate else ()
    return {
        job.name: History(60 * _at(job.minutes, 1), 60 * _at(job.minutes, 5)) for job in jobs if job.minutes
    }


def selection_policy(spec: GateSpec, now: datetime) -> SelectionPolicy:
    """Which Snapshots the gate may take."""
    selection = spec.selection
    return SelectionPolicy(
        application=spec.application,
        component_group=spec.component_group or None,
        component=spec.component,
        now=now,
        require_auto_released=selection.require_auto_released,
        allow_superseded=selection.allow_superseded,
        allow_override=selection.allow_override,
        max_age_hours=selection.max_age_hours,
        max_clock_skew_seconds=selection.max_clock_skew_seconds,
    )


def _at(values: tuple[float, ...], tenth: int) -> float:
    """The value below which that many tenths of `values` lie."""
    return values[0] if len(values) == 1 else quantiles(values, n=10, method="inclusive")[tenth - 1]
