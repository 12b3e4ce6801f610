"""The controller that watches the gate itself: nothing promoted for days, no tick at all, and what people overruled.

It asks once an hour and after every change of a Gate, whether or not any run exists: the alarm must not live inside the thing it
watches. An episode is an Alert, so a restart neither forgets it nor tells it twice. The message is owed before the episode is
written: killed in between, the same message is found again by its name, which follows from the episode before.

Who watches the watchman? An address that is asked after every completed look: an outside monitor that no longer hears of it
raises its own alarm.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec

from pilotage.api.gate import (
    ALERT,
    GATE,
    PLATFORM_LABEL,
    PROMOTION,
    Alert,
    AlertSpec,
    AlertStatus,
    Gate,
    Promotion,
)
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.health.stale import Alarm, StaleFacts, decide_alarm
from pilotage.gate.health.standing import Beat, Promoted, heartbeat_of, last_promoted, stale_facts
from pilotage.gate.instants import read_instant
from pilotage.gate.prow.wire import Wire, read_secret
from pilotage.gate.runs.ledger import MANAGER, stated
from pilotage.gate.telling import alertmessages
from pilotage.gate.telling.alertmessages import HeartbeatMissing, PastRun, PersonalAction, StalePromotion
from pilotage.gate.telling.message import Message, Subject
from pilotage.gate.telling.owing import TOLD_WITHIN, Outbox
from pilotage.runtime.clock import Clock, rfc3339
from pilotage.runtime.controller import Controller, Result, Watch
from pilotage.store.base import AlreadyExistsError, Listing, NotFoundError

__all__ = ["DeadMan", "Watchman", "WatchmanStore"]

logger = logging.getLogger(__name__)

_HOURLY: Final = 3600.0
_RUNS_TOLD: Final = 7
_KINDS: Final[dict[str, Literal["warning", "critical", "reminder", "resolved"]]] = {
    "remind": "reminder",
    "escalate": "critical",
    "resolve": "resolved",
}


class WatchmanStore(Protocol):
    """The part of a store that watching needs."""

    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing: ...

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object: ...

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: str = "",
    ) -> Object: ...


class DeadMan:
    """An address that wants to hear of us: asked at most every `pause`, after a look that was completed.

    The address stands in a file, because such addresses are secrets; it is read each time.
    """

    def __init__(
        self, url_file: Path, wire: Wire, clock: Clock, pause: timedelta = timedelta(minutes=5)
    ) -> None:
        self._url_file = url_file
        self._wire = wire
        self._clock = clock
        self._pause = pause
        self._last: datetime | None = None

    async def ping(self) -> None:
        """Never raises: the monitor notices by itself when nothing arrives."""
        now = self._clock.now()
        if self._last is not None and timedelta(0) <= now - self._last < self._pause:
            return
        url = read_secret(self._url_file, "address of the monitor")
        if isinstance(url, str):
            logger.warning("%s", url)
            return
        reply = await self._wire.send("GET", url)
        if 200 <= reply.status < 300:
            self._last = now
        else:
            logger.warning("the monitor did not take the ping: %s", reply.cause or f"answered {reply.status}")


class Watchman:
    """One reconcile looks at one Gate."""

    def __init__(
        self, store: WatchmanStore, outbox: Outbox, clock: Clock, dead_man: DeadMan | None = None
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._dead_man = dead_man

    def declaration(self) -> Controller:
        return Controller(
            name="gate-watchman",
            kind=GATE,
            reconcile=self.reconcile,
            watches=(Watch(PROMOTION, _gate_of),),
            workers=4,
            deadline=3600.0,
        )

    async def reconcile(self, key: ObjectKey) -> Result:
        try:
            gate = (await self._store.get(GATE, key)).view(Gate)
        except NotFoundError:
            return Result()
        now, platform = self._clock.now(), gate.spec.platform
        found = await self._store.list(PROMOTION, key.namespace, {PLATFORM_LABEL: platform})
        promotions = [item.view(Promotion) for item in found.items]
        await self._stale(key, gate, last_promoted(gate, [each.spec for each in promotions]), now)
        await self._heartbeat(key, gate, now)
        await self._outbox.owe(key.namespace, _overruled(gate, promotions, now))
        if self._dead_man is not None:
            await self._dead_man.ping()
        return Result(resync_after=_HOURLY)

    async def _stale(self, key: ObjectKey, gate: Gate, promoted: Promoted | None, now: datetime) -> None:
        alert = await self._alert(key, "stale", gate)
        facts = stale_facts(gate, promoted, alert.view(Alert), now)
        alarm = decide_alarm(facts, gate.spec.platform).value
        if alarm is None or alarm.action in ("none", "error"):
            return
        before = alert.view(Alert).status
        message = _stale_message(gate, promoted, facts, alarm, before)
        status = AlertStatus(
            level=alarm.level or before.level,
            reference=alarm.reference or before.reference,
            opened_at=before.opened_at if alarm.action in ("remind", "escalate", "resolve") else rfc3339(now),
            last_sent_at=rfc3339(now),
            resolved_at=rfc3339(now) if alarm.action == "resolve" else "",
            message=message.what,
        )
        await self._tell(key, alert, message, status)

    async def _heartbeat(self, key: ObjectKey, gate: Gate, now: datetime) -> None:
        alert = await self._alert(key, "heartbeat", gate)
        before = alert.view(Alert).status
        beat = heartbeat_of(gate, alert.view(Alert), now)
        if beat.action == "none":
            return
        message = None if beat.action == "resolve" else _heartbeat_message(gate, beat, before)
        status = AlertStatus(
            level="critical",
            reference=before.reference if beat.action == "resolve" else beat.reference,
            opened_at=rfc3339(now) if beat.action == "alert" else before.opened_at,
            last_sent_at=before.last_sent_at if beat.action == "resolve" else rfc3339(now),
            resolved_at=rfc3339(now) if beat.action == "resolve" else "",
            message=message.what if message else "ticks come again",
        )
        await self._tell(key, alert, message, status)

    async def _tell(
        self, key: ObjectKey, alert: Object, message: Message | None, status: AlertStatus
    ) -> None:
        if message is not None:
            await self._outbox.owe(key.namespace, (message,))
        name = alert.key
        if not alert.meta.resource_version:
            with contextlib.suppress(AlreadyExistsError):
                alert = await self._store.create(ALERT, alert.value(), manager=MANAGER)
        await self._store.patch_status(
            ALERT, name, stated(status), manager=MANAGER, resource_version=alert.meta.resource_version
        )

    async def _alert(self, key: ObjectKey, what: Literal["stale", "heartbeat"], gate: Gate) -> Object:
        """The episode as it stands; one that was never opened exists only here."""
        name = ObjectKey(key.namespace, f"{what}-{gate.spec.platform}")
        with contextlib.suppress(NotFoundError):
            return await self._store.get(ALERT, name)
        spec = AlertSpec(f"{what}/{gate.spec.platform}", gate.spec.platform)
        return Object.of(
            {
                "apiVersion": ALERT.api_version,
                "kind": ALERT.kind,
                "metadata": {
                    "namespace": name.namespace,
                    "name": name.name,
                    "labels": {PLATFORM_LABEL: gate.spec.platform},
                },
                "spec": msgspec.to_builtins(spec),
            }
        )


def _stale_message(
    gate: Gate, promoted: Promoted | None, facts: StaleFacts, alarm: Alarm, before: AlertStatus
) -> Message:
    # The episode before is part of the name: the same step of the same episode is one message, the next reminder another.
    event = f"{gate.spec.platform}/stale/{alarm.reference}/{alarm.action}/{before.last_sent_at or 'first'}"
    level = alarm.level or "warning"
    return alertmessages.stale_promotion(
        _subject(gate, event),
        StalePromotion(
            kind=_KINDS.get(alarm.action, level),
            days=float(facts.age or 0) / 86_400,
            threshold_days=gate.spec.stale.threshold_days,
            last=promoted.at if promoted else "",
            last_digest=promoted.digest if promoted else "",
            runs=tuple(
                PastRun(each.name, each.verdict or each.state, each.finished_at)
                for each in gate.status.recent[:_RUNS_TOLD]
            ),
        ),
    )


def _heartbeat_message(gate: Gate, beat: Beat, before: AlertStatus) -> Message:
    event = f"{gate.spec.platform}/heartbeat/{beat.reference}/{beat.action}/{before.last_sent_at or 'first'}"
    return alertmessages.heartbeat_missing(
        _subject(gate, event), HeartbeatMissing(beat.since, beat.hours, gate.spec.schedule)
    )


def _overruled(gate: Gate, promotions: list[Promotion], now: datetime) -> Iterator[Message]:
    """What people did lately. It stands in objects, whoever wrote it there, so the message follows from those."""
    platform = gate.spec.platform
    told: set[str] = set()
    for action in _actions(gate, promotions):
        event, at, facts = action
        moment = read_instant(at)
        if moment is None or now - moment > TOLD_WITHIN or event in told:
            continue
        told.add(event)
        yield alertmessages.personal_action(_subject(gate, f"{platform}/{event}"), facts)


def _actions(gate: Gate, promotions: list[Promotion]) -> Iterator[tuple[str, str, PersonalAction]]:
    for promotion in promotions:
        digest = promotion.spec.digest
        for each in promotion.status.withdrawals:
            facts = PersonalAction(each.action, each.by, each.reason, digest)
            yield f"{each.action}/{digest}/{each.at}", each.at, facts
    for yank in gate.spec.yanked:
        facts = PersonalAction("yank", yank.by, yank.reason, yank.digest)
        yield f"yank/{yank.digest}/{yank.at}", yank.at, facts
    for entry in gate.spec.quarantine:
        if entry.since:
            facts = PersonalAction("quarantine", entry.owner, entry.reason, entry.job, entry.until)
            yield f"quarantine/{entry.job}/{entry.until}", entry.since, facts


def _subject(gate: Gate, event: str) -> Subject:
    last = gate.status.recent[0] if gate.status.recent else None
    return Subject(
        event=event,
        platform=gate.spec.platform,
        display_name=gate.spec.display_name,
        digest=last.digest if last else "",
        run=last.name if last else "",
        owner=", ".join(gate.spec.owners),
    )


def _gate_of(found: Object) -> Iterator[ObjectKey]:
    platform = found.labels.get(PLATFORM_LABEL)
    if platform:
        yield ObjectKey(found.key.namespace, platform)
