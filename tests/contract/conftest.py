"""The stores that must keep the contract. An adapter joins by adding its name and how it is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded import EmbeddedStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["file", "memory"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[EmbeddedStore]:
    path = tmp_path / "store.sqlite" if request.param == "file" else None
    async with await EmbeddedStore.open(path, clock, bookmark_seconds=0.05) as opened:
        yield opened
