"""The precedence: case by case, as a matrix, and what a decision tells about the rules that lost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml

from pilotage.controlplane.image import RULES, choose_image, wanted
from pilotage.decision.facts import NotSeen
from pilotage.decision.render import decision_json, decision_text

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "precedence.yaml").read_text()
)
HO = f"quay.io/ho@sha256:{'1' * 64}"
PAYLOAD = f"quay.io/payload/cpo@sha256:{'2' * 64}"
FIVE = ["annotation", "override", "operator-image", "payload", "operator-fallback"]


@pytest.mark.parametrize("case", CASES, ids=[case["it"] for case in CASES])
def test_case(given: SimpleNamespace, case: dict[str, Any]) -> None:
    """Each case of cases/precedence.yaml: the facts given, the decision made."""
    decision = choose_image(given.facts(**case["given"]))
    gives = case["gives"]
    assert (
        given.whole(gives["image"]) if "image" in gives else None,
        gives.get("rule"),
        gives.get("error"),
    ) == (
        decision.value,
        decision.rule,
        decision.error.code if decision.error else None,
    )
    assert gives.get("warns", []) == [finding.code for finding in decision.warnings]
    for fragment in gives.get("says", []):
        assert fragment in decision.error.message


NO_IMAGE, TOO_OLD = "NoControlPlaneOperatorImage", "UnsupportedReleaseVersion"
RECENT, MIDDLE, OLD, ANCIENT = (
    ["4.20.0", "4.21.7", "4.23.0", "5.0.0", "5.1.3", "6.0.0"],
    ["4.11.0", "4.15.54", "4.19.99", "4.19.0-rc.1"],
    ["4.9.0", "4.10.67"],
    ["4.8.57", "4.0.0", "3.11.0", "3.20.1", "0.0.1"],
)
MATRIX = [
    # versions, hypershift in payload, binary, what decides
    (RECENT, True, True, "operator-image"),
    (RECENT, True, False, "payload"),
    (RECENT, True, None, "payload"),
    (RECENT, False, True, "operator-image"),
    (RECENT, False, False, NO_IMAGE),
    (RECENT, False, None, NO_IMAGE),
    (MIDDLE, True, True, "payload"),
    (MIDDLE, True, False, "payload"),
    (MIDDLE, True, None, "payload"),
    (MIDDLE, False, True, "operator-fallback"),
    (MIDDLE, False, False, NO_IMAGE),
    (MIDDLE, False, None, NO_IMAGE),
    (OLD, True, True, "payload"),
    (OLD, True, False, "payload"),
    (OLD, True, None, "payload"),
    (OLD, False, True, "operator-fallback"),
    (OLD, False, False, "operator-fallback"),
    (OLD, False, None, "operator-fallback"),
    (ANCIENT, True, True, "payload"),
    (ANCIENT, True, None, "payload"),
    (ANCIENT, False, True, TOO_OLD),
    (ANCIENT, False, None, TOO_OLD),
]


@pytest.mark.parametrize(
    ("version", "in_payload", "binary", "decides"),
    [
        pytest.param(
            version, in_payload, binary, decides, id=f"{version}-payload:{in_payload}-binary:{binary}"
        )
        for versions, in_payload, binary, decides in MATRIX
        for version in versions
    ],
)
def test_matrix(
    given: SimpleNamespace, version: str, in_payload: bool, binary: bool | None, decides: str
) -> None:
    """Without annotation and override: version, payload and binary decide alone."""
    hypershift = PAYLOAD if in_payload else None
    decision = choose_image(given.facts(version=version, hypershift=hypershift, binary=binary))
    if decision.error:
        assert decides == decision.error.code
    else:
        assert (decides, PAYLOAD if decides == "payload" else HO) == (decision.rule, decision.value)
    lacks = version in OLD and not in_payload and binary is not True
    assert (["OperatorImageLacksBinary"] if lacks else []) == [finding.code for finding in decision.warnings]


def test_the_trail_lists_all_five_rules_and_what_the_skipped_would_have_given(given: SimpleNamespace) -> None:
    """A user sees that the override hides the operator image, and which one."""
    decision = choose_image(given.facts(overrides={"azure": {"4.20.3": "quay.io/pin@sha256:b…"}}))
    trail = decision_json(decision, "image")["trail"]
    assert FIVE == [entry["rule"] for entry in trail]
    assert ["not-applicable", "applied", "skipped", "skipped", "skipped"] == [
        entry["verdict"] for entry in trail
    ]
    assert [HO, PAYLOAD, HO] == [entry["wouldBe"] for entry in trail[2:]]


def test_the_reason_of_the_operator_image_names_what_was_compared(given: SimpleNamespace) -> None:
    """The explanation of an early candidate: the pair, that the pre-release was ignored, where the binary is."""
    reason = choose_image(given.facts(version="4.20.0-ec.3")).considered("operator-image").reason
    for fragment in ("(4,20) >= (4,20)", "pre-release ignored", "layer 5"):
        assert fragment in reason


def test_the_switch_is_named_when_it_is_off(given: SimpleNamespace) -> None:
    """`explain` says that the feature is off and not that a binary is missing."""
    assert choose_image(given.facts(switch="off")).considered("operator-image").reason == "feature off"


def test_a_cluster_with_an_annotation_needs_nothing(given: SimpleNamespace) -> None:
    """No fact that costs a request is asked for before the annotation decides."""
    bare = msgspec.structs.replace(given.facts(annotation="quay.io/a:1"), release=None, binary=None)
    assert choose_image(bare).rule == "annotation"


def test_facts_are_asked_for_one_after_the_other(given: SimpleNamespace) -> None:
    """First the release, then the binary, and nothing for a version that never takes the operator image."""
    bare = msgspec.structs.replace(given.facts(), release=None, binary=None)
    assert choose_image(bare).needs.fact == "release"
    recent = msgspec.structs.replace(given.facts(), binary=None)
    assert choose_image(recent).needs.fact == "binary"
    older = msgspec.structs.replace(given.facts(version="4.19.7"), binary=None)
    assert choose_image(older).rule == "payload"


def test_explain_may_ask_for_more_than_the_decision_needs(given: SimpleNamespace) -> None:
    """What a hidden rule would have given is a fact worth looking at, once the decision stands."""
    pinned = given.facts(overrides={"azure": {"4.20.3": "quay.io/pin@sha256:b…"}})
    assert wanted(msgspec.structs.replace(pinned, binary=None)) == ("binary",)


def test_enforced_parity_wants_labels_before_it_decides(given: SimpleNamespace) -> None:
    """With attestations enforced, labels that nobody compared are asked for, not assumed."""
    unread = given.facts(attestation_mode="enforce", attestation="aro-hcp")
    assert choose_image(unread).needs.fact == "labels"


def test_an_image_that_nobody_could_check_is_not_an_alarm(given: SimpleNamespace) -> None:
    """A binary fact that was never given has no cause, and gives no warning."""
    decision = choose_image(msgspec.structs.replace(given.facts(), binary=NotSeen()))
    assert (decision.rule, decision.warnings) == ("payload", ())


def test_every_rule_says_in_one_line_what_it_is() -> None:
    """The reference page prints the first line of each rule."""
    assert all(rule.summary.endswith(".") for rule in RULES)


def test_a_hold_is_shown_where_it_ended_the_walk(given: SimpleNamespace) -> None:
    """The text names the hold and what the rules would have given; the JSON trail stays the five rules."""
    recorded = {"image": "quay.io/old@sha256:9…", "rule": "payload"}
    decision = choose_image(given.facts(source="hold", recorded=recorded))
    text = decision_text(decision, "image")
    assert "→ hold" in text
    assert f"would give {HO}" in text
    assert [entry["rule"] for entry in decision_json(decision)["trail"]] == FIVE
