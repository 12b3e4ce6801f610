"""Printer columns: every path with every type, as a real kube-apiserver 1.36 put them into a Table."""

import json
from pathlib import Path

import pytest

from pilotage.store.schema.columns import cells, compile_columns
from pilotage.store.schema.definition import Column
from pilotage.store.schema.jsonpath import PathError, parse_path
from pilotage.store.schema.resource import settle_numbers

RECORDED = json.loads((Path(__file__).parent / "cases" / "columns.json").read_text())
COLUMNS = [(column, cell) for column, cell in zip(RECORDED["columns"], RECORDED["cells"], strict=True)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [pytest.param(column, cell, id=f"{column['type']} {column['jsonPath']}") for column, cell in COLUMNS],
)
def test_cells_are_those_of_the_api_server(column, expected):
    """A date is left as it is; everything else is the cell that kubectl gets."""
    compiled = compile_columns([Column(column["name"], column["type"], json_path=column["jsonPath"])])
    [cell] = cells(compiled, settle_numbers(RECORDED["object"]))
    if column["type"] == "date" and expected not in {None, "<invalid>", "<unknown>"}:
        expected = RECORDED["object"]["spec"]["dt"]
    assert expected == cell


def test_without_columns_the_age_is_shown():
    """A definition without columns shows name and age."""
    [column] = compile_columns([])
    assert column.column.name == "Age"
    assert cells([column], {"metadata": {"creationTimestamp": "2024-01-01T00:00:00Z"}}) == [
        "2024-01-01T00:00:00Z"
    ]


@pytest.mark.parametrize(
    "path", ["{.a}", ".a[", ".a[?(@.b", ".a[x]", "..a[?(@.b=~'c')]", "range", ".a[?(1.2.3==@)]"]
)
def test_a_path_that_cannot_be_read_is_refused(path):
    """The column is refused, not guessed at."""
    with pytest.raises(PathError):
        parse_path(path)
