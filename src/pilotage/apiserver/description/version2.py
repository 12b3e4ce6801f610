"""OpenAPI v2: one document for everything, of what its smaller language can say.

Of a type is kept what v2 knows: no defaults, no `oneOf` and its siblings, no `nullable`. Where fields are not all known, nothing
is said of fields, as kubectl would take the known ones for all. Follows `openapi/v2/conversion.go` of
`k8s.io/apiextensions-apiserver`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.apiserver.description.operations import PARAMETERS, Operation, addresses, tag, text_of
from pilotage.apiserver.description.types import DELETE_OPTIONS, PATCH, REFERENCE
from pilotage.store.embedded.kinds import ServedKind
from pilotage.store.schema import builtintypes

__all__ = ["frame", "paths_of", "type_of"]

_REFERENCE = "#/definitions/"
_MEDIA = ["application/json", "application/yaml"]
_STREAM = "application/json;stream=watch"
_BODIES = {DELETE_OPTIONS: "body-2Y1dVQaQ", PATCH: "body-78PwaGsr"}
"""What two kinds of bodies are shared under, by their types; names as in kube-apiserver's document."""
_PATCH_MANAGER = "fieldManager-7c6nTn1T"
_UNKNOWN = ("allOf", "anyOf", "default", "not", "nullable", "oneOf")


def frame() -> dict[str, Any]:
    """The document without its paths and definitions."""
    shared = {
        _key(parameter.name): _query(parameter.name) for parameter in PARAMETERS.values() if parameter.key
    }
    shared[_PATCH_MANAGER] = _query("fieldManager")
    shared |= {key: _body(type_, is_required=type_ != DELETE_OPTIONS) for type_, key in _BODIES.items()}
    token = {
        "description": "Bearer Token authentication",
        "type": "apiKey",
        "name": "authorization",
        "in": "header",
    }
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": builtintypes.kubernetes_version()},
        "parameters": dict(sorted(shared.items())),
        "securityDefinitions": {"BearerToken": token},
        "security": [{"BearerToken": []}],
    }


# Types


def type_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The v2 form of a whole v3 type."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {
            name: value
            for name, value in schema.items()
            if name in {"description", "type", "x-kubernetes-group-version-kind"}
        }
    return _part(schema)


def _part(schema: Mapping[str, Any]) -> dict[str, Any]:
    reference = _reference(schema)
    if reference:
        told = {name: schema[name] for name in schema if name == "description" or name.startswith("x-")}
        return {**told, "$ref": reference}
    part = {name: value for name, value in schema.items() if name not in _UNKNOWN}
    is_open = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if schema.get("nullable"):
        part.pop("type", None)
    if schema.get("nullable") or is_open:
        part.pop("items", None)
        part.pop("properties", None)
    if is_open and schema.get("x-kubernetes-embedded-resource"):
        part.pop("required", None)
    if "format" in part and "type" not in part and not schema.get("nullable"):
        part["type"] = "string"  # IntOrString
    elif "oneOf" in schema and not part:
        part["type"] = "string"  # Quantity
    if (part.get("type") == "array" and "items" not in part) or (is_open and part.get("type") == "object"):
        del part["type"]
    for name in ("items", "additionalProperties"):
        if isinstance(part.get(name), Mapping):
            part[name] = _part(part[name])
    if "properties" in part:
        part["properties"] = {name: _part(child) for name, child in part["properties"].items()}
        _forgive(part, schema["properties"])
    return part


def _forgive(part: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """A field that may be null cannot be demanded of kubectl's validation, which knows no null."""
    if "required" in part:
        part["required"] = [name for name in part["required"] if not fields.get(name, {}).get("nullable")]
        if not part["required"]:
            del part["required"]


def _reference(schema: Mapping[str, Any]) -> str:
    """The type that a schema is, and nothing else."""
    target = schema.get("$ref")
    parts = schema.get("allOf")
    if target is None and isinstance(parts, list) and len(parts) == 1:
        target = parts[0].get("$ref")
    return _REFERENCE + str(target).removeprefix(REFERENCE) if target is not None else ""


# Operations


def paths_of(kind: ServedKind) -> dict[str, Any]:
    """What can be done with a kind, by path."""
    paths: dict[str, Any] = {}
    for address in addresses(kind):
        item: dict[str, Any] = {each.method: _operation(kind, each) for each in address.operations}
        paths[address.path] = {**item, "parameters": [_parameter(name) for name in address.parameters]}
    return paths


def _operation(kind: ServedKind, operation: Operation) -> dict[str, Any]:
    parameters = [_parameter(name) for name in operation.parameters]
    if operation.body in _BODIES:
        parameters.insert(0, {"$ref": f"#/parameters/{_BODIES[operation.body]}"})
    elif operation.body:
        parameters.insert(0, _body(operation.body, is_required=True))
    answers: dict[str, Any] = {
        code: {"description": text_of(code), "schema": {"$ref": _REFERENCE + type_}}
        for code, type_ in operation.answers
    }
    told = {
        "description": operation.text,
        "consumes": list(operation.media) or _MEDIA,
        "produces": [*_MEDIA, _STREAM] if operation.is_list else _MEDIA,
        "schemes": ["https"],
        "tags": [tag(kind)],
        "operationId": operation.identifier,
        "parameters": parameters,
        "responses": {**answers, "401": {"description": text_of("401")}},
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {
            "group": kind.kind.group,
            "kind": kind.kind.kind,
            "version": kind.kind.version,
        },
    }
    if not parameters:
        del told["parameters"]
    return told


def _key(name: str) -> str:
    return f"{name}-{PARAMETERS[name].key}"


def _parameter(name: str) -> dict[str, Any]:
    return {"$ref": f"#/parameters/{_key(name)}"} if PARAMETERS[name].key else _query(name)


def _query(name: str) -> dict[str, Any]:
    parameter = PARAMETERS[name]
    told: dict[str, Any] = {
        "uniqueItems": True,
        "type": parameter.type,
        "description": parameter.text,
        "name": name,
        "in": parameter.place,
    }
    return {**told, "required": True} if parameter.place == "path" else told


def _body(type_: str, *, is_required: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": "body", "in": "body"}
    if is_required:
        told["required"] = True
    return {**told, "schema": {"$ref": _REFERENCE + type_}}
