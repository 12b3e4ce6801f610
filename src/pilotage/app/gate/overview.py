"""`pilotage gate status` and `history`: how every platform stands, and what its runs came to.

Both read the summaries in the Gates, one object for each platform, and what is under way by its label: a thousand platforms with a
thousand runs each are listed without reading those runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from pilotage.api.gate import Alert, Gate, GateRun, Notification, RunSummary
from pilotage.app.gate import ledgers
from pilotage.gate.health.figures import Health, health_of
from pilotage.gate.health.panel import Panel, panel
from pilotage.gate.runs.folding import summary
from pilotage.gate.runs.progress import ENDED
from pilotage.store.base import Reader

__all__ = ["Line", "PlatformHealth", "health", "history", "status"]

T = TypeVar("T")


class PlatformHealth(msgspec.Struct, frozen=True, rename="camel"):
    platform: str
    health: Health


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """A run in one line, and whose it is."""

    platform: str
    run: RunSummary


async def status(reader: Reader, now: datetime, platform: str = "", namespace: str = "") -> tuple[Panel, ...]:
    """One panel for each platform. Raises InputError `NoSuchGate`."""
    gates = await ledgers.gate_objects(reader, platform, namespace)
    runs = _by_platform(
        (run.metadata.namespace, run.spec.platform, run)
        for run in await ledgers.live_runs(reader, namespace, platform)
    )
    alerts = _by_platform(
        (alert.metadata.namespace, alert.spec.platform, alert)
        for alert in await ledgers.alerts_of(reader, namespace, platform)
    )
    letters = _by_platform(
        (note.metadata.namespace, note.spec.platform, note)
        for note in await ledgers.letters_of(reader, namespace, platform)
    )
    panels = []
    for item in gates:
        gate = item.view(Gate)
        of = (gate.metadata.namespace, gate.spec.platform)
        panels.append(await _panel(reader, gate, runs[of], alerts[of], letters[of], now))
    return tuple(panels)


async def health(
    reader: Reader, now: datetime, platform: str = "", namespace: str = ""
) -> tuple[PlatformHealth, ...]:
    gates = await ledgers.gate_objects(reader, platform, namespace)
    return tuple(_health(item.view(Gate), now) for item in gates)


async def history(
    reader: Reader,
    platform: str = "",
    namespace: str = "",
    *,
    verdict: str = "",
    since: datetime | None = None,
    limit: int = 0,
) -> tuple[Line, ...]:
    """Runs, the newest first: of one platform all that are kept, of all platforms those that their Gates remember."""
    begin = f"{since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
    lines: list[Line] = []
    for gate in await ledgers.gates_of(reader, platform, namespace):
        known = (
            [summary(run) for run in await ledgers.runs_of(reader, gate) if run.spec.run_class != "test"]
            if platform
            else gate.status.recent
        )
        lines += [
            Line(gate.spec.platform, run)
            for run in known
            if verdict in ("", run.verdict or run.state) and run.started_at >= begin
        ]
    lines.sort(key=lambda line: (line.run.started_at, line.run.name), reverse=True)
    return tuple(lines[:limit] if limit else lines)


async def _panel(
    reader: Reader,
    gate: Gate,
    runs: Sequence[GateRun],
    alerts: Sequence[Alert],
    letters: Sequence[Notification],
    now: datetime,
) -> Panel:
    active = next((run for run in runs if run.status.state not in ENDED), None)
    last = gate.status.last_promotion
    is_yanked = last is not None and any(each.digest == last.digest for each in gate.spec.yanked)
    promotions = await ledgers.promotions_of(reader, gate) if is_yanked else ()
    return panel(gate, active, alerts, letters, now, [each.spec for each in promotions])


def _by_platform(found: Iterable[tuple[str, str, T]]) -> defaultdict[tuple[str, str], list[T]]:
    grouped: defaultdict[tuple[str, str], list[T]] = defaultdict(list)
    for namespace, platform, item in found:
        grouped[namespace, platform].append(item)
    return grouped


def _health(gate: Gate, now: datetime) -> PlatformHealth:
    return PlatformHealth(gate.spec.platform, health_of(gate.status, now))
