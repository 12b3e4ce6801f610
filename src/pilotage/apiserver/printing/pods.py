"""How a Pod stands: how many of its containers are ready, what it waits for or died of, how often it was restarted.

The status column is a summary over phase, conditions and containers. While init containers run it tells of them; then the
first container that waits or has ended speaks for the Pod, and a Pod that is being deleted is Terminating whatever else holds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotage.apiserver.printing.ages import duration, seconds_of
from pilotage.apiserver.printing.reading import (
    AGE,
    NAME,
    NONE,
    Column,
    Printer,
    Value,
    age_of,
    at,
    flag,
    has_condition,
    listed,
    mapping,
    name_of,
    number,
    text,
    wide,
)

__all__ = ["PODS", "completion"]

_ENDED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


class _Restarts(msgspec.Struct):
    count: int = 0
    last: float | None = None

    def add(self, status: Any) -> None:
        self.count += number(status, "restartCount")
        ended = seconds_of(at(status, "lastState", "terminated", "finishedAt"))
        if ended is not None and (self.last is None or ended > self.last):
            self.last = ended

    def told(self, now: float) -> str:
        ago = f" ({duration(now - self.last)} ago)" if self.count and self.last is not None else ""
        return f"{self.count}{ago}"


class _Summary(msgspec.Struct):
    """What the containers were seen to do so far."""

    reason: str
    restarts: _Restarts
    ready: int = 0


def completion(pod: Value) -> list[dict[str, str]]:
    """The condition that marks the row of a Pod which is done."""
    phase = text(pod, "status", "phase")
    if phase not in _ENDED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _ENDED[phase]}]


def _cells(pod: Value, now: float) -> list[Any]:
    sidecars = _sidecars(pod)
    total = len(listed(pod, "spec", "containers")) + len(sidecars)
    summary = _summary(pod, sidecars)
    return [
        name_of(pod),
        f"{summary.ready}/{total}",
        summary.reason,
        summary.restarts.told(now),
        age_of(pod, now),
        text(next(iter(listed(pod, "status", "podIPs")), None), "ip", default=NONE),
        text(pod, "spec", "nodeName", default=NONE),
        text(pod, "status", "nominatedNodeName", default=NONE),
        _gates(pod),
    ]


def _sidecars(pod: Value) -> set[str]:
    """Init containers that stay."""
    found = listed(pod, "spec", "initContainers")
    return {text(each, "name") for each in found if text(each, "restartPolicy") == "Always"}


def _summary(pod: Value, sidecars: set[str]) -> _Summary:
    status = mapping(pod, "status")
    phase = text(status, "phase")
    conditions = listed(status, "conditions")
    reason = text(status, "reason", default=phase)
    for condition in conditions:
        if text(condition, "type") == "PodScheduled" and text(condition, "reason") == "SchedulingGated":
            reason = "SchedulingGated"
    summary = _Summary(reason, _Restarts())
    sidecar_restarts = _Restarts()
    if not _initializing(pod, sidecars, summary, sidecar_restarts) or has_condition(
        conditions, "Initialized"
    ):
        summary.restarts = sidecar_restarts
        _running(status, conditions, summary)
    if at(pod, "metadata", "deletionTimestamp") is not None:
        if text(status, "reason") == "NodeLost":
            summary.reason = "Unknown"
        elif phase not in _ENDED:
            summary.reason = "Terminating"
    return summary


def _initializing(pod: Value, sidecars: set[str], summary: _Summary, sidecar_restarts: _Restarts) -> bool:
    """Look at the init containers up to the first that is not done."""
    for index, status in enumerate(listed(pod, "status", "initContainerStatuses")):
        is_sidecar = text(status, "name") in sidecars
        summary.restarts.add(status)
        if is_sidecar:
            sidecar_restarts.add(status)
        ended = at(status, "state", "terminated")
        waits_for = text(status, "state", "waiting", "reason")
        if ended is not None and not number(ended, "exitCode"):
            continue
        if is_sidecar and flag(status, "started"):
            summary.ready += flag(status, "ready")
            continue
        if ended is not None:
            summary.reason = f"Init:{_death(ended)}"
        elif waits_for and waits_for != "PodInitializing":
            summary.reason = f"Init:{waits_for}"
        else:
            summary.reason = f"Init:{index}/{len(listed(pod, 'spec', 'initContainers'))}"
        return True
    return False


def _running(status: Value, conditions: list[Any], summary: _Summary) -> None:
    has_running = False
    failure = ""
    for container in reversed(listed(status, "containerStatuses")):
        summary.restarts.add(container)
        ended = at(container, "state", "terminated")
        waits_for = text(container, "state", "waiting", "reason")
        if waits_for:
            summary.reason = waits_for
        elif ended is not None:
            summary.reason = _death(ended)
            if number(ended, "exitCode"):
                failure = summary.reason
        elif flag(container, "ready") and at(container, "state", "running") is not None:
            has_running = True
            summary.ready += 1
    # One container that is done does not end a Pod in which others run.
    if summary.reason == "Completed":
        if has_running and has_condition(conditions, "Ready"):
            summary.reason = "Running"
        elif failure:
            summary.reason = failure
        elif has_running:
            summary.reason = "NotReady"


def _death(ended: Any) -> str:
    signal = number(ended, "signal")
    return text(ended, "reason") or (
        f"Signal:{signal}" if signal else f"ExitCode:{number(ended, 'exitCode')}"
    )


def _gates(pod: Value) -> str:
    gates = [text(gate, "conditionType") for gate in listed(pod, "spec", "readinessGates")]
    if not gates:
        return NONE
    conditions = listed(pod, "status", "conditions")
    return f"{sum(has_condition(conditions, gate) for gate in gates)}/{len(gates)}"


PODS = Printer(
    (
        NAME,
        Column("Ready"),
        Column("Status"),
        Column("Restarts"),
        AGE,
        *wide("IP", "Node", "Nominated Node", "Readiness Gates"),
    ),
    _cells,
)
