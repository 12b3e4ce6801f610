"""Objects of built-in kinds that arrive in protobuf, as the JSON that they would have been.

kubectl 1.36 sends what it makes itself (`create deployment`, `auth whoami`) in protobuf and in nothing else; answers it takes in
JSON, so protobuf is read here and never written. Four bytes, `k8s` and a zero, go before an envelope with version, kind
and the object. Which field has which number and name stands in a table (`data/README.md`) that is read when it is first needed.

As in Go, a field at its zero value is left out of JSON where its type says so: in protobuf it is written all the same.
Follows `k8s.io/apimachinery/pkg/runtime/serializer/protobuf`.
"""

from __future__ import annotations

import gzip
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import orjson

__all__ = ["MEDIA", "UnknownKindError", "WireError", "decode"]

MEDIA = "application/vnd.kubernetes.protobuf"
_FILE = Path(__file__).parent / "data" / "wire_types.json.gz"
_MAGIC = b"k8s\x00"
_DEEPEST = 100
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class WireError(ValueError):
    """The bytes are no object; says why."""


class UnknownKindError(WireError):
    """The bytes are an object of a kind of which the form is not known."""


class _Field(msgspec.Struct, frozen=True, array_like=True):
    number: int
    name: str
    form: str


class _Table(msgspec.Struct, frozen=True):
    roots: Mapping[str, str]
    types: Mapping[str, tuple[_Field, ...]]


@cache
def _table() -> _Table:
    return msgspec.json.decode(gzip.decompress(_FILE.read_bytes()), type=_Table)


@cache
def _fields(type_: str) -> Mapping[int, _Field]:
    return {field.number: field for field in _table().types[type_]}


def decode(text: bytes) -> dict[str, Any]:
    """The object, with its apiVersion and kind. Raises WireError."""
    if not text.startswith(_MAGIC):
        raise WireError("the body does not begin as an object in protobuf does")
    try:
        envelope = dict(_parts(text[len(_MAGIC) :]))
        told = dict(_parts(_bytes(envelope.get(1, b""))))
        version, kind = (_bytes(told.get(number, b"")).decode() for number in (1, 2))
        root = _table().roots.get("DeleteOptions" if kind == "DeleteOptions" else f"{version}/{kind}")
        if root is None:
            raise UnknownKindError(f"no kind {kind} in version {version} is known in protobuf")
        value = _message(root, _bytes(envelope.get(2, b"")), 0)
    except (IndexError, UnicodeDecodeError, struct.error, orjson.JSONDecodeError, OverflowError) as error:
        raise WireError(f"the body is no object in protobuf: {error}") from None
    return {"apiVersion": version, "kind": kind, **value}


def _parts(text: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message as they come: numbers, and contents by wire type."""
    at = 0
    while at < len(text):
        key, at = _varint(text, at)
        form = key & 7
        if form == _VARINT:
            number, at = _varint(text, at)
            yield key >> 3, number
            continue
        if form == _BYTES:
            size, at = _varint(text, at)
        elif form in {_FIXED64, _FIXED32}:
            size = 8 if form == _FIXED64 else 4
        else:
            raise WireError(f"the body is no object in protobuf: wire type {form}")
        if at + size > len(text):
            raise WireError("the body is no object in protobuf: it ends too early")
        yield key >> 3, text[at : at + size]
        at += size


def _varint(text: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = text[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise WireError("the body is no object in protobuf: a number does not end")


def _bytes(content: int | bytes) -> bytes:
    if isinstance(content, int):
        raise WireError("the body is no object in protobuf: a number where a text should be")
    return content


def _number(content: int | bytes) -> int:
    if isinstance(content, bytes):
        raise WireError("the body is no object in protobuf: a text where a number should be")
    return content - (1 << 64) if content >> 63 else content


def _message(type_: str, text: bytes, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise WireError("the body is no object in protobuf: it is nested too deep")
    fields = _fields(type_)
    value: dict[str, Any] = {}
    for number, content in _parts(text):
        field = fields.get(number)
        if field is None:
            continue  # of a newer release than ours
        form = field.form.removesuffix("*")
        if form.startswith("[]"):
            value.setdefault(field.name, []).extend(_items(form[2:], content, depth))
        elif form.startswith("{}"):
            entry = dict(_parts(_bytes(content)))
            name = _bytes(entry.get(1, b"")).decode()
            found = _value(form[2:], entry.get(2, b""), depth)
            value.setdefault(field.name, {})[name] = "" if found is None else found
        else:
            found = _value(form, content, depth)
            if not field.name and isinstance(found, dict):
                value |= found  # inlined
            elif found is not None and (found or field.form.endswith("*")):
                value[field.name] = found
    return value


def _items(form: str, content: int | bytes, depth: int) -> Iterator[Any]:
    if form == "i" and isinstance(content, bytes):  # packed
        at = 0
        while at < len(content):
            number, at = _varint(content, at)
            yield _number(number)
        return
    yield _value(form, content, depth)


def _value(form: str, content: int | bytes, depth: int) -> Any:
    if form == "s":
        return _bytes(content).decode()
    if form == "i":
        return _number(content)
    if form == "b":
        return bool(_number(content))
    if form == "y":
        return b64encode(_bytes(content)).decode()
    if form == "d":
        return struct.unpack("<d", _bytes(content))[0]
    if form.startswith("L"):
        return [_value(form[1:], each, depth) for _, each in _parts(_bytes(content))]
    special = _SPECIAL.get(form)
    if special is not None:
        return special(_bytes(content), depth + 1)
    return _message(form, _bytes(content), depth + 1)


# Types that have a form of their own in JSON


def _seconds(text: bytes, _depth: int) -> str | None:
    """A time to the second; none for Go's zero time."""
    moment = _moment(text)
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z" if moment is not None else None


def _microseconds(text: bytes, _depth: int) -> str | None:
    moment = _moment(text)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z" if moment is not None else None


def _moment(text: bytes) -> datetime | None:
    if not text:
        return None
    told = dict(_parts(text))
    seconds, nanoseconds = (_number(told.get(number, 0)) for number in (1, 2))
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)


def _quantity(text: bytes, _depth: int) -> str:
    return _bytes(dict(_parts(text)).get(1, b"0")).decode()


def _int_or_string(text: bytes, _depth: int) -> int | str:
    told = dict(_parts(text))
    return _bytes(told.get(3, b"")).decode() if told.get(1, 0) else _number(told.get(2, 0))


def _json(text: bytes, _depth: int) -> Any:
    """JSON that is carried as text."""
    raw = _bytes(dict(_parts(text)).get(1, b""))
    return orjson.loads(raw) if raw else None


def _schema_or(other: Callable[[list[int | bytes], int], Any]) -> Callable[[bytes, int], Any]:
    """A schema (field 1), or something else (field 2)."""

    def read(text: bytes, depth: int) -> Any:
        parts = list(_parts(text))
        schemas = [content for number, content in parts if number == 1]
        if schemas:
            return _message(_SCHEMA, _bytes(schemas[-1]), depth)
        return other([content for number, content in parts if number == 2], depth)

    return read


def _bool_or_schema(text: bytes, depth: int) -> Any:
    told = dict(_parts(text))
    return _message(_SCHEMA, _bytes(told[2]), depth) if 2 in told else bool(told.get(1, 0))


_META = "apimachinery/pkg/apis/meta/v1."
_EXTENSIONS = "apiextensions-apiserver/pkg/apis/apiextensions/v1."
_SCHEMA = f"{_EXTENSIONS}JSONSchemaProps"
_SPECIAL: Mapping[str, Callable[[bytes, int], Any]] = {
    f"{_META}Time": _seconds,
    f"{_META}MicroTime": _microseconds,
    f"{_META}FieldsV1": _json,
    "apimachinery/pkg/api/resource.Quantity": _quantity,
    "apimachinery/pkg/util/intstr.IntOrString": _int_or_string,
    "apimachinery/pkg/runtime.RawExtension": _json,
    f"{_EXTENSIONS}JSON": _json,
    f"{_EXTENSIONS}JSONSchemaPropsOrArray": _schema_or(
        lambda parts, depth: [_message(_SCHEMA, _bytes(part), depth) for part in parts]
    ),
    f"{_EXTENSIONS}JSONSchemaPropsOrBool": _bool_or_schema,
    f"{_EXTENSIONS}JSONSchemaPropsOrStringArray": _schema_or(
        lambda parts, _depth: [_bytes(part).decode() for part in parts]
    ),
}
