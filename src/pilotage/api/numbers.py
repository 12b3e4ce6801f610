"""How Go writes a number, because hashes, keys and texts of Kubernetes are made of what Go wrote.

`encoding/json` and `strconv.FormatFloat(…, 'g', -1, …)` take the fewest digits that read back unchanged, as Python does,
but they disagree with Python about when to use an exponent and how to spell it.
"""

from __future__ import annotations

import math
import struct

__all__ = ["bounded_integer", "float_as_g", "float_as_json", "whole_number"]

_INT64_START = -(1 << 63)
_UINT64_END = 1 << 64


def whole_number(value: float) -> int | float:
    """The integer that `value` equals, when it has at most 64 bits; else `value`."""
    if _INT64_START <= value < _UINT64_END and value.is_integer():
        return int(value)
    return value


def bounded_integer(value: int) -> int | float:
    """`value`, or the nearest float when it has more than 64 bits: Kubernetes keeps no longer integers."""
    return value if _INT64_START <= value < _UINT64_END else float(value)


def float_as_json(value: float) -> str:
    """A finite float as `encoding/json` writes it: `1`, `4.2`, `1e+21`, `1e-7`."""
    sign, digits, exponent = _scientific(repr(value))
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return sign + _positional(digits, exponent)
    return sign + _exponential(digits, exponent, width=1 if exponent < 0 else 2)


def float_as_g(value: float, bits: int = 64) -> str:
    """A float in Go's format `g` with the shortest precision: `1`, `4.2`, `1e+06`, `1e-05`, `+Inf`.

    With `bits` 32 the value is rounded to single precision first: so does the YAML library with keys.
    """
    if math.isnan(value):
        return "NaN"
    text = repr(value) if bits == 64 else _single_precision(value)
    if "inf" in text:
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = _scientific(text)
    if -4 <= exponent < 6 or digits == "0":
        return sign + _positional(digits, exponent)
    return sign + _exponential(digits, exponent, width=2)


def _scientific(text: str) -> tuple[str, str, int]:
    """Sign, digits without outer zeros, and the power of ten of the first digit."""
    sign = "-" if text.startswith("-") else ""
    mantissa, _, power = text.removeprefix("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    all_digits = whole + fraction
    digits = all_digits.lstrip("0")
    exponent = int(power or 0) + len(whole) - 1 - (len(all_digits) - len(digits))
    return sign, digits.rstrip("0") or "0", exponent if digits else 0


def _positional(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    if len(digits) <= exponent + 1:
        return digits.ljust(exponent + 1, "0")
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def _exponential(digits: str, exponent: int, width: int) -> str:
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):0{width}}"


def _single_precision(value: float) -> str:
    """The fewest digits that give back the same 32-bit float."""
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        return "inf" if value > 0 else "-inf"
    (single,) = struct.unpack("<f", packed)
    for precision in range(1, 9):
        text = f"{single:.{precision}g}"
        if struct.pack("<f", float(text)) == packed:
            return text
    return f"{single:.9g}"
