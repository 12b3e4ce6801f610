"""Which definition gets which names: what the naming and establishing controllers of an API server do, at once.

After each write of a definition its group is settled in the same transaction, so whoever created a definition may use its kind
the moment they are answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from pilotage.api.meta import Condition, ObjectKey
from pilotage.store.embedded import apply as serverside
from pilotage.store.embedded import rows
from pilotage.store.embedded.database import Transaction
from pilotage.store.embedded.definitions import DEFINITION, DEFINITION_TYPE, Definitions
from pilotage.store.embedded.kinds import storage_type, well_known_traits
from pilotage.store.embedded.pen import Pen, header

if TYPE_CHECKING:
    from pilotage.store.schema.definition import Definition

__all__ = ["CLEANUP", "mark_terminating", "settle_group"]

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition until its objects are gone."""
_SERVER = "kube-apiserver"


def settle_group(tx: Transaction, pen: Pen, definitions: Definitions, group: str) -> None:
    """Give every definition of a group the names that it can have, and say so in its status."""
    from pilotage.store.schema.establishing import settle_names  # noqa: PLC0415 start-up time

    neighbours = definitions.neighbours(tx.connection, group)
    for index, definition in enumerate(neighbours):
        settled = settle_names(definition, neighbours)
        is_established = settled.established.status == "True"
        if is_established:
            type_ = storage_type(group, definition.spec.names.kind)
            if rows.definition_of(tx.connection, type_, DEFINITION_TYPE) is None:
                rows.define(tx.connection, type_, definition.name)
        accepted = msgspec.to_builtins(settled.accepted)
        accepted.setdefault("plural", "")
        accepted.setdefault("kind", "")
        _write_status(tx, pen, definition, accepted, (settled.names_accepted, settled.established))
        status = msgspec.structs.replace(definition.status, accepted_names=settled.accepted)
        neighbours[index] = msgspec.structs.replace(definition, status=status)


def _write_status(
    tx: Transaction,
    pen: Pen,
    definition: Definition,
    accepted: dict[str, Any],
    conditions: tuple[Condition, ...],
) -> None:
    body = rows.read(tx.connection, DEFINITION_TYPE, ObjectKey("", definition.name))
    if body is None:
        return
    value = orjson.loads(body)
    now, _ = pen.now()
    status = value.get("status") or {}
    told = {entry["type"]: entry for entry in status.get("conditions") or ()}
    for condition in conditions:
        told[condition.type] = _entry(condition, told.get(condition.type), now)
    new = {**value, "status": {**status, "acceptedNames": accepted, "conditions": list(told.values())}}
    outcome = serverside.update(
        value,
        new,
        well_known_traits(DEFINITION).shape,
        serverside.Writer(_SERVER, DEFINITION.api_version, now, "status"),
    )
    if outcome.is_changed:
        pen.store(tx, DEFINITION_TYPE, outcome.value, header(body).metadata)


def _entry(condition: Condition, before: dict[str, Any] | None, now: str) -> dict[str, Any]:
    same = before is not None and before.get("status") == condition.status
    return {
        "type": condition.type,
        "status": condition.status,
        "lastTransitionTime": before.get("lastTransitionTime", now) if same and before else now,
        "reason": condition.reason,
        "message": condition.message,
    }


def mark_terminating(value: dict[str, Any], now: str) -> None:
    """Say in the status, in place, that the objects of a definition are on their way out."""
    status = value.setdefault("status", {})
    condition = Condition(
        "Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"
    )
    kept = [entry for entry in status.get("conditions") or () if entry.get("type") != condition.type]
    status["conditions"] = [*kept, _entry(condition, None, now)]
