"""The OpenAPI documents: what they say of kinds, how they are kept, and that a real kube-apiserver says the same."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pilotage.apiserver import openapi
from pilotage.apiserver.description import gnostic

from . import served
from .realrequests import Asker

KINDS = served.kinds()
PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
NEW_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def document(path: str, accept: str = "application/json", **query: str) -> Any:
    answer = openapi.answer(path, accept, query, KINDS, served.objects())
    assert answer is not None
    return json.loads(answer.body)


def test_every_kind_can_be_patched_with_care():
    """Kubectl looks for dryRun and fieldValidation at the PATCH of a kind before it sends any."""
    for path in document("/openapi/v3")["paths"]:
        found = document(f"/openapi/v3/{path}")
        for item in found["paths"].values():
            if "patch" in item:
                names = {parameter["name"] for parameter in item["patch"]["parameters"]}
                assert {"dryRun", "fieldValidation", "fieldManager", "force"} <= names
    patched = document("/openapi/v2")["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"][
        "patch"
    ]
    assert {"dryRun", "fieldValidation"} <= {each.get("name") for each in patched["parameters"]}


def test_lists_say_how_they_merge():
    """Strategic merge patches of kubectl need the merge keys of lists."""
    containers = document("/openapi/v3/api/v1")["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"][
        "properties"
    ]["containers"]
    assert ("name", "merge") == (
        containers["x-kubernetes-patch-merge-key"],
        containers["x-kubernetes-patch-strategy"],
    )


def test_a_definition_says_what_its_kind_is():
    """Descriptions, types and rules of a definition reach clients; what every object has is added."""
    widget = document("/openapi/v3/apis/shown.example.com/v1")["components"]["schemas"][
        "com.example.shown.v1.Widget"
    ]
    assert widget["description"] == "A widget."
    assert {"apiVersion", "kind", "metadata", "spec", "status"} == set(widget["properties"])
    assert widget["properties"]["spec"]["properties"]["color"]["default"] == "red"
    assert [{"group": "shown.example.com", "kind": "Widget", "version": "v1"}] == widget[
        "x-kubernetes-group-version-kind"
    ]


def test_no_reference_leads_nowhere():
    """Everything that a document refers to is in it."""
    for path in document("/openapi/v3")["paths"]:
        found = document(f"/openapi/v3/{path}")
        assert references(found) <= {
            f"#/components/schemas/{name}" for name in found["components"]["schemas"]
        }
    found = document("/openapi/v2")
    there = {f"#/definitions/{name}" for name in found["definitions"]}
    assert references(found) <= there | {f"#/parameters/{name}" for name in found["parameters"]}


def references(value: Any) -> set[str]:
    found: set[str] = set()
    for child in value.values() if isinstance(value, dict) else (value if isinstance(value, list) else ()):
        found |= references(child)
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        found.add(value["$ref"])
    return found


def test_names_of_operations_are_used_once():
    """Generated clients name their methods after operations."""
    paths = document("/openapi/v2")["paths"]
    names = [
        operation["operationId"]
        for item in paths.values()
        for operation in item.values()
        if "operationId" in operation
    ]
    assert len(names) == len(set(names))


def test_addresses_of_documents_change_with_them():
    """The index carries a tag for each document; only the group whose definition changed has another one."""
    before = document("/openapi/v3")["paths"]
    answer = openapi.answer("/openapi/v3", "", {}, KINDS, served.objects(version="2"))
    assert answer is not None
    after = json.loads(answer.body)["paths"]
    changed = {path for path in before if before[path] != after[path]}
    assert {
        "apis/shown.example.com/v1",
        "apis/shown.example.com/v1alpha1",
        "apis/shown.example.com/v1beta1",
    } == changed


def test_a_document_may_be_kept_when_asked_by_its_tag():
    """With the tag of the index a document is for ever; with an older one the client is sent to the newer one."""
    address = document("/openapi/v3")["paths"]["apis/shown.example.com/v1"]["serverRelativeURL"]
    path, _, tag = address.partition("?hash=")
    kept = openapi.answer(path, "", {"hash": tag}, KINDS, served.objects())
    assert kept is not None
    assert (200, "public, immutable", f'"{tag}"') == (
        kept.status,
        kept.headers["Cache-Control"],
        kept.headers["ETag"],
    )
    old = openapi.answer(path, "", {"hash": "OLD"}, KINDS, served.objects())
    assert old is not None
    assert (301, address) == (old.status, old.headers["Location"])


@pytest.mark.parametrize(
    "path", ["/openapi", "/openapi/v3/apis/nobody.example/v1", "/openapi/v1", "/openapi/v3/apis"]
)
def test_what_is_not_served_has_no_document(path: str):
    """No document of what is not there."""
    assert openapi.answer(path, "", {}, KINDS, served.objects()) is None


def test_a_schema_that_changed_is_described_anew():
    """A newer version of a definition gives a newer document, in every form."""
    last = KINDS[-1]
    schema = {"type": "object", "description": "Changed."}
    kinds = (*KINDS[:-1], msgspec.structs.replace(last, schema=schema))
    for accept in ("application/json", PROTOBUF):
        before = openapi.answer("/openapi/v2", accept, {}, KINDS, served.objects())
        after = openapi.answer("/openapi/v2", accept, {}, kinds, served.objects(version="9"))
        assert before is not None
        assert after is not None
        assert b"Changed." not in before.body
        assert b"Changed." in after.body
        assert before.headers["ETag"] != after.headers["ETag"]


@pytest.mark.parametrize("accept", [PROTOBUF, NEW_PROTOBUF, f"{PROTOBUF},application/json"])
def test_protobuf_for_who_asks_for_it(accept: str):
    """Both names of the form are understood; the answer bears the valid one."""
    answer = openapi.answer("/openapi/v2", accept, {}, KINDS, served.objects())
    assert answer is not None
    assert answer.content_type == NEW_PROTOBUF
    fields = dict(messages(answer.body))
    assert b"2.0" == fields[1]
    names = {dict(messages(entry))[1].decode() for _, entry in messages(fields[9])}
    assert names == set(document("/openapi/v2")["definitions"])
    paths = {dict(messages(entry))[1].decode() for _, entry in messages(fields[8])}
    assert paths == set(document("/openapi/v2")["paths"])


def messages(text: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: numbers, and contents by wire type."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = text[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(text):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = 8 if key & 7 == 1 else varint()
        yield key >> 3, text[at : at + size]
        at += size


def test_numbers_on_the_wire():
    """Large, negative and broken numbers are written as protobuf has them."""
    schema = {"maxLength": 300, "minLength": -1, "maximum": 0.5, "exclusiveMaximum": True, "x-a": {"b": [1]}}
    entry = dict(messages(dict(messages(gnostic.definition("n", schema)))[1]))
    fields = dict(messages(entry[2]))
    assert (300, 2**64 - 1, b"\0\0\0\0\0\0\xe0?", 1) == (fields[11], fields[12], fields[7], fields[8])
    assert {1: b"x-a", 2: b'\x12\x09{"b":[1]}'} == dict(messages(fields[31]))


def test_hundreds_of_definitions():
    """With 300 definitions a changed one costs its own part, and an index no document at all."""
    definition = served.definitions()[0]
    many, objects = list(KINDS), []
    for number in range(300):
        spec = {**definition["spec"], "group": f"g{number}.example.com"}
        many += list(served.custom({**definition, "spec": spec}))
        metadata = {"name": f"widgets.g{number}.example.com", "uid": str(number), "resourceVersion": "1"}
        objects.append(served.Object.of({**definition, "metadata": metadata}))
    first = timed("/openapi/v2", many, objects)
    metadata = {"name": "widgets.g7.example.com", "uid": "7", "resourceVersion": "2"}
    objects[7] = served.Object.of({**definition, "metadata": metadata})
    assert timed("/openapi/v2", many, objects) < first
    assert timed("/openapi/v3", many, objects) < first / 5


def timed(path: str, kinds: Any, objects: Any) -> float:
    began = time.process_time()
    assert openapi.answer(path, "", {}, kinds, objects) is not None
    return time.process_time() - began


# The same on a real server

TOLD_OTHERWISE = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
"""Says for each group of a server that it belongs there: we serve others."""


def bare(value: Any) -> Any:
    """Without descriptions: those of built-in kinds do not come with the package, and ours have our words."""
    if isinstance(value, dict):
        return {
            name: bare(child)
            for name, child in value.items()
            if not (name == "description" and isinstance(child, str))
        }
    return [bare(child) for child in value] if isinstance(value, list) else value


def test_a_real_server_has_the_same_types(asker: Asker):
    """Every type is that of kube-apiserver, in both versions, but for descriptions."""
    for path in (
        "/openapi/v2",
        "/openapi/v3/apis/shown.example.com/v1",
        "/openapi/v3/apis/shown.example.com/v1beta1",
    ):
        real, ours = bare(waited(asker, path)), bare(document(path))
        real, ours = (each.get("definitions") or each["components"]["schemas"] for each in (real, ours))
        different = {name for name in ours if ours[name] != real.get(name)}
        assert different <= {TOLD_OTHERWISE}


def waited(asker: Asker, path: str) -> Any:
    """The document, once the server has put our definitions into it, which it does in its own time."""
    deadline = time.monotonic() + 60
    while True:
        told = asker.ask(path)
        if told.code == 200 and b"com.example.shown.v1" in told.body:
            return told.json()
        assert time.monotonic() < deadline, "the definitions were not described in time"
        time.sleep(0.2)


def test_a_real_server_has_the_same_operations(asker: Asker):
    """Every address is one of kube-apiserver's, and what can be done there has the same name and parameters."""
    real, ours = waited(asker, "/openapi/v2")["paths"], document("/openapi/v2")["paths"]
    for path, item in ours.items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            other = real[path][method]
            assert (path, other["operationId"], other["tags"]) == (
                path,
                operation["operationId"],
                operation["tags"],
            )
            assert other["x-kubernetes-action"] == operation["x-kubernetes-action"]
            assert set(other["responses"]) == set(operation["responses"]), path
