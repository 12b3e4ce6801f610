"""Objects that a real kube-apiserver 1.36 was given, and what it answered: stored form, problems, warnings."""

import json
from pathlib import Path
from typing import Any

import pytest

from pilotage.store.schema.definition import default_definition, read_definition, resource_kind
from pilotage.store.schema.resource import ResourceKind

CASES = Path(__file__).parent / "cases"


def recorded(name: str) -> tuple[ResourceKind, list[Any]]:
    document = json.loads((CASES / name).read_text())
    definition = document["definition"]
    default_definition(definition)
    kind = resource_kind(read_definition(definition), "v1")
    return kind, [pytest.param(kind, case, id=case["title"]) for case in document["cases"]]


def check(answer, kind, case):
    expected = case["answer"]
    actual = answer(kind, case)
    # The API server visits the fields of a map in no order, so the order of warnings of one kind is not told either.
    for side in (expected, actual):
        if "warnings" in side:
            side["warnings"] = sorted(side["warnings"])
    assert expected == actual


@pytest.mark.parametrize(("kind", "case"), recorded("values.json")[1])
def test_values_are_judged_as_the_api_server_judges_them(answer, kind, case):
    """Types, limits, formats, combinations, lists, maps, embedded objects, metadata: each value gets the server's answer."""
    check(answer, kind, case)


@pytest.mark.parametrize(("kind", "case"), recorded("defaults.json")[1])
def test_defaults_come_as_from_the_api_server(answer, kind, case):
    """Defaults fill what is missing or null, from the outside in."""
    check(answer, kind, case)


@pytest.mark.parametrize(("kind", "case"), recorded("status.json")[1])
def test_status_and_scale_are_judged_as_the_api_server_judges_them(answer, kind, case):
    """A status is judged alone, with its own prefix; replicas must be sensible numbers."""
    check(answer, kind, case)


@pytest.mark.parametrize(("kind", "case"), recorded("ratcheting.json")[1])
def test_faults_in_what_did_not_change_are_tolerated(answer, kind, case):
    """The definition became stricter after the object was stored; only what changes is judged anew."""
    check(answer, kind, case)
