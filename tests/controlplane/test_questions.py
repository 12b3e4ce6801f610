"""`cpo.resolve`, `cpo.labels`, `cpo.preview`: JSON in, JSON out, as `pilotage decide` asks them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilotage.controlplane.questions import QUESTIONS
from pilotage.decision.questions import answer, schema

ASK = {question.name: question for question in QUESTIONS}
HO = f"quay.io/ho@sha256:{'1' * 64}"
CPO = f"quay.io/cpo@sha256:{'2' * 64}"
PIN = f"quay.io/pin@sha256:{'3' * 64}"
IMAGE = "hypershift.openshift.io/control-plane-operator-image"
LABELS = "hypershift.openshift.io/control-plane-operator-image-labels"


def ask(name: str, **given: Any) -> dict[str, Any]:
    return json.loads(answer(ASK[name], json.dumps(given).encode()))


def cluster(
    name: str, release: str = "quay.io/release:a", platform: str = "AWS", **annotations: Any
) -> dict[str, Any]:
    keys = {"image": IMAGE, "labels": LABELS}
    return {
        "metadata": {
            "namespace": "clusters",
            "name": name,
            "annotations": {keys[key]: value for key, value in annotations.items()},
        },
        "spec": {"platform": {"type": platform}, "release": {"image": release}},
    }


def resolve(*clusters: Any, **changes: Any) -> dict[str, Any]:
    given = {
        "hostedClusters": list(clusters),
        "payload": {"version": "4.20.3", "components": {"hypershift": CPO}},
        "overrides": {},
        "overridesEnabled": False,
        "hoImage": HO,
        "hoHasCpoBinary": True,
    } | changes
    return ask("cpo.resolve", **given)


def one(*clusters: Any, **changes: Any) -> dict[str, Any]:
    return resolve(*clusters, **changes)["value"]["clusters"]["clusters/a"]


def test_an_answer_has_every_key() -> None:
    """Image, rule, version, warnings and error stand in every answer, null where they do not apply."""
    assert one(cluster("a")) == {
        "image": HO,
        "rule": "operator-image",
        "version": "4.20.3",
        "warnings": [],
        "error": None,
    }


def test_an_annotated_cluster_has_no_version() -> None:
    """The release of an annotated cluster is not looked at."""
    found = one(cluster("a", image=" quay.io/x:1"), payload=None)
    assert (found["image"], found["rule"], found["version"]) == ("quay.io/x:1", "annotation", None)
    assert [w["code"] for w in found["warnings"]] == ["AnnotationTrimmed", "ImageNotPinned"]


def test_an_error_keeps_the_version_where_it_was_read() -> None:
    """A release that is too old is named with its version; one that does not parse has none."""
    too_old = one(cluster("a"), payload={"version": "4.8.1", "components": {}})
    assert (too_old["image"], too_old["rule"], too_old["version"]) == (None, None, "4.8.1")
    assert too_old["error"]["code"] == "UnsupportedReleaseVersion"
    unread = one(cluster("a"), payload={"version": "v4.20.0", "components": {}})
    assert (unread["version"], unread["error"]["code"]) == (None, "InvalidReleaseVersion")
    assert 'failed to parse version "v4.20.0"' in unread["error"]["message"]


def test_a_null_payload_is_a_failed_lookup() -> None:
    """The message names the release that was looked up."""
    error = one(cluster("a"), payload=None)["error"]
    assert error["code"] == "ReleaseLookupFailed"
    assert "failed to lookup release image" in error["message"]
    assert "quay.io/release:a" in error["message"]


def test_payloads_are_found_by_the_control_plane_release() -> None:
    """The control plane release decides; a release without a payload fails alone."""
    split = cluster("a", release="quay.io/release:data")
    split["spec"]["controlPlaneRelease"] = {"image": "quay.io/release:cp"}
    payloads = {
        "quay.io/release:cp": {"version": "4.19.1", "components": {"hypershift": CPO}},
        "quay.io/release:null": None,
    }
    clusters = resolve(
        split,
        cluster("b", release="quay.io/release:null"),
        cluster("c", release="quay.io/release:missing"),
        payloads=payloads,
        payload=None,
    )["value"]["clusters"]
    assert clusters["clusters/a"]["version"] == "4.19.1"
    assert clusters["clusters/b"]["error"]["code"] == "ReleaseLookupFailed"
    assert clusters["clusters/c"]["error"]["code"] == "ReleaseLookupFailed"


def test_an_empty_control_plane_release_is_not_set() -> None:
    """An empty image falls back to the release of the cluster."""
    empty = cluster("a", release="quay.io/release:data")
    empty["spec"]["controlPlaneRelease"] = {"image": ""}
    payloads = {"quay.io/release:data": {"version": "4.19.1", "components": {"hypershift": CPO}}}
    assert one(empty, payloads=payloads, payload=None)["rule"] == "payload"


def test_one_payload_serves_clusters_that_name_no_release() -> None:
    """`payload` is for every release, also for one that is not written down."""
    bare = {"metadata": {"namespace": "clusters", "name": "a"}}
    assert one(bare)["rule"] == "operator-image"


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ({}, "#0"),
        ({"metadata": None}, "#0"),
        ({"metadata": []}, "#0"),
        ({"metadata": {"namespace": "clusters"}}, "#0"),
        ({"metadata": {"namespace": "clusters", "name": 7}}, "#0"),
        ({"metadata": {"namespace": ["x"], "name": "a"}}, "#0"),
        ({"metadata": {"namespace": "clusters", "name": "x", "annotations": []}}, "clusters/x"),
        ({"metadata": {"namespace": "clusters", "name": "x", "annotations": {IMAGE: 7}}}, "clusters/x"),
        ({"metadata": {"namespace": "clusters", "name": "x"}, "spec": []}, "clusters/x"),
        ({"metadata": {"namespace": "clusters", "name": "x"}, "spec": {"release": "r"}}, "clusters/x"),
        (
            {"metadata": {"namespace": "clusters", "name": "x"}, "spec": {"platform": {"type": 1}}},
            "clusters/x",
        ),
        ({"metadata": {"namespace": "clusters", "name": "a"}}, "#0"),
    ],
)
def test_a_broken_cluster_touches_no_other(broken: dict[str, Any], name: str) -> None:
    """A manifest that cannot be read is that cluster's own error; its neighbours are judged as if alone."""
    alone = resolve(cluster("a"))["value"]["clusters"]
    clusters = resolve(cluster("a"), broken)["value"]["clusters"]
    other = name.replace("#0", "#1")
    assert clusters["clusters/a"] == alone["clusters/a"]
    assert clusters[other]["error"]["code"] in ("MalformedHostedCluster", "DuplicateHostedCluster")
    assert clusters[other]["image"] is None


def test_annotations_of_others_may_hold_anything() -> None:
    """Only annotations that the rules read are checked; null is as if absent."""
    odd = cluster("a")
    odd["metadata"]["annotations"] = {"example.com/x": 3, IMAGE: None}
    assert one(odd)["rule"] == "operator-image"


def test_an_annotation_decides_where_the_rest_is_broken() -> None:
    """A pinned cluster is resolved although its spec cannot be read."""
    broken = cluster("a", image=PIN)
    broken["spec"] = "nonsense"
    assert one(broken)["image"] == PIN


def test_the_last_of_duplicate_overrides_wins() -> None:
    """The table is read leniently: duplicates, unknown keys and empty images are told, not refused."""
    table = {
        "comment": "x",
        "platforms": {
            "AWS": {
                "overrides": [
                    {"version": "4.20.3", "cpoImage": CPO},
                    {"version": "4.20.3", "cpoImage": PIN, "note": "again"},
                    {"version": "4.20.4", "cpoImage": ""},
                ],
                "testing": {"latest": "a", "previous": "b", "runTests": True},
            },
            "none": None,
        },
    }
    value = resolve(cluster("a", platform="aws"), overrides=table, overridesEnabled=True)["value"]
    assert value["clusters"]["clusters/a"]["image"] == PIN
    codes = {warning["code"] for warning in value["warnings"]}
    assert codes == {"DuplicateOverride", "UnknownKey", "EmptyOverrideImage"}


def test_a_broken_table_is_refused_only_when_it_is_used() -> None:
    """An override that is no image reference is a load error; a table that is switched off is not read."""
    table = {"platforms": {"aws": {"overrides": [{"version": "4.20.3", "cpoImage": "no good"}]}}}
    error = resolve(cluster("a"), overrides=table, overridesEnabled=True)["error"]
    assert (error["code"], "platforms.aws.overrides[0].cpoImage" in error["message"]) == (
        "InvalidOverrideTable",
        True,
    )
    assert one(cluster("a"), overrides=table)["rule"] == "operator-image"


@pytest.mark.parametrize(
    ("switch", "rule"),
    [("off", "payload"), ("canary", "payload"), ("on", "operator-image"), (None, "operator-image")],
)
def test_the_switch_moves_4_20(switch: str | None, rule: str) -> None:
    """The operator image serves when the switch is on or unset; in canary only clusters that ask for it."""
    assert one(cluster("a"), operatorImageForCPO=switch)["rule"] == rule


def test_inputs_of_another_type_are_listed_together() -> None:
    """A request of another shape is InvalidInput with every fault."""
    error = resolve("text", overridesEnabled="yes", hoImage=None, payload={"version": 4.2})["error"]
    assert error["code"] == "InvalidInput"
    assert len(error["messages"]) == 5


@pytest.mark.parametrize("name", ["cpo.resolve", "cpo.preview"])
def test_releases_are_given_in_one_form_or_the_other(name: str) -> None:
    """Without payload and payloads the input is incomplete, and that is told beside every other fault."""
    error = ask(name, hostedClusters={})["error"]
    assert error["code"] == "InvalidInput"
    assert "payload or payloads: required key is missing" in error["messages"]
    assert "hostedClusters: expected array, found object" in error["messages"]
    assert {"anyOf": [{"required": ["payload"]}, {"required": ["payloads"]}]} in schema(ASK[name])["input"][
        "allOf"
    ]


def test_every_question_has_a_schema() -> None:
    """`pilotage decide --schema` works for each."""
    assert all(set(schema(question)) == {"input", "value"} for question in QUESTIONS)


def test_labels_of_the_annotation_win_and_need_no_image() -> None:
    """Repeated keys: the last wins. Nothing is trimmed."""
    found = ask(
        "cpo.labels",
        hostedCluster=cluster("a", labels="a=1, b=2,a=3,=x"),
        image="quay.io/x:1",
        imageLabels=None,
    )["value"]
    assert (found["labels"], found["source"]) == ({"a": "3", " b": "2", "": "x"}, "annotation")


@pytest.mark.parametrize(
    ("text", "bad"), [("", '""'), ("a", '"a"'), ("a=1,b=2=3", '"b=2=3"'), ("a=1,", '""')]
)
def test_a_malformed_labels_annotation_is_refused(text: str, bad: str) -> None:
    """The message names the cluster and the part that is not one key and one value."""
    error = ask("cpo.labels", hostedCluster=cluster("a", labels=text), image="x", imageLabels={})["error"]
    assert error["code"] == "LabelsAnnotationMalformed"
    for fragment in ("clusters/a", "not in key=value form", bad):
        assert fragment in error["message"]


def test_labels_come_from_the_image_otherwise() -> None:
    """An image without labels has an empty map; one that cannot be read is an error that names it."""
    empty = ask("cpo.labels", hostedCluster=cluster("a"), image="quay.io/x:1", imageLabels={})["value"]
    assert (empty["labels"], empty["source"]) == ({}, "image")
    error = ask("cpo.labels", hostedCluster=cluster("a"), image="quay.io/x:1", imageLabels=None)["error"]
    assert error["code"] == "LabelLookupFailed"
    assert "failed to look up image metadata for quay.io/x:1" in error["message"]


def test_a_capability_value_that_is_not_true_is_told() -> None:
    """Presence decides: `false` still means restricted, and somebody may believe otherwise."""
    label = "io.openshift.hypershift.restricted-psa"
    found = ask(
        "cpo.labels", hostedCluster=cluster("a"), image="x", imageLabels={label: "false", "vcs-ref": "1"}
    )
    assert found["value"]["labels"][label] == "false"
    assert [warning["code"] for warning in found["value"]["warnings"]] == ["CapabilityLabelValueIgnored"]


def test_preview_compares_two_operators() -> None:
    """Per cluster what it has and what it would get; the same image by another rule is no change."""
    other = f"quay.io/ho@sha256:{'4' * 64}"
    table = {"platforms": {"aws": {"overrides": [{"version": "4.20.3", "cpoImage": PIN}]}}}
    clusters = ask(
        "cpo.preview",
        hostedClusters=[
            cluster("a"),
            cluster("b", platform="Azure"),
            cluster("c", image=CPO),
            cluster("d", image=""),
        ],
        payload={"version": "4.20.3", "components": {"hypershift": CPO}},
        overridesEnabled=True,
        **{
            "from": {"hoImage": HO, "hoHasCpoBinary": True, "overrides": table},
            "to": {"hoImage": other, "hoHasCpoBinary": True, "overrides": {}},
        },
    )["value"]["clusters"]
    assert clusters["clusters/a"] == {
        "from": {"image": PIN, "rule": "override"},
        "to": {"image": other, "rule": "operator-image"},
        "changed": True,
    }
    assert clusters["clusters/b"]["changed"]
    assert not clusters["clusters/c"]["changed"]
    empty = {"image": None, "rule": "error:EmptyImageAnnotation"}
    assert clusters["clusters/d"] == {"from": empty, "to": empty, "changed": False}


def test_preview_shows_a_cluster_that_becomes_resolvable() -> None:
    """An error on one side is a change."""
    operators = {
        "from": {"hoImage": HO, "hoHasCpoBinary": False, "overrides": {}},
        "to": {"hoImage": HO, "hoHasCpoBinary": True, "overrides": {}},
    }
    found = ask(
        "cpo.preview",
        hostedClusters=[cluster("a")],
        payload={"version": "4.20.3", "components": {}},
        overridesEnabled=False,
        **operators,
    )["value"]["clusters"]["clusters/a"]
    assert found["from"] == {"image": None, "rule": "error:NoControlPlaneOperatorImage"}
    assert (found["to"], found["changed"]) == ({"image": HO, "rule": "operator-image"}, True)
