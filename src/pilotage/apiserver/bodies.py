"""The body of a request, read as its content type says: an object, a patch, or options.

What strict decoding would complain of (a field that stands there twice) is told apart from the value, for the store to judge
by `fieldValidation`. Texts are those of `k8s.io/apiserver/pkg/endpoints/handlers`. A YAML body with a key twice is refused
whatever was asked: which of the two somebody meant cannot be known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from pilotage.api import yaml
from pilotage.api.errors import InputError
from pilotage.api.meta import Kind
from pilotage.apiserver import wire
from pilotage.apiserver.jsonfaults import syntax_fault
from pilotage.apiserver.paths import Target
from pilotage.apiserver.refusals import RefusalError, bad_request, unsupported_media_type
from pilotage.store.base import PatchType
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.schema.duplicates import duplicate_fields
from pilotage.store.schema.gotext import json_type, quoted

__all__ = [
    "PATCH_TYPES",
    "Sent",
    "media_type",
    "patch_type",
    "read_manifest",
    "read_object",
    "read_options",
    "read_patch",
    "read_review",
]

PATCH_TYPES: Mapping[str, PatchType] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/apply-patch+yaml": "apply",
    "application/strategic-merge-patch+json": "strategic",
}
MOST_OPERATIONS = 10_000
"""Of one JSON patch, as the server has it."""
_JSON, _YAML = "application/json", "application/yaml"
_SHOWN = 30
_SCHEME = 'in scheme "pkg/runtime/scheme.go:111"'
_OPERATION_FIELDS = frozenset({"op", "path", "from", "value"})
_REPEATED = re.compile(r"document \d+, line (\d+), column \d+: (.+) is set twice in one map")
_PLACE = re.compile(r"document \d+, line (\d+), column \d+: (.+)")
_VERSION_AND_KIND = (
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)


class Sent(msgspec.Struct, frozen=True):
    """`complaints`: what strict decoding says of the text."""

    value: Any
    complaints: tuple[str, ...] = ()


class _UnreadableError(Exception):
    """Why a text has no value, in the server's words."""


class _RepeatedError(_UnreadableError):
    """A YAML map has a key twice."""


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def patch_type(content_type: str, *, is_custom: bool) -> PatchType:
    """Raises RefusalError for a form of patch that is not taken."""
    media = media_type(content_type)
    if media in PATCH_TYPES:
        return PATCH_TYPES[media]
    if is_custom:
        raise unsupported_media_type([name for name in PATCH_TYPES if "strategic" not in name])
    raise RefusalError(415, "415: Unsupported Media Type", details={})


def read_manifest(kind: Kind, content_type: str, text: bytes) -> Sent:
    """An object as it was sent to a collection, or to an object's place. Raises RefusalError."""
    is_custom = (kind.group, kind.kind) not in BUILT_IN
    try:
        sent = _read(content_type, text)
    except _RepeatedError as repeated:
        raise bad_request(f"{_unfit(kind)}: strict decoding error: {repeated}") from None
    except _UnreadableError as problem:
        raise _unrecognized(kind, text, f"couldn't get version/kind; json parse error: {problem}") from None
    value = sent.value
    if value is None and not is_custom:
        return Sent({}, sent.complaints)
    if not isinstance(value, dict):
        raise _unrecognized(kind, text, _no_object(value))
    _check_type(kind, value, text, is_custom=is_custom)
    return sent


def _check_type(kind: Kind, value: Mapping[str, Any], text: bytes, *, is_custom: bool) -> None:
    found_version, found_kind = value.get("apiVersion") or "", value.get("kind") or ""
    for name, found in (("apiVersion", found_version), ("kind", found_kind)):
        if not isinstance(found, str):
            raise bad_request(
                f"couldn't get version/kind; json parse error: json: cannot unmarshal {json_type(found)} into Go"
                f" struct field .{name} of type string"
            )
    if is_custom:
        if not found_kind:
            shown = text.decode(errors="replace")
            raise _unrecognized(kind, text, f"Object 'Kind' is missing in '{shown}'")
        return
    version, name = found_version or kind.api_version, found_kind or kind.kind
    if (version, name) == (kind.api_version, kind.kind):
        return
    group, _, bare = version.rpartition("/")
    subject = f"{name} in version {quoted(bare)} cannot be handled as a {kind.kind}"
    other = BUILT_IN.get((group, name))
    if other is not None and other.kind.version == bare:
        problem = f"converting (v1.{name}) to (core.{kind.kind}): unknown conversion"
    else:
        problem = f"no kind {quoted(name)} is registered for version {quoted(version)} {_SCHEME}"
    raise bad_request(f"{subject}: {problem}")


def read_review(kind: Kind, content_type: str, text: bytes) -> dict[str, Any]:
    """What is asked to be reviewed. Raises RefusalError."""
    try:
        value = _read(content_type, text).value
    except _UnreadableError as problem:
        raise _unrecognized(kind, text, f"couldn't get version/kind; json parse error: {problem}") from None
    if value is not None and not isinstance(value, dict):
        raise _unrecognized(kind, text, _no_object(value))
    if value and not isinstance(value.get("spec") or {}, dict):
        raise bad_request(f"{_unfit(kind)}: spec is no object")
    return value or {}


def read_object(target: Target, content_type: str, text: bytes) -> Sent:
    """An object that goes to its own place, or through a door of it. Raises RefusalError."""
    if target.subresource == "scale":
        try:
            sent = _read(content_type, text)
        except _UnreadableError as problem:
            raise bad_request(f"couldn't get version/kind; json parse error: {problem}") from None
    else:
        sent = read_manifest(target.kind, content_type, text)
    _check_name(target.key.name, sent.value)
    return sent


def _check_name(name: str, value: Any) -> None:
    """The server wants to read the name in what it is sent, not only in the address."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if isinstance(metadata, dict) and metadata.get("name", ""):
        return
    raise bad_request(
        f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
    )


def read_options(content_type: str, text: bytes) -> Mapping[str, Any] | None:
    """A `DeleteOptions`; None when nothing was sent. Raises RefusalError."""
    if not text:
        return None
    try:
        value = _read(content_type, text).value
    except _UnreadableError as problem:
        raise bad_request(f"couldn't get version/kind; json parse error: {problem}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(_no_object(value))
    name = value.get("kind") or "DeleteOptions"
    if name != "DeleteOptions":
        version = value.get("apiVersion") or "v1"
        raise bad_request(
            f"no kind {quoted(str(name))} is registered for version {quoted(str(version))} {_SCHEME}"
        )
    return value


def read_patch(target: Target, form: PatchType, text: bytes, *, is_strict: bool) -> Sent:
    """A patch of one of the four forms. Raises RefusalError."""
    if form == "apply":
        return _read_apply(target, text, is_strict=is_strict)
    prefix = "" if form == "strategic" else "error decoding patch: "
    try:
        sent = _read_json(text)
    except _UnreadableError as problem:
        raise bad_request(f"{prefix}{problem}") from None
    value = sent.value
    is_list = form == "json"
    if value is not None and not isinstance(value, list if is_list else dict):
        shown = "[]handlers.jsonPatchOp" if is_list else "map[string]interface {}"
        raise bad_request(f"{prefix}json: cannot unmarshal {json_type(value)} into Go value of type {shown}")
    if not is_list:
        return Sent(value or {}, sent.complaints)
    operations: Any = value or []
    if len(operations) > MOST_OPERATIONS:
        raise RefusalError(
            413,
            "Request entity too large: The allowed maximum operations in a JSON patch is"
            f" {MOST_OPERATIONS}, got {len(operations)}",
        )
    unknown = (
        f'json patch unknown field "[{index}].{name}"'
        for index, operation in enumerate(operations)
        if isinstance(operation, dict)
        for name in operation
        if name not in _OPERATION_FIELDS
    )
    return Sent(operations, (*(f"json patch {each}" for each in sent.complaints), *unknown))


def _read_apply(target: Target, text: bytes, *, is_strict: bool) -> Sent:
    try:
        sent = _read_yaml(text)
    except _RepeatedError as repeated:
        way = "error strict decoding YAML" if is_strict else "error decoding YAML"
        raise bad_request(f"{way}: error converting YAML to JSON: {repeated}") from None
    except _UnreadableError as problem:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {problem}") from None
    value = {} if sent.value is None else sent.value
    if not isinstance(value, dict):
        raise bad_request(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal"
            f" {json_type(value)} into Go value of type map[string]interface {{}}"
        )
    group, _, version = str(value.get("apiVersion") or "").rpartition("/")
    name = str(value.get("kind") or "")
    if target.subresource != "scale":
        if name != target.kind.kind:
            raise bad_request(f"invalid object type: {group}/{version}, Kind={name}")
        _check_name(target.key.name, value)
    return Sent(value, sent.complaints)


def _read(content_type: str, text: bytes) -> Sent:
    media = media_type(content_type) or _JSON
    if media == _JSON:
        return _read_json(text)
    if media == _YAML:
        return _read_yaml(text)
    if media == wire.MEDIA:
        return _read_protobuf(text)
    raise unsupported_media_type()


def _read_protobuf(text: bytes) -> Sent:
    """Built-in kinds only, as on a real server. Raises RefusalError for others."""
    try:
        return Sent(wire.decode(text))
    except wire.UnknownKindError:
        raise unsupported_media_type() from None
    except wire.WireError as error:
        raise _UnreadableError(str(error)) from None


def _read_json(text: bytes) -> Sent:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = syntax_fault(text.decode(errors="replace"))
        if not problem:  # a number or a text that Go would take
            problem = str(error).partition(":")[0]
        raise _UnreadableError(problem) from None
    try:
        return Sent(value, tuple(duplicate_fields(text)))
    except (RecursionError, ValueError):
        raise _UnreadableError("exceeded max depth") from None


def _read_yaml(text: bytes) -> Sent:
    # kubectl sends JSON under the name of YAML: the common case is the quick one.
    if text.startswith(b"{"):
        try:
            return _read_json(text)
        except _UnreadableError:
            pass
    try:
        return Sent(yaml.load(text.decode()))
    except UnicodeDecodeError:
        raise _UnreadableError("yaml: invalid leading UTF-8 octet") from None
    except InputError as error:
        problems = error.messages or (error.message,)
    repeated = [match for match in map(_REPEATED.fullmatch, problems) if match is not None]
    if repeated and len(repeated) == len(problems):
        lines = "".join(f"\n  line {found[1]}: key {found[2]} already set in map" for found in repeated)
        raise _RepeatedError(f"yaml: unmarshal errors:{lines}")
    found = _PLACE.fullmatch(problems[0])
    raise _UnreadableError(f"yaml: line {found[1]}: {found[2]}" if found else f"yaml: {problems[0]}")


def _no_object(value: Any) -> str:
    return (
        f"couldn't get version/kind; json parse error: json: cannot unmarshal {json_type(value)} into Go value"
        f" of type {_VERSION_AND_KIND}"
    )


def _unfit(kind: Kind) -> str:
    return f"{kind.kind} in version {quoted(kind.version)} cannot be handled as a {kind.kind}"


def _unrecognized(kind: Kind, text: bytes, problem: str) -> RefusalError:
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind.kind}): {problem} ({_summary(text)})"
    )


def _summary(text: bytes) -> str:
    """The beginning of what was sent, for the one who sent it."""
    if not text:
        return "<empty>"
    start = text[:_SHOWN]
    shown = start.decode(errors="replace") if text.startswith(b"{") else start.hex()
    return f"{shown} ..." if len(text) > _SHOWN else shown
