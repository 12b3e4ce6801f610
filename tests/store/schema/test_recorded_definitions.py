"""Definitions that a real kube-apiserver 1.36 was given, and what it answered."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pilotage.api.errors import InputError
from pilotage.store.schema.definition import Definition, default_definition, read_definition, written_spec
from pilotage.store.schema.definitions import (
    definition_problems,
    definition_update_problems,
    unrecognized_formats,
)
from pilotage.store.schema.establishing import non_structural_condition, settle_names

CASES = Path(__file__).parent / "cases"
DEFINITIONS = json.loads((CASES / "definitions.json").read_text())["cases"]


def read(value: dict[str, Any]) -> Definition:
    value = copy.deepcopy(value)
    default_definition(value)
    return read_definition(value)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["title"]) for case in DEFINITIONS])
def test_a_definition_gets_the_answer_of_the_api_server(case):
    """Accepted ones are kept in the same form; the faults of others are the same, and so are the warnings."""
    expected = case["answer"]
    if expected["code"] == 400:
        with pytest.raises(InputError, match="Expected `"):
            read(case["definition"])
        return
    definition = read(case["definition"])
    old = case.get("old")
    found = (
        definition_problems(definition)
        if old is None
        else definition_update_problems(definition, read_definition(old))
    )
    causes = sorted([problem.type, problem.field, problem.body] for problem in set(found))
    assert expected.get("causes", []) == causes
    warnings = [f'unrecognized format "{name}"' for name in unrecognized_formats(definition)]
    assert sorted(expected.get("warnings", [])) == sorted(warnings)
    if not found:
        assert expected["spec"] == written_spec(definition)


def test_who_has_a_name_keeps_it():
    """Of two definitions with one kind, the first is established, the second gets the rest of its names."""
    first, second = json.loads((CASES / "names.json").read_text())
    for value, neighbours in ((first, []), (second, [first])):
        fresh = {**value, "status": {}}
        settled = settle_names(read_definition(fresh), map(read_definition, neighbours))
        expected = read_definition(value).status
        told = [(entry.type, entry.status, entry.reason, entry.message) for entry in expected.conditions]
        ours = (settled.names_accepted, settled.established)
        assert told == [(entry.type, entry.status, entry.reason, entry.message) for entry in ours]
        assert expected.accepted_names == settled.accepted


def test_a_definition_without_structure_says_so_in_a_condition():
    """An old definition that preserves unknown fields, or misses types, is told why pruning cannot work."""
    value = copy.deepcopy(next(case["definition"] for case in DEFINITIONS if case["title"] == "no type"))
    condition = non_structural_condition(read_definition(value))
    assert condition is not None
    assert condition.reason == "Violations"
    assert condition.message == (
        "spec.versions[0].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for"
        " specified object fields"
    )
    value["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {"type": "object"}
    assert non_structural_condition(read_definition(value)) is None
