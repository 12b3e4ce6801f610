"""What becomes of a plan on the embedded store."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.api.errors import InputError, RemoteError
from pilotage.api.meta import Condition, Kind, ObjectKey
from pilotage.decision.actions import Apply, ApplyStatus, Delete, RecordEvent
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.events import EVENT, event_key
from pilotage.runtime.perform import Change, Performer
from pilotage.store.base import InvalidObjectError
from pilotage.store.embedded import EmbeddedStore

POOLS = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
MAPS = Kind("", "v1", "ConfigMap", "configmaps")
POOL = ObjectKey("clusters", "a")
MAP = ObjectKey("clusters", "settings")


def apply_map(**data: str) -> Apply:
    return Apply(MAPS, MAP, {"apiVersion": "v1", "kind": "ConfigMap", "data": data})


def status(ready: str, message: str = "", **more: Any) -> ApplyStatus:
    return ApplyStatus(
        POOLS,
        POOL,
        {"conditions": [{"type": "Ready", "status": ready, "reason": "R", "message": message}], **more},
    )


EVENT_SAID = RecordEvent(POOLS, POOL, "uid-1", "Warning", "ImageMissing", "no image for 4.20")


@pytest.fixture
def performer(store: EmbeddedStore, clock: ManualClock) -> Performer:
    return Performer(store, clock)


@pytest.fixture
async def pool(store: EmbeddedStore) -> None:
    await store.create(
        POOLS,
        {
            "apiVersion": POOLS.api_version,
            "kind": "NodePool",
            "metadata": {"namespace": "clusters", "name": "a"},
        },
        manager="user",
    )


async def ready(store: EmbeddedStore) -> dict[str, Any]:
    (condition,) = (await store.get(POOLS, POOL)).value()["status"]["conditions"]
    return condition


async def outcomes(performer: Performer, *plan: Any) -> list[str]:
    return [change.outcome for change in await performer.perform(plan)]


async def test_every_action_says_what_became_of_it(performer: Performer, pool: None) -> None:
    """Created, changed, unchanged, deleted, absent: as sentences for `up` and `apply`."""
    changes = [
        *await performer.perform((apply_map(a="1"), apply_map(a="1"), apply_map(a="2"))),
        *await performer.perform((status("True"), EVENT_SAID)),
        *await performer.perform((Delete(MAPS, MAP), Delete(MAPS, MAP))),
    ]
    assert [str(change) for change in changes] == [
        "configmaps clusters/settings created",
        "configmaps clusters/settings unchanged",
        "configmaps clusters/settings changed",
        "nodepools.hypershift.openshift.io clusters/a status changed",
        "nodepools.hypershift.openshift.io clusters/a: Warning ImageMissing: no image for 4.20",
        "configmaps clusters/settings deleted",
        "configmaps clusters/settings absent",
    ]


async def test_performing_a_plan_again_writes_nothing(
    store: EmbeddedStore, clock: ManualClock, performer: Performer, pool: None
) -> None:
    """Not by the one who performed it, nor by one who starts after a crash."""
    plan = (apply_map(a="1"), status("True", replicas=3), EVENT_SAID)
    await performer.perform(plan)
    version = (await store.everything()).resource_version
    clock.advance(30)
    assert await outcomes(performer, *plan) == ["unchanged"] * 3
    assert await outcomes(Performer(store, clock), *plan) == ["unchanged"] * 3
    assert (await store.everything()).resource_version == version


async def test_a_field_that_is_no_longer_stated_goes(store: EmbeddedStore, performer: Performer) -> None:
    """The plan states all fields that are ours; those of others stay."""
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"theirs": "x"}}
    await store.apply(MAPS, MAP, theirs, manager="user")
    await performer.perform((apply_map(a="1", b="2"),))
    await performer.perform((apply_map(a="1"),))
    assert (await store.get(MAPS, MAP)).value()["data"] == {"theirs": "x", "a": "1"}


async def test_our_field_is_taken_back_from_another_manager(
    store: EmbeddedStore, performer: Performer
) -> None:
    """A controller that yielded would fail for ever."""
    await store.apply(
        MAPS, MAP, {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "hand"}}, manager="user"
    )
    assert await outcomes(performer, apply_map(a="1")) == ["changed"]
    assert (await store.get(MAPS, MAP)).value()["data"] == {"a": "1"}


async def test_the_transition_time_moves_only_with_the_status(
    store: EmbeddedStore, clock: ManualClock, performer: Performer, pool: None
) -> None:
    """A new message is written, the time stays; a new status takes the time of the clock."""
    await performer.perform((status("False", "first"),))
    began = (await ready(store))["lastTransitionTime"]
    assert began == "2026-01-01T00:00:00Z"
    clock.advance(100)
    assert await outcomes(performer, status("False", "second")) == ["changed"]
    assert (await ready(store))["message"] == "second"
    assert (await ready(store))["lastTransitionTime"] == began
    await performer.perform((status("True", "second"),))
    assert (await ready(store))["lastTransitionTime"] == "2026-01-01T00:01:40Z"


async def test_conditions_may_be_given_as_records(
    store: EmbeddedStore, performer: Performer, pool: None
) -> None:
    """`api.meta.Condition` is written as Kubernetes spells it."""
    condition = Condition("Ready", "True", "AsExpected", "all good", observed_generation=1)
    await performer.perform((ApplyStatus(POOLS, POOL, {"conditions": (condition,)}),))
    assert await ready(store) == {
        "type": "Ready",
        "status": "True",
        "reason": "AsExpected",
        "message": "all good",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }


async def test_a_condition_without_a_type_is_refused_by_name(performer: Performer, pool: None) -> None:
    """The error names object and field, and nothing was written."""
    broken = ApplyStatus(POOLS, POOL, {"conditions": [{"status": "True"}]})
    with pytest.raises(InputError, match=r"NodePool clusters/a: status\.conditions"):
        await performer.perform((broken,))


async def test_the_status_of_an_object_that_is_gone_is_nobodys(performer: Performer) -> None:
    """Deleted between observing and acting: no error, the next look will see."""
    assert await outcomes(performer, status("True")) == ["absent"]


async def test_an_object_that_waits_for_finalizers_is_deleted_once(
    store: EmbeddedStore, performer: Performer
) -> None:
    """The second delete has nothing to do."""
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": MAP.namespace, "name": MAP.name, "finalizers": ["example.com/wait"]},
    }
    await store.create(MAPS, manifest, manager="user")
    assert await outcomes(performer, Delete(MAPS, MAP), Delete(MAPS, MAP)) == ["deleted", "unchanged"]


async def test_a_plan_stops_at_the_first_failure_and_can_be_performed_again(
    store: EmbeddedStore, performer: Performer
) -> None:
    """What stands before is done, what stands behind is not; done again, it goes on."""
    refused = Apply(MAPS, ObjectKey("clusters", "Not A Name"), {"apiVersion": "v1", "kind": "ConfigMap"})
    with pytest.raises(InvalidObjectError):
        await performer.perform((apply_map(a="1"), refused, Delete(MAPS, MAP)))
    assert await outcomes(performer, apply_map(a="1"), Delete(MAPS, MAP)) == ["unchanged", "deleted"]


async def test_a_repeated_event_raises_the_count_of_the_one_object(
    store: EmbeddedStore, clock: ManualClock, performer: Performer
) -> None:
    """Across restarts; at most one write a minute."""
    assert await outcomes(performer, EVENT_SAID, EVENT_SAID) == ["created", "unchanged"]
    clock.advance(61)
    assert await outcomes(Performer(store, clock), EVENT_SAID, EVENT_SAID) == ["changed", "unchanged"]
    (event,) = (await store.list(EVENT)).items
    assert event.key == event_key(EVENT_SAID)
    value = event.value()
    assert (value["count"], value["firstTimestamp"], value["lastTimestamp"]) == (
        2,
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:01:01Z",
    )


async def test_changes_are_told_as_they_happen(store: EmbeddedStore, clock: ManualClock) -> None:
    """To whoever prints them; what changed nothing is not news."""
    heard: list[Change] = []
    performer = Performer(store, clock, on_change=heard.append)
    await performer.perform((apply_map(a="1"), apply_map(a="1"), Delete(MAPS, MAP), Delete(MAPS, MAP)))
    assert [change.outcome for change in heard] == ["created", "deleted"]


async def test_an_event_that_cannot_be_written_keeps_nothing_back(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """What stands behind it in the plan is done; that it was lost is in the answer and the log."""

    class NoEvents:
        async def apply(self, kind: Kind, *arguments: Any, **more: Any) -> Any:
            if kind == EVENT:
                raise RemoteError("Forbidden", "events is forbidden")
            return await store.apply(kind, *arguments, **more)

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    no_events: Any = NoEvents()
    changes = await Performer(no_events, clock).perform((EVENT_SAID, apply_map(a="1")))
    assert [change.outcome for change in changes] == ["failed", "created"]
