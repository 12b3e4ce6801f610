"""What the chosen image says it can do: the labels that controllers read, and what each of them changes.

A controller of the management cluster never asks an image for its version; it looks for labels below
`io.openshift.hypershift.`. *Presence decides, the value does not.* Losing a label changes the hosted cluster (the
namespace drops to `privileged`, the node configuration is stored in another form), so an image that replaces another
must carry at least the labels of the image it replaces: the parity rule.

The annotation `hypershift.openshift.io/control-plane-operator-image-labels` states the labels instead, and then no
registry is asked at all. Follows openshift/hypershift `support/util/util.go` and `support/util/imagemetadata.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from pilotage.api.errors import InputError, RemoteError
from pilotage.api.hypershift import CPO_IMAGE_LABELS_ANNOTATION
from pilotage.decision.facts import Fact, Known, NotSeen
from pilotage.decision.findings import Finding, warning

__all__ = [
    "CAPABILITIES",
    "PREFIX",
    "RELEASE_OPERATOR_LABEL",
    "Capability",
    "ImageLabels",
    "LabelChange",
    "capabilities_of",
    "capability_warnings",
    "label_changes",
    "labels_of",
    "lost_labels",
    "parse_labels",
]

PREFIX = "io.openshift.hypershift."
RELEASE_OPERATOR_LABEL = "io.openshift.release.operator"
"""Makes release tooling scan an image for `/manifests`: the payload image carries it, the operator image must not."""


class Capability(msgspec.Struct, frozen=True):
    """One label (without its prefix), who reads it, and what differs with and without it.

    `reader` is empty when nobody reads the label any more. `on_operator_image` says whether the product image of the
    HyperShift Operator carries it today.
    """

    name: str
    reader: str
    when_present: str
    when_absent: str
    on_operator_image: bool = True

    @property
    def label(self) -> str:
        return PREFIX + self.name

    def effect(self, present: bool) -> str:
        return self.when_present if present else self.when_absent


CAPABILITIES: tuple[Capability, ...] = (
    Capability(
        "control-plane-operator-subcommands",
        "HostedCluster controller",
        "token minter, availability prober and SOCKS5 proxy run from the control plane operator image",
        "token minter, availability prober and SOCKS5 proxy run from the HyperShift Operator image",
    ),
    Capability(
        "control-plane-operator-skips-haproxy",
        "NodePool HAProxy",
        "the NodePool controller writes the API server proxy config and deletes ConfigMap ignition-config-apiserver-haproxy",
        "the control plane operator owns ConfigMap ignition-config-apiserver-haproxy; one more core ignition config is expected",
    ),
    Capability(
        "control-plane-operator-manages.decompress-decode-config",
        "NodePool token Secret",
        "node config is stored as gzip and base64",
        "node config is stored as gzip only",
    ),
    Capability(
        "control-plane-operator-creates-aws-sg",
        "NodePool on AWS",
        "machines use the default security group from the HostedCluster status and wait for it",
        "machines use only the security groups of the NodePool",
    ),
    Capability(
        "control-plane-operator-applies-management-kas-network-policy-label",
        "HostedCluster network policies on AWS",
        "a NetworkPolicy blocks the management API for all but labelled pods",
        "no NetworkPolicy blocks the management API",
    ),
    Capability(
        "restricted-psa",
        "HostedCluster namespace",
        "the control plane namespace enforces Pod Security level restricted",
        "the control plane namespace falls to Pod Security level privileged",
    ),
    Capability(
        "control-plane-pki-operator-signs-csrs",
        "HostedCluster RBAC",
        "cluster roles and bindings let the PKI operator approve and sign CSRs",
        "the PKI operator may not approve or sign CSRs",
    ),
    Capability(
        "hosted-cluster-config-operator-reports-node-count",
        "sizing controller",
        "the node count is taken from the HostedControlPlane status",
        "nodes are counted from the NodePools",
    ),
    Capability(
        "control-plane-operator-supports-kas-custom-kubeconfig",
        "HostedCluster kubeconfig",
        "the custom kubeconfig for kubeAPIServerDNSName is synced and a stale one deleted",
        "the custom kubeconfig is off and its status field is not maintained",
        on_operator_image=False,
    ),
    Capability(
        "control-plane-operator.v2-isdefault",
        "HostedCluster certificates",
        "the check for stale serving certificates is skipped (also when labels cannot be read)",
        "the check for stale serving certificates runs",
    ),
    Capability(
        "ignition-server-healthz-handler",
        "",
        "the ignition server has a health endpoint",
        "historical: nothing reads this label any more",
    ),
    Capability(
        "control-plane-operator-manages-ignition-server",
        "",
        "the control plane operator owns the ignition server",
        "historical: nothing reads this label any more",
    ),
    Capability(
        "control-plane-operator-manages.cluster-machine-approver",
        "",
        "the control plane operator owns the machine approver",
        "historical: nothing reads this label any more",
    ),
    Capability(
        "control-plane-operator-manages.cluster-autoscaler",
        "",
        "the control plane operator owns the autoscaler",
        "historical: nothing reads this label any more",
    ),
)
"""In the order of the reference page. The effects are what `cpo labels` and `cpo preview` print."""

_BY_LABEL = {capability.label: capability for capability in CAPABILITIES}


class ImageLabels(msgspec.Struct, frozen=True):
    """The labels that count for a cluster, and where they come from."""

    labels: Mapping[str, str]
    source: Literal["annotation", "image"]


class LabelChange(msgspec.Struct, frozen=True):
    """A capability label that one image has and the other lacks; `effect` is what holds afterwards."""

    label: str
    change: Literal["lost", "gained"]
    effect: str


def labels_of(
    subject: str, annotation: str | None, image: str, image_labels: Fact[Mapping[str, str]]
) -> ImageLabels:
    """The labels of the chosen image: the annotation states them, else the image's configuration does.

    Raises InputError `LabelsAnnotationMalformed`; RemoteError `LabelLookupFailed` when the image could not be read.
    """
    if annotation is not None:
        return ImageLabels(parse_labels(annotation, subject), "annotation")
    match image_labels:
        case Known(value=labels):
            return ImageLabels(labels, "image")
        case NotSeen(cause=cause):
            why = cause or "the image was not read"
        case _:
            why = "there is no such image"
    raise RemoteError("LabelLookupFailed", f"failed to look up image metadata for {image}: {why}")


def parse_labels(text: str, subject: str) -> dict[str, str]:
    """Read `key=value,key=value` as it stands: nothing is trimmed, the last of equal keys wins.

    Raises InputError `LabelsAnnotationMalformed` naming the cluster and every part that is not one key and one value.
    """
    labels: dict[str, str] = {}
    bad: list[str] = []
    for position, part in enumerate(text.split(",")):
        pieces = part.split("=")
        if len(pieces) == 2:
            labels[pieces[0]] = pieces[1]
        else:
            bad.append(f'label {position} "{part}" is not in key=value form')
    if bad:
        raise InputError(
            "LabelsAnnotationMalformed",
            f"HostedCluster {subject}: annotation {CPO_IMAGE_LABELS_ANNOTATION} is malformed: {'; '.join(bad)}",
            hint="write the labels as key=value,key=value without spaces",
            messages=tuple(bad) if len(bad) > 1 else (),
        )
    return labels


def capabilities_of(labels: Mapping[str, str]) -> dict[str, str]:
    """Every capability label with the effect of its presence or absence, in the order of the reference page."""
    return {capability.label: capability.effect(capability.label in labels) for capability in CAPABILITIES}


def capability_warnings(labels: Mapping[str, str], subject: str = "") -> tuple[Finding, ...]:
    """Labels below our prefix whose value suggests that somebody believes the value matters."""
    return tuple(
        warning(
            "CapabilityLabelValueIgnored",
            f'{label}="{labels[label]}" counts as present: presence decides, the value does not',
            subject=subject,
            hint="remove the label to switch the capability off",
        )
        for label in sorted(labels)
        if label.startswith(PREFIX) and labels[label] != "true"
    )


def label_changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[LabelChange, ...]:
    """What changes for a cluster when an image with labels `old` is replaced by one with labels `new`."""
    lost = [LabelChange(label, "lost", _effect(label, present=False)) for label in lost_labels(old, new)]
    gained = [LabelChange(label, "gained", _effect(label, present=True)) for label in lost_labels(new, old)]
    return (*lost, *gained)


def lost_labels(replaced: Mapping[str, str], replacement: Mapping[str, str]) -> tuple[str, ...]:
    """Capability labels of the replaced image that its replacement lacks, sorted: the parity rule wants none."""
    return tuple(sorted(label for label in replaced if label.startswith(PREFIX) and label not in replacement))


def _effect(label: str, *, present: bool) -> str:
    capability = _BY_LABEL.get(label)
    return capability.effect(present) if capability else "unknown capability"
