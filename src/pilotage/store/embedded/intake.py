"""What a client sent: read, matched with what it was sent to, and cut down to what is the client's to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import ConflictError
from pilotage.store.embedded.fieldsets import is_field_set
from pilotage.store.embedded.kinds import KindTraits
from pilotage.store.embedded.metadata import invalid

__all__ = [
    "API_OWNED",
    "adopt_key",
    "are_sound",
    "check_preconditions",
    "configuration",
    "identity",
    "read_manifest",
]

API_OWNED = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Metadata that a client may send and only the API sets."""


def read_manifest(kind: Kind, sent: bytes) -> dict[str, Any]:
    # The header first: a label that is no string, or metadata that is no map, fails here, by its path.
    Object.parse(sent)
    value: dict[str, Any] = orjson.loads(sent)
    metadata = value.setdefault("metadata", {})
    problems = []
    if value.setdefault("apiVersion", kind.api_version) != kind.api_version:
        problems.append(
            f'apiVersion: Invalid value: "{value["apiVersion"]}": the API version in the data does not match the'
            f" expected API version ({kind.api_version})"
        )
    if value.setdefault("kind", kind.kind) != kind.kind:
        problems.append(
            f'kind: Invalid value: "{value["kind"]}": the kind in the data does not match the expected kind'
            f" ({kind.kind})"
        )
    if problems:
        raise invalid(kind, metadata.get("name", ""), problems)
    return value


def adopt_key(kind: Kind, key: ObjectKey, metadata: dict[str, Any]) -> None:
    """Name and namespace come from the key; a manifest that says something else is refused."""
    problems = []
    if metadata.setdefault("name", key.name) != key.name:
        problems.append(
            f'metadata.name: Invalid value: "{metadata["name"]}": the name of the object does not match the name'
            f" asked for ({key.name})"
        )
    if metadata.get("namespace", key.namespace) != key.namespace:
        problems.append(
            f'metadata.namespace: Invalid value: "{metadata["namespace"]}": the namespace of the provided object'
            f" does not match the namespace sent on the request ({key.namespace})"
        )
    elif key.namespace:
        metadata["namespace"] = key.namespace
    if problems:
        raise invalid(kind, key.name, problems)


def check_preconditions(
    kind: Kind, key: ObjectKey, metadata: Mapping[str, Any], live: Mapping[str, Any] | None
) -> None:
    """A version or a uid in what was sent says: only if it is still this one."""
    present = live["metadata"] if live is not None else {}
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if uid and uid != present.get("uid"):
        raise ConflictError(
            f'Operation cannot be fulfilled on {kind.resource} "{key.name}": Precondition failed: UID in'
            f" precondition: {uid}, UID in object meta: {present.get('uid', '')}"
        )
    if version and version != present.get("resourceVersion"):
        raise ConflictError(
            f'Operation cannot be fulfilled on {kind.resource} "{key.name}": the object has been modified; please'
            " apply your changes to the latest version and try again"
        )


def configuration(config: Mapping[str, Any], traits: KindTraits) -> dict[str, Any]:
    """What an apply states: everything sent but status, when that has its own door, and what the API owns."""
    stated = {name: child for name, child in config.items() if name != "status" or not traits.has_status}
    stated["metadata"] = {name: child for name, child in config["metadata"].items() if name not in API_OWNED}
    return stated


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The least that makes an object; the apply that creates it adds the rest."""
    metadata = config["metadata"]
    return {
        "apiVersion": config["apiVersion"],
        "kind": config["kind"],
        "metadata": {name: metadata[name] for name in ("name", "namespace") if name in metadata},
    }


def are_sound(entries: Any) -> bool:
    """Can these managed fields be worked with? Others are forgotten, as the API server does."""
    return entries is None or (
        isinstance(entries, list)
        and all(isinstance(entry, dict) and is_field_set(entry.get("fieldsV1")) for entry in entries)
    )
