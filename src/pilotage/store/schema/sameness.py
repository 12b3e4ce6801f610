"""When two values are the same: as JSON to the API server, and as far as a schema can tell.

Python says that `1`, `1.0` and `True` are equal; to the API server an integer, a float and a boolean never are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilotage.store.schema.compiled import Node
from pilotage.store.schema.gotext import is_integer

__all__ = ["correlated", "identical", "key_of", "unchanged"]


def identical(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and len(one) == len(other)
            and all(name in other and identical(child, other[name]) for name, child in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, str) or one is None or isinstance(one, bool):
        return type(one) is type(other) and bool(one == other)
    return (
        isinstance(other, int | float)
        and not isinstance(other, bool)
        and is_integer(one) == is_integer(other)
        and one == other
    )


def unchanged(node: Node, value: Any, old: Any) -> bool:
    """Is the value what it was? The order of a keyed list's items does not count."""
    if isinstance(value, dict) and isinstance(old, dict):
        if len(value) != len(old):
            return False
        for name, child in value.items():
            place = node.properties.get(name) or node.additional
            if name not in old or place is None or not unchanged(place, child, old[name]):
                return False
        return True
    if (
        isinstance(value, list)
        and isinstance(old, list)
        and node.list_type == "map"
        and node.items is not None
    ):
        if len(value) != len(old):
            return False
        partners = correlated(node, value, old)
        items = node.items
        return all(
            partner is not None and unchanged(items, item, partner)
            for item, partner in zip(value, partners, strict=True)
        )
    return identical(value, old)


def key_of(keys: Sequence[str], item: Any) -> tuple[Any, ...] | None:
    """What identifies an item of a keyed list; None when a key is missing or no scalar."""
    if not isinstance(item, dict):
        return None
    key: list[Any] = []
    for name in keys:
        value = item.get(name)
        if value is None or isinstance(value, dict | list):
            return None
        key.append((type(value).__name__, value))
    return tuple(key)


def correlated(node: Node, value: Sequence[Any], old: Any) -> list[Mapping[str, Any] | None]:
    """For each item of a keyed list the item it was before; None for new ones, and for lists without keys."""
    if node.list_type != "map" or not isinstance(old, list) or not node.list_keys:
        return [None] * len(value)
    before: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for item in old:
        key = key_of(node.list_keys, item)
        if key is not None:
            before.setdefault(key, item)
    keys = (key_of(node.list_keys, item) for item in value)
    return [before.get(key) if key is not None else None for key in keys]
