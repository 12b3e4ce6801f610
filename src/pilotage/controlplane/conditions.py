"""The condition `CPOImageResolved` of a hosted cluster, computed in one place from the decision.

True      the image is chosen: AnnotationOverride, VersionOverride, OperatorImage, PayloadImage, OperatorFallback, Held
False     it is not; the reason is the code of the error, and the running control plane operator stays
Unknown   BinaryCheckFailed: the operator image could not be checked, and the cluster keeps what it runs
"""

from __future__ import annotations

from collections.abc import Mapping

from pilotage.api.meta import Condition
from pilotage.controlplane.labels import ImageLabels
from pilotage.controlplane.observed import Observed, labels_of_choice
from pilotage.decision.findings import Finding
from pilotage.decision.rules import Decision

__all__ = ["REASONS", "RESOLVED", "failure_of", "resolved_condition"]

RESOLVED = "CPOImageResolved"

REASONS: Mapping[str, str] = {
    "annotation": "AnnotationOverride",
    "override": "VersionOverride",
    "operator-image": "OperatorImage",
    "payload": "PayloadImage",
    "operator-fallback": "OperatorFallback",
    "hold": "Held",
}
"""The reason for each rule."""

_CHECK_FAILED = "BinaryCheckFailed"
_FACT_MISSING = "FactMissing"


def resolved_condition(observed: Observed, decision: Decision[str]) -> Condition:
    """The condition without its transition time; equal decisions give equal conditions."""
    failure = failure_of(observed, decision)
    if failure:
        return Condition(RESOLVED, "False", failure.code, failure.message)
    if decision.needs or decision.rule is None:
        missing = decision.needs.reason if decision.needs else "the decision gave no rule"
        return Condition(RESOLVED, "Unknown", _FACT_MISSING, missing)
    message = f"{decision.value}: {decision.reason}"
    if decision.considered(decision.rule).evidence.get("kept"):
        return Condition(RESOLVED, "Unknown", _CHECK_FAILED, message)
    return Condition(RESOLVED, "True", REASONS[decision.rule], message)


def failure_of(observed: Observed, decision: Decision[str]) -> Finding | None:
    """Why nothing may act on the decision: no image, or an image whose labels are not known. None when it may."""
    if decision.error or decision.value is None:
        return decision.error
    labels = labels_of_choice(observed, decision.value)
    return None if isinstance(labels, ImageLabels) else labels
