"""What was there before: the old value that belongs to a new one, and whether anything changed.

Properties and map entries correlate by name, items of `x-kubernetes-list-type: map` lists by their keys; items of other
lists correlate with nothing. A rule without `oldSelf` that fails for an unchanged value does not refuse the update
(ratcheting): an object that was stored before the rule existed may still be edited elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.store.cel.schemas import Schema

__all__ = ["Pair", "by_keys", "identity"]

_SCALARS = (str, int, float, bool)


def identity(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    """What identifies an item of a map list, None when a key is missing or no scalar."""
    if not isinstance(item, dict):
        return None
    found: list[Any] = []
    for key in keys:
        value = item.get(key)
        if not isinstance(value, _SCALARS):
            return None
        found.append((type(value), value))
    return tuple(found)


def by_keys(schema: Schema, items: Any) -> Mapping[tuple[Any, ...], Any]:
    """Old items by identity; empty unless the list is a map list."""
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if schema.get("x-kubernetes-list-type") != "map" or not keys or not isinstance(items, list):
        return {}
    found: dict[tuple[Any, ...], Any] = {}
    for item in items:
        key = identity(item, keys)
        if key is not None:
            found.setdefault(key, item)
    return found


class Pair:
    """A new value with the old value that it correlates with; asks for equality at most once."""

    __slots__ = ("_known", "_unchanged", "new", "old", "schema")

    def __init__(self, new: Any, old: Any, schema: Schema) -> None:
        self.new = new
        self.old = old
        self.schema = schema
        self._unchanged: bool | None = None
        self._known: Mapping[tuple[Any, ...], Any] | None = None

    def key(self, name: str) -> Pair | None:
        """The pair of a property or map entry; None when either side lacks it or nothing is known about it."""
        if not isinstance(self.old, dict) or not isinstance(self.new, dict):
            return None
        if name not in self.old or name not in self.new:
            return None
        schema = (self.schema.get("properties") or {}).get(name)
        if schema is None:
            schema = self.schema.get("additionalProperties")
        if not isinstance(schema, Mapping):
            return None
        return Pair(self.new[name], self.old[name], schema)

    def item(self, position: int) -> Pair | None:
        """The pair of a list item."""
        items = self.schema.get("items")
        if items is None or not isinstance(self.old, list):
            return None
        if self._known is None:
            self._known = by_keys(self.schema, self.old)
        key = identity(self.new[position], tuple(self.schema.get("x-kubernetes-list-map-keys") or ()))
        old = self._known.get(key) if key is not None else None
        return None if old is None else Pair(self.new[position], old, items)

    @property
    def unchanged(self) -> bool:
        if self._unchanged is None:
            self._unchanged = self._compare()
        return self._unchanged

    def _compare(self) -> bool:
        new, old = self.new, self.old
        if isinstance(new, list) and isinstance(old, list):
            if len(new) != len(old):
                return False
            if self.schema.get("x-kubernetes-list-type") != "map":
                return _same(new, old)
            pairs = [self.item(position) for position in range(len(new))]
            return all(pair is not None and pair.unchanged for pair in pairs)
        if isinstance(new, dict) and isinstance(old, dict):
            if len(new) != len(old):
                return False
            children = [self.key(name) for name in new]
            return all(child is not None and child.unchanged for child in children)
        return _same(new, old)


def _same(one: Any, two: Any) -> bool:
    """Equal as JSON: true is not 1, 1 is not 1.0."""
    if type(one) is not type(two):
        return False
    if isinstance(one, list):
        return len(one) == len(two) and all(map(_same, one, two))
    if isinstance(one, dict):
        return len(one) == len(two) and all(
            key in two and _same(value, two[key]) for key, value in one.items()
        )
    return bool(one == two)
