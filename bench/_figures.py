"""How figures are told: with the limit they are held against, and how they grow."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

__all__ = ["MOST_GROWTH", "growth", "held"]

MOST_GROWTH = 1.1
"""Of an exponent: what grows with its input, and hardly more."""


def held(value: float, *, most: float | None = None, least: float | None = None) -> dict[str, Any]:
    """A figure with its limit; reported, never asserted."""
    is_met = (most is None or value <= most) and (least is None or value >= least)
    limits = {"at_most": most, "at_least": least}
    told = {name: limit for name, limit in limits.items() if limit is not None}
    return {"value": float(f"{value:.4g}"), **told, "is_met": is_met}


def growth(seconds: Mapping[int, float]) -> dict[str, Any]:
    """Seconds by size, and the exponent: the slope of log time over log size, by least squares."""
    fitted = statistics.linear_regression(
        [math.log(size) for size in seconds], [math.log(each) for each in seconds.values()]
    )
    return {
        "seconds": {str(size): float(f"{each:.4g}") for size, each in seconds.items()},
        "exponent": held(fitted.slope, most=MOST_GROWTH),
    }
