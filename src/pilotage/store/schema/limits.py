"""Numbers against their limits, in the words and with the habits of kube-openapi.

An integer is compared with the whole part of a limit; a limit that does not fit the type of the field is itself reported;
a multiple is judged with a tolerance, since binary fractions are not exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotage.store.schema.compiled import Checks
from pilotage.store.schema.gotext import float_text, is_integer

__all__ = ["is_whole", "number_faults"]

_TOLERANCE = 1e-9
_MAX_SAFE = 2**53 - 1
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "": (-(2**63), 2**63 - 1)}
_MAX_FLOAT32 = 3.4028235677973366e38

Report = Callable[[Any, str], None]


def is_whole(number: float) -> bool:
    """Is the float an integer, give or take a rounding error?"""
    if not -_MAX_SAFE - 1 <= number <= _MAX_SAFE:
        return False
    whole = float(int(number))
    if number == whole:
        return True
    return abs(number - whole) / (abs(number) + abs(whole)) < _TOLERANCE


def number_faults(
    checks: Checks, value: float, path: str, invalid: Report, general: Callable[[str], None]
) -> None:
    """Report each fault: `invalid` about this field with a value, `general` about no field."""
    fault = _range_fault(checks, value, "Checked", path)
    if fault:
        general(fault)
    if checks.multiple_of is not None:
        _multiple(checks, checks.multiple_of, value, path, invalid, general)
    if checks.minimum is not None:
        _limit(checks, checks.minimum, value, path, invalid, general, upper=False)
    if checks.maximum is not None:
        _limit(checks, checks.maximum, value, path, invalid, general, upper=True)


def _range_fault(checks: Checks, value: float, what: str, path: str) -> str:
    kind, form = checks.number_type, checks.number_format
    if kind == "integer":
        low, high = _RANGES[form]
        fits = value == int(value) and low <= value <= high
    elif form == "float":
        fits = abs(value) < _MAX_FLOAT32
    else:
        return ""
    if fits:
        return ""
    described = f"with format {form}" if form else "(default format)"
    return f"{what} value must be of type {kind} {described} in {path}"


def _multiple(
    checks: Checks, factor: float, value: float, path: str, invalid: Report, general: Callable[[str], None]
) -> None:
    fault = _range_fault(checks, factor, "MultipleOf", path)
    if fault:
        general(fault)
    step: float
    if is_integer(value) and not fault:
        step = int(factor)
        shown = str(step)
        holds = step > 0 and int(value) % step == 0
    else:
        step, value = factor, float(value)
        shown = float_text(step)
        holds = step > 0 and is_whole(1 / step * value if step < 1 else value / step)
    if step <= 0:
        invalid(step, f"factor MultipleOf declared for {path} must be positive: {shown}")
    elif not holds:
        invalid(value, f"{path} in body should be a multiple of {shown}")


def _limit(
    checks: Checks,
    limit: float,
    value: float,
    path: str,
    invalid: Report,
    general: Callable[[str], None],
    *,
    upper: bool,
) -> None:
    exclusive = checks.exclusive_maximum if upper else checks.exclusive_minimum
    fault = _range_fault(checks, limit, "Maximum boundary" if upper else "Minimum boundary", path)
    if fault:
        general(fault)
    whole = is_integer(value) and not fault
    compared: float = int(limit) if whole else limit
    value = value if whole else float(value)
    beyond = value > compared if upper else value < compared
    if not (beyond or (exclusive and value == compared)):
        return
    words = ("less than" if upper else "greater than") + ("" if exclusive else " or equal to")
    shown = str(compared) if whole else float_text(compared)
    invalid(value, f"{path} in body should be {words} {shown}")
