"""What the API refuses in the schema of a definition beyond its structure, as apiextensions-apiserver words it.

Some constructs of JSON Schema are not supported; list and map types must fit the type they stand at; keys of keyed lists must
exist, be scalars, and be there; validation rules must be complete. Whether a rule compiles is for the rules' own package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from pilotage.store.schema import problems
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.props import Rule, SchemaProps
from pilotage.store.schema.schemapaths import SchemaPathError, follow

__all__ = ["Leniency", "has_loose_keys", "has_loose_sets", "schema_problems"]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_META = frozenset({"metadata", "kind", "apiVersion"})
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


class Leniency(msgspec.Struct, frozen=True):
    """What a stored definition already got away with is tolerated when it changes."""

    any_type: bool = False
    loose_sets: bool = False
    loose_keys: bool = False


class _Place(msgspec.Struct, frozen=True):
    """What the surroundings of a schema decide."""

    in_metadata: bool = False
    no_defaults: str | None = None


def schema_problems(schema: SchemaProps, path: str, leniency: Leniency) -> list[Problem]:
    return list(_problems(schema, path, leniency, _Place(), is_root=True))


def _problems(
    schema: SchemaProps, path: str, leniency: Leniency, place: _Place, *, is_root: bool = False
) -> Iterator[Problem]:
    yield from _refused(schema, path, leniency, place)
    if schema.additional_properties is not None:
        yield from _additional(schema, path, leniency, place)
    for name, child in schema.properties.items():
        below = place
        if (is_root or schema.embedded_resource) and name in _META:
            below = msgspec.structs.replace(place, in_metadata=True)
            if is_root:
                below = msgspec.structs.replace(below, no_defaults=f"in top-level {name}")
        yield from _problems(child, f"{path}.properties[{name}]", leniency, below)
    if schema.not_ is not None:
        yield from _problems(schema.not_, f"{path}.not", leniency, place)
    for word, listed in (("allOf", schema.all_of), ("oneOf", schema.one_of), ("anyOf", schema.any_of)):
        for index, branch in enumerate(listed):
            yield from _problems(branch, f"{path}.{word}[{index}]", leniency, place)
    for name, child in schema.definitions.items():
        yield from _problems(child, f"{path}.definitions[{name}]", leniency, place)
    if schema.item is not None:
        yield from _problems(schema.item, f"{path}.items", leniency, place)
    elif isinstance(schema.items, list):
        for index, child in enumerate(schema.items):
            yield from _problems(child, f"{path}.items[{index}]", leniency, place)
    yield from _shapes(schema, path, leniency)
    for index, rule in enumerate(schema.validations):
        yield from _rule(rule, schema, f"{path}.x-kubernetes-validations[{index}]")


def _refused(schema: SchemaProps, path: str, leniency: Leniency, place: _Place) -> Iterator[Problem]:
    if schema.type and schema.type not in _TYPES and not leniency.any_type:
        yield problems.not_supported(f"{path}.type", schema.type, _TYPES)
    if schema.default is not None and place.no_defaults is not None:
        yield problems.forbidden(f"{path}.default", f"must not be set {place.no_defaults}".rstrip())
    for name, is_set in (
        ("id", schema.id),
        ("additionalItems", schema.additional_items is not None),
        ("patternProperties", schema.pattern_properties),
        ("definitions", schema.definitions),
        ("dependencies", schema.dependencies is not None),
        ("$ref", schema.ref is not None),
    ):
        if is_set:
            yield problems.forbidden(f"{path}.{name}", f"{name} is not supported")
    if schema.type == "null":
        yield problems.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.items, list) and schema.items:
        yield problems.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_metadata and schema.embedded_resource:
        yield problems.forbidden(
            f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta"
        )
    if schema.unique_items:
        yield problems.forbidden(
            f"{path}.uniqueItems",
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        )


def _additional(schema: SchemaProps, path: str, leniency: Leniency, place: _Place) -> Iterator[Problem]:
    if schema.properties and schema.additional_properties is not True:
        yield problems.forbidden(
            f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive"
        )
    if schema.additional is not None:
        if place.in_metadata:
            place = msgspec.structs.replace(
                place, no_defaults="inside additionalProperties applying to object metadata"
            )
        yield from _problems(schema.additional, f"{path}.additionalProperties", leniency, place)


def _shapes(schema: SchemaProps, path: str, leniency: Leniency) -> Iterator[Problem]:
    if schema.preserve_unknown_fields is False:
        yield problems.invalid(
            f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined"
        )
    if schema.map_type is not None:
        if schema.type != "object":
            yield _wrong_type(schema.type, path, "must be object if x-kubernetes-map-type is specified")
        if schema.map_type not in {"atomic", "granular"}:
            yield problems.not_supported(
                f"{path}.x-kubernetes-map-type", schema.map_type, ("atomic", "granular")
            )
    list_type = schema.list_type
    if list_type is not None and schema.type != "array":
        yield _wrong_type(schema.type, path, "must be array if x-kubernetes-list-type is specified")
    elif list_type == "set" and not leniency.loose_sets:
        yield from _set_items(schema, path)
    if list_type not in {None, "atomic", "set", "map"}:
        yield problems.not_supported(f"{path}.x-kubernetes-list-type", list_type, ("atomic", "set", "map"))
    if schema.list_map_keys and list_type != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        here = f"{path}.x-kubernetes-list-type"
        yield problems.required(here, text) if list_type is None else problems.invalid(here, list_type, text)
    if list_type == "map":
        yield from _keyed_list(schema, path)
    if not leniency.loose_keys:
        yield from _loose_keys(schema, path)


def _wrong_type(actual: str, path: str, text: str) -> Problem:
    here = f"{path}.type"
    return problems.invalid(here, actual, text) if actual else problems.required(here, text)


def _set_items(schema: SchemaProps, path: str) -> Iterator[Problem]:
    item = schema.item
    if item is None:
        return
    text = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if item.type == "array" and item.list_type not in {None, "atomic"}:
        yield problems.invalid(f"{path}.items.x-kubernetes-list-type", item.list_type, text)
    elif item.type == "object" and item.map_type != "atomic":
        # The API server shows the list type here.
        yield problems.invalid(f"{path}.items.x-kubernetes-map-type", item.list_type, text)


def _keyed_list(schema: SchemaProps, path: str) -> Iterator[Problem]:
    keys, item = schema.list_map_keys, schema.item
    if not keys:
        yield problems.required(
            f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map"
        )
    if schema.items is None:
        yield problems.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    if item is None:
        return
    if item.type != "object":
        yield problems.invalid(
            f"{path}.items.type", item.type, "must be object if parent array's x-kubernetes-list-type is map"
        )
        return
    here = f"{path}.x-kubernetes-list-map-keys"
    for index, key in enumerate(keys):
        child = item.properties.get(key)
        if child is None:
            yield problems.invalid(here, keys, "entries must all be names of item properties")
        elif child.type in {"array", "object"}:
            yield problems.invalid(
                f"{path}.items.properties[{key}].type",
                item.type,
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            )
        if key in keys[:index]:
            yield problems.invalid(here, keys, "must not contain duplicate entries")


def _loose_keys(schema: SchemaProps, path: str) -> Iterator[Problem]:
    """Items of sets and keyed lists are never null, and their keys always there."""
    item = schema.item
    if item is None or schema.list_type not in {"set", "map"}:
        return
    if item.nullable:
        text = f"cannot be nullable when x-kubernetes-list-type is {schema.list_type}"
        yield problems.forbidden(f"{path}.items.nullable", text)
    if schema.list_type == "set":
        return
    for key in schema.list_map_keys:
        child = item.properties.get(key)
        if child is None:
            continue
        here = f"{path}.items.properties[{key}]"
        if key not in (item.required) and child.default is None:
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield problems.required(f"{here}.default", text)
        if child.nullable:
            text = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            yield problems.forbidden(f"{here}.nullable", text)


def has_loose_sets(schema: SchemaProps) -> bool:
    """A set of lists or maps that are not atomic."""
    return schema.list_type == "set" and any(_set_items(schema, ""))


def has_loose_keys(schema: SchemaProps) -> bool:
    return any(_loose_keys(schema, ""))


def _rule(rule: Rule, schema: SchemaProps, path: str) -> Iterator[Problem]:
    expression, message = rule.rule.strip(), rule.message.strip()
    if not expression:
        yield problems.required(f"{path}.rule", "rule is not specified")
    elif rule.message and not message:
        yield problems.invalid(f"{path}.message", rule.message, "must be non-empty if specified")
    elif _has_line_break(message):
        yield problems.invalid(f"{path}.message", rule.message, "must not contain line breaks")
    elif _has_line_break(expression) and not message:
        yield problems.required(f"{path}.message", "message must be specified if rule contains line breaks")
    if rule.message_expression and not rule.message_expression.strip():
        yield problems.required(
            f"{path}.messageExpression", "messageExpression must be non-empty if specified"
        )
    if rule.reason is not None and rule.reason not in _REASONS:
        yield problems.not_supported(f"{path}.reason", rule.reason, _REASONS)
    if rule.field_path and not rule.field_path.strip():
        yield problems.invalid(f"{path}.fieldPath", rule.field_path, "must be non-empty if specified")
    if _has_line_break(rule.field_path):
        yield problems.invalid(f"{path}.fieldPath", rule.field_path, "must not contain line breaks")
    if rule.field_path and not _leads_somewhere(schema, rule.field_path):
        yield problems.invalid(f"{path}.fieldPath", rule.field_path, "must be a valid path")


def _leads_somewhere(schema: SchemaProps, path: str) -> bool:
    try:
        follow(schema, path)
    except SchemaPathError:
        return False
    return True


def _has_line_break(text: str) -> bool:
    return re.search(r"[\n\r]", text) is not None
