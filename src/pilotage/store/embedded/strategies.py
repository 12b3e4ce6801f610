"""What the API does about single kinds of its own: namespaces, ConfigMaps, Secrets, definitions.

Each kind has at most three answers: what a new object gets, what a change may not touch, what is wrong. All other built-in
kinds are stored as they come. Follows the strategies in `k8s.io/kubernetes/pkg/registry`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pilotage.store.embedded.definitions import DEFINITION_TYPE
from pilotage.store.schema.problems import Problem, forbidden, invalid, required

__all__ = ["NAMESPACE_TYPE", "fold_text", "judge", "needs_version", "prepare", "warnings"]

NAMESPACE_TYPE = "/Namespace"
_CONFIG_MAP = "/ConfigMap"
_SECRET = "/Secret"  # noqa: S105 the name of a type
_NAME_LABEL = "kubernetes.io/metadata.name"
_RULES = b"x-kubernetes-validations"
_IMMUTABLE = "field is immutable when `immutable` is set"
_NEEDING_VERSION = frozenset({DEFINITION_TYPE, "coordination.k8s.io/Lease"})


def needs_version(type_: str) -> bool:
    """May an object only be replaced by somebody who names the version that they saw?"""
    return type_ in _NEEDING_VERSION


def prepare(type_: str, value: dict[str, Any], old: Mapping[str, Any] | None) -> None:
    """Fill in, in place, what the API adds to an object. `old` is None for a new one."""
    if type_ == NAMESPACE_TYPE:
        _prepare_namespace(value, old)
    elif type_ == _SECRET:
        _prepare_secret(value, old)
    elif type_ == DEFINITION_TYPE:
        from pilotage.store.schema.definition import default_definition  # noqa: PLC0415 start-up time

        default_definition(value)
        if old is None:
            value["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}}
        _remember_versions(value)


def judge(type_: str, value: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[Problem]:
    """What is wrong with an object, its metadata aside where that has no rules of its own."""
    if type_ == DEFINITION_TYPE:
        return _definition_problems(value, old)
    if type_ == _CONFIG_MAP:
        return _kept(value, old, ("data", "binaryData"))
    if type_ == _SECRET:
        return _secret_problems(value, old)
    return []


def warnings(type_: str, value: Mapping[str, Any]) -> list[str]:
    """What to tell the person who wrote the object."""
    if type_ != DEFINITION_TYPE:
        return []
    from pilotage.store.schema.definition import read_definition  # noqa: PLC0415 start-up time
    from pilotage.store.schema.definitions import unrecognized_formats  # noqa: PLC0415

    return [f'unrecognized format "{name}"' for name in unrecognized_formats(read_definition(value))]


def _prepare_namespace(value: dict[str, Any], old: Mapping[str, Any] | None) -> None:
    metadata = value["metadata"]
    metadata["labels"] = {**metadata.get("labels", {}), _NAME_LABEL: metadata["name"]}
    if old is None:
        value["spec"] = {"finalizers": ["kubernetes"]}
        value["status"] = {"phase": "Active"}
    else:
        for part in ("spec", "status"):
            if part in old:
                value[part] = old[part]


def fold_text(type_: str, value: dict[str, Any]) -> None:
    """Make of the `stringData` of a Secret, in place, the data that it means."""
    if type_ != _SECRET:
        return
    text = value.pop("stringData", None)
    if isinstance(text, dict):
        data = {name: base64.b64encode(str(part or "").encode()).decode() for name, part in text.items()}
        value["data"] = {**(value.get("data") or {}), **data}


def _prepare_secret(value: dict[str, Any], old: Mapping[str, Any] | None) -> None:
    fold_text(_SECRET, value)
    if not value.get("type"):
        value["type"] = (old or {}).get("type") or "Opaque"


def _secret_problems(value: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[Problem]:
    found = []
    for name, content in (value.get("data") or {}).items():
        try:
            base64.b64decode(content or "", validate=True)
        except (binascii.Error, ValueError, TypeError):
            found.append(Problem("FieldValueInvalid", f"data[{name}]", "Invalid value: not base64"))
    if value.get("type") == "kubernetes.io/dockerconfigjson" and ".dockerconfigjson" not in (
        value.get("data") or {}
    ):
        found.append(required("data[.dockerconfigjson]"))
    if old is not None and value.get("type") != old.get("type", "Opaque"):
        found.append(invalid("type", value.get("type"), "field is immutable"))
    return found + _kept(value, old, ("data",))


def _kept(value: Mapping[str, Any], old: Mapping[str, Any] | None, names: tuple[str, ...]) -> list[Problem]:
    """Once `immutable` is set, it and the content stay."""
    if old is None or old.get("immutable") is not True:
        return []
    found = []
    if value.get("immutable") is not True:
        found.append(forbidden("immutable", _IMMUTABLE))
    found += [
        forbidden(name, _IMMUTABLE) for name in names if (value.get(name) or {}) != (old.get(name) or {})
    ]
    return found


def _remember_versions(value: dict[str, Any]) -> None:
    """Every version that objects may be stored in."""
    status = value.setdefault("status", {})
    stored = status.setdefault("storedVersions", [])
    stored += [
        version["name"]
        for version in value.get("spec", {}).get("versions") or ()
        if isinstance(version, dict) and version.get("storage") and version.get("name") not in stored
    ]


def _definition_problems(value: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[Problem]:
    # Start-up time: most processes never write a definition.
    from pilotage.store.schema import definition, definitions  # noqa: PLC0415

    new = definition.read_definition(value)
    found = (
        definitions.definition_problems(new)
        if old is None
        else definitions.definition_update_problems(new, definition.read_definition(old))
    )
    versions = value["spec"].get("versions") or []
    if found or (old is not None and old["spec"].get("versions") == versions):
        return found
    return list(_rule_problems(versions))


def _rule_problems(versions: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Rules in CEL that make no sense. What all versions share stands, for the API server, in one place."""
    schemas = [(version.get("schema") or {}).get("openAPIV3Schema") or {} for version in versions]
    if not any(_RULES in orjson.dumps(schema) for schema in schemas):
        return
    from pilotage.store.cel.definitions import check_definition  # noqa: PLC0415 start-up time

    is_shared = all(schema == schemas[0] for schema in schemas)
    for index, schema in enumerate(schemas[:1] if is_shared else schemas):
        place = "spec.validation" if is_shared else f"spec.versions[{index}].schema"
        for fault in check_definition(schema, f"{place}.openAPIV3Schema"):
            yield Problem(fault.type, fault.path or "<nil>", fault.message)
