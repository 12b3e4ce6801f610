"""Takes a run that passed to its end on Konflux: a Release, its outcome, and a look at what the registry then holds.

    evaluated    every row of the promotion is asked again (`commit`), and whether the ReleasePlan is paired
    promoting    the intent with the name of the Release is in the ledger before the Release is made
    promoted     the Release succeeded, and the canonical tag names the digest that was tested

That a Release was created says nothing; only its condition `Released` does, and what the registry holds is the last word. The
verdict is read from the ledger alone. Killed anywhere, the next process finds the Release by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

import msgspec

from pilotage.api.errors import InputError, LaterError, PilotageError, RefusedError, RemoteError
from pilotage.api.gate import Gate, LedgerEvent, PromotionIntent
from pilotage.api.konflux import (
    RELEASE,
    RELEASE_PLAN,
    RELEASE_PLAN_ADMISSION,
    RELEASE_PLAN_ADMISSION_LABEL,
    SNAPSHOT,
)
from pilotage.api.meta import ObjectKey
from pilotage.gate import loosejson
from pilotage.gate.konflux import release
from pilotage.gate.konflux.configmapledger import ConfigMapLedger
from pilotage.gate.konflux.release import (
    Await,
    Create,
    GiveUp,
    NotOurs,
    PlanProblem,
    Released,
    SeenRelease,
    Wanted,
)
from pilotage.gate.promotion.commit import Commit, decide_commit
from pilotage.gate.promotion.promoting import commit_facts
from pilotage.gate.promotion.tags import TagRequest, tags_of
from pilotage.gate.runs.ledger import Entry, Ledger
from pilotage.gate.ticks.snapshots import read_snapshot
from pilotage.runtime.clock import Timers, rfc3339
from pilotage.store.base import AlreadyExistsError, ConflictError, NotFoundError

__all__ = ["POLL", "RegistryCheck", "ReleaseEnd", "Releasing"]

POLL: Final = 60.0
"""Seconds between looks at a Release."""
_LOOK_AGAIN: Final = 300.0
_REGISTRY_LAGS: Final = timedelta(minutes=10)
"""A registry behind several fronts may show a new tag a little later."""

Outcome = Literal["promoted", "superseded", "not-passed", "failed", "conflict"]


class ReleaseEnd(msgspec.Struct, frozen=True):
    """What became of it. `release` is the name of the Release, empty when none was made."""

    outcome: Outcome
    message: str
    release: str = ""


class RegistryCheck(Protocol):
    """What the verified repository holds."""

    async def problem(self, repository: str, tag: str, digest: str, architectures: Sequence[str]) -> str:
        """What is wrong with the tag; empty when it names the digest, for these architectures.

        Raises RefusedError `TagConflict` when it names another digest, and PilotageError when nobody answers.
        """
        ...


class Releasing:
    """`deadline` is when it gives up. Without a `registry` the Release has the last word."""

    def __init__(
        self,
        store: ConfigMapLedger,
        ledger: Ledger,
        clock: Timers,
        deadline: datetime,
        registry: RegistryCheck | None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._deadline = deadline
        self._registry = registry
        self._shown_until: datetime | None = None

    async def go(self, run: ObjectKey, gate: Gate, plan: str) -> ReleaseEnd:
        """Until the end. Raises RemoteError when the cluster does not let us, or does not answer until the deadline."""
        while True:
            try:
                found = await self.step(run, gate, plan)
            except ConflictError:
                found = 1.0
            except LaterError as error:
                found = max(error.delay, 1.0)
            except RemoteError as error:
                if error.code in ("Forbidden", "Unauthorized") or self._clock.now() >= self._deadline:
                    raise
                found = POLL
            if isinstance(found, ReleaseEnd):
                return found
            if self._clock.now() >= self._deadline:
                entry = await self._ledger.read(run)
                return await self._failed(
                    entry, f"not released in time: {entry.status.message or 'no answer'}"
                )
            await self._clock.sleep(found)

    async def step(self, run: ObjectKey, gate: Gate, plan: str) -> ReleaseEnd | float:
        """As far as it gets now; the seconds until the next look. Raises ConflictError, and what the cluster raises."""
        entry = await self._ledger.read(run)
        before = _ended(entry)
        if before is not None:
            return before
        commit = await self._decide(entry, gate)
        if commit.action != "promote":
            return await self._not_now(entry, commit)
        spec = entry.run.spec
        wanted = Wanted(spec.platform, spec.digest, spec.snapshot.name, plan)
        match release.next_move(wanted, await self._seen(run.namespace, wanted)):
            case Create(name):
                problem = await self._plan_problem(run.namespace, plan)
                if problem is not None:
                    return await self._failed(entry, f"{problem.code}: {problem.message}")
                await self._create(entry, name, plan)
                return 0.0
            case Await(seen):
                return await self._awaits(entry, seen)
            case Released(seen):
                return await self._released(entry, gate, seen)
            case NotOurs(seen):
                told = f"Release {seen.name} is there, of Snapshot {seen.snapshot} through {seen.plan}"
                return await self._failed(entry, told, outcome="conflict", name=seen.name)
            case GiveUp(seen):
                return await self._failed(entry, _why(seen), name=seen.name)

    async def _decide(self, entry: Entry, gate: Gate) -> Commit:
        facts = await commit_facts(self._store, entry, gate, self._ledger.now(entry))
        pin = entry.run.spec.snapshot
        if not pin.spec_hash and facts.spec_hash is not None:
            # A run that began with the pipeline knows only the image of its Snapshot, so that is compared.
            same = await self._is_same_image(entry, gate)
            facts = msgspec.structs.replace(facts, spec_hash="" if same else facts.spec_hash)
        decision = decide_commit(facts)
        if decision.value is None:
            raise RuntimeError("no row of the promotion decided")
        because = next((each.reason for each in decision.trail if each.rule == decision.rule), "")
        return msgspec.structs.replace(decision.value, reason=f"{decision.value.reason}: {because}")

    async def _is_same_image(self, entry: Entry, gate: Gate) -> bool:
        pin = entry.run.spec.snapshot
        found = await self._store.get(SNAPSHOT, ObjectKey(pin.namespace, pin.name))
        component = read_snapshot(found.value()).component(gate.spec.component)
        return component is not None and component.image.endswith(f"@{entry.run.spec.digest}")

    async def _not_now(self, entry: Entry, commit: Commit) -> ReleaseEnd | float:
        match commit.action:
            case "wait":
                if entry.status.message != commit.reason:
                    status = msgspec.structs.replace(entry.status, message=commit.reason)
                    await self._ledger.write(entry, status, LedgerEvent("", "PromotionWaits", commit.reason))
                left = (commit.at - self._clock.now()).total_seconds() if commit.at else _LOOK_AGAIN
                return min(max(left, 1.0), _LOOK_AGAIN)
            case "supersede":
                await self._end(entry, "superseded", "Superseded", commit.reason)
                return ReleaseEnd("superseded", commit.reason)
            case "done":
                await self._end(entry, "promoted", "AlreadyPromoted", commit.reason)
                return ReleaseEnd("promoted", commit.reason)
            case _:
                return await self._failed(entry, commit.reason, event="PromotionDenied")

    async def _seen(self, namespace: str, wanted: Wanted) -> list[SeenRelease]:
        seen = []
        for number in range(1, release.MOST + 1):
            name = release.release_name(wanted.platform, wanted.digest, number)
            try:
                found = await self._store.get(RELEASE, ObjectKey(namespace, name))
            except NotFoundError:
                break
            seen.append(release.read_release(found.value()))
        return seen

    async def _create(self, entry: Entry, name: str, plan: str) -> None:
        """The intent first. One that is there already is looked at in the next step."""
        intent = entry.status.promotion
        if entry.status.state != "promoting" or intent is None or intent.release != name:
            intent = PromotionIntent(
                rfc3339(self._ledger.now(entry)), tag=_tag(entry), release=name,
                failures=intent.failures + 1 if intent and intent.release else 0,
            )  # fmt: skip
            status = msgspec.structs.replace(entry.status, state="promoting", promotion=intent)
            entry = await self._ledger.write(entry, status, LedgerEvent("", "ReleaseIntent", name))
        manifest = release.manifest_of(entry.run, entry.key.namespace, name, plan)
        try:
            await self._store.create(RELEASE, manifest, manager="pilotage-gate")
        except AlreadyExistsError:
            return

    async def _awaits(self, entry: Entry, seen: SeenRelease) -> float:
        told = f"Release {seen.name} is {seen.reason or 'not started'}"
        if entry.status.message != told:
            status = msgspec.structs.replace(entry.status, message=told)
            await self._ledger.write(entry, status, LedgerEvent("", "ReleaseAwaited", told))
        return POLL

    async def _released(self, entry: Entry, gate: Gate, seen: SeenRelease) -> ReleaseEnd | float:
        tag = _tag(entry)
        if self._registry is not None:
            try:
                problem = await self._registry.problem(
                    gate.spec.verified_repository, tag, entry.run.spec.digest, gate.spec.policy.architectures
                )
            except RefusedError as error:
                told = f"{error.code}: {error.message}"
                return await self._failed(entry, told, outcome="conflict", name=seen.name)
            except InputError as error:
                return await self._failed(entry, f"{error.code}: {error.message}", name=seen.name)
            except PilotageError as error:
                problem = f"{error.code}: {error.message}"
            if problem:
                now = self._clock.now()
                self._shown_until = self._shown_until or now + _REGISTRY_LAGS
                if now < min(self._shown_until, self._deadline):
                    return POLL
                told = f"Release {seen.name} succeeded, and the registry does not show it: {problem}"
                return await self._failed(entry, told, name=seen.name)
        at = rfc3339(self._ledger.now(entry))
        intent = entry.status.promotion or PromotionIntent(at)
        intent = msgspec.structs.replace(intent, tag=tag, release=seen.name, message="")
        status = msgspec.structs.replace(entry.status, promotion=intent)
        entry = msgspec.structs.replace(entry, run=msgspec.structs.replace(entry.run, status=status))
        await self._end(entry, "promoted", "Promoted", tag)
        return ReleaseEnd("promoted", tag, seen.name)

    async def _plan_problem(self, namespace: str, name: str) -> PlanProblem | None:
        """What cannot be read is not judged here: release-service looks at it in any case."""
        try:
            plan = (await self._store.get(RELEASE_PLAN, ObjectKey(namespace, name))).value()
        except NotFoundError:
            return PlanProblem("not-found", f"there is no ReleasePlan {name}")
        except RemoteError as error:
            if error.code == "Forbidden":
                return None
            raise
        return release.plan_problem(plan, await self._admissions(plan))

    async def _admissions(self, plan: Any) -> list[Any] | None:
        """The one that the label names, or all of the target; None when they may not be read."""
        target = loosejson.text(loosejson.mapping(plan.get("spec")).get("target"))
        pinned = loosejson.tags_of(plan["metadata"].get("labels")).get(RELEASE_PLAN_ADMISSION_LABEL, "")
        if not target:
            return []
        try:
            if pinned:
                found = await self._store.get(RELEASE_PLAN_ADMISSION, ObjectKey(target, pinned))
                return [found.value()]
            return [each.value() for each in (await self._store.list(RELEASE_PLAN_ADMISSION, target)).items]
        except NotFoundError:
            return []
        except RemoteError as error:
            if error.code == "Forbidden":
                return None
            raise

    async def _failed(
        self,
        entry: Entry,
        message: str,
        *,
        event: str = "PromotionFailed",
        outcome: Outcome = "failed",
        name: str = "",
    ) -> ReleaseEnd:
        await self._end(entry, "promotion-failed", event, message)
        return ReleaseEnd(outcome, message, name or _release_of(entry))

    async def _end(self, entry: Entry, state: str, event: str, message: str) -> None:
        status = msgspec.structs.replace(
            entry.status, state=state, message=message, finished_at=rfc3339(self._ledger.now(entry))
        )
        await self._ledger.write(entry, status, LedgerEvent("", event, message))


def _ended(entry: Entry) -> ReleaseEnd | None:
    """What there is nothing left to do about."""
    status, name = entry.status, _release_of(entry)
    if status.verdict != "passed":
        return ReleaseEnd("not-passed", f"the verdict is {status.verdict or 'none'}")
    if status.state in ("evaluated", "promoting"):
        return None
    if status.state in ("promoted", "superseded"):
        outcome: Outcome = "promoted" if status.state == "promoted" else "superseded"
        return ReleaseEnd(outcome, status.message, name)
    return ReleaseEnd("failed", status.message or status.state, name)


def _release_of(entry: Entry) -> str:
    return entry.status.promotion.release if entry.status.promotion else ""


def _tag(entry: Entry) -> str:
    """Raises InputError when platform or digest cannot make a tag."""
    spec = entry.run.spec
    decision = tags_of(TagRequest(spec.platform, spec.digest, spec.revision or ""))
    if decision.value is None:
        raise InputError("BadDigest", f"{spec.platform} {spec.digest}: no tag can be made of these")
    return decision.value.tag


def _why(seen: SeenRelease) -> str:
    told = "; ".join(filter(None, (seen.message, seen.failed_part)))
    return f"Release {seen.name}: Released is {seen.reason or seen.status}: {told or 'no message'}"
