"""When was it? The one reading of times that all decisions of the gate share.

Times reach the gate from objects, from a ledger and from hands: RFC 3339 text, mostly. `read_instant` takes what RFC 3339
section 5.6 writes, `2026-06-11T03:15:00Z`, with the freedoms that it allows (`t` and `z` in lower case, a space for the
`T`, any number of digits of a second) and one that people take: without a zone it is UTC.

Everything else is no time, and the decision that asked says what follows from that: a date alone, minutes without
seconds, an offset without its colon, a leap second (Kubernetes does not write one either), a number, null.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

__all__ = ["read_instant"]

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)
_MICROSECONDS = 7  # a point and six digits: what a datetime holds


def read_instant(value: Any) -> datetime | None:
    """The moment that a text names, in UTC; None when `value` is no such text, or names a moment that cannot be."""
    written = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        return None
    date, time, fraction, zone = written.groups(default="")
    offset = "+00:00" if zone in ("", "Z", "z") else zone
    try:
        return datetime.fromisoformat(f"{date}T{time}{fraction[:_MICROSECONDS]}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):  # 30 February; the year 1 seen from the east
        return None
