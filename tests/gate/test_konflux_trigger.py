"""The night's trigger on Konflux: one label at a time, a PipelineRun for every platform, and a word when there is none."""

import asyncio

import pytest

from pilotage.api.core import CONFIG_MAP
from pilotage.api.gate import NOTIFICATION
from pilotage.api.konflux import KEEP_SNAPSHOT_ANNOTATION, RUN_LABEL, SNAPSHOT
from pilotage.api.meta import ObjectKey
from pilotage.gate.konflux.labeller import PIPELINE_RUN_EVENT
from pilotage.gate.konflux.names import names_of
from pilotage.gate.steps.nightly import NightRequest, trigger_all, trigger_of
from pilotage.store.base import NotFoundError
from pilotage.store.embedded.store import EmbeddedStore

from .konfluxrig import NIGHT, SLOT, TENANT, Jumping, Tenant, definition_map, furnish, made_snapshot


@pytest.fixture
async def api():
    clock = Jumping(SLOT)
    async with await EmbeddedStore.open(None, clock) as store:
        yield store, clock


async def tenant_of(api, *platforms: str, snapshots=(), known: tuple[str, ...] | None = None) -> Tenant:
    store, clock = api
    await furnish(store, *(definition_map(each) for each in platforms), snapshots=snapshots)
    return Tenant(store, clock, platforms if known is None else known)


async def owed(tenant: Tenant) -> list[str]:
    found = (await tenant.place.store.list(NOTIFICATION, TENANT)).items
    return sorted(each.meta.name.rsplit("-", 2)[1] for each in found)


async def test_a_tick_labels_the_snapshot_and_knows_its_pipeline_run(api):
    """The label is written once, taken, and the PipelineRun that came of it stands in the ledger."""
    tenant = await tenant_of(api, "aro-hcp")

    end = await trigger_all(tenant.place, NIGHT)

    (run,) = await tenant.runs()
    scenario = names_of("aro-hcp").scenario
    assert (0, [(scenario, f"{scenario}-0")]) == (end.code, tenant.integration.started), end.says
    assert f"{scenario}-0" in [e.message for e in run.status.events if e.type == PIPELINE_RUN_EVENT]
    found = await tenant.snapshot()
    assert RUN_LABEL not in found.labels
    assert found.annotations[KEEP_SNAPSHOT_ANNOTATION].endswith("s")
    assert "start" == (await tenant.gate()).status.last_tick.action


async def test_two_platforms_share_a_snapshot_without_losing_a_run(api):
    """The second label waits until the first is taken."""
    tenant = await tenant_of(api, "aro-hcp", "rosa-hcp")

    end = await trigger_all(tenant.place, NIGHT)

    assert (0, [], 2) == (end.code, tenant.integration.lost, len(tenant.integration.started)), end.says
    assert {"aro-hcp", "rosa-hcp"} == {run.spec.platform for run in await tenant.runs()}


async def test_two_triggers_at_once_share_a_snapshot(api):
    """Two processes with different schedules: the lease lets one label at a time, and both runs begin."""
    tenant = await tenant_of(api, "aro-hcp", "rosa-hcp")

    ends = await asyncio.gather(
        *(
            trigger_all(tenant.place, NightRequest("slot", platforms=(each,), holder=each))
            for each in ("aro-hcp", "rosa-hcp")
        )
    )

    assert ([0, 0], [], 2) == (
        [end.code for end in ends],
        tenant.integration.lost,
        len(tenant.integration.started),
    ), ends


async def test_the_same_trigger_again_starts_nothing(api):
    """A pod that is started again in its slot finds its run."""
    tenant = await tenant_of(api, "aro-hcp")
    await trigger_all(tenant.place, NIGHT)

    end = await trigger_all(tenant.place, NIGHT)

    assert (0, 1, 1) == (end.code, len(tenant.integration.started), len(await tenant.runs())), end.says


async def test_a_stuck_label_is_told_and_left_alone(api):
    """Somebody else's label that nobody takes: five minutes of patience, exit 5, M2, and the label is still theirs."""
    tenant = await tenant_of(api, "aro-hcp", snapshots=(labelled("somebody-elses"),))
    tenant.integration.is_asleep = True

    end = await trigger_all(tenant.place, NIGHT)

    (run,) = await tenant.runs()
    assert (5, ["m2"], "cancelled") == (end.code, await owed(tenant), run.status.state), end.says
    assert "somebody-elses" == (await tenant.snapshot()).labels[RUN_LABEL]


async def test_our_own_label_that_nobody_takes_is_told(api):
    """integration-service is down: after ten minutes the label is stuck, and is not written again and again."""
    tenant = await tenant_of(api, "aro-hcp")
    tenant.integration.is_asleep = True

    end = await trigger_all(tenant.place, NIGHT)

    assert (5, ["m2"]) == (end.code, await owed(tenant)), end.says


async def test_a_missing_scenario_is_tried_once_more_and_told(api):
    """The label vanishes and nothing starts: one retry, then exit 3 and M2; another platform is not held up."""
    tenant = await tenant_of(api, "aro-hcp", "rosa-hcp", known=("rosa-hcp",))

    end = await trigger_all(tenant.place, NIGHT)

    assert (3, ["m2"]) == (end.code, await owed(tenant)), end.says
    assert [names_of("rosa-hcp").scenario] == [each for each, _ in tenant.integration.started]


async def test_a_snapshot_that_is_deleted_meanwhile_is_not_made_again(api):
    """Its label cannot be written any more, and no empty Snapshot takes its place."""
    tenant = await tenant_of(api, "aro-hcp", snapshots=(labelled("somebody-elses"),))
    tenant.integration.is_asleep = True

    async def delete() -> None:
        for item in (await tenant.store.list(SNAPSHOT, TENANT)).items:
            await tenant.store.delete(SNAPSHOT, item.key)

    tenant.clock.neighbours.append(delete)
    end = await trigger_all(tenant.place, NIGHT)

    assert (3, ["m2"], ()) == (
        end.code,
        await owed(tenant),
        (await tenant.store.list(SNAPSHOT, TENANT)).items,
    )


async def test_nothing_to_test_is_owed_to_people(api):
    """Every Snapshot is blocked: exit 3, and M1 waits in the ledger for the hourly check."""
    blocked = made_snapshot()
    blocked["metadata"]["annotations"]["gate.pilotage.dev/blocked"] = "breaks upgrades"
    tenant = await tenant_of(api, "aro-hcp", snapshots=(blocked,))

    end = await trigger_all(tenant.place, NIGHT)

    assert (3, ["m1"], []) == (end.code, await owed(tenant), await tenant.runs())


async def test_a_broken_gate_stops_no_other(api):
    """One definition is no Gate: the worst code, and the other platform begins all the same."""
    tenant = await tenant_of(api, "aro-hcp", "rosa-hcp")
    key = definition_map("aro-hcp")["metadata"]
    await tenant.store.apply(
        CONFIG_MAP,
        ObjectKey(TENANT, key["name"]),
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"gate.yaml": "- no mapping"}},
        manager="gitops2",
        force=True,
    )

    end = await trigger_all(tenant.place, NIGHT)

    assert (2, ["rosa-hcp"]) == (end.code, [run.spec.platform for run in await tenant.runs()]), end.says


async def test_only_the_platforms_of_the_schedule_are_triggered(api):
    """A CronJob knows its schedule; without a gate for it there is nothing to do."""
    tenant = await tenant_of(api, "aro-hcp")

    other = NightRequest("slot", schedule="0 */6 * * *", time_zone="Etc/UTC")

    assert 3 == (await trigger_all(tenant.place, other)).code
    assert [] == await tenant.runs()


async def test_a_run_whose_pipeline_died_is_ended_at_the_next_tick(api):
    """Nobody wrote for a night: the jobs timed out, M5 is owed, and the platform is free again."""
    tenant = await tenant_of(api, "aro-hcp")
    await trigger_all(tenant.place, NIGHT)
    tenant.clock.advance(86_400)

    end = await trigger_all(tenant.place, NightRequest("2026-06-12T03:15Z", holder="cron"))

    first, second = sorted(await tenant.runs(), key=lambda run: run.spec.created_at)
    assert (0, "errored", "triggered") == (end.code, first.status.state, second.status.state), end.says
    assert "retry" == second.spec.trigger.reason
    assert ["m5"] == await owed(tenant)


@pytest.mark.parametrize(
    ("job", "uid", "expected"),
    [
        ("hypershift-operator-nightly-promotion-29685795", "u", ("2026-06-11T03:15Z", "schedule")),
        ("manual-1781234567", "abc", ("manual-abc", "manual")),
        ("", "", ("manual-", "manual")),
    ],
)
def test_the_name_of_a_job_says_its_slot(job, uid, expected):
    """CronJobs name their Jobs after the minute of the slot; every other Job was started by a person."""
    assert expected == trigger_of(job, uid)


def labelled(value: str):
    manifest = made_snapshot()
    manifest["metadata"]["labels"][RUN_LABEL] = value
    return manifest


async def test_the_ledger_does_not_know_what_is_not_there(api):
    """A run that nobody planned is not found under its own name, not under that of a ConfigMap."""
    tenant = await tenant_of(api, "aro-hcp")
    with pytest.raises(NotFoundError, match="gateruns"):
        await tenant.place.run("aro-hcp-0000000000000000")
