"""How one place of an object merges, written by hand where no schema says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

__all__ = ["ANYTHING", "METADATA", "OBJECT", "ListType", "Place"]

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

    @property
    def patch_key(self) -> str | None:
        """By which field a strategic merge patch merges a list here: empty when items are plain, None when it is replaced."""
        if self.list_type == "map":
            return self.list_keys[0]
        return "" if self.list_type == "set" else None

    def field(self, name: str) -> Place:
        return self.fields.get(name, ANYTHING)

    def declares(self, _name: str) -> bool:
        """Nobody said otherwise."""
        return True

    def item(self) -> Place:
        return self.items or ANYTHING


ANYTHING = Place()
"""Nothing is known: maps merge field by field, lists are one value."""

METADATA = Place(
    {
        "finalizers": Place(list_type="set"),
        "ownerReferences": Place(list_type="map", list_keys=("uid",), items=Place(atomic_map=True)),
    }
)

OBJECT = Place(
    {"metadata": METADATA, "status": Place({"conditions": Place(list_type="map", list_keys=("type",))})}
)
"""An object of a kind that nobody defined: what most kinds have in common."""
