"""What a cluster needs so that `pilotage run` runs on it: an account with the least rights, and a Deployment.

Rights follow what is done, verb by verb. Where rights can be given for one name, they are. With
`watched` all rights on the fleet's objects are given in that namespace only. Pure: the manifests are values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pilotage.api.core import CONFIG_MAP, EVENT, LEASE, SECRET
from pilotage.api.errors import InputError
from pilotage.api.hypershift import HOSTED_CLUSTER
from pilotage.api.meta import Kind, ObjectKey
from pilotage.api.pilotage import CONTROL_PLANE_IMAGE, CONTROL_PLANE_SETTINGS
from pilotage.app.run import LEASE_NAME

__all__ = ["NAME", "DeploymentSettings", "manifests", "read_table"]

NAME = "pilotage"
_PORT = 8080
_USER = 65532  # nobody's; any other one works as well
_FOLLOW = ("get", "list", "watch")


class DeploymentSettings(msgspec.Struct, frozen=True):
    """`namespace` is where it runs, `watched` the only namespace with hosted clusters, empty for all.

    `table` is the ConfigMap with the override table, None for none. `registry_secret` names a Secret of type dockerconfigjson
    in `namespace`. Without `reads_pull_secrets` nothing may read the clusters' own pull secrets, and no Secret at all.
    """

    image: str
    namespace: str = NAME
    watched: str = ""
    replicas: int = 2
    table: ObjectKey | None = None
    registry_secret: str = ""
    reads_pull_secrets: bool = True


def read_table(text: str) -> ObjectKey | None:
    """`NAMESPACE/NAME`; None for an empty text. Raises InputError `InvalidOption`."""
    if not text:
        return None
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise InputError("InvalidOption", f'--overrides-table "{text}": write NAMESPACE/NAME')
    return ObjectKey(namespace, name)


def manifests(settings: DeploymentSettings) -> Iterator[dict[str, Any]]:
    """In an order in which they can be applied."""
    yield _object("v1", "Namespace", ObjectKey("", settings.namespace), labels={
        "pod-security.kubernetes.io/enforce": "restricted"})  # fmt: skip
    yield _object("v1", "ServiceAccount", ObjectKey(settings.namespace, NAME))
    yield from _granted(settings, "", NAME, _settings_rights())
    yield from _granted(settings, settings.watched, f"{NAME}-fleet", _fleet_rights(settings))
    yield from _granted(settings, settings.namespace, NAME, _lease_rights())
    if settings.table is not None:
        only_table = [_rule(CONFIG_MAP, _FOLLOW, names=(settings.table.name,))]
        yield from _granted(settings, settings.table.namespace, f"{NAME}-overrides", only_table)
    yield _deployment(settings)
    yield _object("v1", "Service", ObjectKey(settings.namespace, NAME), spec={
        "selector": _labels(),
        "ports": [{"name": "metrics", "port": _PORT, "targetPort": "http"}],
    })  # fmt: skip
    yield _object("policy/v1", "PodDisruptionBudget", ObjectKey(settings.namespace, NAME), spec={
        "maxUnavailable": 1,
        "selector": {"matchLabels": _labels()},
    })  # fmt: skip


def _settings_rights() -> list[dict[str, Any]]:
    """How to decide: one object of the whole cluster."""
    return [_rule(CONTROL_PLANE_SETTINGS, _FOLLOW)]


def _fleet_rights(settings: DeploymentSettings) -> list[dict[str, Any]]:
    """Clusters are read, and of them only the status is written; records are made; what happened is told."""
    rights = [
        _rule(HOSTED_CLUSTER, _FOLLOW),
        _rule(HOSTED_CLUSTER, ("patch",), "status"),
        _rule(CONTROL_PLANE_IMAGE, (*_FOLLOW, "create", "patch")),
        _rule(CONTROL_PLANE_IMAGE, ("patch",), "status"),
        _rule(EVENT, ("get", "create", "patch")),
    ]
    # By name, as the clusters name them; never listed.
    return [*rights, _rule(SECRET, ("get",))] if settings.reads_pull_secrets else rights


def _lease_rights() -> list[dict[str, Any]]:
    """A right to create cannot be limited to a name."""
    return [_rule(LEASE, ("create",)), _rule(LEASE, ("get", "patch"), names=(LEASE_NAME,))]


def _rule(
    kind: Kind, verbs: Sequence[str], subresource: str = "", names: Sequence[str] = ()
) -> dict[str, Any]:
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    rule: dict[str, Any] = {"apiGroups": [kind.group], "resources": [resource], "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


def _granted(
    settings: DeploymentSettings, namespace: str, name: str, rules: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """In one namespace, or everywhere for an empty one."""
    scope = "" if namespace else "Cluster"
    api_version = "rbac.authorization.k8s.io/v1"
    yield _object(api_version, f"{scope}Role", ObjectKey(namespace, name), rules=rules)
    yield _object(
        api_version,
        f"{scope}RoleBinding",
        ObjectKey(namespace, name),
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": f"{scope}Role", "name": name},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": settings.namespace}],
    )


def _deployment(settings: DeploymentSettings) -> dict[str, Any]:
    pod = {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _labels()},
            }
        ],
        "containers": [_container(settings)],
        "volumes": _volumes(settings),
    }
    return _object("apps/v1", "Deployment", ObjectKey(settings.namespace, NAME), spec={
        "replicas": settings.replicas,
        "selector": {"matchLabels": _labels()},
        "template": {"metadata": {"labels": _labels()}, "spec": pod},
    })  # fmt: skip


def _container(settings: DeploymentSettings) -> dict[str, Any]:
    arguments = ["run", "--listen", f":{_PORT}", "--log-format", "json"]
    if settings.watched:
        arguments += ["--namespace", settings.watched]
    if not settings.reads_pull_secrets:
        arguments.append("--own-credentials")
    environment = [
        {"name": "HOME", "value": "/cache"},
        {"name": "PILOTAGE_CACHE_DIR", "value": "/cache"},
    ]
    mounts: list[dict[str, Any]] = [{"name": "cache", "mountPath": "/cache"}]
    if settings.registry_secret:
        environment.append({"name": "REGISTRY_AUTH_FILE", "value": "/auth/.dockerconfigjson"})
        mounts.append({"name": "auth", "mountPath": "/auth", "readOnly": True})
    return {
        "name": NAME,
        "image": settings.image,
        "command": ["pilotage"],
        "args": arguments,
        "env": environment,
        "ports": [{"name": "http", "containerPort": _PORT}],
        "livenessProbe": {"httpGet": {"path": "/livez", "port": "http"}, "periodSeconds": 20, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 10},
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi", "ephemeral-storage": "256Mi"},
            "limits": {"memory": "512Mi", "ephemeral-storage": "4Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }  # fmt: skip


def _volumes(settings: DeploymentSettings) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "cache", "emptyDir": {"sizeLimit": "3Gi"}}]
    if settings.registry_secret:
        volumes.append({"name": "auth", "secret": {"secretName": settings.registry_secret}})
    return volumes


def _labels() -> dict[str, str]:
    return {"app.kubernetes.io/name": NAME}


def _object(
    api_version: str, kind: str, key: ObjectKey, *, labels: dict[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": key.name, "labels": _labels() | (labels or {})}
    if key.namespace:
        metadata["namespace"] = key.namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
