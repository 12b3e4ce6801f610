"""Defaults that the schema gives, and nulls that mean nothing.

Before anything else a null is dropped where the schema allows none and has no default to put there; then defaults fill what is
missing, from the outside in, so that a default that is a map gets the defaults of its own fields.
"""

from __future__ import annotations

import copy
from typing import Any

from pilotage.store.schema.compiled import Node

__all__ = ["apply_defaults", "drop_nulls"]


def drop_nulls(node: Node | None, value: Any) -> None:
    """Remove fields that are null, may not be, and have no default."""
    if isinstance(value, dict):
        for name in list(value):
            place = None
            if node is not None:
                place = node.properties.get(name) or node.additional
            child = value[name]
            if child is None:
                if place is not None and not place.nullable and place.default is None:
                    del value[name]
            elif isinstance(child, dict | list):
                drop_nulls(place, child)
    elif isinstance(value, list):
        items = node.items if node is not None else None
        for item in value:
            if isinstance(item, dict | list):
                drop_nulls(items, item)


def apply_defaults(node: Node, value: Any) -> None:
    """Fill in defaults in place; the value gets copies of its own."""
    if isinstance(value, dict):
        for name, place in node.properties.items():
            if place.default is not None and (
                name not in value or (value[name] is None and not place.nullable)
            ):
                value[name] = copy.deepcopy(place.default)
        for name, child in value.items():
            place_below = node.properties.get(name) or node.additional
            if place_below is not None:
                value[name] = _filled(place_below, child)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            value[index] = _filled(node.items, item)


def _filled(place: Node, child: Any) -> Any:
    if child is None and not place.nullable:
        child = copy.deepcopy(place.default)
    if isinstance(child, dict | list):
        apply_defaults(place, child)
    return child
