"""The questions of the gate: their order, their answers to anything at all, and that their codes are documented."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pilotage.app import rooms
from pilotage.decision.questions import answer, schema
from pilotage.gate.codes import CODES
from pilotage.gate.questions import QUESTIONS
from pilotage.gate.room import ROOM

from .asking import ask, cases

NAMES = [question.name for question in QUESTIONS]
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    "",
    "text",
    "7",
    "\u0000é😀",
    [],
    [None, 7, "x", []],
    {},
    {"a": 1},
]


def test_the_gate_is_the_first_system() -> None:
    """An image passes it before it reaches a control plane; its questions stand in the order of a nightly run."""
    assert rooms.rooms()[0] is ROOM
    assert [name for name in rooms.questions() if name.startswith("gate.")] == NAMES
    assert (NAMES[0], len(NAMES), NAMES[-1]) == ("gate.select-snapshot", 12, "gate.regression")


def keys_of(question: Any) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(question.input_type)]


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_no_key_is_required_and_any_value_is_taken(question: Any) -> None:
    """A key that is missing or of another type is never a fault of the request."""
    keys = keys_of(question)
    wanted = ask(question.name, {}).keys()
    for key in keys:
        for odd in ODD:
            assert ask(question.name, {key: odd}).keys() == wanted
    for odd in ODD:
        assert ask(question.name, dict.fromkeys(keys, odd)).keys() == wanted


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_every_value_has_all_keys_of_its_schema(question: Any) -> None:
    """Null where they do not apply."""
    keys = schema(question)["value"]["$defs"][question.value_type.__name__]["properties"].keys()
    assert ask(question.name, {}).keys() == keys


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_every_question_shows_its_rules(question: Any) -> None:
    """The reference prints them: each has a name of its own and a sentence."""
    names = [rule.name for rule in question.rules]
    assert names
    assert len(set(names)) == len(names)
    assert all(rule.summary.endswith(".") for rule in question.rules)


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMES)
def test_deep_input_is_answered(question: Any) -> None:
    """A value, or that it is not JSON where it is too deep to be read; never a crash, not even at the very edge."""
    keys = keys_of(question)
    for depth in (100, *range(880, 1000, 3), 5000):
        for key in keys:
            given = dict.fromkeys(keys, "7") | {"httpStatus": "500", "now": '"2026-06-11T03:15:00Z"'}
            given[key] = "[" * depth + "]" * depth
            text = ",".join(f'"{name}": {value}' for name, value in given.items())
            said = json.loads(answer(question, f"{{{text}}}".encode()))
            assert "value" in said or said["error"]["code"] == "InvalidJSON"


@pytest.mark.parametrize(
    ("file", "key", "title"),
    [
        ("rejections.yaml", "code", "why a Snapshot is rejected"),
        ("image-ref.yaml", "error", "why a Snapshot names no image"),
        ("tag.yaml", "error", "why there is no tag"),
    ],
)
def test_the_cases_and_the_page_speak_of_the_same_codes(file: str, key: str, title: str) -> None:
    """A new code needs a case and a sentence."""
    assert {case.values[0].get(key) for case in cases(file)} - {None} == set(CODES[title])


def test_the_codes_of_ticks_and_replies_are_on_the_page() -> None:
    """The same for the decisions that answer with two words."""
    ticks = {case.values[0]["gives"].partition("/")[2] for case in cases("trigger.yaml")}
    assert ticks == set(CODES["what a tick does"])
    replies = {case.values[0].get("gives", "").partition("/")[2] for case in cases("gangway-status.yaml")}
    assert replies - {""} == set(CODES["what a reply of gangway is"])
    pairs = {case.values[0]["gives"].rpartition(" ")[2] for case in cases("rpa-match.yaml")}
    assert pairs - {"inactive"} >= set(CODES["why a release goes nowhere"])
