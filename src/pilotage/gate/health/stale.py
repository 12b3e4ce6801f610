"""Has a platform gone too long without a promotion, and who is told?

Silence is never success, so every doubt is stale: a last promotion whose time cannot be read, one that lies in the future
(a single bad clock would silence the alarm), no promotion and no date of onboarding. A platform is fresh when its
promotion is young enough, and also when the newest eligible image is the promoted one: a quiet weekend is not stale.

Two precedences. `STANDING_RULES` say whether the platform is stale, since what, and how badly; `ALARM_RULES` say whether
that is worth a message, given the last one. An episode is known by its reference, the promotion that it counts from, so a
new promotion that has grown old as well is a new alarm, and the same one is only repeated after a while.

Answers the "older than" of openshift/enhancements `enhancements/hypershift/konflux-release-gating-pipeline.md` to the
second, and independently of any pipeline run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate.written import shown

__all__ = [
    "ALARM_RULES",
    "QUESTION",
    "STANDING_RULES",
    "Action",
    "Alarm",
    "AlarmFacts",
    "LastAlert",
    "Level",
    "Moment",
    "StaleFacts",
    "Standing",
    "decide_alarm",
    "standing_of",
]

QUESTION = "stale"
Action = Literal["none", "alert", "remind", "escalate", "resolve", "error"]
Level = Literal["warning", "critical"]

NEVER = "none"
"""The reference of a platform that was neither promoted nor onboarded."""

OBSERVED_WITHIN = timedelta(hours=36)
"""How recently the newest eligible image must have been seen to count as the newest."""

_DAY = 24 * 3600
_HOUR = 3600


class Moment(msgspec.Struct, frozen=True):
    """A time as it was written, and what it means; `at` is None when it is no time."""

    at: datetime | None
    text: str


class LastAlert(msgspec.Struct, frozen=True):
    """The last message of the alarm; whatever of it could not be read is None, or empty."""

    at: datetime | None
    level: str
    reference: str | None
    resolved: bool


class StaleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one platform. `threshold_days` and `now` are None when they could not be read.

    `promoted` and `onboarded` are None when there was none; digests are empty when they are not known.
    """

    now: datetime | None
    threshold_days: Fraction | None
    promoted: Moment | None = None
    promoted_digest: str = ""
    onboarded: Moment | None = None
    eligible_digest: str = ""
    eligible_seen: datetime | None = None
    last_alert: LastAlert | None = None
    paused_until: datetime | None = None
    remind_hours: Fraction = Fraction(24)
    skew_seconds: Fraction = Fraction(300)

    @property
    def since(self) -> Moment | None:
        """What the age is counted from."""
        return self.promoted or self.onboarded

    @property
    def age(self) -> Fraction | None:
        """Seconds since then, 0 when it lies in the future; None when it cannot be told."""
        if self.now is None or self.since is None or self.since.at is None:
            return None
        return max(Fraction(0), _seconds(self.now - self.since.at))

    @property
    def is_in_future(self) -> bool:
        """Is that moment later than clocks may differ?"""
        if self.now is None or self.since is None or self.since.at is None:
            return False
        return _seconds(self.since.at - self.now) > self.skew_seconds

    @property
    def reference(self) -> str:
        """What an episode is known by."""
        if self.since is None:
            return NEVER
        if self.since.at is None:
            return self.since.text
        written = f"{self.since.at:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + "Z"
        return written if self.promoted else f"onboarded:{written}"

    @property
    def is_up_to_date(self) -> bool:
        """Is the promoted image the newest eligible one, seen a short while ago?"""
        if self.promoted is None or not self.eligible_digest or self.eligible_digest != self.promoted_digest:
            return False
        if self.now is None or self.eligible_seen is None:
            return False
        return timedelta(0) <= self.now - self.eligible_seen <= OBSERVED_WITHIN


class Standing(msgspec.Struct, frozen=True):
    """Whether a platform is stale, why, and how badly; a fresh one has no level."""

    stale: bool
    reason: str
    level: Level | None = None


class AlarmFacts(msgspec.Struct, frozen=True):
    """What the alarm is decided by; `standing` is None when it could not be worked out."""

    given: StaleFacts
    standing: Standing | None


class Alarm(msgspec.Struct, frozen=True):
    """What is said now, and about which episode."""

    action: Action
    reason: str
    level: Level | None = None
    reference: str | None = None


def decide_alarm(facts: StaleFacts, subject: str = "platform") -> Decision[Alarm]:
    """What the stale check does about one platform; the last row always applies."""
    return first_match(
        QUESTION,
        subject,
        ALARM_RULES,
        AlarmFacts(facts, standing_of(facts, subject).value),
        otherwise=_UNREACHABLE,
    )


def standing_of(facts: StaleFacts, subject: str = "platform") -> Decision[Standing]:
    """Whether the platform is stale. No value without a threshold or without the time."""
    return first_match("standing", subject, STANDING_RULES, facts, otherwise=_UNKNOWN)


def _seconds(duration: timedelta) -> Fraction:
    return Fraction(duration // timedelta(microseconds=1), 1_000_000)


def _days(seconds: Fraction) -> str:
    return f"{shown(seconds / _DAY)} days"


def _bad_timestamp(facts: StaleFacts) -> Verdict[Standing]:
    """The time that the age is counted from cannot be read."""
    if facts.since is None or facts.since.at is not None:
        return Passes("the time can be read")
    return Applies(Standing(True, "bad-timestamp", "warning"), f"no time: {facts.since.text}")


def _future_timestamp(facts: StaleFacts) -> Verdict[Standing]:
    """It lies in the future, further than clocks may differ."""
    if not facts.is_in_future:
        return Passes("not in the future")
    return Applies(Standing(True, "future-timestamp", "warning"), f"in the future: {facts.reference}")


def _never(facts: StaleFacts) -> Verdict[Standing]:
    """The platform was neither promoted nor onboarded."""
    if facts.since is not None:
        return Passes(f"counted from {facts.reference}")
    return Applies(Standing(True, "never-promoted", "warning"), "neither promoted nor onboarded")


def _up_to_date(facts: StaleFacts) -> Verdict[Standing]:
    """The newest eligible image is the promoted one, seen within the last 36 hours."""
    if facts.is_up_to_date:
        return Applies(Standing(False, "up-to-date"), "the newest eligible image is the promoted one")
    return Passes("the newest eligible image is another one, or was not seen lately")


def _over_threshold(facts: StaleFacts) -> Verdict[Standing]:
    """The age has reached the threshold; twice the threshold is critical."""
    age, days = facts.age, facts.threshold_days
    if age is None or days is None:
        return Passes("the age is not known")
    told = f"{_days(age)} old, the threshold is {shown(days)}"
    if age < days * _DAY:
        return Passes(told)
    reason = "stale" if facts.promoted else "never-promoted"
    level: Level = "critical" if age >= 2 * days * _DAY else "warning"
    return Applies(Standing(True, reason, level), told)


def _fresh(facts: StaleFacts) -> Verdict[Standing]:
    """Else it is young enough."""
    if facts.age is None or facts.threshold_days is None:
        return Passes("the age is not known")
    return Applies(Standing(False, "fresh"), f"{_days(facts.age)} old")


STANDING_RULES: tuple[Rule[StaleFacts, Standing], ...] = (
    Rule("bad-timestamp", _bad_timestamp),
    Rule("future-timestamp", _future_timestamp),
    Rule("never-promoted", _never),
    Rule("up-to-date", _up_to_date),
    Rule("over-threshold", _over_threshold),
    Rule("fresh", _fresh),
)
"""Is the platform stale? Read from top to bottom."""


def _invalid_threshold(facts: AlarmFacts) -> Verdict[Alarm]:
    """The threshold is no positive number of days."""
    days = facts.given.threshold_days
    if days is None or days <= 0:
        return Applies(Alarm("error", "invalid-threshold"), "the threshold is no positive number of days")
    return Passes(f"the threshold is {shown(days)} days")


def _bad_now(facts: AlarmFacts) -> Verdict[Alarm]:
    """The time of the check cannot be read."""
    if facts.given.now is None:
        return Applies(Alarm("error", "bad-now"), "the time of the check is no time")
    return Passes(f"it is {facts.given.now.isoformat()}")


def _paused(facts: AlarmFacts) -> Verdict[Alarm]:
    """The alarm is paused."""
    now, until = facts.given.now, facts.given.paused_until
    if now is None or until is None or until <= now:
        return Passes("not paused")
    return Applies(Alarm("none", "paused"), f"paused until {until.isoformat()}")


def _recovered(facts: AlarmFacts) -> Verdict[Alarm]:
    """The platform is fresh again, and the last alert is still open."""
    alert = facts.given.last_alert
    if facts.standing is None or facts.standing.stale or alert is None or alert.resolved:
        return Passes("stale, or no alert is open")
    return _alarm(facts, "resolve", "recovered", facts.standing.reason)


def _quiet(facts: AlarmFacts) -> Verdict[Alarm]:
    """The platform is fresh: promoted lately, or the newest eligible image is the promoted one."""
    if facts.standing is None or facts.standing.stale:
        return Passes(f"stale: {facts.standing.reason}" if facts.standing else "not known")
    return _alarm(facts, "none", facts.standing.reason, "fresh")


def _first_alert(facts: AlarmFacts) -> Verdict[Alarm]:
    """Stale (old, in the future, at no known time, never promoted), and no alert about this episode is open."""
    alert = facts.given.last_alert
    if facts.standing is None or (
        alert is not None and not alert.resolved and alert.reference == facts.given.reference
    ):
        return Passes("an alert about this episode is open")
    return _alarm(facts, "alert", facts.standing.reason, "no alert about this episode is open")


def _escalation(facts: AlarmFacts) -> Verdict[Alarm]:
    """It became critical since the last alert."""
    alert, standing = facts.given.last_alert, facts.standing
    if standing is None or alert is None or standing.level != "critical" or alert.level == "critical":
        return Passes("no higher level than the last alert")
    return _alarm(facts, "escalate", standing.reason, f"{alert.level} became critical")


def _reminder(facts: AlarmFacts) -> Verdict[Alarm]:
    """The last alert is old enough to be repeated, or its time cannot be believed."""
    alert, now = facts.given.last_alert, facts.given.now
    if facts.standing is None or alert is None or now is None:
        return Passes("not known")
    age = _seconds(now - alert.at) if alert.at else None
    if age is not None and 0 <= age < facts.given.remind_hours * _HOUR:
        return Passes(f"the last alert is {shown(age / _HOUR)} hours old")
    return _alarm(
        facts, "remind", facts.standing.reason, "the last alert is old, or its time cannot be believed"
    )


def _deduplicated(facts: AlarmFacts) -> Verdict[Alarm]:
    """Else everybody knows."""
    if facts.standing is None:
        return Passes("not known")
    return _alarm(facts, "none", "deduplicated", "the last alert is recent")


def _alarm(facts: AlarmFacts, action: Action, reason: str, because: str) -> Verdict[Alarm]:
    level = facts.standing.level if facts.standing else None
    return Applies(Alarm(action, reason, level, facts.given.reference), because)


ALARM_RULES: tuple[Rule[AlarmFacts, Alarm], ...] = (
    Rule("invalid-threshold", _invalid_threshold),
    Rule("bad-now", _bad_now),
    Rule("paused", _paused),
    Rule("recovered", _recovered),
    Rule("quiet", _quiet),
    Rule("alert", _first_alert),
    Rule("escalate", _escalation),
    Rule("remind", _reminder),
    Rule("deduplicated", _deduplicated),
)
"""Is that worth a message? Read from top to bottom."""

_UNKNOWN = error("UnknownStanding", "without a threshold and the time nobody can say whether it is stale")
_UNREACHABLE = error("NoVerdict", "no rule of the alarm applied")
