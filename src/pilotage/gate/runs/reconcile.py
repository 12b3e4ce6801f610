"""Was the job started or not? After a reply that never came, and after a restart between intent and reply.

Prow knows no idempotency key, and its list shows neither labels nor times. So every execution of that job that the ledger
does not know is fetched; those that were made around the time of our intent have their ProwJob read; and the one whose
labels carry our key is ours. Time alone proves nothing: somebody else may run the same job. Adopting a stranger would judge
another image, which costs correctness; a second job costs money. So when nothing is found, or the labels cannot be seen, we
look three times over three minutes and then start the job again under the same key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pilotage.gate.prow.executions import Execution
from pilotage.gate.runs.jobkeys import JOB_KEY_LABEL

__all__ = [
    "Adopt",
    "Candidate",
    "Intent",
    "Outcome",
    "Repost",
    "TryAgain",
    "is_in_window",
    "reconcile",
    "strangers",
]

_BEFORE: Final = timedelta(seconds=60)
_AFTER: Final = timedelta(minutes=15)
_TRIES: Final = 3
_OVER: Final = timedelta(minutes=3)


class Intent(msgspec.Struct, frozen=True):
    """What the ledger says was about to be started; `at` is when."""

    job_key: str
    job: str
    at: datetime


class Candidate(msgspec.Struct, frozen=True):
    """An execution that may be ours. `labels` is None when its ProwJob could not be read."""

    id: str
    created: datetime | None = None
    labels: Mapping[str, str] | None = None


class Adopt(msgspec.Struct, frozen=True, tag="adopt", tag_field="outcome"):
    """`id` is our job. `duplicates` carry our key too: they run for nothing."""

    id: str
    duplicates: tuple[str, ...] = ()


class TryAgain(msgspec.Struct, frozen=True, tag="try-again", tag_field="outcome"):
    """Look again at `at`."""

    at: datetime
    reason: str


class Repost(msgspec.Struct, frozen=True, tag="repost", tag_field="outcome"):
    """Start it again with the same key, and count a possible duplicate."""

    reason: str


Outcome = Adopt | TryAgain | Repost


def strangers(executions: Iterable[Execution], known: Collection[str]) -> tuple[Execution, ...]:
    """The executions that the ledger does not know: those that are worth a look."""
    return tuple(each for each in executions if each.id not in known)


def is_in_window(created: datetime | None, intent: Intent) -> bool:
    """Was it made around the time of our intent? One that does not say when stays: its labels decide."""
    return created is None or intent.at - _BEFORE <= created <= intent.at + _AFTER


def reconcile(
    intent: Intent,
    candidates: Iterable[Candidate] | None,
    known: Collection[str],
    *,
    tries: int,
    since: datetime,
    now: datetime,
) -> Outcome:
    """What to do after look number `tries` (from 1); `since` is when the first look was.

    `candidates` is None when the list could not be read. Of several jobs with our key the oldest is adopted.
    """
    looked = [
        each for each in candidates or () if each.id not in known and is_in_window(each.created, intent)
    ]
    ours = sorted(
        (each for each in looked if (each.labels or {}).get(JOB_KEY_LABEL) == intent.job_key),
        key=lambda each: (each.created or intent.at, each.id),
    )
    if ours:
        return Adopt(ours[0].id, tuple(each.id for each in ours[1:]))
    reason = _reason(candidates is not None, looked)
    now = max(now, since)
    if tries < _TRIES or now - since < _OVER:
        pause = _OVER / (_TRIES - 1)
        return TryAgain(max(now, min(since + pause * tries, since + _OVER)), reason)
    return Repost(reason)


def _reason(was_listed: bool, looked: list[Candidate]) -> str:
    if not was_listed:
        return "the executions of the job could not be listed"
    unseen = sum(each.labels is None for each in looked)
    if unseen:
        return f"the labels of {unseen} execution{'s' * (unseen > 1)} could not be read, and time alone is no proof"
    return "no execution carries our key"
