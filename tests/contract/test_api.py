"""What an API server does with objects beyond what controllers need: replace, patch, subresources, options, refusals.

The texts are answers of kube-apiserver 1.36.
"""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import (
    BadRequestError,
    ConflictError,
    DeleteOptions,
    InvalidObjectError,
    NotFoundError,
    UnfitError,
    WriteOptions,
)
from pilotage.store.embedded import EmbeddedStore

CONFIG = Kind("", "v1", "ConfigMap", "configmaps")
SECRET = Kind("", "v1", "Secret", "secrets")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")


def deployment(containers: Any = ({"name": "app", "image": "a:1"},), replicas: int = 1) -> dict[str, Any]:
    """The least that is a Deployment."""
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": list(containers)}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    return {"metadata": {"name": "one"}, "spec": spec}


KEY = ObjectKey("a", "one")
ME = WriteOptions(manager="me")


def config(metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "one", **(metadata or {})},
        **fields,
    }


def fields(item: Object, manager: str = "me", operation: str = "Update", subresource: str = "") -> Any:
    for entry in item.value()["metadata"].get("managedFields", ()):
        if (entry["manager"], entry["operation"], entry.get("subresource", "")) == (
            manager,
            operation,
            subresource,
        ):
            return entry["fieldsV1"]
    return None


async def test_a_replace_is_all_there_is(store: EmbeddedStore):
    """What a replace leaves out is gone, and the writer owns what became different."""
    await store.post(CONFIG, "a", config(data={"x": "1", "y": "2"}), ME)
    written = await store.put(CONFIG, KEY, config(data={"x": "3"}), WriteOptions(manager="you"))
    assert not written.is_created
    assert written.object.value()["data"] == {"x": "3"}
    assert fields(written.object, "you") == {"f:data": {"f:x": {}}}
    assert fields(written.object) == {"f:data": {}}


async def test_a_replace_that_changes_nothing_writes_nothing(store: EmbeddedStore):
    """The version stays."""
    first = await store.post(CONFIG, "a", config(data={"x": "1"}), ME)
    again = await store.put(CONFIG, KEY, config(data={"x": "1"}), WriteOptions(manager="you"))
    assert again.object == first.object


@pytest.mark.parametrize(
    ("manifest", "error", "problem"),
    [
        pytest.param(
            {"metadata": {}},
            BadRequestError,
            "the name of the object (one based on URL) was undeterminable: name must be provided",
            id="nameless",
        ),
        pytest.param(
            {"metadata": {"name": "two"}},
            BadRequestError,
            "the name of the object (two) does not match the name on the URL (one)",
            id="name",
        ),
        pytest.param(
            {"metadata": {"name": "one", "namespace": "b"}},
            BadRequestError,
            "the namespace of the provided object does not match the namespace sent on the request",
            id="namespace",
        ),
        pytest.param(
            {"metadata": {"name": "one", "resourceVersion": "1"}},
            ConflictError,
            'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your'
            " changes to the latest version and try again",
            id="stale",
        ),
        pytest.param(
            {"apiVersion": "v2", "metadata": {"name": "one"}},
            BadRequestError,
            "the API version in the data (v2) does not match the expected API version (v1)",
            id="version",
        ),
    ],
)
async def test_a_replace_of_something_else_is_refused(
    store: EmbeddedStore, manifest: dict[str, Any], error: type[Exception], problem: str
):
    """What does not fit the address, or the state, is refused in the API server's words."""
    await store.post(CONFIG, "a", config(), ME)
    with pytest.raises(error) as caught:
        await store.put(CONFIG, KEY, manifest, ME)
    assert str(caught.value) == problem


async def test_a_create_with_a_version_is_refused(store: EmbeddedStore):
    """As by the API server, which calls it an internal error."""
    with pytest.raises(UnfitError, match=r"^resourceVersion should not be set on objects to be created$"):
        await store.post(CONFIG, "a", config({"resourceVersion": "7"}), ME)


async def test_merge_patch(store: EmbeddedStore):
    """Fields of the patch are merged in, nulls take away; the patcher owns what changed."""
    await store.post(CONFIG, "a", config(data={"x": "1", "y": "2"}), ME)
    written = await store.patch(
        CONFIG, KEY, "merge", {"data": {"x": "9", "y": None, "z": "3"}}, WriteOptions(manager="you")
    )
    assert written.object.value()["data"] == {"x": "9", "z": "3"}
    assert fields(written.object, "you") == {"f:data": {"f:x": {}, "f:z": {}}}
    with pytest.raises(BadRequestError, match="cannot unmarshal array"):
        await store.patch(CONFIG, KEY, "merge", [1], ME)


async def test_json_patch(store: EmbeddedStore):
    """All operations are performed, or none."""
    sent = config(data={"x": "1"})
    sent["metadata"]["annotations"] = {"a": "b"}
    await store.post(CONFIG, "a", sent, ME)
    good = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "add", "path": "/data/y", "value": "2"},
        {"op": "move", "from": "/data/x", "path": "/metadata/annotations/z~1z"},
    ]
    written = await store.patch(CONFIG, KEY, "json", good, ME)
    assert written.object.value()["data"] == {"y": "2"}
    assert written.object.value()["metadata"]["annotations"] == {"a": "b", "z/z": "1"}
    for bad in (
        [{"op": "add", "path": "/data/q", "value": "1"}, {"op": "test", "path": "/data/y", "value": "x"}],
        [{"op": "remove", "path": "/data/nothing"}],
        [{"op": "replace", "path": "/nothing/y", "value": 1}],
        [{"op": "invent", "path": "/data"}],
    ):
        with pytest.raises(InvalidObjectError) as caught:
            await store.patch(CONFIG, KEY, "json", bad, ME)
        assert str(caught.value) == "the server rejected our request due to an error in our request"
    assert await store.get(CONFIG, KEY) == written.object


async def test_strategic_merge_patch(store: EmbeddedStore):
    """Lists of built-in kinds merge by their keys, and directives take items away."""
    containers = [{"name": "app", "image": "a:1"}, {"name": "side", "image": "s:1"}]
    await store.post(DEPLOYMENT, "a", deployment(containers), ME)
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "new"}, {"name": "app"}],
                    "containers": [
                        {"name": "app", "image": "a:2"},
                        {"name": "new", "image": "n:1"},
                        {"name": "side", "$patch": "delete"},
                    ],
                }
            }
        }
    }
    written = await store.patch(DEPLOYMENT, KEY, "strategic", patch, ME)
    found = written.object.value()["spec"]["template"]["spec"]["containers"]
    assert [(each["name"], each["image"]) for each in found] == [("new", "n:1"), ("app", "a:2")]
    assert written.object.meta.generation == 2


async def test_patches_cannot_change_identity(store: EmbeddedStore):
    """Name and uid are what they are; other things of the API's are ignored."""
    first = (await store.post(CONFIG, "a", config(), ME)).object
    with pytest.raises(
        BadRequestError, match=r"the name of the object \(two\) does not match the name on the URL"
    ):
        await store.patch(CONFIG, KEY, "merge", {"metadata": {"name": "two"}}, ME)
    with pytest.raises(InvalidObjectError) as caught:
        await store.patch(CONFIG, KEY, "merge", {"metadata": {"uid": "b"}}, ME)
    assert str(caught.value) == (
        'ConfigMap "one" is invalid: metadata.uid: Invalid value: "b": field is immutable'
    )
    assert len(caught.value.details["causes"]) == 2
    sent = {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z", "generation": 7}}
    assert (await store.patch(CONFIG, KEY, "merge", sent, ME)).object == first


async def test_a_patch_of_nothing(store: EmbeddedStore):
    """Only an apply creates what is not there."""
    with pytest.raises(NotFoundError):
        await store.patch(CONFIG, KEY, "merge", {"data": {}}, ME)
    applied = await store.patch(CONFIG, KEY, "apply", config(data={"x": "1"}), ME)
    assert applied.is_created
    assert fields(applied.object, operation="Apply") == {"f:data": {"f:x": {}}}


async def test_dry_runs_write_nothing(store: EmbeddedStore):
    """Every write answers a dry run with what would be, and leaves no trace."""
    dry = WriteOptions(manager="me", is_dry_run=True)
    shown = await store.post(CONFIG, "a", config(data={"x": "1"}), dry)
    assert shown.is_created
    assert "resourceVersion" not in shown.object.value()["metadata"]
    with pytest.raises(NotFoundError):
        await store.get(CONFIG, KEY)
    first = (await store.post(CONFIG, "a", config(data={"x": "1"}), ME)).object
    assert (await store.put(CONFIG, KEY, config(data={"x": "2"}), dry)).object.value()["data"] == {"x": "2"}
    patched = await store.patch(CONFIG, KEY, "merge", {"data": {"x": "3"}}, dry)
    assert patched.object.value()["data"] == {"x": "3"}
    assert (await store.remove(CONFIG, KEY, DeleteOptions(is_dry_run=True))).is_gone
    assert await store.get(CONFIG, KEY) == first


async def test_immutable_content(store: EmbeddedStore):
    """An immutable ConfigMap keeps its data and its immutability; its labels may change."""
    await store.post(CONFIG, "a", config(data={"x": "1"}, immutable=True), ME)
    for patch, problem in (
        ({"data": {"x": "2"}}, "data: Forbidden: field is immutable when `immutable` is set"),
        ({"immutable": None}, "immutable: Forbidden: field is immutable when `immutable` is set"),
    ):
        with pytest.raises(InvalidObjectError) as caught:
            await store.patch(CONFIG, KEY, "merge", patch, ME)
        assert str(caught.value) == f'ConfigMap "one" is invalid: {problem}'
    await store.patch(CONFIG, KEY, "merge", {"metadata": {"labels": {"a": "b"}}}, ME)


async def test_secrets_take_text(store: EmbeddedStore):
    """`stringData` becomes data; a type is given and stays."""
    sent = {"metadata": {"name": "one"}, "stringData": {"x": "text"}}
    value = (await store.post(SECRET, "a", sent, ME)).object.value()
    assert value["data"] == {"x": "dGV4dA=="}
    assert value["type"] == "Opaque"
    assert "stringData" not in value
    with pytest.raises(InvalidObjectError, match=r"type: Invalid value: .*field is immutable"):
        await store.patch(SECRET, KEY, "merge", {"type": "other"}, ME)


async def test_scale(store: EmbeddedStore):
    """Scale shows and sets replicas; who set them is told as the manager of that subresource."""
    await store.post(DEPLOYMENT, "a", deployment(), ME)
    shown = (await store.read(DEPLOYMENT, KEY, "scale")).value()
    assert (shown["apiVersion"], shown["kind"]) == ("autoscaling/v1", "Scale")
    assert (shown["spec"], shown["status"]) == ({"replicas": 1}, {"replicas": 0, "selector": "app=x"})
    await store.patch(
        DEPLOYMENT, KEY, "merge", {"spec": {"replicas": 5}}, WriteOptions(manager="hpa"), "scale"
    )
    live = await store.get(DEPLOYMENT, KEY)
    assert live.value()["spec"]["replicas"] == 5
    assert live.meta.generation == 2
    assert fields(live, "hpa", subresource="scale") == {"f:spec": {"f:replicas": {}}}
    with pytest.raises(NotFoundError, match="could not find the requested resource"):
        await store.read(CONFIG, KEY, "scale")


async def test_status_by_update(store: EmbeddedStore):
    """A replace of status changes nothing else, not even a version of what is wanted."""
    await store.post(DEPLOYMENT, "a", deployment(), ME)
    sent = deployment(replicas=9) | {"status": {"replicas": 1}}
    written = await store.put(DEPLOYMENT, KEY, sent, WriteOptions(manager="kcm"), "status")
    value = written.object.value()
    assert (value["spec"]["replicas"], value["status"]) == (1, {"replicas": 1})
    assert written.object.meta.generation == 1
    assert fields(written.object, "kcm", subresource="status") == {"f:status": {"f:replicas": {}}}
    with pytest.raises(NotFoundError):
        await store.put(CONFIG, KEY, config(), ME, "status")


async def test_force_is_for_apply(store: EmbeddedStore):
    """Any other patch with force is refused."""
    await store.post(CONFIG, "a", config(), ME)
    with pytest.raises(InvalidObjectError) as caught:
        await store.patch(CONFIG, KEY, "merge", {}, WriteOptions(manager="me", force=True))
    assert str(caught.value) == (
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
    )


async def test_managed_fields_can_be_reset(store: EmbeddedStore):
    """One empty entry erases all managers, and nobody manages the object until somebody applies."""
    await store.post(CONFIG, "a", config(data={"x": "1"}), ME)
    reset = await store.patch(CONFIG, KEY, "merge", {"metadata": {"managedFields": [{}]}}, ME)
    assert "managedFields" not in reset.object.value()["metadata"]
    later = await store.patch(CONFIG, KEY, "merge", {"data": {"x": "2"}}, ME)
    assert "managedFields" not in later.object.value()["metadata"]
    applied = await store.patch(CONFIG, KEY, "apply", config(data={"x": "2"}), WriteOptions(manager="you"))
    assert fields(applied.object, "before-first-apply") == {"f:data": {".": {}, "f:x": {}}}
    entry = applied.object.value()["metadata"]["managedFields"][0]
    assert (entry["manager"], "time" in entry) == ("you", False)


async def test_an_empty_list_of_managers_erases_none(store: EmbeddedStore):
    """Clients that do not know managed fields send none of them back."""
    first = await store.post(CONFIG, "a", config(data={"x": "1"}), ME)
    again = await store.put(CONFIG, KEY, config({"managedFields": []}, data={"x": "1"}), ME)
    assert again.object == first.object


async def test_at_most_ten_updaters(store: EmbeddedStore, clock: ManualClock):
    """The eleventh manager makes the two oldest one, called `ancient-changes`."""
    await store.post(CONFIG, "a", config(data={"m00": "x"}), WriteOptions(manager="m00"))
    for number in range(1, 13):
        clock.advance(1)
        patch = {"data": {f"m{number:02}": "x"}}
        last = await store.patch(CONFIG, KEY, "merge", patch, WriteOptions(manager=f"m{number:02}"))
    entries = last.object.value()["metadata"]["managedFields"]
    assert len(entries) == 10
    assert [entry["manager"] for entry in entries] == ["ancient-changes", *(f"m{n:02}" for n in range(4, 13))]
    assert fields(last.object, "ancient-changes") == {
        "f:data": {".": {}, "f:m00": {}, "f:m01": {}, "f:m02": {}, "f:m03": {}}
    }


async def test_preconditions_of_a_deletion(store: EmbeddedStore):
    """A deletion may be of one life and one version only."""
    first = (await store.post(CONFIG, "a", config(), ME)).object
    with pytest.raises(ConflictError) as caught:
        await store.remove(CONFIG, KEY, DeleteOptions(uid="x"))
    assert str(caught.value) == (
        'Operation cannot be fulfilled on ConfigMap "one": the UID in the precondition (x) does not match the UID in'
        f" record ({first.meta.uid}). The object might have been deleted and then recreated"
    )
    with pytest.raises(ConflictError, match=r"the ResourceVersion in the precondition \(1\) does not match"):
        await store.remove(CONFIG, KEY, DeleteOptions(resource_version="1"))
    options = DeleteOptions(uid=first.meta.uid, resource_version=first.meta.resource_version)
    assert (await store.remove(CONFIG, KEY, options)).is_gone
