"""How each place of a built-in kind merges, and what it may hold: read from the types that kube-apiserver publishes.

One source for three askers: server-side apply (`list_type`, `list_keys`, `atomic_map`), strategic merge patches (`patch_key`,
`retains_keys`), and the check of a configuration against its schema (`types`, `properties`, ...). The types refer to one
another in circles, so a place is worked out when somebody comes by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

from pilotage.api.meta import Kind
from pilotage.store.schema.builtintypes import REFERENCE, definitions, root
from pilotage.store.schema.places import ListType

__all__ = ["BuiltinShape", "TypePlace", "place_of"]


class TypePlace:
    """A place that a schema describes. `key_defaults`: what a key means that an item leaves out."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """`schema` is whole: a reference in it was followed."""
        self._schema = schema
        self.atomic_map: bool = schema.get("x-kubernetes-map-type") == "atomic"
        self.list_type: ListType = schema.get("x-kubernetes-list-type", "atomic")
        self.list_keys: tuple[str, ...] = tuple(schema.get("x-kubernetes-list-map-keys", ()))
        strategies = schema.get("x-kubernetes-patch-strategy", "").split(",")
        self.patch_key: str | None = (
            schema.get("x-kubernetes-patch-merge-key", "") if "merge" in strategies else None
        )
        self.retains_keys: bool = "retainKeys" in strategies
        self.types: tuple[str, ...] = (schema["type"],) if "type" in schema else ()
        self.int_or_string: bool = "type" not in schema
        self.preserve: bool = schema.get("type") == "object" and not (
            "properties" in schema or "additionalProperties" in schema
        )
        self.open_map = False
        self.embedded = False

    @cached_property
    def properties(self) -> Mapping[str, TypePlace]:
        return {name: _place(child) for name, child in self._schema.get("properties", {}).items()}

    @cached_property
    def additional(self) -> TypePlace | None:
        schema = self._schema.get("additionalProperties")
        return _place(schema) if isinstance(schema, dict) else None

    @cached_property
    def items(self) -> TypePlace | None:
        schema = self._schema.get("items")
        return _place(schema) if schema is not None else None

    @cached_property
    def key_defaults(self) -> Mapping[str, Any]:
        return dict(self._key_defaults())

    def _key_defaults(self) -> Iterator[tuple[str, Any]]:
        fields = self.items.properties if self.items is not None else {}
        for key in self.list_keys:
            default = fields[key].default if key in fields else None
            if default is not None:
                yield key, default

    @property
    def default(self) -> Any:
        return self._schema.get("default")

    def field(self, name: str) -> TypePlace:
        return self.properties.get(name) or self.additional or _NOTHING

    def declares(self, name: str) -> bool:
        return name in self.properties

    def item(self) -> TypePlace:
        return self.items or _NOTHING


_NOTHING = TypePlace({})


def _place(schema: Mapping[str, Any]) -> TypePlace:
    """A place that is only a reference is shared by all who refer to it."""
    target = schema.get("$ref") or next(
        (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), ""
    )
    if not target:
        return TypePlace(schema)
    beside = {name: child for name, child in schema.items() if name not in {"$ref", "allOf", "default"}}
    name = target.removeprefix(REFERENCE)
    # A default of an item decides nothing here: keys are scalars, and those are no references.
    return TypePlace({**definitions()[name], **beside}) if beside else _named(name)


@cache
def _named(name: str) -> TypePlace:
    return TypePlace(definitions()[name])


def place_of(kind: Kind) -> TypePlace:
    """The place of a whole object of a built-in kind. Raises KeyError for any other."""
    return _named(root(kind))


class BuiltinShape:
    """The root of a built-in kind. The types are read when the first field is asked for."""

    atomic_map = False
    list_type: ListType = "atomic"
    list_keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, Any] = MappingProxyType({})
    patch_key: str | None = None

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    @cached_property
    def place(self) -> TypePlace:
        return place_of(self._kind)

    def field(self, name: str) -> TypePlace:
        return self.place.field(name)

    def declares(self, name: str) -> bool:
        return self.place.declares(name)

    def item(self) -> TypePlace:
        return self.place.item()
