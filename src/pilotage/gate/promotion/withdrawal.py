"""A person takes a promoted image back, gives it back, or lets the aliases name an older one.

    yank      the Gate lists the digest (nobody promotes it any more) ▸ a signed revocation lies beside the image (consumers refuse it)
              ▸ the Promotion records it ▸ each alias that named it moves on
    unyank    the same back: off the Gate's list ▸ a signed re-instatement ▸ recorded ▸ the aliases return, unless they went elsewhere
    rollback  recorded at the Promotion ▸ PLATFORM-latest moves to it; only to what was promoted, so never to anything untested

The canonical tag always stays: it says what an image is called, not whether it may be used. An alias moves to the newest promotion that
is not yanked among those that bear it; one that is named after a commit which was promoted once has none to move to, stays, and is
refused by `verify` like the canonical tag.

What safety needs comes first, and each step is found again by what it left: killed anywhere, the same command goes on where it stopped
and writes nothing twice. Decided is in the Gate, said in the registry, remembered in the Promotion.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import GATE, PLATFORM_LABEL, PROMOTION, Gate, Promotion, Withdrawal, YankedDigest
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.instants import read_instant
from pilotage.gate.promotion.attestation import attest, opened_statement, read_evidence
from pilotage.gate.promotion.keys import SigningKey
from pilotage.gate.promotion.statements import Standing, read_standing, standing
from pilotage.gate.promotion.verifiedrepository import (
    TagConflictError,
    move_tag,
    named_by,
    refusing,
    repository_of,
)
from pilotage.gate.promotion.verifying import standing_of
from pilotage.gate.runs.ledger import stated
from pilotage.images.reference import Reference
from pilotage.images.source import ImageTarget
from pilotage.runtime.clock import Clock, rfc3339
from pilotage.store.base import ConflictError, Listing

__all__ = ["Aside", "WithdrawalStore", "Withdrawals", "Withdrawn"]

MANAGER: Final = "pilotage-withdrawal"
_TRIES: Final = 5
Action = Literal["yank", "unyank", "rollback"]


class WithdrawalStore(Protocol):
    """The part of a store that withdrawing needs."""

    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing: ...

    async def apply(
        self, kind: Kind, key: ObjectKey, manifest: Mapping[str, Any], *, manager: str, force: bool = False
    ) -> Object: ...

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: str = "",
    ) -> Object: ...


class Aside(msgspec.Struct, frozen=True):
    """An alias and the digest that it names now; `moved` when it named another before."""

    alias: str
    digest: str
    moved: bool


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. `statement` is the digest of the signed statement, empty when the image is not in the repository."""

    action: Action
    platform: str
    digest: str
    repository: str
    by: str
    reason: str
    at: str
    statement: str = ""
    aliases: tuple[Aside, ...] = ()


class _Known(msgspec.Struct, frozen=True):
    """A Promotion as it was read."""

    found: Object
    promotion: Promotion

    @property
    def digest(self) -> str:
        return self.promotion.spec.digest

    @property
    def at(self) -> str:
        return self.promotion.spec.at

    @property
    def last(self) -> Withdrawal | None:
        records = self.promotion.status.withdrawals
        return records[-1] if records else None


class Withdrawals:
    """Takes back and gives back, for one store. `target` gives the verified repository; `key` is that of the attestations."""

    def __init__(
        self,
        store: WithdrawalStore,
        target: Callable[[Reference], ImageTarget],
        key: SigningKey,
        clock: Clock,
    ) -> None:
        self._store = store
        self._target = target
        self._key = key
        self._clock = clock

    async def yank(self, gate: ObjectKey, digest: str, *, by: str, reason: str) -> Withdrawn:
        """Nobody shall use the image on this platform. Also before it was ever promoted: then it never will be.

        Raises InputError `ReasonNeeded`, NotFoundError for the gate, and what store and registry raise.
        """
        _explained(by, reason)
        place = repository_of((await self._gate(gate)).spec.verified_repository)
        entry = await self._list_as_yanked(gate, digest, by, reason)
        with refusing():
            at, statement = await self._say(
                gate.name, place, digest, "revoked", entry.at, entry.by, entry.reason
            )
            known = _of(await self._promotions(gate), digest)
            if known is not None and not known.promotion.status.yanked:
                named = await named_by(self._target(place), place.tagged(f"{gate.name}-latest"))
                successor = await self._successor(gate, f"{gate.name}-latest")
                record = Withdrawal(
                    "yank",
                    at,
                    entry.by,
                    entry.reason,
                    statement,
                    replaced=successor if named == digest else "",
                )
                await self._record(known, record, is_yanked=True)
            aliases = await self._move_on(gate, place, digest)
        return Withdrawn(
            action="yank",
            platform=gate.name,
            digest=digest,
            repository=str(place),
            by=entry.by,
            reason=entry.reason,
            at=at,
            statement=statement,
            aliases=aliases,
        )

    async def unyank(self, gate: ObjectKey, digest: str, *, by: str, reason: str) -> Withdrawn:
        """The image may be used again. Raises InputError `NotYanked`, `YankedByManifest`, `ReasonNeeded`, as above."""
        _explained(by, reason)
        spec = (await self._gate(gate)).spec
        place = repository_of(spec.verified_repository)
        known = _of(await self._promotions(gate), digest)
        is_listed = any(each.digest == digest for each in spec.yanked)
        # What was said or recorded, but is not listed, is an earlier command that was killed on its way.
        with refusing():
            word = await self._word(gate.name, place, digest)
        is_unfinished = (known is not None and _is_or_was_yanked(known)) or (
            word is not None and word[1].state == "revoked"
        )
        if not is_listed and not is_unfinished:
            raise InputError("NotYanked", f"{digest} is not yanked for {gate.name}")
        await self._take_off_the_list(gate, digest)
        now = rfc3339(self._clock.now())
        with refusing():
            at, statement = await self._say(gate.name, place, digest, "reinstated", now, by, reason)
            if known is not None and known.promotion.status.yanked:
                await self._record(known, Withdrawal("unyank", at, by, reason, statement), is_yanked=False)
            aliases = await self._return(gate, place, digest)
        return Withdrawn(
            action="unyank",
            platform=gate.name,
            digest=digest,
            repository=str(place),
            by=by,
            reason=reason,
            at=at,
            statement=statement,
            aliases=aliases,
        )

    async def rollback(self, gate: ObjectKey, digest: str, *, by: str, reason: str) -> Withdrawn:
        """Let `PLATFORM-latest` name an image that was promoted before.

        Raises InputError `NotPromoted` or `Yanked`, TagConflictError when the canonical tag names something else, as above.
        """
        _explained(by, reason)
        spec = (await self._gate(gate)).spec
        place = repository_of(spec.verified_repository)
        promotions = await self._promotions(gate)
        known = _of(promotions, digest)
        if known is None:
            raise InputError(
                "NotPromoted",
                f"{digest} was never promoted for {gate.name}",
                hint="only what was tested and promoted can be gone back to; run the gate on it",
            )
        if known.promotion.status.yanked or any(each.digest == digest for each in spec.yanked):
            raise InputError(
                "Yanked",
                f"{digest} is yanked for {gate.name}",
                hint=f"first: pilotage gate unyank {gate.name} {digest} --reason ...",
            )
        latest = place.tagged(f"{gate.name}-latest")
        with refusing():
            target = self._target(place)
            tag = place.tagged(known.promotion.spec.tag)
            named = await named_by(target, tag)
            if named != digest:
                raise TagConflictError(tag, digest, named or "nothing")
            before = await named_by(target, latest)
            last = known.last
            is_again = last is not None and last.action == "rollback" and _is_newest_event(last, promotions)
            if last is None or not is_again:
                last = Withdrawal("rollback", rfc3339(self._clock.now()), by, reason, replaced=before)
                if before != digest:
                    await self._record(known, last, is_yanked=False)
            moved = await move_tag(target, latest, digest)
        return Withdrawn(
            action="rollback",
            platform=gate.name,
            digest=digest,
            repository=str(place),
            by=last.by,
            reason=last.reason,
            at=last.at,
            aliases=(Aside(latest.tag, digest, moved),),
        )

    # -- the Gate ----------------------------------------------------------------------------------------------------

    async def _gate(self, key: ObjectKey) -> Gate:
        return (await self._store.get(GATE, key)).view(Gate)

    async def _list_as_yanked(self, gate: ObjectKey, digest: str, by: str, reason: str) -> YankedDigest:
        """The entry of the Gate; one that is there already holds, with its time and its words."""
        present = _listed(await self._gate(gate), digest)
        if present is not None:
            return present
        entry = YankedDigest(digest, reason, by, rfc3339(self._clock.now()))
        manifest = {"spec": {"yanked": [msgspec.to_builtins(entry)]}}
        await self._store.apply(GATE, gate, manifest, manager=_manager(digest))
        return entry

    async def _take_off_the_list(self, gate: ObjectKey, digest: str) -> None:
        if _listed(await self._gate(gate), digest) is None:
            return
        await self._store.apply(GATE, gate, {"spec": {}}, manager=_manager(digest))
        if _listed(await self._gate(gate), digest) is not None:
            raise InputError(
                "YankedByManifest",
                f"{digest} stands in spec.yanked of the manifest of Gate {gate.name}",
                hint="take it out of the manifest, apply that, and run this again",
            )

    # -- the registry ------------------------------------------------------------------------------------------------

    async def _word(self, platform: str, place: Reference, digest: str) -> tuple[str, Standing] | None:
        """What our key said last about the image, and the digest of the statement."""
        target, image = self._target(place), place.at(digest)
        if not await target.has_manifest(place, digest):
            return None
        words: dict[Standing, str] = {}
        async for evidence in read_evidence(target, image):
            statement = opened_statement(evidence, self._key.public)
            word = read_standing(statement) if statement is not None and statement.is_about(digest) else None
            if word is not None and word.platform == platform:
                words[word] = evidence.digest
        newest = standing_of(words)
        return (words[newest], newest) if newest is not None else None

    async def _say(
        self,
        platform: str,
        place: Reference,
        digest: str,
        state: Literal["revoked", "reinstated"],
        at: str,
        by: str,
        reason: str,
    ) -> tuple[str, str]:
        """Sign it, unless it is the last word already; its time and its digest. It is newer than all that was said before."""
        if not await self._target(place).has_manifest(place, digest):
            return at, ""
        last = await self._word(platform, place, digest)
        if last is not None and last[1].state == state:
            return last[1].written_at or at, last[0]
        at = _after(at, last[1].at if last is not None else None)
        statement = standing(digest, str(place), platform, state, at=at, by=by, reason=reason)
        said = await attest(
            self._target(place),
            place.at(digest),
            statement,
            self._key,
            platform=platform,
            run="",
            created=at,
        )
        return at, said

    async def _move_on(self, gate: ObjectKey, place: Reference, digest: str) -> tuple[Aside, ...]:
        """Every alias that names the yanked image moves to the newest of those that bear it, if there is another."""
        known = _of(await self._promotions(gate), digest)
        target, moved = self._target(place), []
        for alias in known.promotion.spec.aliases if known is not None else ():
            tag = place.tagged(alias)
            named = await named_by(target, tag)
            successor = await self._successor(gate, alias) if named == digest else ""
            if successor:
                await move_tag(target, tag, successor)
            moved.append(Aside(alias, successor or named, bool(successor)))
        return tuple(moved)

    async def _return(self, gate: ObjectKey, place: Reference, digest: str) -> tuple[Aside, ...]:
        """The aliases name the image again where it is the newest, and they still name what the yank moved them to."""
        promotions = await self._promotions(gate)
        known = _of(promotions, digest)
        if known is None:
            return ()
        yanks = [each for each in known.promotion.status.withdrawals if each.action == "yank"]
        replaced = yanks[-1].replaced if yanks else ""
        target, moved = self._target(place), []
        for alias in known.promotion.spec.aliases:
            tag = place.tagged(alias)
            named = await named_by(target, tag)
            is_untouched = named == replaced or alias != f"{gate.name}-latest"
            is_newest = await self._successor(gate, alias) == digest
            if is_newest and is_untouched and named != digest:
                await move_tag(target, tag, digest)
                moved.append(Aside(alias, digest, moved=True))
            else:
                moved.append(Aside(alias, named, moved=False))
        return tuple(moved)

    # -- the Promotions ----------------------------------------------------------------------------------------------

    async def _promotions(self, gate: ObjectKey) -> Sequence[_Known]:
        found = await self._store.list(PROMOTION, gate.namespace, {PLATFORM_LABEL: gate.name})
        return [_Known(each, each.view(Promotion)) for each in found.items]

    async def _successor(self, gate: ObjectKey, alias: str) -> str:
        """The newest promotion that bears the alias and is not yanked; empty when there is none."""
        yanked = {each.digest for each in (await self._gate(gate)).spec.yanked}
        bearing = [
            each
            for each in await self._promotions(gate)
            if alias in each.promotion.spec.aliases and each.digest not in yanked
        ]
        return max(bearing, key=lambda each: each.at).digest if bearing else ""

    async def _record(self, known: _Known, record: Withdrawal, *, is_yanked: bool) -> None:
        """Add the record to the Promotion, onto whatever state it has."""
        for attempt in range(_TRIES):
            status = known.promotion.status
            status = msgspec.structs.replace(
                status, yanked=is_yanked, withdrawals=(*status.withdrawals, record)
            )
            try:
                await self._store.patch_status(
                    PROMOTION,
                    known.found.key,
                    stated(status),
                    manager=MANAGER,
                    resource_version=known.found.meta.resource_version,
                )
            except ConflictError:
                if attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(0)
                again = await self._store.get(PROMOTION, known.found.key)
                known = _Known(again, again.view(Promotion))
            else:
                return


def _explained(by: str, reason: str) -> None:
    missing = [name for name, text in (("who does it", by), ("the reason", reason)) if not text.strip()]
    if missing:
        raise InputError("ReasonNeeded", f"{' and '.join(missing)} must be said: consumers are shown it")


def _of(promotions: Iterable[_Known], digest: str) -> _Known | None:
    return next((each for each in promotions if each.digest == digest), None)


def _listed(gate: Gate, digest: str) -> YankedDigest | None:
    return next((each for each in gate.spec.yanked if each.digest == digest), None)


def _is_or_was_yanked(known: _Known) -> bool:
    """Is it yanked by its record, or is giving it back the last that was recorded?"""
    return known.promotion.status.yanked or (known.last is not None and known.last.action == "unyank")


def _is_newest_event(record: Withdrawal, promotions: Iterable[_Known]) -> bool:
    """Did nothing happen to what `PLATFORM-latest` names since this rollback?"""
    at = read_instant(record.at)
    times = [each.at for each in promotions]
    times += [word.at for each in promotions for word in each.promotion.status.withdrawals if word != record]
    moments = [read_instant(each) for each in times]
    return at is not None and all(each is None or each <= at for each in moments)


def _after(at: str, last: datetime | None) -> str:
    """`at`, or the second after `last` when that is later: times are written in whole seconds, and the newest word must win."""
    moment = read_instant(at)
    if moment is None or last is None or moment > last:
        return at
    return rfc3339(last + timedelta(seconds=1))


def _manager(digest: str) -> str:
    """Each entry of the list has a manager of its own, so that one is taken off without touching the others."""
    return f"{MANAGER}-{digest.partition(':')[2][:32]}"
