"""Quantities such as `500m`, `1.5Gi` or `1e3`: reading, comparing, adding.

A quantity is exact. Whether `isInteger` holds also depends on how it was written: API servers answer from their fast
representation (an integer times a power of ten), which `1000m` and `1.5Gi` do not have; so do we.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal
from typing import ClassVar

from pilotage.store.cel.declarations import Functions, function, method
from pilotage.store.cel.library.costs import passes
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import BOOL, DOUBLE, INT, QUANTITY, STRING

__all__ = ["FUNCTIONS", "Quantity", "QuantityError", "parse_quantity"]

_EXACT = Context(prec=400, Emax=999_999, Emin=-999_999, traps=[])
_NANO = Decimal("1e-9")
_LARGEST_BINARY = Decimal(2**63 - 1)
_DIGITS_OF_INT64 = 18
_INT_MAX = 2**63 - 1
_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[+-]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


class QuantityError(ValueError):
    """The text is no quantity."""


class Quantity:
    """`value` exactly; `fast` is (integer, power of ten) when that representation exists."""

    __slots__ = ("fast", "value")
    cel_type: ClassVar[str] = "kubernetes.Quantity"

    def __init__(self, value: Decimal, fast: tuple[int, int] | None) -> None:
        self.value = value
        self.fast = fast

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


def parse_quantity(text: str) -> Quantity:
    """Raises QuantityError."""
    match = _FORM.fullmatch(text)
    if not text or match is None:
        raise QuantityError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    sign, whole, fraction, suffix = match[1], match[2].lstrip("0") or "0", match[3] or "", match[4]
    base, exponent = _suffix(suffix)
    digits = whole + fraction
    number = int(digits) if len(digits) <= 4000 else 0
    if len(digits) > 4000:
        raise QuantityError("unable to parse numeric part of quantity")
    number = -number if sign == "-" else number
    fast = _fast(number, base, exponent, len(whole), len(fraction))
    if fast is not None:
        return Quantity(Decimal(fast[0]).scaleb(fast[1], _EXACT), fast)
    if base == 10:
        value = Decimal(number).scaleb(exponent - len(fraction), _EXACT)
    else:
        value = Decimal(number * 2**exponent).scaleb(-len(fraction), _EXACT)
    if value and abs(value) < Decimal(10) ** 300:
        value = value.quantize(_NANO, rounding=ROUND_UP, context=_EXACT)
    if base == 2 and abs(value) > _LARGEST_BINARY:
        value = _LARGEST_BINARY.copy_sign(value)
    return Quantity(value, None)


def _suffix(suffix: str) -> tuple[int, int]:
    """Base and exponent. Raises QuantityError."""
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix]
    if suffix in _BINARY:
        return 2, _BINARY[suffix]
    if re.fullmatch(r"[eE][+-]?[0-9]+", suffix):
        exponent = int(suffix[1:][:12])
        if abs(exponent) < 100_000:
            return 10, exponent
    raise QuantityError("unable to parse quantity's suffix")


def _fast(number: int, base: int, exponent: int, whole: int, fraction: int) -> tuple[int, int] | None:
    if base == 10:
        room = _DIGITS_OF_INT64 - whole - fraction
        scale = exponent
        factor = 1
    else:
        if fraction:
            return None
        room = 15 - whole - int(exponent * 3 / 10) - 1
        scale = 0
        factor = 2**exponent
    scale -= fraction
    if room < 0 or scale < -9:
        return None
    value = number * factor
    return (value, scale) if abs(value) <= _INT_MAX else None


def _as_integer(quantity: Quantity) -> int | None:
    if quantity.fast is None:
        return None
    value, scale = quantity.fast
    if value == 0:
        return 0
    if scale < 0 or scale > _DIGITS_OF_INT64:
        return None
    found = value * 10**scale
    return found if -_INT_MAX - 1 <= found <= _INT_MAX else None


def _combined(one: Quantity, two: Quantity) -> Quantity:
    """The sum; fast when both are and the result fits."""
    if one.fast is not None and two.fast is not None:
        (value, scale), (other, other_scale) = one.fast, two.fast
        if not value or not other:
            return two if not value else one
        low = min(scale, other_scale)
        if scale - low <= _DIGITS_OF_INT64 and other_scale - low <= _DIGITS_OF_INT64:
            parts = (value * 10 ** (scale - low), other * 10 ** (other_scale - low))
            total = sum(parts)
            if all(abs(part) <= _INT_MAX for part in (*parts, total)):
                return Quantity(Decimal(total).scaleb(low, _EXACT), (total, low))
    return Quantity(_EXACT.add(one.value, two.value), None)


def _quantity(text: str) -> Quantity:
    try:
        return parse_quantity(text)
    except QuantityError as error:
        raise EvaluationError(str(error)) from None


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except QuantityError:
        return False
    return True


def _sign(quantity: Quantity) -> int:
    return (quantity.value > 0) - (quantity.value < 0)


def _is_integer(quantity: Quantity) -> bool:
    return _as_integer(quantity) is not None


def _integer(quantity: Quantity) -> int:
    found = _as_integer(quantity)
    if found is None:
        raise EvaluationError("cannot convert value to integer")
    return found


def _float(quantity: Quantity) -> float:
    return float(quantity.value)


def _compare(one: Quantity, two: Quantity) -> int:
    return (one.value > two.value) - (one.value < two.value)


def _greater(one: Quantity, two: Quantity) -> bool:
    return one.value > two.value


def _less(one: Quantity, two: Quantity) -> bool:
    return one.value < two.value


def _negated(quantity: Quantity) -> Quantity:
    fast = quantity.fast
    return Quantity(quantity.value.copy_negate(), None if fast is None else (-fast[0], fast[1]))


def _of_int(number: int) -> Quantity:
    return Quantity(Decimal(number), (number, 0))


def _subtract(one: Quantity, two: Quantity) -> Quantity:
    return _combined(one, _negated(two))


def _add_int(quantity: Quantity, number: int) -> Quantity:
    return _combined(quantity, _of_int(number))


def _subtract_int(quantity: Quantity, number: int) -> Quantity:
    return _combined(quantity, _of_int(-number))


FUNCTIONS: Functions = {
    "quantity": (function("string_to_quantity", (STRING,), QUANTITY, _quantity, cost=passes(1)),),
    "isQuantity": (function("is_quantity_string", (STRING,), BOOL, _is_quantity, cost=passes(1)),),
    "sign": (function("quantity_sign", (QUANTITY,), INT, _sign),),
    "isGreaterThan": (method("quantity_is_greater_than", (QUANTITY, QUANTITY), BOOL, _greater),),
    "isLessThan": (method("quantity_is_less_than", (QUANTITY, QUANTITY), BOOL, _less),),
    "compareTo": (method("quantity_compare_to", (QUANTITY, QUANTITY), INT, _compare),),
    "asApproximateFloat": (method("quantity_get_float", (QUANTITY,), DOUBLE, _float),),
    "asInteger": (method("quantity_get_int", (QUANTITY,), INT, _integer),),
    "isInteger": (method("quantity_is_integer", (QUANTITY,), BOOL, _is_integer),),
    "add": (
        method("quantity_add", (QUANTITY, QUANTITY), QUANTITY, _combined),
        method("quantity_add_int", (QUANTITY, INT), QUANTITY, _add_int),
    ),
    "sub": (
        method("quantity_sub", (QUANTITY, QUANTITY), QUANTITY, _subtract),
        method("quantity_sub_int", (QUANTITY, INT), QUANTITY, _subtract_int),
    ),
}
