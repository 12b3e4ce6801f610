"""How the API server writes a value into a message: Go's `%q`, `%v` and `encoding/json`.

Clients, tests and people compare these messages, so the few places where Go prints a value differently from Python are
kept here: exponents, HTML-safe JSON, quoted strings, and the border between a 64-bit integer and a float.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import orjson

__all__ = ["float_text", "is_integer", "json_text", "json_type", "plain_text", "quoted", "simple_text"]

MAX_INT64 = 2**63 - 1
_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})


def is_integer(value: Any) -> bool:
    """A JSON number that the API server holds as a 64-bit integer; larger ones are floats to it."""
    return type(value) is int and -MAX_INT64 - 1 <= value <= MAX_INT64


def json_type(value: Any) -> str:
    """The schema type that a JSON value has."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    return "integer" if is_integer(value) else "number"


def quoted(text: str) -> str:
    """Go's `%q`: double quotes, with everything that does not print escaped."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_quoted_character(character) for character in text) + '"'


def _quoted_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character == " " or unicodedata.category(character) not in _UNPRINTABLE:
        return character
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def float_text(value: float) -> str:
    """Go's `%v` of a float: the shortest digits; an exponent from a million on, or below 0.0001."""
    return _shortest(float(value), low=1e-4, high=1e6, exponent_digits=2)


def _json_float(value: float) -> str:
    return _shortest(value, low=1e-6, high=1e21, exponent_digits=1)


def _shortest(value: float, *, low: float, high: float, exponent_digits: int) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    digits, exponent = _digits(abs(value))
    if value and not low <= abs(value) < high:
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):0{exponent_digits}d}"
    point = exponent + 1
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def _digits(value: float) -> tuple[str, int]:
    """The shortest decimal digits that give this float back, and the power of ten of the first of them."""
    if not value:
        return "0", 0
    mantissa, _, exponent = f"{value!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    power = len(whole) - 1 if whole != "0" else -1 - (len(fraction) - len(fraction.lstrip("0")))
    return digits.rstrip("0") or "0", power + (int(exponent) if exponent else 0)


def plain_text(value: Any) -> str:
    """Go's `%v` of a JSON value."""
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{name}:{plain_text(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(plain_text, value))}]"
    if isinstance(value, str):
        return value
    return "<nil>" if value is None else simple_text(value)


def simple_text(value: Any) -> str:
    """A number or a boolean as `%v`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if is_integer(value) else float_text(value)


def json_text(value: Any) -> str:
    """Go's JSON: keys sorted, no spaces, `<`, `>` and `&` escaped."""
    if isinstance(value, str):
        text = orjson.dumps(value).decode()
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return text
    if isinstance(value, Mapping):
        members = (f"{json_text(name)}:{json_text(value[name])}" for name in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else simple_text(value)
    return str(value) if is_integer(value) else _json_float(float(value))
