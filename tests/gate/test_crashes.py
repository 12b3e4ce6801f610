"""The gate is killed at every write and around every request, and started again: the night ends as if nothing had happened."""

import os
from collections import Counter

import pytest

from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Line, Playbook, Script, flaky
from pilotage.world.prow.inprocess import InProcessRunner

from .nightrig import EVENING, SLOT, Night, Shelf, gate_manifest, new_night
from .test_night import built

EVERY = int(os.environ.get("PILOTAGE_TEST_CRASH_STEP", "19"))
"""Which crash points are tried: every one of so many. 1 tries them all."""


class PowerCut(BaseException):
    """The process is gone."""


class Mortal:
    """Passes calls on until its time has come: dies before or after the deed, and from then on nothing works any more."""

    def __init__(self, life: "Life", target, deadly: tuple[str, ...]) -> None:
        self._life, self._target, self._deadly = life, target, deadly

    def __getattr__(self, name):
        method = getattr(self._target, name)
        if not callable(method) or name == "watch":
            return method

        async def passed_on(*args, **kwargs):
            self._life.check()
            if name in self._deadly:
                self._life.spend()
            result = await method(*args, **kwargs)
            if name in self._deadly:
                self._life.spend()
            self._life.check()
            return result

        return passed_on


class Life:
    """Ends at one of the moments right before or right after a deed."""

    def __init__(self, moments: int) -> None:
        self.moments = moments
        self.is_over = False

    def spend(self) -> None:
        self.moments -= 1
        if self.moments < 0:
            self.is_over = True
        self.check()

    def check(self) -> None:
        if self.is_over:
            raise PowerCut


WRITES = ("create", "apply", "patch_status", "delete")
CALLS = ("create", "get", "list", "prowjob", "artifact")
SHELVES = ("promote", "move_aliases")


async def live(night: Night, moments: int) -> bool:
    """One life of the process; False when it was killed."""
    life = Life(moments)
    mortal = Night(
        night.store,
        night.clock,
        Mortal(life, night.prow, CALLS),
        Mortal(life, night.shelf, SHELVES),
        night.rate,
    )
    try:
        assert await mortal.play(Mortal(life, night.store, WRITES))
    except PowerCut:
        return False
    return True


STORIES = {
    "passes": Playbook(),
    "flakes": Playbook(flaky("e2e-azure")),
    "fails": Playbook((Line(Script(ending="failure"), "e2e-upgrade"),)),
    "answer lost": Playbook((Line(Script(create="reset"), "e2e-azure", start=1),)),
    "no answer at all": Playbook((Line(Script(create="stalled"), "e2e-upgrade", start=1),)),
    "gets lost": Playbook((Line(Script(forgotten_after=3000.0), "e2e-azure"),)),
}


async def story(evening: EmbeddedStore, playbook: Playbook, moments: int | None) -> tuple[bool, dict]:
    """Play a night that dies once, and say what is there in the end; was it killed at all?"""
    clock = ManualClock(SLOT)
    async with await evening.fork(clock) as store:
        night = Night(store, clock, InProcessRunner(playbook, clock), Shelf())
        survived = True
        if moments is not None:
            survived = await live(night, moments)
        assert await night.play()
        runs = {run.metadata.name: run for run in await night.runs()}
        starts = Counter(start.labels["gate.pilotage.dev/job-key"] for start in night.prow.book.starts)
        promoted = {
            run.spec.digest
            for run in runs.values()
            if run.status.state == "promoted"
            and all(record.attempts[-1].result == "passed" for record in run.status.jobs)
        }
        assert set(night.shelf.tags.values()) <= promoted, "promoted what did not pass"
        return survived, {
            "runs": {name: (run.status.state, run.status.verdict) for name, run in runs.items()},
            "results": {
                (name, record.name, attempt.number): attempt.result
                for name, run in runs.items()
                for record in run.status.jobs
                for attempt in record.attempts
            },
            "tags": dict(night.shelf.tags),
            "promotions": await night.promotions(),
            "told": await night.told(),
            "starts": starts,
        }


@pytest.mark.parametrize("name", STORIES)
async def test_a_killed_night_ends_like_one_that_was_not(name):
    """No crash point loses a result, starts a job twice, promotes twice, or tells twice."""
    clock = ManualClock(EVENING)
    async with await EmbeddedStore.open(None, clock) as evening:
        await new_night(
            evening, clock, Playbook(), gate_manifest(), gate_manifest("rosa-hcp"), snapshots=built()
        )
        _, calm = await story(evening, STORIES[name], None)
        for moments in range(len(name), 100_000, EVERY):
            survived, ended = await story(evening, STORIES[name], moments)
            assert calm == ended, f"killed at moment {moments}"
            if survived:
                break
    assert moments > 100
