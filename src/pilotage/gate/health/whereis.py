"""Where is my commit? Built, on its way to ACM's registry, under test, verified: for each platform, and what it waits for.

A build holds its commit and all before it. So a commit is verified for a platform when its own image was promoted there, or a
later build; `by` says which. Builds are ordered by when their Snapshots were made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from pilotage.api.gate import Gate, GateRun, Promotion
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.ticks.eligibility import ELIGIBLE, Candidate, SelectionPolicy, judge
from pilotage.gate.ticks.snapshots import Snapshot, SnapshotComponent

__all__ = ["Build", "Place", "builds_of", "place_of"]

Stage = Literal["verified", "promoting", "testing", "waiting", "failed", "rejected", "not-built", "yanked"]


class Build(msgspec.Struct, frozen=True, rename="camel"):
    """A Snapshot of the commit. `released` says whether it went to ACM's registry; `why` what its condition says."""

    snapshot: str
    component: str
    digest: str
    revision: str
    created: str
    released: bool
    why: str = ""


class Place(msgspec.Struct, frozen=True, rename="camel"):
    """How far the commit is for one platform. `by` names the Snapshot, run or promotion that says so."""

    platform: str
    stage: Stage
    why: str
    by: str = ""
    at: str = ""


def builds_of(commit: str, snapshots: Iterable[Snapshot]) -> tuple[Build, ...]:
    """Every build of the commit, which may be given by its first characters; the newest last."""
    found = [
        _build(snapshot, component)
        for snapshot in snapshots
        for component in snapshot.components
        if component.revision and component.revision.startswith(commit)
    ]
    return tuple(sorted(found, key=lambda build: (build.created, build.snapshot)))


def place_of(
    builds: Sequence[Build],
    gate: Gate,
    snapshots: Sequence[Snapshot],
    runs: Iterable[GateRun],
    promotions: Iterable[Promotion],
    policy: SelectionPolicy,
) -> Place:
    """How far the builds are on one platform: the furthest any of them came."""
    platform = gate.spec.platform
    own = [build for build in builds if build.component == gate.spec.component]
    if not own:
        return Place(platform, "not-built", f"no Snapshot of {gate.spec.component} has the commit")
    build = own[-1]
    yanked = {each.digest: each.reason for each in gate.spec.yanked}
    since = [each for each in promotions if each.spec.built_at >= own[0].created]
    kept = sorted((each for each in since if each.spec.digest not in yanked), key=lambda each: each.spec.at)
    if kept:
        first = kept[0].spec
        what = "its image" if first.digest in {each.digest for each in own} else "a later build"
        return Place(platform, "verified", f"{what} was promoted as {first.tag}", first.run, first.at)
    if build.digest in yanked:
        return Place(platform, "yanked", f"yanked: {yanked[build.digest]}", build.snapshot)
    ours = [
        run for run in runs if run.spec.snapshot.created >= own[0].created and run.spec.run_class != "test"
    ]
    if ours:
        return _by_run(platform, max(ours, key=lambda run: run.spec.created_at))
    return _by_selection(platform, build, snapshots, policy, gate.status.next_tick)


def _by_run(platform: str, run: GateRun) -> Place:
    name, status = run.metadata.name, run.status
    if status.state not in ENDED:
        stage: Stage = "promoting" if status.verdict == "passed" else "testing"
        return Place(platform, stage, f"{name} is {status.state or 'planned'}", name, run.spec.created_at)
    why = status.message or status.verdict_reason or status.state
    return Place(platform, "failed", f"{status.state}: {why}", name, status.finished_at)


def _by_selection(
    platform: str, build: Build, snapshots: Sequence[Snapshot], policy: SelectionPolicy, next_tick: str
) -> Place:
    snapshot = next(each for each in snapshots if each.name == build.snapshot)
    decision = judge(Candidate(snapshot, policy))
    if decision.value != ELIGIBLE:
        return Place(platform, "rejected", f"{decision.value}: {decision.reason}", build.snapshot)
    return Place(
        platform, "waiting", f"eligible; the next tick is {next_tick or 'not planned'}", build.snapshot
    )


def _build(snapshot: Snapshot, component: SnapshotComponent) -> Build:
    condition = snapshot.condition("AutoReleased")
    released = (
        condition is not None
        and condition.status == "True"
        and "newer Snapshot" not in condition.message
        and not condition.message.startswith("Skipping")
    )
    return Build(
        snapshot.name,
        component.name,
        component.image.partition("@")[2],
        component.revision or "",
        f"{snapshot.created:%Y-%m-%dT%H:%M:%SZ}" if snapshot.created else "",
        released,
        condition.message if condition else "not released yet",
    )
