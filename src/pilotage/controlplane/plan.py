"""From the decision to what is written: the record, the condition, and an event for every change.

The answer lives in an object of our own, ControlPlaneImage, owned by the HostedCluster, and once more as a condition
where `kubectl describe` looks. An error changes nothing but the condition and its event: the record keeps the image that
runs. `resolvedAt` moves only when the answer does, so a fleet at rest writes nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilotage.api.hypershift import HOSTED_CLUSTER
from pilotage.api.meta import Condition, ObjectKey
from pilotage.api.pilotage import CONTROL_PLANE_IMAGE, ControlPlaneImageStatus, ImageWarning
from pilotage.controlplane import hold
from pilotage.controlplane.conditions import resolved_condition
from pilotage.controlplane.observed import Observed
from pilotage.controlplane.verdicts import version_of
from pilotage.decision.actions import Action, Apply, ApplyStatus, Plan, RecordEvent
from pilotage.decision.rules import Decision
from pilotage.runtime.clock import rfc3339

__all__ = ["plan"]


def plan(observed: Observed, decision: Decision[str]) -> Plan:
    """Events first: a crash in between repeats an event and loses none."""
    key = ObjectKey(observed.cluster.namespace, observed.cluster.name)
    condition = resolved_condition(observed, decision)
    record = _record(observed, decision, condition)
    conditions = [_condition_json(condition)]
    return (
        *_events(observed, decision, condition, key),
        Apply(CONTROL_PLANE_IMAGE, key, _manifest(observed)),
        ApplyStatus(CONTROL_PLANE_IMAGE, key, _status(record) | {"conditions": conditions}),
        ApplyStatus(HOSTED_CLUSTER, key, {"conditions": conditions}),
    )


def _record(observed: Observed, decision: Decision[str], condition: Condition) -> ControlPlaneImageStatus:
    """What the next decision will compare with: the new answer, or on an error the one that still runs."""
    before = observed.record or ControlPlaneImageStatus()
    warnings = tuple(ImageWarning(finding.code, finding.message) for finding in decision.warnings)
    if decision.value is None or decision.rule is None or condition.status == "False":
        return msgspec.structs.replace(before, reason=condition.reason, warnings=warnings, conditions=())
    facts = observed.facts
    held = decision.rule == "hold"
    same = _is_same_answer(before, decision)
    version = version_of(facts)
    return ControlPlaneImageStatus(
        image=decision.value,
        digest=_digest(decision.value),
        rule=before.rule if held else decision.rule,
        version=str(version) if version else "",
        operator_image=observed.operator_image,
        operator_digest=_digest(facts.operator_image) or (before.operator_digest if same else ""),
        resolved_at=before.resolved_at if same and before.resolved_at else _now(observed),
        reason=condition.reason,
        hold_expiry_reported=facts.hold_until or "" if hold.is_expired(facts) else "",
        warnings=warnings,
    )


def _is_same_answer(before: ControlPlaneImageStatus, decision: Decision[str]) -> bool:
    """Image and rule; a hold keeps both."""
    return before.image == decision.value and decision.rule in (before.rule, "hold")


def _events(
    observed: Observed, decision: Decision[str], condition: Condition, key: ObjectKey
) -> tuple[Action, ...]:
    before = observed.record or ControlPlaneImageStatus()
    uid = observed.cluster.uid
    events: list[Action] = []
    if condition.status != "True" and before.reason != condition.reason:
        events.append(RecordEvent(HOSTED_CLUSTER, key, uid, "Warning", condition.reason, condition.message))
    if condition.status != "False" and decision.value is not None and not _is_same_answer(before, decision):
        old = f"{before.image} ({before.rule})" if before.image else "none"
        change = f"control plane operator image {decision.value} ({decision.rule}), before: {old}"
        events.append(RecordEvent(HOSTED_CLUSTER, key, uid, "Normal", "CPOImageChanged", change))
    if hold.is_expired(observed.facts) and not observed.facts.hold_expiry_reported:
        events += [
            RecordEvent(HOSTED_CLUSTER, key, uid, "Warning", finding.code, finding.message)
            for finding in decision.warnings
            if finding.code == "HoldExpired"
        ]
    return tuple(events)


def _manifest(observed: Observed) -> dict[str, Any]:
    cluster = observed.cluster
    return {
        "apiVersion": CONTROL_PLANE_IMAGE.api_version,
        "kind": CONTROL_PLANE_IMAGE.kind,
        "metadata": {
            "name": cluster.name,
            "namespace": cluster.namespace,
            "ownerReferences": [
                {
                    "apiVersion": HOSTED_CLUSTER.api_version,
                    "kind": HOSTED_CLUSTER.kind,
                    "name": cluster.name,
                    "uid": cluster.uid,
                    "controller": True,
                }
            ],
        },
    }


def _status(record: ControlPlaneImageStatus) -> dict[str, Any]:
    """Only what is known: a field that is left out is removed from the object."""
    return {name: value for name, value in msgspec.to_builtins(record).items() if value}


def _condition_json(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
    }


def _digest(image: str) -> str:
    return image.partition("@")[2]


def _now(observed: Observed) -> str:
    return rfc3339(observed.facts.now) if observed.facts.now else ""
