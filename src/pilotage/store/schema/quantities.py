"""Quantities such as `500m` and `1.5Gi`, written in the one form in which the API server keeps each.

Decimal amounts take the suffix that leaves no fraction and no thousands (`0.5` is `500m`), binary ones that are whole take the largest
power of 1024 (`1536Mi` for `1.5Gi`); smaller than nano is rounded up. Follows `k8s.io/apimachinery/pkg/api/resource`.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal

__all__ = ["QuantityError", "canonical", "quantity"]

_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_BAD_SUFFIX = "unable to parse quantity's suffix"
_BAD_NUMBER = "unable to parse numeric part of quantity"
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SUFFIXES = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIXES = ["", *_BINARY]
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_EXACT = Context(prec=200)
_NANO = Decimal("1e-9")
_MILLI = Decimal("1e-3")
_LARGEST = Decimal(2**63 - 1)
_DIGITS = 18
"""Up to so many digits Go keeps an amount, and its text when that is canonical already, in one integer."""


class QuantityError(ValueError):
    """Not a quantity; the text is the API server's."""


def quantity(text: str) -> Decimal:
    """The amount. Raises QuantityError."""
    return _parsed(text)[0]


def canonical(text: str, *, in_milli: bool = False) -> str:
    """The one text of an amount; `in_milli` rounds it up to thousandths, as in lists of resources. Raises QuantityError."""
    text = text.strip()
    amount, base, exponent, digits, fraction = _parsed(text)
    if not amount:
        return "0"
    rounded = amount.quantize(_MILLI, rounding=ROUND_UP, context=_EXACT) if in_milli else amount
    if rounded == amount and _is_canonical(base, exponent, digits, fraction):
        return text
    amount = rounded
    whole = amount == amount.to_integral_value(context=_EXACT)
    if base == 2 and whole and not -1024 < amount < 1024:
        number, steps = int(amount), 0
        while number % 1024 == 0 and steps < len(_BINARY):
            number, steps = number // 1024, steps + 1
        return f"{number}{_BINARY_SUFFIXES[steps]}"
    scale = -9
    number = int(amount.scaleb(9, _EXACT))
    while number % 1000 == 0 and scale < 18:
        number, scale = number // 1000, scale + 3
    if base == 0:
        return f"{number}e{scale}" if scale else str(number)
    return f"{number}{_SUFFIXES[scale]}"


def _is_canonical(base: int, exponent: int, digits: str, fraction: str) -> bool:
    """Go keeps such a text as it is."""
    if base == 2:
        fits = not fraction and 15 - len(digits) - int(exponent * 3 / 10) - 1 >= 0
        return fits and exponent % 10 == 0 and int(digits) & 7 != 0
    scale = exponent - len(fraction)
    shifted = digits + fraction
    return (
        len(shifted) <= _DIGITS
        and scale >= -9
        and scale % 3 == 0
        and not shifted.endswith("000")
        and shifted[0] != "0"
    )


def _parsed(text: str) -> tuple[Decimal, int, int, str, str]:
    """The amount; 10, 2 or 0 for suffixes of either kind and for an exponent; the exponent; the digits; those behind the point."""
    found = _FORM.fullmatch(text)
    if not text or found is None:
        raise QuantityError(_WRONG)
    sign, digits, fraction, suffix = (part or "" for part in found.groups())
    base, exponent = _suffix(suffix)
    if not digits and not fraction and (sign or text.startswith(".")):
        raise QuantityError(_BAD_NUMBER)
    digits = digits.lstrip("0") or "0"
    amount = _EXACT.create_decimal(f"{sign}{digits}.{fraction or 0}")
    amount = _EXACT.multiply(amount, Decimal(2**exponent)) if base == 2 else amount.scaleb(exponent, _EXACT)
    rounded = amount.quantize(_NANO, rounding=ROUND_UP, context=_EXACT)
    if base == 2 and rounded > _LARGEST:
        rounded = _LARGEST
    return rounded, base, exponent, digits, fraction


def _suffix(suffix: str) -> tuple[int, int]:
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix]
    if suffix in _BINARY:
        return 2, _BINARY[suffix]
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None:
        raise QuantityError(_BAD_SUFFIX)
    return 0, int(exponent[1])
