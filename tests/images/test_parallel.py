"""Several things at once: failures stop the rest, equal work is done once, nothing goes on unseen."""

import asyncio
import threading

import pytest

from pilotage.images.parallel import SingleFlight, closing, gather, in_thread


async def test_first_failure_stops_the_others():
    """The error is raised as it is, and what still ran is cancelled before it is."""
    stopped = []

    async def slow():
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("slow")

    async def fails():
        await asyncio.sleep(0)
        raise LookupError("first")

    with pytest.raises(LookupError, match="first"):
        await gather([slow(), fails(), slow()])
    assert stopped == ["slow", "slow"]


async def test_results_keep_their_order():
    """Results come in the order of the work, not of its end."""
    later = asyncio.Event()

    async def first():
        await later.wait()
        return 1

    async def second():
        later.set()
        return 2

    assert await gather([first(), second()]) == [1, 2]
    assert await gather([]) == []


async def test_equal_work_is_done_once():
    """Whoever asks meanwhile gets the same result; afterwards the work is done anew."""
    flights, runs = SingleFlight[str, int](), []
    gate = asyncio.Event()

    async def work():
        runs.append(1)
        await gate.wait()
        return len(runs)

    waiting = [asyncio.create_task(flights.run("a", work)) for _ in range(64)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [1] * 64
    assert await flights.run("a", work) == 2


async def test_one_waiter_that_leaves_does_not_stop_the_work():
    """Work goes on while somebody waits for it, and is cancelled with its last waiter."""
    flights, ended = SingleFlight[str, int](), []
    gate = asyncio.Event()

    async def work():
        try:
            await gate.wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return 7

    one, two = (asyncio.create_task(flights.run("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    gate.set()
    assert await two == 7
    gate.clear()
    three = asyncio.create_task(flights.run("a", work))
    await asyncio.sleep(0)
    three.cancel()
    await asyncio.gather(three, return_exceptions=True)
    await asyncio.sleep(0)
    assert ended == ["cancelled"]


async def test_errors_are_shared_and_forgotten():
    """All who wait get the error; the next one tries again."""
    flights = SingleFlight[str, int]()

    async def fails():
        await asyncio.sleep(0)
        raise LookupError("no")

    async def works():
        return 1

    results = await asyncio.gather(*(flights.run("a", fails) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    assert await flights.run("a", works) == 1


async def test_cancelled_caller_waits_for_its_thread():
    """A thread is never left working on what its caller will close."""
    started, release, done = threading.Event(), threading.Event(), []

    def work():
        started.set()
        release.wait(10)
        done.append("work")

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["work"]


async def test_closing_ends_a_generator_now():
    """A transfer that is not read to its end is closed where the reader stopped."""
    closed = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            closed.append("now")

    chunks = numbers()
    async with closing(chunks):
        assert await anext(chunks) == 1
    assert closed == ["now"]
