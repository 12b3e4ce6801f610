"""A schema made quick to walk: what validation, pruning, defaulting and merging ask of each place is worked out once.

One tree serves them all. It also answers how a place merges in a server-side apply (`list_type`, `atomic_map`, ...), so
that a node can stand in for a shape there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotage.store.schema.formats import Judge, effective_format, judge
from pilotage.store.schema.patterns import Matcher, PatternError, matcher
from pilotage.store.schema.places import METADATA, ListType, Place
from pilotage.store.schema.props import Rule, SchemaProps

__all__ = ["UNKNOWN", "Checks", "Choices", "Node", "compile_schema"]


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What a value must satisfy beyond its type; only nodes that ask for something have one."""

    maximum: float | None
    exclusive_maximum: bool
    minimum: float | None
    exclusive_minimum: bool
    multiple_of: float | None
    number_type: str
    number_format: str
    free_integers: tuple[int, int] | None
    """Integers in this range need no further check; None when every number does."""
    max_length: int | None
    min_length: int | None
    pattern: str
    pattern_matches: Matcher | None
    max_items: int | None
    min_items: int | None
    max_properties: int | None
    min_properties: int | None
    enum: tuple[Any, ...]
    plain_enum: frozenset[str] | None
    """The enum when all its values are strings."""


class Choices(msgspec.Struct, frozen=True):
    """The schemas that must hold besides: at least one, exactly one, all, not."""

    any_of: tuple[Node, ...]
    one_of: tuple[Node, ...]
    all_of: tuple[Node, ...]
    not_: Node | None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a schema.

    `additional` is the schema of values under any other name; `closed` says that other names are an error (only
    `additionalProperties: false`). `open_map`: other names are allowed, and keep their values as they are.
    """

    types: tuple[str, ...] = ()
    type_text: str = ""
    format: str = ""
    judge: Judge | None = None
    nullable: bool = False
    properties: dict[str, Node] = {}
    additional: Node | None = None
    open_map: bool = False
    closed: bool = False
    items: Node | None = None
    required: tuple[str, ...] = ()
    checks: Checks | None = None
    choices: Choices | None = None
    default: Any = None
    preserve: bool = False
    embedded: bool = False
    int_or_string: bool = False
    list_type: ListType = "atomic"
    list_keys: tuple[str, ...] = ()
    atomic_map: bool = False
    rules: tuple[Rule, ...] = ()
    keyed_below: bool = False
    """A set or a keyed list is here or below."""
    embedded_below: bool = False

    @property
    def has_additional(self) -> bool:
        """`additionalProperties` is there, in whatever form."""
        return self.additional is not None or self.open_map or self.closed

    @property
    def key_defaults(self) -> Mapping[str, Any]:
        """What a key field means when an item leaves it out."""
        if self.items is None:
            return {}
        fields = self.items.properties
        return {
            key: fields[key].default
            for key in self.list_keys
            if key in fields and fields[key].default is not None
        }

    @property
    def patch_key(self) -> None:
        """Strategic merge patches are for built-in kinds: here they would replace lists."""
        return

    def field(self, name: str) -> Node | Place:
        """The place under `name`; a place that asks for nothing when the schema has none."""
        if self.embedded and name == "metadata":
            return METADATA
        return self.properties.get(name) or self.additional or UNKNOWN

    def declares(self, name: str) -> bool:
        return name in self.properties or (self.embedded and name == "metadata")

    def item(self) -> Node:
        return self.items or UNKNOWN


UNKNOWN = Node()
"""A place that no schema describes: maps merge field by field, a list is one value."""


def compile_schema(schema: SchemaProps) -> Node:
    """The quick form of a schema that is structural; one that is not gives a tree that ignores what it cannot say."""
    properties = {name: compile_schema(child) for name, child in schema.properties.items()}
    additional = compile_schema(schema.additional) if schema.additional is not None else None
    items = compile_schema(schema.item) if schema.item is not None else None
    below = [node for node in (*properties.values(), additional, items) if node is not None]
    list_type = schema.list_type
    single_type = "" if schema.int_or_string else schema.type
    types = ("integer", "string") if schema.int_or_string else ((schema.type,) if schema.type else ())
    # With both types possible, a format says nothing; see `effective_format` for the rest.
    schema_format = effective_format(schema.format, single_type)
    return Node(
        types=types,
        type_text=",".join(types),
        format=schema_format,
        judge=judge(schema_format) if schema_format else None,
        nullable=schema.nullable,
        properties=properties,
        additional=additional,
        open_map=schema.additional_properties is True,
        closed=schema.additional_properties is False,
        items=items,
        required=tuple(schema.required),
        checks=_checks(schema, single_type, schema_format),
        choices=_choices(schema),
        default=schema.default,
        preserve=bool(schema.preserve_unknown_fields),
        embedded=schema.embedded_resource,
        int_or_string=schema.int_or_string,
        list_type="set" if list_type == "set" else ("map" if list_type == "map" else "atomic"),
        list_keys=tuple(schema.list_map_keys),
        atomic_map=schema.map_type == "atomic",
        rules=tuple(schema.validations),
        keyed_below=list_type in {"set", "map"} or any(node.keyed_below for node in below),
        embedded_below=schema.embedded_resource or any(node.embedded_below for node in below),
    )


def _choices(schema: SchemaProps) -> Choices | None:
    if not (schema.any_of or schema.one_of or schema.all_of or schema.not_ is not None):
        return None
    return Choices(
        any_of=tuple(map(compile_schema, schema.any_of)),
        one_of=tuple(map(compile_schema, schema.one_of)),
        all_of=tuple(map(compile_schema, schema.all_of)),
        not_=compile_schema(schema.not_) if schema.not_ is not None else None,
    )


_LIMITS = (
    "maximum",
    "minimum",
    "multiple_of",
    "max_length",
    "min_length",
    "max_items",
    "min_items",
    "max_properties",
    "min_properties",
)


def _checks(schema: SchemaProps, single_type: str, schema_format: str) -> Checks | None:
    # Numbers are always checked for the range of their type.
    is_number = single_type in {"integer", "number"}
    if not (
        is_number
        or schema.pattern
        or schema.enum
        or any(getattr(schema, name) is not None for name in _LIMITS)
    ):
        return None
    enum = tuple(schema.enum)
    return Checks(
        maximum=schema.maximum,
        exclusive_maximum=schema.exclusive_maximum,
        minimum=schema.minimum,
        exclusive_minimum=schema.exclusive_minimum,
        multiple_of=schema.multiple_of,
        number_type=single_type if is_number else "",
        number_format=schema_format if is_number else "",
        free_integers=_free_integers(schema, schema_format) if is_number else None,
        max_length=schema.max_length,
        min_length=schema.min_length,
        pattern=schema.pattern,
        pattern_matches=_pattern(schema.pattern),
        max_items=schema.max_items,
        min_items=schema.min_items,
        max_properties=schema.max_properties,
        min_properties=schema.min_properties,
        enum=enum,
        plain_enum=frozenset(enum) if enum and all(isinstance(value, str) for value in enum) else None,
    )


def _free_integers(schema: SchemaProps, schema_format: str) -> tuple[int, int] | None:
    if schema.maximum is not None or schema.minimum is not None or schema.multiple_of is not None:
        return None
    bits = 31 if schema_format == "int32" else 63
    return -(2**bits), 2**bits - 1


def _pattern(pattern: str) -> Matcher | None:
    """None also for a pattern that RE2 refuses; the definition that holds it is refused before it gets here."""
    if not pattern:
        return None
    try:
        return matcher(pattern)
    except PatternError:
        return None
