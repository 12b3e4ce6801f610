"""The clock of the sample night: fast until it has caught up, real afterwards."""

from datetime import timedelta

from pilotage.runtime.clock import ManualClock
from pilotage.world.lapse import LapseClock


def test_it_runs_fast_until_it_has_caught_up():
    """An hour behind at pace 61 it needs a minute of real time; then it is the real time."""
    real = ManualClock()
    began = real.now() - timedelta(hours=1)
    clock = LapseClock(began, 61.0, real)

    real.advance(30)
    assert began + timedelta(seconds=30 * 61) == clock.now()
    real.advance(30)
    assert real.now() == clock.now()
    real.advance(1000)
    assert real.now() == clock.now()


def test_alarms_ring_at_their_time_on_either_side_of_catching_up():
    """A delay is counted on this clock: short while it runs fast, real afterwards, both when it spans the two."""
    real = ManualClock()
    clock = LapseClock(real.now() - timedelta(hours=1), 61.0, real)
    rung = []
    for delay in (61.0, 3660.0, 3760.0):
        clock.call_later(delay, lambda delay=delay: rung.append((delay, real.monotonic())))

    real.advance(1000)

    assert [(61.0, 1.0), (3660.0, 60.0), (3760.0, 160.0)] == [(d, round(at, 6)) for d, at in rung]


def test_a_start_in_the_future_is_now():
    """It never runs ahead of the machine."""
    real = ManualClock()
    clock = LapseClock(real.now() + timedelta(hours=1), 60.0, real)

    assert real.now() == clock.now()
    real.advance(5)
    assert real.now() == clock.now()
