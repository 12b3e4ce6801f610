"""Hundreds of expressions, each answered as a real API server answered it: accepted or refused, true, false or an error."""

from typing import Any

import pytest

from pilotage.store.cel import check_definition, compile_rules

from .conftest import recorded

RECORD = recorded("expressions.json")
# Where a value came from decides here in an API server, and we do not keep it: a list of the object wants an index of type
# int, a literal list takes 1.0 as well. See docs/decisions/0010.
DIFFERENT = {
    "self.l[dyn(1.0)] == 2",
    "self.l[dyn(1u)] == 2",
    "dyn(self.m)[1] == 1",
    "[dyn('a'), dyn(2)].max() == 3",
}
ANSWERS = [answer for answer in RECORD["answers"] if answer["rule"] not in DIFFERENT]


def schema_with(rule: str) -> dict[str, Any]:
    spec = {**RECORD["schema"], "x-kubernetes-validations": [{"rule": rule}]}
    return {"type": "object", "properties": {"spec": spec}}


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer["rule"][:60])
def test_an_expression_is_answered_as_by_an_api_server(answer: dict[str, str]) -> None:
    """The same rules compile, with the same problems otherwise; the same hold, with the same faults otherwise."""
    schema = schema_with(answer["rule"])

    refused = [
        fault.message.partition('"OptionalOldSelf":null}: ')[2]
        for fault in check_definition(schema, "schema")
    ]
    assert refused == ([answer["compile"]] if "compile" in answer else [])
    if refused:
        return

    found = [fault.message for fault in compile_rules(schema).check({"spec": RECORD["value"]})]
    assert found == ([answer["fault"]] if "fault" in answer else [])


def test_the_record_covers_refusals_errors_and_both_truth_values() -> None:
    """A recording that lost one of its kinds of answers would prove little."""
    kinds = {
        "refused": sum("compile" in answer for answer in ANSWERS),
        "error": sum("evaluating rule" in answer.get("fault", "") for answer in ANSWERS),
        "false": sum("failed rule" in answer.get("fault", "") for answer in ANSWERS),
        "true": sum(answer.keys() == {"rule"} for answer in ANSWERS),
    }
    assert all(count > 30 for count in kinds.values()), kinds
    assert len(ANSWERS) > 600
