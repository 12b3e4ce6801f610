"""Which Snapshot does tonight's gate verify? The newest that is eligible.

`RULES` are the checks in their order. The first that applies rejects the Snapshot, and its name is the rejection code; a
Snapshot that passes them all is `eligible`. Among those the newest wins: by creation, then by the start of its build, then
by name, because creation has a resolution of one second and ties are real.

openshift/enhancements `konflux-release-gating-pipeline.md` filters on push and on the condition `AutoReleased`. That condition
is True as well when nothing was released; only its message tells, or a Release object. So both are read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from pilotage.api import konflux
from pilotage.decision.findings import Finding, error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate import loosejson, snapshots
from pilotage.gate.snapshots import Snapshot, SnapshotCondition
from pilotage.images import reference
from pilotage.images.errors import ImageError

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

QUESTION: Final = "gate-snapshot"
ELIGIBLE: Final = "eligible"
NO_SNAPSHOTS: Final = "no-snapshots"
NO_ELIGIBLE: Final = "no-eligible-snapshot"

SUPERSEDED: Final = "Released in newer Snapshot"
SKIPPED: Final = "Skipping auto-release"

DEFAULT_SKEW: Final = 300
"""Seconds by which the clock that stamped a Snapshot may be ahead."""

_TESTS: Final = ("AppStudioTestSucceeded", "HACBSStudioTestSucceeded")
_INTEGRATION: Final = ("AppStudioIntegrationStatus", "HACBSIntegrationStatus")
_HOUR: Final = 3600


class SelectionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate looks for. `component_group` replaces `application` where it is named; None matches nothing.

    `now` is None when it is not known: then no age is known either. Ages are in hours, the skew in seconds.
    """

    application: str | None = None
    component_group: str | None = None
    component: str | None = None
    now: datetime | None = None
    require_auto_released: bool = True
    allow_superseded: bool = False
    allow_override: bool = False
    max_age_hours: float | None = None
    max_clock_skew_seconds: float = DEFAULT_SKEW


class Candidate(msgspec.Struct, frozen=True):
    """One Snapshot under one policy. `was_released` is what Release objects tell, None when none were looked at."""

    snapshot: Snapshot
    policy: SelectionPolicy
    was_released: bool | None = None

    @property
    def is_override(self) -> bool:
        """An override that the policy accepts."""
        return self.policy.allow_override and self.snapshot.labels.get(konflux.TYPE_LABEL) == "override"

    @property
    def auto_released(self) -> SnapshotCondition | None:
        return next(
            (
                each
                for each in self.snapshot.conditions
                if (each.type, each.reason, each.status) == ("AutoReleased", "AutoReleased", "True")
            ),
            None,
        )

    @property
    def image(self) -> str:
        found = self.snapshot.component(self.policy.component or "")
        return found.image if found else ""


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
    eligible: list[Chosen] = []
    for position, snapshot in enumerate(given):
        was_released = None if released is None else snapshot.name in released
        candidate = Candidate(snapshot, policy, was_released)
        code = judge(candidate).value
        if code == ELIGIBLE:
            eligible.append(_chosen(candidate))
        elif code:
            rejected[snapshot.name or f"#{position}"] = code
    if eligible:
        return Selection(max(eligible, key=_age_order), None, rejected)
    return Selection(None, NO_ELIGIBLE if given else NO_SNAPSHOTS, rejected)


def judge(candidate: Candidate) -> Decision[str]:
    """The rejection code of one Snapshot, or `eligible`, with what every check said."""
    return first_match(QUESTION, candidate.snapshot.name, RULES, candidate, otherwise=_undecided(candidate))


def releases_of(manifests: Sequence[Mapping[str, Any]], plan: str) -> frozenset[str]:
    """The Snapshots for which a Release through `plan` succeeded."""
    return frozenset(
        name
        for name, spec_plan, conditions in map(_release, manifests)
        if name and spec_plan == plan and any(_has_succeeded(each) for each in conditions)
    )


def malformed(candidate: Candidate) -> Verdict[str]:
    """It is no object, or has no name."""
    return _reject("malformed", not candidate.snapshot.name, "it has no name", "it has a name")


def deleting(candidate: Candidate) -> Verdict[str]:
    """It is being deleted."""
    return _reject(
        "deleting", candidate.snapshot.is_deleting, "deletionTimestamp is set", "not being deleted"
    )


def wrong_application(candidate: Candidate) -> Verdict[str]:
    """It belongs to another application, or to another component group where the gate names one."""
    policy = candidate.policy
    if policy.component_group:
        return _label("wrong-application", candidate, konflux.COMPONENT_GROUP_LABEL, policy.component_group)
    return _label("wrong-application", candidate, konflux.APPLICATION_LABEL, policy.application)


def wrong_component(candidate: Candidate) -> Verdict[str]:
    """It was built for another component."""
    return _label("wrong-component", candidate, konflux.COMPONENT_LABEL, candidate.policy.component)


def wrong_type(candidate: Candidate) -> Verdict[str]:
    """Its type is there and neither `component` nor an accepted `override`."""
    kind = candidate.snapshot.labels.get(konflux.TYPE_LABEL)
    fits = kind is None or kind == "component" or candidate.is_override
    return _reject("wrong-type", not fits, f'its type is "{kind}"', f"its type is {kind or 'not set'}")


def not_push(candidate: Candidate) -> Verdict[str]:
    """It was not built by a push; an accepted override need not be."""
    event = candidate.snapshot.labels.get(konflux.EVENT_TYPE_LABEL)
    if candidate.is_override:
        return Passes("an accepted override")
    wrong = event not in snapshots.PUSH_EVENTS
    return _reject("not-push", wrong, f'its event type is "{event or ""}"', f"its event type is {event}")


def merge_queue(candidate: Candidate) -> Verdict[str]:
    """It was built for a merge queue."""
    is_queued = snapshots.is_merge_queue(candidate.snapshot.annotations)
    return _reject("merge-queue", is_queued, "its source branch is a merge queue", "not from a merge queue")


def bad_timestamp(candidate: Candidate) -> Verdict[str]:
    """When it was created is missing or no time. Nor can its age be told while the present time is not known."""
    if candidate.snapshot.created is None:
        return Applies("bad-timestamp", "creationTimestamp is missing or no time")
    unknown = candidate.policy.now is None
    return _reject(
        "bad-timestamp", unknown, "the present time is not known", f"created {candidate.snapshot.created}"
    )


def future_timestamp(candidate: Candidate) -> Verdict[str]:
    """It was created later than now, beyond what clocks may differ: one bad clock must not pin the gate to it."""
    age, skew = _age(candidate), candidate.policy.max_clock_skew_seconds
    if age is None:
        return Passes("its age is not known")
    return _reject(
        "future-timestamp",
        -age > skew,
        f"created {-age:g} s after now",
        f"not more than {skew:g} s after now",
    )


def too_old(candidate: Candidate) -> Verdict[str]:
    """It is older than the gate accepts."""
    age, most = _age(candidate), candidate.policy.max_age_hours
    if age is None or most is None:
        return Passes("no age is asked for" if most is None else "its age is not known")
    return _reject(
        "too-old", age > most * _HOUR, f"{age / _HOUR:g} h > {most:g} h", f"{age / _HOUR:g} h <= {most:g} h"
    )


def invalid_snapshot(candidate: Candidate) -> Verdict[str]:
    """Konflux calls it invalid."""
    found = candidate.snapshot.condition(*_INTEGRATION)
    is_invalid = found is not None and (found.status, found.reason) == ("False", "Invalid")
    return _reject("invalid-snapshot", is_invalid, _shown(found), _shown(found))


def tests_failed(candidate: Candidate) -> Verdict[str]:
    """Its required integration tests failed."""
    found = candidate.snapshot.condition(*_TESTS)
    return _reject(
        "tests-failed", found is not None and found.status == "False", _shown(found), _shown(found)
    )


def not_auto_released(candidate: Candidate) -> Verdict[str]:
    """No condition says that it was auto-released, and the gate asks for one."""
    if not candidate.policy.require_auto_released:
        return Passes("auto-release is not asked for")
    found = candidate.auto_released
    return _reject("not-auto-released", found is None, "no condition AutoReleased is True", _shown(found))


def auto_release_skipped(candidate: Candidate) -> Verdict[str]:
    """The condition is there, but nothing was released: its message says so, or no Release succeeded."""
    found = candidate.auto_released
    if found is None:
        return Passes("no condition AutoReleased is True")
    if candidate.was_released is not None:
        return _reject(
            "auto-release-skipped", not candidate.was_released, "no Release succeeded", "a Release succeeded"
        )
    accepted = candidate.policy.allow_superseded
    skipped = found.message.startswith(SKIPPED) or (found.message == SUPERSEDED and not accepted)
    return _reject("auto-release-skipped", skipped, found.message, found.message or "the message is empty")


def no_image(candidate: Candidate) -> Verdict[str]:
    """It holds no image of the component."""
    component = candidate.policy.component
    return _reject(
        "no-image", not candidate.image, f'no image of component "{component or ""}"', candidate.image
    )


def no_digest(candidate: Candidate) -> Verdict[str]:
    """The image is not `repo[:tag]@sha256:` with 64 lower-case hexadecimal digits."""
    digest = _digest(candidate.image)
    return _reject("no-digest", not digest, f'"{candidate.image}" is not pinned by sha256', digest)


def blocked(candidate: Candidate) -> Verdict[str]:
    """Somebody blocked it, with a reason."""
    reason = candidate.snapshot.blocked
    return _reject("blocked", reason is not None, f"blocked: {reason}", "not blocked")


def eligible(_candidate: Candidate) -> Verdict[str]:
    """Nothing speaks against it."""
    return Applies(ELIGIBLE, "no check rejects it")


RULES: tuple[Rule[Candidate, str], ...] = (
    Rule("malformed", malformed),
    Rule("deleting", deleting),
    Rule("wrong-application", wrong_application),
    Rule("wrong-component", wrong_component),
    Rule("wrong-type", wrong_type),
    Rule("not-push", not_push),
    Rule("merge-queue", merge_queue),
    Rule("bad-timestamp", bad_timestamp),
    Rule("future-timestamp", future_timestamp),
    Rule("too-old", too_old),
    Rule("invalid-snapshot", invalid_snapshot),
    Rule("tests-failed", tests_failed),
    Rule("not-auto-released", not_auto_released),
    Rule("auto-release-skipped", auto_release_skipped),
    Rule("no-image", no_image),
    Rule("no-digest", no_digest),
    Rule("blocked", blocked),
    Rule(ELIGIBLE, eligible),
)
"""Each name but the last is a rejection code."""


def _reject(code: str, applies: bool, because: str, otherwise: str) -> Verdict[str]:
    return Applies(code, because) if applies else Passes(otherwise)


def _label(code: str, candidate: Candidate, key: str, wanted: str | None) -> Verdict[str]:
    found = candidate.snapshot.labels.get(key)
    differs = found is None or found != wanted
    return _reject(code, differs, f'{key} is "{found or ""}", not "{wanted or ""}"', f"{key} is {found}")


def _age(candidate: Candidate) -> float | None:
    """Seconds since it was created; negative when that is still to come."""
    created, now = candidate.snapshot.created, candidate.policy.now
    return None if created is None or now is None else (now - created).total_seconds()


def _digest(image: str) -> str:
    """The digest that pins `image`; empty when it is no reference, or not pinned by sha256."""
    try:
        digest = reference.parse(image).digest
    except ImageError:
        return ""
    return digest if digest.startswith("sha256:") else ""


def _chosen(candidate: Candidate) -> Chosen:
    found = candidate.snapshot.component(candidate.policy.component or "")
    return Chosen(
        candidate.snapshot, candidate.image, _digest(candidate.image), found.revision if found else None
    )


def _age_order(chosen: Chosen) -> tuple[datetime | None, int, str, str]:
    """What makes a Snapshot the newest; the image at last, so that the order of a list never decides."""
    snapshot = chosen.snapshot
    started = -1 if snapshot.build_start is None else snapshot.build_start
    return snapshot.created, started, snapshot.name, chosen.image


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


def _shown(condition: SnapshotCondition | None) -> str:
    if condition is None:
        return "no such condition"
    return f"{condition.type} is {condition.status}/{condition.reason}"


def _undecided(candidate: Candidate) -> Finding:
    return error("Undecided", "no check decided", subject=candidate.snapshot.name)
