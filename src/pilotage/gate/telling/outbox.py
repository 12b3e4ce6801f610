"""The controller of the outbox: brings every Notification to its channel, at least once, and says so.

A message is in the store before it is sent, so it survives whoever sends it. Killed between the reply of the channel and the note of
it, it is sent again: better twice than never, and receivers that can drop doubles find the same event id. Nothing is kept in
memory: a restart goes on with the attempts, the pause and the plain text that stand in the status.

What cannot be delivered within a day, or is refused even as plain text, is a dead letter: `status.dead` with the reason, which
`pilotage gate status` and the metrics show. Delivered messages are kept for a month.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

from pilotage.api.gate import LIVE_LABEL, NOTIFICATION, Notification, NotificationStatus
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.instants import read_instant
from pilotage.gate.runs.ledger import MANAGER, stated
from pilotage.gate.telling.delivery import Attempt, DeadLetter, Delivered, SendAgain, SendPlain, after
from pilotage.gate.telling.message import Message
from pilotage.gate.telling.sinks import Sink
from pilotage.runtime.clock import Clock, rfc3339
from pilotage.runtime.controller import Controller, Result
from pilotage.store.base import NotFoundError

__all__ = ["KEPT", "OutboxController", "OutboxStore"]

KEPT: Final = timedelta(days=30)
"""How long a message is kept that reached its channel."""
_PATIENCE: Final = timedelta(hours=24)
_DEADLINE: Final = 180.0
_LOOK_AGAIN: Final = 3600.0
_SHOWN: Final = 200


class OutboxStore(Protocol):
    """The part of a store that delivering needs."""

    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...

    async def apply(
        self, kind: Kind, key: ObjectKey, manifest: Mapping[str, Any], *, manager: str, force: bool = False
    ) -> Object: ...

    async def delete(self, kind: Kind, key: ObjectKey) -> None: ...

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: str = "",
    ) -> Object: ...


class OutboxController:
    """One reconcile looks at one Notification. `sinks` are the channels of this process, each name once."""

    def __init__(self, store: OutboxStore, sinks: Iterable[Sink], clock: Clock) -> None:
        self._store = store
        self._sinks = {sink.channel: sink for sink in sinks}
        self._clock = clock

    def declaration(self) -> Controller:
        return Controller(
            name="gate-outbox", kind=NOTIFICATION, reconcile=self.reconcile, workers=4, deadline=_DEADLINE
        )

    async def reconcile(self, key: ObjectKey) -> Result:
        try:
            found = await self._store.get(NOTIFICATION, key)
        except NotFoundError:
            return Result()
        note, now = found.view(Notification), self._clock.now()
        if note.status.dead:
            return Result()
        if note.status.delivered_at:
            return await self._keep(found, note.status, now)
        due = read_instant(note.status.next_at)
        # What is due later than anybody waits was written by a clock that was ahead.
        if due is not None and now < due <= now + _PATIENCE:
            return Result(requeue_after=(due - now).total_seconds())
        sink = self._sinks.get(note.spec.channel)
        if sink is None:
            return await self._without_channel(found, note, now)
        return await self._deliver(found, note, sink)

    async def _deliver(self, found: Object, note: Notification, sink: Sink) -> Result:
        """One attempt; a second one at once when the channel wants plain text."""
        created = read_instant(note.spec.created_at) or self._clock.now()
        try:
            message = msgspec.json.decode(note.spec.message, type=Message)
        except msgspec.MsgspecError as error:
            await self._write(found, note.status, dead=True, error=f"cannot be read: {error}"[:_SHOWN])
            return Result()
        while True:
            body = sink.render(message, created, plain=note.status.plain)
            reply = await sink.post(body)
            now, status = self._clock.now(), note.status
            first = min(read_instant(status.first_at) or now, now)
            tried = {"attempts": status.attempts + 1, "first_at": rfc3339(first), "next_at": ""}
            match after(reply, Attempt(status.attempts + 1, first, now, status.plain)):
                case Delivered():
                    found = await self._write(found, status, **tried, delivered_at=rfc3339(now), error="")
                    return await self._keep(found, found.view(Notification).status, now)
                case SendAgain(at, reason):
                    tried["next_at"] = rfc3339(at)
                    await self._write(found, status, **tried, error=reason)
                    return Result(requeue_after=max((at - now).total_seconds(), 1.0))
                case SendPlain(reason):
                    found = await self._write(found, status, **tried, plain=True, error=reason)
                    note = found.view(Notification)
                case DeadLetter(reason):
                    await self._write(found, status, **tried, dead=True, error=reason)
                    return Result()

    async def _without_channel(self, found: Object, note: Notification, now: datetime) -> Result:
        """Nobody here serves the channel. It may be configured again within a day; then the message is still wanted."""
        created = read_instant(note.spec.created_at) or now
        told = f"no channel {note.spec.channel} is configured"
        if now - created >= _PATIENCE:
            await self._write(found, note.status, dead=True, error=f"{told}; given up after a day")
            return Result()
        if note.status.error != told:
            await self._write(found, note.status, error=told)
        return Result(resync_after=_LOOK_AGAIN)

    async def _keep(self, found: Object, status: NotificationStatus, now: datetime) -> Result:
        """It arrived: no longer live, so that only what did not is found by the label, and gone after a month."""
        delivered = read_instant(status.delivered_at)
        left = (delivered + KEPT - now).total_seconds() if delivered else 0.0
        with contextlib.suppress(NotFoundError):
            if left <= 0:
                await self._store.delete(NOTIFICATION, found.key)
                return Result()
            if found.labels.get(LIVE_LABEL) != "false":
                manifest = {"metadata": {"labels": {LIVE_LABEL: "false"}}}
                await self._store.apply(NOTIFICATION, found.key, manifest, manager=MANAGER, force=True)
        return Result(resync_after=left)

    async def _write(self, found: Object, status: NotificationStatus, **changed: Any) -> Object:
        return await self._store.patch_status(
            NOTIFICATION,
            found.key,
            stated(msgspec.structs.replace(status, **changed)),
            manager=MANAGER,
            resource_version=found.meta.resource_version,
        )
