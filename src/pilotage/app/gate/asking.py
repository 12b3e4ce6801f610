"""Questions about the gate that need the ledger and the Snapshots: select, where, bisect, regress, matrix."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import Gate, GateRun
from pilotage.app.gate import ledgers
from pilotage.gate.health import grid, whereis
from pilotage.gate.health.bisect import BisectPolicy
from pilotage.gate.health.families import Judged, report
from pilotage.gate.health.suspects import Bisection, bisection
from pilotage.gate.health.units import units_of
from pilotage.gate.health.whereis import Build, Place
from pilotage.gate.settings import selection_policy
from pilotage.gate.ticks.selection import Selection, select
from pilotage.store.base import Reader

__all__ = ["Found", "Grid", "Where", "bisect", "matrix", "regress", "selection", "where"]

_SHORTEST_COMMIT = 7


class Found(msgspec.Struct, frozen=True):
    """What a platform would test now."""

    platform: str
    selection: Selection


class Where(msgspec.Struct, frozen=True):
    """A commit: its builds, and how far it came on each platform."""

    commit: str
    builds: tuple[Build, ...]
    places: tuple[Place, ...]


class Grid(msgspec.Struct, frozen=True):
    digest: str
    cells: tuple[grid.Cell, ...]


async def selection(
    reader: Reader, now: datetime, platform: str = "", namespace: str = ""
) -> tuple[Found, ...]:
    """What the next tick of each platform would select."""
    return tuple(
        [
            Found(gate.spec.platform, await _select(reader, gate, now))
            for gate in await ledgers.gates_of(reader, platform, namespace)
        ]
    )


async def where(reader: Reader, now: datetime, commit: str, namespace: str = "") -> Where:
    """Raises InputError `ShortCommit`; a commit that no Snapshot has is an answer without builds."""
    if len(commit) < _SHORTEST_COMMIT or any(letter not in "0123456789abcdef" for letter in commit):
        raise InputError(
            "ShortCommit",
            f"{commit}: is no commit",
            hint=f"write at least {_SHORTEST_COMMIT} of its hexadecimal digits, in lower case",
        )
    gates = await ledgers.gates_of(reader, namespace=namespace)
    builds: dict[str, Build] = {}
    places = []
    for gate in gates:
        snapshots = await ledgers.snapshots_of(reader, gate)
        own = whereis.builds_of(commit, snapshots)
        builds |= {build.snapshot: build for build in own}
        places.append(
            whereis.place_of(
                own,
                gate,
                snapshots,
                await ledgers.runs_of(reader, gate),
                await ledgers.promotions_of(reader, gate),
                selection_policy(gate.spec, now),
            )
        )
    return Where(commit, tuple(builds.values()), tuple(places))


async def bisect(
    reader: Reader, platform: str, namespace: str = "", policy: BisectPolicy | None = None
) -> tuple[Gate, Bisection]:
    """How far the search for the first bad build is."""
    gate = await ledgers.gate_of(reader, platform, namespace)
    runs = await ledgers.runs_of(reader, gate)
    snapshots = await ledgers.snapshots_of(reader, gate)
    return gate, bisection(runs, snapshots, gate.spec.component, policy)


async def regress(
    reader: Reader, now: datetime, platform: str = "", namespace: str = ""
) -> tuple[Judged, ...]:
    """Every unit of the platforms as one report: they are corrected together."""
    runs: list[GateRun] = []
    for gate in await ledgers.gates_of(reader, platform, namespace):
        runs += await ledgers.runs_of(reader, gate)
    return report(units_of(runs), now)


async def matrix(reader: Reader, digest: str = "", namespace: str = "") -> Grid:
    """The grid of a digest, over all platforms; without one of the image that was tested last.

    Raises InputError `NoSuchDigest`, `Ambiguous` for the beginning of several.
    """
    runs: list[GateRun] = []
    for gate in await ledgers.gates_of(reader, namespace=namespace):
        runs += await ledgers.runs_of(reader, gate)
    wanted = digest if digest.startswith("sha256:") or not digest else f"sha256:{digest}"
    known = {run.spec.digest: run.spec.created_at for run in reversed(runs)}
    if not wanted:
        newest = max(known, key=lambda each: known[each], default="")
        return Grid(newest, grid.cells_of(runs, newest))
    fitting = [each for each in known if each.startswith(wanted)]
    if not fitting:
        raise InputError(
            "NoSuchDigest", f"no run tested {digest}", hint="see the digests in: pilotage gate history"
        )
    if len(fitting) > 1:
        raise InputError("Ambiguous", f"{digest} may be any of {', '.join(fitting)}", hint="write more of it")
    return Grid(fitting[0], grid.cells_of(runs, fitting[0]))


async def _select(reader: Reader, gate: Gate, now: datetime) -> Selection:
    return select(
        await ledgers.snapshots_of(reader, gate),
        selection_policy(gate.spec, now),
        await ledgers.released_in(reader, gate),
    )


def counted(rejected: Mapping[str, str]) -> dict[str, int]:
    """How many Snapshots have each code, the most frequent first."""
    counts: dict[str, int] = {}
    for code in rejected.values():
        counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
