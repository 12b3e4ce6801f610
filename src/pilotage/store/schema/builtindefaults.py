"""What the API server fills in where a manifest of a built-in kind says nothing.

`FILLED` holds the values that depend on nothing else, by Go struct (`core/v1.Container`) and field; `COMPUTED` what looks at
other fields. Both are applied to every value of their struct, wherever it stands, once it was read; the containers of
a CronJob are filled like those of a Pod. Follows `SetDefaults_…` in `k8s.io/kubernetes/pkg/apis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["defaults_of"]

_RBAC = "rbac.authorization.k8s.io"
_MODE = 0o644
_HOUR = 3600
_THREE_HOURS = 10800
_MAX_INT32 = 2**31 - 1

_RBD = {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"}
_SCALE_IO = {"fsType": "xfs", "storageMode": "ThinProvisioned"}
_ISCSI = {"iscsiInterface": "default"}
_MATCHING = {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
_WEBHOOK = {"failurePolicy": "Fail", **_MATCHING, "timeoutSeconds": 10}

FILLED: Mapping[str, Mapping[str, Any]] = {
    "admissionregistration/v1.MatchResources": _MATCHING,
    "admissionregistration/v1.MutatingWebhook": {**_WEBHOOK, "reinvocationPolicy": "Never"},
    "admissionregistration/v1.Rule": {"scope": "*"},
    "admissionregistration/v1.RuleWithOperations": {"scope": "*"},
    "admissionregistration/v1.NamedRuleWithOperations": {"scope": "*"},
    "admissionregistration/v1.ServiceReference": {"port": 443},
    "admissionregistration/v1.ValidatingAdmissionPolicySpec": {"failurePolicy": "Fail"},
    "admissionregistration/v1.ValidatingWebhook": _WEBHOOK,
    "apiregistration/v1.ServiceReference": {"port": 443},
    "apps/v1.DaemonSetSpec": {"revisionHistoryLimit": 10},
    "apps/v1.DaemonSetUpdateStrategy": {"type": "RollingUpdate"},
    "apps/v1.DeploymentSpec": {"progressDeadlineSeconds": 600, "replicas": 1, "revisionHistoryLimit": 10},
    "apps/v1.DeploymentStrategy": {"type": "RollingUpdate"},
    "apps/v1.ReplicaSetSpec": {"replicas": 1},
    "apps/v1.StatefulSetPersistentVolumeClaimRetentionPolicy": {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    },
    "apps/v1.StatefulSetSpec": {
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "podManagementPolicy": "OrderedReady",
        "replicas": 1,
        "revisionHistoryLimit": 10,
    },
    "batch/v1.CronJobSpec": {
        "concurrencyPolicy": "Allow",
        "failedJobsHistoryLimit": 1,
        "successfulJobsHistoryLimit": 3,
        "suspend": False,
    },
    "batch/v1.PodFailurePolicyOnPodConditionsPattern": {"status": "True"},
    "core/v1.AzureDiskVolumeSource": {
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "kind": "Shared",
        "readOnly": False,
    },
    "core/v1.ConfigMapVolumeSource": {"defaultMode": _MODE},
    "core/v1.ContainerPort": {"protocol": "TCP"},
    "core/v1.DownwardAPIVolumeSource": {"defaultMode": _MODE},
    "core/v1.EndpointPort": {"protocol": "TCP"},
    "core/v1.HTTPGetAction": {"path": "/", "scheme": "HTTP"},
    "core/v1.HostPathVolumeSource": {"type": ""},
    "core/v1.ISCSIPersistentVolumeSource": _ISCSI,
    "core/v1.ISCSIVolumeSource": _ISCSI,
    "core/v1.NamespaceStatus": {"phase": "Active"},
    "core/v1.ObjectFieldSelector": {"apiVersion": "v1"},
    "core/v1.PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    "core/v1.PersistentVolumeClaimStatus": {"phase": "Pending"},
    "core/v1.PersistentVolumeSpec": {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"},
    "core/v1.PersistentVolumeStatus": {"phase": "Pending"},
    "core/v1.PodSpec": {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    },
    "core/v1.Probe": {"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1},
    "core/v1.ProjectedVolumeSource": {"defaultMode": _MODE},
    "core/v1.RBDPersistentVolumeSource": _RBD,
    "core/v1.RBDVolumeSource": _RBD,
    "core/v1.ReplicationControllerSpec": {"replicas": 1},
    "core/v1.ScaleIOPersistentVolumeSource": _SCALE_IO,
    "core/v1.ScaleIOVolumeSource": _SCALE_IO,
    "core/v1.Secret": {"type": "Opaque"},
    "core/v1.SecretVolumeSource": {"defaultMode": _MODE},
    "core/v1.ServiceAccountTokenProjection": {"expirationSeconds": _HOUR},
    "core/v1.ServicePort": {"protocol": "TCP"},
    "core/v1.ServiceSpec": {"sessionAffinity": "None", "type": "ClusterIP"},
    "discovery/v1.EndpointPort": {"name": "", "protocol": "TCP"},
    "networking/v1.IngressClassParametersReference": {"scope": "Cluster"},
    "networking/v1.NetworkPolicyPort": {"protocol": "TCP"},
    "rbac/v1.RoleRef": {"apiGroup": _RBAC},
    "scheduling/v1.PriorityClass": {"preemptionPolicy": "PreemptLowerPriority"},
    "storage/v1.CSIDriverSpec": {
        "attachRequired": True,
        "fsGroupPolicy": "ReadWriteOnceWithFSType",
        "podInfoOnMount": False,
        "requiresRepublish": False,
        "seLinuxMount": False,
        "storageCapacity": False,
        "volumeLifecycleModes": ["Persistent"],
    },
    "storage/v1.StorageClass": {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
}


def defaults_of(struct: str) -> Callable[[dict[str, Any]], None] | None:
    """What fills a value of a Go struct in place; None for a struct without defaults. `struct` has its whole package path."""
    name = "/".join(struct.split("/")[-2:])
    filled, computed = FILLED.get(name), COMPUTED.get(name)
    if filled is None:
        return computed

    def fill(value: dict[str, Any]) -> None:
        for field, default in filled.items():
            # An empty text is there when its field is always written; numbers and booleans that are there were said.
            said = value.get(field)
            if said is None or said == "":
                value[field] = default.copy() if isinstance(default, dict | list) else default
        if computed is not None:
            computed(value)

    return fill


def _container(value: dict[str, Any]) -> None:
    if not value.get("imagePullPolicy"):
        value["imagePullPolicy"] = _pull_policy(value.get("image", ""))
    value.setdefault("terminationMessagePath", "/dev/termination-log")
    value.setdefault("terminationMessagePolicy", "File")


def _pull_policy(image: str) -> str:
    """A moving image is pulled always: one with the tag `latest`, said or meant, and no digest."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2] or "latest"
    return "Always" if tag == "latest" and image else "IfNotPresent"


_VOLUME_SOURCES = frozenset({"name"})


def _volume(value: dict[str, Any]) -> None:
    if not value.keys() - _VOLUME_SOURCES:
        value["emptyDir"] = {}
    image = value.get("image")
    if isinstance(image, dict) and not image.get("pullPolicy"):
        image["pullPolicy"] = _pull_policy(image.get("reference", ""))


def _pod(value: dict[str, Any]) -> None:
    spec = value["spec"]
    for container in (*(spec.get("containers") or ()), *spec.get("initContainers", ())):
        limits = container["resources"].get("limits")
        if limits:
            container["resources"]["requests"] = {**limits, **container["resources"].get("requests", {})}
        if spec.get("hostNetwork"):
            for port in container.get("ports", ()):
                if not port.get("hostPort"):
                    port["hostPort"] = port["containerPort"]
    spec.setdefault("enableServiceLinks", True)


def _service(value: dict[str, Any]) -> None:
    type_ = value["type"]
    if value["sessionAffinity"] == "None":
        value.pop("sessionAffinityConfig", None)
    elif value["sessionAffinity"] == "ClientIP":
        config = value.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        config.setdefault("timeoutSeconds", _THREE_HOURS)
    for port in value.get("ports", ()):
        if port.get("targetPort") in {0, "", None}:
            port["targetPort"] = port["port"]
    is_external = type_ in {"NodePort", "LoadBalancer"} or (type_ == "ClusterIP" and value.get("externalIPs"))
    if is_external and not value.get("externalTrafficPolicy"):
        value["externalTrafficPolicy"] = "Cluster"
    if type_ in {"NodePort", "LoadBalancer", "ClusterIP"}:
        value.setdefault("internalTrafficPolicy", "Cluster")
    if type_ == "LoadBalancer":
        value.setdefault("allocateLoadBalancerNodePorts", True)


def _node_spec(value: dict[str, Any]) -> None:
    if value.get("podCIDR") and value.get("podCIDRs", [""])[0] != value["podCIDR"]:
        value["podCIDRs"] = [value["podCIDR"]]


def _node_status(value: dict[str, Any]) -> None:
    if "capacity" in value:
        value.setdefault("allocatable", dict(value["capacity"]))


def _limits(value: dict[str, Any]) -> None:
    if value.get("type") != "Container":
        return
    default = {**value.get("max", {}), **value.get("default", {})}
    request = {**value.get("min", {}), **default, **value.get("defaultRequest", {})}
    value |= {name: filled for name, filled in (("default", default), ("defaultRequest", request)) if filled}


def _deployment_strategy(value: dict[str, Any]) -> None:
    if value["type"] == "RollingUpdate":
        rolling = value.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")


def _daemon_set_strategy(value: dict[str, Any]) -> None:
    if value["type"] == "RollingUpdate":
        rolling = value.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)


def _stateful_set_strategy(value: dict[str, Any]) -> None:
    if not value.get("type"):
        value["type"] = "RollingUpdate"
        value.setdefault("rollingUpdate", {})
    if value["type"] == "RollingUpdate" and "rollingUpdate" in value:
        value["rollingUpdate"].setdefault("partition", 0)


def _templated(value: dict[str, Any]) -> None:
    """A replication controller selects, and is labelled, as its template is, unless it says otherwise."""
    labels = (value["spec"].get("template") or {}).get("metadata", {}).get("labels")
    if labels:
        value["spec"].setdefault("selector", dict(labels))
        if not value["metadata"].get("labels"):
            value["metadata"]["labels"] = dict(labels)


def _job(value: dict[str, Any]) -> None:
    spec = value["spec"]
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _MAX_INT32 if "backoffLimitPerIndex" in spec else 6)
    labels = spec["template"]["metadata"].get("labels")
    if labels and not value["metadata"].get("labels"):
        value["metadata"]["labels"] = dict(labels)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")
    spec.setdefault("manualSelector", False)


def _subject(value: dict[str, Any]) -> None:
    if not value.get("apiGroup") and value.get("kind") in {"Group", "User"}:
        value["apiGroup"] = _RBAC


def _network_policy(value: dict[str, Any]) -> None:
    spec = value["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _autoscaler_spec(value: dict[str, Any]) -> None:
    value.setdefault("minReplicas", 1)
    if not value.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        value["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = value.get("behavior")
    if behavior is not None:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        up = {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent],
        }
        behavior["scaleUp"] = {**up, **behavior.get("scaleUp", {})}
        behavior["scaleDown"] = {
            "selectPolicy": "Max",
            "policies": [percent],
            **behavior.get("scaleDown", {}),
        }


def _stateful_set_spec(value: dict[str, Any]) -> None:
    for template in value.get("volumeClaimTemplates", ()):
        template |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}


COMPUTED: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "apps/v1.DaemonSetUpdateStrategy": _daemon_set_strategy,
    "apps/v1.DeploymentStrategy": _deployment_strategy,
    "apps/v1.StatefulSetSpec": _stateful_set_spec,
    "apps/v1.StatefulSetUpdateStrategy": _stateful_set_strategy,
    "autoscaling/v2.HorizontalPodAutoscalerSpec": _autoscaler_spec,
    "batch/v1.Job": _job,
    "core/v1.Container": _container,
    "core/v1.EphemeralContainer": _container,
    "core/v1.LimitRangeItem": _limits,
    "core/v1.NodeSpec": _node_spec,
    "core/v1.NodeStatus": _node_status,
    "core/v1.Pod": _pod,
    "core/v1.ReplicationController": _templated,
    "core/v1.ServiceSpec": _service,
    "core/v1.Volume": _volume,
    "networking/v1.NetworkPolicy": _network_policy,
    "rbac/v1.Subject": _subject,
}
