"""The version matrix, from data to entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilotage.decision.questions import answer
from pilotage.gate.questions import jobs
from pilotage.gate.ticks import matrix

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "matrix.yaml").read_text())
QUESTION = next(question for question in jobs.QUESTIONS if question.name == "gate.matrix")
ALL = ["latest", "latest-minus-one", "zero"]


def ask(given: Any) -> Any:
    return json.loads(answer(QUESTION, json.dumps(given).encode()))


@pytest.mark.parametrize("case", CASES, ids=[case["it"] for case in CASES])
def test_matrix(case: dict[str, Any]) -> None:
    """Each case has its entries in order, and its skipped minors."""
    value = ask({"minors": case["minors"], "select": case.get("select", ALL)})["value"]
    written = [f"{one['minor']} {one['version']}: {', '.join(one['roles'])}" for one in value["entries"]]
    assert (case.get("entries", []), case.get("skipped", {})) == (written, value["skipped"])


def test_no_key_is_required() -> None:
    """An empty input is an empty matrix."""
    assert ask({}) == {"value": {"entries": [], "skipped": {}}}


def test_explanation_of_a_minor() -> None:
    """The decision about a minor says why it is skipped and what it would have brought."""
    minor = matrix.Minor("4.13", ("4.13.0",), supported=False)
    decision = matrix.judge_minor(minor, frozenset(ALL))
    assert decision.rule == "unsupported"
    assert decision.considered("entries").would_be == matrix.Row(
        (matrix.Entry("4.13", "4.13.0", ("latest", "zero")),)
    )


def test_a_large_matrix_is_quick() -> None:
    """Twenty thousand versions are read in less than a few seconds: the growth is that of sorting."""
    minors = [
        matrix.Minor(f"4.{minor}", tuple(f"4.{minor}.{patch}" for patch in range(1000)), supported=True)
        for minor in range(20)
    ]
    found = matrix.expand(minors, matrix.ROLES)
    assert len(found.entries) == 60
    assert found.entries[0] == matrix.Entry("4.0", "4.0.999", ("latest",))
