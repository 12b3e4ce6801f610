"""What did each test show lately? The history of runs as the units that a regression report compares.

A unit is one job with one hosted minor on one platform. It counts digests, not attempts: a digest passed when any conclusive
execution on it did, since a flake is no regression; trouble of the infrastructure says nothing and is left out. Rehearsals count
for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pilotage.api.gate import GateRun
from pilotage.gate.health.families import Outcome, Unit
from pilotage.gate.instants import read_instant

__all__ = ["units_of"]

_CONCLUSIVE = ("passed", "failed")


def units_of(runs: Iterable[GateRun]) -> tuple[Unit, ...]:
    """Sorted by job, minor and platform; the outcomes of each by time."""
    seen: dict[tuple[str, str, str], dict[str, tuple[datetime, bool]]] = {}
    for run in runs:
        if run.spec.run_class == "test":
            continue
        minors = {job.name: _minor(job.cell.hosted) if job.cell else "" for job in run.spec.jobs}
        for record in run.status.jobs:
            digests = seen.setdefault((record.name, minors.get(record.name, ""), run.spec.platform), {})
            for attempt in record.attempts:
                at = read_instant(attempt.completed_at)
                if attempt.result not in _CONCLUSIVE or at is None:
                    continue
                before, passed = digests.get(run.spec.digest, (at, False))
                digests[run.spec.digest] = max(before, at), passed or attempt.result == "passed"
    return tuple(
        Unit(job, minor, platform, tuple(Outcome(at, passed) for at, passed in sorted(digests.values())))
        for (job, minor, platform), digests in sorted(seen.items())
        if digests
    )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
