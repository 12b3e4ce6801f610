"""The `fieldPath` of a rule: `.spec.foo`, `.items['a.b'].c`; it must lead through properties and maps of the schema."""

from __future__ import annotations

import re

from pilotage.store.cel.schemas import Schema

__all__ = ["FieldPathError", "normalized"]

_PIECE = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<quoted>'(?:[^'\\]|\\.)*')\]")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class FieldPathError(ValueError):
    """The path is malformed or leads nowhere."""


def normalized(path: str, schema: Schema) -> str:
    """The path as it is shown behind the path of the rule's own value. Raises FieldPathError."""
    shown = ""
    at = 0
    while at < len(path):
        match = _PIECE.match(path, at)
        if match is None:
            raise FieldPathError(f"expected [ or . but got: {path[at:]}")
        name = match["name"] if match["name"] is not None else _unescaped(match["quoted"][1:-1])
        properties = schema.get("properties")
        values = schema.get("additionalProperties")
        if properties:
            if name not in properties:
                raise FieldPathError("does not refer to a valid field")
            schema = properties[name]
            shown += f".{name}" if shown else name
        elif isinstance(values, dict):
            schema = values
            shown += f"[{name}]"
        else:
            raise FieldPathError("does not refer to a valid field")
        at = match.end()
    return shown


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise FieldPathError(f"invalid escape char {match.group()}")
        return _ESCAPES[match[1]]

    return _ESCAPE.sub(character, text)
