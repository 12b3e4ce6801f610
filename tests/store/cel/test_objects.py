"""Whole objects against whole schemas: what a real API server answered to creating and updating them."""

from typing import Any

import pytest

from pilotage.store.cel import Fault, compile_rules, has_rules

from .conftest import recorded


@pytest.mark.parametrize("case", recorded("objects.json"), ids=lambda case: case["name"])
def test_an_object_is_refused_as_by_an_api_server(case: dict[str, Any]) -> None:
    """The same faults, at the same paths, in the same words; fields in any order, rules of a field in theirs."""
    found = compile_rules(case["schema"]).check(whole(case["new"], case), whole(case["old"], case))

    assert in_order(map(str, found)) == in_order(case["faults"])
    assert sorted(fault.type for fault in found) == sorted(case["types"])


def whole(value: dict[str, Any] | None, case: dict[str, Any]) -> dict[str, Any] | None:
    """A value as the object that was sent."""
    if value is None:
        return None
    return {"apiVersion": "cel.test/v1", "kind": "Thing", "metadata": {"name": "thing"}, **value}


def in_order(lines: Any) -> list[str]:
    """Sorted by field only: an API server walks the fields of an object in random order."""
    return sorted(lines, key=lambda line: line.split(": ")[0])


def test_what_is_tolerated_becomes_a_warning() -> None:
    """An unchanged value that breaks a newer rule is named to the caller, and does not refuse the update."""
    schema = text_schema({"rule": "self != 'x'", "message": "x is out"})
    warnings: list[str] = []

    assert compile_rules(schema).check({"a": "x"}, {"a": "x"}, warnings=warnings) == []
    assert warnings == ['a: Invalid value: "x": x is out']


def test_a_path_stands_before_the_fields() -> None:
    """A value that is part of something larger is told where it stands."""
    rules = compile_rules(text_schema({"rule": "false", "message": "no"}), resource=False)

    assert rules.check({"a": "x"}, path="items[3]") == [
        Fault("items[3].a", "FieldValueInvalid", 'Invalid value: "x": no')
    ]


def test_a_schema_without_rules_has_no_rules() -> None:
    """Callers can tell cheaply, and need not load this package for most definitions."""
    assert not has_rules({"type": "object", "properties": {"a": {"type": "string"}}})
    assert not compile_rules({"type": "object"})
    assert compile_rules({"type": "object"}).check({"a": 1}) == []


def test_equal_schemas_share_their_rules() -> None:
    """Definitions are read again and again; compiling is done once."""
    one, two = (text_schema({"rule": "self == 'shared'"}) for _ in range(2))

    assert compile_rules(one) is compile_rules(two)
    assert compile_rules(one) is not compile_rules(one, resource=False)


def test_a_rule_that_does_not_compile_refuses_every_value() -> None:
    """Stored definitions are compiled again; if that ever fails, nothing passes unchecked."""
    found = compile_rules(text_schema({"rule": "self.zz"})).check({"a": "x"})

    assert [str(fault) for fault in found] == [
        (
            'a: Invalid value: "string": rule compile error: compilation failed: ERROR: <input>:1:5: '
            "type 'string' does not support field selection\n | self.zz\n | ....^"
        )
    ]


def text_schema(*rules: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string", "x-kubernetes-validations": list(rules)}
    return {"type": "object", "properties": {"a": text}}
