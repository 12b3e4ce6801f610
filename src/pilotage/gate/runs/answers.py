"""What does an answer of Prow change in the ledger?

An answer is classified first (`gangwaystatus`); here its class becomes a new state of the attempt, the events to write, and when to
ask again. Nothing is concluded from one bad answer: an execution is gone after three looks a minute apart, a status that nobody
knows is trouble of the infrastructure after a quarter of an hour, and credentials that are refused suspend the run instead
of ending it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from pilotage.api.gate import AttemptRecord, LedgerEvent
from pilotage.gate.instants import read_instant
from pilotage.gate.prow.executions import read_execution, read_finished
from pilotage.gate.prow.gangwaystatus import answer_to, read_reply
from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.runs.calls import GONE_LOOKS
from pilotage.gate.runs.progress import FINAL
from pilotage.gate.runs.reconcile import Adopt, Outcome, TryAgain
from pilotage.runtime.clock import rfc3339

__all__ = ["TROUBLE", "Heard", "after_artifact", "after_poll", "after_reconcile", "after_send", "sending"]

TROUBLE: Final = 5
"""Looks that failed in a row before a person is told."""

_LOOK_AGAIN: Final = 60.0
_UNKNOWN_FOR: Final = timedelta(minutes=15)
_INTENT_STANDS: Final = timedelta(minutes=10)
_GONE_PAUSE: Final = timedelta(seconds=60)
_ARTIFACT_TRIES: Final = 3
_PROW_RESULTS: Final = {
    "SUCCESS": "passed",
    "FAILURE": "failed",
    "ABORTED": "aborted",
    "ERROR": "infra_error",
}


class Heard(msgspec.Struct, frozen=True):
    """What to write about an attempt, and what to do about the host.

    `attempt` is the state afterwards; nothing is written when it is as before and there are no events. `wait` is in seconds
    until the attempt is looked at again, None when its usual interval holds. `refused`: the credential does not work.
    """

    attempt: AttemptRecord
    events: tuple[LedgerEvent, ...] = ()
    wait: float | None = None
    throttled: bool = False
    refused: bool = False
    cause: str = ""


def sending(attempt: AttemptRecord, job: str, image: str, now: datetime) -> Heard:
    """What is written before a job is started: from now on it may run.

    The first intent stands for a while: a start whose answer was lost may still show up from that time.
    """
    first = read_instant(attempt.intent_at)
    is_fresh = first is not None and now - first < _INTENT_STANDS
    intended = msgspec.structs.replace(
        attempt, posts=1, intent_at=attempt.intent_at if is_fresh else rfc3339(now), image=image
    )
    return Heard(intended, (LedgerEvent("", "JobIntent", intended.key, job, attempt.number),))


def after_send(attempt: AttemptRecord, job: str, reply: Reply, now: datetime) -> Heard:
    """A start was answered. Only an answer with an id, or a refusal, says for sure whether it happened."""
    unsent = msgspec.structs.replace(attempt, posts=0)
    if reply.status == 0 and not reply.was_sent:
        return Heard(unsent, wait=_LOOK_AGAIN, cause=reply.cause)
    answer = answer_to(read_reply("create", reply.status, reply.body))
    match answer.action:
        case "ok":
            started = msgspec.structs.replace(
                attempt, id=answer.id or "", triggered_at=rfc3339(now), result="pending"
            )
            return Heard(started, (LedgerEvent("", "JobTriggered", started.id, job, attempt.number),))
        case "retry":
            return Heard(unsent, wait=reply.retry_after, throttled=True, cause="429")
        case "auth":
            return Heard(unsent, wait=_LOOK_AGAIN, refused=True, cause=_said(reply))
        case "reconcile":
            event = LedgerEvent("", "JobStartUnclear", _said(reply), job, attempt.number)
            return Heard(attempt, (event,), wait=0.0, cause=_said(reply))
        case _:
            return _ended(attempt, job, "trigger_error", f"{answer.class_}: {_said(reply)}", now)


def after_reconcile(attempt: AttemptRecord, job: str, outcome: Outcome, now: datetime) -> Heard:
    """It was found out whether an unclear start happened."""
    if isinstance(outcome, Adopt):
        adopted = msgspec.structs.replace(
            attempt, id=outcome.id, triggered_at=attempt.intent_at, result="pending"
        )
        more = f"; also started: {', '.join(outcome.duplicates)}" if outcome.duplicates else ""
        return Heard(adopted, (LedgerEvent("", "JobAdopted", f"{outcome.id}{more}", job, attempt.number),))
    looked = msgspec.structs.replace(
        attempt, reconciles=attempt.reconciles + 1, reconciled_at=attempt.reconciled_at or rfc3339(now)
    )
    if isinstance(outcome, TryAgain):
        event = LedgerEvent("", "JobNotFoundYet", outcome.reason, job, attempt.number)
        return Heard(looked, (event,), wait=max(0.0, (outcome.at - now).total_seconds()))
    unsent = msgspec.structs.replace(attempt, posts=0, reconciles=0, reconciled_at="")
    event = LedgerEvent("", "JobPossibleDuplicate", outcome.reason, job, attempt.number)
    return Heard(unsent, (event,), wait=0.0)


def after_poll(attempt: AttemptRecord, job: str, reply: Reply, now: datetime) -> Heard:
    """A look at a job was answered."""
    answer = answer_to(read_reply("get", reply.status, reply.body))
    match answer.action:
        case "ok":
            return _looked(attempt, job, reply, answer.result or "unknown", now)
        case "auth":
            return Heard(attempt, wait=_LOOK_AGAIN, refused=True, cause=_said(reply))
        case "retry" if answer.class_ == "throttled":
            return Heard(attempt, wait=reply.retry_after, throttled=True, cause="429")
        case "retry":
            return _failed_look(attempt, job, reply)
        case "fail" if answer.class_ == "gone":
            return _gone(attempt, job, now)
        case _:
            return _ended(attempt, job, "lost", f"{answer.class_}: {_said(reply)}", now)


def after_artifact(attempt: AttemptRecord, job: str, reply: Reply, now: datetime) -> Heard:
    """What a job left was read, or was not there: the last that can be asked about it."""
    if (reply.status == 0 and reply.was_sent) or reply.status >= 500 or reply.status == 429:
        tried = msgspec.structs.replace(attempt, gone_count=attempt.gone_count + 1)
        if tried.gone_count < GONE_LOOKS + _ARTIFACT_TRIES:
            return Heard(tried, wait=reply.retry_after or _LOOK_AGAIN, cause=_said(reply))
    finished = read_finished(reply.body) if reply.status == 200 else None
    if finished is None:
        return _ended(attempt, job, "lost", "nobody knows the execution, and it left nothing", now)
    result = _PROW_RESULTS.get(finished.result.upper(), "")
    if not result:
        result = {True: "passed", False: "failed", None: "lost"}[finished.passed]
    return _ended(attempt, job, result, "read from what the job left", now)


def _looked(attempt: AttemptRecord, job: str, reply: Reply, result: str, now: datetime) -> Heard:
    execution = read_execution(reply.body)
    url = execution.url if execution and execution.url else attempt.url
    seen = msgspec.structs.replace(attempt, url=url, gone_count=0, gone_at="", transient_count=0)
    if result in FINAL:
        ended = execution.completed if execution else None
        return _ended(seen, job, result, "", now, ended)
    if result != "unknown":
        return Heard(msgspec.structs.replace(seen, unknown_since=""))
    since = read_instant(seen.unknown_since)
    if since is None:
        return Heard(msgspec.structs.replace(seen, unknown_since=rfc3339(now)), wait=_LOOK_AGAIN)
    if now - since >= _UNKNOWN_FOR:
        return _ended(seen, job, "infra_error", "its status was unknown for 15 minutes", now)
    return Heard(seen, wait=_LOOK_AGAIN)


def _failed_look(attempt: AttemptRecord, job: str, reply: Reply) -> Heard:
    count = attempt.transient_count + 1
    counted = msgspec.structs.replace(attempt, transient_count=count, gone_count=0, gone_at="")
    events: tuple[LedgerEvent, ...] = ()
    if count == TROUBLE:
        events = (LedgerEvent("", "PollTrouble", _said(reply), job, attempt.number),)
    return Heard(counted, events, wait=_LOOK_AGAIN, cause=_said(reply))


def _gone(attempt: AttemptRecord, job: str, now: datetime) -> Heard:
    if attempt.result in FINAL:
        return _ended(attempt, job, "lost", "", now)
    last = read_instant(attempt.gone_at)
    if last is not None and now - last < _GONE_PAUSE:
        return Heard(attempt, wait=(last + _GONE_PAUSE - now).total_seconds())
    counted = msgspec.structs.replace(attempt, gone_count=attempt.gone_count + 1, gone_at=rfc3339(now))
    if counted.gone_count >= GONE_LOOKS and not counted.url:
        return _ended(counted, job, "lost", "nobody knows the execution, and it left no address", now)
    wait = 0.0 if counted.gone_count >= GONE_LOOKS else _LOOK_AGAIN
    return Heard(counted, wait=wait, cause="gone")


def _ended(
    attempt: AttemptRecord, job: str, result: str, detail: str, now: datetime, at: datetime | None = None
) -> Heard:
    """A final result; when the attempt was given up before, one that came too late."""
    if attempt.result in FINAL:
        late = msgspec.structs.replace(attempt, late_result=result)
        return Heard(late, (LedgerEvent("", "JobLateResult", result, job, attempt.number),))
    ended = msgspec.structs.replace(
        attempt, result=result, detail=detail, completed_at=rfc3339(at or now), unknown_since=""
    )
    told = f"{result}: {detail}" if detail else result
    return Heard(ended, (LedgerEvent("", "JobResult", told, job, attempt.number),))


def _said(reply: Reply) -> str:
    """An answer in a few words; bodies come from elsewhere and are cut."""
    if reply.status == 0:
        return f"no answer: {reply.cause}" if reply.cause else "no answer"
    text = " ".join(reply.body.split())[:200]
    return f"HTTP {reply.status}: {text}" if text else f"HTTP {reply.status}"
