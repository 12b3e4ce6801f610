"""How one place merges in a server-side apply, written by hand where no schema says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = ["ANYTHING", "METADATA", "ListType", "Place", "grow"]

ListType = Literal["atomic", "set", "map"]


class Place(msgspec.Struct, frozen=True):
    """Fields that `fields` does not name are `ANYTHING`.

    `list_type`: what a list here is; `list_keys` identify the items of a `map`, `key_defaults` is what a key means that an item
    leaves out. `atomic_map`: a map here is one value.
    """

    fields: Mapping[str, Place] = {}
    atomic_map: bool = False
    list_type: ListType = "atomic"
    list_keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, Any] = {}
    items: Place | None = None

    def field(self, name: str) -> Place:
        return self.fields.get(name, ANYTHING)

    def item(self) -> Place:
        return self.items or ANYTHING


ANYTHING = Place()
"""Nothing is known: maps merge field by field, lists are one value."""


def grow(table: Mapping[str, str]) -> Place:
    """A tree from a table: a path such as `spec.containers[].env` to what stands there.

    `atomic` is a map that is one value, `set` a set, anything else the keys of a list, each with its default if it has one:
    `containerPort=0 protocol=TCP`.
    """
    branches: dict[str, dict[str, str]] = {}
    for path, what in table.items():
        head, _, rest = path.partition(".")
        branches.setdefault(head.removesuffix("[]"), {})["[]." * head.endswith("[]") + rest] = what
    return Place({name: _place(branch) for name, branch in branches.items()})


def _place(branch: Mapping[str, str]) -> Place:
    what = branch.get("", "")
    below = {path: child for path, child in branch.items() if path and not path.startswith("[].")}
    inside = {path.removeprefix("[]."): child for path, child in branch.items() if path.startswith("[].")}
    if what == "atomic":
        return Place(atomic_map=True)
    fields = grow(below).fields if below else {}
    if not what:
        return Place(fields)
    items = _place(inside) if "" in inside else (grow(inside) if inside else None)
    if what == "set":
        return Place(fields, list_type="set", items=items)
    keys = [part.partition("=") for part in what.split()]
    defaults = {name: int(text) if text.isdigit() else text for name, found, text in keys if found}
    return Place(
        fields,
        list_type="map",
        list_keys=tuple(name for name, _, _ in keys),
        key_defaults=defaults,
        items=items,
    )


METADATA = grow({"finalizers": "set", "ownerReferences": "uid", "ownerReferences[]": "atomic"})
