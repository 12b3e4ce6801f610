"""Definitions that may not be stored, as a real API server refused them."""

from typing import Any

import pytest

from pilotage.store.cel import check_definition

from .conftest import recorded


@pytest.mark.parametrize("case", recorded("definitions.json"), ids=lambda case: case["name"])
def test_a_definition_is_refused_as_by_an_api_server(case: dict[str, Any]) -> None:
    """The same problems in the same words, each at its place in the definition."""
    found = [str(fault) for fault in check_definition(case["schema"], "schema")]

    assert sorted(found) == sorted(case["faults"])
