"""Sample against base, row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilotage.decision.questions import answer
from pilotage.gate.health import regression
from pilotage.gate.health.statistics import Runs
from pilotage.gate.questions import health

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "regression.yaml").read_text())
QUESTION = next(question for question in health.QUESTIONS if question.name == "gate.regression")


def ask(given: Any) -> Any:
    return json.loads(answer(QUESTION, json.dumps(given).encode()))


def group(counts: Any) -> Any:
    return dict(zip(("pass", "fail"), counts, strict=True)) if isinstance(counts, list) else counts


@pytest.mark.parametrize("case", CASES, ids=[case["it"] for case in CASES])
def test_status(case: dict[str, Any]) -> None:
    """Each case has its status and its p, to ten digits."""
    given = {"sample": group(case["sample"]), "base": group(case["base"])}
    value = ask(given | ({"options": case["options"]} if "options" in case else {}))["value"]
    assert case["status"] == value["status"]
    assert pytest.approx(case.get("p", 0), rel=1e-10, abs=0) == value["p"]


def test_every_row_is_reached() -> None:
    """The cases reach every status."""
    assert {case["status"] for case in CASES} == set(regression.Status.__args__)


def test_no_key_is_required() -> None:
    """An empty input has neither sample nor base."""
    assert ask({}) == {"value": {"status": "missing-basis-and-sample", "p": 0.0}}


def test_explanation_tells_drop_and_p() -> None:
    """The decision says how large the drop is and how likely by chance."""
    decision = regression.compare(Runs(4, 3), Runs(30, 0))
    assert decision.rule == "worse"
    assert decision.reason == "a drop of 42.8571 points, p = 0.004505"


def test_counts_of_any_size_are_judged() -> None:
    """Counts far beyond any gate have an answer all the same."""
    large = 10**40
    status = ask({"sample": {"pass": large, "fail": large}, "base": {"pass": large, "fail": 0}})["value"]
    assert status == {"status": "extreme-regression", "p": 0.0}
