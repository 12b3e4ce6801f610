"""What a structural schema says about values: their types in expressions, and how JSON becomes such values.

The schema is the plain JSON of a definition's `openAPIV3Schema`. Parts without a type that an expression could know
(arrays without items, unknown fields that are preserved) have none: expressions cannot reach them.

    integer number boolean string     int double bool string
    format date date-time             google.protobuf.Timestamp
    format duration, byte             google.protobuf.Duration, bytes
    object with properties            an object with these fields, under their escaped names
    object with additionalProperties  map(string, ...)
    array                             list(...); `set` and `map` lists are equal in any order
    x-kubernetes-int-or-string        dyn
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from pilotage.store.cel.library.times import duration_from_value, timestamp_from_date, timestamp_from_value
from pilotage.store.cel.naming import KEYWORDS, escaped
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Field,
    Type,
    list_of,
    map_of,
    object_type,
)
from pilotage.store.cel.values import MapList, SetList

__all__ = ["Adapt", "Below", "Schema", "adaptation", "below", "declared_type", "resource_schema"]

Schema = Mapping[str, Any]
Adapt = Callable[[Any], Any]

_STRINGS: Mapping[str, Type] = {
    "byte": BYTES,
    "duration": DURATION,
    "date": TIMESTAMP,
    "date-time": TIMESTAMP,
}
_SCALARS: Mapping[str, Type] = {"boolean": BOOL, "number": DOUBLE, "integer": INT}
_TEXT: Schema = {"type": "string"}
_META: Mapping[str, Schema] = {
    "kind": _TEXT,
    "apiVersion": _TEXT,
    "metadata": {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}},
}


def resource_schema(schema: Schema) -> Schema:
    """The schema of a resource: kind, apiVersion and metadata.name can always be reached."""
    properties = schema.get("properties") or {}
    meta = properties.get("metadata") or {}
    inner = meta.get("properties") or {}
    texts = [
        properties.get("kind"),
        properties.get("apiVersion"),
        inner.get("name"),
        inner.get("generateName"),
    ]
    if meta.get("type") == "object" and all(text and text.get("type") == "string" for text in texts):
        return schema
    return {**schema, "properties": {**properties, **_META}}


def _entered(schema: Schema) -> Schema:
    return resource_schema(schema) if schema.get("x-kubernetes-embedded-resource") else schema


def _values(schema: Schema) -> Schema | None:
    """The schema of a map's values."""
    found = schema.get("additionalProperties")
    return found if isinstance(found, Mapping) else None


def declared_type(schema: Schema, name: str = "selfType") -> Type | None:
    """The type of values of a schema, None when expressions cannot know one; `name` names objects in messages."""
    schema = _entered(schema)
    if schema.get("x-kubernetes-int-or-string"):
        return DYN
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        inner = declared_type(items, f"{name}.@idx") if items is not None else None
        return None if inner is None else list_of(inner)
    if kind == "object":
        values = _values(schema)
        if values is not None:
            inner = declared_type(values, f"{name}.@elem")
            return None if inner is None else map_of(STRING, inner)
        return _object_type(schema, name)
    if kind == "string":
        return _STRINGS.get(schema.get("format") or "", STRING)
    return _SCALARS.get(kind or "")


def _object_type(schema: Schema, name: str) -> Type:
    fields: dict[str, Field] = {}
    for property_, each in (schema.get("properties") or {}).items():
        identifier = escaped(property_)
        if identifier is None:
            continue
        found = declared_type(each, f"{name}.{identifier}")
        if found is not None:
            fields[identifier] = Field(property_, found)
            if property_ in KEYWORDS:
                fields[property_] = fields[identifier]  # `self.namespace` needs no escape
    return object_type(name, fields)


class Below(NamedTuple):
    """A child of a schema: `step` says how a value leads there, `name` which property."""

    step: Literal["property", "values", "items"]
    name: str
    schema: Schema


def below(schema: Schema) -> Iterator[Below]:
    """The children of a schema."""
    for name, each in (schema.get("properties") or {}).items():
        yield Below("property", name, each)
    values = _values(schema)
    if values is not None:
        yield Below("values", "", values)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield Below("items", "", items)


def adaptation(schema: Schema) -> Adapt | None:
    """How JSON values of a schema become values of expressions; None when they are what they are."""
    schema = _entered(schema)
    if schema.get("x-kubernetes-int-or-string"):
        return None
    kind = schema.get("type")
    if kind == "array":
        return _list_adaptation(schema)
    if kind == "object":
        return _object_adaptation(schema)
    if kind == "number":
        return _double
    if kind == "integer":
        return _integer
    return _TEXTS.get(schema.get("format") or "") if kind == "string" else None


def _list_adaptation(schema: Schema) -> Adapt | None:
    items = schema.get("items")
    inner = adaptation(items) if items is not None else None
    each: Adapt = (lambda value: value) if inner is None else _kept_null(inner)
    list_type = schema.get("x-kubernetes-list-type")
    if list_type == "set":
        return lambda value: SetList(map(each, value))
    if list_type == "map":
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        return lambda value: MapList.of([each(item) for item in value], keys)
    return None if inner is None else lambda value: [each(item) for item in value]


def _object_adaptation(schema: Schema) -> Adapt | None:
    values = _values(schema)
    if values is not None:
        inner = adaptation(values)
        if inner is None:
            return None
        each = _kept_null(inner)
        return lambda value: {key: each(item) for key, item in value.items()}
    fields = {
        property_: found
        for property_, each_schema in (schema.get("properties") or {}).items()
        if (found := adaptation(each_schema)) is not None
    }
    if not fields:
        return None

    def adapt(value: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] | None = None
        for property_, item in value.items():
            convert = fields.get(property_)
            if convert is not None and item is not None:
                converted = convert(item)
                if converted is not item:
                    changed = dict(value) if changed is None else changed
                    changed[property_] = converted
        return value if changed is None else changed

    return adapt


def _kept_null(adapt: Adapt) -> Adapt:
    return lambda value: None if value is None else adapt(value)


def _double(value: Any) -> Any:
    return float(value) if type(value) is int else value


def _integer(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _duration(value: Any) -> Any:
    found = duration_from_value(value)
    if found is None:
        raise EvaluationError(f"Invalid duration {value}: unable to parse {value} as duration")
    return found


def _date(value: Any) -> Any:
    found = timestamp_from_date(value)
    if found is None:
        raise EvaluationError(f"Invalid date formatted string {value}")
    return found


def _date_time(value: Any) -> Any:
    found = timestamp_from_value(value)
    if found is None:
        raise EvaluationError(f"Invalid date-time formatted string {value}")
    return found


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise EvaluationError(f"Invalid byte formatted string {value}") from None


_TEXTS: Mapping[str, Adapt] = {"byte": _bytes, "duration": _duration, "date": _date, "date-time": _date_time}
