"""The points of the admission policy, each with what it lets in and what not."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from pilotage.api.gate import (
    Exemption,
    FreezeWindow,
    PolicySettings,
    QuarantineEntry,
    SelectionSettings,
    TriggerRecord,
    YankedDigest,
)
from pilotage.gate.promotion.commit import CommitFacts, decide_commit
from pilotage.gate.promotion.policy import (
    POINTS,
    ImageFacts,
    PolicyFacts,
    denials,
    judge_policy,
    missing_platforms,
)

from .promotionrig import HERE, NOW, gate_of, run_of

DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'c' * 64}"
IMAGE = f"{HERE.name}@{DIGEST}"


def started_by(run, name):
    trigger = TriggerRecord("manual-1", "manual", by=name)
    return msgspec.structs.replace(run, spec=msgspec.structs.replace(run.spec, trigger=trigger))


def rehearsal(run):
    return msgspec.structs.replace(run, spec=msgspec.structs.replace(run.spec, run_class="test"))


def with_result(run, job, **attempt):
    records = tuple(
        msgspec.structs.replace(record, attempts=(msgspec.structs.replace(record.attempts[-1], **attempt),))
        if record.name == job
        else record
        for record in run.status.jobs
    )
    return msgspec.structs.replace(run, status=msgspec.structs.replace(run.status, jobs=records))


RUN = run_of(DIGEST)


@dataclass
class Case:
    point: str
    allows: bool
    policy: dict[str, Any] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    image: dict[str, Any] = field(default_factory=dict)


CASES = {
    "pinned": Case("digest-pinned", True),
    "by tag": Case("digest-pinned", False, facts={"image": f"{HERE.name}:v1"}),
    "pinned to another digest": Case("digest-pinned", False, facts={"image": f"{HERE.name}@{OTHER}"}),
    "from anywhere": Case("source-registry-allowed", True),
    "from the registry": Case("source-registry-allowed", True, {"source_registries": ("quay.example.org",)}),
    "from the repository": Case(
        "source-registry-allowed", True, {"source_registries": ("a.example", HERE.name)}
    ),
    "from below": Case("source-registry-allowed", True, {"source_registries": ("quay.example.org/build/",)}),
    "from a registry whose name begins so": Case(
        "source-registry-allowed", False, {"source_registries": ("quay.example.or",)}
    ),
    "from elsewhere": Case(
        "source-registry-allowed", False, {"source_registries": ("quay.example.org/other",)}
    ),
    "all required jobs": Case("required-jobs-complete", True),
    "one failed": Case(
        "required-jobs-complete",
        False,
        facts={"run": with_result(RUN, "e2e-azure", result="failed")},
    ),
    "one tested another digest": Case(
        "required-jobs-complete", False, facts={"run": with_result(RUN, "e2e-azure", image=OTHER)}
    ),
    "the failed one is in quarantine": Case(
        "required-jobs-complete",
        True,
        gate={"quarantine": (QuarantineEntry("e2e-azure", "2026-06-12T00:00:00Z"),)},
        facts={"run": with_result(RUN, "e2e-azure", result="failed")},
    ),
    "the quarantine is over": Case(
        "required-jobs-complete",
        False,
        gate={"quarantine": (QuarantineEntry("e2e-azure", "2026-06-11T07:00:00Z"),)},
        facts={"run": with_result(RUN, "e2e-azure", result="failed")},
    ),
    "no verdict": Case("required-jobs-complete", False, facts={"run": run_of(DIGEST, verdict="")}),
    "a rehearsal": Case("required-jobs-complete", False, facts={"run": rehearsal(RUN)}),
    "a component": Case("snapshot-type", True, facts={"snapshot_type": "component"}),
    "no type": Case("snapshot-type", True),
    "a group": Case("snapshot-type", False, facts={"snapshot_type": "group"}),
    "an override": Case("snapshot-type", False, facts={"snapshot_type": "override"}),
    "an override that is welcome": Case(
        "snapshot-type",
        True,
        gate={"selection": SelectionSettings(allow_override=True)},
        facts={"snapshot_type": "override"},
    ),
    "a Snapshot that is gone": Case("snapshot-type", False, facts={"snapshot_type": None}),
    "no signature needed": Case("signature-present", True),
    "signed": Case(
        "signature-present", True, {"signature_key": "PEM"}, image={"signatures": 2, "verified": 1}
    ),
    "signed by another": Case("signature-present", False, {"signature_key": "PEM"}, image={"signatures": 2}),
    "no provenance needed": Case("provenance-present", True),
    "provenance": Case("provenance-present", True, {"require_provenance": True}, image={"provenance": 1}),
    "no provenance": Case("provenance-present", False, {"require_provenance": True}),
    "all architectures": Case("arches-complete", True, {"architectures": ("linux/amd64", "linux/arm64")}),
    "one architecture is missing": Case("arches-complete", False, {"architectures": ("linux/s390x",)}),
    "young enough": Case("max-age", True, {"max_age_hours": 11.0}),
    "too old": Case("max-age", False, {"max_age_hours": 10.9}),
    "nobody yanked it": Case(
        "not-yanked", True, gate={"yanked": (YankedDigest(OTHER, "bad", "ann", "2026-06-11T00:00:00Z"),)}
    ),
    "yanked": Case(
        "not-yanked", False, gate={"yanked": (YankedDigest(DIGEST, "bad", "ann", "2026-06-11T00:00:00Z"),)}
    ),
    "one person is enough": Case("two-person", True),
    "nobody approved": Case("two-person", False, {"two_person": True}),
    "somebody approved a scheduled run": Case(
        "two-person", True, {"two_person": True}, facts={"approvals": ("ann",)}
    ),
    "approved by who started it": Case(
        "two-person",
        False,
        {"two_person": True},
        facts={"run": started_by(RUN, "ann"), "approvals": ("ann",)},
    ),
    "approved by another": Case(
        "two-person",
        True,
        {"two_person": True},
        facts={"run": started_by(RUN, "ann"), "approvals": ("ann", "bob")},
    ),
}


def facts_of(case: Case, *exemptions: Exemption) -> PolicyFacts:
    policy = PolicySettings(**case.policy, exemptions=exemptions)
    known = {"platforms": ("linux/amd64", "linux/arm64/v8"), **case.image}
    return PolicyFacts(
        **{
            "image": IMAGE,
            "digest": DIGEST,
            "run": RUN,
            "gate": gate_of(policy=policy, **case.gate).spec,
            "now": NOW,
            "facts": ImageFacts(**known),
            **case.facts,
        }
    )


@pytest.mark.parametrize("name", CASES)
def test_one_point_decides(name):
    """The point says yes or no with a reason, and every other point says yes."""
    case = CASES[name]

    answers = {each.point: each for each in judge_policy(facts_of(case))}

    assert case.allows == answers[case.point].allows, answers[case.point]
    assert answers[case.point].reason
    assert all(each.allows for point, each in answers.items() if point != case.point)


def test_every_point_has_both_answers():
    """A point that nothing can deny would be no point."""
    seen = {(case.point, case.allows) for case in CASES.values()}

    assert seen == {(point.name, allows) for point in POINTS for allows in (True, False)}


LIVE = {"until": "2026-06-12T00:00:00Z", "approver": "ann", "reason": "agreed"}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.allows])
def test_an_exemption_spares_what_may_be_spared(name):
    """Approved and not over it lets the image in, but for the points that keep untested and yanked images out."""
    case = CASES[name]
    denied = denials(facts_of(case, Exemption(case.point, **LIVE)))

    never = case.point in ("digest-pinned", "required-jobs-complete", "not-yanked")
    assert ([case.point] if never else []) == [point for point, _ in denied]


@pytest.mark.parametrize(
    "change",
    [
        {"until": "2026-06-11T07:00:00Z"},
        {"until": "some day"},
        {"until": ""},
        {"approver": ""},
        {"rule": "two-person"},
    ],
    ids=str,
)
def test_an_exemption_that_does_not_hold(change):
    """Over, without a readable end, without an approver, or of another point: the no stands."""
    exemption = Exemption(**{"rule": "max-age", **LIVE, **change})

    assert ["max-age"] == [point for point, _ in denials(facts_of(CASES["too old"], exemption))]


def test_an_exemption_is_told():
    """Who approved, until when and why stand in the answer."""
    answers = judge_policy(facts_of(CASES["too old"], Exemption("max-age", **LIVE)))

    (spared,) = [each for each in answers if each.exempted_by]
    assert ("max-age", False, "ann") == (spared.point, spared.allows, spared.exempted_by)
    assert "until 2026-06-12T00:00:00Z: agreed" in spared.reason


def test_every_no_is_told_at_once():
    """Whoever has three things to mend hears of three."""
    policy = PolicySettings(max_age_hours=1.0, two_person=True, architectures=("linux/s390x",))
    facts = msgspec.structs.replace(facts_of(CASES["pinned"]), gate=gate_of(policy=policy).spec)

    assert ["arches-complete", "max-age", "two-person"] == [point for point, _ in denials(facts)]


@pytest.mark.parametrize(
    ("listed", "missing"),
    [
        (("linux/arm64",), ()),
        (("linux/arm64/v8",), ()),
        (("linux/arm",), ("linux/arm64",)),
        ((), ("linux/arm64",)),
    ],
)
def test_a_variant_is_of_its_architecture(listed, missing):
    """linux/arm64/v8 is there for whoever asks for linux/arm64; linux/arm is not."""
    assert missing == missing_platforms(PolicySettings(architectures=("linux/arm64",)), listed)


@pytest.mark.parametrize(
    ("approver", "until", "action"),
    [
        ("ann", "2026-06-12T00:00:00Z", "promote"),
        ("", "2026-06-12T00:00:00Z", "wait"),
        ("ann", "2026-06-11T06:00:00Z", "wait"),
    ],
)
def test_a_freeze_can_be_exempted(approver, until, action):
    """An urgent fix gets through a freeze window with an approver, for a while; without one it waits."""
    policy = PolicySettings(
        freeze=(FreezeWindow("2026-06-10T00:00:00Z", "2026-06-20T00:00:00Z", "holidays"),),
        exemptions=(Exemption("freeze-window", until, approver, "security fix"),),
    )
    facts = CommitFacts(
        run=RUN,
        gate=gate_of(policy=policy).spec,
        now=NOW,
        spec_hash=RUN.spec.snapshot.spec_hash,
        required=frozenset({"e2e-azure", "e2e-upgrade"}),
    )

    assert action == decide_commit(facts).value.action
