"""Times as people write them on a command line: a moment, a day, or how far it is from now."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from pilotage.api.errors import InputError
from pilotage.gate.instants import read_instant

__all__ = ["ago", "ahead"]

_SPAN = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def ahead(text: str, now: datetime, option: str) -> datetime:
    """`12h`, `7d`, `2026-06-20` (its beginning in UTC) or RFC 3339. Raises InputError `BadTime`."""
    return _read(text, now, option, 1)


def ago(text: str, now: datetime, option: str) -> datetime:
    """The same, but a span lies behind us."""
    return _read(text, now, option, -1)


def _read(text: str, now: datetime, option: str, sign: int) -> datetime:
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        try:
            return now + sign * timedelta(seconds=int(span[1]) * _UNITS[span[2]])
        except OverflowError:
            raise _bad(text, option) from None
    moment = read_instant(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    if moment is None:
        raise _bad(text, option)
    return moment


def _bad(text: str, option: str) -> InputError:
    return InputError(
        "BadTime", f"{option} {text}: is no time", hint="write 12h, 7d, 2026-06-20 or 2026-06-20T03:15:00Z"
    )
