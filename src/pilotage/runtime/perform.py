"""Acting: walks a plan and hands each action to the store, in order.

Every action is idempotent, so a plan that a crash cut off is performed again from its start. Each yields a `Change` that
says what became of it. An action that asks for what is already there writes nothing:

- A manifest or status that this process applied, and that the cache still shows at the version of that apply, is not even
  sent. What is remembered for this is a digest; a restart that loses it costs one apply that changes nothing.
- A condition gets `lastTransitionTime` here, not in the decision, because time is not a decision's business: the time in the
  store while its status stays, now when it changes. It is merged with the store's object, never with the cache's.

Applies are forced: a plan holds only fields that are ours, and a controller that yields a field of its own to another
manager would fail for ever.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec

from pilotage.api.errors import PilotageError
from pilotage.api.meta import Condition, Kind, Object, ObjectKey, malformed, merge_conditions
from pilotage.decision.actions import Action, Apply, ApplyStatus, Delete, Plan, RecordEvent
from pilotage.runtime.clock import Clock, rfc3339
from pilotage.runtime.events import EVENT, event_key, event_manifest
from pilotage.store.base import NotFoundError, Reader, Writer

__all__ = ["MANAGER", "Change", "Outcome", "Performer", "ReadWrite"]

logger = logging.getLogger(__name__)

MANAGER = "pilotage"
"""The field manager of everything that we write."""

_REMEMBERED = 100_000  # applies; about 200 bytes each

Outcome = Literal["created", "changed", "unchanged", "deleted", "absent", "failed"]


class ReadWrite(Reader, Writer, Protocol):
    """The part of a store that performing needs."""


class Change(msgspec.Struct, frozen=True):
    """What became of one action. `what` is `object`, `status` or `event`; `absent`: there is nothing (any more) to act on.

    `failed` is an event that could not be written; anything else that fails is raised.
    """

    outcome: Outcome
    what: Literal["object", "status", "event"]
    kind: Kind
    key: ObjectKey
    message: str = ""

    def __str__(self) -> str:
        subject = f"{self.kind.resource} {self.key}"
        if self.what == "event":
            return f"{subject}: {self.message}"
        return f"{subject} {'status ' if self.what == 'status' else ''}{self.outcome}"


class _Applied(msgspec.Struct, frozen=True, gc=False):
    digest: bytes
    uid: str
    resource_version: str


class _Conditions(msgspec.Struct, frozen=True):
    conditions: tuple[Condition, ...] | None = None


class _WithConditions(msgspec.Struct, frozen=True):
    status: _Conditions | None = None


class Performer:
    """`cache`, when given, must be a `Reader` over the same store. `on_change` hears of everything that was not unchanged.

    `on_written` is given every object as the store answered it, for the cache to read our own writes.
    """

    def __init__(
        self,
        store: ReadWrite,
        clock: Clock,
        *,
        cache: Reader | None = None,
        on_change: Callable[[Change], None] | None = None,
        on_written: Callable[[Kind, Object], None] | None = None,
    ) -> None:
        self._on_written = on_written
        self._store = store
        self._clock = clock
        self._cache = cache
        self._on_change = on_change
        self._applied: OrderedDict[tuple[Kind, ObjectKey, str], _Applied] = OrderedDict()

    async def perform(self, plan: Plan) -> tuple[Change, ...]:
        """Perform the actions in order; stops at the first that fails, with the error of the store."""
        changes = []
        for action in plan:
            change = await self._perform(action)
            changes.append(change)
            if change.outcome not in ("unchanged", "absent", "failed"):
                logger.info("%s", change)
                if self._on_change is not None:
                    self._on_change(change)
        return tuple(changes)

    async def _perform(self, action: Action) -> Change:
        match action:
            case Apply():
                return await self._apply(action)
            case ApplyStatus():
                return await self._apply_status(action)
            case Delete():
                return await self._delete(action)
            case RecordEvent():
                return await self._record(action)

    async def _apply(self, action: Apply) -> Change:
        kind, key = action.kind, action.key
        digest = _digest(action.manifest)
        if await self._stands(kind, key, "object", digest):
            return Change("unchanged", "object", kind, key)
        before = await self._find(kind, key)
        after = await self._store.apply(kind, key, action.manifest, manager=MANAGER, force=True)
        self._remember(kind, key, "object", digest, after)
        self._tell_written(kind, after)
        return Change(_outcome(before, after), "object", kind, key)

    async def _apply_status(self, action: ApplyStatus) -> Change:
        kind, key = action.kind, action.key
        digest = _digest(action.status)
        if await self._stands(kind, key, "status", digest):
            return Change("unchanged", "status", kind, key)
        before = await self._find(kind, key)
        if before is None:
            return Change("absent", "status", kind, key)
        status = _with_transition_times(action, before, rfc3339(self._clock.now()))
        try:
            after = await self._store.patch_status(kind, key, status, manager=MANAGER)
        except NotFoundError:
            return Change("absent", "status", kind, key)
        self._remember(kind, key, "status", digest, after)
        self._tell_written(kind, after)
        return Change(_outcome(before, after), "status", kind, key)

    async def _delete(self, action: Delete) -> Change:
        """An object that waits for its finalizers was deleted already."""
        kind, key = action.kind, action.key
        before = await self._find(kind, key)
        if before is None:
            return Change("absent", "object", kind, key)
        if before.meta.deletion_timestamp:
            return Change("unchanged", "object", kind, key)
        try:
            await self._store.delete(kind, key)
        except NotFoundError:
            return Change("absent", "object", kind, key)
        return Change("deleted", "object", kind, key)

    async def _record(self, action: RecordEvent) -> Change:
        """What an event tells stands in the objects too: that it cannot be written must not keep those from being written."""
        try:
            return await self._write_event(action)
        except PilotageError as failure:
            logger.warning("%s %s: an event is lost: %s", action.kind.resource, action.key, failure)
            return Change("failed", "event", action.kind, action.key, f"{action.reason}: {action.message}")

    async def _write_event(self, action: RecordEvent) -> Change:
        key = event_key(action)
        existing = await self._find(EVENT, key)
        manifest = event_manifest(action, existing, self._clock.now())
        message = f"{action.type} {action.reason}: {action.message}"
        if manifest is None:
            return Change("unchanged", "event", action.kind, action.key, message)
        await self._store.apply(EVENT, key, manifest, manager=MANAGER, force=True)
        return Change("created" if existing is None else "changed", "event", action.kind, action.key, message)

    async def _stands(self, kind: Kind, key: ObjectKey, what: str, digest: bytes) -> bool:
        """We applied just this, and nobody touched the object since, as far as the cache has heard."""
        applied = self._applied.get((kind, key, what))
        if self._cache is None or applied is None or applied.digest != digest:
            return False
        try:
            meta = (await self._cache.get(kind, key)).meta
        except NotFoundError:
            return False
        return (meta.uid, meta.resource_version) == (applied.uid, applied.resource_version)

    def _remember(self, kind: Kind, key: ObjectKey, what: str, digest: bytes, after: Object) -> None:
        self._applied[kind, key, what] = _Applied(digest, after.meta.uid, after.meta.resource_version)
        self._applied.move_to_end((kind, key, what))
        while len(self._applied) > _REMEMBERED:
            self._applied.popitem(last=False)

    def _tell_written(self, kind: Kind, after: Object) -> None:
        if self._on_written is not None:
            self._on_written(kind, after)

    async def _find(self, kind: Kind, key: ObjectKey) -> Object | None:
        try:
            return await self._store.get(kind, key)
        except NotFoundError:
            return None


def _outcome(before: Object | None, after: Object) -> Outcome:
    if before is None:
        return "created"
    same = before.meta.resource_version == after.meta.resource_version and before.meta.uid == after.meta.uid
    return "unchanged" if same else "changed"


def _with_transition_times(action: ApplyStatus, existing: Object, now: str) -> Mapping[str, Any]:
    """The status to send; conditions that bring their own time keep it."""
    wanted = msgspec.to_builtins(action.status.get("conditions"))
    if not wanted:
        return action.status
    try:
        desired = msgspec.convert(wanted, tuple[Condition, ...])
    except msgspec.ValidationError as error:
        raise malformed(f"{action.kind.kind} {action.key}: status.conditions", error) from None
    status = existing.view(_WithConditions).status
    merged = merge_conditions((status and status.conditions) or (), desired, now)
    times = {condition.type: condition.last_transition_time for condition in merged}
    return {
        **action.status,
        "conditions": [
            {
                **condition,
                "lastTransitionTime": condition.get("lastTransitionTime") or times[condition["type"]],
            }
            for condition in wanted
        ],
    }


def _digest(value: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=16).digest()
