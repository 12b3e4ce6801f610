"""Durations as Go's `time.ParseDuration` and kube-openapi's `strfmt.ParseDuration` read them: `1h30m`, `-1.5h`, `3 days`."""

from __future__ import annotations

import re

__all__ = ["is_duration"]

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_GO = re.compile(r"[+-]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_LOOSE = re.compile(r"([0-9]+)[ \t\n\f\r]*([A-Za-zµ]+)")
_WORDS = {"ns", "us", "µs", "ms", "s", "m", "min", "h", "hr", "d", "w", "wk"}
_BEGINNINGS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_MAX_INT64 = 2**63 - 1


def is_duration(text: str) -> bool:
    if _GO.fullmatch(text) and _fits(text):
        return True
    accepted = False
    for found in _LOOSE.finditer(text):
        if int(found[1]) > _MAX_INT64:
            return False
        unit = found[2].lower()
        accepted = accepted or unit in _WORDS or unit.startswith(_BEGINNINGS)
    return accepted


def _fits(text: str) -> bool:
    """Go counts nanoseconds in 64 bits."""
    total = 0.0
    for whole, fraction, unit in _PART.findall(text):
        total += (int(whole or 0) + (float("0." + fraction) if fraction else 0.0)) * _NANOSECONDS[unit]
    return total <= _MAX_INT64 + (1 if text.startswith("-") else 0)
