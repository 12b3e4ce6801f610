"""Does each default of a schema satisfy the schema it stands in? Checked when a definition is created or changed.

Follows `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting/validation.go`. Rules in CEL are not evaluated here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import msgspec

from pilotage.store.schema import problems
from pilotage.store.schema.compiled import Node, compile_schema
from pilotage.store.schema.objectmeta import coerce_embedded, embedded_problems
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.props import SchemaProps
from pilotage.store.schema.pruning import prune
from pilotage.store.schema.sameness import identical
from pilotage.store.schema.validation import validate

__all__ = ["default_problems"]


def default_problems(schema: SchemaProps, path: str, *, pruned: bool = True) -> list[Problem]:
    """The faults of all defaults. `pruned`: a default must not have fields that the schema does not know."""
    return list(_problems(schema, path, pruned=pruned))


def _problems(schema: SchemaProps, path: str, *, pruned: bool) -> Iterator[Problem]:
    if schema.default is not None:
        yield from _judge(schema, f"{path}.default", pruned=pruned)
    # Defaults below additionalProperties stand in no field of their own: each map entry decides.
    if schema.item is not None:
        yield from _problems(schema.item, f"{path}.items", pruned=pruned)
    for name, child in schema.properties.items():
        yield from _problems(child, f"{path}.properties[{name}]", pruned=pruned)


def _judge(schema: SchemaProps, path: str, *, pruned: bool) -> Iterator[Problem]:
    node = compile_schema(schema)
    if schema.int_or_string:
        # Only what the schema spells out counts here.
        node = _untyped(node)
    value = copy.deepcopy(schema.default)
    if pruned:
        prune(node, value, is_object=schema.embedded_resource)
        if not identical(value, schema.default):
            yield problems.invalid(path, schema.default, "must not have unknown fields")
            value = copy.deepcopy(schema.default)
    refused, _ = coerce_embedded(node, value)
    if refused is not None:
        yield Problem(refused.type, f"{path}.{refused.field}", refused.body)
        return
    embedded = embedded_problems(node, value, path)
    yield from embedded or validate(node, value, path)


def _untyped(node: Node) -> Node:
    return msgspec.structs.replace(node, types=(), type_text="")
