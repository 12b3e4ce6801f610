"""Points in time and lengths of time: reading them, writing them, taking them apart.

Two grammars of durations exist side by side: Go's (`1h30m`, used by `duration()`), and the OpenAPI `duration` format of
values, which takes words and days as well (`2 days`, `3w`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pilotage.store.cel.declarations import Functions, Overload, method
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import DURATION, INT, STRING, TIMESTAMP
from pilotage.store.cel.values import Duration, Timestamp

__all__ = [
    "FUNCTIONS",
    "duration_from",
    "duration_from_value",
    "timestamp_from",
    "timestamp_from_date",
    "timestamp_from_value",
    "timestamp_text",
]

_NANOSECONDS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": _NANOSECONDS,
    "m": 60 * _NANOSECONDS,
    "h": 3600 * _NANOSECONDS,
}
_DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_WORDED_PART = re.compile(r"([0-9]+)\s*([A-Za-zµ]+)")
_DAY = 24 * 3600 * _NANOSECONDS
# The last word of a unit also matches with an ending (`days`, `seconds`).
_WORDED_UNITS = (
    (("ns", "nano"), 1),
    (("us", "µs", "micro"), 1_000),
    (("ms", "milli"), 1_000_000),
    (("s", "sec"), _NANOSECONDS),
    (("m", "min"), 60 * _NANOSECONDS),
    (("h", "hr", "hour"), 3600 * _NANOSECONDS),
    (("d", "day"), _DAY),
    (("w", "wk", "week"), 7 * _DAY),
)
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?(Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_LOCAL_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?()()()()"
)


def duration_from(text: str) -> Duration | None:
    """Go's grammar: `-1h2m3.5s`, `0`; None when it is not one."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return Duration(0)
    if not rest:
        return None
    total = 0
    while rest:
        match = _DURATION_PART.match(rest)
        if match is None or not (match[1] or match[2]):
            return None
        unit = _UNITS[match[3]]
        total += int(match[1] or "0") * unit
        if match[2]:
            total += int(match[2]) * unit // 10 ** len(match[2])
        rest = rest[match.end() :]
    total *= sign
    return Duration(total) if -(2**63) <= total < 2**63 else None


def duration_from_value(text: str) -> Duration | None:
    """The OpenAPI format `duration`: Go's grammar, or numbers with words (`3 days`, `1 week 2 days`)."""
    found = duration_from(text)
    if found is not None:
        return found
    total = 0
    some = False
    for number, word in _WORDED_PART.findall(text):
        for words, unit in _WORDED_UNITS:
            if word.lower() in words or word.lower().startswith(words[-1]):
                total += int(number) * unit
                some = True
    return Duration(total) if some and total < 2**63 else None


def timestamp_from(text: str) -> Timestamp | None:
    """RFC 3339; None when it is not that."""
    match = _RFC3339.fullmatch(text)
    return None if match is None else _from_match(match)


def timestamp_from_value(text: str) -> Timestamp | None:
    """The OpenAPI format `date-time`, which is RFC 3339 with or without an offset; empty text is 1970."""
    if text == "":
        return Timestamp(0)
    match = _RFC3339.fullmatch(text) or _LOCAL_TIME.fullmatch(text)
    return None if match is None else _from_match(match)


def timestamp_from_date(text: str) -> Timestamp | None:
    """The OpenAPI format `date`: midnight UTC."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    return timestamp_from(text + "T00:00:00Z")


def _from_match(match: re.Match[str]) -> Timestamp | None:
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    offset = 0
    if match[9]:
        hours, minutes = int(match[10]), int(match[11])
        if hours > 24 or minutes > 59:
            return None
        offset = (hours * 3600 + minutes * 60) * (-1 if match[9] == "-" else 1)
    try:
        seconds = _seconds(datetime(year, month, day, hour, minute, second, tzinfo=UTC)) - offset
        return Timestamp(seconds * _NANOSECONDS + int((match[7] or "0")[:9].ljust(9, "0")), offset)
    except (ValueError, EvaluationError):
        return None


def _seconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return since.days * 86400 + since.seconds


def timestamp_text(value: Timestamp) -> str:
    """RFC 3339 with as many fractional digits as needed, in the offset it was written in."""
    moment = _EPOCH + timedelta(seconds=value.ns // _NANOSECONDS + value.offset)
    fraction = f"{value.ns % _NANOSECONDS:09d}".rstrip("0")
    text = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}T{moment:%H:%M:%S}" + (
        f".{fraction}" if fraction else ""
    )
    if not value.offset:
        return text + "Z"
    hours, minutes = divmod(abs(value.offset) // 60, 60)
    return f"{text}{'-' if value.offset < 0 else '+'}{hours:02d}:{minutes:02d}"


def _zone(name: str) -> timezone | ZoneInfo:
    """`UTC`, a name of the time zone database, or `+hh:mm`."""
    head, colon, tail = name.partition(":")
    if colon:
        hours, minutes = _number(head), _number(tail)
        offset = hours * 60 - minutes if name.startswith("-") else hours * 60 + minutes
        try:
            return timezone(timedelta(minutes=offset))
        except ValueError:
            raise EvaluationError(f"unknown time zone {name}") from None
    if name in {"", "UTC"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {name}") from None


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        shown = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        raise EvaluationError(f"strconv.Atoi: parsing {shown}: invalid syntax")
    return int(text)


def _part(read: Callable[[datetime], int]) -> Callable[..., int]:
    def get(value: Timestamp, zone: str = "UTC") -> int:
        moment = _EPOCH + timedelta(seconds=value.ns // _NANOSECONDS)
        try:
            return read(moment.astimezone(_zone(zone)))
        except OverflowError:
            raise EvaluationError("timestamp overflow") from None

    return get


def _milliseconds(value: Timestamp, zone: str = "UTC") -> int:
    _zone(zone)
    return value.ns % _NANOSECONDS // 1_000_000


def _whole(unit: int) -> Callable[[Duration], int]:
    """How many whole units fit, towards zero."""

    def get(value: Duration) -> int:
        count = abs(value.ns) // unit
        return -count if value.ns < 0 else count

    return get


def _getter(word: str, get: Callable[..., int], duration_unit: int = 0) -> tuple[Overload, ...]:
    found = [
        method(f"timestamp_to_{word}", (TIMESTAMP,), INT, get),
        method(f"timestamp_to_{word}_with_tz", (TIMESTAMP, STRING), INT, get),
    ]
    if duration_unit:
        found.append(method(f"duration_to_{word}", (DURATION,), INT, _whole(duration_unit)))
    return tuple(found)


FUNCTIONS: Functions = {
    "getFullYear": _getter("year", _part(lambda moment: moment.year)),
    "getMonth": _getter("month", _part(lambda moment: moment.month - 1)),
    "getDayOfYear": _getter("day_of_year", _part(lambda moment: moment.timetuple().tm_yday - 1)),
    "getDayOfMonth": _getter("day_of_month", _part(lambda moment: moment.day - 1)),
    "getDate": _getter("day_of_month_1_based", _part(lambda moment: moment.day)),
    "getDayOfWeek": _getter("day_of_week", _part(lambda moment: moment.isoweekday() % 7)),
    "getHours": _getter("hours", _part(lambda moment: moment.hour), 3600 * _NANOSECONDS),
    "getMinutes": _getter("minutes", _part(lambda moment: moment.minute), 60 * _NANOSECONDS),
    "getSeconds": _getter("seconds", _part(lambda moment: moment.second), _NANOSECONDS),
    "getMilliseconds": _getter("milliseconds", _milliseconds, 1_000_000),
}
