"""How does a platform stand with its alarms? The facts of the stale check and of the heartbeat, from what the ledger says.

Nothing is asked here: the Gate, its last alarm and the time make the facts. The age is counted from the last promotion that
nobody took back, since a yanked image is none that a consumer may run; before the first one from the day of onboarding, or from
when the Gate was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Literal

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import Alert, Gate, PromotionSpec
from pilotage.gate.health.stale import LastAlert, Moment, StaleFacts
from pilotage.gate.instants import read_instant
from pilotage.gate.ticks.schedule import heartbeat_deadline, parse

__all__ = ["Beat", "Promoted", "heartbeat_of", "last_alert", "last_promoted", "stale_facts"]


class Promoted(msgspec.Struct, frozen=True):
    """The promotion that counts: what, and when as it was written."""

    digest: str
    at: str


class Beat(msgspec.Struct, frozen=True):
    """What is said about missing ticks. `since` is the last tick as it was written, empty before the first one."""

    action: Literal["none", "alert", "remind", "resolve"]
    reason: str
    since: str = ""
    hours: float = 0.0

    @property
    def reference(self) -> str:
        return self.since or "none"


def last_promoted(gate: Gate, promotions: Sequence[PromotionSpec] = ()) -> Promoted | None:
    """The newest promotion that nobody took back: among `promotions`, or as the Gate remembers it where they are not at hand."""
    yanked = {each.digest for each in gate.spec.yanked}
    known = [Promoted(each.digest, each.at) for each in promotions if each.digest not in yanked]
    last = gate.status.last_promotion
    if not known and last is not None and last.digest not in yanked:
        return Promoted(last.digest, last.finished_at)
    return max(known, key=lambda each: each.at, default=None)


def stale_facts(gate: Gate, promoted: Promoted | None, alert: Alert | None, now: datetime) -> StaleFacts:
    """All that `stale.decide_alarm` asks for."""
    begun = _begun(gate)
    eligible = gate.status.latest_eligible
    return StaleFacts(
        now=now,
        threshold_days=_fraction(gate.spec.stale.threshold_days),
        promoted=Moment(read_instant(promoted.at), promoted.at) if promoted else None,
        promoted_digest=promoted.digest if promoted else "",
        onboarded=Moment(read_instant(begun), begun) if begun else None,
        eligible_digest=eligible.digest if eligible else "",
        eligible_seen=read_instant(eligible.at) if eligible else None,
        last_alert=last_alert(alert),
        paused_until=read_instant(gate.spec.paused_until),
        remind_hours=_fraction(gate.spec.stale.remind_hours) or Fraction(24),
    )


def last_alert(alert: Alert | None) -> LastAlert | None:
    """What was said last; an Alert that nothing was written to yet is none."""
    if alert is None or not alert.status.opened_at:
        return None
    status = alert.status
    return LastAlert(
        read_instant(status.last_sent_at), status.level, status.reference, bool(status.resolved_at)
    )


def heartbeat_of(gate: Gate, alert: Alert | None, now: datetime) -> Beat:
    """Did a tick come in time? One is awaited by the schedule, and a tenth of its period longer.

    A schedule that cannot be read makes no tick either, so it is told like a missing one.
    """
    tick = gate.status.last_tick
    since = tick.at if tick else ""
    paused = read_instant(gate.spec.paused_until)
    if paused is not None and paused > now:
        return Beat("none", "paused", since)
    last, known = last_alert(alert), read_instant(since) or read_instant(_begun(gate))
    try:
        awaited = heartbeat_deadline(parse(gate.spec.schedule, gate.spec.time_zone), known) if known else now
    except InputError:
        awaited = known or now
    hours = round((now - known).total_seconds() / 3600, 1) if known else 0.0
    if now < awaited:
        if last is not None and not last.resolved:
            return Beat("resolve", "ticking", since, hours)
        return Beat("none", "ticking", since, hours)
    if last is None or last.resolved or last.reference != (since or "none"):
        return Beat("alert", "no-tick", since, hours)
    age = (now - last.at).total_seconds() if last.at else None
    if age is not None and 0 <= age < gate.spec.stale.remind_hours * 3600:
        return Beat("none", "deduplicated", since, hours)
    return Beat("remind", "no-tick", since, hours)


def _begun(gate: Gate) -> str:
    return gate.spec.onboarded_at or gate.metadata.creation_timestamp or ""


def _fraction(value: float) -> Fraction | None:
    try:
        return Fraction(repr(value))
    except ValueError:  # no number, or no end to it
        return None
