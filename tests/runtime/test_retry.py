"""Delays between tries: bounds, growth and the shared bucket."""

from __future__ import annotations

import pytest

from pilotage.runtime.retry import ITEM_BACKOFF, WATCH_BACKOFF, Backoff, Bucket


@pytest.mark.parametrize("backoff", [ITEM_BACKOFF, WATCH_BACKOFF])
@pytest.mark.parametrize("failures", [0, 1, 5, 17, 18, 100, 100_000])
def test_every_delay_lies_within_the_bounds(backoff: Backoff, failures: int) -> None:
    """Also after so many failures that doubling would overflow."""
    assert all(backoff.first <= backoff.delay(failures) <= backoff.most for _ in range(50))


def test_without_chance_the_delay_doubles_up_to_the_limit() -> None:
    """5 ms, 10 ms, 20 ms … as client-go's default."""
    backoff = Backoff(first=0.005, most=1000.0, jitter=0.0)
    assert [backoff.delay(failures) for failures in range(4)] == [0.005, 0.01, 0.02, 0.04]
    assert backoff.delay(30) == 1000.0


def test_jitter_spreads_those_that_failed_together_at_the_limit_too() -> None:
    """The least and the greatest chance give different delays at every number of failures."""
    least = Backoff(first=0.8, most=30.0, jitter=1.0, chance=lambda: 0.0)
    greatest = Backoff(first=0.8, most=30.0, jitter=1.0, chance=lambda: 1.0)
    for failures in (0, 3, 50):
        assert greatest.delay(failures) == 2 * least.delay(failures)
    assert greatest.delay(50) == 30.0


def test_the_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    """The hundred and first of 100 waits a tenth of a second at 10 a second, the next two tenths."""
    bucket = Bucket(rate=10.0, burst=100)
    assert [bucket.reserve(5.0) for _ in range(100)] == [0.0] * 100
    assert bucket.reserve(5.0) == pytest.approx(0.1)
    assert bucket.reserve(5.0) == pytest.approx(0.2)


def test_the_bucket_fills_with_time_but_not_above_its_burst() -> None:
    """After a long silence it gives its burst again, not more."""
    bucket = Bucket(rate=10.0, burst=2)
    for _ in range(4):
        bucket.reserve(0.0)
    assert bucket.reserve(1000.0) == 0.0
    assert bucket.reserve(1000.0) == 0.0
    assert bucket.reserve(1000.0) > 0.0
