"""Which check belongs to which kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pilotage.store.schema.builtin import (
    cluster,
    config,
    jobs,
    pods,
    roles,
    services,
    webhooks,
    workloads,
)
from pilotage.store.schema.problems import Problem

__all__ = ["change_problems", "new_problems"]

_Object = Mapping[str, Any]


class _Checks(msgspec.Struct, frozen=True):
    """`of_change` is None when a changed object is judged as a new one."""

    of_new: Callable[[_Object], Iterable[Problem]]
    of_change: Callable[[_Object, _Object], Iterable[Problem]] | None = None


_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"

_CHECKS: Mapping[str, _Checks] = {
    "/ConfigMap": _Checks(config.config_map, config.config_map_change),
    "/Event": _Checks(cluster.event, cluster.event_change),
    "/Node": _Checks(cluster.node, cluster.node_change),
    "/Pod": _Checks(pods.pod, pods.pod_change),
    "/ReplicationController": _Checks(workloads.replication_controller),
    "/Secret": _Checks(config.secret, config.secret_change),
    "/Service": _Checks(services.service, services.service_change),
    "apps/DaemonSet": _Checks(workloads.daemon_set, workloads.daemon_set_change),
    "apps/Deployment": _Checks(workloads.deployment, workloads.deployment_change),
    "apps/ReplicaSet": _Checks(workloads.replica_set, workloads.replica_set_change),
    "apps/StatefulSet": _Checks(workloads.stateful_set, workloads.stateful_set_change),
    "batch/CronJob": _Checks(jobs.cron_job, jobs.cron_job_change),
    "batch/Job": _Checks(jobs.job, jobs.job_change),
    "coordination.k8s.io/Lease": _Checks(cluster.lease),
    "apiregistration.k8s.io/APIService": _Checks(cluster.api_service),
    f"{_ADMISSION}/MutatingWebhookConfiguration": _Checks(webhooks.mutating),
    f"{_ADMISSION}/ValidatingAdmissionPolicy": _Checks(webhooks.policy),
    f"{_ADMISSION}/ValidatingAdmissionPolicyBinding": _Checks(webhooks.policy_binding),
    f"{_ADMISSION}/ValidatingWebhookConfiguration": _Checks(webhooks.validating),
    f"{_RBAC}/ClusterRole": _Checks(roles.cluster_role),
    f"{_RBAC}/ClusterRoleBinding": _Checks(roles.cluster_role_binding, roles.cluster_role_binding_change),
    f"{_RBAC}/Role": _Checks(roles.role),
    f"{_RBAC}/RoleBinding": _Checks(roles.role_binding, roles.role_binding_change),
}


def new_problems(type_: str, value: _Object) -> list[Problem]:
    """What is wrong with a new object of a built-in kind (`apps/Deployment`), its metadata aside."""
    checks = _CHECKS.get(type_)
    return [] if checks is None else list(checks.of_new(value))


def change_problems(type_: str, value: _Object, old: _Object) -> list[Problem]:
    """What is wrong with a changed one."""
    checks = _CHECKS.get(type_)
    if checks is None:
        return []
    return list(checks.of_new(value) if checks.of_change is None else checks.of_change(value, old))
