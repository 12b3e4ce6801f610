"""The work queue with workers that wait: who is woken, in which order, and what shutting down does."""

from __future__ import annotations

import asyncio

import pytest

from pilotage.runtime.clock import ManualClock
from pilotage.runtime.queue import WorkQueue
from pilotage.runtime.retry import Backoff, Bucket

STEADY = Backoff(first=0.005, most=1000.0, jitter=0.0)


@pytest.fixture
def queue(clock: ManualClock) -> WorkQueue[str]:
    return WorkQueue("test", clock, backoff=STEADY)


async def _turns(number: int = 5) -> None:
    """Let every task that can go on do so."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_waiting_worker_is_woken_by_an_add(queue: WorkQueue[str]) -> None:
    """`get` waits until there is a key."""
    worker = asyncio.create_task(queue.get())
    await _turns()
    assert not worker.done()
    queue.add("a")
    assert await worker == "a"


async def test_a_worker_that_is_cancelled_as_it_is_woken_does_not_lose_the_key(queue: WorkQueue[str]) -> None:
    """The wake-up goes on to another worker."""
    first = asyncio.create_task(queue.get())
    second = asyncio.create_task(queue.get())
    await _turns()
    queue.add("a")
    first.cancel()
    assert await second == "a"
    assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def test_cancelled_workers_leave_nothing_behind(queue: WorkQueue[str]) -> None:
    """An add after all waiting workers were cancelled waits for the next worker."""
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await _turns()
    for worker in workers:
        worker.cancel()
    queue.add("a")
    await asyncio.gather(*workers, return_exceptions=True)
    assert await queue.get() == "a"
    assert not queue._takers


async def test_a_key_is_never_with_two_workers(queue: WorkQueue[str]) -> None:
    """What is added while it is worked on waits for `done`, and then comes once."""
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    other = asyncio.create_task(queue.get())
    await _turns()
    assert not other.done()
    queue.done("a")
    assert await other == "a"
    queue.done("a")
    assert queue.take() is None


async def test_changes_go_before_periodic_looks(queue: WorkQueue[str]) -> None:
    """A background key that changes overtakes the rest of the background."""
    for key in ("p1", "p2", "p3"):
        queue.add(key, background=True)
    queue.add("c1")
    queue.add("p3")
    assert queue.ready() == ("c1", "p3", "p1", "p2")


async def test_a_background_add_does_not_demote_a_change(queue: WorkQueue[str]) -> None:
    """The stronger priority stays, ready, delayed and while processing."""
    queue.add("first")
    queue.take()
    queue.add("first")
    queue.add("first", background=True)
    queue.add_after("second", 1.0)
    queue.add("second", background=True)
    queue.add("third", background=True)
    queue.done("first")
    assert queue.ready() == ("second", "first", "third")


async def test_an_add_takes_the_place_of_a_delay(queue: WorkQueue[str], clock: ManualClock) -> None:
    """The key comes now, and not once more at the old deadline."""
    queue.add_after("a", 60.0)
    queue.add("a")
    assert queue.take() == "a"
    queue.done("a")
    assert queue.is_idle()
    clock.advance(120)
    assert queue.take() is None


async def test_a_deadline_that_was_dropped_does_not_shorten_a_later_one(
    queue: WorkQueue[str], clock: ManualClock
) -> None:
    """Each stay in the queue has its own deadline."""
    queue.add_after("a", 1.0)
    queue.add("a")
    assert queue.take() == "a"
    queue.add_after("a", 2.0)
    queue.done("a")
    clock.advance(1.5)
    assert queue.take() is None
    clock.advance(0.5)
    assert queue.take() == "a"


async def test_back_off_grows_and_a_success_starts_it_anew(queue: WorkQueue[str], clock: ManualClock) -> None:
    """5, 10, 20 ms; after `forget` 5 ms again."""
    delays = []
    for _ in range(3):
        delays.append(queue.retry("a"))
        clock.advance(delays[-1])
        assert queue.take() == "a"
        queue.done("a")
    queue.forget("a")
    assert [*delays, queue.retry("a")] == [0.005, 0.01, 0.02, 0.005]


async def test_many_failing_keys_share_one_bucket(clock: ManualClock) -> None:
    """The third failure waits for a token although it is the key's first."""
    queue: WorkQueue[int] = WorkQueue("test", clock, backoff=STEADY, bucket=Bucket(rate=1.0, burst=2))
    assert [queue.retry(key) for key in range(4)] == [0.005, 0.005, 1.0, 2.0]


async def test_idle_is_not_held_up_by_periodic_looks(queue: WorkQueue[str], clock: ManualClock) -> None:
    """A foreground delay is work to come; a background one is not, until it is due."""
    queue.add_after("resync", 600.0, background=True)
    assert queue.is_idle()
    queue.add_after("pending", 5.0)
    assert not queue.is_idle()
    assert not queue.is_busy()
    assert queue.delayed() == {"pending": 5.0}
    clock.advance(5)
    assert queue.is_busy()


async def test_idle_waits_for_work_delays_and_what_they_bring(
    queue: WorkQueue[str], clock: ManualClock
) -> None:
    """`rest` returns when only delays remain, `idle` when they are over too."""
    queue.add("a")
    queue.add_after("b", 5.0)
    resting = asyncio.create_task(queue.rest())
    idling = asyncio.create_task(queue.idle())
    key = await queue.get()
    assert key == "a"
    await _turns()
    assert not resting.done()
    queue.done("a")
    await resting
    assert not idling.done()
    clock.advance(5)
    assert await queue.get() == "b"
    queue.done("b")
    await idling


async def test_shutting_down_drains(queue: WorkQueue[str], clock: ManualClock) -> None:
    """Ready keys and those added again while processing are handed out; delayed and new ones are not."""
    queue.add("a")
    queue.add("b")
    queue.add_after("later", 1.0)
    assert await queue.get() == "a"
    queue.add("a")
    idle_worker = asyncio.create_task(queue.get())
    assert await idle_worker == "b"
    queue.shut_down()
    queue.add("new")
    waiting = asyncio.create_task(queue.get())
    await _turns()
    assert not waiting.done(), "a key that was added again is still to come"
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    queue.done("b")
    clock.advance(10)
    assert await queue.get() is None
    assert queue.is_idle()


async def test_shutting_down_without_draining_drops_what_is_ready(queue: WorkQueue[str]) -> None:
    """Workers that wait go home at once; a restart finds the keys again."""
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await _turns()
    queue.shut_down(drain=False)
    assert await asyncio.gather(*waiting) == [None, None, None]


async def test_metrics_tell_depth_latency_and_work(queue: WorkQueue[str], clock: ManualClock) -> None:
    """Times are those of the injected clock."""
    queue.add("a")
    queue.add("a")
    queue.add("b")
    clock.advance(2)
    queue.take()
    clock.advance(3)
    running = queue.metrics()
    assert (running.adds, running.depth, running.processing, running.longest_running) == (2, 1, 1, 3.0)
    assert (running.latency.count, running.latency.total) == (1, 2.0)
    queue.done("a")
    queue.retry("a")
    after = queue.metrics()
    assert (after.work.count, after.work.largest, after.retries, after.delayed) == (1, 3.0, 1, 1)
    assert running.work.count == 0, "an earlier look does not change"


async def test_done_without_a_worker_is_our_bug(queue: WorkQueue[str]) -> None:
    """It raises instead of corrupting the queue."""
    with pytest.raises(KeyError):
        queue.done("a")
