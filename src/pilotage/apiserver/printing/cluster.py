"""Nodes, namespaces, what is configured in them, and what happened there."""

from __future__ import annotations

from typing import Any

from pilotage.apiserver.printing.ages import UNKNOWN, age
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
    listed,
    mapping,
    name_of,
    number,
    text,
    wide,
)

__all__ = ["PRINTERS"]

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def _node(value: Value, now: float) -> list[Any]:
    info = mapping(value, "status", "nodeInfo")
    architecture = text(info, "architecture")
    kernel = text(info, "kernelVersion", default=UNKNOWN) + (f" ({architecture})" if architecture else "")
    return [
        name_of(value),
        _node_status(value),
        ",".join(_roles(value)) or NONE,
        age_of(value, now),
        text(info, "kubeletVersion"),
        _address(value, "InternalIP"),
        _address(value, "ExternalIP"),
        text(info, "osImage", default=UNKNOWN),
        kernel,
        text(info, "containerRuntimeVersion", default=UNKNOWN),
    ]


def _node_status(node: Value) -> str:
    ready = {text(each, "type"): text(each, "status") for each in listed(node, "status", "conditions")}.get(
        "Ready"
    )
    status = "Unknown" if ready is None else ("Ready" if ready == "True" else "NotReady")
    return f"{status},SchedulingDisabled" if flag(node, "spec", "unschedulable") else status


def _roles(node: Value) -> list[str]:
    labels = mapping(node, "metadata", "labels")
    found = {name.removeprefix(_ROLE_PREFIX) for name in labels if name.startswith(_ROLE_PREFIX)}
    return sorted(filter(None, {*found, str(labels.get(_ROLE_LABEL, ""))}))


def _address(node: Value, type_: str) -> str:
    found = (
        text(each, "address") for each in listed(node, "status", "addresses") if text(each, "type") == type_
    )
    return next(found, NONE)


def _namespace(value: Value, now: float) -> list[Any]:
    return [name_of(value), text(value, "status", "phase"), age_of(value, now)]


def _config_map(value: Value, now: float) -> list[Any]:
    count = len(mapping(value, "data")) + len(mapping(value, "binaryData"))
    return [name_of(value), count, age_of(value, now)]


def _secret(value: Value, now: float) -> list[Any]:
    return [
        name_of(value),
        text(value, "type", default="Opaque"),
        len(mapping(value, "data")),
        age_of(value, now),
    ]


def _named(value: Value, now: float) -> list[Any]:
    return [name_of(value), age_of(value, now)]


def _lease(value: Value, now: float) -> list[Any]:
    return [name_of(value), text(value, "spec", "holderIdentity"), age_of(value, now)]


def _quota(value: Value, now: float) -> list[Any]:
    """What is used of what may be used; limits apart from the rest."""
    used, hard = mapping(value, "status", "used"), mapping(value, "status", "hard")
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        place = limits if name.startswith("limits.") else requests
        place.append(f"{name}: {used.get(name, '0')}/{hard[name]}")
    return [name_of(value), ", ".join(requests), ", ".join(limits), age_of(value, now)]


def _budget(value: Value, now: float) -> list[Any]:
    bounds = [at(value, "spec", name) for name in ("minAvailable", "maxUnavailable")]
    return [
        name_of(value),
        *("N/A" if bound is None else str(bound) for bound in bounds),
        number(value, "status", "disruptionsAllowed"),
        age_of(value, now),
    ]


def _priority(value: Value, now: float) -> list[Any]:
    return [
        name_of(value),
        number(value, "value"),
        flag(value, "globalDefault"),
        age_of(value, now),
        text(value, "preemptionPolicy", default="PreemptLowerPriority"),
    ]


def _runtime(value: Value, now: float) -> list[Any]:
    return [name_of(value), text(value, "handler"), age_of(value, now)]


def _event(value: Value, now: float) -> list[Any]:
    """An Event of either group: `events.k8s.io` has other names for some fields."""
    about = mapping(value, "regarding") or mapping(value, "involvedObject")
    source = mapping(value, "deprecatedSource") or mapping(value, "source")
    series = at(value, "series")
    first_at = _either(value, "firstTimestamp", "deprecatedFirstTimestamp") or at(value, "eventTime")
    last_at = _either(value, "lastTimestamp", "deprecatedLastTimestamp") or first_at
    count = number(value, "count") or number(value, "deprecatedCount") or 1
    if series is not None:
        last_at, count = at(series, "lastObservedTime"), number(series, "count")
    kind, name = text(about, "kind").lower(), text(about, "name")
    component = (
        text(source, "component") or text(value, "reportingComponent") or text(value, "reportingController")
    )
    instance = text(source, "host") or text(value, "reportingInstance")
    return [
        age(last_at, now),
        text(value, "type"),
        text(value, "reason"),
        f"{kind}/{name}" if name else kind,
        text(about, "fieldPath"),
        f"{component}, {instance}" if instance else component,
        (text(value, "message") or text(value, "note")).strip(),
        age(first_at, now),
        count,
        name_of(value),
    ]


def _either(value: Value, *names: str) -> Any:
    return next(filter(None, (value.get(name) for name in names)), None)


_EVENT = Printer(
    (
        Column("Last Seen"),
        Column("Type"),
        Column("Reason"),
        Column("Object"),
        *wide("Subobject", "Source"),
        Column("Message"),
        *wide("First Seen", "Count"),
        Column("Name", priority=1, format="name"),
    ),
    _event,
)

PRINTERS = {
    ("", "Node"): Printer(
        (
            NAME,
            Column("Status"),
            Column("Roles"),
            AGE,
            Column("Version"),
            *wide("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
        ),
        _node,
    ),
    ("", "Namespace"): Printer((NAME, Column("Status"), AGE), _namespace),
    ("", "ConfigMap"): Printer((NAME, Column("Data"), AGE), _config_map),
    ("", "Secret"): Printer((NAME, Column("Type"), Column("Data"), AGE), _secret),
    ("", "ServiceAccount"): Printer((NAME, AGE), _named),
    ("", "Event"): _EVENT,
    ("events.k8s.io", "Event"): _EVENT,
    ("", "ResourceQuota"): Printer((NAME, Column("Request"), Column("Limit"), AGE), _quota),
    ("coordination.k8s.io", "Lease"): Printer((NAME, Column("Holder"), AGE), _lease),
    ("policy", "PodDisruptionBudget"): Printer(
        (
            NAME,
            Column("Min Available"),
            Column("Max Unavailable"),
            Column("Allowed Disruptions", "integer"),
            AGE,
        ),
        _budget,
    ),
    ("scheduling.k8s.io", "PriorityClass"): Printer(
        (
            NAME,
            Column("Value", "integer"),
            Column("Global-Default", "boolean"),
            AGE,
            Column("PreemptionPolicy"),
        ),
        _priority,
    ),
    ("node.k8s.io", "RuntimeClass"): Printer((NAME, Column("Handler"), AGE), _runtime),
}
