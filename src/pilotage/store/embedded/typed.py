"""Does a configuration fit the schema, before it is applied? Unlike other writes, an apply refuses what nobody declared.

The problems are those of `sigs.k8s.io/structured-merge-diff` (package `typed`), which the API server answers with as they
are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilotage.store.schema.compiled import Node
from pilotage.store.schema.gotext import json_type

__all__ = ["typing_faults"]

_TYPE_META = frozenset({"apiVersion", "kind", "metadata"})
_GO_TYPES = {
    "array": "[]interface {}",
    "boolean": "bool",
    "integer": "int64",
    "number": "float64",
    "object": "map[string]interface {}",
    "string": "string",
}


def typing_faults(root: Node, config: Mapping[str, Any]) -> list[str]:
    """What does not fit: `.spec.replicas: expected numeric (int or float), got string`."""
    return list(_map(root, config, "", is_object=True))


def _map(node: Node, value: Mapping[str, Any], path: str, *, is_object: bool) -> Iterator[str]:
    for name, child in sorted(value.items()):
        here = f"{path}.{name}"
        place = node.properties.get(name) or node.additional
        if is_object and name in _TYPE_META:
            continue
        if place is not None:
            yield from _value(place, child, here)
        elif not (node.preserve or node.open_map):
            yield f"{here}: field not declared in schema"


def _value(node: Node, value: Any, path: str) -> Iterator[str]:
    if value is None or node.int_or_string or not node.types:
        return
    match node.types[0]:
        case "object" if isinstance(value, dict):
            yield from _map(node, value, path, is_object=node.embedded)
        case "object":
            yield f"{path}: expected map, got {_pointer(value)}"
        case "array" if isinstance(value, list):
            yield from _list(node, value, path)
        case "array":
            yield f"{path}: expected list, got {_pointer(value)}"
        case "string" if not isinstance(value, str):
            yield f"{path}: expected string, got &value.valueUnstructured{{Value:{_syntax(value)}}}"
        case "boolean" if not isinstance(value, bool):
            yield f"{path}: expected boolean, got {_pointer(value)}"
        case "integer" | "number" if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{path}: expected numeric (int or float), got {_GO_TYPES[json_type(value)]}"


def _list(node: Node, value: list[Any], path: str) -> Iterator[str]:
    if node.items is None or node.list_type != "map":
        # Problems inside other lists are left to validation, which names their index.
        return
    for item in value:
        if isinstance(item, dict):
            keys = ",".join(f"{key}={_quoted(item.get(key))}" for key in sorted(node.list_keys))
            yield from _value(node.items, item, f"{path}[{keys}]")


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else _printed(value)


def _pointer(value: Any) -> str:
    return f"&{{{_printed(value)}}}"


def _printed(value: Any) -> str:
    """Go's `%v`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_printed(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_printed, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def _syntax(value: Any) -> str:
    """Go's `%#v`."""
    if isinstance(value, dict):
        inner = ", ".join(f'"{name}":{_syntax(value[name])}' for name in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_syntax, value))}}}"
    if isinstance(value, str):
        return f'"{value}"'
    return _printed(value)
