"""How the places of a custom resource merge: as its schema says. `builtinshapes` answers for the built-in kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotage.store.schema.compiled import UNKNOWN, Node
from pilotage.store.schema.places import METADATA, ListType, Place

__all__ = ["CustomShape"]


class CustomShape(msgspec.Struct, frozen=True):
    """The root of a custom resource: its schema, with metadata as all objects have it."""

    schema: Node

    atomic_map: bool = False
    list_type: ListType = "atomic"
    list_keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, Any] = {}
    patch_key: str | None = None

    def field(self, name: str) -> Node | Place:
        return METADATA if name == "metadata" else self.schema.field(name)

    def declares(self, name: str) -> bool:
        return name in {"apiVersion", "kind", "metadata"} or self.schema.declares(name)

    def item(self) -> Node:
        return UNKNOWN
