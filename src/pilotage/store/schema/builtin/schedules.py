"""Is a text a schedule of a CronJob? The five fields of cron, or a name such as `@hourly`; faults in the words of robfig/cron."""

from __future__ import annotations

import re

__all__ = ["schedule_fault"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
"""Least, most and names of each field: minute, hour, day, month, weekday."""
_NAMED = frozenset({"@annually", "@daily", "@hourly", "@midnight", "@monthly", "@weekly", "@yearly"})
_DURATION = re.compile(r"[+-]?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+")
_NUMBER = re.compile(r"[+-]?\d+")


class _FaultError(ValueError):
    pass


def schedule_fault(text: str) -> str:
    """What is wrong with a schedule; empty when nothing is."""
    if not text:
        return "empty spec string"
    if text.startswith(("TZ=", "CRON_TZ=")):
        text = text.partition(" ")[2].strip()
    if text.startswith("@"):
        return _descriptor_fault(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    try:
        for field, (low, high, names) in zip(fields, _FIELDS, strict=True):
            for part in field.split(","):
                _check(part, low, high, names)
    except _FaultError as fault:
        return str(fault)
    return ""


def _descriptor_fault(text: str) -> str:
    if text in _NAMED:
        return ""
    if text.startswith("@every "):
        duration = text.removeprefix("@every ")
        return (
            ""
            if _DURATION.fullmatch(duration)
            else f'failed to parse duration {text}: time: invalid duration "{duration}"'
        )
    return f"unrecognized descriptor: {text}"


def _check(part: str, low: int, high: int, names: dict[str, int]) -> None:
    span, *steps = part.split("/")
    first, *rest = span.split("-")
    if first in {"*", "?"}:
        start, end = low, high
    else:
        start = _number(first, names)
        if len(rest) > 1:
            raise _FaultError(f"too many hyphens: {part}")
        end = _number(rest[0], names) if rest else (high if steps else start)
    if len(steps) > 1:
        raise _FaultError(f"too many slashes: {part}")
    step = _number(steps[0], {}) if steps else 1
    if start < low:
        raise _FaultError(f"beginning of range ({start}) below minimum ({low}): {part}")
    if end > high:
        raise _FaultError(f"end of range ({end}) above maximum ({high}): {part}")
    if start > end:
        raise _FaultError(f"beginning of range ({start}) beyond end of range ({end}): {part}")
    if step == 0:
        raise _FaultError(f"step of range should be a positive number: {part}")


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not _NUMBER.fullmatch(text):
        raise _FaultError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise _FaultError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
