"""The ledger of a few nights, in a directory as an instance leaves it: what `pilotage gate` is asked about in tests.

aro-hcp flakes every night and passes until a bad build comes, with which its upgrade fails; rosa-hcp passes always.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from pilotage.api.gate import VERSION_MATRIX
from pilotage.api.meta import Object
from pilotage.app import instance
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Line, Playbook, Script, flaky
from pilotage.world.snapshots import Build, builds, snapshot

from ..gate.nightrig import (  # noqa: TID252 -- one rig plays the nights of both folders
    EVENING,
    NAMESPACE,
    SLOT,
    gate_manifest,
    new_night,
)

__all__ = ["BAD", "MORNING", "NAMESPACE", "NIGHTS", "made", "record"]

NIGHTS = 4
MORNING = "2026-06-14T12:00:00Z"
"""After the last of the nights."""
BAD = "2026-06-12T12:00:00Z"
"""Builds after this are bad."""


def made() -> tuple[Build, ...]:
    """A few good builds a day, the oldest first."""
    return builds(EVENING - timedelta(hours=20), NIGHTS, spoiled=0.0, per_day=4.0)


def record(directory: Path, *, active: bool = False) -> Path:
    """Play the nights; with `active` the last run of them is still under way."""
    asyncio.run(_record(directory, active=active))
    return directory


async def _record(directory: Path, *, active: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    clock = ManualClock(EVENING)
    every = made()
    bad = [build for build in every if f"{build.at:%Y-%m-%dT%H:%M:%SZ}" > BAD]
    fails = Script(ending="failure")
    lines = [Line(fails, "e2e-upgrade", digest=build.digest) for build in bad]
    async with await EmbeddedStore.open(instance.store_path(directory), clock) as store:
        rosa = gate_manifest("rosa-hcp", ("rosa-e2e",), matrixRef={"name": "versions"})
        night = await new_night(store, clock, Playbook((*lines, *flaky("e2e-azure"))), gate_manifest(), rosa)
        await store.create(VERSION_MATRIX, _matrix(), manager="test")
        known: set[str] = set()
        for number in range(NIGHTS):
            slot = SLOT + timedelta(days=number)
            clock.advance((slot - clock.now()).total_seconds())
            fresh = [snapshot(build) for build in every if build.at <= slot and build.digest not in known]
            known |= {build.digest for build in every if build.at <= slot}
            await store.restore([Object.of(manifest) for manifest in fresh])
            is_last = number == NIGHTS - 1
            await night.play(horizon=2400.0 if active and is_last else 80_000.0)


def _matrix() -> dict[str, Any]:
    return {
        "apiVersion": VERSION_MATRIX.api_version,
        "kind": VERSION_MATRIX.kind,
        "metadata": {"namespace": NAMESPACE, "name": "versions"},
        "spec": {
            "minors": [
                {"minor": "4.20", "releases": ["4.20.0", "4.20.7", "4.20.10"]},
                {"minor": "4.21", "releases": ["4.21.1", "4.21.2"]},
            ],
            "management": ["4.20.10", "4.21.2"],
            "templates": [{"name": "rosa-{version}-on-{management}", "type": "required"}],
        },
    }
