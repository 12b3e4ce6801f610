"""What a store must do with one object: the semantics of the Kubernetes API, whatever stands behind the port."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.api.errors import InputError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import (
    AlreadyExistsError,
    ConflictError,
    InvalidObjectError,
    NotFoundError,
    Store,
)

POOL = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
SETTINGS = Kind("", "v1", "ConfigMap", "configmaps")
PROJECT = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
KEY = ObjectKey("clusters", "prod-workers")


def pool(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": KEY.name, "namespace": KEY.namespace}, "spec": spec}


def managers(item: Object) -> dict[tuple[str, str, str], Any]:
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in item.value()["metadata"].get("managedFields", ())
    }


async def test_create_gives_identity(store: Store):
    """A created object gets uid, creation time, generation 1, a version, its type, and its creator as manager."""
    created = await store.create(POOL, pool(replicas=2), manager="kubectl")
    meta = created.meta
    assert len(meta.uid) == 36
    assert meta.creation_timestamp == "2026-01-01T00:00:00Z"
    assert meta.generation == 1
    assert int(meta.resource_version) > 0
    assert created.value()["apiVersion"] == "hypershift.openshift.io/v1beta1"
    assert created.kind == "NodePool"
    assert managers(created) == {("kubectl", "Update", ""): {"f:spec": {".": {}, "f:replicas": {}}}}
    assert await store.get(POOL, KEY) == created


async def test_create_of_a_taken_name_is_refused(store: Store):
    """The second create of a name fails, and the first object stays as it is."""
    first = await store.create(POOL, pool(replicas=2), manager="one")
    with pytest.raises(
        AlreadyExistsError, match=r'nodepools\.hypershift\.openshift\.io "prod-workers" already exists'
    ):
        await store.create(POOL, pool(replicas=3), manager="two")
    assert await store.get(POOL, KEY) == first


async def test_generated_names_differ(store: Store):
    """`generateName` is a prefix; every create gets a valid name of its own."""
    manifest = {"metadata": {"generateName": "token-", "namespace": "clusters"}}
    names = {(await store.create(SETTINGS, manifest, manager="me")).meta.name for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("token-") and len(name) == len("token-") + 5 for name in names)


async def test_what_the_api_sets_cannot_be_sent(store: Store):
    """uid, times, generation, managers and status of a create are the API's, not the client's."""
    sent = pool(replicas=1)
    sent["metadata"] |= {"uid": "mine", "generation": 9, "deletionTimestamp": "2020-01-01T00:00:00Z"}
    sent["status"] = {"replicas": 1}
    value = (await store.create(POOL, sent, manager="me")).value()
    assert value["metadata"]["uid"] != "mine"
    assert value["metadata"]["generation"] == 1
    assert "deletionTimestamp" not in value["metadata"]
    assert "status" not in value


@pytest.mark.parametrize(
    ("kind", "metadata", "problem"),
    [
        pytest.param(
            POOL,
            {"name": "Bad_Name", "namespace": "a"},
            'NodePool.hypershift.openshift.io "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a'
            " lowercase RFC 1123 subdomain must consist of",
            id="name is no subdomain",
        ),
        pytest.param(POOL, {"name": "a" * 254, "namespace": "a"}, "must be no more than 253", id="long name"),
        pytest.param(POOL, {"name": "a"}, "metadata.namespace: Required value", id="no namespace"),
        pytest.param(POOL, {"namespace": "a"}, "name or generateName is required", id="no name"),
        pytest.param(
            PROJECT,
            {"name": "a", "namespace": "b"},
            "metadata.namespace: Forbidden: not allowed on this type",
            id="namespace of a cluster-scoped object",
        ),
        pytest.param(PROJECT, {"name": "a.b"}, "must not contain dots", id="namespaces are labels"),
        pytest.param(
            SETTINGS,
            {"name": "a", "namespace": "b", "labels": {"k": "not ok"}},
            "a valid label must be",
            id="label",
        ),
        pytest.param(
            SETTINGS,
            {"name": "a", "namespace": "b", "labels": {"a/b/c": "x"}},
            "a valid label key must consist of",
            id="label key",
        ),
        pytest.param(
            SETTINGS,
            {"name": "a", "namespace": "b", "ownerReferences": [{"kind": "X"}]},
            "metadata.ownerReferences.uid: Invalid value",
            id="owner without uid",
        ),
        pytest.param(
            SETTINGS,
            {"name": "a", "namespace": "b", "resourceVersion": "7"},
            "should not be set",
            id="version",
        ),
        pytest.param(
            SETTINGS,
            {"name": "a", "namespace": "b", "labels": {"k": 1}},
            "ObjectMeta.metadata.labels of type",
            id="type",
        ),
    ],
)
async def test_bad_metadata_is_refused(store: Store, kind: Kind, metadata: dict[str, Any], problem: str):
    """An object that breaks a rule is refused in the API server's words, and nothing is stored."""
    with pytest.raises(InputError) as caught:
        await store.create(kind, {"metadata": metadata}, manager="me")
    assert problem in str(caught.value)
    assert (await store.list(kind)).items == ()


async def test_all_problems_are_listed(store: Store):
    """An object with two problems hears of both."""
    metadata = {"name": "Bad_", "namespace": "a", "labels": {"k": "not ok"}}
    with pytest.raises(InvalidObjectError) as caught:
        await store.create(SETTINGS, {"metadata": metadata}, manager="me")
    assert len(caught.value.messages) == 2
    assert "is invalid: [metadata.name: " in str(caught.value)


async def test_a_manifest_of_another_type_is_refused(store: Store):
    """The type in the data must be the type asked for."""
    with pytest.raises(InvalidObjectError, match="does not match the expected API version"):
        await store.create(POOL, {**pool(), "apiVersion": "v1", "kind": "NodePool"}, manager="me")
    with pytest.raises(InvalidObjectError, match="does not match the name"):
        await store.apply(POOL, ObjectKey("clusters", "other"), pool(), manager="me")


async def test_get_of_nothing(store: Store):
    """What is not there is not found, in every verb that needs it."""
    for attempt in (
        store.get(POOL, KEY),
        store.delete(POOL, KEY),
        store.patch_status(POOL, KEY, {"replicas": 1}, manager="me"),
    ):
        with pytest.raises(
            NotFoundError, match=r'nodepools\.hypershift\.openshift\.io "prod-workers" not found'
        ):
            await attempt


async def test_apply_creates(store: Store):
    """An apply of a name that is free creates the object; the applier owns what it stated."""
    applied = await store.apply(POOL, KEY, {"spec": {"replicas": 2}}, manager="fleet")
    assert applied.key == KEY
    assert applied.meta.generation == 1
    assert managers(applied) == {("fleet", "Apply", ""): {"f:spec": {"f:replicas": {}}}}


async def test_an_unchanged_apply_writes_nothing(store: Store, clock: ManualClock):
    """Applying the same again changes no byte: version and times of managers stay."""
    first = await store.apply(POOL, KEY, pool(replicas=2), manager="fleet")
    clock.advance(60)
    assert await store.apply(POOL, KEY, pool(replicas=2), manager="fleet") == first
    assert await store.get(POOL, KEY) == first


async def test_generation_counts_what_is_wanted(store: Store):
    """The generation moves with the spec; labels and status leave it."""
    await store.apply(POOL, KEY, pool(replicas=1), manager="me")
    labelled = pool(replicas=1)
    labelled["metadata"]["labels"] = {"tier": "gold"}
    assert (await store.apply(POOL, KEY, labelled, manager="me")).meta.generation == 1
    assert (await store.patch_status(POOL, KEY, {"replicas": 1}, manager="me")).meta.generation == 1
    assert (await store.apply(POOL, KEY, pool(replicas=2), manager="me")).meta.generation == 2


async def test_another_managers_field_is_a_conflict(store: Store):
    """Changing a field that somebody else applied is refused, by manager and path; force takes it over."""
    await store.apply(POOL, KEY, pool(replicas=1, pause=False), manager="fleet")
    with pytest.raises(ConflictError) as caught:
        await store.apply(POOL, KEY, pool(replicas=2), manager="autoscaler")
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "fleet": .spec.replicas'
    forced = await store.apply(POOL, KEY, pool(replicas=2), manager="autoscaler", force=True)
    assert managers(forced) == {
        ("fleet", "Apply", ""): {"f:spec": {"f:pause": {}}},
        ("autoscaler", "Apply", ""): {"f:spec": {"f:replicas": {}}},
    }
    assert forced.value()["spec"] == {"pause": False, "replicas": 2}


async def test_a_shared_field_outlives_one_owner(store: Store):
    """Two appliers of one value share it; it goes when the last lets go."""
    await store.apply(POOL, KEY, pool(replicas=1, pause=True), manager="one")
    shared = await store.apply(POOL, KEY, pool(replicas=1), manager="two")
    assert len(managers(shared)) == 2
    left = await store.apply(POOL, KEY, pool(pause=True), manager="one")
    assert left.value()["spec"] == {"pause": True, "replicas": 1}
    left = await store.apply(POOL, KEY, {}, manager="two")
    assert left.value()["spec"] == {"pause": True}


async def test_a_status_is_written_onto_the_state_that_was_read(store: Store):
    """With a resource version a status write is refused when somebody wrote in between: how a ledger is kept."""
    read = await store.apply(POOL, KEY, pool(replicas=1), manager="me")
    version = read.meta.resource_version
    written = await store.patch_status(POOL, KEY, {"replicas": 1}, manager="me", resource_version=version)

    with pytest.raises(ConflictError):
        await store.patch_status(POOL, KEY, {"replicas": 2}, manager="me", resource_version=version)

    kept = await store.get(POOL, KEY)
    assert (1, written.meta.resource_version) == (
        kept.value()["status"]["replicas"],
        kept.meta.resource_version,
    )


async def test_conditions_merge_by_type(store: Store):
    """Two managers of conditions keep out of each other's way, in the order in which they came."""
    await store.apply(POOL, KEY, pool(replicas=1), manager="me")
    await store.patch_status(
        POOL, KEY, {"conditions": [{"type": "Ready", "status": "False"}]}, manager="pools"
    )
    await store.patch_status(
        POOL, KEY, {"conditions": [{"type": "ValidImage", "status": "True"}]}, manager="images"
    )
    after = await store.patch_status(
        POOL, KEY, {"conditions": [{"type": "Ready", "status": "True"}]}, manager="pools"
    )
    assert after.value()["status"]["conditions"] == [
        {"type": "Ready", "status": "True"},
        {"type": "ValidImage", "status": "True"},
    ]
    assert managers(after)["pools", "Apply", "status"] == {
        "f:status": {"f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}}}
    }


async def test_duplicate_conditions_are_refused(store: Store):
    """Two conditions of one type in one apply are a mistake."""
    await store.apply(POOL, KEY, pool(), manager="me")
    with pytest.raises(
        InvalidObjectError, match=r'\.status\.conditions: duplicate entries for key \[type="Ready"\]'
    ):
        await store.patch_status(
            POOL, KEY, {"conditions": [{"type": "Ready"}, {"type": "Ready"}]}, manager="me"
        )


async def test_status_has_its_own_door(store: Store):
    """An apply of the object leaves status alone; a patch of status leaves the rest alone."""
    await store.apply(POOL, KEY, {**pool(replicas=1), "status": {"replicas": 9}}, manager="me")
    with_status = await store.patch_status(POOL, KEY, {"replicas": 1}, manager="me")
    after = await store.apply(POOL, KEY, {**pool(replicas=1), "status": {"replicas": 5}}, manager="me")
    assert after == with_status
    assert after.value()["status"] == {"replicas": 1}


async def test_a_version_in_an_apply_is_a_precondition(store: Store):
    """An apply that names a version applies to that version or not at all."""
    first = await store.apply(POOL, KEY, pool(replicas=1), manager="me")
    await store.apply(POOL, KEY, pool(replicas=2), manager="me")
    stale = pool(replicas=3)
    stale["metadata"]["resourceVersion"] = first.meta.resource_version
    with pytest.raises(ConflictError, match="the object has been modified"):
        await store.apply(POOL, KEY, stale, manager="me")
    assert (await store.get(POOL, KEY)).value()["spec"] == {"replicas": 2}


async def test_a_dry_run_shows_and_does_not_write(store: Store):
    """A dry run answers with the object as it would be, of a create and of a change, and stores neither."""
    shown = await store.apply(POOL, KEY, pool(replicas=1), manager="me", dry_run=True)
    assert shown.value()["spec"] == {"replicas": 1}
    with pytest.raises(NotFoundError):
        await store.get(POOL, KEY)
    before = await store.apply(POOL, KEY, pool(replicas=1), manager="me")
    shown = await store.apply(POOL, KEY, pool(replicas=2), manager="me", dry_run=True)
    assert shown.meta.generation == 2
    assert await store.get(POOL, KEY) == before


async def test_finalizers_hold_an_object(store: Store):
    """Deleting marks an object that has finalizers; it goes when the last finalizer goes."""
    held = pool(replicas=1)
    held["metadata"]["finalizers"] = ["pilotage.dev/cleanup"]
    await store.apply(POOL, KEY, held, manager="me")
    await store.delete(POOL, KEY)
    marked = await store.get(POOL, KEY)
    assert marked.meta.deletion_timestamp == "2026-01-01T00:00:00Z"
    assert marked.meta.generation == 2
    await store.delete(POOL, KEY)
    assert await store.get(POOL, KEY) == marked
    added = pool(replicas=1)
    added["metadata"]["finalizers"] = ["pilotage.dev/cleanup", "pilotage.dev/more"]
    with pytest.raises(InvalidObjectError, match="no new finalizers can be added"):
        await store.apply(POOL, KEY, added, manager="me")
    await store.apply(POOL, KEY, pool(replicas=1), manager="me")
    with pytest.raises(NotFoundError):
        await store.get(POOL, KEY)


async def test_lists_are_sorted_and_selected(store: Store):
    """A list is ordered by namespace and name, of one namespace or all, and has every label asked for."""
    for namespace, name, labels in (
        ("b", "one", {"tier": "gold", "zone": "1"}),
        ("a", "two", {"tier": "gold", "zone": "2"}),
        ("a", "one", {"tier": "iron", "zone": "1"}),
    ):
        manifest = {"metadata": {"name": name, "namespace": namespace, "labels": labels}}
        await store.create(SETTINGS, manifest, manager="me")

    async def listed(namespace: str = "", labels: dict[str, str] | None = None) -> list[str]:
        return [str(item.key) for item in (await store.list(SETTINGS, namespace, labels)).items]

    assert await listed() == ["a/one", "a/two", "b/one"]
    assert await listed("a") == ["a/one", "a/two"]
    assert await listed(labels={"tier": "gold"}) == ["a/two", "b/one"]
    assert await listed(labels={"tier": "gold", "zone": "1"}) == ["b/one"]
    assert await listed("a", {"zone": "1"}) == ["a/one"]
    assert await listed("none") == []
    assert (await store.list(POOL)).items == ()


async def test_labels_follow_changes(store: Store):
    """Selection sees the labels of now: changed, dropped, and gone with their object."""
    key = ObjectKey("a", "one")

    async def selected(value: str) -> int:
        return len((await store.list(SETTINGS, labels={"tier": value})).items)

    await store.apply(SETTINGS, key, {"metadata": {"labels": {"tier": "gold"}}}, manager="me")
    await store.apply(SETTINGS, key, {"metadata": {"labels": {"tier": "iron"}}}, manager="me")
    assert (await selected("gold"), await selected("iron")) == (0, 1)
    await store.apply(SETTINGS, key, {}, manager="me")
    assert await selected("iron") == 0
    await store.apply(SETTINGS, key, {"metadata": {"labels": {"tier": "iron"}}}, manager="me")
    await store.delete(SETTINGS, key)
    assert await selected("iron") == 0


async def test_versions_are_global_and_grow(store: Store):
    """Every write of any object gets a higher version; a list carries the highest."""
    versions = [
        int((await store.apply(kind, key, {}, manager="me")).meta.resource_version)
        for kind, key in ((POOL, KEY), (SETTINGS, KEY), (PROJECT, ObjectKey("", "a")))
    ]
    assert versions == sorted(set(versions))
    assert int((await store.list(POOL)).resource_version) == versions[-1]


async def test_sent_manifests_stay_the_callers(store: Store):
    """The store neither changes a manifest nor sees later changes of it."""
    manifest = pool(replicas=1)
    created = await store.create(POOL, manifest, manager="me")
    assert manifest == pool(replicas=1)
    manifest["spec"]["replicas"] = 5
    assert await store.get(POOL, KEY) == created
