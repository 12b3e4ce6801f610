"""May a Snapshot be verified? Seventeen checks; the first that applies rejects it, and its name is the rejection code.

A check is two things: a question with a yes or no, and, only for who asks, what it compared. Nearly all Snapshots of a tenant
are rejected, thousands every night, and nobody reads why; so `selection.select` asks the questions alone, and `judge` gives
the same answer with its reasons.

openshift/enhancements `konflux-release-gating-pipeline.md` filters on push and on the condition `AutoReleased`. That condition
is True as well when nothing was released; only its message tells, or a Release object. So both are read here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec

from pilotage.api import konflux
from pilotage.decision.findings import Finding, error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate.ticks import snapshots
from pilotage.gate.ticks.snapshots import Snapshot, SnapshotCondition
from pilotage.images import reference
from pilotage.images.errors import ImageError

__all__ = [
    "CHECKS",
    "DEFAULT_SKEW",
    "ELIGIBLE",
    "QUESTION",
    "RULES",
    "Candidate",
    "Check",
    "SelectionPolicy",
    "digest_of",
    "judge",
]

QUESTION: Final = "gate-snapshot"
ELIGIBLE: Final = "eligible"
SUPERSEDED: Final = "Released in newer Snapshot"
SKIPPED: Final = "Skipping auto-release"

DEFAULT_SKEW: Final = 300
"""Seconds by which the clock that stamped a Snapshot may be ahead."""

_TESTS: Final = ("AppStudioTestSucceeded", "HACBSStudioTestSucceeded")
_INTEGRATION: Final = ("AppStudioIntegrationStatus", "HACBSIntegrationStatus")
_HOUR: Final = 3600
_ANY_DIGEST: Final = f"sha256:{'0' * 64}"


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
        for each in self.snapshot.conditions:
            if each.type == "AutoReleased" == each.reason and each.status == "True":
                return each
        return None

    @property
    def age(self) -> float | None:
        """Seconds since it was created; negative when that is still to come."""
        created, now = self.snapshot.created, self.policy.now
        return None if created is None or now is None else (now - created).total_seconds()

    @property
    def image(self) -> str:
        found = self.snapshot.component(self.policy.component or "")
        return found.image if found else ""


def judge(candidate: Candidate) -> Decision[str]:
    """The rejection code of one Snapshot, or `eligible`, with what every check said."""
    return first_match(QUESTION, candidate.snapshot.name, RULES, candidate, otherwise=_undecided(candidate))


def malformed(candidate: Candidate) -> bool:
    """It is no object, or has no name."""
    return not candidate.snapshot.name


def deleting(candidate: Candidate) -> bool:
    """It is being deleted."""
    return candidate.snapshot.is_deleting


def wrong_application(candidate: Candidate) -> bool:
    """It belongs to another application, or to another component group where the gate names one."""
    key, wanted = _owner(candidate)
    return wanted is None or candidate.snapshot.labels.get(key) != wanted


def wrong_component(candidate: Candidate) -> bool:
    """It was built for another component."""
    wanted = candidate.policy.component
    return wanted is None or candidate.snapshot.labels.get(konflux.COMPONENT_LABEL) != wanted


def wrong_type(candidate: Candidate) -> bool:
    """Its type is there and neither `component` nor an accepted `override`."""
    kind = candidate.snapshot.labels.get(konflux.TYPE_LABEL)
    return kind is not None and kind != "component" and not candidate.is_override


def not_push(candidate: Candidate) -> bool:
    """It was not built by a push; an accepted override need not be."""
    event = candidate.snapshot.labels.get(konflux.EVENT_TYPE_LABEL)
    return event not in snapshots.PUSH_EVENTS and not candidate.is_override


def merge_queue(candidate: Candidate) -> bool:
    """It was built for a merge queue."""
    return snapshots.is_merge_queue(candidate.snapshot.annotations)


def bad_timestamp(candidate: Candidate) -> bool:
    """When it was created is missing or no time. Nor can its age be told while the present time is not known."""
    return candidate.snapshot.created is None or candidate.policy.now is None


def future_timestamp(candidate: Candidate) -> bool:
    """It was created later than now, beyond what clocks may differ: one bad clock must not pin the gate to it."""
    age = candidate.age
    return age is not None and -age > candidate.policy.max_clock_skew_seconds


def too_old(candidate: Candidate) -> bool:
    """It is older than the gate accepts."""
    most = candidate.policy.max_age_hours
    return most is not None and (age := candidate.age) is not None and age > most * _HOUR


def invalid_snapshot(candidate: Candidate) -> bool:
    """Konflux calls it invalid."""
    found = candidate.snapshot.condition(*_INTEGRATION)
    return found is not None and found.status == "False" and found.reason == "Invalid"


def tests_failed(candidate: Candidate) -> bool:
    """Its required integration tests failed."""
    found = candidate.snapshot.condition(*_TESTS)
    return found is not None and found.status == "False"


def not_auto_released(candidate: Candidate) -> bool:
    """No condition says that it was auto-released, and the gate asks for one."""
    return candidate.policy.require_auto_released and candidate.auto_released is None


def auto_release_skipped(candidate: Candidate) -> bool:
    """The condition is there, but nothing was released: its message says so, or no Release succeeded."""
    found = candidate.auto_released
    if found is None:
        return False
    if candidate.was_released is not None:
        return not candidate.was_released
    accepted = candidate.policy.allow_superseded
    return found.message.startswith(SKIPPED) or (found.message == SUPERSEDED and not accepted)


def no_image(candidate: Candidate) -> bool:
    """It holds no image of the component."""
    return not candidate.image


def no_digest(candidate: Candidate) -> bool:
    """The image is not `repo[:tag]@sha256:` with 64 lower-case hexadecimal digits."""
    return not digest_of(candidate.image)


def blocked(candidate: Candidate) -> bool:
    """Somebody blocked it, with a reason."""
    return candidate.snapshot.blocked is not None


def eligible(_candidate: Candidate) -> Verdict[str]:
    """Nothing speaks against it."""
    return Applies(ELIGIBLE, "no check rejects it")


class Check(msgspec.Struct, frozen=True):
    """One check: when it rejects, and, only for who asks, what it compared. Its name is the rejection code."""

    code: str
    rejects: Callable[[Candidate], bool]
    because: Callable[[Candidate], str]
    otherwise: Callable[[Candidate], str]

    def rule(self) -> Rule[Candidate, str]:
        def judge(candidate: Candidate) -> Verdict[str]:
            if self.rejects(candidate):
                return Applies(self.code, self.because(candidate))
            return Passes(self.otherwise(candidate))

        judge.__doc__ = self.rejects.__doc__
        return Rule(self.code, judge)


def _always(text: str) -> Callable[[Candidate], str]:
    return lambda _candidate: text


def _wrong_owner(candidate: Candidate) -> str:
    return _wrong_label(candidate, *_owner(candidate))


def _wrong_label(candidate: Candidate, key: str, wanted: str | None) -> str:
    return f'{key} is "{candidate.snapshot.labels.get(key) or ""}", not "{wanted or ""}"'


def _right_label(candidate: Candidate, key: str) -> str:
    return f"{key} is {candidate.snapshot.labels.get(key)}"


def _why_no_time(candidate: Candidate) -> str:
    if candidate.snapshot.created is None:
        return "creationTimestamp is missing or no time"
    return "the present time is not known"


def _how_old(candidate: Candidate) -> str:
    age, most = candidate.age, candidate.policy.max_age_hours
    if age is None or most is None:
        return "no age is asked for" if most is None else "its age is not known"
    return f"{age / _HOUR:g} h {'>' if age > most * _HOUR else '<='} {most:g} h"


def _not_in_future(candidate: Candidate) -> str:
    if candidate.age is None:
        return "its age is not known"
    return f"not more than {candidate.policy.max_clock_skew_seconds:g} s after now"


def _integration(candidate: Candidate) -> str:
    return _shown(candidate.snapshot.condition(*_INTEGRATION))


def _tests(candidate: Candidate) -> str:
    return _shown(candidate.snapshot.condition(*_TESTS))


def _auto_release(candidate: Candidate) -> str:
    if not candidate.policy.require_auto_released:
        return "auto-release is not asked for"
    return _shown(candidate.auto_released)


def _why_skipped(candidate: Candidate) -> str:
    found = candidate.auto_released
    return "no Release succeeded" if found is None or candidate.was_released is False else found.message


def _why_released(candidate: Candidate) -> str:
    found = candidate.auto_released
    if found is None:
        return "no condition AutoReleased is True"
    if candidate.was_released:
        return "a Release succeeded"
    return found.message or "the message is empty"


def _pushed(candidate: Candidate) -> str:
    if candidate.is_override:
        return "an accepted override"
    return f"its event type is {candidate.snapshot.labels.get(konflux.EVENT_TYPE_LABEL)}"


CHECKS: Final = (
    Check("malformed", malformed, _always("it has no name"), _always("it has a name")),
    Check("deleting", deleting, _always("deletionTimestamp is set"), _always("not being deleted")),
    Check(
        "wrong-application",
        wrong_application,
        _wrong_owner,
        lambda each: _right_label(each, _owner(each)[0]),
    ),
    Check(
        "wrong-component",
        wrong_component,
        lambda each: _wrong_label(each, konflux.COMPONENT_LABEL, each.policy.component),
        lambda each: _right_label(each, konflux.COMPONENT_LABEL),
    ),
    Check(
        "wrong-type",
        wrong_type,
        lambda each: f'its type is "{each.snapshot.labels.get(konflux.TYPE_LABEL)}"',
        lambda each: f"its type is {each.snapshot.labels.get(konflux.TYPE_LABEL) or 'not set'}",
    ),
    Check(
        "not-push",
        not_push,
        lambda each: f'its event type is "{each.snapshot.labels.get(konflux.EVENT_TYPE_LABEL) or ""}"',
        _pushed,
    ),
    Check(
        "merge-queue",
        merge_queue,
        _always("its source branch is a merge queue"),
        _always("not from a merge queue"),
    ),
    Check("bad-timestamp", bad_timestamp, _why_no_time, lambda each: f"created {each.snapshot.created}"),
    Check(
        "future-timestamp",
        future_timestamp,
        lambda each: f"created {-(each.age or 0.0):g} s after now",
        _not_in_future,
    ),
    Check("too-old", too_old, _how_old, _how_old),
    Check("invalid-snapshot", invalid_snapshot, _integration, _integration),
    Check("tests-failed", tests_failed, _tests, _tests),
    Check(
        "not-auto-released", not_auto_released, _always("no condition AutoReleased is True"), _auto_release
    ),
    Check("auto-release-skipped", auto_release_skipped, _why_skipped, _why_released),
    Check(
        "no-image",
        no_image,
        lambda each: f'no image of component "{each.policy.component or ""}"',
        lambda each: each.image,
    ),
    Check(
        "no-digest",
        no_digest,
        lambda each: f'"{each.image}" is not pinned by sha256',
        lambda each: digest_of(each.image),
    ),
    Check("blocked", blocked, lambda each: f"blocked: {each.snapshot.blocked}", _always("not blocked")),
)
"""The checks in their order."""

RULES: tuple[Rule[Candidate, str], ...] = (
    *(check.rule() for check in CHECKS),
    Rule(ELIGIBLE, eligible),
)
"""Each name but the last is a rejection code."""


def _owner(candidate: Candidate) -> tuple[str, str | None]:
    """The label that says whose it is, and what it must say."""
    policy = candidate.policy
    if policy.component_group:
        return konflux.COMPONENT_GROUP_LABEL, policy.component_group
    return konflux.APPLICATION_LABEL, policy.application


def digest_of(image: str) -> str:
    """The digest that pins `image`; empty when it is no reference, or not pinned by sha256."""
    name, _, digest = image.partition("@")
    pinned = digest.startswith("sha256:") and reference.is_digest(digest)
    return digest if pinned and _is_name(name) else ""


@lru_cache(maxsize=256)
def _is_name(name: str) -> bool:
    """May a digest stand behind it? Thousands of builds share a few repositories."""
    try:
        reference.parse(f"{name}@{_ANY_DIGEST}")
    except ImageError:
        return False
    return True


def _shown(condition: SnapshotCondition | None) -> str:
    if condition is None:
        return "no such condition"
    return f"{condition.type} is {condition.status}/{condition.reason}"


def _undecided(candidate: Candidate) -> Finding:
    return error("Undecided", "no check decided", subject=candidate.snapshot.name)
