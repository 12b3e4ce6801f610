"""Which Snapshot is selected, and the code of each that is not."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from pilotage.gate.ticks.selection import ELIGIBLE, RULES, Candidate, SelectionPolicy, judge
from pilotage.gate.ticks.snapshots import read_snapshot

from .asking import DIGEST, IMAGE, NOW, ask, cases, condition, snapshot

WANTED = {"application": "operator", "component": "operator-main", "now": NOW}
KEYS = {"outcome", "name", "image", "digest", "revision", "reason", "rejected"}


def select(given: Any, **changes: Any) -> dict[str, Any]:
    value = ask("gate.select-snapshot", {"snapshots": given, **WANTED, **changes})
    assert value.keys() == KEYS
    return value


def release(given: Any) -> Any:
    """`{snapshot, plan, says}`, where `says` is a condition in short words."""
    if not isinstance(given, dict) or "says" not in given:
        return given
    spec = {"snapshot": given.get("snapshot"), "releasePlan": given.get("plan")}
    return {"spec": spec, "status": {"conditions": [condition(given["says"])]}}


@pytest.mark.parametrize("case", cases("rejections.yaml"))
def test_one_snapshot(case: dict[str, Any]) -> None:
    """Each case of cases/rejections.yaml: one Snapshot, its code, or none when it is selected."""
    given = case["raw"] if "raw" in case else snapshot(**case.get("snapshot", {}))
    changes = dict(case.get("ask", {}))
    if isinstance(changes.get("releases"), list):
        changes["releases"] = [release(each) for each in changes["releases"]]
    value = select([given], **changes)
    if case["code"] is None:
        assert (value["outcome"], value["reason"], value["rejected"]) == ("selected", None, {})
        assert value["name"] == given["metadata"]["name"]
    else:
        key = case.get("key", "one")
        assert (value["outcome"], value["rejected"]) == ("none", {key: case["code"]})
        assert value["reason"] == "no-eligible-snapshot"
        assert [value[name] for name in ("name", "image", "digest", "revision")] == [None] * 4


@pytest.mark.parametrize("case", cases("newest.yaml"))
def test_the_newest_of_several(case: dict[str, Any]) -> None:
    """Each case of cases/newest.yaml: which one wins, whatever the order of the list."""
    given = [snapshot(**each) for each in case["snapshots"]]
    for ordered in itertools.permutations(given):
        value = select(list(ordered))
        assert (value["outcome"], value["name"]) == ("selected", case["wins"])
        assert value["rejected"] == case.get("rejected", {})


def test_what_is_selected_is_told_whole() -> None:
    """Name, image as written, digest, revision; nothing is rejected."""
    assert select([snapshot()]) == {
        "outcome": "selected",
        "name": "one",
        "image": IMAGE,
        "digest": DIGEST,
        "revision": "c" * 40,
        "reason": None,
        "rejected": {},
    }


@pytest.mark.parametrize("given", [[], None, {}, "", "none", 7, True, {"items": []}])
def test_no_list_is_an_empty_list(given: Any) -> None:
    """What is no list holds no Snapshots."""
    value = select(given)
    assert (value["outcome"], value["reason"], value["rejected"]) == ("none", "no-snapshots", {})


def test_without_any_key_there_is_an_answer() -> None:
    """Not even the list of Snapshots need be there."""
    assert ask("gate.select-snapshot", {})["reason"] == "no-snapshots"


def test_nameless_snapshots_are_called_by_their_position() -> None:
    """Each has a code of its own; the one behind them is still selected."""
    value = select([None, 7, {}, snapshot(metadata={"name": ""}), "text", snapshot()])
    assert value["rejected"] == {f"#{position}": "malformed" for position in range(5)}
    assert value["name"] == "one"


def test_every_code_is_a_rule_and_every_rule_has_a_case() -> None:
    """The table of the code is the table of the cases."""
    codes = {case.values[0]["code"] for case in cases("rejections.yaml")} - {None}
    assert {rule.name for rule in RULES} - {ELIGIBLE} == codes
    assert all(rule.summary for rule in RULES)


def test_a_rejection_tells_what_every_check_said() -> None:
    """The first check that applies decides; those behind it say what they would have done."""
    policy = SelectionPolicy(
        application="operator", component="operator-main", now=datetime(2026, 6, 11, 3, 15, tzinfo=UTC)
    )
    found = read_snapshot(snapshot(labels={"event": "pull_request"}, image="quay.io/acme/operator:latest"))
    decision = judge(Candidate(found, policy))
    assert (decision.rule, decision.value) == ("not-push", "not-push")
    assert decision.reason == 'its event type is "pull_request"'
    assert decision.considered("no-digest").verdict == "skipped"
    assert decision.considered("no-digest").would_be == "no-digest"
    assert decision.considered("wrong-type").verdict == "not-applicable"
    assert len(decision.trail) == 18
