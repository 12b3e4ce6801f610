"""HostedCluster and NodePool (`hypershift.openshift.io/v1beta1`): the fields that decide about images.

The objects hold much more; that stays in their bytes. Follows openshift/hypershift `api/hypershift/v1beta1`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pilotage.api.meta import Condition, Kind, Meta

__all__ = [
    "CPO_IMAGE_ANNOTATION",
    "CPO_IMAGE_LABELS_ANNOTATION",
    "DISABLE_PKI_ANNOTATION",
    "GROUP",
    "HOSTED_CLUSTER",
    "IMAGE_OVERRIDES_ANNOTATION",
    "KINDS",
    "NODE_POOL",
    "POD_SECURITY_ANNOTATION",
    "RELEASE_IMAGE_ANNOTATION",
    "RESTART_DATE_ANNOTATION",
    "SCOPE_ANNOTATION",
    "SKIP_RELEASE_VALIDATION_ANNOTATION",
    "ClusterConfiguration",
    "HostedCluster",
    "HostedClusterSpec",
    "HostedClusterStatus",
    "ImageContentSource",
    "LocalReference",
    "NodePool",
    "NodePoolSpec",
    "NodePoolStatus",
    "Platform",
    "Proxy",
    "Release",
    "VersionHistory",
    "VersionStatus",
]

GROUP: Final = "hypershift.openshift.io"
HOSTED_CLUSTER: Final = Kind(GROUP, "v1beta1", "HostedCluster", "hostedclusters", short_names=("hc", "hcs"))
NODE_POOL: Final = Kind(GROUP, "v1beta1", "NodePool", "nodepools", short_names=("np", "nps"))
KINDS: Final = (HOSTED_CLUSTER, NODE_POOL)

CPO_IMAGE_ANNOTATION: Final = f"{GROUP}/control-plane-operator-image"
CPO_IMAGE_LABELS_ANNOTATION: Final = f"{GROUP}/control-plane-operator-image-labels"
IMAGE_OVERRIDES_ANNOTATION: Final = f"{GROUP}/image-overrides"
POD_SECURITY_ANNOTATION: Final = f"{GROUP}/pod-security-admission-label-override"
DISABLE_PKI_ANNOTATION: Final = f"{GROUP}/disable-pki-reconciliation"
RESTART_DATE_ANNOTATION: Final = f"{GROUP}/restart-date"
RELEASE_IMAGE_ANNOTATION: Final = f"{GROUP}/release-image"
SCOPE_ANNOTATION: Final = f"{GROUP}/scope"
SKIP_RELEASE_VALIDATION_ANNOTATION: Final = f"{GROUP}/skip-release-image-validation"


class Release(msgspec.Struct, frozen=True, rename="camel"):
    image: str = ""


class LocalReference(msgspec.Struct, frozen=True, rename="camel"):
    """A name in the same namespace."""

    name: str = ""


class Platform(msgspec.Struct, frozen=True, rename="camel"):
    """`type` is `AWS`, `Azure`, `KubeVirt`, `None`, `Agent`, `IBMCloud`, `PowerVS`, `OpenStack` or `GCP`."""

    type: str = ""


class Proxy(msgspec.Struct, frozen=True):
    """The API spells these with a lower-case first word (`httpProxy`, `noProxy`)."""

    http_proxy: str = msgspec.field(name="httpProxy", default="")
    https_proxy: str = msgspec.field(name="httpsProxy", default="")
    no_proxy: str = msgspec.field(name="noProxy", default="")


class ClusterConfiguration(msgspec.Struct, frozen=True, rename="camel"):
    proxy: Proxy | None = None


class ImageContentSource(msgspec.Struct, frozen=True, rename="camel"):
    """A mirror rule for the nodes of the hosted cluster, and only for them."""

    source: str = ""
    mirrors: tuple[str, ...] | None = None


class VersionHistory(msgspec.Struct, frozen=True, rename="camel"):
    """A release that was rolled out, newest first in the list; `state` is `Completed` or `Partial`."""

    state: str = ""
    version: str = ""
    image: str = ""


class VersionStatus(msgspec.Struct, frozen=True, rename="camel"):
    desired: VersionHistory | None = None
    history: tuple[VersionHistory, ...] | None = None


class HostedClusterSpec(msgspec.Struct, frozen=True, rename="camel"):
    release: Release | None = None
    control_plane_release: Release | None = None
    pull_secret: LocalReference | None = None
    platform: Platform | None = None
    configuration: ClusterConfiguration | None = None
    image_content_sources: tuple[ImageContentSource, ...] | None = None
    channel: str = ""
    paused_until: str | None = None


class HostedClusterStatus(msgspec.Struct, frozen=True, rename="camel"):
    version: VersionStatus | None = None
    control_plane_version: VersionStatus | None = None
    payload_arch: str = ""
    conditions: tuple[Condition, ...] | None = None


class HostedCluster(msgspec.Struct, frozen=True, rename="camel"):
    metadata: Meta = Meta()
    spec: HostedClusterSpec | None = None
    status: HostedClusterStatus | None = None

    @property
    def control_plane_release(self) -> str:
        """The release that decides about the control plane; empty when none is set."""
        if self.spec is None:
            return ""
        own = self.spec.control_plane_release
        common = self.spec.release
        return (own.image if own else "") or (common.image if common else "")

    @property
    def platform(self) -> str:
        return self.spec.platform.type if self.spec and self.spec.platform else ""

    @property
    def pull_secret(self) -> str:
        return self.spec.pull_secret.name if self.spec and self.spec.pull_secret else ""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return (self.status.conditions if self.status else None) or ()


class NodePoolSpec(msgspec.Struct, frozen=True, rename="camel"):
    """`replicas` is None where an autoscaler decides; `config` names ConfigMaps with node configuration."""

    cluster_name: str = ""
    release: Release | None = None
    arch: str = ""
    platform: Platform | None = None
    replicas: int | None = None
    auto_scaling: dict[str, Any] | None = None
    management: dict[str, Any] | None = None
    config: tuple[LocalReference, ...] | None = None
    paused_until: str | None = None


class NodePoolStatus(msgspec.Struct, frozen=True, rename="camel"):
    version: str = ""
    replicas: int = 0
    conditions: tuple[Condition, ...] | None = None


class NodePool(msgspec.Struct, frozen=True, rename="camel"):
    metadata: Meta = Meta()
    spec: NodePoolSpec | None = None
    status: NodePoolStatus | None = None

    @property
    def cluster(self) -> str:
        """The HostedCluster in the same namespace that the pool belongs to."""
        return self.spec.cluster_name if self.spec else ""

    @property
    def release(self) -> str:
        return self.spec.release.image if self.spec and self.spec.release else ""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return (self.status.conditions if self.status else None) or ()
