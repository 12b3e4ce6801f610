"""Numbers as they were written.

A number with a decimal point is read as the decimal that somebody wrote, not as the float next to it: 0.15 is fifteen
hundredths, and a drop of exactly that is not above it. As everywhere in the gate (`loosejson`), what is no number is
None, truth values are no numbers, and the decision behind it names what follows.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

__all__ = ["as_text", "exact", "shown", "whole"]


def exact(value: Any) -> Fraction | None:
    """The exact value of a finite JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return Fraction(value)
    return Fraction(repr(value)) if math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """A JSON number without a fraction: 5 and 5.0 are the same number."""
    if type(value) is int:
        return value
    found = exact(value)
    return found.numerator if found is not None and found.denominator == 1 else None


def shown(value: Fraction) -> str:
    """A number for a reason line; one that no float can hold is only called large."""
    try:
        return f"{float(value):g}"
    except OverflowError:
        return "a very large number"


def as_text(value: Any) -> str:
    """How a value that should have been a text is shown: a text as it is, all else as JSON.

    What was read may be nested a little deeper than can be written; that is shown as nothing.
    """
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return ""
