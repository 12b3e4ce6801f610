"""Drift: what is rendered and lives otherwise, and nothing that a server or somebody else added."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.gate.konflux.comparison import differences, drift_of

CASES: tuple[tuple[str, Any, Any, list[str]], ...] = (
    ("a default that the server added", {"a": 1}, {"a": 1, "b": 2}, []),
    ("another value", {"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
    ("a field that is gone", {"a": {"b": 1}}, {"a": {}}, ["a.b"]),
    ("an empty map that the server dropped", {"a": {}}, {}, []),
    ("a further entry in a list", {"a": ["x"]}, {"a": ["x", "y"]}, ["a[1]"]),
    ("a missing entry", {"a": ["x", "y"]}, {"a": ["x"]}, ["a[1]"]),
    ("entries by name, whatever their order", {"a": [{"name": "x", "v": 1}, {"name": "y"}]},
     {"a": [{"name": "y"}, {"name": "x", "v": 2, "d": 3}]}, ["a[x].v"]),
    ("a further named entry", {"a": [{"name": "x"}]}, {"a": [{"name": "x"}, {"name": "z"}]}, ["a[z]"]),
    ("a key with a slash", {"l": {"a/b": "c"}}, {"l": {"a/b": "d"}}, ['l["a/b"]']),
    ("true is not one", {"a": True}, {"a": 1}, ["a"]),
    ("null is a value", {"a": None}, {}, ["a"]),
    ("another type", {"a": {"b": 1}}, {"a": ["b"]}, ["a"]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found", "fields"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_differences(wanted: Any, found: Any, fields: list[str]) -> None:
    """Each case names the fields that differ."""
    assert fields == [field for field, _, _ in differences(wanted, found)]


def test_drift_shows_both_values() -> None:
    """As JSON, cut where they are long; an object that is not there is missing as a whole."""
    (drift,) = drift_of("Role a", {"rules": [{"verbs": ["get"]}]}, {"rules": [{"verbs": ["delete"]}]})
    assert ("Role a", "differs", "rules[0].verbs[0]", '"get"', '"delete"') == (
        drift.subject, drift.state, drift.field, drift.wanted, drift.found,
    )  # fmt: skip
    assert "missing" == drift_of("Role a", {}, None)[0].state
    (long,) = drift_of("x", {"a": "b" * 500}, {"a": ""})
    assert len(long.wanted) < 200
