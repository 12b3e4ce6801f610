"""Definitions of real projects, with objects made up from their schemas, and what a real kube-apiserver 1.36 said to them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilotage.store.schema.definition import (
    Definition,
    default_definition,
    deprecation_warning,
    read_definition,
    resource_kind,
)
from pilotage.store.schema.definitions import definition_problems

SHARED = Path(__file__).parents[3].parent / "shared" / "data"
CASES = json.loads((Path(__file__).parent / "cases" / "real_objects.json").read_text())["cases"]

pytestmark = pytest.mark.shared_data


def without_rules(value: Any) -> Any:
    """The objects were recorded against definitions without CEL rules."""
    if isinstance(value, dict):
        return {
            name: without_rules(child) for name, child in value.items() if name != "x-kubernetes-validations"
        }
    return [without_rules(item) for item in value] if isinstance(value, list) else value


@cache
def definition_in(name: str) -> Definition:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this checkout")
    value = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    default_definition(value)
    return read_definition(without_rules(value))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["title"]) for case in CASES])
def test_objects_of_real_definitions_get_the_answer_of_the_api_server(answer, case):
    """Valid or broken, each object is stored or refused as the API server did."""
    definition = definition_in(case["file"])
    kind = resource_kind(definition, case["version"])
    assert case["answer"] == answer(kind, case, resource_kind(definition, definition.storage_version))


@pytest.mark.parametrize("name", sorted({case["file"] for case in CASES}))
def test_real_definitions_are_accepted(name):
    """What real projects install is installed; a deprecated version says so."""
    definition = definition_in(name)
    approved = "test" if definition.spec.group.endswith("k8s.io") else ""
    found = [problem.text for problem in definition_problems(definition)]
    assert [text for text in found if not (approved and "api-approved" in text)] == []
    for version in definition.spec.versions:
        assert bool(deprecation_warning(definition, version)) == version.deprecated
