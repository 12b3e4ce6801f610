"""Was a message delivered, and if not, what now? A pure decision over one attempt.

A channel that is busy or broken gets the message again, for a day. One that refuses it for any other reason would refuse it for
ever: it is offered once more as plain text, because a message that is too long or malformed is still news, and is then a dead
letter, which is shown wherever people look at the gate. Silence is never success.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from pilotage.gate.prow.jobrunner import Reply

__all__ = ["Attempt", "DeadLetter", "Delivered", "Outcome", "SendAgain", "SendPlain", "after"]

_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
_PATIENCE: Final = timedelta(hours=24)
_SHOWN: Final = 200


class Attempt(msgspec.Struct, frozen=True):
    """One attempt, made at `now`. `number` counts the attempts of this message from 1, `first` is when the first one was."""

    number: int
    first: datetime
    now: datetime
    is_plain: bool = False


class Delivered(msgspec.Struct, frozen=True, tag="delivered", tag_field="outcome"):
    pass


class SendAgain(msgspec.Struct, frozen=True, tag="send-again", tag_field="outcome"):
    at: datetime
    reason: str


class SendPlain(msgspec.Struct, frozen=True, tag="send-plain", tag_field="outcome"):
    """Send the plain text now; it is the last attempt unless the channel is merely busy."""

    reason: str


class DeadLetter(msgspec.Struct, frozen=True, tag="dead-letter", tag_field="outcome"):
    reason: str


Outcome = Delivered | SendAgain | SendPlain | DeadLetter


def after(reply: Reply, attempt: Attempt) -> Outcome:
    """What follows from a reply."""
    refusal = _refusal(reply)
    if 200 <= reply.status < 300 and not refusal:
        return Delivered()
    reason = refusal or _reason(reply)
    if reply.status == 429 or reply.status >= 500 or not reply.status:
        pause = (
            reply.retry_after
            if reply.status == 429 and reply.retry_after is not None
            else _pause(attempt.number)
        )
        at = attempt.now + timedelta(seconds=pause)
        # A channel that asks for more patience than we have is as good as gone.
        if at < attempt.first + _PATIENCE:
            return SendAgain(at, reason)
        return DeadLetter(f"{reason}; given up after a day")
    return DeadLetter(reason) if attempt.is_plain else SendPlain(reason)


def _pause(number: int) -> float:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(number - 1, 10))


def _refusal(reply: Reply) -> str:
    """Chats in the manner of Slack may answer 200 and say in the body that they refuse."""
    try:
        value: Any = json.loads(reply.body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict) or (value.get("ok") is not False and value.get("success") is not False):
        return ""
    return f"refused: {str(value.get('error', 'no reason given'))[:_SHOWN]}"


def _reason(reply: Reply) -> str:
    if not reply.status:
        return reply.cause or "no answer"
    said = " ".join(reply.body.split())[:_SHOWN]
    return f"answered {reply.status}{f': {said}' if said else ''}"
