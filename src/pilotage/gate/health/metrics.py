"""What the gate tells Prometheus: `pilotage_gate_*`, from Gates, messages that did not arrive, and requests to the host of jobs.

Counters of runs and jobs stand in the status of their Gate, so they neither begin anew with a process nor depend on which runs are
still kept. Only the requests to gangway are this process's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from pilotage.api.gate import Gate, Notification
from pilotage.gate.health.stale import standing_of
from pilotage.gate.health.standing import last_promoted, stale_facts
from pilotage.gate.instants import read_instant

__all__ = ["Family", "families", "text"]

_Labels = tuple[str, ...]


class Family(msgspec.Struct, frozen=True):
    """One metric: samples by the values of its `labels`. The name of a counter is without `_total`."""

    name: str
    kind: Literal["counter", "gauge", "summary"]
    about: str
    labels: _Labels
    samples: Mapping[_Labels, float | tuple[float, float]]


def families(
    gates: Iterable[Gate], letters: Iterable[Notification], requests: Mapping[str, int], now: datetime
) -> tuple[Family, ...]:
    """`letters` did not arrive; `requests` counts those to the host of jobs by status code. A summary is (count, sum)."""
    known = sorted(gates, key=lambda gate: gate.spec.platform)
    letters = list(letters)
    by_platform: dict[_Labels, Gate] = {(gate.spec.platform,): gate for gate in known}
    return (
        Family(
            "pilotage_gate_runs", "counter", "Finished runs.", ("platform", "verdict"),
            {(*key, verdict): count for key, gate in by_platform.items() for verdict, count in gate.status.verdicts.items()},
        ),
        Family(
            "pilotage_gate_jobs", "counter", "Finished attempts of jobs.", ("platform", "job", "result"),
            {
                (*key, job.name, result): count
                for key, gate in by_platform.items()
                for job in gate.status.jobs
                for result, count in job.results.items()
            },
        ),
        Family(
            "pilotage_gate_last_promotion_timestamp_seconds", "gauge", "When an image was promoted last.", ("platform",),
            _known({key: _promoted(gate) for key, gate in by_platform.items()}),
        ),
        Family(
            "pilotage_gate_last_tick_timestamp_seconds", "gauge", "When the gate looked for an image last.", ("platform",),
            _known(
                {key: _epoch(gate.status.last_tick.at if gate.status.last_tick else "") for key, gate in by_platform.items()}
            ),
        ),
        Family(
            "pilotage_gate_stale", "gauge", "1 while nothing was promoted for too long.", ("platform",),
            {key: float(_is_stale(gate, now)) for key, gate in by_platform.items()},
        ),
        Family(
            "pilotage_gate_paused", "gauge", "1 while the gate starts no runs.", ("platform",),
            {key: float(gate.spec.paused) for key, gate in by_platform.items()},
        ),
        Family(
            "pilotage_gate_consecutive_failures", "gauge", "Runs since the last one that passed.", ("platform",),
            {key: gate.status.consecutive_failures for key, gate in by_platform.items()},
        ),
        Family(
            "pilotage_gate_run_duration_seconds", "summary", "From the plan of a run to its end.", ("platform",),
            {key: (sum(gate.status.verdicts.values()), gate.status.run_seconds) for key, gate in by_platform.items()},
        ),
        Family(
            "pilotage_gate_gangway_requests", "counter", "Requests to the host of jobs; 0 is no answer.", ("code",),
            {(code,): count for code, count in sorted(requests.items())},
        ),
        Family(
            "pilotage_gate_outbox_pending", "gauge", "Messages on their way.", (),
            {(): sum(not note.status.dead and not note.status.delivered_at for note in letters)},
        ),
        Family(
            "pilotage_gate_outbox_dead", "gauge", "Messages that could not be delivered.", (),
            {(): sum(note.status.dead for note in letters)},
        ),
    )  # fmt: skip


def text(found: Iterable[Family]) -> str:
    """In the text format of Prometheus (version 0.0.4)."""
    lines = []
    for family in found:
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        lines += [f"# HELP {name} {family.about}", f"# TYPE {name} {family.kind}"]
        for values, sample in family.samples.items():
            labels = ",".join(
                f'{label}="{_escaped(value)}"' for label, value in zip(family.labels, values, strict=True)
            )
            shown = f"{{{labels}}}" if labels else ""
            if isinstance(sample, tuple):
                lines += [f"{name}_count{shown} {sample[0]:.10g}", f"{name}_sum{shown} {sample[1]:.10g}"]
            else:
                lines.append(f"{name}{shown} {sample:.10g}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _known(values: Mapping[_Labels, float | None]) -> dict[_Labels, float | tuple[float, float]]:
    return {key: value for key, value in values.items() if value is not None}


def _promoted(gate: Gate) -> float | None:
    last = last_promoted(gate)
    return _epoch(last.at) if last else None


def _epoch(written: str) -> float | None:
    at = read_instant(written)
    return at.timestamp() if at else None


def _is_stale(gate: Gate, now: datetime) -> bool:
    standing = standing_of(stale_facts(gate, last_promoted(gate), None, now), gate.spec.platform).value
    return standing is None or standing.stale
