"""What a client sent: read, matched with what it was sent to, and cut down to what is the client's to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import BadRequestError, ConflictError, UnfitError, WriteOptions
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.embedded.fieldsets import is_field_set
from pilotage.store.embedded.kinds import KindTraits
from pilotage.store.embedded.metadata import clean_metadata, invalid, problem_of
from pilotage.store.schema.problems import invalid as invalid_value

__all__ = [
    "API_OWNED",
    "Sent",
    "adopt_key",
    "adopt_namespace",
    "are_sound",
    "check_preconditions",
    "complain",
    "configuration",
    "conflict",
    "identity",
    "match_type",
    "read_manifest",
    "untyped",
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

_NULL_FREE = frozenset({"ConfigMap", "Secret", "ServiceAccount"})
"""Kinds whose fields say nothing when they are null, at their root."""

Sent = tuple[dict[str, Any], list[str]]
"""An object, and the paths of fields that nobody knows."""


def read_manifest(kind: Kind, traits: KindTraits, sent: bytes) -> Sent:
    """Raises BadRequestError when the text is no object, or of another type than `kind`."""
    value = orjson.loads(sent)
    if not isinstance(value, dict):
        raise BadRequestError(f"couldn't get version/kind; json parse error: {kind.kind} is not an object")
    return match_type(kind, traits, value)


def match_type(kind: Kind, traits: KindTraits, value: dict[str, Any]) -> Sent:
    """The object with its type and metadata as the API keeps them."""
    found_version, found_kind = value.get("apiVersion"), value.get("kind")
    value["apiVersion"], value["kind"] = found_version or kind.api_version, found_kind or kind.kind
    metadata, unknown = clean_metadata(kind, value.get("metadata") or {}, is_custom=traits.is_custom)
    value["metadata"] = metadata
    if value["apiVersion"] != kind.api_version:
        raise BadRequestError(
            f"the API version in the data ({found_version}) does not match the expected API version"
            f" ({kind.api_version})"
        )
    if value["kind"] != kind.kind:
        problem = problem_of("kind", f'Invalid value: "{found_kind}": must be {kind.kind}')
        raise invalid(kind, metadata.get("name", ""), [problem], str(found_kind))
    if kind.kind in _NULL_FREE and (kind.group, kind.kind) in BUILT_IN:
        value = {name: child for name, child in value.items() if child is not None}
    return value, unknown


def adopt_key(key: ObjectKey, metadata: dict[str, Any]) -> None:
    """Name and namespace come from the key. Raises BadRequestError when the manifest says something else."""
    if metadata.setdefault("name", key.name) != key.name:
        raise BadRequestError(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({key.name})"
        )
    adopt_namespace(key.namespace, metadata)


def adopt_namespace(namespace: str, metadata: dict[str, Any]) -> None:
    if metadata.get("namespace", namespace) != namespace:
        raise BadRequestError(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if namespace:
        metadata["namespace"] = namespace


def conflict(kind: Kind, name: str, why: str, shown: str = "") -> ConflictError:
    """`shown` is what the server calls the kind where it does not say the resource."""
    qualified = f"{shown}.{kind.group}" if shown and kind.group else shown
    return ConflictError(
        f'Operation cannot be fulfilled on {qualified or kind.resource} "{name}": {why}',
        {"name": name, "group": kind.group, "kind": shown or kind.plural},
    )


def check_preconditions(
    kind: Kind, key: ObjectKey, metadata: Mapping[str, Any], live: Mapping[str, Any] | None
) -> None:
    """A version or a uid in what was sent says: only if it is still this one."""
    present = live["metadata"] if live is not None else {}
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if uid and uid != present.get("uid"):
        raise conflict(
            kind,
            key.name,
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {present.get('uid', '')}",
        )
    if version and version != present.get("resourceVersion"):
        if not version.isdecimal():
            raise BadRequestError(f'strconv.ParseUint: parsing "{version}": invalid syntax')
        raise conflict(
            kind,
            key.name,
            "the object has been modified; please apply your changes to the latest version and try again",
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


def untyped(subject: str, faults: list[str]) -> UnfitError:
    """The error for a configuration that has no place in the schema; `subject` is `/name; group/version, Kind=Kind`."""
    told = faults[0] if len(faults) == 1 else "errors:\n" + "\n".join(f"  {fault}" for fault in faults)
    return UnfitError(f"failed to create typed patch object ({subject}): {told}", tuple(faults))


def complain(
    kind: Kind, complaints: list[str], options: WriteOptions, patched: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """What to warn of. `patched` is what a patch made, when it was one.

    Raises InvalidObjectError, for what was not patched BadRequestError, when the client wants to be refused.
    """
    told = [*options.complaints, *complaints]
    if not told or options.validation == "Ignore":
        return ()
    if options.validation == "Warn":
        return tuple(told)
    problem = f"strict decoding error: {', '.join(told)}"
    if patched is None:
        raise BadRequestError(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {problem}'
        )
    # The server shows what the patch made; of a Secret nobody should see it in a message.
    shown = "…" if (kind.group, kind.kind) == ("", "Secret") else orjson.dumps(patched).decode()
    raise invalid(_NAMELESS, "", [invalid_value("patch", shown, problem)])


_NAMELESS = Kind("", "", "", "")
"""What the server calls the kind of something that was patched and cannot be read."""
