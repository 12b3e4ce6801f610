"""JSON values in a text, one or several in a row, with what Go's decoder makes of numbers.

Kubernetes tools accept JSON wherever they accept YAML, and a stream of JSON objects without separators. A repeated key is an
error here as in YAML: which of the two values somebody meant cannot be known.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

import msgspec

from pilotage.api import numbers

__all__ = ["Found", "NotJSONError", "RepeatedKeyError", "decode", "looks_like_json"]

_BLANK = re.compile(r"[ \t\r\n]*")
_OPENING = re.compile(r"[ \t\r\n]*[{\[]")
# Half a pair passes the standard library, and then nothing can write it.
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
# Below this many characters an integer has at most 64 bits.
_SAFE_DIGITS = 18
_LONGEST_INTEGER = 400


class NotJSONError(ValueError):
    """Not JSON; `line` from 0, `column` from 1. After `values_before` complete values it cannot be YAML either."""

    def __init__(self, problem: str, line: int, column: int, values_before: int) -> None:
        super().__init__(problem)
        self.line = line
        self.column = column
        self.values_before = values_before


class RepeatedKeyError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Found(msgspec.Struct, frozen=True):
    """A value, and the line (from 0) where it begins."""

    value: Any
    line: int


def looks_like_json(text: str) -> bool:
    """Whether the first character that is not blank opens an object or an array; flow style YAML does, too."""
    return _OPENING.match(text) is not None


def decode(text: str, depth: int) -> list[Found]:
    """All JSON values in `text`.

    Raises NotJSONError, also for what JSON allows and we cannot keep (infinite numbers, half surrogate pairs, nesting
    beyond `depth`), and RepeatedKeyError.
    """
    found: list[Found] = []
    line = 0
    seen = 0
    while (position := _skip_blank(text, seen)) < len(text):
        line += text.count("\n", seen, position)
        try:
            value, seen = _decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise NotJSONError(error.msg, error.lineno - 1, error.colno, len(found)) from None
        except _UnfitNumberError:
            raise NotJSONError("a number is too large", line, 1, len(found)) from None
        except RecursionError:
            raise NotJSONError("nested too deep", line, 1, len(found)) from None
        if _is_deeper_than(depth, value):
            raise NotJSONError("nested too deep", line, 1, len(found))
        found.append(Found(value, line))
        line += text.count("\n", position, seen)
    if _SURROGATE_ESCAPE.search(text):
        _check_characters(found)
    return found


class _UnfitNumberError(ValueError):
    pass


def _skip_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        times = Counter(key for key, _ in pairs)
        raise RepeatedKeyError(next(key for key, count in times.items() if count > 1))
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _UnfitNumberError
    return numbers.whole_number(value)


def _integer(text: str) -> float:
    if len(text) <= _SAFE_DIGITS:
        return int(text)
    return numbers.bounded_integer(int(text)) if len(text) <= _LONGEST_INTEGER else _float(text)


def _constant(_name: str) -> NoReturn:
    raise _UnfitNumberError


def _is_deeper_than(depth: int, value: Any) -> bool:
    level: list[Any] = [[value]]
    for _ in range(depth + 1):
        if not level:
            return False
        level = [
            child
            for node in level
            for child in (node.values() if node.__class__ is dict else node)
            if child.__class__ is dict or child.__class__ is list
        ]
    return bool(level)


def _check_characters(found: list[Found]) -> None:
    for index, item in enumerate(found):
        try:
            msgspec.json.encode(item.value)
        except UnicodeEncodeError:
            raise NotJSONError("half of a surrogate pair is no character", item.line, 1, index) from None


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant
)
