"""CronJobs: one trigger for each schedule, one stale check each hour for each chat.

Platforms with the same schedule share a trigger, which finds them by label and goes through them one by one. A trigger that fails is
not started again by Kubernetes (`backoffLimit: 0`): it would label the Snapshot a second time; the next person or the next night does
it, and both are safe. The time zone is written down, because without it the clock of whoever runs the control plane counts.
"""

from __future__ import annotations

from typing import Any, Final

from pilotage.api.gate import SecretKeyReference
from pilotage.api.meta import Kind, ObjectKey
from pilotage.gate.konflux.names import stale_cronjob, trigger_cronjob
from pilotage.gate.konflux.pipeline import CONTAINER_SECURITY, RESOURCES
from pilotage.gate.konflux.steps import STALE, TRIGGER
from pilotage.gate.konflux.target import Pins, manifest
from pilotage.gate.ticks.schedule import parse

__all__ = ["CRON_JOB", "stale_check", "trigger"]

CRON_JOB: Final = Kind("batch", "v1", "CronJob", "cronjobs")
_HOURLY: Final = "0 * * * *"
_STARTING_DEADLINE: Final = 7200
_STALE_DEADLINE: Final = 1800
_KEPT: Final = 604800  # seconds: a week
_TIME_LIMIT: Final = 7200


def trigger(namespace: str, cron: str, zone: str, pins: Pins) -> dict[str, Any]:
    """The trigger of all platforms with this schedule. Raises InputError `BadSchedule`, `BadTimeZone`."""
    schedule = parse(cron, zone)
    arguments = ["gate", "step", "trigger", "--schedule", cron, "--time-zone", zone]
    return _cron_job(
        ObjectKey(namespace, trigger_cronjob(cron, zone)),
        schedule.cron,
        zone,
        _STARTING_DEADLINE,
        _pod(TRIGGER, arguments, pins),
    )


def stale_check(namespace: str, secret: SecretKeyReference, pins: Pins) -> dict[str, Any]:
    """Tells when a platform was not promoted for too long, or when its trigger did not run at all."""
    arguments = ["gate", "step", "stale-check", "--slack-secret", f"{secret.name}/{secret.key}"]
    pod = _pod(STALE, arguments, pins)
    container = pod["containers"][0]
    container["env"].append({"name": "SLACK_FILE", "value": "/secrets/slack/url"})
    container["volumeMounts"].append({"name": "slack", "mountPath": "/secrets/slack", "readOnly": True})
    items = [{"key": secret.key, "path": "url"}]
    pod["volumes"].append({"name": "slack", "secret": {"secretName": secret.name, "items": items}})
    return _cron_job(ObjectKey(namespace, stale_cronjob(secret)), _HOURLY, "Etc/UTC", _STALE_DEADLINE, pod)


def _cron_job(
    key: ObjectKey, cron: str, zone: str, starting_deadline: int, pod: dict[str, Any]
) -> dict[str, Any]:
    return manifest(
        CRON_JOB,
        key,
        spec={
            "schedule": cron,
            "timeZone": zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": starting_deadline,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 7,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": _TIME_LIMIT,
                    "ttlSecondsAfterFinished": _KEPT,
                    "template": {"spec": pod},
                }
            },
        },
    )


def _pod(account: str, arguments: list[str], pins: Pins) -> dict[str, Any]:
    """The Job's name tells the slot, and its UID names a trigger by hand."""
    labels = {
        "GATE_JOB_NAME": "batch.kubernetes.io/job-name",
        "GATE_JOB_UID": "batch.kubernetes.io/controller-uid",
    }
    environment: list[dict[str, Any]] = [
        {"name": "HOME", "value": "/tmp"},  # noqa: S108 -- the pod's own, an emptyDir
        {"name": "GATE_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
    ]
    environment += [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{label}']"}}}
        for name, label in labels.items()
    ]
    return {
        "serviceAccountName": account,
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "gate",
                "image": pins.image,
                "command": ["pilotage"],
                "args": arguments,
                "env": environment,
                "securityContext": {**CONTAINER_SECURITY, "readOnlyRootFilesystem": True},
                "resources": RESOURCES,
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 -- as above
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}],
    }
