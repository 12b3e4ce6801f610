"""How the places of an object merge in a server-side apply: from its schema, or for built-in kinds from a table.

The table holds what the OpenAPI documents of Kubernetes 1.36 say with `x-kubernetes-list-type`, `-list-map-keys` and
`-map-type`; what it does not name is a map that merges field by field, or a list that is one value.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from pilotage.store.schema.compiled import UNKNOWN, Node
from pilotage.store.schema.places import METADATA, ListType, Place, grow

__all__ = ["CustomShape", "built_in_shape"]


class CustomShape(msgspec.Struct, frozen=True):
    """The root of a custom resource: its schema, with metadata as all objects have it."""

    schema: Node

    atomic_map: bool = False
    list_type: ListType = "atomic"
    list_keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, object] = {}

    def field(self, name: str) -> Node | Place:
        return METADATA if name == "metadata" else self.schema.field(name)

    def item(self) -> Node:
        return UNKNOWN


_Table = dict[str, str]


def _under(prefix: str, *tables: _Table) -> _Table:
    return {f"{prefix}.{path}": what for table in tables for path, what in table.items()}


_META: _Table = {"finalizers": "set", "ownerReferences": "uid", "ownerReferences[]": "atomic"}
_CONDITIONS: _Table = {"status.conditions": "type"}
_CONTAINER: _Table = {
    "env": "name",
    "env[].valueFrom.configMapKeyRef": "atomic",
    "env[].valueFrom.fieldRef": "atomic",
    "env[].valueFrom.fileKeyRef": "atomic",
    "env[].valueFrom.resourceFieldRef": "atomic",
    "env[].valueFrom.secretKeyRef": "atomic",
    "ports": "containerPort=0 protocol=TCP",
    "resources.claims": "name",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
}
_VOLUME_SECRETS: _Table = dict.fromkeys(
    (
        "cephfs.secretRef",
        "cinder.secretRef",
        "flexVolume.secretRef",
        "iscsi.secretRef",
        "rbd.secretRef",
        "scaleIO.secretRef",
        "storageos.secretRef",
    ),
    "atomic",
)
_CLAIM_SPEC: _Table = {"dataSource": "atomic", "selector": "atomic"}
_POD_SPEC: _Table = {
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution": "atomic",
    "containers": "name",
    **_under("containers[]", _CONTAINER),
    "ephemeralContainers": "name",
    **_under("ephemeralContainers[]", _CONTAINER),
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "imagePullSecrets[]": "atomic",
    "initContainers": "name",
    **_under("initContainers[]", _CONTAINER),
    "nodeSelector": "atomic",
    "resourceClaims": "name",
    "resources.claims": "name",
    "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey whenUnsatisfiable",
    "topologySpreadConstraints[].labelSelector": "atomic",
    "volumes": "name",
    **_under("volumes[]", _VOLUME_SECRETS, {"csi.nodePublishSecretRef": "atomic"}),
    **_under(
        "volumes[].ephemeral.volumeClaimTemplate", _under("metadata", _META), _under("spec", _CLAIM_SPEC)
    ),
}
_TEMPLATE: _Table = {**_under("metadata", _META), **_under("spec", _POD_SPEC)}
_WORKLOAD: _Table = {"spec.selector": "atomic", **_under("spec.template", _TEMPLATE), **_CONDITIONS}
_JOB_SPEC: _Table = {"selector": "atomic", **_under("template", _TEMPLATE)}
_PERSISTENT_VOLUME: _Table = {
    **_VOLUME_SECRETS,
    "csi.controllerExpandSecretRef": "atomic",
    "csi.controllerPublishSecretRef": "atomic",
    "csi.nodeExpandSecretRef": "atomic",
    "csi.nodePublishSecretRef": "atomic",
    "csi.nodeStageSecretRef": "atomic",
    "nodeAffinity.required": "atomic",
}
_BACKEND: _Table = {"resource": "atomic", "service.port": "atomic"}
_WEBHOOKS: _Table = {
    "webhooks": "name",
    "webhooks[].matchConditions": "name",
    "webhooks[].namespaceSelector": "atomic",
    "webhooks[].objectSelector": "atomic",
}

_TABLES: Mapping[tuple[str, str], _Table] = {
    ("", "Event"): {"involvedObject": "atomic", "related": "atomic"},
    ("", "Namespace"): _CONDITIONS,
    ("", "Node"): {"spec.podCIDRs": "set", "status.addresses": "type", **_CONDITIONS},
    ("", "PersistentVolume"): _under("spec", _PERSISTENT_VOLUME),
    ("", "PersistentVolumeClaim"): {**_under("spec", _CLAIM_SPEC), **_CONDITIONS},
    ("", "Pod"): {
        **_under("spec", _POD_SPEC),
        "status.podIPs": "ip",
        "status.resourceClaimStatuses": "name",
        "status.resources.claims": "name",
        **_CONDITIONS,
    },
    ("", "PodTemplate"): _under("template", _TEMPLATE),
    ("", "ReplicationController"): _WORKLOAD,
    ("", "ResourceQuota"): {"spec.scopeSelector": "atomic"},
    ("", "Service"): {"spec.ports": "port=0 protocol=TCP", "spec.selector": "atomic", **_CONDITIONS},
    ("", "ServiceAccount"): {"secrets": "name", "secrets[]": "atomic"},
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _WEBHOOKS,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _WEBHOOKS,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _CONDITIONS,
    ("apiregistration.k8s.io", "APIService"): _CONDITIONS,
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "ReplicaSet"): _WORKLOAD,
    ("apps", "StatefulSet"): _WORKLOAD,
    ("autoscaling", "HorizontalPodAutoscaler"): _CONDITIONS,
    ("batch", "CronJob"): _under("spec.jobTemplate", _under("metadata", _META), _under("spec", _JOB_SPEC)),
    ("batch", "Job"): {
        **_under("spec", _JOB_SPEC),
        "status.uncountedTerminatedPods.failed": "set",
        "status.uncountedTerminatedPods.succeeded": "set",
    },
    ("networking.k8s.io", "Ingress"): _under("spec.defaultBackend", _BACKEND),
    ("networking.k8s.io", "NetworkPolicy"): {"spec.podSelector": "atomic"},
    ("policy", "PodDisruptionBudget"): {"spec.selector": "atomic", **_CONDITIONS},
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): {"roleRef": "atomic"},
    ("rbac.authorization.k8s.io", "RoleBinding"): {"roleRef": "atomic"},
    ("storage.k8s.io", "CSIDriver"): {"spec.volumeLifecycleModes": "set"},
    ("storage.k8s.io", "VolumeAttachment"): _under("spec.source.inlineVolumeSpec", _PERSISTENT_VOLUME),
}


@lru_cache(maxsize=256)
def built_in_shape(group: str, kind: str) -> Place:
    """The shape of a built-in kind; of any other kind what all objects have in common."""
    return grow({**_under("metadata", _META), **_TABLES.get((group, kind), {})})
