"""Does a configuration fit the schema, before it is applied? Unlike other writes, an apply refuses what nobody declared.

The problems are those of `sigs.k8s.io/structured-merge-diff` (package `typed`), which the API server answers with as they
are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from pilotage.store.embedded.merging import unkeyed
from pilotage.store.embedded.schema import Shape
from pilotage.store.schema.compiled import Node
from pilotage.store.schema.gotext import json_text, json_type

__all__ = ["UNDECLARED", "metadata_faults", "typing_faults"]

UNDECLARED = "field not declared in schema"
_DUPLICATE = "duplicate entries for key"
_TYPE_META = frozenset({"apiVersion", "kind"})
_STRING, _BOOLEAN, _INTEGER = (
    Node(types=("string",)),
    Node(types=("boolean",)),
    Node(types=("integer",)),
)
_TEXTS = Node(types=("object",), additional=_STRING)
_OWNER = Node(
    types=("object",),
    atomic_map=True,
    properties={
        **dict.fromkeys(("apiVersion", "kind", "name"), _STRING),
        **dict.fromkeys(("blockOwnerDeletion", "controller"), _BOOLEAN),
        "uid": Node(types=("string",), default=""),
    },
)
_METADATA = Node(
    types=("object",),
    properties={
        **dict.fromkeys(("generateName", "name", "namespace", "resourceVersion", "selfLink", "uid"), _STRING),
        **dict.fromkeys(("deletionGracePeriodSeconds", "generation"), _INTEGER),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp", "managedFields"), Node()),
        **dict.fromkeys(("annotations", "labels"), _TEXTS),
        "finalizers": Node(types=("array",), list_type="set", items=_STRING),
        "ownerReferences": Node(types=("array",), list_type="map", list_keys=("uid",), items=_OWNER),
    },
)
"""What every object has, in the words of a schema. Times may be any text."""
_GO_TYPES = {
    "array": "[]interface {}",
    "boolean": "bool",
    "integer": "int64",
    "number": "float64",
    "object": "map[string]interface {}",
    "string": "string",
}


class Typed(Shape, Protocol):
    """A place of a schema, of a custom resource (`schema.compiled`) or of a built-in kind (`schema.builtinshapes`)."""

    @property
    def types(self) -> tuple[str, ...]: ...
    @property
    def properties(self) -> Mapping[str, Typed]: ...
    @property
    def additional(self) -> Typed | None: ...
    @property
    def items(self) -> Typed | None: ...
    @property
    def int_or_string(self) -> bool: ...
    @property
    def preserve(self) -> bool: ...
    @property
    def open_map(self) -> bool: ...
    @property
    def embedded(self) -> bool: ...


def typing_faults(root: Typed, config: Mapping[str, Any], *, allows_duplicates: bool = False) -> list[str]:
    """What does not fit: `.spec.replicas: expected numeric (int or float), got string`."""
    found = _map(root, config, "", is_object=True)
    return [fault for fault in found if not (allows_duplicates and _DUPLICATE in fault)]


def metadata_faults(metadata: Any) -> list[str]:
    """The same of what every object has."""
    return list(_value(_METADATA, metadata, ".metadata"))


def _map(node: Typed, value: Mapping[str, Any], path: str, *, is_object: bool) -> Iterator[str]:
    for name, child in sorted(value.items()):
        here = f"{path}.{name}"
        place = node.properties.get(name) or node.additional
        if is_object and name in _TYPE_META:
            continue
        if is_object and name == "metadata":
            place = _METADATA
        if place is not None:
            yield from _value(place, child, here)
        elif not (node.preserve or node.open_map):
            yield f"{here}: {UNDECLARED}"


def _value(node: Typed, value: Any, path: str) -> Iterator[str]:
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


def _list(node: Typed, value: list[Any], path: str) -> Iterator[str]:
    if node.items is None:
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        step = f"[{index}]"
        if node.list_type != "atomic":
            fault = unkeyed(item, node)
            if fault:
                # Without a key nothing below it can be named, nor what follows.
                yield f"{path}: element {index}: {fault}"
                return
            step = _item_step(node, item)
            if step in seen:
                yield f"{path}: {_DUPLICATE} {step}"
            seen.add(step)
        yield from _value(node.items, item, path + step)


def _item_step(node: Typed, item: Any) -> str:
    if node.list_type == "set":
        return f"[={json_text(item)}]"
    keys = {**node.key_defaults, **item}
    return (
        "[" + ",".join(f"{key}={json_text(keys[key])}" for key in sorted(node.list_keys) if key in keys) + "]"
    )


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
