"""The fields of `metav1.ObjectMeta`, read as Go reads them: unknown fields dropped, empty ones left out, times rewritten.

The API server decodes metadata into a Go struct and writes it back. So a field of another type is an error in the words of
Go's JSON decoder; a null says nothing; empty maps, lists and texts disappear; a time becomes UTC in whole seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pilotage.store.schema.gotext import is_integer, json_type, quoted

__all__ = ["MetadataError", "read_metadata", "read_micro_time", "read_time"]

_STRUCTS = {"managedFields": "ManagedFieldsEntry", "ownerReferences": "OwnerReference"}
_Reader = Callable[[Any, "_Reading", str], Any]


class MetadataError(ValueError):
    """A field has a type that metadata cannot have; the text is Go's."""


class _Reading:
    """One pass over metadata: what was unknown, by path."""

    def __init__(self) -> None:
        self.unknown: list[str] = []


def _refused(value: Any, path: str, go_type: str) -> MetadataError:
    shown = {"boolean": "bool", "integer": "number"}.get(json_type(value), json_type(value))
    if shown == "number" and go_type == "int64":
        shown = f"number {value!r}"
    if go_type.startswith("v1.") and not path:
        return MetadataError(f"json: cannot unmarshal {shown} into Go value of type {go_type}")
    struct = _STRUCTS.get(path.partition(".")[0], "") if "." in path else ""
    field = f"{struct or 'ObjectMeta'}.{path}"
    return MetadataError(f"json: cannot unmarshal {shown} into Go struct field {field} of type {go_type}")


def _text(value: Any, _reading: _Reading, path: str) -> str:
    if not isinstance(value, str):
        raise _refused(value, path, "types.UID" if path.endswith("uid") else "string")
    return value


def _integer(value: Any, _reading: _Reading, path: str) -> int:
    if not is_integer(value):
        raise _refused(value, path, "int64")
    return int(value)


def _boolean(value: Any, _reading: _Reading, path: str) -> bool:
    if not isinstance(value, bool):
        raise _refused(value, path, "bool")
    return value


_SECONDS = ("05", r"[0-5][0-9](?:[.,][0-9]+)?")
_LAYOUT = (
    ("2006", "[0-9]{4}"),
    ("-", "-"),
    ("01", "0[1-9]|1[0-2]"),
    ("-", "-"),
    ("02", "[0-9]{2}"),
    ("T", "T"),
    ("15", "[01][0-9]|2[0-3]"),
    (":", ":"),
    ("04", "[0-5][0-9]"),
    (":", ":"),
    _SECONDS,
    ("Z07:00", r"Z|[+-][0-9]{2}:[0-9]{2}"),
)
"""RFC 3339 in Go's notation, with what each element may be."""
_MICRO_LAYOUT = (
    *_LAYOUT[:-2],
    ("05", "[0-5][0-9]"),
    (".000000", r"[.,][0-9]{6}"),
    _LAYOUT[-1],
)


def read_time(value: str) -> str:
    """`2006-01-02T15:04:05Z` of a time in whole seconds. Raises MetadataError."""
    return _read_time(value, _LAYOUT).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_micro_time(value: str) -> str:
    """`2006-01-02T15:04:05.000000Z` of a time in microseconds. Raises MetadataError."""
    return _read_time(value, _MICRO_LAYOUT).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read_time(value: str, layout: tuple[tuple[str, str], ...]) -> datetime:
    rest = value
    for element, pattern in layout:
        found = re.match(pattern, rest)
        if found is None:
            raise _no_time(value, layout, f"cannot parse {quoted(rest)} as {quoted(element)}")
        rest = rest[found.end() :]
    if rest:
        raise _no_time(value, layout, f"extra text: {quoted(rest)}")
    try:
        return datetime.fromisoformat(value.replace(",", ".")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _no_time(value, layout, "day out of range") from None


def _time(value: Any, _reading: _Reading, path: str) -> str:
    if not isinstance(value, str):
        raise _refused(value, path, "string")
    return read_time(value)


def _no_time(value: str, layout: tuple[tuple[str, str], ...], what: str) -> MetadataError:
    form = "".join(element for element, _ in layout)
    return MetadataError(f"parsing time {quoted(value)} as {quoted(form)}: {what}")


def _texts_by_name(value: Any, reading: _Reading, path: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _refused(value, path, "map[string]string")
    return {name: "" if text is None else _text(text, reading, path) for name, text in value.items()}


def _texts(value: Any, reading: _Reading, path: str) -> list[str]:
    if not isinstance(value, list):
        raise _refused(value, path, "[]string")
    return ["" if text is None else _text(text, reading, path) for text in value]


def _anything(value: Any, _reading: _Reading, _path: str) -> Any:
    return value


def _records(go_type: str, fields: dict[str, _Reader], always: tuple[str, ...]) -> _Reader:
    """A list of structs; the fields in `always` are written even when they are empty."""

    def read(value: Any, reading: _Reading, path: str) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            raise _refused(value, path, f"[]{go_type}")
        read_items = []
        for index, item in enumerate(value):
            if item is not None and not isinstance(item, dict):
                raise _refused(item, path, go_type)
            record = dict.fromkeys(always, "")
            record.update(_fields(fields, item or {}, reading, f"{path}[{index}].", f"{path}."))
            read_items.append(record)
        return read_items

    return read


_OWNER: dict[str, _Reader] = {
    "apiVersion": _text,
    "blockOwnerDeletion": _boolean,
    "controller": _boolean,
    "kind": _text,
    "name": _text,
    "uid": _text,
}
_MANAGER: dict[str, _Reader] = {
    "apiVersion": _text,
    "fieldsType": _text,
    "fieldsV1": _anything,
    "manager": _text,
    "operation": _text,
    "subresource": _text,
    "time": _time,
}
_METADATA: dict[str, _Reader] = {
    "annotations": _texts_by_name,
    "creationTimestamp": _time,
    "deletionGracePeriodSeconds": _integer,
    "deletionTimestamp": _time,
    "finalizers": _texts,
    "generateName": _text,
    "generation": _integer,
    "labels": _texts_by_name,
    "managedFields": _records("v1.ManagedFieldsEntry", _MANAGER, ()),
    "name": _text,
    "namespace": _text,
    "ownerReferences": _records("v1.OwnerReference", _OWNER, ("apiVersion", "kind", "name", "uid")),
    "resourceVersion": _text,
    "selfLink": _text,
    "uid": _text,
}
_POINTERS = frozenset({"deletionGracePeriodSeconds", "blockOwnerDeletion", "controller"})
"""Fields that say something even when they are zero or false."""


def _fields(
    known: dict[str, _Reader], value: dict[str, Any], reading: _Reading, prefix: str, error_prefix: str
) -> dict[str, Any]:
    read = {}
    for name, child in value.items():
        reader = known.get(name)
        if reader is None:
            reading.unknown.append(prefix + name)
        elif child is not None:
            result = reader(child, reading, error_prefix + name)
            if result or name in _POINTERS:
                read[name] = result
    return read


def read_metadata(value: Any, *, drop_malformed: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Metadata as the API server keeps it, and the paths of unknown fields, without a leading `metadata.`.

    Raises MetadataError when a field has another type, unless malformed fields shall be dropped.
    """
    if value is not None and not isinstance(value, dict):
        raise _refused(value, "", "v1.ObjectMeta")
    reading = _Reading()
    if not drop_malformed:
        return _fields(_METADATA, value or {}, reading, "", ""), reading.unknown
    kept: dict[str, Any] = {}
    for name, child in (value or {}).items():
        try:
            kept.update(_fields(_METADATA, {name: child}, reading, "", ""))
        except MetadataError:
            continue
    return kept, reading.unknown
