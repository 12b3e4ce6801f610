"""Every task is killed before and after each write and each request, and started again: the night ends as if nothing had happened."""

import os
from collections import Counter

import pytest

from pilotage.api.konflux import RELEASE
from pilotage.gate.steps.nightly import trigger_all
from pilotage.gate.steps.place import place_at
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Line, Playbook, Script, flaky
from pilotage.world.prow.inprocess import InProcessRunner

from .konfluxrig import NIGHT, SLOT, TENANT, Jumping, Tenant, definition_map, furnish
from .test_crashes import CALLS, Life, Mortal, PowerCut
from .test_konflux_steps import Pipeline

EVERY = int(os.environ.get("PILOTAGE_TEST_CRASH_STEP", "11"))
"""Which crash points are tried: every one of so many. 1 tries them all."""
WRITES = ("create", "apply")

STORIES = {
    "passes": Playbook(),
    "flakes": Playbook(flaky("e2e-azure")),
    "fails": Playbook((Line(Script(ending="failure"), "e2e-upgrade"),)),
    "answer lost": Playbook((Line(Script(create="reset"), "e2e-azure", start=1),)),
}


async def live(tenant: Tenant, prow: InProcessRunner, life: Life | None) -> Pipeline | None:
    """The night from its trigger to its last task; None when the process was killed in between."""
    pipeline = Pipeline(tenant, Playbook())
    store = Mortal(life, tenant.store, WRITES) if life else tenant.store
    pipeline.place = place_at(store, tenant.clock, TENANT)
    pipeline.prow = Mortal(life, prow, CALLS) if life else prow
    try:
        await trigger_all(pipeline.place, NIGHT)
        pipeline.name = tenant.integration.started[-1][1]
        await pipeline.run(labelled=False)
    except PowerCut:
        return None
    return pipeline


async def story(evening: EmbeddedStore, playbook: Playbook, moments: int | None) -> tuple[bool, dict]:
    clock = Jumping(SLOT)
    async with await evening.fork(clock) as store:
        tenant = Tenant(store, clock, ("aro-hcp",))
        prow = InProcessRunner(playbook, clock)
        survived = moments is not None and await live(tenant, prow, Life(moments)) is not None
        pipeline = await live(tenant, prow, None)
        assert pipeline is not None
        (run,) = await tenant.runs()
        return survived, {
            "state": (run.status.state, run.status.verdict),
            "results": {
                (record.name, each.number): each.result
                for record in run.status.jobs
                for each in record.attempts
            },
            "codes": {name: code for name, code in pipeline.codes.items() if name != "extract"},
            "scenarios": [label for label, _ in tenant.integration.started],
            "releases": [each.meta.name for each in (await store.list(RELEASE, TENANT)).items],
            "shelf": dict(tenant.releases.shelf),
            "starts": Counter(start.labels["gate.pilotage.dev/job-key"] for start in prow.book.starts),
        }


@pytest.mark.parametrize("name", STORIES)
async def test_a_killed_night_on_konflux_ends_like_one_that_was_not(name):
    """One PipelineRun, one start of each attempt, one Release, whatever died where."""
    async with await EmbeddedStore.open(None, ManualClock(SLOT)) as evening:
        await furnish(evening, definition_map())
        _, calm = await story(evening, STORIES[name], None)
        for moments in range(len(name), 100_000, EVERY):
            survived, ended = await story(evening, STORIES[name], moments)
            assert calm == ended, f"killed at moment {moments}"
            if survived:
                break
    assert moments > 40
