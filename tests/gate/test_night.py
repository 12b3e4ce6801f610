"""A night at the gate, from the slot of the schedule to the tag, on an embedded store and a simulated Prow."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nightrig import EVENING, gate_manifest, new_night

from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Playbook
from pilotage.world.snapshots import builds, snapshot


@pytest.fixture
async def store():
    clock = ManualClock(EVENING)
    async with await EmbeddedStore.open(None, clock) as opened:
        yield opened, clock


def built(count: int = 1):
    made = builds(EVENING - timedelta(hours=6), 0.25, spoiled=0.0)[:count]
    return [snapshot(each) for each in made]


async def test_a_passing_night_promotes_the_tested_digest(store):
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())

    assert await night.play()

    (run,) = await night.runs()
    assert ("promoted", "passed") == (run.status.state, run.status.verdict), run.status
    print(run.status.events)
    assert night.shelf.tags[f"aro-hcp-{run.spec.digest[7:]}"] == run.spec.digest
    assert ["m0"] == await night.told()
