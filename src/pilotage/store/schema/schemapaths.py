"""Where a path such as `.spec.replicas` or `.labels['a.b']` leads in a schema.

Used for the field path of a validation rule and for selectable fields. Follows apiextensions-apiserver's `ValidFieldPath`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pilotage.store.schema.props import SchemaProps

__all__ = ["SchemaPathError", "follow"]

_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+", re.DOTALL)
_DOT, _OPEN = ".", "["
_NOWHERE = "does not refer to a valid field"


class SchemaPathError(ValueError):
    """The path leads to no field; the text says why."""


def follow(schema: SchemaProps, path: str, *, brackets: bool = True) -> SchemaProps | None:
    """The schema at the path; None where any value may stand. Raises SchemaPathError."""
    tokens = iter(_TOKEN.findall(path))
    place: SchemaProps | None = schema
    for token in tokens:
        if token in _DOT:
            place = _child(place, _next(tokens))
        elif token in _OPEN:
            if not brackets:
                raise SchemaPathError("array notation is not allowed")
            quoted = _next(tokens)
            if len(quoted) < 2 or quoted[0] != "'" or quoted[-1] != "'":
                raise SchemaPathError(f"expected single quoted string but got {quoted}")
            place = _child(place, re.sub(r"\\(.)", r"\1", quoted[1:-1]))
            closing = _next(tokens)
            if closing != "]":
                raise SchemaPathError(f"expected ] but got {closing}")
        else:
            raise SchemaPathError(f"expected [ or . but got: {token}")
    return place


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise SchemaPathError("unexpected end of JSON path")
    return token


def _child(place: SchemaProps | None, name: str) -> SchemaProps | None:
    if place is not None and place.properties:
        if name not in place.properties:
            raise SchemaPathError(_NOWHERE)
        return place.properties[name]
    if place is not None and place.additional_properties is not None:
        return place.additional
    raise SchemaPathError(_NOWHERE)
