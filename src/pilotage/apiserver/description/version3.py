"""OpenAPI v3: one document for each group and version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pilotage.apiserver.description.operations import PARAMETERS, Address, Operation, addresses, tag, text_of
from pilotage.apiserver.description.types import (
    DELETE_OPTIONS,
    PATCH,
    REFERENCE,
    SCALE,
    STATUS,
    closure,
    custom_types,
    type_names,
)
from pilotage.store.embedded.kinds import ServedKind
from pilotage.store.schema import builtintypes

__all__ = ["document"]

_MEDIA = ("application/json", "application/yaml")
_STREAM = "application/json;stream=watch"


def document(kinds: Sequence[ServedKind], title: str) -> dict[str, Any]:
    """The document of the kinds of one group and version."""
    paths: dict[str, Any] = {}
    types = dict(builtintypes.definitions())
    used = {DELETE_OPTIONS, PATCH, STATUS}
    for kind in kinds:
        paths |= {address.path: _address(kind, address) for address in addresses(kind)}
        used |= set(type_names(kind) or ())
        if "scale" in kind.subresources:
            used.add(SCALE)
        if kind.is_custom:
            types |= custom_types(kind)
    token = {
        "type": "apiKey",
        "description": "Bearer Token authentication",
        "name": "authorization",
        "in": "header",
    }
    return {
        "openapi": "3.0.0",
        "info": {"title": title, "version": builtintypes.kubernetes_version()},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": closure(used, types), "securitySchemes": {"BearerToken": token}},
    }


def _address(kind: ServedKind, address: Address) -> dict[str, Any]:
    item: dict[str, Any] = {operation.method: _operation(kind, operation) for operation in address.operations}
    return {**item, "parameters": _parameters(address.parameters)}


def _parameters(names: Iterable[str]) -> list[dict[str, Any]]:
    written = []
    for name in names:
        parameter = PARAMETERS[name]
        told: dict[str, Any] = {"name": name, "in": parameter.place, "description": parameter.text}
        if parameter.place == "path":
            told["required"] = True
        written.append({**told, "schema": {"type": parameter.type, "uniqueItems": True}})
    return written


def _operation(kind: ServedKind, operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "tags": [tag(kind)],
        "description": operation.text,
        "operationId": operation.identifier,
    }
    if operation.parameters:
        told["parameters"] = _parameters(operation.parameters)
    if operation.body:
        told["requestBody"] = {"content": _content(operation.media or _MEDIA, operation.body)}
        if operation.body != DELETE_OPTIONS:
            told["requestBody"]["required"] = True
    media = (_MEDIA[0], _STREAM, _MEDIA[1]) if operation.is_list else _MEDIA
    answers: dict[str, Any] = {
        code: {"description": text_of(code), "content": _content(media, type_)}
        for code, type_ in operation.answers
    }
    told["responses"] = {**answers, "401": {"description": text_of("401")}}
    told["x-kubernetes-action"] = operation.action
    told["x-kubernetes-group-version-kind"] = {
        "group": kind.kind.group,
        "version": kind.kind.version,
        "kind": kind.kind.kind,
    }
    return told


def _content(media: Iterable[str], type_: str) -> dict[str, Any]:
    return {each: {"schema": {"$ref": REFERENCE + type_}} for each in sorted(media)}
