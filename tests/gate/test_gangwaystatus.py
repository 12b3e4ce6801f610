"""What a reply of gangway means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilotage.gate.prow.gangwaystatus import RULES, classify, job_result, read_reply

from .asking import ask, cases

CASES = cases("gangway-status.yaml")


def reply(case: dict[str, Any]) -> dict[str, Any]:
    operation = next((name for name in ("create", "get") if name in case), case.get("operation"))
    return {
        "operation": operation,
        "httpStatus": case.get(operation, case.get("status")),
        "body": case["body"],
    }


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    """Each case of cases/gangway-status.yaml: the reply, what to do, and what was read from it."""
    gives = case.get("gives") or f"ok/{case['result']}"
    action, class_ = gives.split("/")
    expected = {"action": action, "class": class_, "result": case.get("result"), "id": case.get("id")}
    assert expected == ask("gate.gangway-status", reply(case))


@pytest.mark.parametrize("case", [each for each in CASES if not isinstance(each.values[0]["body"], str)])
def test_a_body_as_text_says_the_same(case: dict[str, Any]) -> None:
    """Whoever asks need not know whether the body is JSON."""
    given = reply(case)
    as_text = ask("gate.gangway-status", given | {"body": json.dumps(given["body"])})
    assert ask("gate.gangway-status", given) == as_text


def test_every_rule_has_a_case() -> None:
    """All classes of the table occur, those of a look under one rule."""
    said = {(case.values[0].get("gives") or "ok/status").partition("/")[2] for case in CASES}
    assert {rule.name for rule in RULES} == said


def test_a_bottomless_body_is_no_body() -> None:
    """What cannot be read is not an object; nothing raises."""
    decision = classify(read_reply("get", 200, '{"a":' * 100_000))
    assert (decision.rule, decision.reason) == ("transient", "get answered 200")


@pytest.mark.parametrize("number", range(8))
def test_numbers_names_and_texts_agree(number: int) -> None:
    """The three spellings of one status give one result."""
    names = "JOB_EXECUTION_STATUS_UNSPECIFIED TRIGGERED PENDING SUCCESS FAILURE ABORTED ERROR SCHEDULING"
    name = names.split()[number]
    assert len({job_result(each) for each in (number, str(number), name, name.lower())}) == 1
