"""Time that is moved by hand behaves like time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pilotage.runtime.clock import ManualClock, SystemClock, rfc3339


def test_a_manual_clock_stands_still() -> None:
    """Two looks without a move in between see the same time."""
    clock = ManualClock(datetime(2026, 5, 20, tzinfo=UTC))
    assert (clock.now(), clock.monotonic()) == (clock.now(), clock.monotonic())
    assert clock.now() == datetime(2026, 5, 20, tzinfo=UTC)


def test_alarms_ring_in_order_of_their_times_each_at_its_own() -> None:
    """A callback sees the time for which it was set, although the clock is moved further at once."""
    clock = ManualClock()
    rung: list[tuple[str, float]] = []
    for name, delay in (("late", 9.0), ("early", 2.0), ("early too", 2.0), ("beyond", 11.0)):
        clock.call_later(delay, lambda name=name: rung.append((name, clock.monotonic())))
    clock.advance(10)
    assert rung == [("early", 2.0), ("early too", 2.0), ("late", 9.0)]
    assert clock.monotonic() == 10.0


def test_an_alarm_that_is_set_by_an_alarm_rings_in_the_same_move() -> None:
    """What falls due within the move is run, also when it was set during it."""
    clock = ManualClock()
    rung: list[float] = []

    def again() -> None:
        rung.append(clock.monotonic())
        if len(rung) < 5:
            clock.call_later(1.0, again)

    clock.call_later(1.0, again)
    clock.advance(3.5)
    assert rung == [1.0, 2.0, 3.0]


def test_a_cancelled_alarm_does_not_ring_and_is_not_waited_for() -> None:
    """`next_due` and `advance_to_next` pass over it."""
    clock = ManualClock()
    rung: list[str] = []
    clock.call_later(1.0, lambda: rung.append("cancelled")).cancel()
    clock.call_later(2.0, lambda: rung.append("kept"))
    assert clock.next_due == 2.0
    assert clock.advance_to_next()
    assert rung == ["kept"]
    assert not clock.advance_to_next()
    assert clock.monotonic() == 2.0


def test_cancelled_alarms_are_not_kept_until_their_time() -> None:
    """Ten thousand deadlines that were met leave next to nothing behind."""
    clock = ManualClock()
    for _ in range(10_000):
        clock.call_later(3600.0, list).cancel()
    assert len(clock._alarms) < 200
    assert clock.next_due is None


def test_cancelling_twice_or_after_the_ring_is_harmless() -> None:
    """As with the event loop's own timers."""
    clock = ManualClock()
    rung = clock.call_later(1.0, list)
    clock.advance(1)
    rung.cancel()
    rung.cancel()
    assert clock.next_due is None


async def test_sleepers_wake_when_the_clock_is_moved_past_them() -> None:
    """Each sleeper wakes at its time; a cancelled one disturbs nobody."""
    clock = ManualClock()
    woken: list[str] = []

    async def sleep(name: str, delay: float) -> None:
        await clock.sleep(delay)
        woken.append(name)

    tasks = [asyncio.create_task(sleep(name, delay)) for name, delay in (("a", 5.0), ("b", 1.0), ("c", 3.0))]
    await asyncio.sleep(0)
    tasks[2].cancel()
    clock.advance(4)
    await asyncio.gather(*tasks[1:], return_exceptions=True)
    assert woken == ["b"]
    clock.advance(1)
    await tasks[0]
    assert woken == ["b", "a"]


async def test_the_system_clock_uses_the_loop() -> None:
    """Its alarms ring, and its sleep returns."""
    clock = SystemClock()
    rung = asyncio.Event()
    before = clock.monotonic()
    clock.call_later(0.0, rung.set)
    await rung.wait()
    await clock.sleep(0.001)
    assert clock.monotonic() > before
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 5, 20, 4, 35, 16, tzinfo=UTC), "2026-05-20T04:35:16Z"),
        (datetime(2026, 5, 20, 4, 35, 16, 999_999, tzinfo=UTC), "2026-05-20T04:35:16Z"),
        (datetime(2026, 5, 20, 4, 35, 16, tzinfo=timezone(timedelta(hours=2))), "2026-05-20T02:35:16Z"),
    ],
)
def test_times_are_written_as_kubernetes_writes_them(moment: datetime, text: str) -> None:
    """UTC, whole seconds, `Z`."""
    assert rfc3339(moment) == text
