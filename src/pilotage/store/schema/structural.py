"""Is a schema structural? Every fault with its path, as apiextensions-apiserver words it.

A structural schema says the type of every field outside of `allOf`, `anyOf`, `oneOf` and `not`; inside of them it only restricts.
That is what makes pruning and defaulting possible. Follows `k8s.io/apiextensions-apiserver/pkg/apiserver/schema`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from pilotage.store.schema import problems
from pilotage.store.schema.patterns import PatternError, matcher
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.props import SchemaProps

__all__ = ["is_structural", "structural_problems", "unsupported"]

_Level = Literal["root", "item", "field"]
_INT_OR_STRING = [SchemaProps(type="integer"), SchemaProps(type="string")]
_NO_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def structural_problems(schema: SchemaProps, path: str) -> list[Problem]:
    """The faults, sorted by their text, which is how the API server lists them."""
    found = [*_invariants(schema, "root", path), *_completeness(schema, schema, path, path)]
    return sorted(found, key=lambda problem: problem.text)


def is_structural(schema: SchemaProps) -> bool:
    return not unsupported(schema) and not structural_problems(schema, "")


def unsupported(schema: SchemaProps) -> str:
    """The first construct, wherever it stands, that keeps a schema from being read as structural; empty: none."""
    refused = (
        ("id", schema.id),
        ("schema", schema.schema),
        ("$ref", schema.ref),
        ("patternProperties", schema.pattern_properties),
        ("dependencies", schema.dependencies),
        ("additionalItems", schema.additional_items is not None),
        ("definitions", schema.definitions),
    )
    for name, value in refused:
        if value:
            return f"OpenAPIV3Schema '{name}' is not supported"
    if schema.preserve_unknown_fields is False:
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    if isinstance(schema.items, list) and schema.items:
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    return next(filter(None, map(unsupported, _parts(schema))), "")


def _parts(schema: SchemaProps) -> Iterator[SchemaProps]:
    yield from (part for part in (schema.not_, schema.item, schema.additional) if part is not None)
    for listed in (schema.all_of, schema.any_of, schema.one_of):
        yield from listed
    yield from schema.properties.values()


def _invariants(schema: SchemaProps, level: _Level, path: str) -> Iterator[Problem]:
    if schema.type == "array" and schema.items is None:
        yield problems.required(f"{path}.items", "must be specified")
    if schema.item is not None:
        yield from _invariants(schema.item, "item", f"{path}.items")
    for name, child in schema.properties.items():
        yield from _invariants(child, "field", f"{path}.properties[{name}]")
    if schema.additional_properties is not None:
        if level == "root":
            yield problems.forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if schema.additional is not None:
            yield from _invariants(schema.additional, "field", f"{path}.additionalProperties")
    if schema.int_or_string and schema.preserve_unknown_fields:
        text = "must be false if x-kubernetes-int-or-string is true"
        yield problems.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", True, text)
    if schema.int_or_string and schema.embedded_resource:
        text = "must be false if x-kubernetes-int-or-string is true"
        yield problems.invalid(f"{path}.x-kubernetes-embedded-resource", True, text)
    yield from _restrictions(
        schema,
        path,
        skip_any_of=schema.any_of == _INT_OR_STRING,
        skip_first_all_of=bool(schema.all_of) and schema.all_of[0].any_of == _INT_OR_STRING,
    )
    yield from _type_and_embedding(schema, level, path)
    yield from _meta_fields(schema, level, path)


def _type_and_embedding(schema: SchemaProps, level: _Level, path: str) -> Iterator[Problem]:
    if schema.embedded_resource and schema.type != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        yield (
            problems.invalid(f"{path}.type", schema.type, text)
            if schema.type
            else problems.required(f"{path}.type", text)
        )
    elif not schema.type and not schema.int_or_string and not schema.preserve_unknown_fields:
        yield problems.required(f"{path}.type", _NO_TYPE[level])
    if schema.embedded_resource and schema.additional_properties is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        yield problems.forbidden(f"{path}.additionalProperties", text)
    if level == "root" and schema.type and schema.type != "object":
        yield problems.invalid(f"{path}.type", schema.type, "must be object at the root")
    if schema.embedded_resource and not schema.preserve_unknown_fields and not schema.properties:
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without"
            " x-kubernetes-preserve-unknown-fields"
        )
        yield problems.required(f"{path}.properties", text)


def _meta_fields(schema: SchemaProps, level: _Level, path: str) -> Iterator[Problem]:
    """What a schema may say about kind, apiVersion and metadata of an object."""
    properties = schema.properties
    is_object = level == "root" or schema.embedded_resource
    for name in ("kind", "apiVersion"):
        child = properties.get(name)
        if is_object and child is not None and child.type != "string":
            yield problems.invalid(f"{path}.properties[{name}].type", child.type, "must be string")
    metadata = properties.get("metadata")
    if metadata is None:
        return
    here = f"{path}.properties[metadata]"
    if is_object and metadata.type != "object":
        yield problems.invalid(f"{here}.type", metadata.type, "must be object")
    if level == "root":
        allowed = set(metadata.properties) <= {"name", "generateName"}
        rest = msgspec.structs.replace(metadata, type="", default=None)
        if allowed:
            rest = msgspec.structs.replace(rest, properties={})
        if rest != SchemaProps():
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield problems.forbidden(here, text)


def _restrictions(
    schema: SchemaProps, path: str, *, skip_any_of: bool, skip_first_all_of: bool, rules: bool = False
) -> Iterator[Problem]:
    """The combinations of a schema. `rules`: validation rules may stand in them, which is so only below `allOf`."""
    if not skip_any_of:
        for index, branch in enumerate(schema.any_of):
            yield from _nested(branch, f"{path}.anyOf[{index}]")
    for index, branch in enumerate(schema.all_of):
        skipped = skip_first_all_of and index == 0
        yield from _nested(branch, f"{path}.allOf[{index}]", skip_any_of=skipped, rules=rules)
    for index, branch in enumerate(schema.one_of):
        yield from _nested(branch, f"{path}.oneOf[{index}]")
    if schema.not_ is not None:
        yield from _nested(schema.not_, f"{path}.not")
    if schema.pattern:
        try:
            matcher(schema.pattern)
        except PatternError as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            yield problems.invalid(f"{path}.pattern", schema.pattern, text)


def _nested(
    schema: SchemaProps, path: str, *, skip_any_of: bool = False, rules: bool = False
) -> Iterator[Problem]:
    """A schema inside a combination: it may restrict, and not say what there is."""
    yield from _restrictions(schema, path, skip_any_of=skip_any_of, skip_first_all_of=False, rules=rules)
    if schema.item is not None:
        yield from _nested(schema.item, f"{path}.items", rules=rules)
    for name, child in schema.properties.items():
        yield from _nested(child, f"{path}.properties[{name}]", rules=rules)
    forbidden = (
        ("type", schema.type, "must be empty to be structural"),
        (
            "additionalProperties",
            schema.additional_properties not in {None, False},
            "must be undefined to be structural",
        )
        if not isinstance(schema.additional_properties, SchemaProps)
        else ("additionalProperties", True, "must be undefined to be structural"),
        ("default", schema.default is not None, "must be undefined to be structural"),
        ("title", schema.title, "must be empty to be structural"),
        ("description", schema.description, "must be empty to be structural"),
        ("nullable", schema.nullable, "must be false to be structural"),
        (
            "x-kubernetes-preserve-unknown-fields",
            schema.preserve_unknown_fields,
            "must be false to be structural",
        ),
        ("x-kubernetes-embedded-resource", schema.embedded_resource, "must be false to be structural"),
        ("x-kubernetes-int-or-string", schema.int_or_string, "must be false to be structural"),
        ("x-kubernetes-list-map-keys", schema.list_map_keys, "must be empty to be structural"),
        ("x-kubernetes-list-type", schema.list_type is not None, "must be undefined to be structural"),
        ("x-kubernetes-map-type", schema.map_type is not None, "must be undefined to be structural"),
        ("x-kubernetes-validations", schema.validations and not rules, "must be empty to be structural"),
    )
    for name, is_set, text in forbidden:
        if is_set:
            yield problems.forbidden(f"{path}.{name}", text)
    if "metadata" in schema.properties:
        yield problems.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _completeness(
    restriction: SchemaProps, schema: SchemaProps | None, path: str, restricted: str
) -> Iterable[Problem]:
    """What a combination restricts must be there outside of it too."""
    branches = [(restriction.not_, f"{restricted}.not")] if restriction.not_ is not None else []
    for name, listed in (
        ("allOf", restriction.all_of),
        ("anyOf", restriction.any_of),
        ("oneOf", restriction.one_of),
    ):
        branches += [(branch, f"{restricted}.{name}[{index}]") for index, branch in enumerate(listed)]
    for branch, where in branches:
        if branch is not None:
            yield from _nested_completeness(branch, schema, path, where)


def _nested_completeness(
    branch: SchemaProps, schema: SchemaProps | None, path: str, where: str
) -> Iterable[Problem]:
    if schema is None:
        yield problems.required(path, f"because it is defined in {where}")
        return
    yield from _completeness(branch, schema, path, where)
    if branch.item is not None:
        yield from _nested_completeness(branch.item, schema.item, f"{path}.items", f"{where}.items")
    for name, child in branch.properties.items():
        yield from _nested_completeness(
            child,
            schema.properties.get(name),
            f"{path}.properties[{name}]",
            f"{where}.properties[{name}]",
        )
