"""`meta.k8s.io/v1` Tables: what `kubectl get` asks for instead of objects, so that the server says how a kind is shown.

Built-in kinds have the columns of a real API server (`printing`). A custom resource has the columns of its
definition behind its name, or its age when the definition has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec
import orjson

from pilotage.api.meta import Object
from pilotage.apiserver.printing.ages import age
from pilotage.apiserver.printing.builtin import BUILT_IN, PLAIN
from pilotage.apiserver.printing.pods import completion
from pilotage.apiserver.printing.reading import Printer
from pilotage.store.embedded.kinds import ServedKind
from pilotage.store.schema.columns import CompiledColumn, cells, compile_columns
from pilotage.store.schema.definition import Column
from pilotage.store.schema.jsonpath import PathError

__all__ = ["Include", "table"]

Include = Literal["Metadata", "Object", "None"]
"""What a row carries besides its cells: metadata (unless asked otherwise), the whole object, or nothing."""

_NAME = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "The name of the object, unique among its kind in its namespace.",
    "priority": 0,
}
_COMPILED_KINDS = 512


def table(
    kind: ServedKind,
    definition: Object | None,  # noqa: ARG001 -- what it says of columns is in `kind` already
    objects: Iterable[Object],
    *,
    include: Include = "Metadata",
    resource_version: str = "",
    continuation: str = "",
    remaining: int | None = None,
    now: float,
    headers: bool = True,
) -> dict[str, Any]:
    """The Table of `objects`, in their order.

    `now` is the time to which ages are told, in seconds since 1970. Without `headers` the columns are not described, as in
    a watch after its first event.
    """
    metadata: dict[str, Any] = {}
    if resource_version:
        metadata["resourceVersion"] = resource_version
    if continuation:
        metadata["continue"] = continuation
    if remaining is not None:
        metadata["remainingItemCount"] = remaining
    if kind.is_custom:
        columns = _compiled(orjson.dumps(kind.columns))
        described = [_NAME, *map(_custom_header, columns)]
        rows = [_custom_row(columns, each.value(), include, now) for each in objects]
    else:
        printer = BUILT_IN.get((kind.kind.group, kind.kind.kind), PLAIN)
        described = _headers(printer)
        rows = [_row(kind, printer, each.value(), include, now) for each in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": described if headers else None,
        "rows": rows,
    }


def _headers(printer: Printer) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": _NAME["description"]
            if column.format == "name"
            else f"{column.name} of the object.",
            "priority": column.priority,
        }
        for column in printer.columns
    ]


def _row(
    kind: ServedKind, printer: Printer, value: dict[str, Any], include: Include, now: float
) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": printer.cells(value, now)}
    done = completion(value) if (kind.kind.group, kind.kind.kind) == ("", "Pod") else []
    if done:
        row["conditions"] = done
    return {**row, "object": _carried(value, include)}


def _carried(value: dict[str, Any], include: Include) -> dict[str, Any] | None:
    if include == "None":
        return None
    if include == "Object":
        return value
    metadata = value.get("metadata") or {}
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}


# Custom resources


@lru_cache(_COMPILED_KINDS)
def _compiled(columns: bytes) -> Sequence[CompiledColumn]:
    """The columns of a definition. One whose path cannot be read leaves the name alone, as in a real API server."""
    try:
        return compile_columns(msgspec.json.decode(columns, type=list[Column]))
    except PathError:
        return ()


def _custom_header(compiled: CompiledColumn) -> dict[str, Any]:
    column = compiled.column
    default = f"Custom resource definition column (in JSONPath format): {column.json_path}"
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description or default,
        "priority": column.priority,
    }


def _custom_row(
    columns: Sequence[CompiledColumn], value: dict[str, Any], include: Include, now: float
) -> dict[str, Any]:
    shown = [str((value.get("metadata") or {}).get("name", ""))]
    for compiled, cell in zip(columns, cells(columns, value), strict=True):
        is_time = compiled.column.type == "date" and isinstance(cell, str) and not cell.startswith("<")
        shown.append(age(cell, now) if is_time else cell)
    return {"cells": shown, "object": _carried(value, include)}
