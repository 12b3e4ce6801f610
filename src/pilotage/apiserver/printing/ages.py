"""Times as people read them: `45s`, `3m20s`, `5h12m`, `3d`, `2y31d`.

Follows `k8s.io/apimachinery/pkg/util/duration`: two units while the second one says something, then one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

__all__ = ["age", "duration", "seconds_of"]

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
UNKNOWN = "<unknown>"


def duration(seconds: float) -> str:
    """A span of time. A second or so into the future counts as now: clocks differ."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _two(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large}{large_name}" + (f"{rest}{small_name}" if rest else "")


def seconds_of(timestamp: Any) -> float | None:
    """A timestamp of an object in seconds since 1970; None when there is none, or it cannot be read."""
    if not isinstance(timestamp, str):
        return None
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, OverflowError):
        return None


def age(timestamp: Any, now: float) -> str:
    """How long ago that was."""
    since = seconds_of(timestamp)
    return UNKNOWN if since is None else duration(now - since)
