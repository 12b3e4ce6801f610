"""Jobs and CronJobs: numbers, selectors that the server makes, schedules, and what stays once it is said."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.builtin import pods
from pilotage.store.schema.builtin.schedules import schedule_fault
from pilotage.store.schema.builtin.values import (
    Problems,
    immutable,
    is_selected,
    listed,
    non_negative,
    selector,
)

__all__ = ["cron_job", "cron_job_change", "job", "job_change"]

_Object = Mapping[str, Any]
_UID_LABEL = "batch.kubernetes.io/controller-uid"
_NUMBERS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
)
_LONGEST_CRON_JOB = 52
"""A Job's name has 63 characters; the controller adds eleven."""
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")


def job(value: _Object) -> Problems:
    spec = value["spec"]
    if not spec.get("manualSelector"):
        yield from _generated(value)
    yield from _spec("spec", spec)
    wanted = (spec["template"].get("metadata") or {}).get("labels") or {}
    chosen = spec.get("selector")
    yield from selector("spec.selector", chosen)
    if chosen is None:
        yield problems.required("spec.selector")
    if chosen is None or not is_selected(chosen, wanted):
        yield problems.invalid(
            "spec.template.metadata.labels", wanted or None, "`selector` does not match template `labels`"
        )


def _generated(value: _Object) -> Problems:
    """A selector that nobody made by hand is the server's: it selects by the uid of the Job."""
    chosen = value["spec"].get("selector") or {}
    if chosen.get("matchLabels") != {_UID_LABEL: value["metadata"].get("uid", "")} or chosen.get(
        "matchExpressions"
    ):
        yield problems.invalid("spec.selector", chosen, "`selector` not auto-generated")


def job_change(value: _Object, old: _Object) -> Problems:
    # A changed Job is judged as a new one and as a change, and its spec by both.
    yield from job(value)
    yield from _spec("spec", value["spec"])
    new, before = value["spec"], old["spec"]
    if new.get("completionMode") != "Indexed":
        yield from immutable("spec.completions", new.get("completions"), before.get("completions"))
    elif new.get("completions") not in {before.get("completions"), new.get("parallelism")}:
        yield problems.invalid(
            "spec.completions", new.get("completions"), "can only be modified in tandem with spec.parallelism"
        )
    yield from immutable("spec.selector", new.get("selector"), before.get("selector"))
    if not before.get("suspend") or _template(new) != _template(before):
        yield from immutable("spec.template", new["template"], before["template"])
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        yield from immutable(f"spec.{field}", new.get(field), before.get(field))


def _template(spec: _Object) -> Any:
    """What of the template stays even while a Job is suspended: all but where its pods go."""
    template = spec["template"]
    free = {"nodeSelector", "tolerations", "schedulingGates", "affinity"}
    return {name: child for name, child in template["spec"].items() if name not in free}


def _spec(path: str, spec: _Object) -> Problems:
    for field in _NUMBERS:
        yield from non_negative(f"{path}.{field}", spec.get(field))
    mode = spec.get("completionMode")
    if mode is not None and mode not in {"NonIndexed", "Indexed"}:
        yield problems.not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed" and "completions" not in spec:
        yield problems.required(f"{path}.completions", "when completion mode is Indexed")
    if mode in {None, "NonIndexed"}:
        for field in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
            if field in spec:
                yield problems.invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    replaced = ("Failed",) if "podFailurePolicy" in spec else ("Failed", "TerminatingOrFailed")
    yield from listed(
        f"{path}.podReplacementPolicy", spec.get("podReplacementPolicy"), replaced, is_required=False
    )
    yield from pods.template(f"{path}.template", spec["template"])
    place, policy = f"{path}.template.spec.restartPolicy", spec["template"]["spec"].get("restartPolicy")
    if policy in {None, "", "Always"}:
        yield problems.required(place, 'valid values: "OnFailure", "Never"')
    elif policy not in {"OnFailure", "Never"}:
        yield problems.not_supported(place, policy, ("OnFailure", "Never"))


def cron_job(value: _Object) -> Problems:
    yield from _cron_spec(value["spec"], None)
    name = value["metadata"].get("name", "")
    if len(name) > _LONGEST_CRON_JOB:
        yield problems.invalid("metadata.name", name, f"must be no more than {_LONGEST_CRON_JOB} characters")


def cron_job_change(value: _Object, old: _Object) -> Problems:
    return _cron_spec(value["spec"], old["spec"])


def _cron_spec(spec: _Object, old: _Object | None) -> Problems:
    schedule, zone = spec.get("schedule", ""), spec.get("timeZone")
    if not schedule:
        yield problems.required("spec.schedule")
    else:
        yield from _schedule(
            schedule, zone, may_have_zone=old is not None and "TZ" in old.get("schedule", "")
        )
    yield from non_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None and (old is None or old.get("timeZone") != zone):
        yield from _zone("spec.timeZone", zone)
    yield from listed("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    below = spec["jobTemplate"]["spec"]
    yield from _spec("spec.jobTemplate.spec", below)
    if "selector" in below:
        yield problems.invalid(
            "spec.jobTemplate.spec.selector", below["selector"], "`selector` will be auto-generated"
        )
    if below.get("manualSelector"):
        yield problems.not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"))
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from non_negative(f"spec.{field}", spec.get(field))


def _schedule(schedule: str, zone: str | None, *, may_have_zone: bool) -> Problems:
    fault = schedule_fault(schedule)
    if fault:
        yield problems.invalid("spec.schedule", schedule, fault)
    if "TZ" in schedule and may_have_zone and zone is not None:
        yield problems.invalid(
            "spec.schedule", schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        )
    elif "TZ" in schedule and not may_have_zone:
        yield problems.invalid(
            "spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        )


def _zone(path: str, zone: str) -> Problems:
    if not zone:
        yield problems.invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    for part in zone.split("/"):
        if part in {".", ".."} or part.startswith("-") or not _ZONE_PART.fullmatch(part):
            yield problems.invalid(path, zone, f"unknown time zone {zone}")
            return
    if zone.lower() == "local":
        yield problems.invalid(
            path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
    try:
        zoneinfo.ZoneInfo(zone)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        yield problems.invalid(path, zone, f"unknown time zone {zone}")
