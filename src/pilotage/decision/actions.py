"""An action is a value: it can be printed, compared in a test, or performed by the runtime.

A plan is a tuple of actions in the order in which they are performed. Each action is idempotent, so a plan that was cut
off by a crash is simply performed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from pilotage.api.meta import Kind, ObjectKey

__all__ = ["Action", "Apply", "ApplyStatus", "Delete", "Plan", "RecordEvent"]


class Apply(msgspec.Struct, frozen=True, tag="apply", tag_field="action"):
    """Server-side apply of the fields that we own. `manifest` holds only those."""

    kind: Kind
    key: ObjectKey
    manifest: Mapping[str, Any]


class ApplyStatus(msgspec.Struct, frozen=True, tag="apply-status", tag_field="action"):
    """Server-side apply on the status subresource; `status` holds only what we own."""

    kind: Kind
    key: ObjectKey
    status: Mapping[str, Any]


class Delete(msgspec.Struct, frozen=True, tag="delete", tag_field="action"):
    kind: Kind
    key: ObjectKey


class RecordEvent(msgspec.Struct, frozen=True, tag="event", tag_field="action"):
    """An Event on the object, as `kubectl describe` shows it. `reason` is UpperCamelCase."""

    kind: Kind
    key: ObjectKey
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


Action = Apply | ApplyStatus | Delete | RecordEvent
Plan = tuple[Action, ...]
