"""How messages leave a step: at once to the chat, or by the outbox of the ledger, which the hourly check empties.

The trigger has no credential of any chat, so what it has to say waits in the ledger. `notify` has one: it sends its message itself,
tries for as long as its task may take, and leaves it in the outbox only then.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from pilotage.api.gate import NOTIFICATION, GateSpec, Notification, SecretKeyReference
from pilotage.gate.konflux.names import slack_secret
from pilotage.gate.steps.place import Place
from pilotage.gate.telling.delivery import Attempt, DeadLetter, Delivered, SendAgain, SendPlain, after
from pilotage.gate.telling.message import Message
from pilotage.gate.telling.outbox import OutboxController
from pilotage.gate.telling.sinks import Sink

__all__ = ["channel_of", "empty_outbox", "secret_channel", "send"]

_AT_ONCE: Final = 2
"""Attempts for one message while others wait; it stays in the outbox for the next hour."""


def channel_of(spec: GateSpec) -> str:
    """The chat of a gate, by the Secret that has its address."""
    return secret_channel(slack_secret(spec))


def secret_channel(secret: SecretKeyReference) -> str:
    return f"{secret.name}/{secret.key}"


async def send(place: Place, sink: Sink, message: Message, deadline: datetime) -> str:
    """Until it is delivered: empty, or why it was not."""
    first, number, is_plain = place.clock.now(), 0, False
    while True:
        number += 1
        reply = await sink.post(sink.render(message, first, plain=is_plain))
        now = place.clock.now()
        match after(reply, Attempt(number, first, now, is_plain)):
            case Delivered():
                return ""
            case SendPlain():
                is_plain = True
            case DeadLetter(reason):
                return reason
            case SendAgain(at, reason):
                if at >= deadline:
                    return f"{reason}; given up at the end of the task"
                await place.clock.sleep(max((at - now).total_seconds(), 1.0))


async def empty_outbox(place: Place, sinks: Iterable[Sink]) -> tuple[int, tuple[str, ...]]:
    """Send what waits for one of these channels: how many were delivered, and why others were not."""
    served = tuple(sinks)
    channels = {sink.channel for sink in served}
    controller = OutboxController(place.store, served, place.clock)
    delivered, problems = 0, []
    for found in (await place.store.list(NOTIFICATION, place.namespace)).items:
        note = found.view(Notification)
        if note.spec.channel not in channels or note.status.delivered_at or note.status.dead:
            continue
        for _ in range(_AT_ONCE):
            await controller.reconcile(found.key)
            note = (await place.store.get(NOTIFICATION, found.key)).view(Notification)
            if note.status.delivered_at or note.status.dead:
                break
        if note.status.delivered_at:
            delivered += 1
        else:
            problems.append(f"{note.spec.event}: {note.status.error}")
    return delivered, tuple(problems)
