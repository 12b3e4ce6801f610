"""The kinds that make Pods: how many there should be, and how far that got."""

from __future__ import annotations

from typing import Any

from pilotage.apiserver.printing.ages import age, duration, seconds_of
from pilotage.apiserver.printing.reading import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Column,
    Printer,
    Value,
    age_of,
    at,
    containers,
    flag,
    has_condition,
    label_selector,
    labels,
    listed,
    mapping,
    name_of,
    number,
    text,
    wide,
)

__all__ = ["PRINTERS"]

_APPS, _BATCH = "apps", "batch"
_WIDE = wide("Containers", "Images", "Selector")
_COUNTED = (NAME, Column("Desired", "integer"), Column("Current", "integer"), Column("Ready", "integer"))


def _template(value: Value) -> Any:
    return at(value, "spec", "template", "spec")


def _selector(value: Value) -> str:
    return label_selector(at(value, "spec", "selector"))


def _deployment(value: Value, now: float) -> list[Any]:
    status = mapping(value, "status")
    return [
        name_of(value),
        f"{number(status, 'readyReplicas')}/{number(value, 'spec', 'replicas', default=1)}",
        number(status, "updatedReplicas"),
        number(status, "availableReplicas"),
        age_of(value, now),
        *containers(_template(value)),
        _selector(value),
    ]


def _replica_set(value: Value, now: float) -> list[Any]:
    return [*_replicas(value, now), *containers(_template(value)), _selector(value) or NONE]


def _replication_controller(value: Value, now: float) -> list[Any]:
    selector = labels(mapping(value, "spec", "selector"))
    return [*_replicas(value, now), *containers(_template(value)), selector]


def _replicas(value: Value, now: float) -> list[Any]:
    return [
        name_of(value),
        number(value, "spec", "replicas", default=1),
        number(value, "status", "replicas"),
        number(value, "status", "readyReplicas"),
        age_of(value, now),
    ]


def _stateful_set(value: Value, now: float) -> list[Any]:
    ready = number(value, "status", "readyReplicas")
    return [
        name_of(value),
        f"{ready}/{number(value, 'spec', 'replicas', default=1)}",
        age_of(value, now),
        *containers(_template(value)),
    ]


_SCHEDULED = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def _daemon_set(value: Value, now: float) -> list[Any]:
    return [
        name_of(value),
        *(number(value, "status", count) for count in _SCHEDULED),
        labels(mapping(_template(value), "nodeSelector")),
        age_of(value, now),
        *containers(_template(value)),
        _selector(value) or NONE,
    ]


def _revision(value: Value, now: float) -> list[Any]:
    owners = listed(value, "metadata", "ownerReferences")
    owner = next((each for each in owners if flag(each, "controller")), None)
    told = NONE
    if owner is not None:
        group, _, _ = text(owner, "apiVersion").rpartition("/")
        kind = text(owner, "kind") + (f".{group}" if group else "")
        told = f"{kind.lower()}/{text(owner, 'name')}"
    return [name_of(value), told, number(value, "revision"), age_of(value, now)]


def _pod_template(value: Value, _now: float) -> list[Any]:
    pod_labels = labels(mapping(value, "template", "metadata", "labels"))
    return [name_of(value), *containers(at(value, "template", "spec")), pod_labels]


def _job(value: Value, now: float) -> list[Any]:
    return [
        name_of(value),
        _job_status(value),
        _completions(value),
        _job_duration(value, now),
        age_of(value, now),
        *containers(_template(value)),
        _selector(value) or NONE,
    ]


_JOB_STATUSES = (
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("", "Terminating"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
)
"""The first condition that holds tells the status; the one without a type is that the Job is being deleted."""


def _job_status(value: Value) -> str:
    conditions = listed(value, "status", "conditions")
    for type_, status in _JOB_STATUSES:
        if (
            has_condition(conditions, type_)
            if type_
            else at(value, "metadata", "deletionTimestamp") is not None
        ):
            return status
    return "Running"


def _completions(value: Value) -> str:
    done = number(value, "status", "succeeded")
    wanted = at(value, "spec", "completions")
    if isinstance(wanted, int):
        return f"{done}/{wanted}"
    parallel = number(value, "spec", "parallelism")
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(value: Value, now: float) -> str:
    began = seconds_of(at(value, "status", "startTime"))
    if began is None:
        return ""
    ended = seconds_of(at(value, "status", "completionTime"))
    return duration((now if ended is None else ended) - began)


def _cron_job(value: Value, now: float) -> list[Any]:
    last = at(value, "status", "lastScheduleTime")
    job = mapping(value, "spec", "jobTemplate", "spec")
    return [
        name_of(value),
        text(value, "spec", "schedule"),
        text(value, "spec", "timeZone", default=NONE),
        "True" if flag(value, "spec", "suspend") else "False",
        len(listed(value, "status", "active")),
        NONE if last is None else age(last, now),
        age_of(value, now),
        *containers(at(job, "template", "spec")),
        label_selector(at(job, "selector")) if "selector" in job else NONE,
    ]


def _autoscaler(value: Value, now: float) -> list[Any]:
    target = mapping(value, "spec", "scaleTargetRef")
    least = at(value, "spec", "minReplicas")
    return [
        name_of(value),
        f"{text(target, 'kind')}/{text(target, 'name')}",
        _metrics(listed(value, "spec", "metrics"), listed(value, "status", "currentMetrics")),
        UNSET if least is None else str(least),
        number(value, "spec", "maxReplicas"),
        number(value, "status", "currentReplicas"),
        age_of(value, now),
    ]


_METRIC_FIELDS = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_SHOWN_METRICS = 2


def _metrics(wanted: list[Any], seen: list[Any]) -> str:
    if not wanted:
        return NONE
    told = [
        _metric(each, seen[index] if index < len(seen) else None)
        for index, each in enumerate(wanted[:_SHOWN_METRICS])
    ]
    more = len(wanted) - _SHOWN_METRICS
    return ", ".join(told) + (f" + {more} more..." if more > 0 else "")


def _metric(wanted: Any, seen: Any) -> str:
    field = _METRIC_FIELDS.get(text(wanted, "type"))
    if field is None:
        return "<unknown type>"
    target, current = mapping(wanted, field, "target"), mapping(seen, field, "current")
    if field in {"resource", "containerResource"}:
        prefix = f"{text(wanted, field, 'name')}: "
        if "averageValue" in target:
            return f"{prefix}{_quantity(current, 'averageValue')}/{_quantity(target, 'averageValue')}"
        return f"{prefix}{_percent(current, '<unknown>')}/{_percent(target, '<auto>')}"
    if field == "pods":
        return f"{_quantity(current, 'averageValue')}/{_quantity(target, 'averageValue')}"
    if "averageValue" in target:
        return f"{_quantity(current, 'averageValue')}/{_quantity(target, 'averageValue')} (avg)"
    return f"{_quantity(current, 'value')}/{_quantity(target, 'value')}"


def _quantity(value: Value, field: str) -> str:
    found = value.get(field)
    return "<unknown>" if found is None else str(found)


def _percent(value: Value, default: str) -> str:
    found = value.get("averageUtilization")
    return default if found is None else f"{found}%"


PRINTERS = {
    (_APPS, "Deployment"): Printer(
        (NAME, Column("Ready"), Column("Up-to-date"), Column("Available"), AGE, *_WIDE), _deployment
    ),
    (_APPS, "ReplicaSet"): Printer((*_COUNTED, AGE, *_WIDE), _replica_set),
    ("", "ReplicationController"): Printer((*_COUNTED, AGE, *_WIDE), _replication_controller),
    (_APPS, "StatefulSet"): Printer((NAME, Column("Ready"), AGE, *_WIDE[:2]), _stateful_set),
    (_APPS, "DaemonSet"): Printer(
        (
            *_COUNTED,
            Column("Up-to-date", "integer"),
            Column("Available", "integer"),
            Column("Node Selector"),
            AGE,
            *_WIDE,
        ),
        _daemon_set,
    ),
    (_APPS, "ControllerRevision"): Printer((NAME, Column("Controller"), Column("Revision"), AGE), _revision),
    ("", "PodTemplate"): Printer(
        (NAME, Column("Containers"), Column("Images"), Column("Pod Labels")), _pod_template
    ),
    (_BATCH, "Job"): Printer(
        (NAME, Column("Status"), Column("Completions"), Column("Duration"), AGE, *_WIDE), _job
    ),
    (_BATCH, "CronJob"): Printer(
        (
            NAME,
            Column("Schedule"),
            Column("Timezone"),
            Column("Suspend", "boolean"),
            Column("Active", "integer"),
            Column("Last Schedule"),
            AGE,
            *_WIDE,
        ),
        _cron_job,
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Printer(
        (
            NAME,
            Column("Reference"),
            Column("Targets"),
            Column("MinPods"),
            Column("MaxPods"),
            Column("Replicas"),
            AGE,
        ),
        _autoscaler,
    ),
}
