"""Controllers on the embedded store: what wakes them, what their errors mean, when they have settled, how they stop."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from pilotage.api.errors import InputError, LaterError, PilotageError, RefusedError, RemoteError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.decision.actions import Apply, ApplyStatus, Delete, Plan
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.controller import Controller, Result, Watch
from pilotage.runtime.events import EVENT
from pilotage.runtime.runner import Runner, run_to_rest
from pilotage.store.base import ConflictError, NotFoundError, Reader
from pilotage.store.embedded import EmbeddedStore

POOLS = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
MAPS = Kind("", "v1", "ConfigMap", "configmaps")
A, B = ObjectKey("clusters", "a"), ObjectKey("clusters", "b")

Reconcile = Callable[[ObjectKey], Awaitable[Result]]


async def put_pool(store: EmbeddedStore, key: ObjectKey, **spec: Any) -> Object:
    manifest = {"apiVersion": POOLS.api_version, "kind": "NodePool", "spec": spec}
    return await store.apply(POOLS, key, manifest, manager="user")


async def put_map(store: EmbeddedStore, key: ObjectKey, manager: str = "user", **data: str) -> Object:
    return await store.apply(
        MAPS, key, {"apiVersion": "v1", "kind": "ConfigMap", "data": data}, manager=manager
    )


class Seen:
    """A reconcile that notes its keys and then does what it is told, until told otherwise."""

    def __init__(self, answer: Result | Exception | None = None) -> None:
        self.keys: list[ObjectKey] = []
        self.answer = answer

    async def __call__(self, key: ObjectKey) -> Result:
        self.keys.append(key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or Result()


def copier(objects: Reader) -> Reconcile:
    """The smallest real controller: what a pool wants is written into a ConfigMap and told in its status."""

    async def plan(key: ObjectKey) -> Plan:
        try:
            pool = await objects.get(POOLS, key)
        except NotFoundError:
            return (Delete(MAPS, key),)
        replicas = str(pool.value().get("spec", {}).get("replicas", 0))
        condition = {"type": "Copied", "status": "True", "reason": "AsExpected", "message": replicas}
        return (
            Apply(MAPS, key, {"apiVersion": "v1", "kind": "ConfigMap", "data": {"replicas": replicas}}),
            ApplyStatus(POOLS, key, {"conditions": [condition]}),
        )

    async def reconcile(key: ObjectKey) -> Result:
        return Result(await plan(key))

    return reconcile


def copying(store: EmbeddedStore, clock: ManualClock, **more: Any) -> Runner:
    informers = Informers(store, clock)
    controller = Controller(
        "copier",
        POOLS,
        copier(informers.reader()),
        watches=(Watch(MAPS, lambda found: (found.key,)),),
        workers=3,
    )
    return Runner(store, (controller,), clock, informers=informers, **more)


def data(found: Object) -> dict[str, str]:
    return found.value()["data"]


async def test_the_store_converges_and_then_nothing_is_written(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """New, changed and deleted objects, and a copy that somebody spoiled; a restart finds nothing to do."""
    await put_pool(store, A, replicas=1)
    async with copying(store, clock) as runner:
        await runner.settled()
        assert data(await store.get(MAPS, A)) == {"replicas": "1"}
        await put_pool(store, A, replicas=2)
        await put_pool(store, B, replicas=5)
        await runner.settled()
        assert data(await store.get(MAPS, A)) == {"replicas": "2"}
        assert data(await store.get(MAPS, B)) == {"replicas": "5"}
        await store.delete(POOLS, B)
        await store.apply(
            MAPS,
            A,
            {"apiVersion": "v1", "kind": "ConfigMap", "data": {"replicas": "hand"}},
            manager="hand",
            force=True,
        )
        await runner.settled()
        assert data(await store.get(MAPS, A)) == {"replicas": "2"}
        assert [found.key for found in (await store.list(MAPS)).items] == [A]
    version = (await store.everything()).resource_version
    async with copying(store, clock) as runner:
        await runner.settled()
    assert (await store.everything()).resource_version == version


class CrashError(Exception):
    """The process ends here."""


async def run_until_crash(store: EmbeddedStore, clock: ManualClock, writes: int) -> None:
    """Run the copier; let `writes` changes happen and end without grace right after the next, if there is one."""
    happened: list[object] = []
    crashed = asyncio.Event()

    def count(change: object) -> None:
        happened.append(change)
        if len(happened) > writes:
            crashed.set()
            raise CrashError

    async with copying(store, clock, on_change=count) as runner:
        ends = [asyncio.create_task(crashed.wait()), asyncio.create_task(runner.settled())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        raise CrashError


async def test_a_crash_between_any_two_writes_converges_to_the_same_end(clock: ManualClock) -> None:
    """Cut off after each number of changes, the next start finishes what is left."""
    ends = []
    for writes in range(5):
        async with await EmbeddedStore.open(None, clock) as store:
            await put_pool(store, A, replicas=1)
            await put_pool(store, B, replicas=2)
            with pytest.raises(CrashError):
                await run_until_crash(store, clock, writes)
            async with copying(store, clock) as runner:
                await runner.settled()
            found = [*(await store.list(MAPS)).items, *(await store.list(POOLS)).items]
            values = [item.value() for item in found]
            ends.append(
                [(item.key, v.get("data"), v.get("status")) for item, v in zip(found, values, strict=True)]
            )
    assert all(end == ends[0] for end in ends)
    assert [(key.name, copied) for key, copied, _ in ends[0] if copied] == [
        ("a", {"replicas": "1"}),
        ("b", {"replicas": "2"}),
    ]
    assert all(status for _, copied, status in ends[0] if not copied)


async def test_a_reference_that_moves_wakes_both_ends(store: EmbeddedStore, clock: ManualClock) -> None:
    """The map is asked about the object before and after the change; a map that fails wakes nobody and stops nobody."""

    def concerns(found: Object) -> Iterable[ObjectKey]:
        name = data(found)["pool"]
        if name == "bad":
            raise ValueError("bad")
        return (ObjectKey("clusters", name),)

    seen = Seen()
    source = ObjectKey("clusters", "source")
    await put_map(store, source, pool="a")
    controller = Controller("moving", POOLS, seen, watches=(Watch(MAPS, concerns),))
    async with Runner(store, (controller,), clock) as runner:
        await runner.settled()
        assert seen.keys == [A]
        await put_map(store, source, pool="b")
        await runner.settled()
        assert sorted(seen.keys) == [A, A, B]
        await put_map(store, source, pool="bad")
        await runner.settled()
        assert sorted(seen.keys) == [A, A, B, B], "the object before could still be read"


async def test_changes_overtake_what_was_there_at_the_start(store: EmbeddedStore, clock: ManualClock) -> None:
    """After a restart with many objects, somebody's change does not wait for all of them."""
    for number in range(20):
        await put_pool(store, ObjectKey("clusters", f"p{number:02}"))
    gate = asyncio.Event()
    keys: list[ObjectKey] = []

    async def reconcile(key: ObjectKey) -> Result:
        keys.append(key)
        await gate.wait()
        return Result()

    async with Runner(store, (Controller("one by one", POOLS, reconcile),), clock) as runner:
        while not keys:
            await asyncio.sleep(0)
        await put_pool(store, ObjectKey("clusters", "p19"), replicas=9)
        await runner.informers.of(POOLS).caught_up()
        gate.set()
        await runner.settled()
    assert [key.name for key in keys[:3]] == ["p00", "p19", "p01"]
    assert len(keys) == 20


@pytest.mark.parametrize(
    "error",
    [
        InputError("BadField", "NodePool clusters/a: spec.replicas: not a number"),
        RefusedError("Forbidden", "NodePool clusters/a: the rules say no"),
    ],
)
async def test_what_the_user_must_change_waits_for_the_user(
    store: EmbeddedStore, clock: ManualClock, error: PilotageError
) -> None:
    """Reported as problem and Event, not retried; the next change of the object is looked at and clears it."""
    await put_pool(store, A)
    seen = Seen(error)
    async with Runner(store, (Controller("c", POOLS, seen),), clock) as runner:
        await runner.settled()
        clock.advance(100_000)
        await runner.settled()
        assert seen.keys == [A]
        (problem,) = runner.problems()
        assert (problem.code, problem.acts_next, problem.retry_in) == (error.code, "user", None)
        assert str(problem) == f"c clusters/a: {error.message}"
        (event,) = (await store.list(EVENT)).items
        told = event.value()
        assert (told["type"], told["reason"], told["message"]) == ("Warning", error.code, error.message)
        seen.answer = None
        await put_pool(store, A, replicas=1)
        await runner.settled()
        assert (seen.keys, runner.problems()) == ([A, A], ())


@pytest.mark.parametrize(
    ("error", "acts_next", "waits"),
    [
        (LaterError("Pending", "the payload is being pushed", delay=30.0), "nobody", (30.0, 30.0)),
        (ConflictError("NodePool clusters/a: changed meanwhile"), "nobody", (0.005, 0.006)),
        (RemoteError("RegistryUnreachable", "quay.example.com: no answer"), "remote", (0.005, 0.006)),
        (KeyError("spec"), "us", (0.005, 0.006)),
        (TimeoutError("a time-out inside"), "us", (0.005, 0.006)),
    ],
)
async def test_everything_else_is_tried_again(
    store: EmbeddedStore,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    acts_next: str,
    waits: tuple[float, float],
) -> None:
    """After the delay that the error names, or with back-off; our own bugs are logged with their trace."""
    await put_pool(store, A)
    seen = Seen(error)
    async with Runner(store, (Controller("c", POOLS, seen),), clock) as runner:
        await runner.rested()
        assert not runner.is_settled()
        (problem,) = runner.problems()
        assert problem.acts_next == acts_next
        assert waits[0] <= (problem.retry_in or 0) <= waits[1]
        assert runner.pending() == {"c": {A: pytest.approx(problem.retry_in)}}
        seen.answer = None
        assert await run_to_rest(runner, clock)
        assert (seen.keys, runner.problems()) == ([A, A], ())
    assert ("Traceback" in caplog.text) == (acts_next == "us")


async def test_a_key_that_keeps_failing_is_tried_less_and_less(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """Sixteen tries in about a minute and a half, not thousands; a horizon ends the rehearsal of it."""
    await put_pool(store, A)
    seen = Seen(RemoteError("RegistryUnreachable", "no answer"))
    async with Runner(store, (Controller("c", POOLS, seen),), clock) as runner:
        assert not await run_to_rest(runner, clock, horizon=90.0)
        assert clock.monotonic() <= 90.0
        assert 13 <= len(seen.keys) <= 17
        assert runner.metrics()[0].retries == len(seen.keys)


async def test_an_object_that_is_gone_while_it_is_looked_at_is_no_problem(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """NotFoundError about a key that the cache lost too."""
    await put_pool(store, A)

    async def reconcile(key: ObjectKey) -> Result:
        await store.get(POOLS, key)
        return Result()

    async with Runner(store, (Controller("c", POOLS, reconcile),), clock) as runner:
        await runner.settled()
        await store.delete(POOLS, A)
        await runner.settled()
        assert runner.problems() == ()


async def test_a_reconcile_that_takes_too_long_is_cut_off(store: EmbeddedStore, clock: ManualClock) -> None:
    """At its deadline, on the injected clock, and tried again; other keys are not held up."""
    await put_pool(store, A)
    began: list[ObjectKey] = []

    async def reconcile(key: ObjectKey) -> Result:
        began.append(key)
        if len(began) == 1:
            await asyncio.Event().wait()
        return Result()

    async with Runner(store, (Controller("slow", POOLS, reconcile, deadline=20.0),), clock) as runner:
        while not began:
            await asyncio.sleep(0)
        assert runner.metrics()[0].processing == 1
        clock.advance(19)
        await put_pool(store, B)
        await runner.informers.of(POOLS).caught_up()
        assert began == [A]
        assert runner.metrics()[0].longest_running == 19.0
        clock.advance(1)
        await runner.rested()
        (problem,) = runner.problems()
        assert (problem.key, problem.code) == (A, "DeadlineExceeded")
        assert "20 s" in problem.message
        assert await run_to_rest(runner, clock)
        assert sorted(began) == [A, A, B]


async def test_settled_waits_for_pending_looks_but_not_for_periodic_ones(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """`requeue_after` is work to come, `resync` is not; both come."""
    await put_pool(store, A)
    seen = Seen(Result(requeue_after=300.0))
    async with Runner(store, (Controller("c", POOLS, seen, resync=600.0),), clock) as runner:
        await runner.rested()
        assert not runner.is_settled()
        seen.answer = Result()
        assert await run_to_rest(runner, clock)
        assert (len(seen.keys), clock.monotonic()) == (2, 300.0)
        assert runner.pending() == {}
        clock.advance(600)
        await runner.settled()
        assert len(seen.keys) == 3


async def test_what_is_gone_is_not_looked_at_periodically(store: EmbeddedStore, clock: ManualClock) -> None:
    """Or the queue would remember every object that ever was."""
    await put_pool(store, A)
    seen = Seen()
    async with Runner(store, (Controller("c", POOLS, seen, resync=600.0),), clock) as runner:
        await runner.settled()
        await store.delete(POOLS, A)
        await runner.settled()
        assert runner.metrics()[0].delayed == 0


async def test_many_workers_never_share_a_key(store: EmbeddedStore, clock: ManualClock) -> None:
    """Under a storm of changes; every object is looked at after its last change."""
    working: set[ObjectKey] = set()
    last: dict[ObjectKey, int] = {}
    most = 0

    informers = Informers(store, clock)
    objects = informers.reader()

    async def reconcile(key: ObjectKey) -> Result:
        nonlocal most
        assert key not in working
        working.add(key)
        most = max(most, len(working))
        found = await objects.get(POOLS, key)
        await asyncio.sleep(0)
        last[key] = found.value()["spec"]["replicas"]
        working.remove(key)
        return Result()

    controller = Controller("storm", POOLS, reconcile, workers=8)
    keys = [ObjectKey("clusters", f"p{number}") for number in range(10)]
    async with Runner(store, (controller,), clock, informers=informers) as runner:
        for replicas in range(15):
            await asyncio.gather(*(put_pool(store, key, replicas=replicas) for key in keys))
        await runner.settled()
        assert runner.problems() == ()
    assert last == dict.fromkeys(keys, 14)
    assert most > 1


async def test_stopping_finishes_what_is_being_worked_on(store: EmbeddedStore, clock: ManualClock) -> None:
    """The plan under way is performed; what only waits is left to the next start."""
    await put_pool(store, A)
    await put_pool(store, B)
    began, gate = asyncio.Event(), asyncio.Event()
    inner = copier(store)

    async def reconcile(key: ObjectKey) -> Result:
        began.set()
        await gate.wait()
        return await inner(key)

    runner = Runner(store, (Controller("c", POOLS, reconcile),), clock)
    running = asyncio.create_task(runner.run())
    await began.wait()
    runner.stop()
    await asyncio.sleep(0)
    assert not running.done()
    gate.set()
    await running
    assert [found.key for found in (await store.list(MAPS)).items] == [A]


async def test_who_does_not_finish_within_the_grace_is_cut_off(
    store: EmbeddedStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop always ends."""
    await put_pool(store, A)
    began = asyncio.Event()

    async def reconcile(_: ObjectKey) -> Result:
        began.set()
        await asyncio.Event().wait()
        return Result()

    async with Runner(store, (Controller("c", POOLS, reconcile),), clock, grace=0.01):
        await began.wait()
    assert "1 workers were not done" in caplog.text


async def test_a_stop_ends_the_wait_for_a_store_that_does_not_answer(clock: ManualClock) -> None:
    """Start-up is not a trap; nothing is left running."""
    store = await EmbeddedStore.open(None, clock)
    await store.close()
    runner = Runner(store, (Controller("c", POOLS, Seen()),), clock)
    running = asyncio.create_task(runner.run())
    while runner.informers.of(POOLS).last_error is None:
        await asyncio.sleep(0)
    runner.stop()
    await running
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_in_the_body_stops_everything_at_once(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """No grace is waited for, and no task is left."""
    await put_pool(store, A)
    with pytest.raises(InterruptedError):
        async with copying(store, clock):
            raise InterruptedError
    assert len(asyncio.all_tasks()) == 1


async def test_a_plan_can_be_asked_for_without_being_performed(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """A reconcile only reads, on the store itself as on the cache."""
    await put_pool(store, A, replicas=7)
    version = (await store.everything()).resource_version
    result = await copier(store)(A)
    assert [type(action).__name__ for action in result.plan] == ["Apply", "ApplyStatus"]
    assert (await store.everything()).resource_version == version


async def test_what_stands_is_not_even_sent(
    store: EmbeddedStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A periodic look at an object that nobody touched makes no request of the writer."""
    await put_pool(store, A, replicas=1)
    writes = 0

    class Counting:
        def __getattr__(self, name: str) -> Any:
            nonlocal writes
            writes += name in ("apply", "patch_status", "create", "delete")
            return getattr(store, name)

    counting: Any = Counting()
    async with copying(counting, clock) as runner:
        await runner.settled()
        runner.loops[0].queue.add(A)
        await runner.settled()
        before = writes
        runner.loops[0].queue.add(A)
        await runner.settled()
        assert writes == before > 0


async def test_failed_events_do_not_stop_a_worker(
    store: EmbeddedStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The store refuses the Event of a problem: it is logged, and the next key is worked on."""

    class NoEvents:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        async def apply(self, kind: Kind, key: ObjectKey, *args: Any, **kwargs: Any) -> Object:
            if kind == EVENT:
                raise RemoteError("Forbidden", "events is forbidden")
            return await store.apply(kind, key, *args, **kwargs)

    no_events: Any = NoEvents()
    await put_pool(store, A)
    await put_pool(store, B)
    seen = Seen(InputError("Bad", "bad"))
    with caplog.at_level(logging.WARNING):
        async with Runner(no_events, (Controller("c", POOLS, seen),), clock) as runner:
            await runner.settled()
            assert seen.keys == [A, B]
            assert len(runner.problems()) == 2
    assert "an event is lost: events is forbidden" in caplog.text


async def test_a_future_that_somebody_else_cancels_is_a_failure_not_an_end(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """The worker lives on; the key is tried again as after any bug of ours."""
    await put_pool(store, A)
    keys: list[ObjectKey] = []

    async def reconcile(key: ObjectKey) -> Result:
        keys.append(key)
        if len(keys) == 1:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        return Result()

    async with Runner(store, (Controller("c", POOLS, reconcile),), clock) as runner:
        await runner.rested()
        assert [problem.acts_next for problem in runner.problems()] == ["us"]
        assert await run_to_rest(runner, clock)
        assert keys == [A, A]


async def test_a_worker_that_breaks_down_ends_the_run_with_its_error(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """Half a runner would look alive: `run` raises, and so does whoever waits for it to settle."""
    await put_pool(store, A)

    async def break_down(key: ObjectKey) -> Result:
        runner.loops[0].queue.done(key)  # a bug in our own loop: the worker's own `done` fails
        return Result()

    runner = Runner(store, (Controller("c", POOLS, break_down),), clock)
    with pytest.raises(KeyError):
        await runner.run()
    runner = Runner(store, (Controller("c", POOLS, break_down),), clock)

    async def settle() -> None:
        async with runner:
            runner.loops[0].queue.add_after(B, 60.0)
            await runner.settled()

    with pytest.raises(KeyError):
        await settle()
    assert len(asyncio.all_tasks()) == 1


async def test_the_heap_is_frozen_only_on_request(store: EmbeddedStore, clock: ManualClock) -> None:
    """It concerns the whole process, so a library caller is not surprised by it."""
    before = gc.get_freeze_count()
    async with copying(store, clock):
        assert gc.get_freeze_count() == before
    try:
        async with copying(store, clock, freeze_heap=True):
            assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
