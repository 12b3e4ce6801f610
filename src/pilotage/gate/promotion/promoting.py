"""After a passed verdict: from the run to the tag, so that a crash anywhere leaves nothing untested and nothing twice.

    PromoteIntent   written before the first byte is copied
    copy, tag       by digest and idempotent; the canonical tag is written only when it is not there, or names the same
    Promotion       the object is the commit: one for a platform and a digest, by its name
    aliases         moved afterwards, and only when nobody yanked the image meanwhile
    Promoted        written last

What refuses (a tag that names something else, a policy) ends the run and is told; what only fails (a registry that is down) is tried
again with growing pauses for a day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import msgspec

from pilotage.api.canonical import canonical_json
from pilotage.api.errors import InputError, PilotageError, RefusedError
from pilotage.api.gate import (
    APPROVED_ANNOTATION,
    GATE,
    GATE_RUN,
    PLATFORM_LABEL,
    PROMOTION,
    Gate,
    GateRun,
    GateRunStatus,
    LedgerEvent,
    Promotion,
    PromotionIntent,
    PromotionSpec,
)
from pilotage.api.konflux import SNAPSHOT, TYPE_LABEL
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.instants import read_instant
from pilotage.gate.promotion.commit import Commit, CommitFacts, PromotedDigest, decide_commit
from pilotage.gate.promotion.tags import TagRequest, tags_of
from pilotage.gate.runs.ledger import MANAGER, Entry, Ledger
from pilotage.gate.settings import quarantined
from pilotage.runtime.clock import rfc3339
from pilotage.store.base import AlreadyExistsError, Listing, NotFoundError

__all__ = ["Promoter", "Promoting", "PromotionOrder", "PromotionStore", "commit_facts"]

T = TypeVar("T")

_PAUSE: Final = (30.0, 60.0, 120.0, 300.0, 600.0)
_TELL_AFTER: Final = 3
_PATIENCE: Final = timedelta(hours=24)
_REUSE: Final = timedelta(hours=24)
_LOOK_AGAIN: Final = 300.0
"""Seconds between looks at a promotion that waits for a person."""


class PromotionOrder(msgspec.Struct, frozen=True):
    """What is to be promoted. `aliases` are the tags that follow; `before` is the digest that they name now, if it is ours.

    `snapshot_type` is the label of the Snapshot, empty without one, None when the Snapshot is gone.
    """

    platform: str
    image: str
    digest: str
    repository: str
    tag: str
    aliases: tuple[str, ...]
    run: GateRun
    gate: Gate
    approvals: tuple[str, ...] = ()
    before: str = ""
    snapshot_type: str | None = ""


class Promoter(Protocol):
    """What is done to registries. Every method may be repeated after a crash. Raises PilotageError.

    InputError and RefusedError (`TagConflict`, `BadDigest`) end the promotion; any other is tried again.
    """

    async def denied(self, order: PromotionOrder, now: datetime) -> tuple[tuple[str, str], ...]:
        """The rules of the admission policy that say no, each with its reason."""
        ...

    async def promote(self, order: PromotionOrder) -> str:
        """Copy the image with its companions, write the canonical tag and the attestation; the attestation's digest."""
        ...

    async def move_aliases(self, order: PromotionOrder, digest: str) -> None:
        """Let the aliases name `digest`, which is in the repository already."""
        ...


class PromotionStore(Protocol):
    """The part of a store that promoting needs."""

    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing: ...

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object: ...


class Promoting:
    """Takes runs that passed to their end."""

    def __init__(self, store: PromotionStore, ledger: Ledger, promoter: Promoter) -> None:
        self._store = store
        self._ledger = ledger
        self._promoter = promoter

    async def go_on(self, entry: Entry, gate: Gate | None) -> tuple[Entry, float | None]:
        """As far as it gets now; the seconds until it is to be looked at again, None when it is at its end."""
        if entry.status.state not in ("evaluated", "promoting"):
            return entry, None
        if gate is None:
            return await self._end(entry, "promotion-failed", "PromotionDenied", "the Gate was deleted"), None
        now = self._ledger.now(entry)
        retry_at = read_instant(entry.status.promotion.retry_at) if entry.status.promotion else None
        if retry_at is not None and now < retry_at:
            return entry, (retry_at - now).total_seconds()
        try:
            return await self._promote(entry, gate)
        except _RefusedError as refusal:
            entry = await self._ledger.read(entry.key)
            return await self._end(entry, "promotion-failed", "PromotionFailed", str(refusal)), None
        except _FailedError as failure:
            return await self._failed(await self._ledger.read(entry.key), str(failure))

    async def _promote(self, entry: Entry, gate: Gate) -> tuple[Entry, float | None]:
        order = _order(entry, gate, await self._newest(entry, gate))
        snapshot = await _snapshot(self._store, entry.run)
        kind = snapshot.labels.get(TYPE_LABEL, "") if snapshot is not None else None
        order = msgspec.structs.replace(order, snapshot_type=kind)
        commit = await self._decide(entry, gate, order)
        if commit.action != "promote":
            return await self._not_now(entry, commit)
        if entry.status.state == "evaluated":
            intent = PromotionIntent(rfc3339(self._ledger.now(entry)), order.tag)
            status = msgspec.structs.replace(entry.status, state="promoting", promotion=intent)
            entry = await self._ledger.write(entry, status, LedgerEvent("", "PromoteIntent", order.tag))
        attestation = await _outside(self._promoter.promote(order))

        # The copy took its time: people may have acted. From the commit on the image counts as promoted.
        entry = await self._ledger.read(entry.key)
        gate = (await self._store.get(GATE, ObjectKey(entry.key.namespace, gate.spec.platform))).view(Gate)
        commit = await self._decide(entry, gate, order)
        if commit.action not in ("promote", "done"):
            return await self._not_now(entry, commit)
        await self._commit(entry, order, attestation)
        await _outside(self._promoter.move_aliases(order, order.digest))
        gate = (await self._store.get(GATE, ObjectKey(entry.key.namespace, gate.spec.platform))).view(Gate)
        if any(each.digest == order.digest for each in gate.spec.yanked) and order.before:
            await _outside(self._promoter.move_aliases(order, order.before))
        intent = entry.status.promotion or PromotionIntent(rfc3339(self._ledger.now(entry)))
        intent = msgspec.structs.replace(
            intent, tag=order.tag, attestation_digest=attestation, retry_at="", message=""
        )
        status = msgspec.structs.replace(entry.status, promotion=intent)
        return await self._end(entry, "promoted", "Promoted", order.tag, status), None

    async def _decide(self, entry: Entry, gate: Gate, order: PromotionOrder) -> Commit:
        now = self._ledger.now(entry)
        facts = await commit_facts(self._store, entry, gate, now)
        denied = await _outside(self._promoter.denied(order, now))
        decision = decide_commit(msgspec.structs.replace(facts, denied=denied))
        if decision.value is None:
            raise RuntimeError("no row of the promotion decided")
        reason = next((each.reason for each in decision.trail if each.rule == decision.rule), "")
        return msgspec.structs.replace(decision.value, reason=f"{decision.value.reason}: {reason}")

    async def _not_now(self, entry: Entry, commit: Commit) -> tuple[Entry, float | None]:
        match commit.action:
            case "done":
                return await self._end(entry, "promoted", "AlreadyPromoted", commit.reason), None
            case "supersede":
                return await self._end(entry, "superseded", "Superseded", commit.reason), None
            case "wait":
                now = self._ledger.now(entry)
                if entry.status.message != commit.reason:
                    status = msgspec.structs.replace(entry.status, message=commit.reason)
                    entry = await self._ledger.write(
                        entry, status, LedgerEvent("", "PromotionWaits", commit.reason)
                    )
                until = (commit.at - now).total_seconds() if commit.at else _LOOK_AGAIN
                return entry, min(max(until, 1.0), _LOOK_AGAIN)
            case _:
                return await self._end(entry, "promotion-failed", "PromotionDenied", commit.reason), None

    async def _commit(self, entry: Entry, order: PromotionOrder, attestation: str) -> None:
        """The object is the commit. One that is there already is the same promotion, found again after a crash."""
        spec = entry.run.spec
        promotion = PromotionSpec(
            platform=order.platform,
            digest=order.digest,
            repository=order.repository,
            tag=order.tag,
            run=entry.key.name,
            at=rfc3339(self._ledger.now(entry)),
            by=spec.trigger.by or spec.trigger.kind,
            snapshot=spec.snapshot.name,
            built_at=spec.snapshot.created,
            revision=spec.revision,
            attestation_digest=attestation,
            aliases=order.aliases,
        )
        manifest = {
            "apiVersion": PROMOTION.api_version,
            "kind": PROMOTION.kind,
            "metadata": {
                "namespace": entry.key.namespace,
                "name": order.tag,
                "labels": {PLATFORM_LABEL: order.platform},
            },
            "spec": msgspec.to_builtins(promotion),
        }
        try:
            await self._store.create(PROMOTION, manifest, manager=MANAGER)
        except AlreadyExistsError:
            return

    async def _newest(self, entry: Entry, gate: Gate) -> str:
        """What the aliases name now: the newest promotion that nobody took back."""
        yanked = {each.digest for each in gate.spec.yanked}
        found = await self._store.list(
            PROMOTION, entry.key.namespace, {PLATFORM_LABEL: entry.run.spec.platform}
        )
        specs = [item.view(Promotion).spec for item in found.items]
        kept = [each for each in specs if each.digest not in yanked and each.digest != entry.run.spec.digest]
        return max(kept, key=lambda each: each.at).digest if kept else ""

    async def _failed(self, entry: Entry, problem: str) -> tuple[Entry, float | None]:
        """Something outside did not work. It is told once, and tried again for a day."""
        now, status = self._ledger.now(entry), entry.status
        evaluated = read_instant(status.evaluated_at)
        if evaluated is not None and now - evaluated > _PATIENCE:
            return await self._end(entry, "promotion-failed", "PromotionFailed", problem), None
        intent = status.promotion or PromotionIntent(rfc3339(now))
        failures = intent.failures + 1
        pause = _PAUSE[min(failures, len(_PAUSE)) - 1]
        intent = msgspec.structs.replace(
            intent, failures=failures, retry_at=rfc3339(now + timedelta(seconds=pause)), message=problem
        )
        word = "PromotionTrouble" if failures == _TELL_AFTER else "PromotionRetry"
        status = msgspec.structs.replace(status, promotion=intent)
        return await self._ledger.write(entry, status, LedgerEvent("", word, problem)), pause

    async def _end(
        self, entry: Entry, state: str, event: str, message: str, status: GateRunStatus | None = None
    ) -> Entry:
        ended = msgspec.structs.replace(
            status or entry.status, state=state, message=message, finished_at=rfc3339(self._ledger.now(entry))
        )
        return await self._ledger.write(entry, ended, LedgerEvent("", event, message))


class _RefusedError(Exception):
    """A registry or the policy said no: trying again cannot help."""


class _FailedError(Exception):
    """Something outside did not work this time."""


async def _outside(work: Awaitable[T]) -> T:
    """What is done to registries fails in two ways; what our own store raises is not meant here."""
    try:
        return await work
    except (InputError, RefusedError) as error:
        raise _RefusedError(f"{error.code}: {error.message}") from error
    except PilotageError as error:
        if error.exit_code != 3:
            raise
        raise _FailedError(f"{error.code}: {error.message}") from error


async def commit_facts(store: PromotionStore, entry: Entry, gate: Gate, now: datetime) -> CommitFacts:
    """Everything that may keep the image of a run from being promoted, but for the admission policy."""
    run, namespace = entry.run, entry.key.namespace
    promotions = await store.list(PROMOTION, namespace, {PLATFORM_LABEL: run.spec.platform})
    return CommitFacts(
        run=run,
        gate=gate.spec,
        now=now,
        spec_hash=await _spec_hash(store, run),
        required=_required(run, gate, now),
        passed_before=await _passed_before(store, entry, now) if run.spec.subset else {},
        promoted=tuple(
            PromotedDigest(spec.digest, spec.built_at, spec.at)
            for spec in (item.view(Promotion).spec for item in promotions.items)
            if spec.run != entry.key.name  # our own, found again after a crash, is to be finished
        ),
        soaked_since=await _soaked_since(store, entry, gate),
        is_cancelled=run.status.cancellation is not None,
    )


def _required(run: GateRun, gate: Gate, now: datetime) -> frozenset[str]:
    """What must have passed: the required jobs of the run, and of the gate when the run was a part of them."""
    jobs = {job.name for job in run.spec.jobs if job.type == "required"}
    if run.spec.subset:
        jobs |= {job.name for job in gate.spec.jobs if job.type != "informing"}
    return frozenset(jobs - quarantined(gate.spec, now))


async def _spec_hash(store: PromotionStore, run: GateRun) -> str | None:
    found = await _snapshot(store, run)
    if found is None:
        return None
    return hashlib.sha256(canonical_json(found.value().get("spec"))).hexdigest()


async def _snapshot(store: PromotionStore, run: GateRun) -> Object | None:
    """The Snapshot that the run pinned; None when it is gone, or another one has its name."""
    pin = run.spec.snapshot
    try:
        found = await store.get(SNAPSHOT, ObjectKey(pin.namespace, pin.name))
    except NotFoundError:
        return None
    return None if pin.uid and found.meta.uid != pin.uid else found


async def _passed_before(store: PromotionStore, entry: Entry, now: datetime) -> dict[str, str]:
    """Jobs that passed on the same digest in other runs of the platform within a day."""
    runs = await store.list(GATE_RUN, entry.key.namespace, {PLATFORM_LABEL: entry.run.spec.platform})
    passed = {}
    for other in (item.view(GateRun) for item in runs.items):
        if other.spec.digest != entry.run.spec.digest or other.spec.run_class == "test":
            continue
        for record in other.status.jobs:
            last = record.attempts[-1] if record.attempts else None
            if last is None or last.result != "passed" or last.image != other.spec.digest:
                continue
            at = read_instant(last.completed_at)
            if at is not None and now - at <= _REUSE:
                passed[record.name] = last.completed_at
    return passed


async def _soaked_since(store: PromotionStore, entry: Entry, gate: Gate) -> str:
    soak = gate.spec.required_soak
    if soak is None:
        return ""
    found = await store.list(PROMOTION, entry.key.namespace, {PLATFORM_LABEL: soak.platform})
    specs = (item.view(Promotion).spec for item in found.items)
    return next((each.at for each in specs if each.digest == entry.run.spec.digest), "")


def _order(entry: Entry, gate: Gate, before: str) -> PromotionOrder:
    """Raises InputError when platform or digest cannot make a tag."""
    run = entry.run
    decision = tags_of(TagRequest(run.spec.platform, run.spec.digest, run.spec.revision or ""))
    if decision.value is None:
        raise InputError(
            "BadDigest",
            f"{run.metadata.name}: {decision.error.message if decision.error else 'no tag'}",
            hint="platform and digest make the canonical tag; correct the Gate",
        )
    kinds = ("latest", "sha", "short-sha")
    wanted = zip(decision.value.aliases, kinds, strict=False)
    approvals = entry.annotations.get(APPROVED_ANNOTATION, "")
    return PromotionOrder(
        platform=run.spec.platform,
        image=run.spec.image,
        digest=run.spec.digest,
        repository=gate.spec.verified_repository,
        tag=decision.value.tag,
        aliases=tuple(alias for alias, kind in wanted if kind in gate.spec.aliases),
        run=run,
        gate=gate,
        approvals=tuple(name.strip() for name in approvals.split(",") if name.strip()),
        before=before,
    )
