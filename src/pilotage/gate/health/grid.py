"""Which combinations of versions was an image tested with? The grid of hosted and management versions, for one digest.

A cell is the worst of what its jobs say now, so that one glance finds what is not proven; a job without versions stands in the
cell of none.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import GateRun, MatrixCell
from pilotage.api.versions import OCPVersion

__all__ = ["Cell", "cells_of", "sorted_versions"]

_RANK = {"failed": 4, "passed": 0, "pending": 2, "": 1}
_OTHER = 3


class Cell(msgspec.Struct, frozen=True, rename="camel"):
    """What the jobs of one combination came to; `jobs` are `platform/job: result`."""

    hosted: str
    management: str
    roles: tuple[str, ...]
    result: str
    jobs: tuple[str, ...]


def cells_of(runs: Iterable[GateRun], digest: str) -> tuple[Cell, ...]:
    """Every combination that a run of the digest has a job for; of each job the newest run counts."""
    newest: dict[tuple[str, str], tuple[str, str, MatrixCell]] = {}
    for run in sorted(runs, key=lambda each: each.spec.created_at):
        if run.spec.digest != digest or run.spec.run_class == "test":
            continue
        results = {
            record.name: (record.attempts[-1].result or "pending") if record.attempts else ""
            for record in run.status.jobs
        }
        for job in run.spec.jobs:
            result = results.get(job.name, "")
            if result or (run.spec.platform, job.name) not in newest:
                cell = job.cell or MatrixCell()
                newest[run.spec.platform, job.name] = (f"{run.spec.platform}/{job.name}", result, cell)
    grouped: dict[tuple[str, str], list[tuple[str, str, MatrixCell]]] = {}
    for entry in newest.values():
        grouped.setdefault((entry[2].hosted, entry[2].management), []).append(entry)
    return tuple(
        Cell(
            hosted,
            management,
            entries[0][2].roles,
            max((entry[1] for entry in entries), key=lambda result: _RANK.get(result, _OTHER)) or "not run",
            tuple(sorted(f"{name}: {result or 'not run'}" for name, result, _ in entries)),
        )
        for (hosted, management), entries in sorted(grouped.items(), key=lambda each: _order(*each[0]))
    )


def sorted_versions(versions: Iterable[str]) -> tuple[str, ...]:
    """Numerically, what is no version last."""
    return tuple(sorted(set(versions), key=_version_order))


def _order(hosted: str, management: str) -> tuple[object, object]:
    return _version_order(hosted), _version_order(management)


def _version_order(text: str) -> tuple[bool, tuple[int, int, int], str]:
    try:
        version = OCPVersion.parse(text)
    except InputError:
        return True, (0, 0, 0), text
    return False, (version.major, version.minor, version.patch), text
