"""A store in memory and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded import EmbeddedStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(clock: ManualClock) -> AsyncIterator[EmbeddedStore]:
    async with await EmbeddedStore.open(None, clock) as opened:
        yield opened
