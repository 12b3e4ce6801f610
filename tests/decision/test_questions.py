"""JSON in, JSON out: the answer's form, and what happens to malformed input."""

from __future__ import annotations

import msgspec
import pytest

from pilotage.api.errors import InputError, PilotageError
from pilotage.decision.questions import Question, answer, error_answer, schema


class Part(msgspec.Struct, rename="camel"):
    part_name: str
    count: int = 1


class Request(msgspec.Struct, rename="camel"):
    text: str
    parts: list[Part]
    owner: str | None
    strict: bool = False


class Reply(msgspec.Struct, rename="camel"):
    total: int
    first_part: str | None = None


def count_parts(request: Request) -> Reply:
    if request.text == "bug":
        raise RuntimeError("unexpected")
    if request.text == "refuse":
        raise InputError("TooBad", "the text is refused", messages=("one", "two"), details={"terminal": True})
    return Reply(
        sum(part.count for part in request.parts), request.parts[0].part_name if request.parts else None
    )


QUESTION = Question("demo.count", "Count the parts.", Request, Reply, count_parts)


def ask(raw):
    return msgspec.json.decode(answer(QUESTION, raw if isinstance(raw, bytes) else msgspec.json.encode(raw)))


def test_every_key_of_the_value_is_present():
    """A key that does not apply is null, never left out."""
    assert {"value": {"total": 0, "firstPart": None}} == ask({"text": "x", "parts": [], "owner": None})


def test_unknown_keys_are_ignored():
    """A newer caller can talk to an older product."""
    raw = {"text": "x", "parts": [{"partName": "a", "new": 1}], "owner": None, "new": {}}
    assert {"value": {"total": 1, "firstPart": "a"}} == ask(raw)


def test_a_refusal_carries_code_messages_and_details():
    """The decision's own error passes through as it is."""
    error = ask({"text": "refuse", "parts": [], "owner": None})["error"]
    assert {
        "code": "TooBad",
        "message": "the text is refused",
        "messages": ["one", "two"],
        "terminal": True,
    } == error


def test_one_problem_stands_in_the_message_alone():
    """`messages` is for several problems; a fault of the input is listed even when it is the only one."""
    refusal = PilotageError("TooBad", "one: the text is refused", messages=("one",))
    assert [] == msgspec.json.decode(error_answer(refusal))["error"]["messages"]
    alone = ask({"text": "x", "parts": []})["error"]
    assert ["owner: required key is missing"] == alone["messages"]


def test_all_faults_of_an_input_are_listed():
    """A person with four mistakes hears of four."""
    error = ask({"text": 1, "parts": [{"partName": "a"}, {"count": "2"}], "strict": "yes"})["error"]

    assert "InvalidInput" == error["code"]
    assert [
        "text: expected string, found integer",
        "parts[1].partName: required key is missing",
        "parts[1].count: expected integer, found string",
        "owner: required key is missing",
        "strict: expected boolean, found string",
    ] == error["messages"]


@pytest.mark.parametrize("raw", [b"", b"{", b'{"text": "\xff"}', b"nope", b"[" * 100_000])
def test_what_is_not_json_is_named_so(raw):
    """Also bytes that are no text, and nesting without end."""
    assert "InvalidJSON" == ask(raw)["error"]["code"]


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"1"])
def test_an_input_that_is_no_object(raw):
    """It is JSON, but not what a decision takes."""
    error = ask(raw)["error"]
    assert "InvalidInput" == error["code"]
    assert "expected object" in error["messages"][0]


def test_a_bug_is_owned():
    """A decision that breaks answers `Internal`; the process lives on."""
    assert "Internal" == ask({"text": "bug", "parts": [], "owner": None})["error"]["code"]


def test_equal_input_gives_equal_bytes():
    """Answers can be compared by text."""
    raw = msgspec.json.encode({"text": "x", "parts": [], "owner": None})
    assert answer(QUESTION, raw) == answer(QUESTION, raw)


def test_the_schema_names_the_keys_of_the_wire():
    """camelCase, as they stand in the input."""
    body = schema(QUESTION)
    assert {"text", "parts", "owner", "strict"} == set(body["input"]["$defs"]["Request"]["properties"])
    assert ["text", "parts", "owner"] == body["input"]["$defs"]["Request"]["required"]
    assert "firstPart" in body["value"]["$defs"]["Reply"]["properties"]
