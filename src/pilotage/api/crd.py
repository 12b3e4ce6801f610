"""CustomResourceDefinitions for our own kinds, generated from the typed views that read them.

A structural schema is a small language: one `type` for each place, no references, no alternatives. So the types are walked
through `msgspec.inspect`, and what the language cannot say is refused when the manifest is generated, not by a cluster.
Descriptions come from docstrings and `msgspec.Meta(description=…)`; anything else of the language
(`format`, `x-kubernetes-list-type`) from `msgspec.Meta(extra_json_schema=…)`.

Follows the Kubernetes documentation "Extend the Kubernetes API with CustomResourceDefinitions".
"""

from __future__ import annotations

import inspect as python_inspect
from typing import Any

import msgspec
from msgspec import inspect

from pilotage.api.meta import Kind

__all__ = ["Column", "Definition", "manifest", "schema"]


class Column(msgspec.Struct, frozen=True):
    """A column of `kubectl get`; with a `priority` above 0 only of `-o wide`."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    priority: int = 0


class Definition(msgspec.Struct, frozen=True):
    """A kind of ours: the view that reads it, its columns, and rules (CEL expression and message) on the whole object."""

    kind: Kind
    view: type[msgspec.Struct]
    columns: tuple[Column, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()


def manifest(definition: Definition) -> dict[str, Any]:
    """The CustomResourceDefinition. Raises TypeError when a type of the view cannot be said in a structural schema."""
    kind = definition.kind
    root = schema(definition.view)
    root["properties"] = {
        "apiVersion": {
            "type": "string",
            "description": "Version of the schema that the object is written in.",
        },
        "kind": {"type": "string", "description": "The kind of the object."},
        "metadata": {"type": "object"},
        **{
            name: value
            for name, value in root["properties"].items()
            if name not in ("apiVersion", "kind", "metadata")
        },
    }
    required = [name for name in root.pop("required", ()) if name not in ("apiVersion", "kind", "metadata")]
    if required:
        root["required"] = required
    if definition.rules:
        root["x-kubernetes-validations"] = [
            {"rule": rule, "message": message} for rule, message in definition.rules
        ]
    version: dict[str, Any] = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root},
    }
    if "status" in root["properties"]:
        version["subresources"] = {"status": {}}
    if definition.columns:
        version["additionalPrinterColumns"] = [_column(column) for column in definition.columns]
    names: dict[str, Any] = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.resource},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


def schema(view: type[Any]) -> dict[str, Any]:
    """The structural schema of a typed view. Raises TypeError naming the field that cannot be said."""
    return _schema(inspect.type_info(view), view.__name__)


def _schema(info: inspect.Type, path: str) -> dict[str, Any]:
    match info:
        case inspect.Metadata():
            return _schema(info.type, path) | (info.extra_json_schema or {})
        case inspect.StructType():
            return _object(info, path)
        case inspect.DictType():
            return {"type": "object", "additionalProperties": _schema(info.value_type, f"{path}{{}}")}
        case inspect.ListType() | inspect.VarTupleType():
            return {
                "type": "array",
                "items": _schema(info.item_type, f"{path}[]"),
                "x-kubernetes-list-type": "atomic",
            } | _bounds(minItems=info.min_length, maxItems=info.max_length)
        case inspect.UnionType():
            return _nullable(info, path)
        case inspect.LiteralType() if all(isinstance(value, str) for value in info.values):
            return {"type": "string", "enum": list(info.values)}
        case inspect.StrType():
            return {"type": "string"} | _bounds(
                minLength=info.min_length, maxLength=info.max_length, pattern=info.pattern
            )
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType():
            return {"type": "integer", "format": "int64"} | _bounds(minimum=info.ge, maximum=info.le)
        case inspect.FloatType():
            return {"type": "number"} | _bounds(minimum=info.ge, maximum=info.le)
        case inspect.AnyType():
            return {"x-kubernetes-preserve-unknown-fields": True}
        case _:
            raise TypeError(f"{path}: a structural schema cannot say {type(info).__name__}")


def _object(info: inspect.StructType, path: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in info.fields:
        place = _schema(field.type, f"{path}.{field.encode_name}")
        default = _default(field)
        if default is not None:
            place["default"] = default
        properties[field.encode_name] = place
    result: dict[str, Any] = {"type": "object", "properties": properties}
    if description := _docstring(info.cls):
        result = {"description": description} | result
    if required := [field.encode_name for field in info.fields if field.required]:
        result["required"] = required
    return result


def _nullable(info: inspect.UnionType, path: str) -> dict[str, Any]:
    options = [option for option in info.types if not isinstance(option, inspect.NoneType)]
    if not info.includes_none or len(options) != 1:
        raise TypeError(f"{path}: a structural schema has one type for each place")
    return _schema(options[0], path) | {"nullable": True}


def _default(field: inspect.Field) -> Any:
    """A default worth writing: what is absent reads as empty, false, zero or null anyway."""
    value = field.default
    return value if isinstance(value, str | int | float) and value else None


def _bounds(**limits: Any) -> dict[str, Any]:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _docstring(view: type[Any]) -> str:
    """The docstring as one paragraph for each paragraph, without the quotes that mark code."""
    text = python_inspect.cleandoc(view.__dict__.get("__doc__") or "")
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n")).replace("`", "")


def _column(column: Column) -> dict[str, Any]:
    result: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        result["description"] = column.description
    if column.priority:
        result["priority"] = column.priority
    return result
