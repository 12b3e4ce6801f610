"""The pipeline that Tekton runs for every platform, and the PipelineRun that integration-service makes of it.

Four tasks in a row and one at the end, each a single container with our image by digest: nothing is cloned while it runs, and there is
no volume to wait for. What differs between platforms comes as parameters, so both files are the same for all of them.

The last task runs also when the first one failed. It is bound to no result of another task, because Tekton skips a final task whose
binding cannot be resolved. Each task has the account that it needs and no other; a Secret is mounted where it is used.
"""

from __future__ import annotations

from typing import Any, Final

from pilotage.api.konflux import PIPELINE_RUN, SNAPSHOT_LABEL
from pilotage.api.meta import Kind
from pilotage.gate.konflux.names import GANGWAY_SECRET, PIPELINE
from pilotage.gate.konflux.scenario import PIPELINE_FILE, TIMEOUTS
from pilotage.gate.konflux.steps import ALIASES, NOTIFY, PARAMETERS, STEPS, Parameter, Step, variable
from pilotage.gate.konflux.target import Pins

__all__ = ["CONTAINER_SECURITY", "RESOURCES", "pipeline", "pipeline_run"]

_PIPELINE: Final = Kind("tekton.dev", "v1", "Pipeline", "pipelines")
CONTAINER_SECURITY: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESOURCES: Final = {
    "requests": {"cpu": "50m", "memory": "128Mi"},
    "limits": {"memory": "512Mi"},
}


def pipeline(pins: Pins) -> dict[str, Any]:
    """For every platform."""
    before: Step | None = None
    tasks = []
    for step in STEPS:
        tasks.append(_task(step, pins, after=before))
        before = step
    return {
        "apiVersion": _PIPELINE.api_version,
        "kind": _PIPELINE.kind,
        "metadata": {"name": PIPELINE},
        "spec": {
            "description": "Verify one image for one platform, and promote it when every required job passed.",
            "params": [_declared(each) for each in (*PARAMETERS, *ALIASES)],
            "tasks": tasks,
            "finally": [_task(NOTIFY, pins, more={"status": "$(tasks.status)"})],
        },
    }


def pipeline_run(pins: Pins) -> dict[str, Any]:
    """The template: integration-service adds name, parameters and labels."""
    source = {"url": pins.url, "revision": pins.revision, "pathInRepo": PIPELINE_FILE}
    return {
        "apiVersion": PIPELINE_RUN.api_version,
        "kind": PIPELINE_RUN.kind,
        "metadata": {"name": f"{PIPELINE}-run"},
        "spec": {
            "pipelineRef": {
                "resolver": "git",
                "params": [{"name": name, "value": value} for name, value in source.items()],
            },
            "timeouts": dict(TIMEOUTS),
            "taskRunSpecs": [
                {"pipelineTaskName": step.name, "serviceAccountName": step.account}
                for step in (*STEPS, NOTIFY)
            ],
        },
    }


def _declared(parameter: Parameter) -> dict[str, Any]:
    declared = {"name": parameter.name, "type": "string", "description": parameter.description}
    return declared if parameter.default is None else declared | {"default": parameter.default}


def _task(
    step: Step, pins: Pins, *, after: Step | None = None, more: dict[str, str] | None = None
) -> dict[str, Any]:
    bound = {name: f"$(params.{name})" for name in step.parameters}
    for name, source in step.inputs:
        earlier, _, result = source.partition(".")
        bound[name] = f"$(tasks.{earlier}.results.{result})"
    bound |= more or {}
    if step.credential == "slack":
        bound |= {name: f"$(params.{name})" for name in ("slack-secret", "slack-key")}
    task_spec: dict[str, Any] = {
        "params": [{"name": name, "type": "string"} for name in bound],
        "steps": [_container(step, pins, tuple(bound))],
    }
    if step.results:
        task_spec["results"] = [
            {"name": name, "type": "string", "description": text} for name, text in step.results
        ]
    if step.credential:
        task_spec["volumes"] = [_volume(step.credential)]
    task: dict[str, Any] = {
        "name": step.name,
        "params": [{"name": name, "value": value} for name, value in bound.items()],
        "timeout": step.timeout,
        "taskSpec": task_spec,
    }
    return task | ({"runAfter": [after.name]} if after else {})


def _container(step: Step, pins: Pins, given: tuple[str, ...]) -> dict[str, Any]:
    environment: list[dict[str, Any]] = [
        {"name": "HOME", "value": "/tekton/home"},
        {"name": "GATE_NAMESPACE", "value": "$(context.taskRun.namespace)"},
        {"name": "GATE_TIMEOUT", "value": step.timeout},
        {"name": "GATE_PIPELINE_RUN", "valueFrom": _label("tekton.dev/pipelineRun")},
        {"name": "GATE_SNAPSHOT_NAME", "valueFrom": _label(SNAPSHOT_LABEL)},
    ]
    environment += [{"name": variable("GATE", name), "value": f"$(params.{name})"} for name in given]
    environment += [
        {"name": variable("GATE_RESULT", name), "value": f"$(results.{name}.path)"}
        for name, _ in step.results
    ]
    container: dict[str, Any] = {
        "name": step.name,
        "image": pins.image,
        "command": ["pilotage"],
        "args": ["gate", "step", step.name],
        "env": environment,
        "securityContext": CONTAINER_SECURITY,
        "computeResources": RESOURCES,
    }
    if step.credential:
        folder = f"/secrets/{step.credential}"
        name = f"{step.credential}_file".upper()
        key = GANGWAY_SECRET.key if step.credential == "gangway" else "url"
        environment.append({"name": name, "value": f"{folder}/{key}"})
        container["volumeMounts"] = [{"name": step.credential, "mountPath": folder, "readOnly": True}]
    return container


def _label(name: str) -> dict[str, Any]:
    """The pod of a task carries the labels of its PipelineRun."""
    return {"fieldRef": {"fieldPath": f"metadata.labels['{name}']"}}


def _volume(credential: str) -> dict[str, Any]:
    if credential == "gangway":
        secret, key, path = GANGWAY_SECRET.name, GANGWAY_SECRET.key, GANGWAY_SECRET.key
    else:
        # Only the name is a parameter, never what is in it.
        secret, key, path = "$(params.slack-secret)", "$(params.slack-key)", "url"
    return {"name": credential, "secret": {"secretName": secret, "items": [{"key": key, "path": path}]}}
