"""Does the admission policy let this image in? Ten points, each with its answer and its reason.

All points are judged, also behind one that says no: whoever has three things to mend hears of three. A Gate may exempt a point for a
while, with an approver; three of them cannot be exempted, because without them an image could be promoted that was not tested, or that
somebody took back. The eleventh point, the freeze window, makes a promotion wait and is a row of `commit`.

The points are those that Konflux evaluates before a release (an EnterpriseContractPolicy); here they need no other system.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from pilotage.api.gate import Exemption, GateRun, GateSpec, PolicySettings
from pilotage.gate.instants import read_instant
from pilotage.gate.settings import quarantined
from pilotage.images.reference import parse

__all__ = [
    "POINTS",
    "ImageFacts",
    "Point",
    "PointAnswer",
    "PolicyFacts",
    "denials",
    "exemption_of",
    "judge_policy",
    "missing_platforms",
]


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry knows of an image. `platforms` are `os/architecture` of an index, or of the one image.

    `signatures` counts those found, `verified` those by the key of the policy. `provenance` counts statements of how it was
    built that are about this digest, and, where the policy names a key, are signed by it.
    """

    platforms: tuple[str, ...] = ()
    signatures: int = 0
    verified: int = 0
    provenance: int = 0


class PolicyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An image, the run that passed, and what is known about it.

    `snapshot_type` is the label of the Snapshot, empty without one and None when the Snapshot is gone. `approvals` are people.
    """

    image: str
    digest: str
    run: GateRun
    gate: GateSpec
    now: datetime
    facts: ImageFacts
    snapshot_type: str | None = ""
    approvals: tuple[str, ...] = ()

    @property
    def policy(self) -> PolicySettings:
        return self.gate.policy


class PointAnswer(msgspec.Struct, frozen=True):
    """What one point says. `exempted_by` names who approved that its no does not count."""

    point: str
    allows: bool
    reason: str
    exempted_by: str = ""

    @property
    def denies(self) -> bool:
        return not self.allows and not self.exempted_by


class Point(NamedTuple):
    """`judge` gives yes or no and the reason."""

    name: str
    judge: Callable[[PolicyFacts], tuple[bool, str]]
    can_be_exempted: bool = True


def judge_policy(facts: PolicyFacts) -> tuple[PointAnswer, ...]:
    """What every point says, in order."""
    answers = []
    for point in POINTS:
        allows, reason = point.judge(facts)
        exemption = None if allows else _exemption(facts, point)
        if exemption is not None:
            reason = f"{reason}; exempted until {exemption.until}: {exemption.reason or 'no reason given'}"
        answers.append(PointAnswer(point.name, allows, reason, exemption.approver if exemption else ""))
    return tuple(answers)


def denials(facts: PolicyFacts) -> tuple[tuple[str, str], ...]:
    """The points that say no, each with its reason; empty when the policy lets the image in."""
    return tuple((each.point, each.reason) for each in judge_policy(facts) if each.denies)


def digest_pinned(facts: PolicyFacts) -> tuple[bool, str]:
    """The image is named by the digest that was tested."""
    _, at, digest = facts.image.rpartition("@")
    if not at:
        return False, "the image is named by tag: what a tag names changes"
    return digest == facts.digest, f"the image is pinned to {digest}, tested was {facts.digest}"


def source_registry_allowed(facts: PolicyFacts) -> tuple[bool, str]:
    """The image comes from a registry, or a part of one, that the policy lists."""
    allowed = facts.policy.source_registries
    if not allowed:
        return True, "images may come from anywhere"
    location = parse(facts.image).location
    for each in allowed:
        if location == each or location.startswith(f"{each.rstrip('/')}/"):
            return True, f"{location} is below {each}"
    return False, f"{location} is below none of {', '.join(allowed)}"


def required_jobs_complete(facts: PolicyFacts) -> tuple[bool, str]:
    """Every required job of the run passed on this digest, and the run was no rehearsal."""
    run = facts.run
    if run.spec.run_class == "test":
        return False, "the run is a rehearsal: its jobs prove nothing"
    if run.status.verdict != "passed":
        return False, f"the verdict is {run.status.verdict or 'missing'}"
    passed = {
        record.name
        for record in run.status.jobs
        if record.attempts
        and record.attempts[-1].result == "passed"
        and record.attempts[-1].image == facts.digest
    }
    required = {job.name for job in run.spec.jobs if job.type == "required"} - quarantined(
        facts.gate, facts.now
    )
    missing = sorted(required - passed)
    if missing:
        return False, f"not passed on this digest: {', '.join(missing)}"
    return True, f"{len(required)} required jobs passed"


def snapshot_type(facts: PolicyFacts) -> tuple[bool, str]:
    """The Snapshot is of a component, or an override where the gate takes those."""
    kind = facts.snapshot_type
    if kind is None:
        return False, "the Snapshot is gone"
    if kind == "override" and facts.gate.selection.allow_override:
        return True, "the gate takes overrides"
    return kind in ("", "component"), f"the Snapshot is of type {kind or 'component, unlabelled'}"


def signature_present(facts: PolicyFacts) -> tuple[bool, str]:
    """The image carries a signature by the key of the policy."""
    if not facts.policy.signature_key:
        return True, "the policy names no key"
    found = facts.facts
    return (
        found.verified > 0,
        f"{found.verified} of {found.signatures} signatures are by the key of the policy",
    )


def provenance_present(facts: PolicyFacts) -> tuple[bool, str]:
    """A statement of how the image was built lies beside it."""
    if not facts.policy.require_provenance:
        return True, "the policy asks for none"
    signed = ", signed by the key of the policy" if facts.policy.signature_key else ""
    return facts.facts.provenance > 0, f"{facts.facts.provenance} statements of how it was built{signed}"


def arches_complete(facts: PolicyFacts) -> tuple[bool, str]:
    """The index lists every platform that the policy names."""
    missing = missing_platforms(facts.policy, facts.facts.platforms)
    listed = ", ".join(facts.facts.platforms) or "none"
    return not missing, f"listed: {listed}" + (f"; missing: {', '.join(missing)}" if missing else "")


def max_age(facts: PolicyFacts) -> tuple[bool, str]:
    """The image is not older than the policy allows."""
    limit = facts.policy.max_age_hours
    if limit is None:
        return True, "the policy sets no limit"
    built = read_instant(facts.run.spec.snapshot.created)
    if built is None:
        return False, "when it was built is not known"
    age = facts.now - built
    return age <= timedelta(hours=limit), f"{age.total_seconds() / 3600:.1f} of {limit:g} hours old"


def not_yanked(facts: PolicyFacts) -> tuple[bool, str]:
    """Nobody took the image back."""
    reasons = [f"by {each.by}: {each.reason}" for each in facts.gate.yanked if each.digest == facts.digest]
    return not reasons, f"yanked {'; '.join(reasons)}" if reasons else "nobody yanked it"


def two_person(facts: PolicyFacts) -> tuple[bool, str]:
    """Somebody else than whoever triggered the run approves."""
    if not facts.policy.two_person:
        return True, "one person is enough"
    starter = facts.run.spec.trigger.by
    others = [name for name in facts.approvals if name != starter]
    who = f" other than {starter}" if starter else ""
    return bool(
        others
    ), f"approved by {', '.join(others)}" if others else f"waits for the approval of a person{who}"


POINTS: Final[tuple[Point, ...]] = (
    Point("digest-pinned", digest_pinned, can_be_exempted=False),
    Point("source-registry-allowed", source_registry_allowed),
    Point("required-jobs-complete", required_jobs_complete, can_be_exempted=False),
    Point("snapshot-type", snapshot_type),
    Point("signature-present", signature_present),
    Point("provenance-present", provenance_present),
    Point("arches-complete", arches_complete),
    Point("max-age", max_age),
    Point("not-yanked", not_yanked, can_be_exempted=False),
    Point("two-person", two_person),
)


def missing_platforms(policy: PolicySettings, platforms: tuple[str, ...]) -> tuple[str, ...]:
    """Those that the policy names and the image has not. `linux/arm64` is there as well when `linux/arm64/v8` is."""
    return tuple(
        wanted
        for wanted in policy.architectures
        if not any(each == wanted or each.startswith(f"{wanted}/") for each in platforms)
    )


def exemption_of(policy: PolicySettings, point: str, now: datetime) -> Exemption | None:
    """One that names an approver and is not over. An end that cannot be read is over."""
    for each in policy.exemptions:
        until = read_instant(each.until)
        if each.rule == point and each.approver and until is not None and now < until:
            return each
    return None


def _exemption(facts: PolicyFacts, point: Point) -> Exemption | None:
    return exemption_of(facts.policy, point.name, facts.now) if point.can_be_exempted else None
