"""extract-image: which image is tested, and for which run of the ledger?

The trigger planned a run and pinned a digest; what the pipeline was started with must be the same, or nobody knows what is tested. When
somebody labelled the Snapshot by hand there is no run yet: it is planned here, by the same rules as every other.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

import msgspec
import orjson

from pilotage.api.canonical import canonical_json
from pilotage.api.gate import (
    DIGEST_LABEL,
    GATE_RUN,
    LIVE_LABEL,
    PLATFORM_LABEL,
    PROMOTION,
    VERSION_MATRIX,
    Gate,
    GateRun,
    GateRunSpec,
    LedgerEvent,
    SnapshotPin,
    TriggerRecord,
    VersionMatrix,
)
from pilotage.gate.konflux.labeller import PIPELINE_RUN_EVENT, note
from pilotage.gate.runs.jobkeys import run_key
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.steps.ending import CONFLICT, DONE, NOTHING, USAGE, StepEnd
from pilotage.gate.steps.place import Place
from pilotage.gate.ticks.imageref import ImageRequest, PinnedImage, image_of, read_spec
from pilotage.gate.ticks.jobs import planned_jobs
from pilotage.gate.ticks.tick import ledger_lines
from pilotage.gate.ticks.trigger import Tick, decide_trigger
from pilotage.runtime.clock import rfc3339
from pilotage.store.base import AlreadyExistsError

__all__ = ["ExtractRequest", "extract_image"]

_MANAGER: Final = "pilotage-gate"


class ExtractRequest(msgspec.Struct, frozen=True):
    """What the pipeline was started with; `snapshot` is the JSON of the Snapshot's spec."""

    snapshot: str
    snapshot_name: str
    platform: str
    component: str
    pipeline_run: str


async def extract_image(place: Place, request: ExtractRequest) -> StepEnd:
    """Raises what the cluster raises; InputError `NoGate`."""
    decision = image_of(ImageRequest(read_spec(request.snapshot), request.component))
    image = decision.value
    if image is None:
        found = decision.error
        return StepEnd(USAGE, says=f"{found.code}: {found.message}" if found else "no image")
    gate = await place.gate(request.platform)
    labels = {PLATFORM_LABEL: request.platform}
    runs = [each.view(GateRun) for each in (await place.store.list(GATE_RUN, place.namespace, labels)).items]
    mutated = [run for run in runs if _is_of(run, request) and run.spec.digest != image.digest]
    if mutated:
        return await _abort(place, mutated[0], image)
    run = _followed(runs, request, image)
    name = run.metadata.name if run else ""
    if not name:
        planned = await _plan(place, gate, request, image)
        if isinstance(planned, StepEnd):
            return planned
        name = planned
    await place.settled(name, gate)
    await note(place.ledger, place.key(name), LedgerEvent("", PIPELINE_RUN_EVENT, request.pipeline_run))
    results = {
        "image": image.image,
        "digest": image.digest,
        "revision": image.revision or "",
        "snapshot-name": request.snapshot_name,
        "run": name,
    }
    return StepEnd(DONE, results, f"run {name} tests {image.image}")


def _is_of(run: GateRun, request: ExtractRequest) -> bool:
    """It is under way for this Snapshot."""
    return run.status.state not in ENDED and run.spec.snapshot.name == request.snapshot_name


def _followed(runs: list[GateRun], request: ExtractRequest, image: PinnedImage) -> GateRun | None:
    """The run that this PipelineRun follows already, else the newest one under way for the Snapshot."""
    for run in runs:
        if any(
            each.type == PIPELINE_RUN_EVENT and each.message == request.pipeline_run
            for each in run.status.events
        ):
            return run
    mine = [run for run in runs if _is_of(run, request) and run.spec.digest == image.digest]
    return max(mine, key=lambda run: (run.spec.created_at, run.metadata.name), default=None)


async def _abort(place: Place, run: GateRun, image: PinnedImage) -> StepEnd:
    """The Snapshot says something else than when the run was planned: nobody can say what would be tested."""
    told = f"SnapshotMutated: Snapshot {run.spec.snapshot.name} was pinned with {run.spec.digest} and names {image.digest}"
    entry = await place.run(run.metadata.name)
    status = msgspec.structs.replace(
        entry.status, state="cancelled", message=told, finished_at=rfc3339(place.ledger.now(entry))
    )
    await place.ledger.write(entry, status, LedgerEvent("", "SnapshotMutated", told))
    return StepEnd(CONFLICT, says=told)


async def _plan(place: Place, gate: Gate, request: ExtractRequest, image: PinnedImage) -> str | StepEnd:
    """A run for a Snapshot that somebody labelled by hand. It obeys the rules of the trigger."""
    labels = {PLATFORM_LABEL: request.platform}
    runs = (await place.store.list(GATE_RUN, place.namespace, labels)).items
    promotions = (await place.store.list(PROMOTION, place.namespace, labels)).items
    tick = Tick(
        digest=image.digest,
        scenario="",
        ledger=ledger_lines(gate, runs, promotions),
        is_paused=gate.spec.paused,
        max_runs_per_digest=gate.spec.max_runs_per_digest,
    )
    start = decide_trigger(tick).value
    if start is None or start.action != "start":
        reason = start.reason if start else "undecided"
        return StepEnd(NOTHING, says=f"{request.platform}: {image.digest} is not tested now: {reason}")
    matrix = None
    if gate.spec.matrix_ref is not None:
        found = await place.store.get(VERSION_MATRIX, place.key(gate.spec.matrix_ref.name))
        matrix = found.view(VersionMatrix).spec
    now = place.clock.now()
    trigger = f"pipelinerun-{request.pipeline_run}"
    spec = GateRunSpec(
        platform=request.platform,
        # The runner may not read Snapshots, so what is pinned is the image; its promotion compares that.
        snapshot=SnapshotPin(place.namespace, request.snapshot_name),
        image=image.image,
        digest=image.digest,
        revision=image.revision,
        trigger=TriggerRecord(trigger, "manual", start.reason, "label", "labelled by hand"),
        jobs=planned_jobs(gate.spec, matrix),
        created_at=rfc3339(now),
        deadline=rfc3339(now + timedelta(minutes=gate.spec.run_deadline_minutes)),
    )
    name = f"{request.platform}-{run_key(request.platform, _fingerprint(request), image.digest, trigger)}"
    manifest = {
        "apiVersion": GATE_RUN.api_version,
        "kind": GATE_RUN.kind,
        "metadata": {
            "namespace": place.namespace,
            "name": name,
            "labels": {**labels, LIVE_LABEL: "true", DIGEST_LABEL: image.digest.partition(":")[2][:63]},
        },
        "spec": msgspec.to_builtins(spec),
    }
    try:
        await place.store.create(GATE_RUN, manifest, manager=_MANAGER)
    except AlreadyExistsError:
        return name
    return name


def _fingerprint(request: ExtractRequest) -> str:
    """Stands for the identity of the Snapshot, which the pipeline is not told."""
    spec = orjson.loads(request.snapshot)
    return f"{request.snapshot_name}:{hashlib.sha256(canonical_json(spec)).hexdigest()}"
