"""The clock of the sample night: it jumps while it is behind, and is the real time afterwards."""

from datetime import timedelta

from pilotage.runtime.clock import ManualClock
from pilotage.world.lapse import LapseClock


async def at_rest() -> None:
    """Everything is always at rest."""


async def test_it_jumps_from_alarm_to_alarm_until_the_present() -> None:
    """What was due in the past rings in order, each at its own time; then the two clocks are one."""
    real = ManualClock()
    clock = LapseClock(real.now() - timedelta(hours=1), real)
    rung = []
    for minutes in (50, 10, 30):
        clock.call_later(60.0 * minutes, lambda minutes=minutes: rung.append((minutes, clock.monotonic())))

    await clock.catch_up(at_rest)

    assert [(10, 600.0), (30, 1800.0), (50, 3000.0)] == rung
    assert (real.now(), 3600.0, False) == (clock.now(), clock.monotonic(), clock.is_behind)
    real.advance(5)
    assert (real.now(), 3605.0) == (clock.now(), clock.monotonic())


async def test_what_is_due_later_rings_in_real_time() -> None:
    """An alarm that reaches beyond the present is handed over; a cancelled one never rings."""
    real = ManualClock()
    clock = LapseClock(real.now() - timedelta(hours=1), real)
    rung = []
    clock.call_later(3700.0, lambda: rung.append("later"))
    clock.call_later(3650.0, lambda: rung.append("cancelled")).cancel()

    await clock.catch_up(at_rest)
    assert [] == rung
    real.advance(99)
    assert [] == rung
    real.advance(1)
    assert ["later"] == rung


async def test_a_start_in_the_future_is_now() -> None:
    """It never runs ahead of the machine."""
    real = ManualClock()
    clock = LapseClock(real.now() + timedelta(hours=1), real)

    await clock.catch_up(at_rest)

    assert real.now() == clock.now()


async def test_it_waits_until_everything_is_at_rest() -> None:
    """Between two jumps whoever was woken may work, however long that takes."""
    real = ManualClock()
    clock = LapseClock(real.now() - timedelta(hours=1), real)
    seen = []
    clock.call_later(60.0, lambda: None)
    clock.call_later(120.0, lambda: None)

    async def rest() -> None:
        seen.append(clock.monotonic())

    await clock.catch_up(rest)

    assert [0.0, 60.0, 120.0] == seen
