"""`pilotage explain cpo-image`: from files, folders, a must-gather, stdin and an instance."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from pilotage.api import yaml

IMAGE = "hypershift.openshift.io/control-plane-operator-image"
LABELS = "hypershift.openshift.io/control-plane-operator-image-labels"
RULES = ["annotation", "override", "operator-image", "payload", "operator-fallback"]


def cluster(name: str, namespace: str = "clusters", pinned: str | None = "quay.example.com/cpo:1") -> dict:
    """A cluster that needs no registry when it is pinned."""
    annotations = {} if pinned is None else {IMAGE: pinned, LABELS: "a=b"}
    return {
        "apiVersion": "hypershift.openshift.io/v1beta1",
        "kind": "HostedCluster",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"platform": {"type": "AWS"}, "release": {"image": "quay.example.com/release:4.20.3"}},
    }


def as_list(*items: dict) -> str:
    return yaml.dump(
        {"apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedClusterList", "items": list(items)}
    )


def names(ran) -> list[str]:
    return [item["subject"] for item in ran.json()["items"]]


@pytest.fixture
def gathered(user: Path) -> Path:
    """A must-gather: Lists below namespaces, cluster-scoped resources, and files that hold no objects."""
    root = user / "must-gather" / "quay-io-image-sha256-0"
    clusters = root / "namespaces" / "clusters" / "hypershift.openshift.io"
    others = root / "namespaces" / "other" / "hypershift.openshift.io"
    for folder in (clusters, others, root / "cluster-scoped-resources" / "core"):
        folder.mkdir(parents=True)
    (clusters / "hostedclusters.yaml").write_text(as_list(cluster("one"), cluster("two")))
    (others / "hostedclusters.yaml").write_text(as_list(cluster("two", "other", pinned=None)))
    (root / "cluster-scoped-resources" / "core" / "namespaces.yaml").write_text(
        yaml.dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "clusters"}})
    )
    (root / "gather.log").write_text("not: [yaml")
    (root / "namespaces" / "clusters" / "pod.log").write_text("log")
    return user / "must-gather"


def test_a_file_is_explained_with_every_rule(cli, user: Path) -> None:
    """The answer, its rule and reason, and all five rules in order with the winner marked."""
    (user / "hc.yaml").write_text(yaml.dump(cluster("one")))
    ran = cli("explain", "cpo-image", "-f", "hc.yaml", "--offline")
    lines = ran.out.splitlines()

    assert (0, "") == (ran.code, ran.err)
    assert "clusters/one" == lines[0]
    assert ["image", "quay.example.com/cpo:1"] == lines[1].split()
    assert ["rule", "annotation"] == lines[2].split()
    start = lines.index("  Rules, first match wins:") + 1
    assert RULES == [line.replace("→", " ").split()[0] for line in lines[start : start + 5]]
    assert lines[start].startswith("  → annotation")
    assert any("ImageNotPinned" in line for line in lines)


def test_json_holds_the_whole_decision(cli, user: Path) -> None:
    """The versioned form: image, rule, version, trail, warnings, labels, consumers."""
    ran = cli("explain", "cpo-image", "-f", "-", "--offline", "-o", "json", stdin=json.dumps(cluster("one")))
    document = ran.json()
    (item,) = document["items"]

    assert ("pilotage.dev/v1", "Explanation", "cpo-image") == (
        document["apiVersion"], document["kind"], document["topic"],
    )  # fmt: skip
    assert {"image", "rule", "version", "trail", "warnings", "labels", "consumers", "error", "needs"} <= set(
        item
    )
    assert ("quay.example.com/cpo:1", "annotation", {"a": "b"}) == (
        item["image"],
        item["rule"],
        item["labels"],
    )
    assert RULES == [entry["rule"] for entry in item["trail"]]
    assert {"applied", "skipped"} == {entry["verdict"] for entry in item["trail"]}


@pytest.mark.parametrize("where", ["file", "stdin", "two files"])
def test_manifests_come_from_anywhere(cli, user: Path, where: str) -> None:
    """One file of many documents, stdin, and several files are one dump."""
    one, two = yaml.dump(cluster("one")), yaml.dump(cluster("two"))
    (user / "both.yaml").write_text(f"{one}---\n{two}")
    (user / "one.yaml").write_text(one)
    (user / "two.json").write_text(json.dumps(cluster("two")))
    files = {
        "file": ["-f", "both.yaml"],
        "stdin": ["-f", "-"],
        "two files": ["-f", "two.json", "-f", "one.yaml"],
    }[where]
    ran = cli("explain", "cpo-image", *files, "--offline", "-o", "json", stdin=f"{one}---\n{two}")

    assert (0, ["clusters/one", "clusters/two"]) == (ran.code, names(ran))


def test_a_must_gather_is_read_as_it_lies(cli, gathered: Path) -> None:
    """Lists are taken apart, logs are passed over, and a release that cannot be read is said of that cluster alone."""
    ran = cli("explain", "cpo-image", "-f", gathered, "--offline", "-o", "json")
    items = {item["subject"]: item for item in ran.json()["items"]}

    assert (1, "") == (ran.code, ran.err)
    assert ["clusters/one", "clusters/two", "other/two"] == list(items)
    assert [None, None, "ReleaseLookupFailed"] == [
        (item["error"] or {"code": None})["code"] for item in items.values()
    ]
    assert "quay.example.com/release:4.20.3" in items["other/two"]["reason"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["one"], ["clusters/one"]),
        (["clusters/two", "one"], ["clusters/two", "clusters/one"]),
        (["one", "clusters/one", "one"], ["clusters/one"]),
        (["two", "-n", "other"], ["other/two"]),
        (["-n", "other"], ["other/two"]),
        (["-n", "nowhere"], []),
    ],
)
def test_names_choose(cli, gathered: Path, asked: list[str], found: list[str]) -> None:
    """NAME, NAMESPACE/NAME, several of them once each, and -n; all of them without a name."""
    assert found == names(cli("explain", "cpo-image", *asked, "-f", gathered, "--offline", "-o", "json"))


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (["nope"], "NotFound", ["HostedCluster nope is not there"]),
        (["nope", "one", "x/two"], "NotFound", ["nope is not there", "x/two is not there"]),
        (["two"], "Ambiguous", ["two stands in clusters, other: say NAMESPACE/two"]),
        (["two", "nope"], "NotFound", ["two stands in clusters, other", "nope is not there"]),
    ],
)
def test_all_names_that_do_not_fit_are_told_at_once(cli, gathered: Path, asked, code, said) -> None:
    """Unknown and ambiguous names are wrong use; what is there is listed, and nothing is explained."""
    ran = cli("explain", "cpo-image", *asked, "-f", gathered, "--offline")

    assert (2, "") == (ran.code, ran.out)
    assert f"error: {code}: " in ran.err
    assert [] == [text for text in said if text not in ran.err]
    assert "there is: clusters/one, clusters/two, other/two" in ran.err


def test_among_many_the_close_ones_are_named(cli, user: Path) -> None:
    """A fleet is not listed to somebody who mistyped one name."""
    (user / "fleet.yaml").write_text(as_list(*(cluster(f"cluster-{number:03}") for number in range(500))))
    ran = cli("explain", "cpo-image", "cluster-4999", "-f", "fleet.yaml", "--offline")

    assert "there are 500; did you mean " in ran.err
    assert "clusters/cluster-499" in ran.err
    assert len(ran.err) < 500


def test_all_broken_files_are_told_at_once(cli, user: Path) -> None:
    """Every problem of every file, by file and line; nothing is explained from the rest."""
    _write_broken(user)
    ran = cli(
        "explain",
        "cpo-image",
        "-f",
        "good.yaml",
        "-f",
        "bad.yaml",
        "-f",
        "cut.json",
        "-f",
        "gone.yaml",
        "--offline",
    )

    assert (2, "") == (ran.code, ran.out)
    assert "UnreadableDump" in ran.err
    for problem in (
        "  - gone.yaml: no such file or folder",
        "  - bad.yaml: document 1, line 2",
        "  - bad.yaml: document 2, line 3: ConfigMap x: apiVersion not set",
        "  - cut.json: document 1",
    ):
        assert problem in ran.err


def test_tolerant_tells_the_broken_files_and_goes_on(cli, user: Path) -> None:
    """With --tolerant the same problems stand on stderr and the rest is explained; a missing file stays an error."""
    _write_broken(user)
    ran = cli("explain", "cpo-image", "-f", ".", "--tolerant", "--offline", "-o", "json")

    assert (0, ["clusters/good"]) == (ran.code, names(ran))
    assert 3 == ran.err.count("UnreadableFile: ")
    assert 2 == cli("explain", "cpo-image", "-f", "gone.yaml", "--tolerant", "--offline").code


def _write_broken(directory: Path) -> None:
    (directory / "good.yaml").write_text(yaml.dump(cluster("good")))
    (directory / "bad.yaml").write_text("a: [\n---\nkind: ConfigMap\nmetadata: {name: x}\n")
    (directory / "cut.json").write_text('{"apiVersion": "v1", "kind": "Conf')


def test_a_file_without_clusters_says_so(cli, user: Path) -> None:
    """Nothing to explain is no error, and JSON stays a document."""
    (user / "empty.yaml").write_text("")
    ran = cli("explain", "cpo-image", "-f", "empty.yaml", "--offline")

    assert (0, "", "there is no HostedCluster in empty.yaml\n") == ran
    assert [] == cli("explain", "cpo-image", "-f", "empty.yaml", "--offline", "-o", "json").json()["items"]


def test_offline_the_missing_facts_are_named(cli, user: Path) -> None:
    """Which image was not read and which settings were not seen; never a guess."""
    (user / "hc.yaml").write_text(yaml.dump(cluster("one", pinned=None)))
    ran = cli("explain", "cpo-image", "-f", "hc.yaml", "--offline")

    assert 1 == ran.code
    assert 'failed to lookup release image "quay.example.com/release:4.20.3"' in ran.out
    assert "the network, which may not be used" in ran.out
    assert "ControlPlaneSettings default was not seen" in ran.out


def test_a_secret_is_never_printed(cli, user: Path) -> None:
    """A pull secret of the dump stays out of answers and errors, whatever is wrong with it."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull-secret", "namespace": "clusters"},
        "stringData": {
            ".dockerconfigjson": '{"auths": {"quay.example.com": {"auth": "aHVudGVyMg==", "password": "hunter2"}'
        },
    }
    hosted = cluster("one", pinned=None)
    hosted["spec"]["pullSecret"] = {"name": "pull-secret"}
    (user / "dump.yaml").write_text(f"{yaml.dump(hosted)}---\n{yaml.dump(secret)}")
    for output in ("text", "json", "yaml"):
        ran = cli("explain", "cpo-image", "-f", "dump.yaml", "--offline", "-o", output)
        assert "hunter2" not in ran.out + ran.err
        assert "aHVudGVyMg" not in ran.out + ran.err


def test_a_running_instance_is_found_without_a_name(start, cli, world: Path) -> None:
    """The clusters of the instance with its images: the same answer as --data-dir gives, alive or not."""
    named = cli("explain", "cpo-image", "aws-stage", "azure-prod-west", "--data-dir", world, "-o", "json")
    assert 0 == named.code
    assert ["operator-image", "override"] == [item["rule"] for item in named.json()["items"]]
    running = start("up", "--data-dir", world)
    running.wait_for("running in")
    found = cli("explain", "cpo-image", "aws-stage", "azure-prod-west", "-o", "json")
    running.end(signal.SIGTERM)

    assert named.json() == found.json()


def test_the_whole_sample_fleet_has_errors(cli, world: Path) -> None:
    """Two of ten have no image, so the code is 1, and the rest is explained all the same."""
    ran = cli("explain", "cpo-image", "--data-dir", world, "-o", "json")

    assert (1, 10) == (ran.code, len(ran.json()["items"]))
    assert ["EmptyImageAnnotation", "ReleaseLookupFailed"] == sorted(
        item["error"]["code"] for item in ran.json()["items"] if item["error"]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], 'UnknownTopic: there is nothing called "nothing" to explain'),
        (["cpo-image"], "NoInstance: no instance is running here"),
        (["cpo-image", "--data-dir", "nowhere"], "NoInstance: nowhere holds no store"),
    ],
)
def test_what_cannot_be_asked_says_what_can(cli, arguments, said) -> None:
    """Wrong use, with the next step."""
    ran = cli("explain", *arguments)

    assert (2, "") == ran[:2]
    assert f"error: {said}" in ran.err
    assert "  → " in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(cli, user: Path) -> None:
    """A part of a must-gather without permission is a problem of that path."""
    (user / "dump" / "closed").mkdir(parents=True, mode=0o000)
    assert "closed: Permission denied" in cli("explain", "cpo-image", "-f", "dump", "--offline").err
