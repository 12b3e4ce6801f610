"""The types of objects as OpenAPI v3 schemas: those of Kubernetes, and those that definitions of custom resources give.

A name is the group back to front, the version and the kind: `com.example.v1.Widget`. A custom resource has what its definition
says, and besides what every object has: apiVersion, kind and metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilotage.store.embedded.kinds import ServedKind
from pilotage.store.schema import builtintypes

__all__ = [
    "DELETE_OPTIONS",
    "PATCH",
    "REFERENCE",
    "SCALE",
    "STATUS",
    "closure",
    "custom_types",
    "type_name",
    "type_names",
]

REFERENCE = builtintypes.REFERENCE
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
DELETE_OPTIONS, PATCH, STATUS = f"{_META}DeleteOptions", f"{_META}Patch", f"{_META}Status"
SCALE = "io.k8s.api.autoscaling.v1.Scale"
_GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
_TYPE_FIELDS = {
    "apiVersion": {
        "description": "The group and the version of the schema of this object.",
        "type": "string",
    },
    "kind": {"description": "The kind of this object, in CamelCase.", "type": "string"},
}


def type_names(kind: ServedKind) -> tuple[str, str] | None:
    """The names of the types of an object and of a list of them; None for a kind of which no types are known."""
    if kind.is_custom:
        return type_name(kind, kind.kind.kind), type_name(kind, kind.list_kind)
    roots = builtintypes.roots()
    group, version = kind.kind.group, kind.kind.version
    name = roots.get((group, version, kind.kind.kind))
    return (name, roots.get((group, version, kind.list_kind), name)) if name is not None else None


def type_name(kind: ServedKind, name: str) -> str:
    return ".".join([*reversed(kind.kind.group.split(".")), kind.kind.version, name])


def custom_types(kind: ServedKind) -> dict[str, dict[str, Any]]:
    """The type of a custom resource and that of a list of them."""
    name, list_name = type_name(kind, kind.kind.kind), type_name(kind, kind.list_kind)
    schema: dict[str, Any] = {"type": "object"}
    if kind.schema:
        schema = _with_embedded(kind.schema)
        fields = {**schema.get("properties", {}), **_TYPE_FIELDS, "metadata": _metadata("ObjectMeta")}
        schema["properties"] = fields
    items = {
        "type": "array",
        "description": f"List of {kind.kind.plural}.",
        "items": {"$ref": REFERENCE + name},
    }
    listed = {
        "description": f"{kind.list_kind} is a list of {kind.kind.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {**_TYPE_FIELDS, "items": items, "metadata": _metadata("ListMeta")},
    }
    return {
        name: {**schema, _GROUP_VERSION_KIND: [_identity(kind, kind.kind.kind)]},
        list_name: {**listed, _GROUP_VERSION_KIND: [_identity(kind, kind.list_kind)]},
    }


def _identity(kind: ServedKind, name: str) -> dict[str, str]:
    return {"group": kind.kind.group, "kind": name, "version": kind.kind.version}


def _metadata(type_: str) -> dict[str, Any]:
    described = "Name, namespace, labels and the like." if type_ == "ObjectMeta" else "Where the list stands."
    return {"description": described, "allOf": [{"$ref": f"{REFERENCE}{_META}{type_}"}]}


_NESTED = ("items", "additionalProperties", "not")
_NESTED_LISTS = ("allOf", "anyOf", "oneOf")


def _with_embedded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which embedded resources have the fields of objects, at any depth."""
    copy = dict(schema)
    for name in _NESTED:
        if isinstance(copy.get(name), Mapping):
            copy[name] = _with_embedded(copy[name])
    for name in _NESTED_LISTS:
        if name in copy:
            copy[name] = [_with_embedded(each) for each in copy[name]]
    if "properties" in copy:
        copy["properties"] = {name: _with_embedded(child) for name, child in copy["properties"].items()}
    if copy.get("x-kubernetes-embedded-resource"):
        fields = {**copy.get("properties", {}), **_TYPE_FIELDS, "metadata": _metadata("ObjectMeta")}
        copy["properties"] = fields
        copy["required"] = [*copy.get("required", ()), "kind", "apiVersion"]
    return copy


def closure(names: set[str], types: Mapping[str, Any]) -> dict[str, Any]:
    """The types of those names and all that they refer to, sorted by name."""
    found: dict[str, Any] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name in types:
            found[name] = types[name]
            waiting.extend(_references(types[name]))
    return dict(sorted(found.items()))


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, Mapping):
        for name, child in schema.items():
            if name == "$ref" and isinstance(child, str):
                yield child.removeprefix(REFERENCE)
            elif isinstance(child, Mapping | list):
                yield from _references(child)
