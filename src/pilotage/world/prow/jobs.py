"""What a job of the simulated Prow is at a moment: a pure function of when it began, its script and the time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from pilotage.gate.runs.jobkeys import IMAGE_ENV, prow_job_label
from pilotage.runtime.clock import rfc3339
from pilotage.world.prow.script import Script

__all__ = ["STATUSES", "Start", "State", "execution", "finished", "listed", "prowjob", "state_at"]

STATUSES: Final = {
    "JOB_EXECUTION_STATUS_UNSPECIFIED": 0, "TRIGGERED": 1, "PENDING": 2, "SUCCESS": 3, "FAILURE": 4, "ABORTED": 5,
    "ERROR": 6, "SCHEDULING": 7,
}  # fmt: skip


class Start(msgspec.Struct, frozen=True):
    """One execution as it was asked for. `number` counts how often the job was asked for with its digest, from 1."""

    id: str
    build: str
    job: str
    type: str
    at: datetime
    script: Script
    number: int
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    envs: Mapping[str, str] = {}

    @property
    def digest(self) -> str:
        """Of the image under test, empty when none was named."""
        return self.envs.get(IMAGE_ENV, "").partition("@")[2]


class State(msgspec.Struct, frozen=True):
    """`name` is the status; `is_scheduled` tells whether its page exists; `is_forgotten` whether it was collected."""

    name: str
    is_scheduled: bool
    completed: datetime | None
    is_forgotten: bool


def state_at(start: Start, now: datetime) -> State:
    script = start.script
    age = (now - start.at).total_seconds()
    forgotten = script.forgotten_after is not None and age >= script.forgotten_after
    begun = script.scheduling + script.triggered
    completed = None
    if age < script.scheduling:
        name = "SCHEDULING"
    elif age < begun:
        name = "TRIGGERED"
    elif script.ending == "hang" or age < begun + script.duration:
        name = "PENDING"
    else:
        name = script.ending.upper()
        completed = start.at + timedelta(seconds=begun + script.duration)
    return State(name, age >= begun, completed, forgotten)


def execution(start: Start, now: datetime, page: str) -> dict[str, Any]:
    """`JobExecution` as a get shows it."""
    state = state_at(start, now)
    value = listed(start, now) | {"job_url": page if state.is_scheduled else ""}
    value["create_time"] = rfc3339(start.at)
    if state.completed is not None:
        value["completion_time"] = rfc3339(state.completed)
    return value


def listed(start: Start, now: datetime) -> dict[str, Any]:
    """`JobExecution` as a list shows it: no labels, no times."""
    return {"id": start.id, "job_name": start.job, "job_type": start.type, "job_status": _said(start, now)}


def prowjob(start: Start, now: datetime, page: str) -> dict[str, Any]:
    """The ProwJob as deck shows it."""
    state = state_at(start, now)
    labels = {"created-by-prow": "true", "prow.k8s.io/job": prow_job_label(start.job)}
    return {
        "apiVersion": "prow.k8s.io/v1",
        "kind": "ProwJob",
        "metadata": {
            "name": start.id,
            "namespace": "ci",
            "creationTimestamp": rfc3339(start.at),
            "labels": labels | dict(start.labels),
            "annotations": {"prow.k8s.io/job": start.job} | dict(start.annotations),
        },
        "spec": {
            "type": start.type.lower(),
            "agent": "kubernetes",
            "job": start.job,
            "pod_spec": {
                "containers": [
                    {
                        "name": "test",
                        "env": [{"name": key, "value": text} for key, text in start.envs.items()],
                    }
                ]
            },
        },
        "status": {
            "startTime": rfc3339(start.at),
            "state": state.name.lower(),
            **({"url": page, "build_id": start.build} if state.is_scheduled else {}),
            **({"completionTime": rfc3339(state.completed)} if state.completed else {}),
        },
    }


def finished(start: Start, now: datetime) -> dict[str, Any] | None:
    """`finished.json`, None while the job runs or when it leaves nothing."""
    state = state_at(start, now)
    if state.completed is None or not start.script.leaves_artifacts:
        return None
    passed = state.name == "SUCCESS"
    return {
        "timestamp": int(state.completed.timestamp()),
        "passed": passed,
        "result": state.name,
        "metadata": {},
    }


def _said(start: Start, now: datetime) -> Any:
    name = state_at(start, now).name
    if name == "PENDING" and start.script.says is not None:
        return start.script.says
    return STATUSES[name] if start.script.uses_numbers else name
