"""What a scalar of Kubernetes YAML means.

Kubernetes reads YAML with Go's yaml.v2 behind sigs.k8s.io/yaml: YAML 1.1 booleans (`y`, `on`), octal numbers in both
spellings, no base 60, no dates. The reader asks `resolve` for every plain scalar; the writer asks it too, so that a text
which would be read as something else is quoted.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from typing import Any, Final

from pilotage.api import numbers

__all__ = ["HINTS", "MERGE_TAG", "UnfitScalarError", "is_timestamp", "key_text", "resolve", "resolve_tagged"]

_TAG: Final = "tag:yaml.org,2002:"
MERGE_TAG: Final = _TAG + "merge"

# A plain scalar that begins with none of these is text, whatever follows.
HINTS: Final = frozenset("+-0123456789.yYnNtTfFoO~")

_WORDS: Final[dict[str, bool | float | None]] = {
    **{word: True for name in ("y", "yes", "true", "on") for word in (name, name.title(), name.upper())},
    **{word: False for name in ("n", "no", "false", "off") for word in (name, name.title(), name.upper())},
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **{sign + word: math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_LONGEST_WORD: Final = 5

_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OTHER_BASE = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+))")
# yaml.v2 hands what follows `0b` to a parser that takes a sign of its own.
_SIGNED_BINARY = re.compile(r"0b([-+][01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT_FLOAT = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]+)?)?"
)
_INT64_START = -(1 << 63)
_INT64_END = 1 << 63
_UINT64_END = 1 << 64
# No number of 64 bits has more characters, in any base and with some padding; longer digits are floats or text.
_LONGEST_INTEGER = 80


class UnfitScalarError(ValueError):
    """A scalar that its tag, or its place, does not allow. The text says why and never shows the value."""


def resolve(text: str) -> Any:
    """What the plain scalar `text` means: null, a boolean, an integer, a float (also an infinite one), or text."""
    if text and text[0] not in HINTS:
        return text
    if len(text) <= _LONGEST_WORD and text in _WORDS:
        return _WORDS[text]
    if not text or text[0] in "yYnNtTfFoO~":
        return text
    if text[0] == ".":
        return _float(text) if _POINT_FLOAT.fullmatch(text) else text
    return _number(text)


def resolve_tagged(tag: str, text: str) -> Any:
    """What the scalar `text` means under an explicit tag. A tag that Kubernetes does not know is dropped.

    Raises UnfitScalarError when the text is not of the tag's type.
    """
    match tag.removeprefix(_TAG) if tag.startswith(_TAG) else "":
        case "binary":
            return _binary(text)
        case "bool":
            expected: tuple[type, ...] = (bool,)
        case "int":
            expected = (int,)
        case "float":
            expected = (int, float)
        case "null":
            expected = (type(None),)
        case "timestamp":
            if is_timestamp(text):
                return text
            expected = ()
        case _:
            return text
    value = resolve(text)
    if type(value) not in expected:
        raise UnfitScalarError(f"the value does not fit its tag !!{tag.removeprefix(_TAG)}")
    return float(value) if tag == _TAG + "float" else value


def key_text(value: Any) -> str:
    """The JSON key for a resolved scalar: `on:` is the key `true`, `1.0:` the key `1`.

    Raises UnfitScalarError for null and for integers above 63 bits, which Kubernetes refuses.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value < _INT64_END:
        return str(value)
    if isinstance(value, float):
        text = numbers.float_as_g(value, bits=32)
        return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(text, text)
    what = {type(None): "null", int: "an integer above 63 bits", dict: "a map", list: "a list"}[type(value)]
    raise UnfitScalarError(f"{what} cannot be a key")


def _number(text: str) -> Any:
    plain = text.replace("_", "")
    if len(plain) <= _LONGEST_INTEGER:
        integer = _integer(plain)
        # A sign takes the last of 64 bits away.
        end = _INT64_END if plain[0] in "+-" else _UINT64_END
        if integer is not None and _INT64_START <= integer < end:
            return integer
    number = _float(plain) if _FLOAT.fullmatch(plain) else text
    return text if isinstance(number, str) else number


def _float(text: str) -> float | str:
    """The number, or the text where a 64-bit float would overflow: overflow is not infinity."""
    value = float(text)
    return text if math.isinf(value) else value


def _integer(plain: str) -> int | None:
    if _DECIMAL.fullmatch(plain):
        return int(plain)
    if found := _OTHER_BASE.fullmatch(plain):
        sign, hexadecimal, binary, octal = found.groups()
        value = int(hexadecimal, 16) if hexadecimal else int(binary, 2) if binary else int(octal, 8)
        return -value if sign == "-" else value
    if found := _SIGNED_BINARY.fullmatch(plain):
        return int(found[1], 2)
    return None


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True).decode()
    except UnicodeDecodeError:
        raise UnfitScalarError("!!binary value is not UTF-8 text, which JSON cannot hold") from None
    except ValueError:
        raise UnfitScalarError("!!binary value is not base64") from None


def is_timestamp(text: str) -> bool:
    """Whether YAML 1.1 would make a date of the plain scalar; Kubernetes reads text, others do not."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return False
    year, month, day, *clock = (int(part) for part in found.groups() if part is not None)
    hour, minute, second = clock or (0, 0, 0)
    try:
        dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return False
    return True
