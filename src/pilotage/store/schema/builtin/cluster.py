"""Nodes, Leases, Events and API services: the small rules of kinds that mostly machines write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.builtin.values import Problems, fits, immutable, listed, port
from pilotage.store.schema.names import dns_label_1035, dns_subdomain, label_value, qualified_name

__all__ = ["api_service", "event", "event_change", "lease", "node", "node_change", "service_account"]

_Object = Mapping[str, Any]
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_LONGEST = {"action": 128, "reason": 128}
_LONGEST_NOTE = 1024
_NEW_EVENTS = "events.k8s.io/v1"


def node(value: _Object) -> Problems:
    for index, taint in enumerate(value["spec"].get("taints") or ()):
        yield from _taint(f"metadata.taints[{index}]", taint)


def _taint(path: str, taint: _Object) -> Problems:
    yield from fits(f"{path}.key", taint.get("key", ""), qualified_name)
    yield from fits(f"{path}.value", taint.get("value", ""), label_value)
    yield from listed(f"{path}.effect", taint.get("effect"), _EFFECTS)


def node_change(value: _Object, old: _Object) -> Problems:
    # A changed Node is judged as a new one and as a change, and its taints by both.
    yield from node(value)
    new, before = value["spec"], old.get("spec") or {}
    if before.get("podCIDRs") and new.get("podCIDRs") != before["podCIDRs"]:
        yield problems.forbidden(
            "spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'
        )
    if before.get("providerID") and new.get("providerID") != before["providerID"]:
        yield problems.forbidden(
            "spec.providerID", 'node updates may not change providerID except from "" to valid'
        )
    yield from node(value)


def lease(value: _Object) -> Problems:
    spec = value.get("spec") or {}
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield problems.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield problems.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
    if spec.get("preferredHolder") and not spec.get("strategy"):
        yield problems.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined")


def service_account(value: _Object) -> Problems:
    del value  # nothing but its metadata has rules
    yield from ()


def event(value: _Object) -> Problems:
    """An event as it is stored, of core v1; `apiVersion` is that of the request."""
    is_new = value["apiVersion"] == _NEW_EVENTS
    yield from _legacy(value, "reportingController" if is_new else "reportingComponent")
    if not is_new:
        return
    yield from _series(value)
    if not value.get("eventTime"):
        yield problems.required("eventTime")
    if value.get("type") not in {"Normal", "Warning"}:
        yield problems.invalid("type", "", f"has invalid value: {value.get('type', '')}")
    for field in ("firstTimestamp", "lastTimestamp", "count"):
        if value.get(field):
            yield problems.invalid(field, "", "needs to be unset")
    if value.get("source"):
        yield problems.invalid("source", "", "needs to be unset")


def _legacy(value: _Object, controller: str) -> Problems:
    namespace = value["metadata"].get("namespace", "")
    about = value["involvedObject"].get("namespace", "")
    if not value.get("eventTime"):
        is_elsewhere = about != namespace if about else namespace not in {"", "default"}
    else:
        is_elsewhere = not about and namespace not in {"default", "kube-system"}
    if is_elsewhere:
        yield problems.invalid("involvedObject.namespace", about, "does not match event.namespace")
    if not value.get("eventTime"):
        return
    if not value.get("reportingComponent"):
        yield problems.required(controller)
    yield from fits(controller, value.get("reportingComponent", ""), qualified_name)
    if not value.get("reportingInstance"):
        yield problems.required("reportingInstance")
    for field, longest in _LONGEST.items():
        if not value.get(field):
            yield problems.required(field)
        elif len(value[field].encode()) > longest:
            yield problems.invalid(field, "", f"can have at most {longest} characters")
    if len(value.get("message", "").encode()) > _LONGEST_NOTE:
        yield problems.invalid("message", "", f"can have at most {_LONGEST_NOTE} characters")


def _series(value: _Object) -> Problems:
    series = value.get("series")
    if series is None:
        return
    if series.get("count", 0) < 2:
        yield problems.invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield problems.required("series.lastObservedTime")


_KEPT = (
    ("involvedObject", "involvedObject"),
    ("reason", "reason"),
    ("message", "message"),
    ("source", "source"),
    ("firstTimestamp", "firstTimestamp"),
    ("lastTimestamp", "lastTimestamp"),
    ("count", "count"),
    ("type", "type"),
    ("eventTime", "eventTime"),
    ("action", "action"),
    ("related", "related"),
    ("reportingComponent", "reportingController"),
    ("reportingInstance", "reportingInstance"),
)


def event_change(value: _Object, old: _Object) -> Problems:
    is_new = value["apiVersion"] == _NEW_EVENTS
    yield from _legacy(value, "reportingController" if is_new else "reportingComponent")
    if not is_new:
        return
    if value.get("series") != old.get("series"):
        yield from _series(value)
    for field, shown in _KEPT:
        yield from immutable(shown, value.get(field), old.get(field))


def api_service(value: _Object) -> Problems:
    spec, name = value["spec"], value["metadata"].get("name", "")
    group, version, service = spec.get("group", ""), spec.get("version", ""), spec.get("service")
    if name != f"{version}.{group}":
        yield problems.invalid(
            "metadata.name", name, f'must be `spec.version+"."+spec.group`: "{version}.{group}"'
        )
    if not group and version != "v1":
        yield problems.required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    if group:
        yield from fits("spec.group", group, dns_subdomain)
    yield from fits("spec.version", version, dns_label_1035)
    for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        number = spec.get(field, 0)
        if not 0 < number <= most:
            yield problems.invalid(f"spec.{field}", number, f"must be positive and less than {most}")
    if service is None:
        for field, shown in (("caBundle", "a caBundle"), ("insecureSkipTLSVerify", "insecureSkipTLSVerify")):
            if spec.get(field):
                yield problems.invalid(f"spec.{field}", True, f"local APIServices may not have {shown}")
        return
    for field in ("namespace", "name"):
        if not service.get(field):
            yield problems.required(f"spec.service.{field}")
    for problem in port("spec.service.port", service.get("port", 443)):
        yield problems.invalid(
            problem.field, service["port"], "port is not valid: must be between 1 and 65535, inclusive"
        )
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        yield problems.invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")
