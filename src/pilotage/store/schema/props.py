"""The schema of a custom resource as its definition writes it: `JSONSchemaProps` of `apiextensions.k8s.io/v1`.

Reading gives every field its type, and says by path what does not fit. Nothing is judged here: `structural.py` says whether a
schema is structural, `crdschemas.py` whether it is allowed, `compiled.py` makes it quick to walk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["Rule", "SchemaProps", "descendants"]


class Rule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One of `x-kubernetes-validations`; evaluated elsewhere."""

    rule: str = ""
    message: str = ""
    message_expression: str = ""
    reason: str | None = None
    field_path: str = ""
    optional_old_self: bool | None = None


class SchemaProps(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Fields that the API server refuses are here too, so that they can be named."""

    id: str = ""
    schema: str = msgspec.field(name="$schema", default="")
    ref: str | None = msgspec.field(name="$ref", default=None)
    description: str = ""
    type: str = ""
    format: str = ""
    title: str = ""
    default: Any = None
    maximum: float | None = None
    exclusive_maximum: bool = False
    minimum: float | None = None
    exclusive_minimum: bool = False
    max_length: int | None = None
    min_length: int | None = None
    pattern: str = ""
    max_items: int | None = None
    min_items: int | None = None
    unique_items: bool = False
    multiple_of: float | None = None
    enum: list[Any] = []
    max_properties: int | None = None
    min_properties: int | None = None
    required: list[str] = []
    items: SchemaProps | list[SchemaProps] | None = None
    all_of: list[SchemaProps] = []
    one_of: list[SchemaProps] = []
    any_of: list[SchemaProps] = []
    not_: SchemaProps | None = msgspec.field(name="not", default=None)
    properties: dict[str, SchemaProps] = {}
    additional_properties: SchemaProps | bool | None = None
    pattern_properties: dict[str, SchemaProps] = {}
    dependencies: dict[str, SchemaProps | list[str]] | None = None
    additional_items: SchemaProps | bool | None = None
    definitions: dict[str, SchemaProps] = {}
    external_docs: dict[str, Any] | None = None
    example: Any = None
    nullable: bool = False
    preserve_unknown_fields: bool | None = msgspec.field(
        name="x-kubernetes-preserve-unknown-fields", default=None
    )
    embedded_resource: bool = msgspec.field(name="x-kubernetes-embedded-resource", default=False)
    int_or_string: bool = msgspec.field(name="x-kubernetes-int-or-string", default=False)
    list_map_keys: list[str] = msgspec.field(name="x-kubernetes-list-map-keys", default_factory=list)
    list_type: str | None = msgspec.field(name="x-kubernetes-list-type", default=None)
    map_type: str | None = msgspec.field(name="x-kubernetes-map-type", default=None)
    validations: list[Rule] = msgspec.field(name="x-kubernetes-validations", default_factory=list)

    @property
    def item(self) -> SchemaProps | None:
        """The one schema of all items; None when there is none, or a list of them, which is never allowed."""
        return self.items if isinstance(self.items, SchemaProps) else None

    @property
    def additional(self) -> SchemaProps | None:
        """The schema of the values of a map."""
        return self.additional_properties if isinstance(self.additional_properties, SchemaProps) else None


def descendants(schema: SchemaProps) -> Iterator[SchemaProps]:
    """The schema and every schema in it, wherever it stands."""
    yield schema
    for child in _children(schema):
        yield from descendants(child)


def _children(schema: SchemaProps) -> Iterator[SchemaProps]:
    if schema.items is not None:
        yield from schema.items if isinstance(schema.items, list) else [schema.items]
    for listed in (schema.all_of, schema.any_of, schema.one_of):
        yield from listed
    if schema.not_ is not None:
        yield schema.not_
    for named in (schema.properties, schema.pattern_properties, schema.definitions):
        yield from named.values()
    for either in (schema.additional_properties, schema.additional_items):
        if isinstance(either, SchemaProps):
            yield either
    yield from (child for child in (schema.dependencies or {}).values() if isinstance(child, SchemaProps))
