"""A tick: the schedule, or a person, wants the newest Snapshot verified. Select, decide, and write down the run.

A tick is made again after a crash, so everything it does is found again by name: the run of a tick carries the id of its trigger,
and its name follows from what it tests. Only one object is created; whatever comes after that is the run's own business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec

from pilotage.api import konflux
from pilotage.api.canonical import canonical_json
from pilotage.api.gate import (
    DIGEST_LABEL,
    GATE_RUN,
    LIVE_LABEL,
    PLATFORM_LABEL,
    PROMOTION,
    RUN_CLASS_LABEL,
    VERSION_MATRIX,
    Gate,
    GateRun,
    GateRunSpec,
    Promotion,
    RunJob,
    SnapshotPin,
    TriggerRecord,
    VersionMatrix,
)
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.runs.jobkeys import run_key
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.settings import selection_policy
from pilotage.gate.ticks.jobs import planned_jobs
from pilotage.gate.ticks.selection import Chosen, Selection, releases_of, select
from pilotage.gate.ticks.snapshots import read_snapshot
from pilotage.gate.ticks.trigger import Run, Tick, decide_trigger
from pilotage.runtime.clock import rfc3339
from pilotage.store.base import AlreadyExistsError, Listing

__all__ = ["TickOutcome", "TickRequest", "TickStore", "ledger_lines", "make_tick"]

MANAGER = "pilotage-gate"


class TickStore(Protocol):
    """The part of a store that a tick needs."""

    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing: ...

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object: ...


class TickRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants what. `snapshot` or `digest` name one instead of the newest; `jobs` are a part of the gate's.

    Without `writes` nothing is created: the outcome is what would happen.
    """

    id: str
    kind: Literal["schedule", "manual", "coalesced"] = "schedule"
    by: str = ""
    why: str = ""
    forced: bool = False
    snapshot: str = ""
    digest: str = ""
    jobs: tuple[str, ...] = ()
    run_class: Literal["", "test"] = ""
    writes: bool = True


class TickOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a tick came to. `action` is that of the trigger decision, or `none` when no Snapshot could be taken."""

    action: Literal["start", "skip", "attach", "wait", "none"]
    reason: str
    run: str = ""
    chosen: Chosen | None = None
    rejected: Mapping[str, str] = {}


async def make_tick(
    store: TickStore, gate: Gate, namespace: str, request: TickRequest, now: datetime
) -> TickOutcome:
    """Raises InputError when the gate's jobs cannot be planned, and what the store raises."""
    platform = gate.spec.platform
    runs = (await store.list(GATE_RUN, namespace, {PLATFORM_LABEL: platform})).items
    earlier = _of_trigger(runs, request.id)
    if earlier is not None:
        return TickOutcome(action="attach", reason="same-trigger", run=earlier)
    selection, manifests = await _select(store, gate, request, now)
    chosen = selection.chosen
    if chosen is None:
        return TickOutcome(action="none", reason=selection.reason or "", rejected=selection.rejected)
    promotions = (await store.list(PROMOTION, namespace, {PLATFORM_LABEL: platform})).items
    start = decide_trigger(
        Tick(
            digest=chosen.digest,
            scenario="",
            ledger=ledger_lines(gate, runs, promotions),
            is_forced=request.forced,
            is_paused=gate.spec.paused,
            max_runs_per_digest=gate.spec.max_runs_per_digest,
        )
    ).value
    if start is None or start.action != "start":
        action, reason = (start.action, start.reason) if start else ("skip", "undecided")
        return TickOutcome(
            action=action, reason=reason, run=_active(runs), chosen=chosen, rejected=selection.rejected
        )
    jobs = await _jobs(store, gate, namespace, request)
    manifest = _manifest(
        gate, namespace, manifests[chosen.snapshot.name], chosen, request, start.reason, jobs, now
    )
    name = manifest["metadata"]["name"]
    if request.writes:
        try:
            await store.create(GATE_RUN, manifest, manager=MANAGER)
        except AlreadyExistsError:
            return TickOutcome(action="attach", reason="same-trigger", run=name, chosen=chosen)
    return TickOutcome(
        action="start", reason=start.reason, run=name, chosen=chosen, rejected=selection.rejected
    )


def ledger_lines(gate: Gate, runs: Sequence[Object], promotions: Sequence[Object]) -> tuple[Run, ...]:
    """The platform's ledger as the trigger decision reads it."""
    lines = []
    for found in runs:
        run = found.view(GateRun)
        if run.spec.run_class != "test" and run.status.state != "promoted":
            lines.append(Run(run.spec.digest, run.status.state or "triggered"))
    for found in promotions:
        promotion = found.view(Promotion)
        lines.append(Run(promotion.spec.digest, "promoted"))
    lines += [Run(each.digest, "yanked") for each in gate.spec.yanked]
    return tuple(lines)


async def _select(
    store: TickStore, gate: Gate, request: TickRequest, now: datetime
) -> tuple[Selection, dict[str, dict[str, Any]]]:
    """The Snapshot to verify, among all of them or those that were asked for."""
    namespace = gate.spec.tenant_namespace
    manifests = [item.value() for item in (await store.list(konflux.SNAPSHOT, namespace)).items]
    plan = gate.spec.selection.auto_release_plan
    released = None
    if plan:
        releases = [item.value() for item in (await store.list(konflux.RELEASE, namespace)).items]
        released = releases_of(releases, plan)
    policy = selection_policy(gate.spec, now)
    wanted = [each for each in manifests if _is_wanted(each, request)]
    return (
        select([read_snapshot(each) for each in wanted], policy, released),
        {each["metadata"]["name"]: each for each in wanted},
    )


def _is_wanted(manifest: Mapping[str, Any], request: TickRequest) -> bool:
    if request.snapshot and manifest["metadata"]["name"] != request.snapshot:
        return False
    if not request.digest:
        return True
    return any(each.image.endswith(f"@{request.digest}") for each in read_snapshot(manifest).components)


async def _jobs(store: TickStore, gate: Gate, namespace: str, request: TickRequest) -> tuple[RunJob, ...]:
    matrix = None
    if gate.spec.matrix_ref is not None:
        found = await store.get(VERSION_MATRIX, ObjectKey(namespace, gate.spec.matrix_ref.name))
        matrix = found.view(VersionMatrix).spec
    jobs = planned_jobs(gate.spec, matrix)
    return tuple(job for job in jobs if not request.jobs or job.name in request.jobs)


def _manifest(
    gate: Gate,
    namespace: str,
    snapshot: Mapping[str, Any],
    chosen: Chosen,
    request: TickRequest,
    reason: str,
    jobs: tuple[RunJob, ...],
    now: datetime,
) -> dict[str, Any]:
    metadata, platform = snapshot["metadata"], gate.spec.platform
    pin = SnapshotPin(
        namespace=metadata.get("namespace", gate.spec.tenant_namespace),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation", 0),
        created=metadata.get("creationTimestamp") or "",
        spec_hash=hashlib.sha256(canonical_json(snapshot.get("spec"))).hexdigest(),
    )
    spec = GateRunSpec(
        platform=platform,
        snapshot=pin,
        image=chosen.image,
        digest=chosen.digest,
        revision=chosen.revision,
        trigger=TriggerRecord(request.id, request.kind, reason, request.by, request.why, request.forced),
        jobs=jobs,
        created_at=rfc3339(now),
        deadline=rfc3339(now + timedelta(minutes=gate.spec.run_deadline_minutes)),
        run_class=request.run_class,
        subset=bool(request.jobs),
    )
    labels = {
        PLATFORM_LABEL: platform,
        LIVE_LABEL: "true",
        DIGEST_LABEL: chosen.digest.partition(":")[2][:63],
    }
    if request.run_class:
        labels[RUN_CLASS_LABEL] = request.run_class
    name = f"{platform}-{run_key(platform, pin.uid, chosen.digest, request.id)}"
    return {
        "apiVersion": GATE_RUN.api_version,
        "kind": GATE_RUN.kind,
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": msgspec.to_builtins(spec),
    }


def _of_trigger(runs: Sequence[Object], trigger: str) -> str | None:
    return next((found.meta.name for found in runs if found.view(GateRun).spec.trigger.id == trigger), None)


def _active(runs: Sequence[Object]) -> str:
    return next((found.meta.name for found in runs if found.view(GateRun).status.state not in ENDED), "")
