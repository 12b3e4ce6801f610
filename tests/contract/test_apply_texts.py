"""Smallest cases that random histories found: what an apply may say, who owns what it wrote, and the words of refusals.

Answers and texts are those of kube-apiserver 1.36; `test_histories` holds the store against a real one.
"""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.api.core import CUSTOM_RESOURCE_DEFINITION as CRD
from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import (
    AlreadyExistsError,
    BadRequestError,
    ConflictError,
    DeleteOptions,
    UnfitError,
    WriteOptions,
)
from pilotage.store.embedded import EmbeddedStore

THING = Kind("ex.dev", "v1", "Thing", "things")
KEY = ObjectKey("a", "one")
ME = WriteOptions(manager="me")
TEXTS = {"type": "array", "items": {"type": "string"}}
PORT = {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]}
SPEC = {
    "type": "object",
    "properties": {
        "tags": {**TEXTS, "x-kubernetes-list-type": "set"},
        "args": TEXTS,
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
            "items": PORT,
        },
        "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "color": {"type": "string", "default": "red"},
        "replicas": {"type": "integer"},
    },
}
STATUS = {"type": "object", "properties": {"count": {"type": "integer"}}}
SUBRESOURCES = {
    "status": {},
    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.count"},
}


@pytest.fixture
async def things(store: EmbeddedStore) -> EmbeddedStore:
    """The store, with a kind whose lists merge in every way."""
    schema = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {
        "metadata": {"name": THING.resource},
        "spec": {
            "group": THING.group,
            "scope": "Namespaced",
            "names": {"kind": THING.kind, "plural": THING.plural},
            "versions": [{**version, "subresources": SUBRESOURCES}],
        },
    }
    await store.create(CRD, definition, manager="set-up")
    return store


def thing(metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": THING.api_version,
        "kind": THING.kind,
        "metadata": {"name": KEY.name, **(metadata or {})},
        **fields,
    }


def managed(value: dict[str, Any]) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in value["metadata"].get("managedFields", ())}


@pytest.mark.parametrize(
    ("metadata", "spec", "fault"),
    [
        pytest.param(
            {"labels": {"a": 1}},
            {},
            ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}",
            id="label",
        ),
        pytest.param({"labels": "x"}, {}, ".metadata.labels: expected map, got &{x}", id="labels"),
        pytest.param({"other": 1}, {}, ".metadata.other: field not declared in schema", id="unknown"),
        pytest.param(
            {"generation": "x"},
            {},
            ".metadata.generation: expected numeric (int or float), got string",
            id="generation",
        ),
        pytest.param(
            {"finalizers": ["a", None]},
            {},
            ".metadata.finalizers: element 1: associative list without keys has an element that's an explicit null",
            id="null in a set",
        ),
        pytest.param(
            {"ownerReferences": [{"uid": "1", "controller": "x"}]},
            {},
            '.metadata.ownerReferences[uid="1"].controller: expected boolean, got &{x}',
            id="owner",
        ),
        pytest.param(
            {},
            {"tags": [{}]},
            ".spec.tags: element 0: associative list without keys has an element that's a map type",
            id="map in a set",
        ),
        pytest.param(
            {},
            {"tags": [["a"]]},
            ".spec.tags: element 0: not supported: associative list with lists as elements",
            id="list in a set",
        ),
        pytest.param(
            {},
            {"ports": [1]},
            ".spec.ports: element 0: associative list with keys may not have non-map elements",
            id="number in a keyed list",
        ),
        pytest.param(
            {},
            {"ports": [None]},
            ".spec.ports: element 0: associative list with keys may not have a null element",
            id="null in a keyed list",
        ),
        pytest.param(
            {},
            {"args": [1]},
            ".spec.args[0]: expected string, got &value.valueUnstructured{Value:1}",
            id="list of one value",
        ),
    ],
)
async def test_an_apply_must_fit(
    things: EmbeddedStore, metadata: dict[str, Any], spec: dict[str, Any], fault: str
):
    """What has no place in the schema, metadata included, is named by its place."""
    with pytest.raises(UnfitError) as caught:
        await things.patch(THING, KEY, "apply", thing(metadata, spec=spec), ME)
    assert str(caught.value) == f"failed to create typed patch object (/one; ex.dev/v1, Kind=Thing): {fault}"


async def test_who_says_that_there_are_no_labels_owns_that(things: EmbeddedStore):
    """Empty maps of metadata are not kept, but owned; saying it again writes nothing."""
    written = await things.patch(THING, KEY, "apply", thing({"labels": {}}), ME)
    assert "labels" not in written.object.value()["metadata"]
    assert managed(written.object.value()) == {"me": {"f:metadata": {"f:labels": {}}}}
    again = await things.patch(THING, KEY, "apply", thing({"labels": {}}), ME)
    assert again.object == written.object


async def test_entries_of_an_open_map_are_owned_beside_their_content(things: EmbeddedStore):
    """A declared field is owned by what it holds, an entry without a name in the schema also by itself."""
    written = await things.patch(THING, KEY, "apply", thing(spec={"raw": {"y": {"a": ""}}}), ME)
    assert managed(written.object.value())["me"] == {"f:spec": {"f:raw": {"f:y": {".": {}, "f:a": {}}}}}


async def test_an_apply_says_whose_and_of_which_kind_it_is(things: EmbeddedStore):
    """Without a name, or with another type, it is refused."""
    with pytest.raises(BadRequestError, match=r"^the name of the object \(one based on URL\) was undetermin"):
        await things.patch(THING, KEY, "apply", {**thing(), "metadata": {}}, ME)
    with pytest.raises(BadRequestError, match=r"^invalid object type: x/v1, Kind=Thing$"):
        await things.patch(THING, KEY, "apply", {**thing(), "apiVersion": "x/v1"}, ME)


async def test_sent_managers_of_a_new_object_are_kept(things: EmbeddedStore):
    """Who restores an object may say who owned what; entries that make no sense are ignored."""
    entry = {"manager": "x", "operation": "Update", "apiVersion": "ex.dev/v1", "fieldsType": "FieldsV1"}
    sent = thing({"managedFields": [{**entry, "fieldsV1": {"f:spec": {}}}]})
    written = await things.post(THING, "a", sent, ME)
    assert managed(written.object.value()) == {"x": {"f:spec": {}}}


async def test_a_status_of_another_type_leaves_a_write_without_owners(things: EmbeddedStore):
    """Status counts for nothing in a create; one that does not fit makes the server give up on owners."""
    written = await things.post(THING, "a", thing(spec={"replicas": 1}, status=-1), ME)
    assert managed(written.object.value()) == {}


async def test_what_a_door_does_not_let_through_is_read(things: EmbeddedStore):
    """Unknown fields are told of in parts that are not written, and refused under strict validation."""
    await things.post(THING, "a", thing(), ME)
    written = await things.patch(THING, KEY, "merge", {"unknown": 1}, ME, "status")
    assert written.warnings == ('unknown field "unknown"',)
    with pytest.raises(BadRequestError, match='strict decoding error: unknown field "unknown"'):
        await things.put(
            THING, KEY, thing(unknown=1), WriteOptions(manager="me", validation="Strict"), "status"
        )


async def test_a_name_that_is_being_deleted_is_taken(things: EmbeddedStore):
    """The error says that it will be free."""
    await things.post(THING, "a", thing({"finalizers": ["x.dev/a"]}), ME)
    await things.delete(THING, KEY)
    with pytest.raises(AlreadyExistsError) as caught:
        await things.post(THING, "a", thing(), ME)
    assert str(caught.value) == 'object is being deleted: things.ex.dev "one" already exists'


async def test_preconditions_of_a_delete_name_the_kind(things: EmbeddedStore):
    """Not the resource, as other conflicts do."""
    await things.post(THING, "a", thing(), ME)
    with pytest.raises(
        ConflictError, match=r'^Operation cannot be fulfilled on Thing\.ex\.dev "one": the UID'
    ):
        await things.remove(THING, KEY, DeleteOptions(uid="other"))


async def test_finalizers_without_a_domain_are_warned_of(things: EmbeddedStore):
    """Built-in kinds refuse them; of custom resources they are kept."""
    written = await things.post(THING, "a", thing({"finalizers": ["plain"]}), ME)
    assert written.warnings == (
        (
            'metadata.finalizers: "plain": prefer a domain-qualified finalizer name to avoid accidental conflicts'
            " with other finalizer writers"
        ),
    )


async def test_a_scale_fills_in_what_is_missing(things: EmbeddedStore):
    """The first replicas make a spec, which gets its defaults."""
    await things.post(THING, "a", thing(), ME)
    await things.put(THING, KEY, {"metadata": {"name": "one"}, "spec": {"replicas": 2}}, ME, "scale")
    assert (await things.get(THING, KEY)).value()["spec"] == {"color": "red", "replicas": 2}


@pytest.mark.parametrize("version", ["x", "0", ""])
async def test_a_version_that_is_none_does_not_stop_a_create(things: EmbeddedStore, version: str):
    """Only a version that an object may have says that it is there already."""
    written = await things.post(THING, "a", thing({"resourceVersion": version}), ME)
    assert written.is_created


async def test_a_json_patch_may_copy_what_is_not_there(things: EmbeddedStore):
    """A field that is not there is copied as null."""
    await things.post(THING, "a", thing(spec={"replicas": 1}), ME)
    operation = {"op": "copy", "from": "/spec/none", "path": "/spec/color"}
    written = await things.patch(THING, KEY, "json", [operation], ME)
    assert written.object.value()["spec"] == {"color": "red", "replicas": 1}


async def test_a_json_patch_that_fits_nothing(things: EmbeddedStore):
    """The answer carries empty details."""
    await things.post(THING, "a", thing(), ME)
    with pytest.raises(Exception, match="the server rejected our request") as caught:
        await things.patch(THING, KEY, "json", [{"op": "remove", "path": "/spec/none"}], ME)
    assert caught.value.details == {"causes": ()}
