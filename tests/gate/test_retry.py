"""Whether a job is run again, row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilotage.decision.questions import answer
from pilotage.gate.questions import jobs
from pilotage.gate.runs import retry

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "retry.yaml").read_text())
QUESTION = next(question for question in jobs.QUESTIONS if question.name == "gate.retry")
USUAL = {
    "job": {"name": "e2e-aws", "type": "required"},
    "now": "2026-06-11T03:00:00Z",
    "deadline": "2026-06-11T09:00:00Z",
    "p90Minutes": None,
    "run": {"requiredTotal": 12, "requiredFailed": 1},
}


def ask(given: Any) -> Any:
    return json.loads(answer(QUESTION, json.dumps(given).encode()))


@pytest.mark.parametrize("case", CASES, ids=[case["it"] for case in CASES])
def test_retry(case: dict[str, Any]) -> None:
    """Each case has its answer and its reason; a plus stands for yes."""
    gives = case["gives"]
    expected = {"retry": gives.startswith("+"), "reason": gives.removeprefix("+")}
    assert {"value": expected} == ask(USUAL | case["given"])


def test_every_row_is_reached() -> None:
    """The cases reach every row of the precedence."""
    reached = {case["gives"] for case in CASES if not case["gives"].startswith("+")}
    names = {rule.name for rule in retry.RETRY_RULES} - {"again"}
    assert len(names) == len(reached)


def test_no_key_is_required() -> None:
    """An empty input is a job that was not started."""
    assert ask({}) == {"value": {"retry": False, "reason": "not-started"}}


def test_explanation_compares_numbers() -> None:
    """The decision tells the numbers that it compared."""
    failed = retry.Attempt("failed")
    decision = retry.decide_retry(
        retry.RetryFacts(attempts=(failed, failed), informing=False, now=None, deadline=None)
    )
    assert decision.rule == "confirmed-failure"
    assert decision.reason == "2 failed attempts of 2"
