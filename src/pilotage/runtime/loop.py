"""One controller at work: deltas become keys, keys are reconciled, plans are performed, errors say what happens next.

    informers ──delta──▶ queue ──key──▶ reconcile ──plan──▶ perform ──▶ store ──▶ informers …

`controller` states the contract; this module keeps it. What cannot go on is remembered per key as a `Problem` until the key
succeeds or its object is gone, and written as a Warning event when it is for the user, so that `kubectl describe` tells.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal

import msgspec

from pilotage.api.errors import InputError, LaterError, PilotageError, RefusedError
from pilotage.api.meta import Object, ObjectKey
from pilotage.decision.actions import RecordEvent
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import Timers
from pilotage.runtime.controller import Controller, Result, Watch
from pilotage.runtime.informer import Delta
from pilotage.runtime.perform import Performer
from pilotage.runtime.queue import WorkQueue
from pilotage.runtime.tasks import is_being_cancelled
from pilotage.store.base import NotFoundError

__all__ = ["ControllerLoop", "Problem"]

logger = logging.getLogger(__name__)

_TIME_SLICE = 0.005  # seconds that one worker may go on without letting others run


class Problem(msgspec.Struct, frozen=True):
    """Why the last reconcile of `key` failed, and who acts next. `retry_in` is None when a change is waited for."""

    controller: str
    key: ObjectKey
    code: str
    message: str
    acts_next: Literal["user", "nobody", "remote", "us"]
    retry_in: float | None = None

    def __str__(self) -> str:
        return f"{self.controller} {self.key}: {self.message}"


class ControllerLoop:
    def __init__(
        self, controller: Controller, informers: Informers, performer: Performer, clock: Timers
    ) -> None:
        self.controller = controller
        self.queue: WorkQueue[ObjectKey] = WorkQueue(controller.name, clock)
        self._performer = performer
        self._clock = clock
        self._problems: dict[ObjectKey, Problem] = {}
        self.errors: Counter[str] = Counter()
        """How often a reconcile failed, by who acts next."""
        self._objects = informers.of(controller.kind)
        self._objects.add_handler(self._on_own)
        for watch in controller.watches:
            followed = (
                informers.named(watch.kind, watch.named_by) if watch.named_by else informers.of(watch.kind)
            )
            followed.add_handler(partial(self._on_watched, watch))

    @property
    def problems(self) -> Mapping[ObjectKey, Problem]:
        return self._problems

    async def work(self) -> None:
        """One worker: until the queue is shut down and empty."""
        slice_began = time.monotonic()
        while (key := await self.queue.get()) is not None:
            try:
                await self._reconcile(key)
            finally:
                self.queue.done(key)
            if time.monotonic() - slice_began > _TIME_SLICE:
                await asyncio.sleep(0)
                slice_began = time.monotonic()

    # -- deltas to keys -------------------------------------------------------------------------------------------

    def _on_own(self, delta: Delta) -> None:
        found = delta.new or delta.old
        if found is not None:
            self.queue.add(found.key, background=delta.is_initial)

    def _on_watched(self, watch: Watch, delta: Delta) -> None:
        for found in (delta.old, delta.new):
            for key in self._mapped(watch, found):
                self.queue.add(key, background=delta.is_initial)

    def _mapped(self, watch: Watch, found: Object | None) -> Iterable[ObjectKey]:
        """A map that cannot read the object before must still be asked about the object after."""
        if found is None:
            return ()
        try:
            return tuple(watch.map(found))
        except InputError as error:
            logger.warning("%s: cannot tell what %s concerns: %s", self.controller.name, found, error)
        except Exception:
            logger.exception("%s: our bug: mapping %s failed", self.controller.name, found)
        return ()

    # -- one key --------------------------------------------------------------------------------------------------

    async def _reconcile(self, key: ObjectKey) -> None:
        scope = asyncio.timeout(None)
        try:
            async with scope:
                result = await self._observe_decide_act(key, scope)
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise
            await self._on_error(
                key, RuntimeError(f"what it waited for was cancelled: {error}"), is_late=False
            )
        except Exception as error:  # noqa: BLE001 -- judged there; nothing is swallowed
            await self._on_error(key, error, is_late=scope.expired())
        else:
            self._on_success(key, result)

    async def _observe_decide_act(self, key: ObjectKey, scope: asyncio.Timeout) -> Result:
        """The deadline is counted on our clock, which may be simulated; the scope knows only the event loop's."""
        loop = asyncio.get_running_loop()
        alarm = self._clock.call_later(self.controller.deadline, lambda: scope.reschedule(loop.time()))
        try:
            result = await self.controller.reconcile(key)
            await self._performer.perform(result.plan)
        finally:
            alarm.cancel()
        return result

    def _on_success(self, key: ObjectKey, result: Result) -> None:
        self.queue.forget(key)
        self._problems.pop(key, None)
        if result.requeue_after is not None:
            self.queue.add_after(key, result.requeue_after)
        resync = result.resync_after or self.controller.resync
        if resync is not None and self._objects.get(key) is not None:
            self.queue.add_after(key, resync, background=True)

    async def _on_error(self, key: ObjectKey, error: Exception, *, is_late: bool) -> None:
        name = self.controller.name
        match error:
            case NotFoundError() if self._objects.get(key) is None:
                logger.debug("%s %s: gone", name, key)
                self.queue.forget(key)
                self._problems.pop(key, None)
            case InputError() | RefusedError():
                self.queue.forget(key)
                self._note(key, error, "user", None)
                await self._tell_user(key, error)
            case LaterError():
                delay = error.delay
                if delay > 0:
                    self.queue.add_after(key, delay)
                else:
                    delay = self.queue.retry(key)
                self._note(key, error, "nobody", delay)
            case PilotageError() if error.exit_code == 3:
                self._note(key, error, "remote", self.queue.retry(key))
            case TimeoutError() if is_late:
                late = f"not done within its deadline of {self.controller.deadline:g} s"
                delay = self.queue.retry(key)
                self._keep(Problem(name, key, "DeadlineExceeded", late, "remote", delay))
                logger.warning("%s %s: %s; again in %.3g s", name, key, late, delay)
            case _:
                delay = self.queue.retry(key)
                self._keep(Problem(name, key, type(error).__name__, str(error), "us", delay))
                logger.error("%s %s: our bug: %s; again in %.3g s", name, key, error, delay, exc_info=error)

    def _note(
        self,
        key: ObjectKey,
        error: PilotageError,
        acts_next: Literal["user", "nobody", "remote"],
        delay: float | None,
    ) -> None:
        problem = Problem(self.controller.name, key, error.code, error.message, acts_next, delay)
        self._keep(problem)
        level = logging.DEBUG if acts_next == "nobody" else logging.WARNING
        when = "until it changes" if delay is None else f"again in {delay:.3g} s"
        logger.log(level, "%s; %s", problem, when)

    def _keep(self, problem: Problem) -> None:
        self._problems[problem.key] = problem
        self.errors[problem.acts_next] += 1

    async def _tell_user(self, key: ObjectKey, error: PilotageError) -> None:
        found = self._objects.get(key)
        if found is None:
            return
        event = RecordEvent(self.controller.kind, key, found.meta.uid, "Warning", error.code, error.message)
        try:
            await self._performer.perform((event,))
        except Exception:
            logger.exception("%s %s: our bug: no event could be written", self.controller.name, key)
