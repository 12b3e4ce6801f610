"""A night at the gate, from the slot of the schedule to the tag, on an embedded store and a simulated Prow."""

from datetime import timedelta

import pytest

from pilotage.api.errors import InputError, RemoteError
from pilotage.api.gate import CANCEL_ANNOTATION, GATE, GATE_RUN
from pilotage.api.konflux import SNAPSHOT
from pilotage.api.meta import ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Line, Playbook, Script, flaky
from pilotage.world.snapshots import builds, snapshot

from .nightrig import EVENING, NAMESPACE, SLOT, gate_manifest, new_night


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
    assert night.shelf.tags[f"aro-hcp-{run.spec.digest[7:]}"] == run.spec.digest
    assert ["m0"] == await night.told()


async def test_a_flake_is_run_again_and_told(store):
    """One confirming attempt: the night passes, and the message says which job flaked."""
    night = await new_night(*store, Playbook(flaky("e2e-azure")), gate_manifest(), snapshots=built())

    assert await night.play()

    (run,) = await night.runs()
    azure = next(record for record in run.status.jobs if record.name == "e2e-azure")
    assert ("promoted", ["failed", "passed"]) == (
        run.status.state,
        [attempt.result for attempt in azure.attempts],
    )
    assert 3 == len(night.prow.book.starts)


async def test_a_confirmed_failure_stops_the_image_and_is_told(store):
    """A required job that fails twice: no tag, a verdict with its reason, and a message."""
    playbook = Playbook((Line(Script(ending="failure"), "e2e-upgrade"),))
    night = await new_night(*store, playbook, gate_manifest(), snapshots=built())

    assert await night.play()

    (run,) = await night.runs()
    assert ("failed", "failed", "required-failed") == (
        run.status.state,
        run.status.verdict,
        run.status.verdict_reason,
    )
    assert ({}, ["m4"]) == (night.shelf.tags, await night.told())
    assert 1 == (await night.gate()).status.consecutive_failures


async def test_platforms_do_not_stop_one_another(store):
    """One platform fails, the other promotes the same digest the same night."""
    playbook = Playbook((Line(Script(ending="failure"), "rosa-*"),))
    night = await new_night(
        *store, playbook, gate_manifest(), gate_manifest("rosa-hcp", ("rosa-e2e",)), snapshots=built()
    )

    assert await night.play()

    ended = {run.spec.platform: run.status.state for run in await night.runs()}
    assert {"aro-hcp": "promoted", "rosa-hcp": "failed"} == ended
    assert all(tag.startswith("aro-hcp-") for tag in night.shelf.tags)


async def test_the_next_night_does_not_test_a_promoted_image_again(store):
    """Nothing is promoted twice: the second slot finds the digest promoted and skips."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    assert await night.play()

    night.clock.advance(timedelta(days=1).total_seconds() - (night.clock.now() - SLOT).total_seconds())
    assert await night.play()

    gate = await night.gate()
    assert ("skip", "already-promoted") == (gate.status.last_tick.action, gate.status.last_tick.reason)
    assert 1 == len(await night.runs())


async def test_a_night_without_a_snapshot_is_told(store):
    """Silence is never success: nothing to test is a message."""
    night = await new_night(*store, Playbook(), gate_manifest())

    assert await night.play()

    assert ["m1"] == await night.told()
    assert "none" == (await night.gate()).status.last_tick.action


async def test_a_hanging_job_times_out_and_promotes_nothing(store):
    """A job that never ends costs its deadline, not the night of others; the verdict is an error, which is told."""
    playbook = Playbook((Line(Script(ending="hang"), "e2e-upgrade"),))
    night = await new_night(*store, playbook, gate_manifest(), snapshots=built())

    assert await night.play()

    (run,) = await night.runs()
    assert ("errored", "required-inconclusive") == (run.status.state, run.status.verdict_reason)
    assert ({}, ["m5"]) == (night.shelf.tags, await night.told())


async def test_an_informing_job_never_delays_or_changes_the_verdict(store):
    """The verdict comes with the last required job; the informing one ends later and is kept."""
    playbook = Playbook((Line(Script(ending="failure", duration=9000.0), "e2e-slow"),))
    manifest = gate_manifest(jobs=("e2e-azure",))
    manifest["spec"]["jobs"].append({"name": "e2e-slow", "type": "informing"})
    night = await new_night(*store, playbook, manifest, snapshots=built())

    assert await night.play()

    (run,) = await night.runs()
    slow = next(record for record in run.status.jobs if record.name == "e2e-slow")
    assert ("promoted", "failed") == (run.status.state, slow.attempts[-1].result)
    assert run.status.evaluated_at < slow.attempts[-1].completed_at


async def test_a_snapshot_that_changes_under_the_run_is_not_promoted(store):
    """The image that was tested is pinned; a Snapshot that says something else at the end stops the promotion."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    await night.play(horizon=1800)
    (made,) = built()
    made["spec"]["components"][0]["source"]["git"]["revision"] = "0" * 40
    await night.store.apply(SNAPSHOT, key_of(made), {"spec": made["spec"]}, manager="somebody", force=True)

    assert await night.play()

    (run,) = await night.runs()
    assert ("promotion-failed", ["m6"]) == (run.status.state, await night.told())
    assert "SnapshotMutated" in run.status.message
    assert {} == night.shelf.tags


async def test_a_snapshot_that_is_deleted_under_the_run_is_not_promoted(store):
    """Nobody can say any more what the image was made of."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    await night.play(horizon=1800)
    await night.store.delete(SNAPSHOT, key_of(built()[0]))

    assert await night.play()

    (run,) = await night.runs()
    assert ("promotion-failed", {}) == (run.status.state, night.shelf.tags)
    assert "snapshot-gone" in run.status.message


async def test_a_yank_during_the_run_wins(store):
    """An image that a person took back is not promoted, whatever its tests say."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    await night.play(horizon=1800)
    (run,) = await night.runs()
    yank = {"digest": run.spec.digest, "reason": "CVE", "by": "kim", "at": "2026-06-11T04:00:00Z"}
    await change_gate(night, yanked=[yank])

    assert await night.play()

    (run,) = await night.runs()
    assert ("promotion-failed", {}) == (run.status.state, night.shelf.tags)


async def test_a_cancelled_run_ends_at_once(store):
    """A person's request stands in an annotation; the run ends, its jobs are not asked about any more."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    await night.play(horizon=1800)
    (run,) = await night.runs()
    request = '{"at": "2026-06-11T03:40:00Z", "by": "kim", "reason": "wrong image"}'
    await night.store.apply(
        GATE_RUN,
        ObjectKey(NAMESPACE, run.metadata.name),
        {"metadata": {"annotations": {CANCEL_ANNOTATION: request}}},
        manager="kim",
    )

    assert await night.play()

    (run,) = await night.runs()
    assert ("cancelled", "kim", {}) == (run.status.state, run.status.cancellation.by, night.shelf.tags)


async def test_a_freeze_only_postpones(store):
    """A passed run waits for the end of the window and is promoted then."""
    window = {"start": "2026-06-11T00:00:00Z", "end": "2026-06-11T09:00:00Z", "reason": "release day"}
    night = await new_night(*store, Playbook(), gate_manifest(policy={"freeze": [window]}), snapshots=built())

    assert await night.play()

    (run,) = await night.runs()
    assert "promoted" == run.status.state
    assert "2026-06-11T09:00" <= run.status.finished_at < "2026-06-11T09:06"


async def test_a_registry_that_is_down_is_tried_again(store):
    """What only fails is repeated with growing pauses; people hear of it once."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    night.shelf.failures = [RemoteError("RegistryDown", "the registry does not answer")] * 4

    assert await night.play()

    (run,) = await night.runs()
    assert ("promoted", ["m0", "m6"]) == (run.status.state, await night.told())


async def test_a_tag_that_names_something_else_ends_the_promotion(store):
    """The canonical tag is never overwritten."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    night.shelf.failures = [InputError("TagConflict", "the tag names another digest")]

    assert await night.play()

    (run,) = await night.runs()
    assert ("promotion-failed", ["m6"]) == (run.status.state, await night.told())
    assert "TagConflict" in run.status.message


async def test_a_paused_gate_starts_nothing(store):
    """The slot passes; that it did is written down."""
    night = await new_night(*store, Playbook(), gate_manifest(paused=True), snapshots=built())

    assert await night.play()

    tick = (await night.gate()).status.last_tick
    assert ([], "skip", "paused") == (await night.runs(), tick.action, tick.reason)


async def test_a_lost_job_makes_no_promotion(store):
    """An execution that Prow forgot without leaving anything is inconclusive; it is run again as far as that goes."""
    playbook = Playbook((Line(Script(forgotten_after=3000.0, leaves_artifacts=False), "e2e-azure"),))
    night = await new_night(*store, playbook, gate_manifest(), snapshots=built())

    assert await night.play()

    (run,) = await night.runs()
    azure = next(record for record in run.status.jobs if record.name == "e2e-azure")
    assert ("errored", {"lost"}) == (run.status.state, {attempt.result for attempt in azure.attempts})
    assert {} == night.shelf.tags


async def test_a_prow_that_is_down_is_waited_for(store):
    """Nothing is sent twice and nothing is lost when gangway does not answer for hours."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    night.prow.is_down = True
    await night.play(horizon=1800)
    night.prow.is_down = False

    assert await night.play()

    (run,) = await night.runs()
    assert ("promoted", ()) == (run.status.state, night.prow.book.duplicates)


async def test_a_clock_that_is_set_back_gives_nobody_more_time(store):
    """Deadlines follow the latest time that was seen."""
    playbook = Playbook((Line(Script(ending="hang"), "e2e-upgrade"),))
    night = await new_night(*store, playbook, gate_manifest(), snapshots=built())
    await night.play(horizon=4 * 3600 - 600)
    late = night.clock
    night.clock = ManualClock(SLOT)
    night.store = await night.store.fork(night.clock)

    assert await night.play()

    (run,) = await night.runs()
    assert "errored" == run.status.state
    assert run.status.last_seen >= late.now().strftime("%Y-%m-%dT%H:%M")


async def change_gate(night, **spec):
    await night.store.apply(GATE, ObjectKey(NAMESPACE, "aro-hcp"), {"spec": spec}, manager="kim", force=True)


def key_of(manifest) -> ObjectKey:
    return ObjectKey(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
