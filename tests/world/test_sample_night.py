"""The sample night: over by now at whatever time of day somebody looks, and loaded once."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilotage.api.gate import GATE
from pilotage.api.konflux import SNAPSHOT
from pilotage.api.meta import ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world import night

DAY = datetime(2026, 6, 11, tzinfo=UTC)


@pytest.mark.parametrize("minutes", range(0, 24 * 60, 20))
def test_the_night_is_over_whenever_one_looks(minutes: int) -> None:
    """It began long enough ago for all its jobs, and less than a day before; the next slot is still to come for hours."""
    now = DAY + timedelta(minutes=minutes)
    ago = now - night.begins(now)
    assert timedelta(hours=6) <= ago < timedelta(hours=24)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-06-11T15:26:00Z", "2026-06-11T03:14:00Z"),
        ("2026-06-11T01:00:00Z", "2026-06-10T03:14:00Z"),
        ("2026-06-11T03:15:00Z", "2026-06-10T15:14:00Z"),
        ("2026-06-11T04:00:00Z", "2026-06-10T15:14:00Z"),
        ("2026-06-11T11:30:00+02:00", "2026-06-11T03:14:00Z"),
    ],
)
def test_it_is_last_night_but_in_the_morning(now: str, expected: str) -> None:
    """In the first hours after the slot it is the afternoon before, because that night's jobs still run."""
    assert night.begins(datetime.fromisoformat(now)) == datetime.fromisoformat(expected)


EVENING = datetime(2026, 6, 10, 15, 14, tzinfo=UTC)
IMAGES = {"v1": f"sha256:{'1' * 64}"}


class Dying:
    """A store whose process ends at its nth apply."""

    def __init__(self, store: EmbeddedStore, applies: int) -> None:
        self._store, self._left = store, applies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def apply(self, *arguments: Any, **named: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise InterruptedError
        return await self._store.apply(*arguments, **named)


@pytest.mark.parametrize("applies", range(6))
async def test_a_load_that_was_cut_off_is_done_again(applies: int) -> None:
    """Killed at any of its writes, the next start brings both gates."""
    async with await EmbeddedStore.open(None, ManualClock()) as store:
        with contextlib.suppress(InterruptedError):
            await night.load(Dying(store, applies), IMAGES, EVENING)
        await night.load(store, IMAGES, EVENING)

        assert ["aro-hcp", "rosa-hcp"] == [item.key.name for item in (await store.list(GATE)).items]
        assert 1 == len((await store.list(SNAPSHOT)).items)


async def test_what_a_user_deleted_stays_away() -> None:
    """It is loaded once; and never beside a Gate of somebody else."""
    async with await EmbeddedStore.open(None, ManualClock()) as store:
        await night.load(store, IMAGES, EVENING)
        await store.delete(GATE, ObjectKey("gates", "rosa-hcp"))
        await night.load(store, IMAGES, EVENING)
        assert ["aro-hcp"] == [item.key.name for item in (await store.list(GATE)).items]

    async with await EmbeddedStore.open(None, ManualClock()) as store:
        await store.apply(GATE, ObjectKey("mine", "gcp-hcp"), {}, manager="me")
        await night.load(store, IMAGES, EVENING)
        assert ["gcp-hcp"] == [item.key.name for item in (await store.list(GATE)).items]
