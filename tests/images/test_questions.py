"""Every `payload.*` decision, asked by name as `pilotage decide` asks it. The cases stand in `cases/<decision>.yaml`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilotage.decision.questions import answer, schema
from pilotage.images.questions import QUESTIONS

CASES = Path(__file__).parent / "cases"
BY_NAME = {question.name: question for question in QUESTIONS}


def _cases() -> list[Any]:
    return [
        pytest.param(f"payload.{path.stem}", case, id=f"{path.stem}: {case['name']}")
        for path in sorted(CASES.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("name", "case"), _cases())
def test_decision(name: str, case: dict[str, Any]) -> None:
    """The answer is the value, or the error with its code and the fragments of its message."""
    got = json.loads(answer(BY_NAME[name], json.dumps(case["input"]).encode()))
    if "value" in case:
        assert got == {"value": case["value"]}
        return
    error = got["error"]
    message = _normal(error["message"])
    assert case["error"]["code"] == error["code"], message
    for fragment in case["error"].get("contains", ()):
        assert _normal(fragment) in message
    for secret in case["error"].get("lacks", ()):
        assert secret not in json.dumps(error)


def test_every_decision_has_cases() -> None:
    """A decision without a case file would go untested."""
    assert sorted(BY_NAME) == sorted(f"payload.{path.stem}" for path in CASES.glob("*.yaml"))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_decision_has_a_schema(name: str) -> None:
    """Input and value of each decision have JSON Schemas."""
    assert set(schema(BY_NAME[name])) == {"input", "value"}


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_equal_input_gives_equal_output(name: str) -> None:
    """The same request is answered byte for byte alike."""
    cases = yaml.safe_load((CASES / f"{name.removeprefix('payload.')}.yaml").read_text(encoding="utf-8"))
    raw = json.dumps(cases[0]["input"]).encode()
    assert answer(BY_NAME[name], raw) == answer(BY_NAME[name], raw)


def _normal(text: str) -> str:
    return " ".join(text.lower().split())


ODD: tuple[Any, ...] = (
    None,
    True,
    5,
    4.5,
    "",
    "x",
    "=,",
    "\x00",
    [],
    {},
    [None],
    {"": None},
    {"name": 5},
    [[]],
)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_odd_values_never_crash(name: str) -> None:
    """Whatever value stands at whatever place, in the input or inside its document, the answer is no bug of ours."""
    question = BY_NAME[name]
    for case in yaml.safe_load((CASES / f"{name.removeprefix('payload.')}.yaml").read_text(encoding="utf-8")):
        for odd in (*_varied(case["input"]), *_varied_text(case["input"])):
            got = json.loads(answer(question, json.dumps(odd).encode()))
            assert got.get("error", {}).get("code") != "Internal", (odd, got)


def _varied(value: Any) -> Iterator[Any]:
    """The value with each odd value at each place of it, one at a time."""
    yield from ODD
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: varied} for varied in _varied(item))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], varied, *value[index + 1 :]] for varied in _varied(item))


def _varied_text(asked: dict[str, Any]) -> Iterator[Any]:
    """The same inside a document that is given as text."""
    try:
        document = json.loads(asked.get("text") or "")
    except ValueError:
        return
    for varied in _varied(document):
        yield {"text": json.dumps(varied)}
        if isinstance(varied, dict) and isinstance(varied.get("data"), dict):
            for key in ("stream", "streams"):
                for inner in _varied({"stream": "s", "architectures": {"x86_64": {"images": {"aws": {}}}}}):
                    yield {"text": json.dumps({"data": {key: json.dumps(inner)}})}
