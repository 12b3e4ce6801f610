"""What `kubectl get` shows, case by case, and that a real kube-apiserver shows the same."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import yaml

from pilotage.api.meta import Object
from pilotage.apiserver import tables
from pilotage.apiserver.printing.ages import age, duration
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.embedded.kinds import ServedKind

from . import served
from .realrequests import Asker

CASES = yaml.safe_load((served.CASES / "tables.yaml").read_text())
KINDS = {(kind.kind.api_version, kind.kind.kind): kind for kind in served.kinds()}
NOW = 1767225600.0  # 2026-01-01T00:00:00Z
CREATED = "2025-12-29T00:00:00Z"
ACCEPT = "application/json;as=Table;v=v1;g=meta.k8s.io"
STATUS_ONLY = "/status"


def kind_of(value: dict[str, Any]) -> ServedKind:
    return KINDS[value["apiVersion"], value["kind"]]


def shown(value: dict[str, Any], **options: Any) -> dict[str, Any]:
    value = copy.deepcopy(value)
    value["metadata"].setdefault("creationTimestamp", CREATED)
    return tables.table(kind_of(value), None, [Object.of(value)], now=NOW, **options)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cells(case: dict[str, Any]):
    """The cells of an object are those that kubectl shows of it with -o wide."""
    assert case["cells"] == shown(case["object"])["rows"][0]["cells"]


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cells_of_what_nobody_checked(case: dict[str, Any]):
    """An object whose fields have other types than expected is shown all the same, with a cell for each column."""
    for wrong in (7, "text", [], [None, 3], {"a": 1}, None, True):
        metadata = {"name": "x", "annotations": wrong, "labels": wrong, "ownerReferences": [wrong]}
        value = dict.fromkeys(case["object"], wrong) | {"metadata": metadata}
        nested = {"spec": dict.fromkeys(case["object"].get("spec") or (), wrong)}
        nested["status"] = dict.fromkeys(case["object"].get("status") or (), wrong)
        for tried in (value, value | nested):
            answer = tables.BUILT_IN.get(
                (kind_of(case["object"]).kind.group, case["object"]["kind"]), tables.PLAIN
            )
            assert len(answer.columns) == len(answer.cells(tried, NOW))


@pytest.mark.parametrize("name", sorted(BUILT_IN), ids=lambda name: ".".join(reversed(name)))
def test_each_built_in_kind_is_tried(name: tuple[str, str]):
    """Every kind with columns of its own has a case."""
    tried = {(kind_of(case["object"]).kind.group, case["object"]["kind"]) for case in CASES}
    plain = {"ClusterRole", "CustomResourceDefinition", "CertificateSigningRequest", "APIService"}
    assert name in tried or name[1] in plain


def test_metadata_unless_asked_otherwise():
    """A row carries metadata, the whole object, or nothing."""
    value = CASES[0]["object"]
    carried = shown(value)["rows"][0]["object"]
    assert ("PartialObjectMetadata", "meta.k8s.io/v1") == (carried["kind"], carried["apiVersion"])
    assert "spec" not in carried
    assert value["metadata"]["name"] == carried["metadata"]["name"]
    assert value["spec"] == shown(value, include="Object")["rows"][0]["object"]["spec"]
    assert shown(value, include="None")["rows"][0]["object"] is None


def test_a_table_of_a_page_says_how_to_go_on():
    """Version, continuation and what remains stand in the metadata; without headers columns are not described."""
    value = CASES[0]["object"]
    told = shown(value, resource_version="7", continuation="next", remaining=3, headers=False)
    assert {"resourceVersion": "7", "continue": "next", "remainingItemCount": 3} == told["metadata"]
    assert told["columnDefinitions"] is None


def test_a_pod_that_is_done_has_a_condition():
    """Kubectl hides what is completed by the condition of the row."""
    done = next(case["object"] for case in CASES if case["case"] == "a pod that is done")
    assert [{"type": "Completed", "status": "True", "reason": "Succeeded"}] == [
        {name: each[name] for name in ("type", "status", "reason")}
        for each in shown(done)["rows"][0]["conditions"]
    ]
    assert "conditions" not in shown(CASES[1]["object"])["rows"][0]


WIDGET = {
    "apiVersion": "shown.example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "w", "namespace": "default"},
    "spec": {"replicas": 3, "color": "red", "since": "2025-12-31T23:00:00Z", "weight": 2, "ready": True},
}


def test_columns_of_a_definition():
    """Custom columns follow the name, with the types of the definition; dates are ages."""
    told = shown(WIDGET)
    columns = [(each["name"], each["type"], each["priority"]) for each in told["columnDefinitions"]]
    assert [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("Color", "string", 1),
        ("Since", "date", 0),
        ("Age", "date", 0),
        ("Ready", "boolean", 0),
        ("Weight", "number", 0),
    ] == columns
    assert ["w", 3, "red", "60m", "3d", True, 2.0] == told["rows"][0]["cells"]


def test_values_that_do_not_fit_their_column_are_empty():
    """A value of another type, or none at all, leaves its cell empty; a date that is none is invalid."""
    value = {**WIDGET, "spec": {"replicas": "x", "since": "yesterday", "ready": 1, "color": {"a": 1}}}
    assert ["w", None, '{"a":1}', "<invalid>", "3d", None, None] == shown(value)["rows"][0]["cells"]


def test_a_definition_without_columns_shows_the_age():
    """Name and age are shown when a definition says nothing."""
    value = {"apiVersion": "shown.example.com/v1alpha1", "kind": "Gadget", "metadata": {"name": "g"}}
    assert ["g", "3d"] == shown(value)["rows"][0]["cells"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (11100, "3h5m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (180000, "2d2h"),
        (691200, "8d"),
        (63071999, "729d"),
        (63072000, "2y"),
        (63158400, "2y1d"),
        (252288000, "8y"),
    ],
)
def test_durations(seconds: float, text: str):
    """Spans of time are told in two units while the second one matters."""
    assert text == duration(seconds)


@pytest.mark.parametrize("timestamp", [None, "", "soon", 7])
def test_the_age_of_what_has_none(timestamp: object):
    """Without a time the age is unknown."""
    assert age(timestamp, NOW) == "<unknown>"


# The same on a real server


@pytest.fixture
def made(asker: Asker) -> Iterator[list[str]]:
    """Paths of objects that are gone afterwards."""
    paths: list[str] = []
    yield paths
    for path in reversed(paths):
        asker.ask(f"{path}?gracePeriodSeconds=0", method="DELETE")


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_real_server_shows_the_same(case: dict[str, Any], asker: Asker, made: list[str]):
    """The Table of kube-apiserver has our columns and our cells for the object as it keeps it."""
    kind = kind_of(case["object"]).kind
    value = copy.deepcopy(case["object"])
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    collection = f"{root}/{kind.plural}"
    if kind.namespaced:
        value["metadata"]["namespace"] = "tables"
        collection = f"{root}/namespaces/tables/{kind.plural}"
        about = value.get("involvedObject") or value.get("regarding")
        if about:
            about["namespace"] = "tables"
    path = f"{collection}/{value['metadata']['name']}"
    answer = asker.ask(collection, method="POST", body=value)
    assert answer.code in {200, 201}, answer.body
    made.append(path)
    if "status" in value:
        stored = answer.json()
        sent = asker.ask(f"{path}/status", method="PUT", body={**stored, "status": value["status"]})
        assert sent.code in {200, 201}, sent.body
    real = asker.ask(f"{path}?includeObject=Object", ACCEPT)
    now = parsedate_to_datetime(real.headers["Date"]).timestamp()
    table = real.json()
    stored = Object.of(table["rows"][0]["object"])
    ours = [tables.table(kind_of(value), None, [stored], now=now + late, include="Object") for late in (0, 1)]
    described = [
        (each["name"], each["type"], each["format"], each["priority"]) for each in table["columnDefinitions"]
    ]
    assert described == [
        (each["name"], each["type"], each["format"], each["priority"])
        for each in ours[0]["columnDefinitions"]
    ]
    assert table["rows"][0]["cells"] in [each["rows"][0]["cells"] for each in ours]
    assert table["rows"][0].get("conditions") == ours[0]["rows"][0].get("conditions")
