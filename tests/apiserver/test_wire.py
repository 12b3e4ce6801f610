"""Protobuf as clients send it: read as the JSON that it would have been, on recorded bodies and on a real server's own."""

from __future__ import annotations

import copy
from base64 import b64decode
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.apiserver import wire

from . import served
from .realrequests import Asker

RECORDED = yaml.safe_load((served.CASES / "wire.yaml").read_text())
TABLES = yaml.safe_load((served.CASES / "tables.yaml").read_text())
KINDS = {(kind.kind.api_version, kind.kind.kind): kind.kind for kind in served.kinds()}


def without_empty(value: Any) -> Any:
    """Without empty structs: Go writes some to JSON although they say nothing."""
    if isinstance(value, dict):
        children = {name: without_empty(child) for name, child in value.items()}
        return {name: child for name, child in children.items() if child not in ({}, None)}
    return [without_empty(child) for child in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", RECORDED, ids=[case["case"] for case in RECORDED])
def test_recorded_bodies(case: dict[str, Any]):
    """What a kube-apiserver writes in protobuf is what it writes in JSON."""
    assert without_empty(case["value"]) == without_empty(wire.decode(b64decode(case["body"])))


@pytest.mark.parametrize("case", RECORDED, ids=[case["case"] for case in RECORDED])
def test_a_body_that_ends_too_early_is_refused(case: dict[str, Any]):
    """A part of a body is an error, or an object with less in it; never another exception."""
    body = b64decode(case["body"])
    for size in range(0, len(body), 7):
        try:
            wire.decode(body[:size])
        except wire.WireError:
            continue


@given(st.binary(max_size=200), st.sampled_from(RECORDED), st.integers(min_value=0))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_any_bytes_are_an_object_or_an_error(noise: bytes, case: dict[str, Any], place: int):
    """Bytes that were changed on their way give an object or a WireError."""
    body = b64decode(case["body"])
    at = place % len(body)
    for tried in (b"k8s\x00" + noise, body[:at] + noise + body[at + len(noise) :]):
        try:
            assert "kind" in wire.decode(tried)
        except wire.WireError:
            continue


def test_nesting_has_an_end():
    """A schema within a schema, a thousand deep, is refused instead of exhausting the stack."""
    schema = b""
    for _ in range(1000):
        # JSONSchemaProps.not, field 28
        schema = field(28, schema)
    spec = field(7, field(4, field(1, schema)))
    body = envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", field(2, spec))
    with pytest.raises(wire.WireError, match="nested too deep"):
        wire.decode(body)


@pytest.mark.parametrize(
    ("version", "kind"), [("shown.example.com/v1", "Widget"), ("v1", "Nonsense"), ("apps/v9", "Deployment")]
)
def test_kinds_without_a_form(version: str, kind: str):
    """Custom resources have no form in protobuf, as on a real server."""
    with pytest.raises(wire.UnknownKindError):
        wire.decode(envelope(version, kind, b""))


def test_what_is_no_protobuf():
    """JSON under the name of protobuf is told apart by its first bytes."""
    with pytest.raises(wire.WireError, match="does not begin"):
        wire.decode(b"{}")


def varint(value: int) -> bytes:
    written = b""
    while value > 127:
        written += bytes([value & 127 | 128])
        value >>= 7
    return written + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def envelope(version: str, kind: str, raw: bytes) -> bytes:
    told = field(1, version.encode()) + field(2, kind.encode())
    return b"k8s\x00" + field(1, told) + field(2, raw)


@pytest.mark.parametrize("case", TABLES, ids=[case["case"] for case in TABLES])
def test_a_real_server_writes_the_same_in_both(case: dict[str, Any], asker: Asker):
    """An object of every kind, as kube-apiserver writes it in protobuf, is read as it writes it in JSON."""
    value = copy.deepcopy(case["object"])
    if value["kind"] != "APIService":
        value["metadata"]["name"] += "-in-protobuf"  # one of another test may still be on its way out
    kind = KINDS[value["apiVersion"], value["kind"]]
    path = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    if kind.namespaced:
        value["metadata"]["namespace"] = "tables"
        path += "/namespaces/tables"
        about = value.get("involvedObject") or value.get("regarding")
        if about:
            about["namespace"] = "tables"
    path += f"/{kind.plural}"
    tried = f"{path}?dryRun=All"
    told = asker.ask(tried, method="POST", body=value)
    assert told.code in {200, 201}, told.body
    binary = asker.ask(tried, wire.MEDIA, method="POST", body=value)
    assert binary.code in {200, 201}, binary.body
    assert settled(told.json()) == settled(wire.decode(binary.body))


def settled(value: dict[str, Any]) -> Any:
    """Without what is new in every object."""
    value = copy.deepcopy(value)
    for name in ("uid", "creationTimestamp", "managedFields", "resourceVersion"):
        value["metadata"].pop(name, None)
    value.get("spec", {}).pop("clusterIP", None)
    value.get("spec", {}).pop("clusterIPs", None)
    text = yaml.safe_dump(value)
    uid = (case_labels(value) or {}).get("batch.kubernetes.io/controller-uid", "")
    return without_empty(yaml.safe_load(text.replace(uid, "uid") if uid else text))


def case_labels(value: dict[str, Any]) -> Any:
    return value.get("spec", {}).get("selector", {}).get("matchLabels") if value["kind"] == "Job" else None
