"""Which Snapshot does tonight's gate verify? The newest that is eligible.

`eligibility` rejects Snapshots, each with a code. Among the others the newest wins: by creation, then by the start of its build,
then by name, because creation has a resolution of one second and ties are real.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from pilotage.gate import loosejson
from pilotage.gate.ticks import snapshots
from pilotage.gate.ticks.eligibility import (
    CHECKS,
    DEFAULT_SKEW,
    ELIGIBLE,
    QUESTION,
    RULES,
    Candidate,
    SelectionPolicy,
    digest_of,
    judge,
)
from pilotage.gate.ticks.snapshots import Snapshot, SnapshotCondition

__all__ = [
    "DEFAULT_SKEW",
    "ELIGIBLE",
    "QUESTION",
    "RULES",
    "Candidate",
    "Chosen",
    "Selection",
    "SelectionPolicy",
    "judge",
    "releases_of",
    "select",
]

NO_SNAPSHOTS: Final = "no-snapshots"
NO_ELIGIBLE: Final = "no-eligible-snapshot"


class Chosen(msgspec.Struct, frozen=True):
    snapshot: Snapshot
    image: str
    digest: str
    revision: str | None


class Selection(msgspec.Struct, frozen=True):
    """`chosen` or the `reason` why there is none; the code of every Snapshot that was rejected, by name or position (`#3`)."""

    chosen: Chosen | None
    reason: str | None
    rejected: Mapping[str, str]


def select(
    given: Sequence[Snapshot], policy: SelectionPolicy, released: frozenset[str] | None = None
) -> Selection:
    """Choose the newest eligible Snapshot.

    `released` names the Snapshots that a succeeded Release of the auto-release plan proves to be released; None when
    Release objects were not looked at, so that the message of the condition has to do.
    """
    rejected: dict[str, str] = {}
    eligible: list[Candidate] = []
    for position, snapshot in enumerate(given):
        was_released = None if released is None else snapshot.name in released
        candidate = Candidate(snapshot, policy, was_released)
        for check in CHECKS:
            if check.rejects(candidate):
                rejected[snapshot.name or f"#{position}"] = check.code
                break
        else:
            eligible.append(candidate)
    if eligible:
        return Selection(_chosen(max(eligible, key=_age_order)), None, rejected)
    return Selection(None, NO_ELIGIBLE if given else NO_SNAPSHOTS, rejected)


def releases_of(manifests: Sequence[Mapping[str, Any]], plan: str) -> frozenset[str]:
    """The Snapshots for which a Release through `plan` succeeded."""
    return frozenset(
        name
        for name, spec_plan, conditions in map(_release, manifests)
        if name and spec_plan == plan and any(_has_succeeded(each) for each in conditions)
    )


def _chosen(candidate: Candidate) -> Chosen:
    found = candidate.snapshot.component(candidate.policy.component or "")
    return Chosen(
        candidate.snapshot, candidate.image, digest_of(candidate.image), found.revision if found else None
    )


def _age_order(candidate: Candidate) -> tuple[datetime | None, int, str, str]:
    """What makes a Snapshot the newest; the image at last, so that the order of a list never decides."""
    snapshot = candidate.snapshot
    started = -1 if snapshot.build_start is None else snapshot.build_start
    return snapshot.created, started, snapshot.name, candidate.image


def _release(manifest: Mapping[str, Any]) -> tuple[str, str, tuple[SnapshotCondition, ...]]:
    spec = loosejson.mapping(manifest.get("spec"))
    name, plan = loosejson.text(spec.get("snapshot")), loosejson.text(spec.get("releasePlan"))
    return name, plan, snapshots.read_conditions(manifest.get("status"))


def _has_succeeded(condition: SnapshotCondition) -> bool:
    """release-service calls a Release released by the status alone; the reason must not contradict it."""
    return (condition.type, condition.status) == ("Released", "True") and condition.reason in (
        "Succeeded",
        "",
    )
