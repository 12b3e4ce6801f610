"""Reading the gate's ledger for people: which Gates, runs, promotions and Snapshots there are, from any source of objects."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pilotage.api import konflux
from pilotage.api.errors import InputError
from pilotage.api.gate import (
    ALERT,
    GATE,
    GATE_RUN,
    LIVE_LABEL,
    NOTIFICATION,
    PLATFORM_LABEL,
    PROMOTION,
    Alert,
    Gate,
    GateRun,
    Notification,
    Promotion,
)
from pilotage.api.meta import Kind, Object
from pilotage.gate.ticks.selection import releases_of
from pilotage.gate.ticks.snapshots import Snapshot, read_snapshot
from pilotage.store.base import Reader

__all__ = [
    "alerts_of",
    "gate_objects",
    "gate_of",
    "gates_of",
    "letters_of",
    "live_runs",
    "promotions_of",
    "released_in",
    "run_named",
    "runs_of",
    "snapshots_of",
]

T = TypeVar("T")
_LISTED = 20


async def gates_of(reader: Reader, platform: str = "", namespace: str = "") -> tuple[Gate, ...]:
    """All Gates, or the one of a platform. Raises InputError `NoSuchGate` with those that there are, `Ambiguous`."""
    return tuple(item.view(Gate) for item in await gate_objects(reader, platform, namespace))


async def gate_objects(reader: Reader, platform: str = "", namespace: str = "") -> tuple[Object, ...]:
    """The same, not decoded yet: with the summaries of a hundred runs each, a thousand Gates are better looked at one by one."""
    if not platform:
        return (await reader.list(GATE, namespace)).items
    found = (await reader.list(GATE, namespace, name=platform)).items
    if len(found) > 1:
        where = ", ".join(item.key.namespace for item in found)
        raise InputError(
            "Ambiguous", f"Gate {platform} stands in several namespaces: {where}", hint="say -n NAMESPACE"
        )
    if not found:
        known = [item.key.name for item in (await reader.list(GATE, namespace)).items]
        raise InputError("NoSuchGate", f"there is no Gate {platform}", hint=_meant(platform, known))
    return found


async def gate_of(reader: Reader, platform: str, namespace: str = "") -> Gate:
    """The Gate of a platform; without a name the only one that there is."""
    found = await gates_of(reader, platform, namespace)
    if not found:
        raise InputError("NoSuchGate", "there is no Gate here", hint="write one, or name objects with --from")
    if len(found) > 1:
        names = ", ".join(gate.spec.platform for gate in found)
        raise InputError("Ambiguous", f"there are several Gates: {names}", hint="name one of them")
    return found[0]


async def runs_of(reader: Reader, gate: Gate) -> tuple[GateRun, ...]:
    """Every run of a platform that is kept, the newest first."""
    runs = await _listed(
        reader, GATE_RUN, GateRun, gate.metadata.namespace, {PLATFORM_LABEL: gate.spec.platform}
    )
    return tuple(sorted(runs, key=lambda run: (run.spec.created_at, run.metadata.name), reverse=True))


async def live_runs(reader: Reader, namespace: str = "", platform: str = "") -> tuple[GateRun, ...]:
    """Runs to which something is still written."""
    labels = {LIVE_LABEL: "true"} | ({PLATFORM_LABEL: platform} if platform else {})
    return await _listed(reader, GATE_RUN, GateRun, namespace, labels)


async def run_named(reader: Reader, name: str, namespace: str = "") -> tuple[Object, GateRun]:
    """A run by its name, or by how its name begins. Raises InputError `NoSuchRun`, `Ambiguous`."""
    items = (await reader.list(GATE_RUN, namespace, name=name)).items
    if not items:
        every = (await reader.list(GATE_RUN, namespace)).items
        items = tuple(item for item in every if item.key.name.startswith(name))
        if not items:
            known = [item.key.name for item in every]
            raise InputError("NoSuchRun", f"there is no GateRun {name}", hint=_meant(name, known))
    if len(items) > 1:
        names = ", ".join(str(item.key) for item in items[:_LISTED])
        raise InputError("Ambiguous", f"{name} may be any of {names}", hint="write more of the name")
    return items[0], items[0].view(GateRun)


async def promotions_of(reader: Reader, gate: Gate) -> tuple[Promotion, ...]:
    """Of a platform, the newest first."""
    found = await _listed(
        reader, PROMOTION, Promotion, gate.metadata.namespace, {PLATFORM_LABEL: gate.spec.platform}
    )
    return tuple(sorted(found, key=lambda each: each.spec.at, reverse=True))


async def alerts_of(reader: Reader, namespace: str = "", platform: str = "") -> tuple[Alert, ...]:
    labels = {PLATFORM_LABEL: platform} if platform else None
    return await _listed(reader, ALERT, Alert, namespace, labels)


async def letters_of(reader: Reader, namespace: str = "", platform: str = "") -> tuple[Notification, ...]:
    """Messages that did not arrive yet, or never will."""
    labels = {LIVE_LABEL: "true"} | ({PLATFORM_LABEL: platform} if platform else {})
    return await _listed(reader, NOTIFICATION, Notification, namespace, labels)


async def snapshots_of(reader: Reader, gate: Gate) -> tuple[Snapshot, ...]:
    items = (await reader.list(konflux.SNAPSHOT, gate.spec.tenant_namespace)).items
    return tuple(read_snapshot(item.value()) for item in items)


async def released_in(reader: Reader, gate: Gate) -> frozenset[str] | None:
    """The Snapshots that were released through the plan that the Gate names; None when it names none."""
    plan = gate.spec.selection.auto_release_plan
    if not plan:
        return None
    items = (await reader.list(konflux.RELEASE, gate.spec.tenant_namespace)).items
    return releases_of([item.value() for item in items], plan)


async def _listed(
    reader: Reader, kind: Kind, view: type[T], namespace: str, labels: Mapping[str, str] | None
) -> tuple[T, ...]:
    return tuple(item.view(view) for item in (await reader.list(kind, namespace, labels)).items)


def _meant(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3)
    if close:
        return f"did you mean {', '.join(close)}?"
    if len(known) <= _LISTED:
        return f"there is: {', '.join(known) or 'none'}"
    return f"there are {len(known)}"
