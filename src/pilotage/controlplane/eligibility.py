"""May this hosted cluster take the operator's own image?

The operator image serves every cluster of a management cluster from one build, so a bad build would hit all of them.
Six gates stand before it, judged in the order of `admit`; the first objection is the reason in `explain`:

    switch        off, canary (chosen clusters), on
    hold-back     the owner asked for the payload image
    binary        the image must carry the control plane operator, for every architecture
    attestation   the gate tested this digest for this platform
    parity        no capability label of the payload image may be lost
    skew cell     this pair of versions was proven with this digest
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from pilotage.api.versions import OCPVersion
from pilotage.controlplane import hold, labels
from pilotage.controlplane.facts import CPO_BINARY, Attestation, ImageFacts
from pilotage.decision.facts import Absent, Known, NotSeen
from pilotage.decision.findings import Finding, warning
from pilotage.decision.rules import Applies, Needs, Passes, Verdict

__all__ = ["GATE_PLATFORMS", "admit", "binary_text", "gate_platform", "in_canary", "switched_off"]

GATE_PLATFORMS = {"aws": "rosa-hcp", "azure": "aro-hcp", "gcp": "gcp-hcp"}
"""The gate's platform that attests an operator image for clusters of this platform."""

_BUCKETS = 10_000
_Objection = Passes | Needs | Finding | None


def switched_off(facts: ImageFacts) -> str:
    """Why the operator image is out of the question before anything about it is known; empty when it is not."""
    if facts.switch == "off":
        return "feature off"
    if facts.image_source == hold.PAYLOAD:
        return "held back: this cluster asks for the payload image"
    if facts.switch == "canary" and not (facts.in_canary or facts.image_source == hold.OPERATOR):
        return "feature in canary, and this cluster is not part of it"
    return ""


def admit(facts: ImageFacts, version: OCPVersion, because: str) -> Verdict[str]:
    """The verdict on the operator image for a cluster whose version qualifies; `because` opens the reason."""
    refusal = _binary(facts)
    if refusal:
        return refusal
    warnings: list[Finding] = []
    for gate in (_attestation, _parity, _cell):
        objection = gate(facts, version)
        if isinstance(objection, Passes | Needs):
            return objection
        if objection:
            warnings.append(objection)
    return Applies(
        facts.operator_image,
        f"{because}, binary {binary_text(facts)}",
        {"version": str(version), "binary": binary_text(facts)},
        tuple(warnings),
    )


def gate_platform(platform: str) -> str:
    """What the gate calls the platform of a cluster; one that it does not test keeps its name, in lower case."""
    return GATE_PLATFORMS.get(platform.lower(), platform.lower() or "unknown")


def in_canary(uid: str, percent: float) -> bool:
    """Is the cluster of this UID among the first `percent` of the fleet? The order is a hash, so it never changes
    and a larger percentage contains every smaller one.
    """
    if not uid:
        return False
    bucket = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8]) % _BUCKETS
    return bucket < percent * _BUCKETS / 100


def binary_text(facts: ImageFacts) -> str:
    """What is known about the binary, for a reason line."""
    match facts.binary:
        case Known(value=True, source=source):
            return f"found{f' ({source})' if source else ''}"
        case Known(value="partial", source=source):
            return f"missing for some architectures{f' ({source})' if source else ''}"
        case Known(source=source):
            return f"not in the image{f' ({source})' if source else ''}"
        case Absent(reason=cause) | NotSeen(cause=cause):
            return f"unknown{f': {cause}' if cause else ''}"
        case None:
            return "not looked at yet"


def _binary(facts: ImageFacts) -> Verdict[str] | None:
    """None when the image carries the binary everywhere."""
    match facts.binary:
        case None:
            return Needs(
                "binary", f"whether {facts.operator_image} carries {CPO_BINARY} was not looked at yet"
            )
        case Known(value=True):
            return None
        case Known(value="partial", source=source):
            missing = warning(
                "BinaryMissingForArch",
                f"{facts.operator_image} carries {CPO_BINARY} for some architectures only"
                + (f": {source}" if source else ""),
                subject=facts.subject,
            )
            return Passes(
                f"the operator image carries {CPO_BINARY} for some architectures only", warnings=(missing,)
            )
        case Known():
            return Passes(f"the operator image does not carry {CPO_BINARY}")
        case NotSeen(cause=cause) | Absent(reason=cause):
            return _unknown_binary(facts, cause)


def _unknown_binary(facts: ImageFacts, cause: str) -> Verdict[str]:
    """A registry hiccup must not flip a fleet to the payload image and back: a cluster that runs this very operator
    image keeps it. Without a cause nobody tried to check, and there is nothing to warn of.
    """
    failed = (
        (
            warning(
                "BinaryCheckFailed",
                f"whether {facts.operator_image} carries {CPO_BINARY} could not be checked: {cause}",
                subject=facts.subject,
            ),
        )
        if cause
        else ()
    )
    recorded = facts.recorded
    if (
        recorded
        and recorded.rule == "operator-image"
        and facts.operator_image in (recorded.image, recorded.operator_image)
    ):
        return Applies(
            recorded.image,
            "the binary could not be checked; this cluster already runs this operator image and keeps it",
            {"binary": binary_text(facts), "kept": True},
            failed,
        )
    return Passes(f"whether the operator image carries {CPO_BINARY} is unknown", warnings=failed)


def _attestation(facts: ImageFacts, _version: OCPVersion) -> _Objection:
    if facts.attestation_mode == "off":
        return None
    platform = gate_platform(facts.platform)
    match facts.attestation:
        case None:
            return Needs("attestation", f"the attestation of {facts.operator_image} was not looked at yet")
        case Known(value=attestation) if attestation.platform == platform:
            why = _stale(facts, attestation)
        case Known(value=attestation):
            why = f"no attestation for platform {platform}, only for {attestation.platform}"
        case Absent():
            why = f"no attestation for platform {platform}"
        case NotSeen(cause=cause):
            why = f"no attestation for platform {platform} could be read: {cause}"
    if not why:
        return None
    if facts.attestation_mode == "enforce":
        return Passes(why)
    return warning("OperatorImageNotAttested", f"{facts.operator_image}: {why}", subject=facts.subject)


def _stale(facts: ImageFacts, attestation: Attestation) -> str:
    limit = facts.attestation_max_age_days
    if not limit or facts.now is None:
        return ""
    if attestation.at is None:
        return f"when the attestation was given is not known, and it may be {limit} days old at most"
    if facts.now - attestation.at <= timedelta(days=limit):
        return ""
    return f"the attestation of {attestation.at:%Y-%m-%d} is older than {limit} days"


def _parity(facts: ImageFacts, _version: OCPVersion) -> _Objection:
    """The operator image must carry every capability label of the payload image that it replaces."""
    enforced = facts.attestation_mode == "enforce"
    if facts.operator_labels is None or facts.payload_labels is None:
        return Needs("labels", "the labels of both images were not compared yet") if enforced else None
    if not (isinstance(facts.operator_labels, Known) and isinstance(facts.payload_labels, Known)):
        return None
    lost = labels.label_changes(facts.payload_labels.value, facts.operator_labels.value)
    effects = "; ".join(f"{change.label} ({change.effect})" for change in lost if change.change == "lost")
    if not effects:
        return None
    if enforced:
        return Passes(f"capability labels would be lost: {effects}")
    return warning(
        "CapabilityLabelLost",
        f"{facts.operator_image} lacks capability labels of the payload image: {effects}",
        subject=facts.subject,
    )


def _cell(facts: ImageFacts, version: OCPVersion) -> _Objection:
    if facts.cell_mode == "off":
        return None
    if facts.cell_state is None:
        return Needs("cell", "whether this combination of versions is proven was not looked at yet")
    state = facts.cell_state.value if isinstance(facts.cell_state, Known) else "unproven"
    if state in ("proven", "inherited"):
        return None
    why = f"the skew cell of {facts.platform} {version.major}.{version.minor} is {state} for this operator image"
    if facts.cell_mode == "enforce":
        return Passes(why)
    return warning("SkewCellNotProven", why, subject=facts.subject)
