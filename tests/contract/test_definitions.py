"""Custom resource definitions: objects that define kinds, at once. Behaviour and texts are those of kube-apiserver 1.36."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pilotage.api.core import CUSTOM_RESOURCE_DEFINITION as CRD
from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import (
    BadRequestError,
    DeleteOptions,
    ForbiddenError,
    InvalidObjectError,
    ListOptions,
    MediaTypeError,
    NotFoundError,
    UnfitError,
    WriteOptions,
)
from pilotage.store.embedded import EmbeddedStore

FOO = Kind("ex.dev", "v1", "Foo", "foos")
ALPHA = Kind("ex.dev", "v1alpha1", "Foo", "foos")
ME = WriteOptions(manager="me")
KEY = ObjectKey("default", "a")

SPEC = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer", "default": 1},
        "color": {"type": "string"},
        "list": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["n"],
            "items": {
                "type": "object",
                "required": ["n"],
                "properties": {"n": {"type": "string"}, "v": {"type": "integer"}},
            },
        },
    },
    "x-kubernetes-validations": [
        {"rule": "!has(self.color) || self.color != 'bad'", "message": "no bad color"}
    ],
}
STATUS = {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}}
SUBRESOURCES = {
    "status": {},
    "scale": {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
}


def definition(plural: str = "foos", kind: str = "Foo") -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.ex.dev"},
        "spec": {
            "group": "ex.dev",
            "names": {"plural": plural, "kind": kind},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": SUBRESOURCES,
                    "selectableFields": [{"jsonPath": ".spec.color"}],
                    "additionalPrinterColumns": [{"name": "C", "type": "string", "jsonPath": ".spec.color"}],
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
                    },
                },
                {
                    "name": "v1alpha1",
                    "served": True,
                    "storage": False,
                    "subresources": {"status": {}},
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                    },
                },
            ],
        },
    }


def foo(metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "ex.dev/v1", "kind": "Foo", "metadata": {"name": "a", **(metadata or {})}, **fields}


@pytest.fixture
async def defined(store: EmbeddedStore) -> EmbeddedStore:
    await store.post(CRD, "", definition(), ME)
    return store


async def gone(store: EmbeddedStore, kind: Kind, key: ObjectKey) -> None:
    """Wait until an object is gone."""
    async with asyncio.timeout(10):
        listing = await store.list(kind)
        if all(item.key != key for item in listing.items):
            return
        async for event in store.watch(kind, listing.resource_version):
            if event.type == "DELETED" and event.object.key == key:
                return


def conditions(value: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {
        entry["type"]: (entry["status"], entry["reason"], entry["message"])
        for entry in value["status"]["conditions"]
    }


async def test_a_definition_is_established(defined: EmbeddedStore):
    """Names are filled in and accepted, and the kind is there."""
    value = (await defined.get(CRD, ObjectKey("", "foos.ex.dev"))).value()
    assert value["spec"]["names"] == {
        "plural": "foos",
        "singular": "foo",
        "kind": "Foo",
        "listKind": "FooList",
    }
    assert value["spec"]["conversion"] == {"strategy": "None"}
    assert value["status"]["acceptedNames"] == value["spec"]["names"]
    assert value["status"]["storedVersions"] == ["v1"]
    assert conditions(value) == {
        "NamesAccepted": ("True", "NoConflicts", "no conflicts found"),
        "Established": ("True", "InitialNamesAccepted", "the initial names have been accepted"),
    }
    managers = [(entry["manager"], entry.get("subresource")) for entry in value["metadata"]["managedFields"]]
    assert managers == [("kube-apiserver", "status"), ("me", None)]
    owned = {entry["manager"]: entry["fieldsV1"] for entry in value["metadata"]["managedFields"]}
    assert owned["me"] == {
        "f:spec": {
            "f:conversion": {".": {}, "f:strategy": {}},
            "f:group": {},
            "f:names": {"f:kind": {}, "f:listKind": {}, "f:plural": {}, "f:singular": {}},
            "f:scope": {},
            "f:versions": {},
        }
    }
    condition = {
        ".": {},
        **{f"f:{name}": {} for name in ("lastTransitionTime", "message", "reason", "status", "type")},
    }
    assert owned["kube-apiserver"] == {
        "f:status": {
            "f:acceptedNames": {"f:kind": {}, "f:listKind": {}, "f:plural": {}, "f:singular": {}},
            "f:conditions": {
                'k:{"type":"Established"}': condition,
                'k:{"type":"NamesAccepted"}': condition,
            },
        }
    }


async def test_names_are_given_once(defined: EmbeddedStore):
    """A second definition with a kind that is taken waits, and gets it when the first is gone."""
    await defined.post(CRD, "", definition("bars"), ME)
    key = ObjectKey("", "bars.ex.dev")
    value = (await defined.get(CRD, key)).value()
    assert conditions(value) == {
        "NamesAccepted": ("False", "ListKindConflict", '"FooList" is already in use'),
        "Established": ("False", "NotAccepted", "not all names are accepted"),
    }
    await defined.delete(CRD, ObjectKey("", "foos.ex.dev"))
    await gone(defined, CRD, ObjectKey("", "foos.ex.dev"))
    assert conditions((await defined.get(CRD, key)).value())["Established"][0] == "True"


async def test_a_bad_definition_is_refused(store: EmbeddedStore):
    """The name must say plural and group, and a version must have a schema."""
    bad = definition()
    bad["metadata"]["name"] = "other.ex.dev"
    with pytest.raises(InvalidObjectError) as caught:
        await store.post(CRD, "", bad, ME)
    assert str(caught.value) == (
        'CustomResourceDefinition.apiextensions.k8s.io "other.ex.dev" is invalid: metadata.name: Invalid value:'
        ' "other.ex.dev": must be spec.names.plural+"."+spec.group'
    )


async def test_a_rule_that_makes_no_sense_is_refused(store: EmbeddedStore):
    """Rules are compiled when the definition is written."""
    bad = definition()
    versions = bad["spec"]["versions"]
    rules = [{"rule": "self.nothing > 1", "message": "x"}]
    versions[0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "properties": {"spec": {**SPEC, "x-kubernetes-validations": rules}, "status": STATUS},
    }
    with pytest.raises(
        InvalidObjectError, match=r"openAPIV3Schema.properties\[spec\].x-kubernetes-validations\[0\]"
    ):
        await store.post(CRD, "", bad, ME)


async def test_objects_are_filled_pruned_and_warned_of(defined: EmbeddedStore):
    """Defaults come, unknown fields and status go; how loudly is said by `fieldValidation`."""
    sent = foo(spec={"color": "red", "junk": 1}, status={"replicas": 3})
    written = await defined.post(FOO, "default", sent, ME)
    assert written.warnings == ('unknown field "spec.junk"',)
    value = written.object.value()
    assert value["spec"] == {"color": "red", "replicas": 1}
    assert "status" not in value
    assert value["metadata"]["managedFields"][0]["fieldsV1"] == {
        "f:spec": {".": {}, "f:color": {}, "f:replicas": {}}
    }
    strict = WriteOptions(manager="me", validation="Strict", is_dry_run=True)
    with pytest.raises(BadRequestError) as caught:
        await defined.post(FOO, "default", foo({"name": "b"}, spec={"junk": 1}), strict)
    assert str(caught.value) == (
        'Foo in version "v1" cannot be handled as a Foo: strict decoding error: unknown field "spec.junk"'
    )


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        pytest.param(
            foo(spec={"color": "bad"}),
            'Foo.ex.dev "a" is invalid: spec: Invalid value: no bad color',
            id="rule",
        ),
        pytest.param(
            foo(spec={"color": 3}),
            'Foo.ex.dev "a" is invalid: [spec.color: Invalid value: "integer": spec.color in body must be of type'
            ' string: "integer", <nil>: Invalid value: null: some validation rules were not checked because the object'
            " was invalid; correct the existing errors to complete validation]",
            id="type",
        ),
        pytest.param(
            {**foo(), "kind": "Bar"},
            'Bar.ex.dev "a" is invalid: kind: Invalid value: "Bar": must be Foo',
            id="kind",
        ),
        pytest.param(
            {**foo(), "apiVersion": "ex.dev/v2"},
            "the API version in the data (ex.dev/v2) does not match the expected API version (ex.dev/v1)",
            id="version",
        ),
    ],
)
async def test_objects_are_judged(defined: EmbeddedStore, manifest: dict[str, Any], problem: str):
    """A custom resource that breaks its schema or rules is refused, by create and by patch."""
    with pytest.raises(InvalidObjectError) as caught:
        await defined.post(FOO, "default", manifest, ME)
    assert str(caught.value) == problem
    if "spec" in manifest:
        await defined.post(FOO, "default", foo(), ME)
        with pytest.raises(InvalidObjectError) as caught:
            await defined.patch(FOO, KEY, "merge", {"spec": manifest["spec"]}, ME)
        assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        pytest.param(
            {"color": 3}, ".spec.color: expected string, got &value.valueUnstructured{Value:3}", id="type"
        ),
        pytest.param({"junk": 3}, ".spec.junk: field not declared in schema", id="unknown"),
        pytest.param(
            {"list": [{"n": "a"}, {"n": "a"}]}, '.spec.list: duplicate entries for key [n="a"]', id="twice"
        ),
        pytest.param(
            {"list": [{"v": 1}]},
            '.spec.list: element 0: associative list with keys has an element that omits all key fields ["n"] (and'
            " doesn't have default values for any key fields)",
            id="no key",
        ),
    ],
)
async def test_an_apply_must_fit_the_schema(defined: EmbeddedStore, spec: dict[str, Any], problem: str):
    """What the schema does not declare cannot be applied."""
    await defined.post(FOO, "default", foo(), ME)
    with pytest.raises(UnfitError) as caught:
        await defined.patch(FOO, KEY, "apply", foo(spec=spec), ME)
    assert str(caught.value) == (f"failed to create typed patch object (/a; ex.dev/v1, Kind=Foo): {problem}")


async def test_lists_merge_as_the_schema_says(defined: EmbeddedStore):
    """Two appliers of a keyed list keep out of each other's way; defaults are nobody's."""
    first = await defined.patch(FOO, KEY, "apply", foo(spec={"list": [{"n": "x", "v": 1}]}), ME)
    assert first.is_created
    assert first.object.value()["spec"]["replicas"] == 1
    other = WriteOptions(manager="other")
    second = await defined.patch(FOO, KEY, "apply", foo(spec={"list": [{"n": "y"}]}), other)
    assert second.object.value()["spec"]["list"] == [{"n": "x", "v": 1}, {"n": "y"}]
    owned = {
        entry["manager"]: entry["fieldsV1"] for entry in second.object.value()["metadata"]["managedFields"]
    }
    assert owned["other"] == {"f:spec": {"f:list": {'k:{"n":"y"}': {".": {}, "f:n": {}}}}}
    again = await defined.patch(FOO, KEY, "apply", foo(spec={"list": [{"n": "y"}]}), other)
    assert again.object == second.object


async def test_every_served_version_reads_every_object(defined: EmbeddedStore):
    """With strategy None, versions differ in name; objects are kept in the storage version."""
    await defined.post(FOO, "default", foo(spec={"color": "red"}), ME)
    assert (await defined.get(ALPHA, KEY)).value()["apiVersion"] == "ex.dev/v1alpha1"
    alpha = {"apiVersion": "ex.dev/v1alpha1", "kind": "Foo", "metadata": {"name": "b"}, "anything": [1]}
    written = await defined.post(ALPHA, "default", alpha, ME)
    assert written.object.header.api_version == "ex.dev/v1alpha1"
    listing = await defined.list(FOO)
    assert [item.header.api_version for item in listing.items] == ["ex.dev/v1"] * 2
    stored = (await defined.everything()).items
    assert {item.header.api_version for item in stored if item.kind == "Foo"} == {"ex.dev/v1"}
    with pytest.raises(NotFoundError, match="could not find the requested resource"):
        await defined.get(Kind("ex.dev", "v2", "Foo", "foos"), KEY)


async def test_an_update_names_the_version_it_saw(defined: EmbeddedStore):
    """A custom resource cannot be replaced blindly, nor patched strategically."""
    await defined.post(FOO, "default", foo(), ME)
    with pytest.raises(InvalidObjectError) as caught:
        await defined.put(FOO, KEY, foo(spec={}), ME)
    assert str(caught.value) == (
        'foos.ex.dev "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    )
    with pytest.raises(MediaTypeError, match="accepted media types include: application/json-patch"):
        await defined.patch(FOO, KEY, "strategic", {}, ME)


async def test_scale_of_a_custom_resource(defined: EmbeddedStore):
    """The definition says where the numbers stand; they are judged by their path."""
    await defined.post(FOO, "default", foo(), ME)
    await defined.patch(FOO, KEY, "merge", {"status": {"replicas": 2, "selector": "a=b"}}, ME, "status")
    scaled = await defined.patch(FOO, KEY, "merge", {"spec": {"replicas": 6}}, ME, "scale")
    value = scaled.object.value()
    assert (value["spec"], value["status"]) == ({"replicas": 6}, {"replicas": 2, "selector": "a=b"})
    assert (await defined.get(FOO, KEY)).meta.generation == 2
    with pytest.raises(InvalidObjectError) as caught:
        await defined.patch(FOO, KEY, "merge", {"spec": {"replicas": -6}}, ME, "scale")
    assert str(caught.value) == (
        'Foo.ex.dev "a" is invalid: .spec.replicas: Invalid value: -6: should be a non-negative integer'
    )


async def test_selectable_fields(defined: EmbeddedStore):
    """A field selector may name what the definition lists, and nothing else."""
    for name, color in (("a", "red"), ("b", "blue")):
        await defined.post(FOO, "default", foo({"name": name}, spec={"color": color}), ME)
    page = await defined.page(FOO, ListOptions(fields="spec.color=red"))
    assert [item.meta.name for item in page.items] == ["a"]
    with pytest.raises(BadRequestError, match=r"^field label not supported: spec\.replicas$"):
        await defined.page(FOO, ListOptions(fields="spec.replicas=1"))


async def test_discovery(defined: EmbeddedStore):
    """What is served is told with its columns, subresources and schema."""
    served = {(each.kind.resource, each.kind.version): each for each in await defined.kinds()}
    found = served["foos.ex.dev", "v1"]
    assert (found.singular, found.list_kind, found.subresources) == ("foo", "FooList", ("status", "scale"))
    assert (found.is_preferred, served["foos.ex.dev", "v1alpha1"].is_preferred) == (True, False)
    assert found.columns == ({"name": "C", "type": "string", "jsonPath": ".spec.color"},)
    assert found.schema["properties"]["status"] == STATUS
    assert served["configmaps", "v1"].kind.short_names == ("cm",)


async def test_a_definition_goes_after_its_objects(defined: EmbeddedStore):
    """Deleting a definition deletes its objects first; meanwhile none can be created; then the kind is unknown."""
    held = foo({"finalizers": ["ex.dev/hold"]})
    await defined.post(FOO, "default", held, ME)
    await defined.post(FOO, "default", foo({"name": "free"}), ME)
    crd = ObjectKey("", "foos.ex.dev")
    deleted = await defined.remove(CRD, crd, DeleteOptions())
    assert not deleted.is_gone
    assert deleted.object.meta.finalizers == ("customresourcecleanup.apiextensions.k8s.io",)
    assert conditions(deleted.object.value())["Terminating"] == (
        "True",
        "InstanceDeletionInProgress",
        "CustomResource deletion is in progress",
    )
    await gone(defined, FOO, ObjectKey("default", "free"))
    with pytest.raises(ForbiddenError) as caught:
        await defined.post(FOO, "default", foo({"name": "late"}), ME)
    assert str(caught.value) == (
        'foos.ex.dev "late" is forbidden: create not allowed while custom resource definition is terminating'
    )
    assert (await defined.get(FOO, KEY)).meta.deletion_timestamp
    await defined.patch(FOO, KEY, "merge", {"metadata": {"finalizers": None}}, ME)
    await gone(defined, CRD, crd)
    assert not any(each.kind.group == "ex.dev" for each in await defined.kinds())
