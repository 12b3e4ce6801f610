"""The OpenAPI v2 document in the protobuf form of gnostic, the only one that kubectl before 1.27 and other Go clients ask for.

The messages are those of `openapiv2/OpenAPIv2.proto` in `github.com/google/gnostic-models`; a field number stands beside
each field name below. Extensions are carried as YAML, of which JSON is a part. The whole document is joined from parts, so that a
definition that did not change is not encoded again: `definition` and `path` give such parts.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

__all__ = ["definition", "document", "path"]

_Encode = Callable[[Any], bytes]
_Fields = Mapping[str, tuple[int, _Encode]]
_VARINT, _FIXED64, _BYTES = 0, 1, 2
_EXTENSION = "x-"


_SMALL = tuple(bytes([number]) for number in range(0x80))


def _varint(value: int) -> bytes:
    if 0 <= value < 0x80:
        return _SMALL[value]
    value &= 0xFFFF_FFFF_FFFF_FFFF  # negative numbers: two's complement in 64 bits
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


_KEYS = {number: _varint(number << 3 | _BYTES) for number in range(1, 32)}


def _field(number: int, content: bytes) -> bytes:
    return _KEYS[number] + _varint(len(content)) + content


def _message(number: int, encode: _Encode) -> tuple[int, _Encode]:
    return number, lambda value: _field(number, encode(value))


def _text(number: int) -> tuple[int, _Encode]:
    return _message(number, lambda value: str(value).encode())


def _flag(number: int) -> tuple[int, _Encode]:
    return number, lambda value: _varint(number << 3 | _VARINT) + b"\x01" if value else b""


def _integer(number: int) -> tuple[int, _Encode]:
    return number, lambda value: _varint(number << 3 | _VARINT) + _varint(int(value))


def _double(number: int) -> tuple[int, _Encode]:
    return number, lambda value: _varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def _repeated(number: int, encode: _Encode) -> tuple[int, _Encode]:
    return number, lambda values: b"".join(_field(number, encode(value)) for value in values)


def _texts(number: int) -> tuple[int, _Encode]:
    return _repeated(number, lambda value: str(value).encode())


def _named(number: int, encode: _Encode) -> tuple[int, _Encode]:
    """A map: a message with entries of name and value."""
    return number, lambda pairs: b"".join(
        _entry(number, name, encode(value)) for name, value in pairs.items()
    )


def _entry(number: int, name: str, content: bytes) -> bytes:
    return _field(number, _field(1, name.encode()) + _field(2, content))


def _any(value: Any) -> bytes:
    return _field(2, orjson.dumps(value))


def _struct(fields: _Fields, value: Mapping[str, Any], extensions: int = 0) -> bytes:
    """A message of those fields; what begins with `x-` is an extension."""
    written = [fields[name][1](child) for name, child in value.items() if name in fields]
    written += [
        _entry(extensions, name, _any(child))
        for name, child in value.items()
        if extensions and name.startswith(_EXTENSION)
    ]
    return b"".join(written)


# Types


def _schema(value: Mapping[str, Any]) -> bytes:
    return _struct(_SCHEMA, value, extensions=31)


def _type(value: Any) -> bytes:
    if isinstance(value, str):
        return _field(1, value.encode())
    return b"".join(_field(1, str(each).encode()) for each in value)


def _additional(value: Any) -> bytes:
    return _flag(2)[1](value) if isinstance(value, bool) else _field(1, _schema(value))


def _items(value: Any) -> bytes:
    return b"".join(_field(1, _schema(each)) for each in (value if isinstance(value, list) else [value]))


_SCHEMA: _Fields = {
    "$ref": _text(1),
    "format": _text(2),
    "title": _text(3),
    "description": _text(4),
    "default": _message(5, _any),
    "multipleOf": _double(6),
    "maximum": _double(7),
    "exclusiveMaximum": _flag(8),
    "minimum": _double(9),
    "exclusiveMinimum": _flag(10),
    "maxLength": _integer(11),
    "minLength": _integer(12),
    "pattern": _text(13),
    "maxItems": _integer(14),
    "minItems": _integer(15),
    "uniqueItems": _flag(16),
    "maxProperties": _integer(17),
    "minProperties": _integer(18),
    "required": _texts(19),
    "enum": _repeated(20, _any),
    "additionalProperties": _message(21, _additional),
    "type": _message(22, _type),
    "items": _message(23, _items),
    "allOf": _repeated(24, _schema),
    "properties": _message(25, _named(1, _schema)[1]),
    "example": _message(30, _any),
}

# Operations

_REFERENCE: _Fields = {"$ref": _text(1), "description": _text(2)}
_PATH_PARAMETER: _Fields = {
    "required": _flag(1),
    "in": _text(2),
    "description": _text(3),
    "name": _text(4),
    "type": _text(5),
    "uniqueItems": _flag(19),
}
_QUERY_PARAMETER: _Fields = {
    "required": _flag(1),
    "in": _text(2),
    "description": _text(3),
    "name": _text(4),
    "type": _text(6),
    "uniqueItems": _flag(20),
}
_BODY_PARAMETER: _Fields = {
    "description": _text(1),
    "name": _text(2),
    "in": _text(3),
    "required": _flag(4),
    "schema": _message(5, _schema),
}


def _parameter(value: Mapping[str, Any]) -> bytes:
    if value["in"] == "body":
        return _field(1, _struct(_BODY_PARAMETER, value))
    place, fields = (4, _PATH_PARAMETER) if value["in"] == "path" else (3, _QUERY_PARAMETER)
    return _field(2, _field(place, _struct(fields, value)))


def _parameter_item(value: Mapping[str, Any]) -> bytes:
    return _field(2, _struct(_REFERENCE, value)) if "$ref" in value else _field(1, _parameter(value))


_RESPONSE: _Fields = {
    "description": _text(1),
    "schema": _message(2, lambda value: _field(1, _schema(value))),
}
_OPERATION: _Fields = {
    "tags": _texts(1),
    "description": _text(3),
    "operationId": _text(5),
    "produces": _texts(6),
    "consumes": _texts(7),
    "parameters": _repeated(8, _parameter_item),
    "responses": _message(9, _named(1, lambda value: _field(1, _struct(_RESPONSE, value)))[1]),
    "schemes": _texts(10),
}


def _operation(value: Mapping[str, Any]) -> bytes:
    return _struct(_OPERATION, value, extensions=13)


_PATH: _Fields = {
    "get": _message(2, _operation),
    "put": _message(3, _operation),
    "post": _message(4, _operation),
    "delete": _message(5, _operation),
    "patch": _message(8, _operation),
    "parameters": _repeated(9, _parameter_item),
}

# The document

_INFO: _Fields = {"title": _text(1), "version": _text(2)}
_KEY: _Fields = {"type": _text(1), "name": _text(2), "in": _text(3), "description": _text(4)}


def definition(name: str, schema: Mapping[str, Any]) -> bytes:
    """One type, as a part of the document."""
    return _entry(1, name, _schema(schema))


def path(name: str, item: Mapping[str, Any]) -> bytes:
    """What can be done at one path, as a part of the document."""
    return _entry(2, name, _struct(_PATH, item))


def document(frame: Mapping[str, Any], paths: Iterable[bytes], definitions: Iterable[bytes]) -> bytes:
    """The whole document: `frame` without its paths and definitions, and those as parts."""
    keys = frame["securityDefinitions"]
    return b"".join(
        [
            _field(1, frame["swagger"].encode()),
            _field(2, _struct(_INFO, frame["info"])),
            _field(8, b"".join(paths)),
            _field(9, b"".join(definitions)),
            _field(10, _named(1, _parameter)[1](frame["parameters"])),
            *(_field(12, _named(1, _texts(1)[1])[1](each)) for each in frame["security"]),
            _field(13, _named(1, lambda value: _field(2, _struct(_KEY, value)))[1](keys)),
        ]
    )
