"""Who of several processes acts? The one that holds a Lease (`coordination.k8s.io/v1`), as with client-go's leader election.

The holder renews the Lease every `retry_period`. The others watch its version: when it did not change for as long as the Lease
promises, by *their own* monotonic clock since *they* saw it first, they may take it. Times in the Lease are for people; clocks
that are wrong do no harm, only clocks that run at different speeds by more than `duration` to `renew_deadline` would.

Every write names the version that it replaces, so of two that take the Lease at once one wins, and a renewal that was
under way for too long is refused.

    holder    sent a renewal at S, it was stored ──────▶ acts until S + renew_deadline, then everything is cancelled
    others    saw that version at O, later than S ─────▶ take the Lease from O + duration on, which is later

A term ends at its deadline by itself, not when somebody notices: `Term.check` asks the clock, so a process that was stopped for
a minute writes nothing when it wakes up. A request that left before the deadline has `duration - renew_deadline` to arrive.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from pilotage.api.core import LEASE
from pilotage.api.errors import InputError, LaterError, PilotageError
from pilotage.api.meta import Object, ObjectKey
from pilotage.runtime.clock import Alarm, Timers
from pilotage.runtime.tasks import cancel_all, deadline
from pilotage.store.base import AlreadyExistsError, ConflictError, NotFoundError, Reader, Writer

__all__ = ["Elector", "LeaseLostError", "LeaseSettings", "LeaseStore", "Term", "Work", "read_lease"]

logger = logging.getLogger(__name__)

MANAGER = "pilotage-lease"
_JITTER = 0.2  # of the retry period: those who lost together should not ask together
_TIME_IS_UP = 0.001  # seconds after the end of a term, so that rounding leaves no doubt


class LeaseLostError(LaterError):
    """Another process acts now, or will: this one may not any more."""

    def __init__(self, lease: str) -> None:
        super().__init__(
            "LeaseLost", f"Lease {lease}: no longer held by this process: nothing is written", delay=1.0
        )


class LeaseStore(Reader, Writer, Protocol):
    """The part of a store that leader election needs."""


class LeaseSettings(msgspec.Struct, frozen=True):
    """In seconds. `duration` must be whole, as the Lease holds it; defaults give a takeover within 13 seconds of a crash.

    Raises InputError `InvalidOption` for times that would let two act at once.
    """

    duration: int = 10
    renew_deadline: float = 7.0
    retry_period: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline > self.retry_period * (1 + _JITTER) > 0:
            raise InputError(
                "InvalidOption",
                f"lease times {self.duration:g}, {self.renew_deadline:g}, {self.retry_period:g}: the duration must be longer than"
                f" the renew deadline, and that longer than {1 + _JITTER:g} times the retry period",
            )


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct, frozen=True):
    spec: _Spec | None = None


class Term:
    """One time of holding the Lease."""

    def __init__(self, lease: str, clock: Timers, until: float) -> None:
        self._lease = lease
        self._clock = clock
        self._until = until
        self._is_over = False

    def holds(self) -> bool:
        """May this process act, at this moment?"""
        return not self._is_over and self._clock.monotonic() < self._until

    def check(self) -> None:
        """Raises LeaseLostError unless the term holds."""
        if not self.holds():
            raise LeaseLostError(self._lease)

    def extend(self, until: float) -> None:
        self._until = max(self._until, until)

    def end(self) -> None:
        self._is_over = True

    @property
    def remaining(self) -> float:
        return max(0.0, self._until - self._clock.monotonic())


Work = Callable[[Term], Awaitable[None]]


class _Seen(msgspec.Struct, frozen=True):
    """What the Lease last said, and since when it says so, by our own clock."""

    version: str
    spec: _Spec
    since: float


class Elector:
    """Takes part in one election. `identity` must be unique to this process, not to its host."""

    def __init__(
        self,
        store: LeaseStore,
        key: ObjectKey,
        identity: str,
        clock: Timers,
        settings: LeaseSettings | None = None,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.key = key
        self.identity = identity
        self.settings = settings or LeaseSettings()
        self.terms = 0
        self._store = store
        self._clock = clock
        self._chance = chance
        self._seen: _Seen | None = None
        self._term: Term | None = None
        self._trouble = ""

    @property
    def is_leading(self) -> bool:
        return self._term is not None and self._term.holds()

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last seen; empty when nobody did, or it was never seen."""
        return (self._seen.spec.holder_identity or "") if self._seen else ""

    @property
    def trouble(self) -> str:
        """Why the Lease could not be read or written the last time; empty when it could."""
        return self._trouble

    async def run(self, work: Work, stopping: asyncio.Event) -> None:
        """Do `work` whenever the Lease is ours, until it returns by itself, or `stopping` is set while it is not at work.

        When the Lease is lost, work is cancelled and the next election begins. `work` itself must end when it is to stop; the
        Lease is renewed until then, and released. What work raises is raised.
        """
        while not stopping.is_set():
            term = await self._acquire(stopping)
            if term is None or await self._serve(term, work):
                return

    # -- a term ---------------------------------------------------------------------------------------------------

    async def _acquire(self, stopping: asyncio.Event) -> Term | None:
        """Try until the Lease is ours; None when `stopping` was set first."""
        while not stopping.is_set():
            sent = await self._attempt(self.settings.renew_deadline)
            if sent is not None:
                logger.info("lease %s: %s leads", self.key, self.identity)
                return Term(str(self.key), self._clock, sent + self.settings.renew_deadline)
            await self._pause(self._wait(), stopping)
        return None

    async def _serve(self, term: Term, work: Work) -> bool:
        """True when work ended by itself, False when the term was lost under it."""
        self._term = term
        self.terms += 1
        worker = asyncio.ensure_future(work(term))
        renewing = asyncio.ensure_future(self._renew(term, worker))
        try:
            await asyncio.wait((worker, renewing), return_when=asyncio.FIRST_COMPLETED)
            has_ended = worker.done() and not worker.cancelled()
            if not has_ended:
                logger.warning("lease %s: lost by %s: nothing more is written", self.key, self.identity)
        finally:
            term.end()
            await cancel_all((worker, renewing))
            self._term = None
        if has_ended:
            await self._release()
        for task in (worker, renewing):
            if not task.cancelled():
                task.result()
        return has_ended

    async def _renew(self, term: Term, worker: asyncio.Future[None]) -> None:
        """Renew until the term is lost. The deadline cancels work by an alarm, whatever a renewal is waiting for."""
        alarm = self._alarm(term, worker)
        try:
            while term.holds():
                await self._clock.sleep(min(self.settings.retry_period, term.remaining + _TIME_IS_UP))
                if not term.holds():
                    return
                sent = await self._attempt(term.remaining)
                if sent is not None:
                    term.extend(sent + self.settings.renew_deadline)
                    alarm.cancel()
                    alarm = self._alarm(term, worker)
                elif self._seen is not None and self.holder != self.identity:
                    return
        finally:
            alarm.cancel()

    def _alarm(self, term: Term, worker: asyncio.Future[None]) -> Alarm:
        def ring() -> None:
            if not term.holds():
                term.end()
                worker.cancel()

        return self._clock.call_later(term.remaining + _TIME_IS_UP, ring)

    def _wait(self) -> float:
        """Until the next try: when the Lease that we saw runs out, and now and then before, for it may be released."""
        polite = self.settings.retry_period * (1 + _JITTER * self._chance())
        if self._seen is None or not self._seen.spec.holder_identity:
            return polite
        left = self._seen.since + self._promised(self._seen.spec) - self._clock.monotonic()
        return min(polite, max(left, 0.0) + _TIME_IS_UP) if left > 0 else polite

    async def _pause(self, seconds: float, stopping: asyncio.Event) -> None:
        waits = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(stopping.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_all(waits)

    # -- the Lease ------------------------------------------------------------------------------------------------

    async def _attempt(self, patience: float) -> float | None:
        """Take or renew the Lease; the moment before it was sent when it is ours now, else None. Failures are told, not raised."""
        try:
            async with deadline(self._clock, patience):
                sent = await self._take()
        except (PilotageError, OSError) as error:  # TimeoutError is an OSError
            trouble = str(error) or f"no answer within {patience:.3g} s"
            if trouble != self._trouble:
                logger.warning("lease %s: %s", self.key, trouble)
            self._trouble = trouble
            return None
        self._trouble = ""
        return sent

    async def _take(self) -> float | None:
        seen = self._seen
        if seen is not None and seen.spec.holder_identity == self.identity:
            try:
                return await self._write(seen)  # ours, as far as we know: no need to look first
            except (ConflictError, NotFoundError):
                self._seen = None
        try:
            seen = self._note(await self._store.get(LEASE, self.key))
        except NotFoundError:
            return await self._create()
        holder = seen.spec.holder_identity
        is_valid = self._clock.monotonic() < seen.since + self._promised(seen.spec)
        if holder and holder != self.identity and is_valid:
            return None
        try:
            return await self._write(seen)
        except ConflictError:  # somebody was quicker; who, the next look tells
            return None

    async def _create(self) -> float | None:
        now, sent = _micro_time(self._clock.now()), self._clock.monotonic()
        spec = _Spec(self.identity, self.settings.duration, now, now, 0)
        try:
            self._note(await self._store.create(LEASE, self._manifest(spec), manager=MANAGER))
        except AlreadyExistsError:
            return None
        return sent

    async def _write(self, seen: _Seen) -> float:
        now, sent = _micro_time(self._clock.now()), self._clock.monotonic()
        before = seen.spec
        is_ours = before.holder_identity == self.identity
        spec = _Spec(
            self.identity,
            self.settings.duration,
            before.acquire_time if is_ours and before.acquire_time else now,
            now,
            (before.lease_transitions or 0) + (not is_ours),
        )
        await self._replace(spec, seen.version)
        return sent

    async def _release(self) -> None:
        """Let the next one begin at once. When that fails, the Lease runs out by itself."""
        seen = self._seen
        if seen is None or seen.spec.holder_identity != self.identity:
            return
        now = _micro_time(self._clock.now())
        spec = _Spec("", 1, now, now, seen.spec.lease_transitions or 0)
        try:
            async with deadline(self._clock, self.settings.retry_period):
                await self._replace(spec, seen.version)
        except (PilotageError, OSError) as error:
            logger.warning("lease %s: could not be released, it runs out by itself: %s", self.key, error)
        else:
            logger.info("lease %s: released by %s", self.key, self.identity)

    async def _replace(self, spec: _Spec, version: str) -> None:
        """With force: the fields are the Lease's, and only its version says who may write them."""
        manifest = self._manifest(spec, version)
        self._note(await self._store.apply(LEASE, self.key, manifest, manager=MANAGER, force=True))

    def _manifest(self, spec: _Spec, version: str = "") -> dict[str, Any]:
        metadata = {"name": self.key.name, "namespace": self.key.namespace}
        if version:
            metadata["resourceVersion"] = version
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": metadata,
            "spec": {name: value for name, value in msgspec.to_builtins(spec).items() if value is not None},
        }

    def _note(self, found: Object) -> _Seen:
        """Since when it says so counts from when we saw it first: later than it was written, which is the safe side."""
        version = found.meta.resource_version
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(version, read_lease(found), self._clock.monotonic())
        return self._seen

    def _promised(self, spec: _Spec) -> float:
        return float(spec.lease_duration_seconds or self.settings.duration)


def read_lease(found: Object) -> _Spec:
    """What a Lease says. Raises InputError `MalformedObject`."""
    return found.view(_Lease).spec or _Spec()


def _micro_time(moment: datetime) -> str:
    """`metav1.MicroTime`: `2026-05-20T04:35:16.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
