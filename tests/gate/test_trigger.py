"""What a tick does: start, skip, attach or wait, and why."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.gate.ticks.trigger import ACTIVE, RULES, Run, Start, Tick, decide_trigger

from .asking import ask, cases

RENAMED = {"label": "runLabel", "most": "maxRunsPerDigest", "raw": "ledger"}


@pytest.mark.parametrize("case", cases("trigger.yaml"))
def test_case(case: dict[str, Any]) -> None:
    """Each case of cases/trigger.yaml: the situation and the action with its reason."""
    given = {RENAMED.get(key, key): value for key, value in case.items() if key not in ("it", "gives")}
    if "ledger" in case:
        given["ledger"] = [
            dict(zip(("digest", "state"), line.split(" "), strict=True)) for line in case["ledger"]
        ]
    asked = {"platform": "aro-hcp", "digest": "new", "scenario": "gate", "runLabel": None, "ledger": []}
    value = ask("gate.trigger", asked | given)
    assert value.keys() == {"action", "reason"}
    assert case["gives"] == f"{value['action']}/{value['reason']}"


def test_every_rule_has_a_case() -> None:
    """All but the last are named by their reason."""
    reasons = {case.values[0]["gives"].partition("/")[2] for case in cases("trigger.yaml")}
    assert {rule.name for rule in RULES} - {"start"} == reasons - {"new", "retry", "forced"}


def test_the_rules_behind_the_winner_say_what_they_would_do() -> None:
    """A person who un-pauses the gate learns what comes next."""
    tick = Tick(digest="new", scenario="gate", ledger=(Run("new", "failed"),), is_paused=True)
    decision = decide_trigger(tick)
    assert decision.value == Start("skip", "paused")
    assert decision.considered("start").would_be == Start("start", "retry")
    assert decision.considered("attempts-exhausted").reason == "1 of 3 runs"


def test_active_states_are_those_of_a_run_that_is_not_over() -> None:
    """A run is active from its trigger until it is promoted or given up."""
    assert ACTIVE == ("triggered", "testing", "evaluated", "promoting")
