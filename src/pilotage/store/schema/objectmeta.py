"""Metadata of objects, and of objects embedded in objects (`x-kubernetes-embedded-resource`).

Embedded metadata is coerced like that of the object itself, and checked: api version, kind, names, labels, annotations, owners,
finalizers. Follows apiextensions-apiserver's `pkg/apiserver/schema/objectmeta` and apimachinery's `pkg/api/validation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pilotage.store.schema import problems
from pilotage.store.schema.compiled import Node
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.metafields import MetadataError, read_metadata
from pilotage.store.schema.names import (
    dns_label,
    dns_label_1035,
    dns_subdomain,
    label_value,
    path_segment,
    qualified_name,
)
from pilotage.store.schema.problems import Problem

__all__ = [
    "coerce_embedded",
    "embedded_problems",
    "metadata_problems",
    "metadata_update_problems",
    "name_problems",
]

_MAX_ANNOTATIONS = 256 * 1024
_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"

NameFaults = Callable[[str], Iterable[str]]


def coerce_embedded(node: Node, value: Any) -> tuple[Problem | None, list[str]]:
    """Rewrite the metadata of embedded objects in place.

    Returns the first problem, when a type does not fit, and the paths of unknown fields, sorted.
    """
    unknown: list[str] = []
    problem = _coerce(node, value, "", unknown)
    return problem, sorted(unknown)


def _coerce(node: Node, value: Any, path: str, unknown: list[str]) -> Problem | None:
    if not node.embedded_below:
        return None
    if isinstance(value, list):
        for index, item in enumerate(value):
            problem = _coerce(node.items, item, f"{path}[{index}]", unknown) if node.items else None
            if problem is not None:
                return problem
    elif isinstance(value, dict):
        for name in list(value):
            problem = _coerce_field(node, value, name, path, unknown)
            if problem is not None:
                return problem
    return None


def _coerce_field(
    node: Node, value: dict[str, Any], name: str, path: str, unknown: list[str]
) -> Problem | None:
    here = f"{path}.{name}" if path else name
    if node.embedded and name in {"apiVersion", "kind"} and not isinstance(value[name], str):
        return problems.invalid(here, value[name], "must be a string")
    if node.embedded and name == "metadata":
        try:
            metadata, lost = read_metadata(value[name])
        except MetadataError as error:
            return problems.invalid(here, value[name], str(error))
        value[name] = metadata
        unknown += [f"{here}.{field}" for field in lost]
    place = node.properties.get(name)
    if place is None and node.additional is not None:
        place, here = node.additional, f"{path}[{name}]"
    return _coerce(place, value[name], here, unknown) if place is not None else None


def embedded_problems(node: Node, value: Any, path: str = "") -> list[Problem]:
    """The problems of embedded objects, wherever the schema has them."""
    found: list[Problem] = []
    _check_embedded(node, value, path, found)
    return found


def _check_embedded(node: Node, value: Any, path: str, found: list[Problem]) -> None:
    if not node.embedded_below:
        return
    if isinstance(value, dict):
        if node.embedded:
            found += _object_problems(value, path)
        for name, child in value.items():
            place = node.properties.get(name)
            if place is not None:
                _check_embedded(place, child, f"{path}.{name}" if path else name, found)
            elif node.additional is not None:
                _check_embedded(node.additional, child, f"{path}[{name}]", found)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            _check_embedded(node.items, item, f"{path}[{index}]", found)


def _object_problems(value: Mapping[str, Any], path: str) -> Iterable[Problem]:
    prefix = f"{path}." if path else ""
    for name in ("apiVersion", "kind"):
        if name not in value:
            yield problems.required(prefix + name)
    for name, child in value.items():
        if name == "apiVersion":
            yield from _type_meta(prefix + name, child, _version_faults)
        elif name == "kind":
            yield from _type_meta(prefix + name, child, _kind_faults)
        elif name == "metadata":
            yield from _embedded_metadata(prefix + name, child)


def _type_meta(field: str, value: Any, faults: NameFaults) -> Iterable[Problem]:
    if not isinstance(value, str):
        yield problems.invalid(field, value, "must be a string")
    elif not value:
        yield problems.invalid(field, value, "must not be empty")
    else:
        for fault in faults(value):
            yield problems.invalid(field, value, fault)


def _version_faults(text: str) -> Iterable[str]:
    if text.count("/") > 1:
        yield f"unexpected GroupVersion string: {text}"


def _kind_faults(text: str) -> Iterable[str]:
    faults = dns_label_1035(text.lower())
    if faults:
        yield f"may have mixed case, but should otherwise match: {','.join(faults)}"


def _embedded_metadata(field: str, value: Any) -> Iterable[Problem]:
    try:
        metadata, _ = read_metadata(value)
    except MetadataError as error:
        yield problems.invalid(field, value, str(error))
        return
    for fault in path_segment(metadata.get("generateName", ""), prefix=True):
        yield problems.invalid(f"{field}.generateName", metadata["generateName"], fault)
    for fault in path_segment(metadata.get("name", "")):
        yield problems.invalid(f"{field}.name", metadata["name"], fault)
    yield from _common_problems(metadata, field, namespaced="namespace" in metadata)


def name_problems(
    metadata: Mapping[str, Any], field: str = "metadata", faults: NameFaults = dns_subdomain
) -> Iterable[Problem]:
    """The problems of `generateName` and `name`; whatever generates names has run before."""
    generated = metadata.get("generateName", "")
    if generated:
        # The dash in front of what is appended is no last character.
        masked = f"{generated[:-2]}a" if len(generated) > 1 and generated.endswith("-") else generated
        for fault in faults(masked):
            yield problems.invalid(f"{field}.generateName", generated, fault)
    name = metadata.get("name", "")
    if not name:
        yield problems.required(f"{field}.name", "name or generateName is required")
        return
    for fault in faults(name):
        yield problems.invalid(f"{field}.name", name, fault)


def metadata_problems(
    metadata: Mapping[str, Any],
    *,
    namespaced: bool,
    field: str = "metadata",
    faults: NameFaults = dns_subdomain,
) -> list[Problem]:
    """The problems of the metadata of a new object, read by `read_metadata`."""
    return [
        *name_problems(metadata, field, faults),
        *_common_problems(metadata, field, namespaced=namespaced),
    ]


def _common_problems(metadata: Mapping[str, Any], field: str, *, namespaced: bool) -> Iterable[Problem]:
    namespace = metadata.get("namespace", "")
    if not namespaced and namespace:
        yield problems.forbidden(f"{field}.namespace", "not allowed on this type")
    elif namespaced and not namespace:
        yield problems.required(f"{field}.namespace")
    elif namespaced:
        for fault in dns_label(namespace):
            yield problems.invalid(f"{field}.namespace", namespace, fault)
    generation = metadata.get("generation", 0)
    if generation < 0:
        yield problems.invalid(f"{field}.generation", generation, "must be greater than or equal to 0")
    yield from _labels_and_owners(metadata, field)
    yield from _finalizers(metadata.get("finalizers", ()), f"{field}.finalizers")
    yield from _managers(metadata.get("managedFields", ()), f"{field}.managedFields")


def _labels_and_owners(metadata: Mapping[str, Any], field: str) -> Iterable[Problem]:
    for name, text in metadata.get("labels", {}).items():
        for fault in qualified_name(name):
            yield problems.invalid(f"{field}.labels", name, fault)
        for fault in label_value(text):
            yield problems.invalid(f"{field}.labels", text, fault)
    annotations = metadata.get("annotations", {})
    for name in annotations:
        for fault in qualified_name(name.lower()):
            yield problems.invalid(f"{field}.annotations", name, fault)
    if sum(len(name.encode()) + len(text.encode()) for name, text in annotations.items()) > _MAX_ANNOTATIONS:
        yield problems.too_long(f"{field}.annotations", _MAX_ANNOTATIONS)
    yield from _owners(metadata.get("ownerReferences", ()), f"{field}.ownerReferences")


def _owners(owners: Sequence[Mapping[str, Any]], field: str) -> Iterable[Problem]:
    controller = ""
    for owner in owners:
        group, slash, version = owner["apiVersion"].rpartition("/")
        if not version or "/" in group:
            yield problems.invalid(f"{field}.apiVersion", owner["apiVersion"], "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not owner[name]:
                yield problems.invalid(f"{field}.{name}", owner[name], "must not be empty")
        if not slash and (version, owner["kind"]) == ("v1", "Event"):
            yield problems.invalid_text(
                field, _owner_text(owner), "/v1, Kind=Event is disallowed from being an owner"
            )
        if owner.get("controller"):
            this = f"{owner['kind']}/{owner['name']}"
            if controller:
                text = (
                    'Only one reference can have Controller set to true. Found "true" in references for'
                    f" {controller} and {this}"
                )
                shown = ",".join(map(_owner_text, owners))
                yield problems.invalid_text(field, f"[{shown}]", text)
            else:
                controller = this


def _owner_text(owner: Mapping[str, Any]) -> str:
    """An owner as the API server shows it: fields in their own order."""
    names = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
    return "{" + ",".join(f'"{name}":{json_text(owner[name])}' for name in names if name in owner) + "}"


def _finalizers(finalizers: Sequence[str], field: str) -> Iterable[Problem]:
    for finalizer in finalizers:
        for fault in qualified_name(finalizer):
            yield problems.invalid(field, finalizer, fault)
    if _ORPHAN in finalizers and _FOREGROUND in finalizers:
        text = f"finalizer {_ORPHAN} and {_FOREGROUND} cannot be both set"
        yield problems.invalid(field, list(finalizers), text)


def _managers(entries: Sequence[Mapping[str, Any]], field: str) -> Iterable[Problem]:
    for index, entry in enumerate(entries):
        here = f"{field}[{index}]"
        operation = entry.get("operation", "")
        if operation not in {"Apply", "Update"}:
            yield problems.invalid(f"{here}.operation", operation, "must be `Apply` or `Update`")
        if entry.get("fieldsType", "FieldsV1") != "FieldsV1":
            yield problems.invalid(f"{here}.fieldsType", entry["fieldsType"], "must be `FieldsV1`")
        if len(entry.get("manager", "").encode()) > 128:
            yield problems.too_long(f"{here}.manager", 128)
        if len(entry.get("subresource", "").encode()) > 256:
            yield problems.too_long(f"{here}.subresource", 256)


_IMMUTABLE = (
    ("name", ""),
    ("namespace", ""),
    ("uid", ""),
    ("creationTimestamp", None),
    ("deletionTimestamp", None),
    ("deletionGracePeriodSeconds", None),
)


def metadata_update_problems(
    metadata: Mapping[str, Any], old: Mapping[str, Any], *, field: str = "metadata"
) -> list[Problem]:
    """The problems of changed metadata."""
    found: list[Problem] = []
    if old.get("deletionTimestamp"):
        added = sorted(set(metadata.get("finalizers", ())) - set(old.get("finalizers", ())))
        if added:
            listed = ", ".join(json_text(finalizer) for finalizer in added)
            found.append(
                problems.forbidden(
                    f"{field}.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new finalizers"
                    f" []string{{{listed}}}",
                )
            )
    if not metadata.get("resourceVersion"):
        found.append(problems.invalid(f"{field}.resourceVersion", 0, "must be specified for an update"))
    generation = metadata.get("generation", 0)
    if generation < old.get("generation", 0):
        found.append(problems.invalid(f"{field}.generation", generation, "must not be decremented"))
    for name, empty in _IMMUTABLE:
        value = metadata.get(name, empty)
        if value != old.get(name, empty):
            found.append(problems.invalid(f"{field}.{name}", value, "field is immutable"))
    found += _labels_and_owners(metadata, field)
    found += _managers(metadata.get("managedFields", ()), f"{field}.managedFields")
    return found
