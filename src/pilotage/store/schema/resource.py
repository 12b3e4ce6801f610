"""What the API does to a custom resource on its way in: clean it, fill it, judge it.

`admit` is the decoding of a request: unknown fields go, nulls that mean nothing go, metadata is normalised, defaults come.
`create_problems`, `update_problems` and `status_problems` judge what came of it. Rules in CEL run after them, unless one
of the problems makes that pointless (`rules_may_run`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from pilotage.store.schema import problems
from pilotage.store.schema.compiled import Node
from pilotage.store.schema.defaulting import apply_defaults, drop_nulls
from pilotage.store.schema.gotext import json_type
from pilotage.store.schema.metafields import MetadataError, read_metadata
from pilotage.store.schema.objectmeta import (
    coerce_embedded,
    embedded_problems,
    metadata_problems,
    metadata_update_problems,
)
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.pruning import prune, unknown_field
from pilotage.store.schema.uniqueness import repetitions
from pilotage.store.schema.validation import validate, validate_update

__all__ = [
    "Admitted",
    "ResourceKind",
    "Scale",
    "admit",
    "convert",
    "create_problems",
    "rules_may_run",
    "settle_numbers",
    "status_problems",
    "undecodable",
    "update_problems",
]

_EXPONENT_FROM = 1e21
_MAX_REPLICAS = 2**31 - 1
_RULES_SKIPPED = Problem(
    "FieldValueInvalid",
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing"
    " errors to complete validation",
)


class Scale(msgspec.Struct, frozen=True):
    """Where the scale subresource finds its numbers: paths such as `.spec.replicas`."""

    spec_path: str
    status_path: str
    selector_path: str = ""


class ResourceKind(msgspec.Struct, frozen=True):
    """One version of a custom resource."""

    group: str
    version: str
    kind: str
    namespaced: bool
    schema: Node
    has_status: bool = False
    scale: Scale | None = None


class Admitted(msgspec.Struct, frozen=True):
    """What strict decoding would complain about (`unknown field "spec.x"`), and a problem that stops a request."""

    complaints: tuple[str, ...]
    problem: Problem | None = None


def admit(kind: ResourceKind, value: dict[str, Any]) -> Admitted:
    """Clean and fill a decoded object in place.

    Raises MetadataError when metadata has a field of another type.
    """
    schema = kind.schema
    metadata = None
    unknown: list[str] = []
    if "metadata" in value:
        metadata, lost = read_metadata(value["metadata"])
        unknown += [f"metadata.{field}" for field in lost]
    unknown += prune(schema, value)
    drop_nulls(schema, value)
    problem, lost = coerce_embedded(schema, value)
    unknown += lost
    if metadata is not None:
        value["metadata"] = metadata
    if problem is None:
        apply_defaults(schema, value)
    return Admitted(tuple(map(unknown_field, unknown)), problem)


def convert(value: dict[str, Any], target: ResourceKind) -> None:
    """Make the object one of another version, in place, as conversion strategy `None` does.

    The fields stay what they are; those that the schema of the other version does not know are lost. What comes out of
    storage is admitted in its version, so that it gets the defaults of today, and then converted.
    """
    value["apiVersion"] = f"{target.group}/{target.version}"
    prune(target.schema, value)
    drop_nulls(target.schema, value)
    coerce_embedded(target.schema, value)


def undecodable(kind: ResourceKind, error: MetadataError) -> str:
    """The message of a 400 answer to an object whose metadata cannot be read."""
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error}'


def create_problems(kind: ResourceKind, value: Mapping[str, Any]) -> list[Problem]:
    """The problems of a new object. Judge it after its status was set aside, as creation does."""
    found = _type_problems(kind, value)
    if found:
        return found
    metadata = value.get("metadata", {})
    found += metadata_problems(metadata, namespaced=kind.namespaced)
    found += validate(kind.schema, value)
    found += _scale_problems(kind.scale, value, spec=True)
    found += embedded_problems(kind.schema, value)
    found += repetitions(kind.schema, value)
    return found


def update_problems(kind: ResourceKind, value: Mapping[str, Any], old: Mapping[str, Any]) -> list[Problem]:
    """The problems of a changed object."""
    found = _type_problems(kind, value)
    if not found:
        found += metadata_update_problems(value.get("metadata", {}), old.get("metadata", {}))
        found += validate_update(kind.schema, value, old)
        found += _scale_problems(kind.scale, value, spec=True)
    found += embedded_problems(kind.schema, value)
    return found + _new_repetitions(kind.schema, value, old)


def status_problems(kind: ResourceKind, value: Mapping[str, Any], old: Mapping[str, Any]) -> list[Problem]:
    """The problems of an object whose status changed through the status subresource."""
    found = _type_problems(kind, value)
    schema = kind.schema.properties.get("status")
    if not found:
        found += metadata_update_problems(value.get("metadata", {}), old.get("metadata", {}))
        if "status" in value and schema is not None:
            found += validate_update(schema, value["status"], old.get("status"), "status")
        found += _scale_problems(kind.scale, value, spec=False)
    return found + _new_repetitions(kind.schema, value, old)


def _new_repetitions(schema: Node, value: Mapping[str, Any], old: Mapping[str, Any]) -> list[Problem]:
    """Repetitions; when there were some before, all are tolerated."""
    found = repetitions(schema, value)
    return [] if found and repetitions(schema, old) else found


def settle_numbers(value: Any) -> Any:
    """The value as it comes back from storage: a float without a fraction is written, and read again, as an integer."""
    if isinstance(value, dict):
        return {name: settle_numbers(child) for name, child in value.items()}
    if isinstance(value, list):
        return [settle_numbers(child) for child in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXPONENT_FROM:
        return int(value)
    return value


def rules_may_run(found: Sequence[Problem]) -> Problem | None:
    """The problem to add when rules cannot be evaluated because of the others; None: evaluate them."""
    return _RULES_SKIPPED if any(problem.blocks_rules for problem in found) else None


def _type_problems(kind: ResourceKind, value: Mapping[str, Any]) -> list[Problem]:
    found = []
    api_version = f"{kind.group}/{kind.version}"
    if value.get("kind", "") != kind.kind:
        found.append(problems.invalid("kind", value.get("kind", ""), f"must be {kind.kind}"))
    if value.get("apiVersion", "") != api_version:
        found.append(problems.invalid("apiVersion", value.get("apiVersion", ""), f"must be {api_version}"))
    return found


def _scale_problems(scale: Scale | None, value: Mapping[str, Any], *, spec: bool) -> list[Problem]:
    if scale is None:
        return []
    found = []
    for path in (scale.spec_path, scale.status_path) if spec else (scale.status_path,):
        replicas, fault = _number_at(value, path)
        if fault:
            found.append(problems.invalid(path, 0, fault))
        elif replicas < 0:
            found.append(problems.invalid(path, replicas, "should be a non-negative integer"))
        elif replicas > _MAX_REPLICAS:
            found.append(problems.invalid(path, replicas, f"should be less than or equal to {_MAX_REPLICAS}"))
    if scale.selector_path:
        _, fault = _at(value, scale.selector_path, "string", lambda found: isinstance(found, str))
        if fault:
            found.append(problems.invalid(scale.selector_path, "", fault))
    return found


_GO_TYPES = {
    "array": "[]interface {}",
    "boolean": "bool",
    "integer": "int64",
    "null": "<nil>",
    "number": "float64",
    "object": "map[string]interface {}",
    "string": "string",
}


def _number_at(value: Mapping[str, Any], path: str) -> tuple[int, str]:
    found, fault = _at(value, path, "int64", lambda found: json_type(found) == "integer")
    return (0 if found is None else int(found)), fault


def _at(value: Mapping[str, Any], path: str, go_type: str, fits: Callable[[Any], bool]) -> tuple[Any, str]:
    """The value at a simple path, and what is wrong with it; absent is None."""
    current: Any = value
    names = path.removeprefix(".").split(".")
    for depth, name in enumerate(names):
        if not isinstance(current, dict):
            shown = ".".join(names[:depth])
            return None, (
                f".{shown}.{name} accessor error: {_printed(current)} is of the type"
                f" {_GO_TYPES[json_type(current)]}, expected map[string]interface{{}}"
            )
        if name not in current:
            return None, ""
        current = current[name]
    if not fits(current):
        shown = ".".join(names)
        return None, (
            f".{shown} accessor error: {_printed(current)} is of the type {_GO_TYPES[json_type(current)]},"
            f" expected {go_type}"
        )
    return current, ""


def _printed(value: Any) -> str:
    """Go's `%v` of a JSON value."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_printed(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_printed, value))}]"
    if isinstance(value, str):
        return value
    return "<nil>" if value is None else problems.invalid("", value, "").body.partition(": ")[2]
