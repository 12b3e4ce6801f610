"""When may a required job be waived, and for how long?

A quarantine has an owner, a reason, a link to a bug and an end, at most two weeks away. It is proposed when a job is a
chronic flake, lifted after ten clean runs in a row, and capped: the verdict refuses a run of which more than a quarter is
waived (`aggregate`), and a new quarantine that would lead there is refused here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

import msgspec

from pilotage.decision.findings import Finding, error
from pilotage.gate.health.flakes import is_chronic

__all__ = ["CLEAN_RUNS", "LONGEST", "Quarantine", "check", "is_active", "is_lifted", "is_proposed"]

LONGEST = timedelta(days=14)
CLEAN_RUNS = 10
"""So many runs in a row that pass at the first attempt lift a quarantine."""


class Quarantine(msgspec.Struct, frozen=True):
    """A required job that is waived from `since` until `until`, exclusive."""

    job: str
    owner: str
    reason: str
    bug: str
    since: datetime
    until: datetime


def is_active(quarantine: Quarantine, now: datetime) -> bool:
    return quarantine.until > now


def check(
    quarantine: Quarantine,
    required: Collection[str],
    active: Collection[str] = (),
    max_fraction: Fraction = Fraction(1, 4),
) -> tuple[Finding, ...]:
    """Everything that is wrong with a quarantine that somebody asks for; empty when it is granted.

    `required` are the required jobs of the gate, `active` those that are in quarantine already.
    """
    found = [
        _fault("QuarantineIncomplete", quarantine, f"a quarantine needs {article} {name}", name)
        for article, name in (("an", "owner"), ("a", "reason"), ("a", "bug"))
        if not getattr(quarantine, name).strip()
    ]
    if quarantine.until <= quarantine.since:
        found.append(_fault("QuarantineOver", quarantine, "it ends before it begins", "until"))
    if quarantine.until - quarantine.since > LONGEST:
        found.append(
            _fault("QuarantineTooLong", quarantine, f"it may last {LONGEST.days} days at most", "until")
        )
    if quarantine.job not in required:
        found.append(_fault("QuarantineNotRequired", quarantine, "only a required job can be waived", "job"))
        return tuple(found)
    waived = (set(active) & set(required)) | {quarantine.job}
    if Fraction(len(waived), len(set(required))) > max_fraction:
        found.append(
            _fault(
                "QuarantineTooMuch",
                quarantine,
                f"{len(waived)} of {len(set(required))} required jobs would be waived: no run could pass",
                "job",
            )
        )
    return tuple(found)


def is_proposed(retried: Sequence[bool]) -> bool:
    """Is a quarantine proposed for a job whose runs, the latest last, needed these retries?"""
    return is_chronic(retried)


def is_lifted(clean: Sequence[bool]) -> bool:
    """Is a quarantine over early? `clean` says of each run since it began whether the job passed at the first attempt."""
    return len(clean) >= CLEAN_RUNS and all(clean[-CLEAN_RUNS:])


def _fault(code: str, quarantine: Quarantine, message: str, field: str) -> Finding:
    return error(code, f"quarantine of {quarantine.job}: {message}", subject=quarantine.job, field=field)
