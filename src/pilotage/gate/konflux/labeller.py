"""Puts the label on a Snapshot, and sees to it that the scenario runs: `labelling` decides, this reads and writes.

One at a time for each Snapshot, by a lease in a ConfigMap, because two platforms that write the same label replace one another. The
lease ends by itself when its holder dies. The intent stands in the ledger of the run before the label is written, so whoever
goes on after a crash knows that a PipelineRun may have been started by us.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from pilotage.api.core import CONFIG_MAP
from pilotage.api.gate import GateRun, LedgerEvent
from pilotage.api.konflux import KEEP_SNAPSHOT_ANNOTATION, RUN_LABEL, SNAPSHOT
from pilotage.api.meta import Object, ObjectKey
from pilotage.gate.instants import read_instant
from pilotage.gate.konflux import labelling
from pilotage.gate.konflux.configmapledger import ClusterPort
from pilotage.gate.konflux.labelling import Failed, Patch, Sent, Started, Wait
from pilotage.gate.konflux.target import CONFIG_MAP_LABEL, MANAGED_BY
from pilotage.gate.runs.ledger import Ledger
from pilotage.runtime.clock import Timers, rfc3339
from pilotage.store.base import AlreadyExistsError, ConflictError, NotFoundError

__all__ = ["PIPELINE_RUN_EVENT", "Labeller", "is_unconfirmed", "note"]

PIPELINE_RUN_EVENT: Final = "PipelineRunStarted"
"""The event whose message is the name of the PipelineRun that follows the run."""

_INTENT: Final = "LabelIntent"
_MANAGER: Final = "pilotage-gate"
_TRIES: Final = 5
_LEASE: Final = timedelta(minutes=2)
_LEASE_WITHIN: Final = timedelta(minutes=30)
_PIPELINE: Final = timedelta(hours=7, minutes=30)
"""What a PipelineRun may take, with its final task."""


class Labeller:
    """Of one process; `holder` names it among others."""

    def __init__(self, cluster: ClusterPort, ledger: Ledger, clock: Timers, holder: str) -> None:
        self._cluster = cluster
        self._ledger = ledger
        self._clock = clock
        self._holder = holder

    async def start(self, run: ObjectKey, scenario: str) -> Started | Failed:
        """Label the Snapshot of the run and wait until its PipelineRun is there. Raises what the cluster raises.

        After five conflicts in a row, and when the lease was lost, ConflictError.
        """
        entry = await self._ledger.read(run)
        pin = entry.run.spec.snapshot
        snapshot = ObjectKey(pin.namespace, pin.name)
        lease = await self._lease(snapshot)
        if lease is None:
            return Failed("label stuck", "held by another trigger")
        try:
            outcome = await self._go(entry.run, run, snapshot, scenario, lease)
        finally:
            await lease.give_back()
        if isinstance(outcome, Started):
            await note(self._ledger, run, LedgerEvent("", PIPELINE_RUN_EVENT, outcome.pipeline_run))
        return outcome

    async def _go(
        self, run: GateRun, key: ObjectKey, place: ObjectKey, scenario: str, lease: _Lease
    ) -> Started | Failed:
        sent, conflicts = _sent_before(run), 0
        while True:
            found = await self._find(place)
            manifest = found.value() if found is not None else None
            look = labelling.look_at(manifest, run.spec.snapshot.uid, scenario, self._clock.now())
            step, sent = labelling.next_step(look, sent, scenario)
            match step:
                case Wait(seconds):
                    await self._clock.sleep(seconds)
                    await lease.renew()
                case Patch() if found is not None:
                    event = LedgerEvent("", _INTENT, look.pipeline_run, attempt=sent.retries + 1)
                    if not sent.at or sent.retries:
                        await note(self._ledger, key, event)
                    try:
                        await self._patch(found, scenario)
                    except ConflictError:
                        conflicts += 1
                        if conflicts >= _TRIES:
                            raise
                        continue
                    at = self._clock.now()
                    sent = msgspec.structs.replace(sent, at=at, before=look.pipeline_run, taken_since=None)
                case Started() | Failed() as outcome:
                    return outcome

    async def _find(self, place: ObjectKey) -> Object | None:
        try:
            return await self._cluster.get(SNAPSHOT, place)
        except NotFoundError:
            return None

    async def _patch(self, found: Object, scenario: str) -> None:
        """Label and annotation in one write, onto exactly what was seen; nothing else of the Snapshot is touched."""
        created = read_instant(found.meta.creation_timestamp)
        now = self._clock.now()
        keep = labelling.keep_value(found.annotations, now - created if created else timedelta(0), _PIPELINE)
        metadata = {
            "uid": found.meta.uid,
            "resourceVersion": found.meta.resource_version,
            "labels": {RUN_LABEL: scenario},
            "annotations": {KEEP_SNAPSHOT_ANNOTATION: keep},
        }
        manifest = {"apiVersion": SNAPSHOT.api_version, "kind": SNAPSHOT.kind, "metadata": metadata}
        await self._cluster.apply(SNAPSHOT, found.key, manifest, manager=_MANAGER, force=True)

    async def _lease(self, snapshot: ObjectKey) -> _Lease | None:
        """The lease of this Snapshot; None when others held it all the time."""
        lease = _Lease(self._cluster, self._clock, snapshot, self._holder)
        until = self._clock.now() + _LEASE_WITHIN
        while not await lease.take():
            if self._clock.now() >= until:
                return None
            await self._clock.sleep(labelling.LOOK_AGAIN)
        return lease


class _Lease:
    """`label/<namespace>/<snapshot>`: who may label this Snapshot, until when."""

    def __init__(self, cluster: ClusterPort, clock: Timers, snapshot: ObjectKey, holder: str) -> None:
        self._cluster = cluster
        self._clock = clock
        self._name = f"label/{snapshot.namespace}/{snapshot.name}"
        self._key = ObjectKey(
            snapshot.namespace, f"gate-label-{hashlib.sha256(self._name.encode()).hexdigest()[:16]}"
        )
        self._holder = holder
        self._held: Object | None = None

    async def take(self) -> bool:
        now = self._clock.now()
        try:
            found = await self._cluster.get(CONFIG_MAP, self._key)
        except NotFoundError:
            try:
                self._held = await self._cluster.create(CONFIG_MAP, self._manifest(now), manager=_MANAGER)
            except AlreadyExistsError:
                return False
            return True
        data: Mapping[str, Any] = found.value().get("data") or {}
        until = read_instant(data.get("until"))
        if data.get("holder") not in ("", self._holder) and until is not None and now < until <= now + _LEASE:
            return False
        try:
            await self._write(found, now)
        except ConflictError:
            return False
        return True

    async def renew(self) -> None:
        """Raises ConflictError when somebody else has it."""
        if self._held is not None:
            await self._write(self._held, self._clock.now())

    async def give_back(self) -> None:
        """It would end by itself, so that it was taken away meanwhile does not matter."""
        if self._held is not None:
            held, self._held, self._holder = self._held, None, ""
            try:
                await self._write(held, self._clock.now())
            except (ConflictError, NotFoundError):
                return

    async def _write(self, onto: Object, now: datetime) -> None:
        manifest = self._manifest(now)
        meta = onto.meta
        manifest["metadata"] |= {"uid": meta.uid, "resourceVersion": meta.resource_version}
        self._held = await self._cluster.apply(CONFIG_MAP, self._key, manifest, manager=_MANAGER, force=True)

    def _manifest(self, now: datetime) -> dict[str, Any]:
        return {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {
                "namespace": self._key.namespace,
                "name": self._key.name,
                "labels": {"app.kubernetes.io/managed-by": MANAGED_BY, CONFIG_MAP_LABEL: "lease"},
            },
            "data": {"lease": self._name, "holder": self._holder, "until": rfc3339(now + _LEASE)},
        }


async def note(ledger: Ledger, key: ObjectKey, *events: LedgerEvent) -> None:
    """Add events to a run that others may be writing too. Raises ConflictError when it never is our turn."""
    for _ in range(_TRIES):
        entry = await ledger.read(key)
        known = {(each.type, each.message) for each in entry.status.events}
        fresh = [each for each in events if each.type == _INTENT or (each.type, each.message) not in known]
        if not fresh:
            return
        try:
            await ledger.write(entry, entry.status, *fresh)
        except ConflictError:
            continue
        return
    raise ConflictError(f"run {key}: somebody else writes it all the time")


def is_unconfirmed(run: GateRun) -> bool:
    """It was planned, and nobody knows of a PipelineRun that follows it."""
    return run.status.state == "triggered" and not any(
        each.type == PIPELINE_RUN_EVENT for each in run.status.events
    )


def _sent_before(run: GateRun) -> Sent:
    """What an earlier process did, as far as the ledger knows: it may have written the label."""
    intents = [each for each in run.status.events if each.type == _INTENT]
    if not intents:
        return Sent()
    last = intents[-1]
    return Sent(at=read_instant(last.at), before=last.message, retries=last.attempt - 1)
