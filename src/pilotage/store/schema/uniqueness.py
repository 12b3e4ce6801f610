"""Lists that are sets have no value twice; lists that are keyed have no key twice.

The first repetition of each value is told, at its index. Follows apiextensions-apiserver's `pkg/apiserver/schema/listtype`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.compiled import Node
from pilotage.store.schema.gotext import is_integer, json_text
from pilotage.store.schema.problems import Problem

__all__ = ["repetitions"]


def repetitions(node: Node, value: Any, path: str = "") -> list[Problem]:
    found: list[Problem] = []
    _check(node, value, path, found)
    return found


def _check(node: Node, value: Any, path: str, found: list[Problem]) -> None:
    if not node.keyed_below:
        return
    if isinstance(value, dict):
        for name, child in value.items():
            if node.additional is not None:
                _check(node.additional, child, f"{path}[{name}]", found)
            place = node.properties.get(name)
            if place is not None:
                _check(place, child, f"{path}.{name}" if path else name, found)
    elif isinstance(value, list):
        if node.list_type == "set":
            found += [
                problems.duplicate(f"{path}[{index}]", value[index])
                for index in _repeated(map(_identity, value))
            ]
        elif node.list_type == "map":
            found += _keyed(node, value, path)
        if node.items is not None and node.items.keyed_below:
            for index, item in enumerate(value):
                _check(node.items, item, f"{path}[{index}]", found)


def _keyed(node: Node, value: Sequence[Any], path: str) -> Iterable[Problem]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            return [
                problems.invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")
            ]
    keys = [{key: item[key] for key in node.list_keys if item and key in item} for item in value]
    identities = [tuple((name, _identity(part)) for name, part in key.items()) for key in keys]
    return [problems.duplicate(f"{path}[{index}]", keys[index]) for index in _repeated(identities)]


def _identity(value: Any) -> Hashable:
    """Equal for values that are the same JSON to the API server."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return ("json", json_text(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("integer" if is_integer(value) else "number", value)
    return (type(value).__name__, value)


def _repeated(identities: Iterable[Hashable]) -> list[int]:
    """Where each value that is there more than once is repeated first."""
    seen: dict[Hashable, int] = {}
    repeated = []
    for index, identity in enumerate(identities):
        count = seen[identity] = seen.get(identity, 0) + 1
        if count == 2:
            repeated.append(index)
    return repeated
