"""The live table of a fleet: for each hosted cluster the image it gets, by which rule, and what is wrong."""

from __future__ import annotations

from typing import Any

from pilotage.api.hypershift import HOSTED_CLUSTER, HostedCluster
from pilotage.api.meta import Condition
from pilotage.api.pilotage import CONTROL_PLANE_IMAGE, ControlPlaneImage, ControlPlaneImageStatus
from pilotage.controlplane.conditions import RESOLVED
from pilotage.room import Board
from pilotage.store.base import Reader

__all__ = ["BOARD"]


async def _records(objects: Reader) -> tuple[dict[str, Any], ...]:
    """One record for each HostedCluster, in the order of the store; empty texts where nothing was decided yet."""
    images = {
        found.key: found.view(ControlPlaneImage).status
        for found in (await objects.list(CONTROL_PLANE_IMAGE)).items
    }
    records = []
    for found in (await objects.list(HOSTED_CLUSTER)).items:
        cluster = found.view(HostedCluster)
        status = images.get(found.key, ControlPlaneImageStatus())
        condition = _resolved(status.conditions)
        records.append(
            {
                "cluster": str(found.key),
                "platform": cluster.platform,
                "version": status.version,
                "rule": status.rule if condition.status != "False" else "",
                "outcome": status.rule if condition.status != "False" else f"error: {condition.reason}",
                "image": status.image,
                "resolved": condition.status,
                "reason": condition.reason,
                "message": condition.message,
                "why": condition.message.removeprefix(f"{status.image}: "),
                "warnings": [warning.code for warning in status.warnings],
            }
        )
    return tuple(records)


def _resolved(conditions: tuple[Condition, ...]) -> Condition:
    return next((found for found in conditions if found.type == RESOLVED), Condition(RESOLVED, ""))


BOARD = Board(
    title="Control plane operator images",
    columns=(
        ("CLUSTER", "cluster"),
        ("PLATFORM", "platform"),
        ("VERSION", "version"),
        ("RULE", "outcome"),
        ("IMAGE", "image"),
        ("WHY", "why"),
    ),
    records=_records,
)
