"""The kinds that every Kubernetes API server serves, as its discovery tells of them.

What their fields are, `schema.builtintypes` knows; what they must satisfy, `schema.builtin`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from pilotage.api.meta import Kind

__all__ = ["BUILT_IN", "Builtin", "field_paths"]


class Builtin(msgspec.Struct, frozen=True):
    """`creates_on_update`: a replace of what is not there creates it. `deletes_many` is false where all cannot be deleted at once.
    `is_versioned`: objects are told in the version asked for, not as they are kept.
    """

    kind: Kind
    singular: str
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    creates_on_update: bool = False
    deletes_many: bool = True
    is_versioned: bool = False


_ALL = ("all",)
_EXTENSIONS = ("api-extensions",)
_STATUS = ("status",)
_SCALED = ("status", "scale")
_RBAC = "rbac.authorization.k8s.io"
_STORAGE = "storage.k8s.io"
_NETWORK = "networking.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"

_CREATES_ON_UPDATE = frozenset(
    {
        "Endpoints",
        "Event",
        "LimitRange",
        "Lease",
        "PodTemplate",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "Service",
    }
)

# group/version, kind, plural, short names; then whether cluster-scoped, categories, subresources
_NAMESPACED: tuple[tuple[str, str, str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("v1", "ConfigMap", "configmaps", "cm", (), ()),
    ("v1", "Endpoints", "endpoints", "ep", (), ()),
    ("v1", "Event", "events", "ev", (), ()),
    ("v1", "LimitRange", "limitranges", "limits", (), ()),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", (), _STATUS),
    ("v1", "Pod", "pods", "po", _ALL, _STATUS),
    ("v1", "PodTemplate", "podtemplates", "", (), ()),
    ("v1", "ReplicationController", "replicationcontrollers", "rc", _ALL, _SCALED),
    ("v1", "ResourceQuota", "resourcequotas", "quota", (), _STATUS),
    ("v1", "Secret", "secrets", "", (), ()),
    ("v1", "Service", "services", "svc", _ALL, _STATUS),
    ("v1", "ServiceAccount", "serviceaccounts", "sa", (), ()),
    ("apps/v1", "ControllerRevision", "controllerrevisions", "", (), ()),
    ("apps/v1", "DaemonSet", "daemonsets", "ds", _ALL, _STATUS),
    ("apps/v1", "Deployment", "deployments", "deploy", _ALL, _SCALED),
    ("apps/v1", "ReplicaSet", "replicasets", "rs", _ALL, _SCALED),
    ("apps/v1", "StatefulSet", "statefulsets", "sts", _ALL, _SCALED),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", _ALL, _STATUS),
    ("batch/v1", "CronJob", "cronjobs", "cj", _ALL, _STATUS),
    ("batch/v1", "Job", "jobs", "", _ALL, _STATUS),
    ("coordination.k8s.io/v1", "Lease", "leases", "", (), ()),
    ("events.k8s.io/v1", "Event", "events", "ev", (), ()),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", "", (), ()),
    (f"{_NETWORK}/v1", "Ingress", "ingresses", "ing", (), _STATUS),
    (f"{_NETWORK}/v1", "NetworkPolicy", "networkpolicies", "netpol", (), ()),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", (), _STATUS),
    (f"{_RBAC}/v1", "Role", "roles", "", (), ()),
    (f"{_RBAC}/v1", "RoleBinding", "rolebindings", "", (), ()),
)
_CLUSTER: tuple[tuple[str, str, str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("v1", "Namespace", "namespaces", "ns", (), ("status", "finalize")),
    ("v1", "Node", "nodes", "no", (), _STATUS),
    ("v1", "PersistentVolume", "persistentvolumes", "pv", (), _STATUS),
    (
        f"{_ADMISSION}/v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "",
        _EXTENSIONS,
        (),
    ),
    (
        f"{_ADMISSION}/v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        "",
        _EXTENSIONS,
        _STATUS,
    ),
    (
        f"{_ADMISSION}/v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        "",
        _EXTENSIONS,
        (),
    ),
    (
        f"{_ADMISSION}/v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "",
        _EXTENSIONS,
        (),
    ),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd,crds",
        _EXTENSIONS,
        _STATUS,
    ),
    ("apiregistration.k8s.io/v1", "APIService", "apiservices", "", _EXTENSIONS, _STATUS),
    (
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        "csr",
        (),
        _STATUS,
    ),
    (f"{_NETWORK}/v1", "IngressClass", "ingressclasses", "", (), ()),
    ("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", "", (), ()),
    (f"{_RBAC}/v1", "ClusterRole", "clusterroles", "", (), ()),
    (f"{_RBAC}/v1", "ClusterRoleBinding", "clusterrolebindings", "", (), ()),
    ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc", (), ()),
    (f"{_STORAGE}/v1", "CSIDriver", "csidrivers", "", (), ()),
    (f"{_STORAGE}/v1", "CSINode", "csinodes", "", (), ()),
    (f"{_STORAGE}/v1", "StorageClass", "storageclasses", "sc", (), ()),
    (f"{_STORAGE}/v1", "VolumeAttachment", "volumeattachments", "", (), _STATUS),
)


def _kinds() -> Iterator[Builtin]:
    for namespaced, rows in ((True, _NAMESPACED), (False, _CLUSTER)):
        for api_version, kind, plural, short, categories, subresources in rows:
            group, _, version = api_version.rpartition("/")
            yield Builtin(
                Kind(group, version, kind, plural, namespaced, tuple(filter(None, short.split(",")))),
                kind.lower(),
                categories,
                subresources,
                creates_on_update=kind in _CREATES_ON_UPDATE,
                deletes_many=kind != "Namespace",
                is_versioned=kind == "Event",
            )


BUILT_IN: Mapping[tuple[str, str], Builtin] = {
    (builtin.kind.group, builtin.kind.kind): builtin for builtin in _kinds()
}
"""By group and kind."""

_PATHS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Event"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("events.k8s.io", "Event"): (
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "regarding.apiVersion",
        "regarding.resourceVersion",
        "regarding.fieldPath",
        "reason",
        "reportingController",
        "type",
    ),
    ("", "Namespace"): ("status.phase",),
    ("", "Node"): ("spec.unschedulable",),
    ("", "Pod"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP", "spec.type"),
    ("", "ReplicationController"): ("status.replicas",),
    ("apps", "ReplicaSet"): ("status.replicas",),
    ("batch", "Job"): ("status.successful",),
    ("certificates.k8s.io", "CertificateSigningRequest"): ("spec.signerName",),
}


def field_paths(group: str, kind: str) -> tuple[str, ...]:
    """What field selectors may name besides name and namespace."""
    return _PATHS.get((group, kind), ())
