"""Which ReleasePlanAdmission receives what a ReleasePlan releases."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.gate.promotion.admissions import Match, Pairing, match_admission, read_admission, read_plan

from .asking import LABELS, ask, cases, keyed


def plan(**changes: Any) -> dict[str, Any]:
    spec = {"target": "managed", "application": "operator"} | changes
    labels = keyed(LABELS, {"admission": spec.pop("admission", "<gone>")})
    return {
        "metadata": {"namespace": spec.pop("namespace", "tenant"), "name": "plan", "labels": labels},
        "spec": spec,
    }


def admission(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    spec = {"origin": "tenant", "applications": ["operator"]} | given
    labels = keyed(LABELS, {"block": spec.pop("block", "false")})
    namespace = spec.pop("namespace", "managed")
    return {"metadata": {"namespace": namespace, "name": spec.pop("name"), "labels": labels}, "spec": spec}


@pytest.mark.parametrize("case", cases("rpa-match.yaml"))
def test_case(case: dict[str, Any]) -> None:
    """Each case of cases/rpa-match.yaml: what is found and how, or why not."""
    given = case["admissions"]
    given = list(map(admission, given)) if isinstance(given, list) else given
    found = ask("gate.rpa-match", {"releasePlan": plan(**case["plan"]), "admissions": given})
    via, name, state = [*case["gives"].split(" "), None, None][:3]
    if name is None:
        nothing = {"outcome": "error", "name": None, "active": None, "via": None}
        assert {**nothing, "reason": case["gives"]} == found
        return
    matched = {"outcome": "error" if state == "blocked" else "matched", "name": name, "via": via}
    reason = "blocked" if state == "blocked" else None
    assert {**matched, "active": state is None, "reason": reason} == found


@pytest.mark.parametrize("nothing", [None, {}, [], "plan", 7, {"metadata": None, "spec": None}])
def test_what_is_no_plan_has_no_target(nothing: Any) -> None:
    """And nothing raises."""
    assert ask("gate.rpa-match", {"releasePlan": nothing, "admissions": [nothing]})["reason"] == "no-target"


def test_it_says_who_else_would_take_it() -> None:
    """The error names all that were found: one of them goes into the label."""
    pairing = Pairing(
        read_plan(plan()),
        tuple(read_admission(admission({"name": name})) for name in ("two", "one")),
    )
    decision = match_admission(pairing)
    assert decision.error.code == "multiple"
    assert decision.error.message == "several ReleasePlanAdmissions take it: one, two"


def test_without_the_block_label_it_is_neither_blocked_nor_active() -> None:
    """Only the two texts mean something."""
    pairing = Pairing(read_plan(plan()), (read_admission(admission({"name": "one", "block": None})),))
    assert match_admission(pairing).value == Match("managed/one", "search", is_blocked=False, is_active=False)
