"""JSON, byte for byte as Go's `encoding/json` marshals a map.

Hashes that Kubernetes controllers put into names and annotations are made of these bytes: keys sorted by code point, no
spaces, `&`, `<`, `>` and the line separators U+2028 and U+2029 escaped for HTML, numbers spelled as Go spells them.
"""

from __future__ import annotations

import math
from typing import Any, Final

import orjson

from pilotage.api import numbers

__all__ = ["canonical_json"]

# These bytes stand in no other place of JSON than inside texts.
_HTML: Final = (
    (b"&", b"\\u0026"),
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def canonical_json(value: Any) -> bytes:
    """The one JSON text of `value`, which is made of what JSON has, at any depth.

    Raises TypeError for anything else, ValueError for infinities and NaN.
    """
    parts: list[bytes] = []
    work: list[Any] = [value]
    while work:
        item = work.pop()
        kind = item.__class__
        if kind is _Written:
            parts.append(item)
        elif kind is str or kind is int or kind is bool or item is None:
            parts.append(orjson.dumps(item))
        elif kind is dict:
            work.append(_CLOSE_OBJECT)
            for key in sorted(item, reverse=True):
                if key.__class__ is not str:
                    raise TypeError(f"a key must be text, not {type(key).__name__}")
                work += (item[key], _Written(orjson.dumps(key) + b":"), _COMMA)
            _open(work, _OPEN_OBJECT, filled=bool(item))
        elif kind is list or kind is tuple:
            work.append(_CLOSE_ARRAY)
            for child in reversed(item):
                work += (child, _COMMA)
            _open(work, _OPEN_ARRAY, filled=bool(item))
        elif kind is float:
            parts.append(_float(item))
        else:
            raise TypeError(f"JSON has no {kind.__name__}")
    text = b"".join(parts)
    for plain, escaped in _HTML:
        if plain in text:
            text = text.replace(plain, escaped)
    return text


class _Written(bytes):
    """JSON text, as opposed to a value that is still to be written."""

    __slots__ = ()


_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY, _COMMA = map(_Written, (b"{", b"}", b"[", b"]", b","))


def _open(work: list[Any], bracket: _Written, *, filled: bool) -> None:
    """Put the bracket in place of the comma before the first child, which is the last in the stack."""
    if filled:
        work.pop()
    work.append(bracket)


def _float(value: float) -> bytes:
    if not math.isfinite(value):
        raise ValueError("JSON has no infinity and no NaN")
    return numbers.float_as_json(value).encode()
