"""What of a HostedCluster counts for the choice of its image.

A manifest may come from a cluster, a dump or a hand-written file, so every field may be missing or of another type. A
fault belongs to its cluster alone and is reported with the path of the field. Fields that the winning rule never looks
at are read leniently: an annotation decides also where the rest of the object is broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.hypershift import CPO_IMAGE_ANNOTATION, CPO_IMAGE_LABELS_ANNOTATION
from pilotage.api.pilotage import HOLD_UNTIL_ANNOTATION, IMAGE_SOURCE_ANNOTATION
from pilotage.controlplane import nodeproxy
from pilotage.controlplane.facts import ImageFacts

__all__ = ["HostedCluster", "read", "subject_of"]

_READ_ANNOTATIONS = (
    CPO_IMAGE_ANNOTATION,
    CPO_IMAGE_LABELS_ANNOTATION,
    IMAGE_SOURCE_ANNOTATION,
    HOLD_UNTIL_ANNOTATION,
)


class HostedCluster(msgspec.Struct, frozen=True):
    """`release_image` is the release of the control plane; `spec_fault` is what is wrong with the rest, or empty.

    `image_in_ignition` says whether a new image rolls the nodes.
    """

    namespace: str
    name: str
    uid: str = ""
    annotations: Mapping[str, str] = {}
    platform: str = ""
    release_image: str = ""
    pull_secret: str = ""
    image_in_ignition: bool = False
    managed_etcd: bool = True
    is_deleted: bool = False
    spec_fault: str = ""

    @property
    def subject(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def labels_annotation(self) -> str | None:
        return self.annotations.get(CPO_IMAGE_LABELS_ANNOTATION)

    def facts(self) -> ImageFacts:
        """What the object alone says; the caller adds the release, the operator image and the settings.

        Raises InputError `MalformedHostedCluster` when no annotation decides and the spec cannot be read.
        """
        annotation = self.annotations.get(CPO_IMAGE_ANNOTATION)
        if annotation is None and self.spec_fault:
            raise _malformed(self.subject, self.spec_fault)
        return ImageFacts(
            subject=self.subject,
            annotation=annotation,
            platform=self.platform,
            release_image=self.release_image,
            image_source=self.annotations.get(IMAGE_SOURCE_ANNOTATION),
            hold_until=self.annotations.get(HOLD_UNTIL_ANNOTATION),
        )


def read(value: Mapping[str, Any]) -> HostedCluster:
    """Read a manifest.

    Raises InputError `MalformedHostedCluster` naming cluster and field when it has no name or its annotations cannot
    be read.
    """
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        raise _malformed("HostedCluster", "metadata: expected a map")
    subject = subject_of(value)
    if not subject:
        raise _malformed("HostedCluster", "metadata: expected name and namespace as text")
    namespace, _, name = subject.partition("/")
    uid = metadata.get("uid")
    annotations = _annotations(metadata.get("annotations"), subject)
    cluster = HostedCluster(
        namespace,
        name,
        uid if isinstance(uid, str) else "",
        annotations,
        is_deleted=bool(metadata.get("deletionTimestamp")),
    )
    try:
        return _with_spec(cluster, value.get("spec"))
    except InputError as fault:
        return msgspec.structs.replace(cluster, spec_fault=fault.message)


def subject_of(value: Mapping[str, Any]) -> str:
    """`namespace/name`, as far as it can be read; empty when there is no name to call the cluster by."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    namespace, name = metadata.get("namespace") or "", metadata.get("name")
    readable = isinstance(name, str) and name and isinstance(namespace, str)
    return f"{namespace}/{name}" if readable else ""


def _annotations(value: Any, subject: str) -> Mapping[str, str]:
    """The annotations that we read; those of others may hold what they like."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed(subject, "metadata.annotations: expected a map")
    found = {key: value[key] for key in _READ_ANNOTATIONS if value.get(key) is not None}
    for key, text in found.items():
        if not isinstance(text, str):
            raise _malformed(subject, f"metadata.annotations[{key}]: expected text")
    return found


def _with_spec(cluster: HostedCluster, value: Any) -> HostedCluster:
    spec = _map(value, "spec")
    control_plane = _text(_map(spec.get("controlPlaneRelease"), "spec.controlPlaneRelease"), "image")
    return msgspec.structs.replace(
        cluster,
        platform=_text(_map(spec.get("platform"), "spec.platform"), "type"),
        release_image=control_plane or _text(_map(spec.get("release"), "spec.release"), "image"),
        pull_secret=_pull_secret(spec.get("pullSecret")),
        managed_etcd=_etcd_is_managed(spec.get("etcd")),
        image_in_ignition=nodeproxy.image_is_in_ignition(spec),
    )


def _pull_secret(value: Any) -> str:
    """The name, or empty: a cluster without a pull secret is judged as far as its images can be read anonymously."""
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def _etcd_is_managed(value: Any) -> bool:
    return not isinstance(value, dict) or value.get("managementType") != "Unmanaged"


def _map(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("MalformedHostedCluster", f"{where}: expected a map")
    return value


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError("MalformedHostedCluster", f"{key}: expected text")
    return value


def _malformed(subject: str, why: str) -> InputError:
    return InputError(
        "MalformedHostedCluster",
        f"{subject}: {why}",
        hint="correct the manifest; nothing was changed for this cluster",
    )
