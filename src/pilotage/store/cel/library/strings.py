"""Functions of strings: the standard ones, and the strings extension in the version that Kubernetes offers.

Positions and sizes count code points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotage.store.cel.declarations import Functions, function, method
from pilotage.store.cel.library.costs import passes, tenth, traversal
from pilotage.store.cel.library.formatting import formatted
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import BOOL, DYN, INT, STRING, list_of
from pilotage.store.cel.values import size_of, text_of

__all__ = ["FUNCTIONS"]

_STRINGS = list_of(STRING)
_LOWER = {point: point + 32 for point in range(ord("A"), ord("Z") + 1)}
_UPPER = {point: point - 32 for point in range(ord("a"), ord("z") + 1)}
# What Go's unicode.IsSpace accepts; str.strip() would also take U+001C to U+001F.
_SPACE = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def _contains(text: str, part: str) -> bool:
    return part in text


def _char_at(text: str, position: int) -> str:
    if not 0 <= position <= len(text):
        raise EvaluationError(f"index out of range: {position}")
    return text[position : position + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if not part:
        return start
    if start < 0:
        raise EvaluationError(f"index out of range: {start}")
    return text.find(part, start)


def _last_index_of(text: str, part: str) -> int:
    return len(text) if not part else text.rfind(part)


def _last_index_of_from(text: str, part: str, start: int) -> int:
    if not part:
        return start
    if start < 0:
        raise EvaluationError(f"index out of range: {start}")
    if start >= len(text):
        return -1
    return text.rfind(part, 0, start + len(part))


def _lower(text: str) -> str:
    return text.translate(_LOWER)


def _upper(text: str) -> str:
    return text.translate(_UPPER)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, min(count, len(text) + 1))


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if not separator:
        if count < 0 or count >= len(text):
            return list(text)
        return [*text[: count - 1], text[count - 1 :]]
    return text.split(separator, min(count - 1, len(text)) if count > 0 else -1)


def _substring(text: str, start: int) -> str:
    if not 0 <= start <= len(text):
        raise EvaluationError(f"index out of range: {start}")
    return text[start:]


def _substring_to(text: str, start: int, end: int) -> str:
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    for position in (start, end):
        if not 0 <= position <= len(text):
            raise EvaluationError(f"index out of range: {position}")
    return text[start:end]


def _trim(text: str) -> str:
    return text.strip(_SPACE)


def _join(items: list[Any], separator: str = "") -> str:
    for item in items:
        if not isinstance(item, str):
            raise EvaluationError(f"join: invalid input: {text_of(item)}")
    return separator.join(items)


_QUOTED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def _quote(text: str) -> str:
    return '"' + "".join(_QUOTED.get(character, character) for character in text) + '"'


def _contains_cost(args: tuple[Any, ...], _result: Any) -> int:
    return tenth(size_of(args[0])) * tenth(size_of(args[1]))


def _join_cost(_args: tuple[Any, ...], result: Any) -> int:
    return tenth(size_of(result) * 2)


def _walk(args: tuple[Any, ...], _result: Any) -> int:
    return traversal(args[0])


def _of_text(id_: str, name: Callable[..., Any], *args: Any, passing: int = 1) -> Any:
    *taken, result = args
    return method(id_, (STRING, *taken), result, name, cost=passes(passing))


FUNCTIONS: Functions = {
    "contains": (method("contains_string", (STRING, STRING), BOOL, _contains, cost=_contains_cost),),
    "endsWith": (_of_text("ends_with_string", str.endswith, STRING, BOOL),),
    "startsWith": (_of_text("starts_with_string", str.startswith, STRING, BOOL),),
    "charAt": (method("string_char_at_int", (STRING, INT), STRING, _char_at),),
    "indexOf": (
        method("string_index_of_string", (STRING, STRING), INT, _index_of, cost=_walk),
        method("string_index_of_string_int", (STRING, STRING, INT), INT, _index_of, cost=_walk),
    ),
    "lastIndexOf": (
        method("string_last_index_of_string", (STRING, STRING), INT, _last_index_of, cost=_walk),
        method(
            "string_last_index_of_string_int", (STRING, STRING, INT), INT, _last_index_of_from, cost=_walk
        ),
    ),
    "lowerAscii": (_of_text("string_lower_ascii", _lower, STRING),),
    "upperAscii": (_of_text("string_upper_ascii", _upper, STRING),),
    "replace": (
        _of_text("string_replace_string_string", _replace, STRING, STRING, STRING, passing=2),
        _of_text("string_replace_string_string_int", _replace, STRING, STRING, INT, STRING, passing=2),
    ),
    "split": (
        _of_text("string_split_string", _split, STRING, _STRINGS, passing=2),
        _of_text("string_split_string_int", _split, STRING, INT, _STRINGS, passing=2),
    ),
    "substring": (
        _of_text("string_substring_int", _substring, INT, STRING),
        _of_text("string_substring_int_int", _substring_to, INT, INT, STRING),
    ),
    "trim": (_of_text("string_trim", _trim, STRING),),
    "format": (_of_text("string_format", formatted, list_of(DYN), STRING),),
    "strings.quote": (function("strings_quote", (STRING,), STRING, _quote, cost=passes(1)),),
    "join": (
        method("list_join", (_STRINGS,), STRING, _join, cost=_join_cost),
        method("list_join_string", (_STRINGS, STRING), STRING, _join, cost=_join_cost),
    ),
}
