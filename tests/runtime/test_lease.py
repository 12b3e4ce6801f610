"""Leader election: one process acts, a lost Lease stops it before another starts, a clean stop hands over at once."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilotage.api.core import CONFIG_MAP, LEASE
from pilotage.api.errors import InputError, RemoteError
from pilotage.api.meta import ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.fence import Fenced
from pilotage.runtime.lease import Elector, LeaseLostError, LeaseSettings, Term, read_lease
from pilotage.store.embedded import EmbeddedStore

_SPEC = importlib.util.spec_from_file_location("electorate", Path(__file__).with_name("electorate.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
electorate_module = sys.modules.setdefault("electorate", importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(electorate_module)
Electorate, LEASE_KEY = electorate_module.Electorate, electorate_module.LEASE_KEY


@pytest.fixture
async def electorate(store: EmbeddedStore, clock: ManualClock) -> AsyncIterator[Electorate]:
    made = Electorate(store, clock)
    yield made
    await made.close()


async def spec_of(store: EmbeddedStore) -> dict[str, object]:
    return (await store.get(LEASE, LEASE_KEY)).value()["spec"]


async def test_the_first_leads_and_says_so_as_client_go_does(
    electorate: Electorate, store: EmbeddedStore
) -> None:
    """The Lease names the holder, its promise in whole seconds, and when it began and was renewed."""
    first = electorate.join("a")
    await electorate.pass_time(0)
    assert first.acts
    assert await spec_of(store) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 10,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }
    await electorate.pass_time(5)
    assert (await spec_of(store))["renewTime"] == "2026-01-01T00:00:04.000000Z"
    assert (await spec_of(store))["acquireTime"] == "2026-01-01T00:00:00.000000Z"


async def test_the_second_waits_and_writes_nothing(electorate: Electorate) -> None:
    """A stand-by only reads, whatever its calendar says."""
    first = electorate.join("a")
    await electorate.pass_time(0)
    second = electorate.join("b", skew=86_400)
    await electorate.pass_time(120)
    assert (first.acts, second.acts, second.wire.writes) == (True, False, 0)


async def test_a_renewal_is_one_request(electorate: Electorate, store: EmbeddedStore) -> None:
    """The leader replaces the version that it wrote; it need not look first."""
    first = electorate.join("a")
    await electorate.pass_time(60)
    assert first.wire.writes == 31  # at the start and every other second
    assert (await spec_of(store))["leaseTransitions"] == 0


async def test_a_killed_leader_is_followed_when_its_promise_is_over(
    electorate: Electorate, store: EmbeddedStore, clock: ManualClock
) -> None:
    """Within the duration and one retry period, and not before the duration is over; the transition is counted."""
    first = electorate.join("a")
    await electorate.pass_time(0)
    second = electorate.join("b")
    await electorate.pass_time(20.5)
    await first.kill()
    killed = clock.monotonic()
    while not second.acts:
        await electorate.pass_time(0.1)
    assert 9.0 <= clock.monotonic() - killed <= 12.5
    assert (await spec_of(store))["holderIdentity"] == "b"
    assert (await spec_of(store))["leaseTransitions"] == 1


async def test_a_clean_stop_hands_over_within_a_retry_period(
    electorate: Electorate, store: EmbeddedStore, clock: ManualClock
) -> None:
    """The Lease is released after the work ended."""
    first = electorate.join("a")
    await electorate.pass_time(0)
    second = electorate.join("b")
    await electorate.pass_time(10)
    first.stopping.set()
    await electorate.pass_time(0)
    assert not first.works
    assert first.task.done()
    assert (await spec_of(store))["holderIdentity"] == ""
    await electorate.pass_time(2.4)
    assert second.acts


@pytest.mark.parametrize("wire", ["cut", "mute"])
async def test_a_leader_without_a_way_to_the_store_stops_before_another_starts(
    electorate: Electorate, wire: str
) -> None:
    """It ends at its renew deadline; the other begins after the duration; between the two nobody acts."""
    first = electorate.join("a")
    await electorate.pass_time(0)
    second = electorate.join("b")
    await electorate.pass_time(4)
    first.wire.state = wire
    seen: list[str] = []

    def look() -> None:
        now = "".join(each.elector.identity for each in (first, second) if each.acts)
        if not seen or seen[-1] != now:
            seen.append(now)

    await electorate.pass_time(30, look)
    assert seen == ["a", "", "b"]
    assert not first.works
    first.wire.state = "well"
    await electorate.pass_time(30, look)
    assert seen == ["a", "", "b"]


async def test_time_counts_from_before_a_renewal_is_sent(electorate: Electorate) -> None:
    """An answer that takes long is time that is gone: others saw the renewal when it was stored."""
    first = electorate.join("a")
    await electorate.pass_time(0)
    second = electorate.join("b")
    await electorate.pass_time(5)
    first.wire.state = "slow"
    await electorate.pass_time(5.5)  # one renewal, sent at 6 and answered at 10
    first.wire.state = "mute"
    seen: list[tuple[bool, bool]] = []
    await electorate.pass_time(9, lambda: seen.append((first.acts, second.acts)))
    assert first.term is None
    assert second.acts
    assert (True, True) not in seen
    assert not any(first for first, _ in seen[-3:])


async def test_a_short_outage_changes_nothing(electorate: Electorate, store: EmbeddedStore) -> None:
    """Renewals are tried again until the deadline."""
    first = electorate.join("a")
    second = electorate.join("b")
    await electorate.pass_time(10)
    leader = first if first.acts else second
    leader.wire.state = "cut"
    await electorate.pass_time(4.5)
    leader.wire.state = "well"
    await electorate.pass_time(30)
    assert leader.acts
    assert leader.terms == 1
    assert (await spec_of(store))["leaseTransitions"] == 0


async def test_a_process_that_slept_writes_nothing_when_it_wakes(store: EmbeddedStore) -> None:
    """The fence asks the clock, not the election: nobody had to notice yet that the term is over."""
    clock = ManualClock()
    term = Term("pilotage/pilotage", clock, until=7.0)
    fenced = Fenced(store, term)
    key = ObjectKey("a", "b")
    await fenced.apply(CONFIG_MAP, key, {}, manager="m")
    clock.advance(7.0)
    for write in (
        fenced.apply(CONFIG_MAP, key, {}, manager="m"),
        fenced.patch_status(CONFIG_MAP, key, {}, manager="m"),
        fenced.create(CONFIG_MAP, {}, manager="m"),
        fenced.delete(CONFIG_MAP, key),
    ):
        with pytest.raises(LeaseLostError):
            await write
    assert (await fenced.get(CONFIG_MAP, key)).key == key


async def test_what_work_raises_is_raised_and_the_lease_is_free(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """A process that breaks down does not keep the others waiting."""

    async def work(_term: Term) -> None:
        raise RemoteError("Broken", "broken")

    elector = Elector(store, LEASE_KEY, "a", clock)
    with pytest.raises(RemoteError):
        await elector.run(work, asyncio.Event())
    assert read_lease(await store.get(LEASE, LEASE_KEY)).holder_identity == ""


async def test_a_stop_while_waiting_ends_at_once(electorate: Electorate, store: EmbeddedStore) -> None:
    """A stand-by that is stopped leaves the Lease alone."""
    electorate.join("a")
    await electorate.pass_time(0)
    second = electorate.join("b")
    await electorate.pass_time(3)
    second.stopping.set()
    await electorate.quiet()
    assert second.task.done()
    assert (await spec_of(store))["holderIdentity"] == "a"


@pytest.mark.parametrize("times", [(10, 10.0, 2.0), (10, 2.0, 2.0), (1, 7.0, 2.0), (10, 7.0, 0.0)])
def test_times_that_would_let_two_act_are_refused(times: tuple[int, float, float]) -> None:
    """The duration exceeds the deadline, which exceeds the retry period."""
    with pytest.raises(InputError, match="lease times"):
        LeaseSettings(*times)
