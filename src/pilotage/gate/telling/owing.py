"""Which messages does a run owe to people? They follow from its ledger.

A message is owed for an event that was written down, so none is lost when the process dies between the event and the message; and
its name follows from the event and the channel, so none is owed twice. This only puts messages into the outbox; `outbox`
delivers them.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

from pilotage.api.gate import (
    LIVE_LABEL,
    NOTIFICATION,
    PLATFORM_LABEL,
    Gate,
    GateRun,
    JobRecord,
    LedgerEvent,
    NotificationSpec,
)
from pilotage.api.meta import Kind, Object
from pilotage.gate.instants import read_instant
from pilotage.gate.runs.ledger import MANAGER
from pilotage.gate.telling import runmessages as messages
from pilotage.gate.telling.alertmessages import PersonalAction, personal_action
from pilotage.gate.telling.message import Message, Subject, delivery_key
from pilotage.gate.telling.runmessages import JobOutcome
from pilotage.runtime.clock import Clock, rfc3339
from pilotage.store.base import AlreadyExistsError

__all__ = ["TOLD_WITHIN", "Outbox", "messages_of", "notification"]

TOLD_WITHIN: Final = timedelta(days=14)
"""What is older is told no more: it was, and messages that were delivered are not kept for ever (`outbox.KEPT`)."""
_NAME_DIGITS: Final = 24


class NotificationStore(Protocol):
    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object: ...


class Outbox:
    """Writes messages down for every channel. What this process wrote already is not tried again."""

    def __init__(self, store: NotificationStore, channels: Sequence[str], clock: Clock) -> None:
        self._store = store
        self._channels = tuple(channels)
        self._clock = clock
        self._known: set[str] = set()

    async def owe(self, namespace: str, owed: Iterable[Message]) -> None:
        """Raises what the store raises; what is there already is left as it is."""
        for message in owed:
            for channel in self._channels:
                key = delivery_key(message.event, channel)
                if key in self._known:
                    continue
                manifest = notification(namespace, message, channel, self._clock.now())
                with contextlib.suppress(AlreadyExistsError):
                    await self._store.create(NOTIFICATION, manifest, manager=MANAGER)
                self._known.add(key)


def notification(namespace: str, message: Message, channel: str, now: datetime) -> dict[str, Any]:
    """The manifest of one message for one channel."""
    digits = hashlib.sha256(delivery_key(message.event, channel).encode()).hexdigest()[:_NAME_DIGITS]
    spec = NotificationSpec(
        event=message.event,
        channel=channel,
        platform=message.platform,
        message=msgspec.json.encode(message).decode(),
        created_at=rfc3339(now),
    )
    return {
        "apiVersion": NOTIFICATION.api_version,
        "kind": NOTIFICATION.kind,
        "metadata": {
            "namespace": namespace,
            "name": f"{message.platform}-{message.id.lower()}-{digits}",
            "labels": {PLATFORM_LABEL: message.platform, LIVE_LABEL: "true"},
        },
        "spec": msgspec.to_builtins(spec),
    }


def messages_of(run: GateRun, gate: Gate | None) -> Iterator[Message]:
    """Every message that the ledger of the run owes, in the order of its events. Rehearsals owe none."""
    if run.spec.run_class == "test":
        return
    for position, event in enumerate(run.status.events):
        message = _message(run, gate, event, position)
        if message is not None:
            yield message


def _message(run: GateRun, gate: Gate | None, event: LedgerEvent, position: int) -> Message | None:
    subject = _subject(run, gate, f"{run.metadata.name}/{position}")
    match event.type:
        case "RunPlanned" if run.spec.trigger.forced:
            trigger = run.spec.trigger
            forced = PersonalAction("override", trigger.by or "somebody", trigger.why, run.spec.digest)
            return personal_action(subject, forced)
        case "Suspended":
            facts = messages.CredentialsRejected("gangway", "gangway-token/token", event.at)
            return messages.credentials_rejected(subject, facts)
        case "PollTrouble":
            told = messages.Verdict(
                f"Prow answers nothing usable about {event.job}: {event.message}",
                next_step="Nothing yet: the gate keeps asking until the deadline of the run.",
            )
            return messages.gate_inconclusive(subject, told)
        case "Evaluated" if run.status.verdict == "failed":
            return messages.gate_failed(subject, _verdict(run, ("failed",), _bisect_hint(run)))
        case "Evaluated" if run.status.verdict == "error":
            inconclusive = ("aborted", "infra_error", "timeout", "trigger_error", "lost", "skipped")
            return messages.gate_inconclusive(subject, _verdict(run, inconclusive, ""))
        case "PromotionDenied" | "PromotionFailed" | "PromotionTrouble":
            return messages.promotion_failed(subject, messages.PromotionFailed(event.message))
        case "Promoted":
            return messages.promoted(subject, _promoted(run, gate))
        case _:
            return None


def _subject(run: GateRun, gate: Gate | None, event: str) -> Subject:
    spec = run.spec
    return Subject(
        event=event,
        platform=spec.platform,
        display_name=gate.spec.display_name if gate else "",
        snapshot=spec.snapshot.name,
        digest=spec.digest,
        run=run.metadata.name,
        owner=", ".join(gate.spec.owners) if gate else "",
    )


def _verdict(run: GateRun, results: tuple[str, ...], hint: str) -> messages.Verdict:
    required = {job.name for job in run.spec.jobs if job.type == "required"}
    return messages.Verdict(
        run.status.verdict_reason,
        jobs=tuple(
            _outcome(run, record)
            for record in run.status.jobs
            if record.name in required and _last(record) in results
        ),
        informing=_informing(run),
        next_step=_next_step(run),
        hint=hint,
    )


def _next_step(run: GateRun) -> str:
    if run.status.verdict == "error":
        return "The next night tries this image again; nothing has to be done unless the cause stays."
    return ""


def _bisect_hint(run: GateRun) -> str:
    return f"pilotage gate bisect {run.spec.platform}"


def _promoted(run: GateRun, gate: Gate | None) -> messages.Promoted:
    before = gate.status.last_promotion if gate else None
    began, ended = read_instant(run.spec.created_at), read_instant(run.status.finished_at)
    promotion = run.status.promotion
    return messages.Promoted(
        tag=promotion.tag if promotion else "",
        commits=f"{before.revision[:7]}..{(run.spec.revision or '')[:7]}"
        if before and before.revision
        else "",
        duration=(ended - began).total_seconds() if began and ended else 0.0,
        flaked=tuple(
            _outcome(run, record)
            for record in run.status.jobs
            if _last(record) == "passed" and len(record.attempts) > 1
        ),
        informing=_informing(run),
    )


def _informing(run: GateRun) -> tuple[JobOutcome, ...]:
    names = {job.name for job in run.spec.jobs if job.type == "informing"}
    return tuple(
        _outcome(run, record)
        for record in run.status.jobs
        if record.name in names and _last(record) != "passed"
    )


def _outcome(run: GateRun, record: JobRecord) -> JobOutcome:
    owner = next((job.owner for job in run.spec.jobs if job.name == record.name), "")
    last = record.attempts[-1]
    return JobOutcome(record.name, _last(record), last.url, len(record.attempts), owner)


def _last(record: JobRecord) -> str:
    return (record.attempts[-1].result if record.attempts else "") or "pending"
