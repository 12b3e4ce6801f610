"""On which nights does a gate run, and which of them were missed?

A schedule is a cron expression in a time zone, as in a CronJob of Kubernetes (`batch/v1`), and means the same here and there:
a slot that was missed is made good for `startingDeadlineSeconds`, and of several missed ones only the newest is. A slot is a
moment in UTC, whose name makes a run that is started twice for one slot the same run.

When the clocks change no night is skipped and none is doubled, as with Debian's cron: in spring a slot in the missing hour
falls on the first moment after it, in autumn one in the doubled hour counts the first time. An expression whose minute or hour
begins with `*` follows elapsed time instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from pilotage.api.errors import InputError

__all__ = [
    "STARTING_DEADLINE",
    "Due",
    "Schedule",
    "due",
    "heartbeat_deadline",
    "next_slot",
    "parse",
    "slots_after",
    "trigger_id",
]

STARTING_DEADLINE: Final = timedelta(seconds=7200)
_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: Final = 5
_HINT: Final = "write five fields, minute hour day month weekday, such as 15 3 * * *"
_OVERLAP: Final = timedelta(hours=3)
_MOST_MISSED: Final = 100
_WORTH_TELLING: Final = timedelta(days=2)
_GAPS: Final = 16
_BEAT: Final = 0.1


class Schedule(msgspec.Struct, frozen=True):
    """`cron` has five fields; `zone` is a name of the tz database. Made by `parse`."""

    cron: str
    zone: str = "Etc/UTC"


class Due(msgspec.Struct, frozen=True):
    """`slot` is to be run now, None when nothing is due; `missed` are older ones, which nobody will run, oldest first."""

    slot: datetime | None = None
    missed: tuple[datetime, ...] = ()


def parse(cron: str, zone: str = "Etc/UTC") -> Schedule:
    """Raises InputError `BadSchedule` for what Kubernetes or we do not know."""
    expression = _MACROS.get(cron.strip().lower(), cron.strip())
    problem = _unknown(expression)
    if problem:
        raise InputError("BadSchedule", f"schedule {cron!r}: {problem}", hint=_HINT)
    schedule = Schedule(" ".join("*" if field == "?" else field for field in expression.split()), zone)
    try:
        tz = _zone(zone)
    except (ValueError, OSError, LookupError):
        raise InputError(
            "BadTimeZone",
            f"timeZone {zone!r}: is not in the time zone database",
            hint="name a place, such as Etc/UTC or Europe/Berlin",
        ) from None
    try:
        next(CronSim(schedule.cron, datetime(2026, 1, 1, tzinfo=tz)))
    except CronSimError as error:
        raise InputError("BadSchedule", f"schedule {cron!r}: {error}", hint=_HINT) from None
    except StopIteration:
        raise InputError("BadSchedule", f"schedule {cron!r}: names no moment", hint=_HINT) from None
    return schedule


def next_slot(schedule: Schedule, after: datetime) -> datetime:
    """The first slot later than `after`, in UTC."""
    return slots_after(schedule, after, 1)[0]


def slots_after(schedule: Schedule, after: datetime, count: int) -> tuple[datetime, ...]:
    """The next `count` slots later than `after`, in UTC; fewer when time ends."""
    return tuple(islice(_slots(schedule, after), count))


def due(
    schedule: Schedule, last: datetime, now: datetime, starting_deadline: timedelta = STARTING_DEADLINE
) -> Due:
    """What is to be done now, when `last` is the last slot that was handled, or when the gate began.

    The newest slot is run when it is no older than the deadline; every other one since `last` was missed. Of very many missed
    ones the newest hundred of the last days are told.
    """
    worth_telling = now - max(starting_deadline, _WORTH_TELLING)
    passed: list[datetime] = []
    for slot in takewhile(lambda slot: slot <= now, _slots(schedule, last)):
        passed.append(slot)
        if len(passed) == _MOST_MISSED and slot < worth_telling:
            # Nobody wants to hear of slots as old as these, and there may be millions of them.
            return due(schedule, worth_telling, now, starting_deadline)
    passed = passed[-_MOST_MISSED:]
    if passed and now - passed[-1] <= starting_deadline:
        return Due(passed[-1], tuple(passed[:-1]))
    return Due(None, tuple(passed))


def heartbeat_deadline(schedule: Schedule, last: datetime) -> datetime:
    """When somebody should worry that no tick came after `last`: a tenth of the period later than the next slot."""
    slots = slots_after(schedule, last, _GAPS)
    period = max((later - earlier for earlier, later in pairwise(slots)), default=timedelta(days=1))
    return slots[0] + period * _BEAT


def trigger_id(slot: datetime) -> str:
    """The name of a slot, `2026-06-11T03:15Z`."""
    return slot.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def _slots(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Slots later than `after`, in UTC, each later than the one before."""
    # Seen from the second pass of a doubled hour, the local time of a slot may lie ahead although it is over; two local times
    # of a missing hour fall together. So we begin a little earlier, and take only what is later than the last.
    last = after
    for local in CronSim(schedule.cron, (after - _OVERLAP).astimezone(_zone(schedule.zone))):
        slot = local.astimezone(UTC)
        if slot > last:
            yield slot
            last = slot


def _unknown(expression: str) -> str:
    """Why Kubernetes would not take this expression, as far as cronsim would."""
    if expression.startswith("@"):
        return f"only {', '.join(_MACROS)} have a name"
    if expression.upper().startswith(("TZ=", "CRON_TZ=")):
        return "the time zone stands in the field timeZone"
    fields = expression.split()
    if len(fields) != _FIELDS:
        return f"has {len(fields)} fields, not {_FIELDS}"
    for field in fields:
        if re.search(r"(^|[^A-Z])H([^A-Z]|$)", field, re.IGNORECASE):
            return f"{field}: H is known to Jenkins and Prow only"
        if re.search(
            r"#|W|(?<![A-Z])L(?![A-Z])", re.sub(r"WED", "", field, flags=re.IGNORECASE), re.IGNORECASE
        ):
            return f"{field}: Kubernetes does not know L, W and #"
    return ""


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
