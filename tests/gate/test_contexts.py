"""Whether a scenario applies to a Snapshot, and whether it is required."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.gate.ticks.contexts import Occasion, applies

from .asking import ANNOTATIONS, LABELS, ask, cases, keyed

PUSH = {"type": "component", "component": "operator-main", "event": "push"}


@pytest.mark.parametrize("case", cases("its-context.yaml"))
def test_case(case: dict[str, Any]) -> None:
    """Each case of cases/its-context.yaml: the scenario, the Snapshot, and both answers."""
    scenario: dict[str, Any] = {"name": case.get("name", "gate")}
    if "contexts" in case or "raw" in case:
        named = None if case.get("contexts") is None else [{"name": name} for name in case["contexts"]]
        scenario["contexts"] = case.get("raw", named)
    if "optional" in case:
        scenario["labels"] = keyed(LABELS, {"optional": case["optional"]})
    snapshot = {
        "labels": case.get("no-labels", keyed(LABELS, PUSH | case.get("labels", {}))),
        "annotations": case.get("no-annotations", keyed(ANNOTATIONS, case.get("annotations", {}))),
    }
    asked = {"scenario": scenario, "snapshot": snapshot}
    if "run" in case:
        asked["runLabel"] = case["run"]
    expected = {"applies": case["applies"], "required": case.get("required", case["applies"])}
    assert expected == ask("gate.its-context", asked)


@pytest.mark.parametrize("nothing", [None, {}, [], "gate", 7])
def test_without_scenario_and_snapshot_there_is_an_answer(nothing: Any) -> None:
    """A scenario of which nothing is known has no contexts."""
    expected = {"applies": True, "required": True}
    assert expected == ask("gate.its-context", {"scenario": nothing, "snapshot": nothing})


def test_it_says_which_context_matched() -> None:
    """The reason names what decided, and what a run by name would have skipped."""
    occasion = Occasion(scenario="gate", contexts=("disabled", "all"), run_label="gate")
    decision = applies(occasion)
    assert (decision.rule, decision.value) == ("run-label", True)
    assert decision.considered("context").reason == "context all matches"
    assert applies(Occasion(scenario="gate", contexts=("disabled",))).reason == "none of disabled matches"
