"""What people ask of a run reaches its end through the controllers, by their rules."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pilotage.api.errors import InputError, RefusedError
from pilotage.api.gate import GATE
from pilotage.api.konflux import SNAPSHOT
from pilotage.api.meta import Object, ObjectKey
from pilotage.app.gate import acting, asking, settings
from pilotage.gate.health.bisect import BisectPolicy
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Line, Playbook, Script
from pilotage.world.snapshots import builds, snapshot

from ..gate.nightrig import (  # noqa: TID252 -- one rig plays the nights of both folders
    EVENING,
    NAMESPACE,
    SLOT,
    gate_manifest,
    new_night,
)

MADE = builds(EVENING - timedelta(days=3), 3.0, spoiled=0.0, per_day=6.0)
KIM = acting.Wanted(by="kim")


@pytest.fixture
async def store():
    clock = ManualClock(EVENING)
    async with await EmbeddedStore.open(None, clock) as opened:
        yield opened, clock


async def test_a_promotion_is_taken_up_again_when_what_kept_it_is_gone(store):
    """A yanked image is not promoted; given back, `promote` lets the rules decide again, and the Gate knows the promotion."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=[snapshot(MADE[-1])])
    await night.play(horizon=1800)
    digest = MADE[-1].digest
    yank = {"digest": digest, "reason": "CVE", "by": "kim", "at": "2026-06-11T04:00:00Z"}
    await change(night, yanked=[yank])
    assert await night.play()
    (run,) = await night.runs()
    assert "promotion-failed" == run.status.state

    _, no = await acting.promote(night.store, run.metadata.name, "kim", "please", night.clock)
    assert ("deny", "yanked") == (no.value.action, no.value.reason)

    await change(night, yanked=[])
    _, yes = await acting.promote(night.store, run.metadata.name, "kim", "it was the storage", night.clock)
    assert "promote" == yes.value.action
    assert await night.play()
    (run,) = await night.runs()
    gate = await night.gate()
    assert ("promoted", digest, "promoted") == (
        run.status.state,
        gate.status.last_promotion.digest,
        gate.status.recent[0].state,
    )
    assert 1 == len(gate.status.recent)


async def test_a_freeze_by_hand_postpones_and_its_end_promotes(store):
    """What passed waits; lifted, it is promoted at the next look."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=[snapshot(MADE[-1])])
    await settings.freeze(night.store, "aro-hcp", "kim", "release", night.clock.now(), None)
    await night.play(horizon=10_000)
    (run,) = await night.runs()
    assert ("evaluated", {}) == (run.status.state, night.shelf.tags)
    await settings.thaw(night.store, "aro-hcp", night.clock.now())
    assert await night.play()
    assert "promoted" == (await night.runs())[0].status.state


async def test_a_paused_gate_takes_its_next_slot_when_it_is_resumed(store):
    """Nothing starts while it is paused; a forced trigger does not start either."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=[snapshot(MADE[-1])])
    await settings.pause(night.store, "aro-hcp", "kim", "quota", None)
    assert await night.play()
    wanted = acting.Wanted(by="kim", forced=True, why="now")
    outcome = await acting.trigger(night.store, "aro-hcp", wanted, night.clock.now())
    assert ("skip", "paused", []) == (outcome.action, outcome.reason, await night.runs())
    await settings.resume(night.store, "aro-hcp")
    night.clock.advance((SLOT + timedelta(days=1) - night.clock.now()).total_seconds())
    assert await night.play()
    assert 1 == len(await night.runs())


async def test_a_rehearsal_promotes_nothing_and_counts_for_nothing(store):
    """A run of class test ends with its verdict; no tag, no line in the history, no message."""
    night = await new_night(*store, Playbook(), gate_manifest(paused=True), snapshots=[snapshot(MADE[-1])])
    assert await night.play()
    await change(night, paused=False)
    wanted = acting.Wanted(by="kim", run_class="test")
    await acting.trigger(night.store, "aro-hcp", wanted, night.clock.now())
    assert await night.play()
    (run,) = await night.runs()
    assert ("passed", {}, (), []) == (
        run.status.verdict,
        night.shelf.tags,
        (await night.gate()).status.recent,
        await night.told(),
    )
    with pytest.raises(RefusedError, match="every job passed"):
        await acting.retry(night.store, run.metadata.name, KIM, night.clock.now(), only_failed=True)


async def test_a_bisection_probes_until_it_names_the_first_bad_build(store):
    """Good and bad ends from the nights; each probe runs the failed job alone, and the odds lead to the culprit."""
    culprit = len(MADE) - 4
    bad = [Line(Script(ending="failure"), "e2e-upgrade", digest=build.digest) for build in MADE[culprit:]]
    night = await new_night(*store, Playbook(tuple(bad)), gate_manifest(), snapshots=[snapshot(MADE[2])])
    assert await night.play()
    night.clock.advance((SLOT + timedelta(days=1) - night.clock.now()).total_seconds())
    await night.store.restore([Object.of(snapshot(build)) for build in MADE[3:]])
    assert await night.play()

    policy = BisectPolicy()
    for _ in range(12):
        _, found = await asking.bisect(night.store, "aro-hcp", policy=policy)
        if found.status != "open":
            break
        wanted = acting.Wanted(
            by="kim",
            why="bisect",
            snapshot=found.step.snapshot,
            jobs=found.jobs,
            run_class="test",
            forced=True,
        )
        started = await acting.trigger(night.store, "aro-hcp", wanted, night.clock.now())
        assert "start" == started.action, started
        assert await night.play()
    assert ("found", MADE[culprit].digest) == (found.status, found.answer.digest)
    assert 2 == len((await night.gate()).status.recent)
    assert ["m0", "m4"] == [told for told in await night.told() if told not in ("m7", "m8")]


async def test_a_snapshot_that_is_gone_leaves_nothing_to_retry(store):
    """The run stays; there is nothing left to test again."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=[snapshot(MADE[-1])])
    assert await night.play()
    (run,) = await night.runs()
    await night.store.delete(SNAPSHOT, ObjectKey(run.spec.snapshot.namespace, run.spec.snapshot.name))
    with pytest.raises(InputError, match="there is no Snapshot"):
        await acting.retry(night.store, run.metadata.name, KIM, night.clock.now(), only_failed=False)


async def change(night, **spec) -> None:
    await night.store.apply(GATE, ObjectKey(NAMESPACE, "aro-hcp"), {"spec": spec}, manager="kim", force=True)
