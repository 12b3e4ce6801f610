"""The verdict on a run, row by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilotage.decision.questions import answer
from pilotage.gate.questions import jobs
from pilotage.gate.runs import aggregate

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "aggregate.yaml").read_text())
QUESTION = next(question for question in jobs.QUESTIONS if question.name == "gate.aggregate")
LISTS = ("failedRequired", "inconclusiveRequired", "informingNotPassed", "missing", "flaked")


def ask(given: Any) -> Any:
    return json.loads(answer(QUESTION, json.dumps(given).encode()))


@pytest.mark.parametrize("case", CASES, ids=[case["it"] for case in CASES])
def test_verdict(case: dict[str, Any]) -> None:
    """Each case has its verdict, its reason and its lists, and every key is there."""
    given = {"results": [], "now": "2026-06-11T03:15:00Z", **case["given"]}
    expected = {name: [] for name in LISTS} | case["gives"]
    assert {"value": expected} == ask(given)


def test_every_row_is_reached() -> None:
    """The cases reach every reason that the rules can give."""
    reached = {(case["gives"]["verdict"], case["gives"]["reason"]) for case in CASES}
    assert len(aggregate.VERDICT_RULES) - 1 == len(
        reached
    )  # "nothing left" shares its reason with "no required job"


def test_no_key_is_required() -> None:
    """An empty input has an answer: without results there is no list of them."""
    assert ask({})["value"]["reason"] == "malformed"


def test_explanation_names_the_jobs() -> None:
    """The decision says which jobs made it, and what every other row would have said."""
    entries = (aggregate.JobEntry("b", "required", "failed"), aggregate.JobEntry("a", "required", "pending"))
    decision = aggregate.aggregate(aggregate.Given(results=entries)).decision
    assert decision.rule == "required-failed"
    assert decision.reason == "failed: b"
    assert decision.considered("in-progress").would_be == aggregate.Outcome("pending", "in-progress")


def test_quarantined_jobs_leave_the_share_of_the_others() -> None:
    """The share counts all required jobs, those in quarantine included."""
    entries = tuple(aggregate.JobEntry(f"job-{number}", "required", "passed") for number in range(8))
    two = frozenset({"job-0", "job-1"})
    three = two | {"job-2"}
    assert aggregate.aggregate(aggregate.Given(results=entries, quarantined=two)).outcome.verdict == "passed"
    assert aggregate.aggregate(aggregate.Given(results=entries, quarantined=three)).outcome.verdict == "error"
