"""Events, as `kubectl describe` shows them: what happened to an object, in words, and how often.

A core/v1 Event whose name is a digest of what it says, so the same message about the same object is the same Event,
whoever writes it and after whatever restart; saying it again raises `count` and `lastTimestamp`. A repetition within
`REPEAT_WINDOW` writes nothing: a failing object that is retried many times a second costs one write a minute, and a plan
that is performed twice because of a crash counts once.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import msgspec

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.decision.actions import RecordEvent
from pilotage.runtime.clock import rfc3339

__all__ = ["EVENT", "REPEAT_WINDOW", "event_key", "event_manifest"]

EVENT = Kind("", "v1", "Event", "events", short_names=("ev",))

REPEAT_WINDOW = timedelta(seconds=60)
_NAME_LIMIT = 253  # of a Kubernetes object name
_MESSAGE_LIMIT = 1024  # characters; the API's limit for the note of an event
_SOURCE = "pilotage"


class _Recorded(msgspec.Struct, rename="camel"):
    """What an earlier writer left in the Event."""

    count: int | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None


def event_key(action: RecordEvent) -> ObjectKey:
    """The Event's namespace and name. Events of cluster-scoped objects live in `default`, as everywhere."""
    said = (
        action.kind.resource, action.key.namespace, action.key.name, action.uid,
        action.type, action.reason, _shortened(action.message),
    )  # fmt: skip
    digest = hashlib.sha256("\0".join(said).encode()).hexdigest()[:16]
    name = f"{action.key.name[: _NAME_LIMIT - len(digest) - 1].rstrip('.-')}.{digest}"
    return ObjectKey(action.key.namespace or "default", name)


def event_manifest(action: RecordEvent, existing: Object | None, now: datetime) -> dict[str, Any] | None:
    """The Event to apply, counting on from `existing`; None when that one is recent enough to stand."""
    recorded = existing.view(_Recorded) if existing is not None else _Recorded()
    last = recorded.last_timestamp
    if last is not None and now - last < REPEAT_WINDOW:
        return None
    key = event_key(action)
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": action.kind.api_version,
            "kind": action.kind.kind,
            "name": action.key.name,
            **({"namespace": action.key.namespace} if action.key.namespace else {}),
            **({"uid": action.uid} if action.uid else {}),
        },
        "type": action.type,
        "reason": action.reason,
        "message": _shortened(action.message),
        "source": {"component": _SOURCE},
        "reportingComponent": _SOURCE,
        "reportingInstance": _SOURCE,
        "count": (recorded.count or 0) + 1,
        "firstTimestamp": rfc3339(recorded.first_timestamp or now),
        "lastTimestamp": rfc3339(now),
    }


def _shortened(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else f"{message[: _MESSAGE_LIMIT - 1]}…"
