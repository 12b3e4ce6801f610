"""`'%s has %d'.format([name, count])`: clauses, values as text, and the check of constant formats at compile time.

Numbers under `%f` and `%e` are written in American English (`1,234.50`, `1.5×10⁰³`), as API servers do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pilotage.store.cel.library.times import timestamp_text
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.values import Duration, Timestamp, TypeValue, UInt, float_text, kind_of, type_name

__all__ = ["Clause", "ClauseError", "accepts", "clauses", "formatted", "quoted", "refusal"]

_PRECISION = 6
_SUPERSCRIPT = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")


class Clause(NamedTuple):
    """A clause of a format: its letter and its precision; `literal` text stands before it."""

    literal: str
    letter: str
    precision: int | None


class ClauseError(Exception):
    """The format itself is malformed."""


_ACCEPTED = {
    "d": (frozenset(["int", "uint"]), "decimal clause can only be used on integers, was given "),
    "f": (frozenset(["double"]), "fixed-point clause can only be used on doubles, was given "),
    "e": (frozenset(["double"]), "scientific clause can only be used on doubles, was given "),
    "b": (
        frozenset(["int", "uint", "bool"]),
        "only integers and bools can be formatted as binary, was given ",
    ),
    "x": (
        frozenset(["int", "uint", "string", "bytes"]),
        "only integers, byte buffers, and strings can be formatted as hex, was given ",
    ),
    "o": (frozenset(["int", "uint"]), "octal clause can only be used on integers, was given "),
    "s": (
        frozenset(
            [
                "list",
                "map",
                "int",
                "uint",
                "double",
                "bool",
                "string",
                "timestamp",
                "bytes",
                "duration",
                "type",
                "null",
            ]
        ),
        (
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, "
            "and timestamps, was given "
        ),
    ),
}


def accepts(letter: str, kind: str) -> bool:
    return kind in _ACCEPTED[letter.lower()][0]


def refusal(letter: str, type_: str) -> str:
    return _ACCEPTED[letter.lower()][1] + type_


def clauses(text: str, count: int) -> Iterator[Clause]:
    """The clauses of a format for `count` arguments; the last has no letter. Raises ClauseError."""
    literal: list[str] = []
    at = 0
    seen = 0
    while at < len(text):
        if text[at] != "%":
            end = text.find("%", at)
            end = len(text) if end < 0 else end
            literal.append(text[at:end])
            at = end
        elif text.startswith("%%", at):
            literal.append("%")
            at += 2
        else:
            if seen >= count:
                raise ClauseError(f"index {seen} out of range")
            if at + 1 >= len(text):
                raise ClauseError("unexpected end of string")
            at, letter, precision = _clause(text, at + 1)
            yield Clause("".join(literal), letter, precision)
            literal = []
            seen += 1
    yield Clause("".join(literal), "", None)


def _clause(text: str, at: int) -> tuple[int, str, int | None]:
    precision: int | None = None
    if text[at] == ".":
        digits = re.compile(r"[0-9]*").match(text, at + 1)
        number = digits.group() if digits else ""
        at += 1 + len(number)
        if at >= len(text):
            raise ClauseError(
                "could not parse formatting clause: error while parsing precision: "
                "could not find end of precision specifier"
            )
        if not number:
            raise ClauseError(
                "could not parse formatting clause: error while parsing precision: "
                'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
            )
        precision = int(number)
    letter = text[at]
    if letter not in "sdfebxXo":
        raise ClauseError(f'could not parse formatting clause: unrecognized formatting clause "{letter}"')
    return at + 1, letter, precision


def formatted(text: str, args: list[Any]) -> str:
    """Raises EvaluationError for a malformed format or an argument that does not fit its clause."""
    out: list[str] = []
    position = 0
    try:
        for clause in clauses(text, len(args)):
            out.append(clause.literal)
            if clause.letter:
                out.append(_write(clause, args[position]))
                position += 1
    except ClauseError as error:
        raise EvaluationError(str(error)) from None
    return "".join(out)


def _write(clause: Clause, value: Any) -> str:
    kind = kind_of(value)
    letter = clause.letter
    special = (
        letter in {"f", "e"} and value in {"NaN", "Infinity", "-Infinity"} if kind == "string" else False
    )
    if not accepts(letter, kind) and not special:
        raise EvaluationError(f"error during formatting: {refusal(letter, type_name(value))}")
    precision = _PRECISION if clause.precision is None else clause.precision
    writers: dict[str, Callable[[], str]] = {
        "s": lambda: _text(value),
        "d": lambda: str(int(value)),
        "b": lambda: format(int(value), "b"),
        "o": lambda: format(int(value), "o"),
        "x": lambda: _hexadecimal(value),
        "X": lambda: _hexadecimal(value).upper(),
        "f": lambda: _fixed(float(value), precision),
        "e": lambda: _scientific(float(value), precision),
    }
    return writers[letter]()


def _hexadecimal(value: Any) -> str:
    if isinstance(value, str):
        return value.encode().hex()
    return value.hex() if isinstance(value, bytes) else format(int(value), "x")


def _fixed(value: float, precision: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return format(value, f",.{precision}f")


def _scientific(value: float, precision: int) -> str:
    if not math.isfinite(value):
        return _fixed(value, precision)
    mantissa, _, exponent = format(value, f".{precision}e").partition("e")
    sign = "⁻" if exponent[0] == "-" else ""
    return f"{mantissa}×10{sign}{exponent[1:].rjust(2, '0').translate(_SUPERSCRIPT)}"


def _text(value: Any) -> str:
    """A value under `%s`."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return _nested(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise EvaluationError(
                'error during formatting: could not convert argument "invalid UTF-8 in bytes, cannot convert to string" to string'
            ) from None
    if isinstance(value, float):
        return float_text(value)
    return _nested(value) if not isinstance(value, (Timestamp, Duration)) else _moment(value)


def _moment(value: Timestamp | Duration) -> str:
    return timestamp_text(value) if isinstance(value, Timestamp) else str(value)


def _nested(value: Any) -> str:
    """A value inside a list or a map, written as CEL writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, UInt)):
        return str(int(value))
    if isinstance(value, float):
        if math.isfinite(value):
            return f"{value:.{_PRECISION}f}"
        return '"NaN"' if math.isnan(value) else ('"+Inf"' if value > 0 else '"-Inf"')
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bytes):
        return "b" + quoted(value.decode(errors="replace"))
    if isinstance(value, list):
        return "[" + ", ".join(map(_nested, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{_key(key)}:{_nested(item)}" for key, item in value.items())) + "}"
    if isinstance(value, (Timestamp, Duration)):
        word = "timestamp" if isinstance(value, Timestamp) else "duration"
        return f'{word}("{_moment(value)}")'
    if isinstance(value, TypeValue):
        return value.name
    raise EvaluationError(f"error during formatting: no formatting function for {type_name(value)}")


def _key(key: Any) -> str:
    if kind_of(key) not in {"string", "bool", "int", "uint"}:
        raise EvaluationError(
            f"error during formatting: no formatting function for map key of type {type_name(key)}"
        )
    return _nested(key)


_ESCAPES = {
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


def quoted(text: str) -> str:
    """As Go quotes a string."""
    out: list[str] = []
    for character in text:
        if character in _ESCAPES:
            out.append(_ESCAPES[character])
        elif character.isprintable():
            out.append(character)
        elif ord(character) < 0x80:
            out.append(f"\\x{ord(character):02x}")
        else:
            out.append(f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}")
    return '"' + "".join(out) + '"'
