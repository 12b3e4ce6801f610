"""Fields that no schema knows are removed, and their paths told.

What is told feeds `fieldValidation`: `Strict` refuses the object, `Warn` answers with warnings, `Ignore` says nothing; in each
case the fields are gone. Type and metadata of the object, and of embedded objects, are never pruned.
"""

from __future__ import annotations

from typing import Any

from pilotage.store.schema.compiled import Node

__all__ = ["prune", "unknown_field"]

_META = frozenset({"apiVersion", "kind", "metadata"})


def unknown_field(path: str) -> str:
    """How strict decoding words it."""
    return f'unknown field "{path}"'


def prune(node: Node | None, value: Any, *, is_object: bool = True) -> list[str]:
    """Remove unknown fields from `value` in place; their paths, sorted.

    `is_object`: the value is a whole Kubernetes object, whatever its schema says.
    """
    unknown: list[str] = []
    _prune(node, value, "", unknown, is_object=is_object)
    return sorted(unknown)


def _prune(node: Node | None, value: Any, path: str, unknown: list[str], *, is_object: bool = False) -> None:
    if isinstance(value, dict):
        _prune_map(node, value, path, unknown, is_object=is_object or (node is not None and node.embedded))
    elif isinstance(value, list):
        if node is not None and node.preserve:
            _keep_list(node, value, path, unknown)
            return
        items = node.items if node is not None else None
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _prune(items, item, f"{path}[{index}]", unknown)


def _prune_map(
    node: Node | None, value: dict[str, Any], path: str, unknown: list[str], *, is_object: bool
) -> None:
    prefix = f"{path}." if path else ""
    preserve = node is not None and node.preserve
    for name in list(value):
        if is_object and name in _META:
            continue
        place = None if node is None else node.properties.get(name)
        if place is not None or (node is not None and node.has_additional):
            child = value[name]
            if isinstance(child, dict | list):
                _prune(
                    place or (node.additional if node is not None else None), child, prefix + name, unknown
                )
        elif not preserve:
            # At the root, type and metadata are taken aside and put back; they are no unknown fields.
            if path or name not in _META:
                unknown.append(prefix + name)
            del value[name]


def _keep_list(node: Node, value: list[Any], path: str, unknown: list[str]) -> None:
    """A list whose unknown fields are kept: what its items' schema knows is still pruned further in."""
    items = node.items
    if items is None:
        return
    for index, item in enumerate(value):
        if isinstance(item, dict):
            _keep_map(items, item, f"{path}[{index}]", unknown)
        elif isinstance(item, list):
            _keep_list(items, item, f"{path}[{index}]", unknown)


def _keep_map(node: Node, value: dict[str, Any], path: str, unknown: list[str]) -> None:
    for name, child in value.items():
        if node.embedded and name in _META:
            continue
        place = node.properties.get(name)
        if isinstance(child, dict | list) and (place is not None or node.has_additional):
            _prune(place or node.additional, child, f"{path}.{name}", unknown)
