"""What became of a regression? The states of its record, from the day it was found to the day it is closed.

A record opens when a report calls a unit regressed. People add two things to it: the bug that it is triaged to, and the time
since which it is said to be fixed. Runs have the last word: two failures after the fix, and the fix failed; a report that no
longer finds a regression closes the record, unless the fix has just failed. As in component readiness
(openshift/sippy `regressiontracker`), an open record asks for less evidence to stay open (`regression`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate.health.families import Outcome

__all__ = ["RECORD_RULES", "RecordFacts", "RecordState", "record_facts", "state_of"]

RecordState = Literal["open", "triaged", "fixed", "failed-fix", "closed"]

_FAILURES_AFTER_FIX = 2


class RecordFacts(msgspec.Struct, frozen=True):
    """A record and what the latest report says. `bug` is empty and `fixed_at` None until somebody sets them."""

    regressed: bool
    bug: str = ""
    fixed_at: datetime | None = None
    failures_since_fix: int = 0


def record_facts(
    outcomes: Iterable[Outcome], *, regressed: bool, bug: str = "", fixed_at: datetime | None = None
) -> RecordFacts:
    """The facts of a record, with the failures counted that came after the claimed fix."""
    since = sum(fixed_at is not None and not one.passed and one.at > fixed_at for one in outcomes)
    return RecordFacts(regressed, bug, fixed_at, since)


def state_of(facts: RecordFacts, subject: str = "regression") -> Decision[RecordState]:
    """The state of a record; the last row always applies."""
    return first_match("regression record", subject, RECORD_RULES, facts, otherwise=_UNREACHABLE)


def _failed_fix(facts: RecordFacts) -> Verdict[RecordState]:
    """It failed twice since it was said to be fixed."""
    told = f"{facts.failures_since_fix} failures since the fix"
    if facts.fixed_at is not None and facts.failures_since_fix >= _FAILURES_AFTER_FIX:
        return Applies("failed-fix", told)
    return Passes(told if facts.fixed_at else "nobody said that it is fixed")


def _closed(facts: RecordFacts) -> Verdict[RecordState]:
    """The latest report does not find it any more."""
    return Passes("still regressed") if facts.regressed else Applies("closed", "no longer regressed")


def _fixed(facts: RecordFacts) -> Verdict[RecordState]:
    """Somebody said that it is fixed; the windows still hold the failures from before."""
    if facts.fixed_at is None:
        return Passes("nobody said that it is fixed")
    return Applies("fixed", f"fixed at {facts.fixed_at.isoformat()}")


def _triaged(facts: RecordFacts) -> Verdict[RecordState]:
    """It is known under a bug."""
    return Applies("triaged", f"triaged to {facts.bug}") if facts.bug else Passes("no bug is named")


def _open(_facts: RecordFacts) -> Verdict[RecordState]:
    """Else it is open."""
    return Applies("open", "regressed, and nobody has looked at it")


RECORD_RULES: tuple[Rule[RecordFacts, RecordState], ...] = (
    Rule("failed-fix", _failed_fix),
    Rule("closed", _closed),
    Rule("fixed", _fixed),
    Rule("triaged", _triaged),
    Rule("open", _open),
)
"""The state of a record, read from top to bottom."""

_UNREACHABLE = error("NoVerdict", "no rule of the record applied")
