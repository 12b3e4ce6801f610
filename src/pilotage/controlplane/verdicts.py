"""What each rule and guard of the precedence says about one cluster; `image` puts them in order.

Every function here is pure: `ImageFacts` in, a verdict out, with the values it compared in the reason. One that meets a fact
nobody has looked at answers `Needs`. Versions are compared as the pair (major, minor), never as SemVer, which sorts
every nightly and candidate of 4.20 below 4.20.0. Whether a cluster may take the operator's image at all is a question
of its own: `eligibility`.

Follows openshift/hypershift `support/util/util.go` (GetControlPlaneOperatorImage) and the change request that lets the
operator's own image serve from 4.20 on.
"""

from __future__ import annotations

from functools import lru_cache

from pilotage.api.errors import InputError
from pilotage.api.hypershift import CPO_IMAGE_ANNOTATION
from pilotage.api.versions import OCPVersion
from pilotage.controlplane import eligibility, hold
from pilotage.controlplane.facts import CPO_BINARY, HYPERSHIFT_COMPONENT, ImageFacts
from pilotage.decision.facts import Absent, Known, NotSeen
from pilotage.decision.findings import Finding, error, warning
from pilotage.decision.rules import (
    Applies,
    Needs,
    Passes,
    Refuses,
    Verdict,
)
from pilotage.images import reference
from pilotage.images.errors import ImageError

__all__ = [
    "FALLBACK_PAIRS",
    "FLOOR",
    "OPERATOR_IMAGE_FROM",
    "annotation",
    "nothing_applied",
    "operator_fallback",
    "operator_image",
    "override",
    "payload",
    "readable_release",
    "strict_version",
    "version_floor",
    "version_of",
]

OPERATOR_IMAGE_FROM = (4, 20)
"""From this (major, minor) on the operator's own image is preferred."""

FALLBACK_PAIRS = ((4, 9), (4, 10))
"""Here the operator's image is the documented fallback, whatever it carries."""

FLOOR = (4, 9)
"""Below this a payload must bring its own control plane operator."""


def annotation(facts: ImageFacts) -> Verdict[str]:
    """The annotation on the HostedCluster, whatever the release."""
    if facts.annotation is None:
        return Passes("annotation not present")
    image = facts.annotation.strip()
    if not image:
        return Refuses(
            error(
                "EmptyImageAnnotation",
                f"HostedCluster {facts.subject}: annotation {CPO_IMAGE_ANNOTATION} is empty",
                subject=facts.subject,
                field=f"metadata.annotations[{CPO_IMAGE_ANNOTATION}]",
                hint="remove the annotation or set an image; the running control plane operator stays",
            )
        )
    try:
        parsed = reference.parse(image)
    except ImageError as problem:
        return Refuses(
            error(
                "InvalidImageReference",
                f'HostedCluster {facts.subject}: annotation {CPO_IMAGE_ANNOTATION}: "{image}" is not a valid image'
                f" reference: {problem.message}",
                subject=facts.subject,
                field=f"metadata.annotations[{CPO_IMAGE_ANNOTATION}]",
                hint="correct the annotation; the running control plane operator stays",
            )
        )
    warnings: list[Finding] = []
    if image != facts.annotation:
        warnings.append(
            warning(
                "AnnotationTrimmed",
                f"white space around the value of {CPO_IMAGE_ANNOTATION} was removed",
                subject=facts.subject,
            )
        )
    if not parsed.is_pinned:
        warnings.append(
            warning(
                "ImageNotPinned",
                f"{image} has no digest: what it names may change without a change of the cluster",
                subject=facts.subject,
                hint="pin the image as name@sha256:...",
            )
        )
    return Applies(image, "annotation present", {"annotation": facts.annotation}, tuple(warnings))


def readable_release(facts: ImageFacts) -> Verdict[str]:
    """Every rule below looks at the release: it must be readable."""
    match facts.release:
        case None:
            return Needs("release", f"release image {facts.release_image} was not looked up yet")
        case Known(value=release):
            return Passes(f"release image is version {release.version}")
        case NotSeen(cause=cause) | Absent(reason=cause):
            return Refuses(
                error(
                    "ReleaseLookupFailed",
                    f'failed to lookup release image "{facts.release_image}": {cause or "it was not seen"}',
                    subject=facts.subject,
                    field="spec.release.image",
                )
            )


def strict_version(facts: ImageFacts) -> Verdict[str]:
    """The version of the release must be strict SemVer."""
    if not isinstance(facts.release, Known):
        return _no_release(facts)
    try:
        return Passes(f"version {_parse(facts.release.value.version)}")
    except InputError as problem:
        return Refuses(
            error(problem.code, problem.message, subject=facts.subject, field="spec.release.image")
        )


def override(facts: ImageFacts) -> Verdict[str]:
    """The override table pins this exact version on this platform."""
    if not facts.overrides_enabled:
        return Passes("override switch off")
    if facts.image_source == hold.PAYLOAD:
        return Passes("held back: this cluster asks for the payload image")
    if facts.overrides_problem:
        return Refuses(
            error(
                "InvalidOverrideTable",
                f"the override table cannot be used: {facts.overrides_problem}",
                subject=facts.subject,
                hint="correct the table, or switch overrides off; the running control plane operator stays",
            )
        )
    version = version_of(facts)
    if version is None:
        return _no_release(facts)
    found = facts.overrides.find(facts.platform, str(version))
    if found is None:
        return Passes(f"no override for {facts.platform or 'this platform'} {version}")
    evidence = {"platform": facts.platform, "version": str(version), "source": found.source}
    return Applies(
        found.image,
        f"override for {facts.platform} {version}" + (f" from {found.source}" if found.source else ""),
        evidence,
        _shadowed(facts, found.image),
    )


def operator_image(facts: ImageFacts) -> Verdict[str]:
    """The operator's own image, from 4.20 on, when it carries the control plane operator binary."""
    closed = eligibility.switched_off(facts)
    if closed:
        return Passes(closed)
    version = version_of(facts)
    if version is None:
        return _no_release(facts)
    if version.minor_pair < OPERATOR_IMAGE_FROM:
        return Passes(f"{_pair(version)} < {_threshold()}")
    if not facts.operator_image.strip():
        return Passes("the operator's own image is not known")
    return eligibility.admit(facts, version, f"{_pair(version)} >= {_threshold()}{_build_note(version)}")


def payload(facts: ImageFacts) -> Verdict[str]:
    """The component `hypershift` of the release payload."""
    if not isinstance(facts.release, Known):
        return _no_release(facts)
    image = facts.release.value.components.get(HYPERSHIFT_COMPONENT)
    if image is None:
        return Passes(f"the payload has no component {HYPERSHIFT_COMPONENT}")
    if not image.strip():
        return Passes(
            f"component {HYPERSHIFT_COMPONENT} of the payload has an empty pull spec",
            warnings=(
                warning(
                    "EmptyPayloadComponent",
                    f"component {HYPERSHIFT_COMPONENT} of release {facts.release.value.version} has an empty pull"
                    " spec and counts as absent",
                    subject=facts.subject,
                ),
            ),
        )
    return Applies(
        image, f"component {HYPERSHIFT_COMPONENT} of the payload", {"component": HYPERSHIFT_COMPONENT}
    )


def version_floor(facts: ImageFacts) -> Verdict[str]:
    """Below 4.9 only a payload that brings the image is supported."""
    version = version_of(facts)
    if version is None:
        return _no_release(facts)
    if version.minor_pair < FLOOR:
        return Refuses(
            error(
                "UnsupportedReleaseVersion",
                f"unsupported release image with version {version}",
                subject=facts.subject,
                field="spec.release.image",
                hint="use a release that carries the component hypershift, or set the image annotation",
            )
        )
    return Passes(f"{_pair(version)} >= ({FLOOR[0]},{FLOOR[1]})")


def operator_fallback(facts: ImageFacts) -> Verdict[str]:
    """The operator's own image as last resort: for 4.9 and 4.10 always, later only when it carries the binary."""
    version = version_of(facts)
    if version is None:
        return _no_release(facts)
    if not facts.operator_image.strip():
        return Passes("the operator's own image is not known")
    documented = version.minor_pair in FALLBACK_PAIRS
    if not documented and facts.switch == "off":
        return Passes("feature off: the operator image counts as without the binary")
    if facts.binary is None:
        return Needs("binary", f"whether {facts.operator_image} carries {CPO_BINARY} was not looked at yet")
    carries = isinstance(facts.binary, Known) and facts.binary.value is True
    evidence = {"version": str(version), "binary": eligibility.binary_text(facts)}
    if carries:
        return Applies(facts.operator_image, f"fallback for {_pair(version)}, binary found", evidence)
    if documented:
        lacking = warning(
            "OperatorImageLacksBinary",
            f"{facts.operator_image} is not known to carry {CPO_BINARY}; the control plane operator may not start",
            subject=facts.subject,
            hint="move to a release whose payload has the component hypershift",
        )
        return Applies(
            facts.operator_image, f"documented fallback for {_pair(version)}", evidence, (lacking,)
        )
    return Passes(
        f"the operator image does not carry {CPO_BINARY}: {eligibility.binary_text(facts)}", evidence
    )


def version_of(facts: ImageFacts) -> OCPVersion | None:
    """The version of the cluster's release; None while it is not known or when it is no version."""
    if not isinstance(facts.release, Known):
        return None
    try:
        return _parse(facts.release.value.version)
    except InputError:
        return None


def nothing_applied(facts: ImageFacts) -> Finding:
    release = facts.release.value.version if isinstance(facts.release, Known) else "unknown"
    return error(
        "NoControlPlaneOperatorImage",
        f"no control-plane-operator image for release {release}: the payload has no component"
        f" {HYPERSHIFT_COMPONENT}, and the operator image is not known to carry {CPO_BINARY}",
        subject=facts.subject,
        field="spec.release.image",
        hint=f"set annotation {CPO_IMAGE_ANNOTATION}, or run an operator image that carries the binary",
    )


def _shadowed(facts: ImageFacts, chosen: str) -> tuple[Finding, ...]:
    """A pin hides a newer operator image exactly where "bump the operator and all clusters are fixed" matters."""
    hidden = operator_image(facts)
    if not isinstance(hidden, Applies) or hidden.value == chosen:
        return ()
    return (
        warning(
            "OverrideShadowsOperatorImage",
            f"override {chosen} hides the operator image {hidden.value}",
            subject=facts.subject,
            hint="retire the override when its fix is in the operator image",
        ),
    )


def _no_release(facts: ImageFacts) -> Needs:
    """Asked of a rule behind a release that is unknown or unreadable: it cannot say."""
    return Needs("release", f"the version of release image {facts.release_image} is not known")


@lru_cache(maxsize=1024)
def _parse(text: str) -> OCPVersion:
    """Read a version once for all clusters of a release."""
    return OCPVersion.parse(text)


def _pair(version: OCPVersion) -> str:
    return f"({version.major},{version.minor})"


def _threshold() -> str:
    return f"({OPERATOR_IMAGE_FROM[0]},{OPERATOR_IMAGE_FROM[1]})"


def _build_note(version: OCPVersion) -> str:
    return ", pre-release ignored" if version.prerelease else ""
