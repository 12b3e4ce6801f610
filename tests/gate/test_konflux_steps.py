"""The tasks of the pipeline, from the Snapshot to the Release, each in a process of its own: the ledger is all they share."""

import asyncio
import json
import re
from datetime import timedelta

import pytest

from pilotage.api.errors import InputError
from pilotage.api.gate import CANCEL_ANNOTATION, GATE_RUN, Gate
from pilotage.api.konflux import RELEASE, RELEASE_PLAN_ADMISSION, SNAPSHOT
from pilotage.api.meta import Object, ObjectKey
from pilotage.gate.konflux.definition import definition
from pilotage.gate.konflux.names import names_of
from pilotage.gate.konflux.releasing import Releasing
from pilotage.gate.konflux.target import Target
from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.steps.closing import Closing, notify
from pilotage.gate.steps.e2e import job_names, run_e2e
from pilotage.gate.steps.ending import MOST_BYTES, write_results
from pilotage.gate.steps.evaluate import evaluate_results
from pilotage.gate.steps.extract import ExtractRequest, extract_image
from pilotage.gate.steps.nightly import NightRequest, trigger_all
from pilotage.gate.steps.watching import stale_check
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Line, Playbook, Script, flaky
from pilotage.world.prow.inprocess import InProcessRunner

from .konfluxrig import (
    BY_KONFLUX,
    NIGHT,
    SLOT,
    TENANT,
    Jumping,
    Tenant,
    admission_manifest,
    definition_map,
    furnish,
)
from .nightrig import Inbox, gate_manifest

PLAN = names_of("aro-hcp").release_plan


@pytest.fixture
async def tenant():
    clock = Jumping(SLOT)
    async with await EmbeddedStore.open(None, clock) as store:
        await furnish(store, definition_map())
        yield Tenant(store, clock, ("aro-hcp",))


class Pipeline:
    """What Tekton does: task after task, and the final one whatever happened."""

    def __init__(self, tenant: Tenant, playbook: Playbook) -> None:
        self.tenant, self.place = tenant, tenant.place
        self.prow = InProcessRunner(playbook, tenant.clock)
        self.inbox = Inbox("slack-webhook/url")
        self.codes: dict[str, int] = {}
        self.results: dict[str, str] = {}
        self.name = ""

    async def extract(self, **changed):
        name = (await self.tenant.snapshot()).meta.name
        given = {
            "snapshot": await self.tenant.spec_text(), "snapshot_name": name, "platform": "aro-hcp",
            "component": "hypershift-operator-main", "pipeline_run": self.name or "by-hand",
        }  # fmt: skip
        return await extract_image(self.place, ExtractRequest(**given | changed))

    async def e2e(self, hours: float = 5.3):
        gate, clock = await self.place.gate("aro-hcp"), self.tenant.clock
        deadline = clock.now() + timedelta(hours=hours)
        return await run_e2e(self.place, self.results["run"], gate, self.prow, Pacer(clock), deadline)

    async def evaluate(self):
        return await evaluate_results(self.place, self.results["run"], await self.place.gate("aro-hcp"))

    async def release(self, hours: float = 4.5):
        place, clock = self.place, self.tenant.clock
        deadline = clock.now() + timedelta(hours=hours)
        work = Releasing(place.store, place.ledger, clock, deadline, self.tenant.registry)
        end = await work.go(place.key(self.results["run"]), await place.gate("aro-hcp"), PLAN)
        self.released = end
        return {"promoted": 0, "superseded": 0, "conflict": 5}.get(end.outcome, 1)

    async def run(self, *, labelled: bool = True) -> None:
        if labelled:
            await trigger_all(self.place, NIGHT)
            self.name = self.tenant.integration.started[-1][1]
        for name, task in (("extract", self.extract), ("e2e", self.e2e), ("evaluate", self.evaluate)):
            end = await task()
            self.codes[name] = end.code
            self.results |= end.results
            if end.code:
                break
        else:
            self.codes["release"] = await self.release()
        status = "Failed" if any(self.codes.values()) else "Succeeded"
        closing = Closing("aro-hcp", status, self.name or "by-hand", namespace=TENANT, plan=PLAN)
        self.closing = await notify(
            self.place, closing, self.inbox, self.tenant.clock.now() + timedelta(minutes=25)
        )


async def test_a_night_that_passes_is_released_and_told(tenant):
    """From the label to the tag: results for Tekton, one Release, one message, and the ledger says promoted."""
    pipeline = Pipeline(tenant, Playbook())

    await pipeline.run()

    (run,) = await tenant.runs()
    assert {"extract": 0, "e2e": 0, "evaluate": 0, "release": 0} == pipeline.codes, pipeline.released
    assert ("promoted", f"gate-aro-hcp-{run.spec.digest[7:19]}-r1") == (
        run.status.state,
        run.status.promotion.release,
    )
    output = json.loads(pipeline.results["TEST_OUTPUT"])
    assert ("SUCCESS", 2, 0, 0) == tuple(
        output[key] for key in ("result", "successes", "failures", "warnings")
    )
    assert re.fullmatch("[0-9]{10}", output["timestamp"])
    assert {"verdict": "passed", "attempts": 2, "required": {"passed": 2}, "informing": {}} == json.loads(
        pipeline.results["summary"]
    )
    assert 1 == len(pipeline.inbox.got)
    assert "image promoted" in pipeline.inbox.got[0]


async def test_tests_that_fail_do_not_fail_their_task(tenant):
    """run-e2e ends with 0, evaluate-results with 1 after its results, and M4 is told."""
    pipeline = Pipeline(tenant, Playbook((Line(Script(ending="failure"), "e2e-upgrade"),)))

    await pipeline.run()

    assert {"extract": 0, "e2e": 0, "evaluate": 1} == pipeline.codes
    assert ("failed", "false", "FAILURE") == (
        pipeline.results["verdict"],
        pipeline.results["gate-passed"],
        json.loads(pipeline.results["TEST_OUTPUT"])["result"],
    )
    assert "gate failed" in pipeline.inbox.got[0]
    assert () == (await tenant.store.list(RELEASE, TENANT)).items


async def test_an_inconclusive_night_is_an_error(tenant):
    """A job that hangs costs its deadline; the output is ERROR, and M5 is told."""
    pipeline = Pipeline(tenant, Playbook((Line(Script(ending="hang"), "e2e-upgrade"),)))

    await pipeline.run()

    assert ("error", "ERROR") == (
        pipeline.results["verdict"],
        json.loads(pipeline.results["TEST_OUTPUT"])["result"],
    )
    assert "gate inconclusive" in pipeline.inbox.got[0]


async def test_an_informing_job_that_fails_is_a_warning():
    """The verdict is passed, and Konflux reads WARNING."""
    clock = Jumping(SLOT)
    jobs = [{"name": "e2e-azure"}, {"name": "e2e-arm", "type": "informing"}]
    async with await EmbeddedStore.open(None, clock) as store:
        await furnish(store, with_jobs(jobs))
        tenant = Tenant(store, clock, ("aro-hcp",))
        pipeline = Pipeline(tenant, Playbook((Line(Script(ending="failure", duration=600.0), "e2e-arm"),)))

        await pipeline.run()

    output = json.loads(pipeline.results["TEST_OUTPUT"])
    assert ("passed", "WARNING", 1, 0, 1) == (
        pipeline.results["verdict"], *(output[key] for key in ("result", "successes", "failures", "warnings")),
    )  # fmt: skip


def with_jobs(jobs):
    manifest = gate_manifest()
    manifest["spec"]["jobs"] = jobs
    return definition(Target(Object.of(manifest).view(Gate)))


async def test_the_step_ends_before_tekton_kills_it_and_goes_on_afterwards(tenant):
    """Out of time: exit 4 with what is known; started again, it follows the same executions to the verdict."""
    pipeline = Pipeline(tenant, Playbook())
    await trigger_all(tenant.place, NIGHT)
    pipeline.name = tenant.integration.started[0][1]
    pipeline.results |= (await pipeline.extract()).results

    end = await pipeline.e2e(hours=0.5)
    assert (4, {"pending": 2}) == (end.code, json.loads(end.results["summary"])["required"])
    end = await pipeline.e2e()

    assert (0, 2, ()) == (end.code, len(pipeline.prow.book.starts), pipeline.prow.book.duplicates)


async def test_a_snapshot_that_is_labelled_again_starts_no_job_twice(tenant):
    """Two PipelineRuns follow one run: every attempt is started once, and one Release is made."""
    pipeline, other = Pipeline(tenant, Playbook()), Pipeline(tenant, Playbook())
    other.prow = pipeline.prow
    await trigger_all(tenant.place, NIGHT)
    for each, name in ((pipeline, tenant.integration.started[0][1]), (other, "labelled-again")):
        each.name = name
        each.results |= (await each.extract()).results

    ends = await asyncio.gather(pipeline.e2e(), other.e2e())
    released = await asyncio.gather(pipeline.release(), other.release())

    assert pipeline.results["run"] == other.results["run"]
    assert ([0, 0], [0, 0]) == ([end.code for end in ends], released)
    assert ((), 2) == (pipeline.prow.book.duplicates, len(pipeline.prow.book.starts))
    assert 1 == len((await tenant.store.list(RELEASE, TENANT)).items)


async def test_a_cancelled_run_ends_its_step(tenant):
    """A person stops the run while it is followed: nothing is promoted, and somebody is told."""
    pipeline = Pipeline(tenant, Playbook())
    await trigger_all(tenant.place, NIGHT)
    pipeline.name = tenant.integration.started[0][1]
    pipeline.results |= (await pipeline.extract()).results
    wish = json.dumps({"at": "2026-06-11T04:00:00Z", "by": "ann", "reason": "a broken cloud"})

    async def cancel() -> None:
        (run,) = await tenant.runs()
        if run.status.state == "testing":
            key = tenant.place.key(run.metadata.name)
            manifest = {"metadata": {"annotations": {CANCEL_ANNOTATION: wish}}}
            await tenant.place.store.apply(GATE_RUN, key, manifest, manager="ann", force=True)
            tenant.clock.neighbours.remove(cancel)

    tenant.clock.neighbours.append(cancel)
    end = await pipeline.e2e()

    (run,) = await tenant.runs()
    assert (4, "cancelled", "ann") == (end.code, run.status.state, run.status.cancellation.by)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("{", "invalid-json"),
        ('{"components": []}', "no-components"),
        ('{"components": [{"name": "other", "containerImage": "a@sha256:0"}]}', "component-not-found"),
        ('{"components": [{"name": "hypershift-operator-main", "containerImage": "a:b"}]}', "no-digest"),
    ],
)
async def test_a_snapshot_without_an_image_ends_the_pipeline_with_a_message(tenant, spec, code):
    """The first task says why, with exit 2, and the final one tells somebody although there is no run."""
    pipeline = Pipeline(tenant, Playbook())

    end = await pipeline.extract(snapshot=spec)
    closing = Closing("aro-hcp", "Failed", "a-pipeline-run")
    await notify(tenant.place, closing, pipeline.inbox, tenant.clock.now())

    assert (2, {}) == (end.code, end.results)
    assert end.says.startswith(f"{code}: ")
    assert "before a run was found" in pipeline.inbox.got[0]


async def test_a_snapshot_that_names_another_image_than_the_one_that_was_pinned_ends_the_run(tenant):
    """Nobody can say what would be tested: exit 5, and the run is over."""
    await trigger_all(tenant.place, NIGHT)
    pipeline = Pipeline(tenant, Playbook())
    spec = json.loads(await tenant.spec_text())
    spec["components"][0]["containerImage"] = f"quay.example.com/other@sha256:{'5' * 64}"

    end = await pipeline.extract(snapshot=json.dumps(spec))

    (run,) = await tenant.runs()
    assert (5, "cancelled") == (end.code, run.status.state)
    assert "SnapshotMutated" in end.says


async def test_a_snapshot_that_changes_during_the_run_is_not_released(tenant):
    """The pinned spec is compared again before the Release: M6, and no Release was made."""
    pipeline = Pipeline(tenant, Playbook())
    tenant.clock.neighbours.append(lambda: change_spec(tenant))

    await pipeline.run()

    assert ({"extract": 0, "e2e": 0, "evaluate": 0, "release": 1}, ()) == (
        pipeline.codes,
        (await tenant.store.list(RELEASE, TENANT)).items,
    )
    assert "SnapshotMutated" in pipeline.released.message
    assert "passed but not promoted" in pipeline.inbox.got[0]


async def change_spec(tenant: Tenant) -> None:
    if tenant.clock.now() - SLOT > timedelta(hours=1):
        found = await tenant.snapshot()
        await tenant.store.patch(
            SNAPSHOT, found.key, "merge", {"spec": {"artifacts": {"more": 1}}}, BY_KONFLUX
        )


async def test_a_snapshot_that_was_labelled_by_hand_gets_a_run_that_can_be_released(tenant):
    """Without a trigger the pipeline plans its own run, and its promotion compares the image of the Snapshot."""
    pipeline = Pipeline(tenant, Playbook())

    await pipeline.run(labelled=False)

    (run,) = await tenant.runs()
    assert ("promoted", "label") == (run.status.state, run.spec.trigger.by), pipeline.codes


async def test_a_label_by_hand_obeys_the_rules_of_the_trigger(tenant):
    """What is promoted is not tested again: exit 3, and no second run."""
    await Pipeline(tenant, Playbook()).run(labelled=False)

    end = await Pipeline(tenant, Playbook()).extract(pipeline_run="another")

    assert 3 == end.code
    assert "already-promoted" in end.says


async def test_a_release_that_fails_is_tried_again_three_times(tenant):
    """Each one has its own number, none before the last one ended; then it is told with what Konflux said."""
    (digest,) = {(await tenant.snapshot()).value()["spec"]["components"][0]["containerImage"].split("@")[1]}
    names = [f"gate-aro-hcp-{digest[7:19]}-r{number}" for number in (1, 2, 3)]
    tenant.releases.outcomes = dict.fromkeys(names, "Failed")
    pipeline = Pipeline(tenant, Playbook())

    await pipeline.run()

    made = [each.meta.name for each in (await tenant.store.list(RELEASE, TENANT)).items]
    assert (1, names) == (pipeline.codes["release"], made)
    assert "the managed pipeline failed" in pipeline.inbox.got[0]
    assert f"{names[2]}-by-hand" in pipeline.inbox.got[0]


async def test_a_release_that_never_ends_is_not_waited_for_for_ever(tenant):
    """The deadline of the task, less what is needed to say so."""
    (digest,) = {(await tenant.snapshot()).value()["spec"]["components"][0]["containerImage"].split("@")[1]}
    tenant.releases.outcomes = {f"gate-aro-hcp-{digest[7:19]}-r1": "Progressing"}
    pipeline = Pipeline(tenant, Playbook())

    await pipeline.run()

    assert (1, 1) == (pipeline.codes["release"], len((await tenant.store.list(RELEASE, TENANT)).items))
    assert "not released in time" in pipeline.released.message


async def test_somebody_elses_release_of_our_name_is_left_alone(tenant):
    """The name is taken by another Snapshot: conflict, and nothing more is created."""
    (digest,) = {(await tenant.snapshot()).value()["spec"]["components"][0]["containerImage"].split("@")[1]}
    name = f"gate-aro-hcp-{digest[7:19]}-r1"
    manifest = {
        "apiVersion": RELEASE.api_version, "kind": RELEASE.kind,
        "metadata": {"namespace": TENANT, "name": name, "annotations": {"gate.pilotage.dev/digest": digest},
                     "labels": {"gate.pilotage.dev/platform": "aro-hcp"}},
        "spec": {"snapshot": "another", "releasePlan": PLAN},
    }  # fmt: skip
    await tenant.store.create(RELEASE, manifest, manager="somebody")
    pipeline = Pipeline(tenant, Playbook())

    await pipeline.run()

    assert (5, 1) == (pipeline.codes["release"], len((await tenant.store.list(RELEASE, TENANT)).items))


async def test_a_blocked_admission_stops_the_release_before_it_is_made(tenant):
    """The partner's admission blocks releases: told, and no Release."""
    blocked = admission_manifest("aro-hcp", **{"release.appstudio.openshift.io/block-releases": "true"})
    key = ObjectKey("rhtap-releng-tenant", blocked["metadata"]["name"])
    await tenant.store.apply(RELEASE_PLAN_ADMISSION, key, blocked, manager="releng", force=True)
    pipeline = Pipeline(tenant, Playbook())

    await pipeline.run()

    assert (1, ()) == (pipeline.codes["release"], (await tenant.store.list(RELEASE, TENANT)).items)
    assert "blocked: " in pipeline.released.message


async def test_a_release_that_the_registry_does_not_show_is_no_promotion(tenant):
    """Konflux says Succeeded, and the tag is not there: not promoted, and told."""
    pipeline = Pipeline(tenant, Playbook())
    tenant.registry.shelf = {}

    await pipeline.run()

    (run,) = await tenant.runs()
    assert (1, "promotion-failed") == (pipeline.codes["release"], run.status.state)
    assert "the registry does not show it" in pipeline.released.message


async def test_a_tag_that_names_another_digest_is_a_conflict(tenant):
    """Nothing is overwritten, and the run says what was found."""
    pipeline = Pipeline(tenant, Playbook())
    (digest,) = {(await tenant.snapshot()).value()["spec"]["components"][0]["containerImage"].split("@")[1]}
    tenant.registry.shelf = {f"aro-hcp-{digest[7:]}": "sha256:other"}

    await pipeline.run()

    assert (5, "conflict") == (pipeline.codes["release"], pipeline.released.outcome)


async def test_the_stale_check_tells_once_and_reminds_a_day_later(tenant):
    """Nothing was promoted for four days: M7 and M8, deduplicated by what stands in ConfigMaps."""
    await trigger_all(tenant.place, NIGHT)
    inbox = Inbox("slack-webhook/url")
    tenant.clock.advance(4 * 86_400)

    ends = []
    for _ in range(3):
        ends.append((await stale_check(tenant.place, inbox)).code)
        tenant.clock.advance(3600)
    first = [text.splitlines()[0] for text in inbox.got]
    tenant.clock.advance(86_400)
    await stale_check(tenant.place, inbox)

    assert [0, 0, 0] == ends
    assert 2 == len(first), first
    assert any("no promotion" in text for text in inbox.got[:2])
    assert 4 == len(inbox.got), inbox.got


async def test_the_stale_check_delivers_what_the_trigger_had_to_say(tenant):
    """The trigger has no credential of the chat, so its message waits in the ledger for the next hour."""
    tenant.integration.is_asleep = True
    await trigger_all(tenant.place, NIGHT)
    inbox = Inbox("slack-webhook/url")

    end = await stale_check(tenant.place, inbox)
    again = await stale_check(tenant.place, inbox)

    assert (0, 0, 1) == (end.code, again.code, len(inbox.got)), (end.says, inbox.got)
    assert "label stuck" in inbox.got[0]


async def test_a_release_is_a_promotion_when_the_ledger_is_lost(tenant):
    """No ConfigMap of the run is left: the Release object alone keeps the alarm silent."""
    pipeline = Pipeline(tenant, Playbook())
    await pipeline.run()
    (run,) = await tenant.runs()
    await tenant.place.store.delete(GATE_RUN, tenant.place.key(run.metadata.name))
    tenant.clock.advance(2 * 86_400)
    inbox = Inbox("slack-webhook/url")

    await stale_check(tenant.place, inbox)

    assert not any("promotion" in text for text in inbox.got), inbox.got


@pytest.mark.parametrize(("outcome", "state"), [("Succeeded", "promoted"), ("Failed", "promotion-failed")])
async def test_a_release_that_outlasts_its_pipeline_is_found_out(tenant, outcome, state):
    """Tekton ended the pipeline while the Release was under way: the hourly check writes down what became of it, and tells."""
    (digest,) = {(await tenant.snapshot()).value()["spec"]["components"][0]["containerImage"].split("@")[1]}
    name = f"gate-aro-hcp-{digest[7:19]}-r1"
    tenant.releases.outcomes = {name: outcome}
    tenant.releases.took = 5 * 3600
    pipeline = Pipeline(tenant, Playbook())
    await trigger_all(tenant.place, NIGHT)
    for task in (pipeline.extract, pipeline.e2e, pipeline.evaluate):
        pipeline.results |= (await task()).results

    async def killed() -> None:
        if (await tenant.runs())[0].status.message.endswith("is Progressing"):
            raise Killed

    tenant.clock.neighbours.append(killed)
    with pytest.raises(Killed):
        await pipeline.release()
    tenant.clock.neighbours.remove(killed)
    await stale_check(tenant.place, pipeline.inbox)
    assert "promoting" == (await tenant.runs())[0].status.state
    await tenant.clock.sleep(7 * 3600)
    await stale_check(tenant.place, pipeline.inbox)

    (run,) = await tenant.runs()
    assert (state, 1) == (run.status.state, len(pipeline.inbox.got)), pipeline.inbox.got


class Killed(Exception):  # noqa: N818 -- it is no error
    """By Tekton."""


async def test_another_chat_is_told_nothing(tenant):
    """Each check speaks for the gates of its own Secret."""
    assert 3 == (await stale_check(tenant.place, Inbox("other/url"))).code


async def test_a_night_without_chat_does_not_fail_the_run(tenant):
    """The final task ends with 0, says what it could not deliver, and does not try for ever."""
    pipeline = Pipeline(tenant, Playbook())
    pipeline.inbox.replies = [Reply(503)] * 1000

    await pipeline.run()

    assert (0, []) == (pipeline.closing.code, pipeline.inbox.got)
    assert "M0 was not delivered: answered 503" in pipeline.closing.says
    pipeline.inbox.replies = []
    await stale_check(tenant.place, pipeline.inbox)
    assert 1 == len(pipeline.inbox.got), "the hourly check goes on with what the task could not deliver"


async def test_refused_credentials_are_told_while_the_run_waits(tenant):
    """Prow refuses the token: the run is suspended, the hourly check tells M3, and no job is lost."""

    class Refusing(InProcessRunner):
        async def create(self, request):
            return Reply(401, "Unauthorized")

    pipeline = Pipeline(tenant, Playbook())
    pipeline.prow = Refusing(Playbook(), tenant.clock)
    await trigger_all(tenant.place, NIGHT)
    pipeline.name = tenant.integration.started[0][1]
    pipeline.results |= (await pipeline.extract()).results
    assert 4 == (await pipeline.e2e(hours=0.2)).code
    inbox = Inbox("slack-webhook/url")

    await stale_check(tenant.place, inbox)
    await stale_check(tenant.place, inbox)

    assert 1 == len(inbox.got), inbox.got
    assert "rejects our credentials" in inbox.got[0]
    pipeline.prow = InProcessRunner(Playbook(), tenant.clock)
    assert 0 == (await pipeline.e2e()).code


@pytest.mark.parametrize(
    ("text", "names"),
    [('["a", "b"]', ("a", "b")), ("", ()), ("a, b\nc", ("a", "b", "c")), ("{}", ()), ("[1]", ())],
)
def test_lists_of_jobs_are_read_as_scenarios_write_them(text, names):
    """JSON, or names with commas, spaces and line breaks between them."""
    assert names == job_names(text)


def test_results_that_are_too_large_are_refused_before_any_is_written(tmp_path):
    """Tekton cuts off a message of more than four kilobytes, and with it every result."""
    with pytest.raises(InputError, match="Tekton takes"):
        write_results({"a": "1", "b": "x" * MOST_BYTES}, {"a": tmp_path / "a", "b": tmp_path / "b"})
    assert [] == list(tmp_path.iterdir())


async def test_a_second_night_of_the_same_image_is_skipped(tenant):
    """The next tick finds the promotion in the ledger."""
    await Pipeline(tenant, Playbook(flaky("e2e-azure"))).run()
    tenant.clock.advance(86_400)

    end = await trigger_all(tenant.place, NightRequest("2026-06-12T03:15Z"))

    assert (0, "already-promoted") == (end.code, (await tenant.gate()).status.last_tick.reason)
    assert 1 == len(await tenant.runs())
