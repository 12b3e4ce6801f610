"""The columns of `kubectl get`: a JSONPath for each, and the cells of one object.

A cell is null when the path leads nowhere or the value has another type than the column. Dates are left as they are, for
whoever renders ages. The paths are those of `k8s.io/client-go/util/jsonpath`: fields, indexes, slices, unions, wildcards,
recursive descent and filters such as `.status.conditions[?(@.type=="Ready")].status`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from pilotage.store.schema.definition import Column
from pilotage.store.schema.gotext import is_integer, json_text, simple_text
from pilotage.store.schema.jsonpath import Path, PathError, parse_path

__all__ = ["CompiledColumn", "cells", "compile_columns"]

_AGE = Column(name="Age", type="date", json_path=".metadata.creationTimestamp")


class CompiledColumn(msgspec.Struct, frozen=True):
    column: Column
    path: Path


def compile_columns(columns: Sequence[Column]) -> tuple[CompiledColumn, ...]:
    """The columns behind the name; a definition without columns shows the age.

    Raises PathError when a path cannot be read; the API server then shows the name alone.
    """
    return tuple(CompiledColumn(column, parse_path(column.json_path)) for column in columns or [_AGE])


def cells(columns: Sequence[CompiledColumn], value: Mapping[str, Any]) -> list[Any]:
    """One cell for each column, as a `Table` row has them behind the name."""
    return [_cell(compiled, value) for compiled in columns]


def _cell(compiled: CompiledColumn, value: Mapping[str, Any]) -> Any:
    try:
        found = compiled.path.find(value)
    except PathError:
        return None
    if not found:
        return None
    first = found[0]
    kind = compiled.column.type
    if kind == "string":
        return _printed(first)
    if kind == "integer" and isinstance(first, int | float) and not isinstance(first, bool):
        return int(first)
    if kind == "number" and isinstance(first, int | float) and not isinstance(first, bool):
        return float(first)
    if kind == "boolean" and isinstance(first, bool):
        return first
    if kind == "date" and isinstance(first, str):
        return (first if _is_time(first) else "<invalid>") if first else "<unknown>"
    return None


def _printed(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or is_integer(value) or isinstance(value, float):
        return simple_text(value)
    return "<no value>" if value is None else json_text(value)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None and "T" in text
    except ValueError:
        return False
