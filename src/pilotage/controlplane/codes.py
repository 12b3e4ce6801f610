"""Every stable code of this room, with its meaning in one sentence: what the reference page of errors prints."""

from __future__ import annotations

from collections.abc import Mapping

from pilotage.controlplane.conditions import REASONS

__all__ = ["CODES"]

CODES: Mapping[str, Mapping[str, str]] = {
    "errors": {
        "EmptyImageAnnotation": "The image annotation is there and empty: the cluster keeps what it runs.",
        "InvalidImageReference": "The image annotation does not hold an image reference.",
        "ReleaseLookupFailed": "The release payload of the control plane could not be read.",
        "InvalidReleaseVersion": "The version of the release payload is not a strict semantic version.",
        "UnsupportedReleaseVersion": "The release is older than 4.9 and its payload brings no control plane operator.",
        "NoControlPlaneOperatorImage": "No rule gives an image: neither the payload nor the operator image carries it.",
        "LabelsAnnotationMalformed": "The labels annotation is not a list of key=value.",
        "LabelLookupFailed": "The labels of the chosen image could not be read, so nothing can act on the choice.",
        "InvalidImageSource": "The annotation that holds a cluster back has a value that is not known.",
        "InvalidHoldUntil": "The end of a hold is not an RFC 3339 time.",
        "HeldImageUnknown": "A cluster is on hold, but no image is recorded for it.",
        "InvalidOverrideTable": "The override table cannot be used, or is not there.",
        "DuplicateOverride": "A version is pinned twice on one platform.",
        "MalformedHostedCluster": "A field of the HostedCluster that the decision reads has another type.",
        "DuplicateHostedCluster": "A HostedCluster is given more than once.",
    },
    "warnings": {
        "AnnotationTrimmed": "White space around the image annotation was removed.",
        "ImageNotPinned": "The image annotation names no digest.",
        "OverrideShadowsOperatorImage": "A pin hides the operator image, which would serve otherwise.",
        "EmptyPayloadComponent": "The payload names the component without a pull spec; it counts as absent.",
        "OperatorImageLacksBinary": "The documented fallback is used although the binary is not known to be there.",
        "BinaryCheckFailed": "Whether the operator image carries the binary could not be checked.",
        "BinaryMissingForArch": "The operator image carries the binary for some architectures only.",
        "OperatorImageNotAttested": "The gate did not attest the operator image for the platform.",
        "CapabilityLabelLost": "The operator image lacks capability labels of the payload image that it replaces.",
        "CapabilityLabelValueIgnored": "A capability label has a value other than true; its presence decides.",
        "SkewCellNotProven": "This combination of versions was not proven with the operator image.",
        "HoldExpired": "A hold is over; the image is released on the next look.",
        "Drift": "A component runs another image than the one that was chosen.",
    },
    "override table": {
        "EmptyOverrideImage": "An entry has no image, so it pins nothing.",
        "VersionNotText": "A version was read as a number and cannot be recovered.",
        "VersionNeverMatches": "A version is no release version, so the entry matches none.",
        "VersionNoLongerSupported": "An entry is older than the oldest supported release.",
        "UnknownKey": "A key that means nothing in the table.",
        "OverrideByTag": "An entry pins a tag.",
        "OverrideGap": "Patches between pinned ones are not pinned.",
        "OverrideMaybeMisfiled": "A platform gained a version that only another platform had.",
        "OverrideReplacedByOlderBuild": "An entry was moved to an older build.",
        "PlatformOnlyHere": "The HyperShift Operator ignores overrides of this platform.",
        "SeveralPlatformsTested": "End-to-end tests are switched on for several platforms.",
        "ImageNotPullable": "A pinned image cannot be pulled any more.",
        "ImageNotMultiArch": "A pinned image lacks an architecture.",
    },
    "conditions": {
        reason: f"CPOImageResolved is True: the image was given by rule {rule}."
        for rule, reason in REASONS.items()
    }
    | {"CPOImageChanged": "Event: the cluster got another image, or the same one by another rule."},
}
