"""What a person does to a run: start one, stop it, approve it, say why it was red, or let its promotion be decided again.

Nothing here promotes or passes anything. A request stands in the objects (an annotation, a new GateRun, a state of the ledger), and the
controllers act on it by their own rules; so a request that arrives twice, or while the instance is down, is the same request.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

from pilotage.api.errors import InputError, RefusedError
from pilotage.api.gate import (
    APPROVED_ANNOTATION,
    CANCEL_ANNOTATION,
    GATE,
    GATE_RUN,
    LIVE_LABEL,
    VERSION_MATRIX,
    Cancellation,
    Gate,
    GateRun,
    LedgerEvent,
    VersionMatrix,
)
from pilotage.api.meta import Object, ObjectKey
from pilotage.app.gate import ledgers
from pilotage.decision.rules import Decision
from pilotage.gate.promotion.commit import Commit, decide_commit
from pilotage.gate.promotion.promoting import commit_facts
from pilotage.gate.runs.folding import fold
from pilotage.gate.runs.ledger import MANAGER, Entry, Ledger, stated
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.ticks.jobs import planned_jobs
from pilotage.gate.ticks.tick import TickOutcome, TickRequest, make_tick
from pilotage.runtime.clock import Clock, rfc3339
from pilotage.store.base import ConflictError, Store

__all__ = [
    "CAUSES",
    "Cause",
    "Wanted",
    "approve",
    "cancel",
    "promote",
    "retry",
    "triage",
    "trigger",
]

Cause = Literal["infra", "flake", "test-bug", "quota", "product"]
CAUSES: Final = get_args(Cause)
_TRIES: Final = 5


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants tested. `id` makes a trigger that is sent twice the same one; empty: a new one."""

    by: str
    why: str = ""
    id: str = ""
    snapshot: str = ""
    digest: str = ""
    forced: bool = False
    jobs: tuple[str, ...] = ()
    run_class: Literal["", "test"] = ""
    writes: bool = True


async def trigger(
    store: Store, platform: str, wanted: Wanted, now: datetime, namespace: str = ""
) -> TickOutcome:
    """A tick by hand: the same path as that of the schedule, with an id of its own.

    Raises InputError `ReasonNeeded` for force without a reason, `NoSuchGate`, `NoSuchJob` listing all that are not the gate's,
    `NoSuchSnapshot`.
    """
    if wanted.forced and not wanted.why.strip():
        raise InputError(
            "ReasonNeeded",
            "a forced run needs a reason",
            hint="say why with --reason TEXT: it is told and kept",
        )
    gate = await ledgers.gate_of(store, platform, namespace)
    await _check_jobs(store, gate, wanted.jobs)
    await _check_snapshot(store, gate, wanted)
    request = TickRequest(
        id=wanted.id or f"manual-{rfc3339(now)}-{secrets.token_hex(2)}",
        kind="manual",
        by=wanted.by,
        why=wanted.why,
        forced=wanted.forced,
        snapshot=wanted.snapshot,
        digest=wanted.digest,
        jobs=wanted.jobs,
        run_class=wanted.run_class,
        writes=wanted.writes,
    )
    return await make_tick(store, gate, gate.metadata.namespace, request, now)


async def retry(
    store: Store, run: str, wanted: Wanted, now: datetime, *, only_failed: bool, namespace: str = ""
) -> TickOutcome:
    """Test the Snapshot of a run again, all jobs or those that did not pass. Raises RefusedError `RunIsActive`."""
    _, found = await ledgers.run_named(store, run, namespace)
    if found.status.state not in ENDED:
        raise RefusedError(
            "RunIsActive",
            f"run {found.metadata.name} is {found.status.state or 'planned'}",
            hint="jobs are tried again by themselves; to start over, cancel it first",
        )
    failed = tuple(
        record.name
        for record in found.status.jobs
        if not record.attempts or record.attempts[-1].result != "passed"
    )
    if only_failed and not failed:
        raise RefusedError("NothingFailed", f"run {found.metadata.name}: every job passed")
    wanted = msgspec.structs.replace(
        wanted, snapshot=found.spec.snapshot.name, jobs=failed if only_failed else ()
    )
    return await trigger(store, found.spec.platform, wanted, now, namespace or found.metadata.namespace)


async def cancel(store: Store, run: str, by: str, reason: str, now: datetime, namespace: str = "") -> GateRun:
    """Ask for the end of a run. Raises RefusedError `RunIsOver`, InputError `ReasonNeeded`."""
    _need(reason, "cancel a run")
    found, view = await ledgers.run_named(store, run, namespace)
    if view.status.state in ENDED:
        raise RefusedError("RunIsOver", f"run {view.metadata.name} is {view.status.state} already")
    text = msgspec.json.encode(Cancellation(rfc3339(now), by, reason)).decode()
    await _annotate(store, found, CANCEL_ANNOTATION, text, "pilotage-cancel")
    return view


async def approve(store: Store, run: str, by: str, namespace: str = "") -> tuple[str, ...]:
    """Approve the promotion of a run; gives everybody who did. Raises RefusedError `RunIsOver`."""
    found, view = await ledgers.run_named(store, run, namespace)
    if view.status.state in ENDED:
        raise RefusedError("RunIsOver", f"run {view.metadata.name} is {view.status.state} already")
    if not by.strip() or "," in by:
        raise InputError("BadName", f"{by!r}: is no name of a person", hint="say who you are with --by NAME")
    given = [name.strip() for name in found.annotations.get(APPROVED_ANNOTATION, "").split(",")]
    names = tuple(dict.fromkeys([*filter(None, given), by.strip()]))
    await _annotate(store, found, APPROVED_ANNOTATION, ",".join(names), "pilotage-approve")
    return names


async def triage(
    store: Store, run: str, cause: Cause, by: str, note: str, clock: Clock, namespace: str = ""
) -> GateRun:
    """Write down why a run was red. The verdict stays; only what it counts as follows the cause.

    Raises RefusedError `NotRed` for a run that passed or is not over.
    """
    key = (await ledgers.run_named(store, run, namespace))[0].key
    ledger = Ledger(store, clock)
    for attempt in range(_TRIES):
        entry = await ledger.read(key)
        if entry.status.verdict not in ("failed", "error"):
            raise RefusedError(
                "NotRed",
                f"run {key.name}: the verdict is {entry.status.verdict or 'not made yet'}",
                hint="only a run that failed, or proved nothing, has a cause",
            )
        status = msgspec.structs.replace(entry.status, cause=cause)
        told = f"{cause} by {by}{f': {note}' if note else ''}"
        try:
            entry = await ledger.write(entry, status, LedgerEvent("", "Triaged", told))
            break
        except ConflictError:
            if attempt == _TRIES - 1:
                raise
    await _refold(store, entry)
    return entry.run


async def promote(
    store: Store, run: str, by: str, reason: str, clock: Clock, namespace: str = ""
) -> tuple[GateRun, Decision[Commit]]:
    """Let the promotion of a run that passed be decided again; what was not tested is never promoted.

    The rules are asked right here, so that a no is told at once; if they agree the run goes back to the controllers, which
    ask them again. Raises RefusedError `NothingToPromote`.
    """
    _need(reason, "take a promotion up again")
    found, view = await ledgers.run_named(store, run, namespace)
    gate = await ledgers.gate_of(store, view.spec.platform, found.key.namespace)
    ledger = Ledger(store, clock)
    entry = await ledger.read(found.key)
    decision = decide_commit(await commit_facts(store, entry, gate, clock.now()))
    if decision.value is None or decision.value.action not in ("promote", "wait"):
        return entry.run, decision
    if entry.status.state not in ("promotion-failed", "superseded"):
        raise RefusedError(
            "NothingToPromote",
            f"run {found.key.name} is {entry.status.state or 'planned'}",
            hint="a run on its way to promotion goes on by itself",
        )
    status = msgspec.structs.replace(
        entry.status,
        state="evaluated",
        message="",
        finished_at="",
        evaluated_at=rfc3339(clock.now()),
        promotion=None,
    )
    entry = await ledger.write(entry, status, LedgerEvent("", "PromotionReopened", f"by {by}: {reason}"))
    labels = {"metadata": {"labels": {LIVE_LABEL: "true"}}}
    await store.apply(GATE_RUN, found.key, labels, manager=MANAGER, force=True)
    return entry.run, decision


async def _refold(store: Store, entry: Entry) -> None:
    """The Gate's line about the run follows; when it is not there any more nobody counts the run either."""
    key = ObjectKey(entry.key.namespace, entry.run.spec.platform)
    for attempt in range(_TRIES):
        found = await store.get(GATE, key)
        gate = found.view(Gate)
        if entry.key.name not in {line.name for line in gate.status.recent}:
            return
        status = fold(gate.status, [entry.run])
        try:
            await store.patch_status(
                GATE, key, stated(status), manager=MANAGER, resource_version=found.meta.resource_version
            )
        except ConflictError:
            if attempt == _TRIES - 1:
                raise
        else:
            return


async def _check_jobs(store: Store, gate: Gate, jobs: tuple[str, ...]) -> None:
    if not jobs:
        return
    matrix = None
    if gate.spec.matrix_ref is not None:
        found = await store.get(VERSION_MATRIX, ObjectKey(gate.metadata.namespace, gate.spec.matrix_ref.name))
        matrix = found.view(VersionMatrix).spec
    known = [job.name for job in planned_jobs(gate.spec, matrix)]
    strange = tuple(job for job in jobs if job not in known)
    if strange:
        raise InputError(
            "NoSuchJob",
            f"gate {gate.spec.platform} has no job {', '.join(strange)}",
            hint=f"its jobs are: {', '.join(known)}",
            messages=tuple(f"no job {job}" for job in strange),
        )


async def _check_snapshot(store: Store, gate: Gate, wanted: Wanted) -> None:
    """A name that is not there would otherwise look like one that is not eligible."""
    if not wanted.snapshot and not wanted.digest:
        return
    snapshots = await ledgers.snapshots_of(store, gate)
    if wanted.snapshot and wanted.snapshot not in {each.name for each in snapshots}:
        raise InputError(
            "NoSuchSnapshot",
            f"there is no Snapshot {wanted.snapshot} in {gate.spec.tenant_namespace}",
            hint=f"see what there is: pilotage gate select {gate.spec.platform}",
        )
    images = {component.image for each in snapshots for component in each.components}
    if wanted.digest and not any(image.endswith(f"@{wanted.digest}") for image in images):
        raise InputError(
            "NoSuchDigest",
            f"no Snapshot in {gate.spec.tenant_namespace} has {wanted.digest}",
            hint="write the whole digest, sha256:...",
        )


async def _annotate(store: Store, found: Object, name: str, text: str, manager: str) -> None:
    manifest = {"metadata": {"annotations": {name: text}}}
    await store.apply(GATE_RUN, found.key, manifest, manager=manager, force=True)


def _need(reason: str, what: str) -> None:
    if not reason.strip():
        raise InputError("ReasonNeeded", f"to {what} needs a reason", hint="say why with --reason TEXT")
