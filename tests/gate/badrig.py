"""What bad days are made of, and what must hold after each of them: nothing untested, nothing twice, nothing lost, somebody told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pilotage.api import crd
from pilotage.api.errors import RemoteError
from pilotage.api.gate import (
    DEFINITIONS,
    GATE,
    NOTIFICATION,
    PROMOTION,
    GateRun,
    Notification,
    Promotion,
)
from pilotage.api.meta import Object
from pilotage.gate.controllers import GateServices, controllers
from pilotage.gate.runs.jobkeys import JOB_KEY_LABEL
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.runs.pacing import DEFAULT_RATE
from pilotage.gate.runs.progress import ENDED
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.runner import Runner
from pilotage.store.base import ConflictError
from pilotage.world.prow.book import JobBook
from pilotage.world.snapshots import Build, revision_of, snapshot

from .nightrig import DEFINITION, NAMESPACE, Night, Shelf

WRITES = ("create", "apply", "patch_status", "delete")
ENDS = {"promoted": "m0", "failed": "m4", "errored": "m5", "promotion-failed": "m6"}
"""How a run ended, and the message that must have told it."""


class JumpingClock(ManualClock):
    """Somebody sets it: `ahead` is added to what it should say. Seconds go on as they do."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class Troubled:
    """A store as the gate sees it. `trouble(name)` is asked before and after every call, and raises when there is some."""

    def __init__(self, store: Any, trouble: Callable[[str, bool], None]) -> None:
        self._store, self._trouble = store, trouble

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def called(*args: Any, **kwargs: Any) -> Any:
            self._trouble(name, False)
            result = await method(*args, **kwargs)
            self._trouble(name, True)
            return result

        return called


def conflicts(every: int) -> Callable[[str, bool], None]:
    """Every so many writes somebody was faster."""
    count = 0

    def trouble(name: str, is_done: bool) -> None:
        nonlocal count
        if name in WRITES and not is_done:
            count += 1
            if count % every == 0:
                raise ConflictError("the object was changed meanwhile")

    return trouble


def lost_answers(every: int) -> Callable[[str, bool], None]:
    """Every so many writes are done, and nobody hears of it."""
    count = 0

    def trouble(name: str, is_done: bool) -> None:
        nonlocal count
        if name in WRITES and is_done:
            count += 1
            if count % every == 0:
                raise RemoteError("ApiDown", "the connection was closed before the answer")

    return trouble


def outage(clock: ManualClock, since: float, until: float) -> Callable[[str, bool], None]:
    """Nothing is answered for a while; times are seconds of the clock."""

    def trouble(_name: str, _is_done: bool) -> None:
        if since <= clock.monotonic() < until:
            raise RemoteError("ApiDown", "the API server does not answer")

    return trouble


class BadNight(Night):
    """A night whose outside can be put together from parts. `book` is that of its Prow."""

    def __init__(self, store: Any, clock: ManualClock, prow: Any, book: JobBook, shelf: Any = None) -> None:
        super().__init__(store, clock, prow, shelf or Shelf(), DEFAULT_RATE)
        self.book = book
        self.api = store
        self.sinks: tuple[Any, ...] = (self.inbox,)

    def runner(self, store: Any = None) -> Runner:
        services = GateServices(
            store=store or self.api,
            clock=self.clock,
            runner=self.prow,
            promoter=self.shelf,
            pacer=Pacer(self.clock, self.rate),
            sinks=self.sinks,
            jitter=lambda: 0.5,
        )
        return Runner(self.store, controllers(services), self.clock)

    async def live(self, hours: float, at: Mapping[float, Callable[[], Any]] | None = None) -> Runner:
        """Let so much time pass; `at` says what happens after how many hours."""
        began = self.clock.monotonic()
        moments = sorted([*(at or {}).items(), (hours, lambda: None)], key=lambda each: each[0])
        async with self.runner() as runner:
            for hour, happening in moments:
                end = began + hour * 3600
                while True:
                    await runner.rested()
                    due = self.clock.next_due
                    if due is None or due > end:
                        break
                    self.clock.advance_to_next()
                self.clock.advance(max(0.0, end - self.clock.monotonic()))
                result = happening()
                if result is not None:
                    await result
            await runner.rested()
        return runner

    async def notes(self) -> list[Notification]:
        return [item.view(Notification) for item in (await self.store.list(NOTIFICATION, NAMESPACE)).items]

    async def promoted(self) -> list[Promotion]:
        return [item.view(Promotion) for item in (await self.store.list(PROMOTION, NAMESPACE)).items]


def build(at: datetime, number: int = 0) -> Build:
    revision = revision_of(number)
    return Build(at, revision, f"sha256:{number:064x}", number)


def snapshots(*builds: Build) -> list[dict[str, Any]]:
    return [snapshot(each) for each in builds]


async def furnish(store: Any, *gates: dict[str, Any], made: list[dict[str, Any]]) -> None:
    for definition in DEFINITIONS:
        await store.create(DEFINITION, crd.manifest(definition), manager="test")
    await store.restore([Object.of(manifest) for manifest in made])
    for manifest in gates:
        await store.create(GATE, manifest, manager="test")


def is_tested(run: GateRun) -> bool:
    """Every required job passed, and was told to test exactly this image."""
    required = {job.name for job in run.spec.jobs if job.type == "required"}
    passed = {
        record.name
        for record in run.status.jobs
        if record.attempts[-1].result == "passed" and record.attempts[-1].image == run.spec.digest
    }
    return required <= passed


async def assert_sound(
    night: BadNight, *, duplicates: int = 0, tags: Mapping[str, str] | None = None
) -> None:
    """What holds after every bad day. `duplicates` are jobs that could not be known to run; `tags` those of the repository."""
    runs, promoted = await night.runs(), await night.promoted()

    # Nothing untested is tagged, and nothing without a Promotion.
    tested = {
        (run.spec.platform, run.spec.digest)
        for run in runs
        if run.status.verdict == "passed" and is_tested(run)
    }
    for each in promoted:
        assert (each.spec.platform, each.spec.digest) in tested, f"{each.spec.tag} was never tested"
    named = tags if tags is not None else night.shelf.tags
    digests = {each.spec.digest for each in promoted}
    assert set(named.values()) <= digests, "a tag names what was not promoted"

    # Nothing is promoted twice.
    again = Counter((each.spec.platform, each.spec.digest) for each in promoted)
    assert all(count == 1 for count in again.values()), again
    assert {each.spec.run for each in promoted} == {
        run.metadata.name for run in runs if run.status.state == "promoted"
    }

    # No job is started twice, and no start is forgotten.
    assert duplicates == len(night.book.duplicates)
    known = {
        attempt.key: attempt for run in runs for record in run.status.jobs for attempt in record.attempts
    }
    for start in night.book.starts:
        attempt = known[start.labels[JOB_KEY_LABEL]]
        assert attempt.id or attempt.result in ("timeout", "skipped"), f"nobody looks at {start.job}"
    for run in runs:
        assert run.status.state in ENDED, f"{run.metadata.name} is still {run.status.state}"

    # Somebody was told of every end.
    told = Counter(
        (note.spec.event.rpartition("/")[0], note.spec.channel)
        for note in await night.notes()
        if note.spec.event.startswith(tuple(run.metadata.name for run in runs))
    )
    for run in runs:
        if run.status.state in ENDS and run.spec.run_class != "test":
            assert told[run.metadata.name, night.sinks[0].channel], f"nobody heard of {run.metadata.name}"
    for note in await night.notes():
        assert note.status.delivered_at or note.status.dead, f"{note.spec.event} waits for nobody"
