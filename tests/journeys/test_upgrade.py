"""The journey of the product: a fleet that is decided live, changed, previewed, upgraded, held back and taken apart.

One real process runs the sample world; every step is a command as a user would give it in another terminal.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from pilotage.api import yaml

IMAGE = "hypershift.openshift.io/control-plane-operator-image"
SOURCE = "controlplane.pilotage.dev/cpo-image-source"
OPERATOR = "quay.example.com/hypershift/hypershift-operator"
OVERRIDE = "quay.example.com/hypershift/control-plane-operator"
RELEASE = "quay.example.com/openshift/release"


class Fleet:
    """A running instance, and commands to it."""

    def __init__(self, cli, eventually) -> None:
        self.cli = cli
        self._eventually = eventually

    def apply(self, *items: dict[str, Any]) -> None:
        text = "---\n".join(map(yaml.dump, items))
        ran = self.cli("apply", "-f", "-", "--force-conflicts", stdin=text)
        assert ran.code == 0, ran.err

    def cluster(self, name: str, *, annotations: dict[str, str] | None = None, **spec: Any) -> None:
        """Apply what is given of a cluster; what was applied before and is not given is taken back."""
        metadata = {"name": name, "namespace": "clusters", "annotations": annotations or {}}
        body = {"apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedCluster"}
        self.apply({**body, "metadata": metadata, "spec": spec})

    def settings(self, **spec: Any) -> None:
        body = {"apiVersion": "controlplane.pilotage.dev/v1alpha1", "kind": "ControlPlaneSettings"}
        self.apply({**body, "metadata": {"name": "default"}, "spec": spec})

    def record(self, name: str) -> dict[str, Any]:
        """The status of the ControlPlaneImage of a cluster, {} without one."""
        ran = self.cli("get", "controlplaneimages", f"clusters/{name}", "-o", "json")
        return ran.json().get("status", {}) if ran.code == 0 else {}

    def wait(self, name: str, rule: str, **wished: str) -> dict[str, Any]:
        """Until the record of a cluster says this rule, and all that is wished."""
        expected = {"rule": rule, **wished}
        return self._eventually(
            lambda: self.record(name),
            lambda status: expected.items() <= {**status, **_condition(status)}.items(),
        )

    def condition(self, name: str) -> dict[str, Any]:
        """CPOImageResolved as it stands on the HostedCluster itself."""
        return _condition(self.cli("get", "hc", f"clusters/{name}", "-o", "json").json().get("status", {}))

    def events(self, name: str) -> list[str]:
        items = self.cli("get", "events", "-n", "clusters", "-o", "json").json()["items"]
        return [
            f"{e['type']} {e['reason']} {e['message']}" for e in items if e["involvedObject"]["name"] == name
        ]

    def images(self) -> dict[str, str]:
        items = self.cli("get", "controlplaneimages", "-o", "json").json()["items"]
        return {item["metadata"]["name"]: item["status"].get("image", "") for item in items}


def _condition(status: dict[str, Any]) -> dict[str, Any]:
    found = [each for each in status.get("conditions", []) if each["type"] == "CPOImageResolved"]
    return {"status": found[0]["status"], "reason": found[0]["reason"]} if found else {}


@pytest.fixture
def fleet(start, cli, eventually, world) -> Fleet:
    running = start("up", "--data-dir", world)
    running.wait_for("running in")
    yield Fleet(cli, eventually)
    assert running.end(signal.SIGTERM).code == 0


def test_a_cluster_of_the_users_own_is_decided_live(fleet: Fleet) -> None:
    """Applied by another process, it gets an image, a condition on itself, and an Event."""
    fleet.cluster("mine", platform={"type": "AWS"}, release={"image": f"{RELEASE}:4.20.3-multi"})
    record = fleet.wait("mine", "operator-image", status="True", reason="OperatorImage", version="4.20.3")

    assert record["image"].startswith(f"{OPERATOR}@sha256:")
    assert {"status": "True", "reason": "OperatorImage"} == fleet.condition("mine")
    assert [
        f"Normal CPOImageChanged control plane operator image {record['image']} (operator-image), before: none"
    ] == (fleet.events("mine"))


def test_an_annotation_a_pin_and_a_release_change_the_image(fleet: Fleet) -> None:
    """Each edit moves image, condition and Event, and taking it back moves them back."""
    before = fleet.record("aws-stage")

    fleet.cluster("aws-stage", annotations={IMAGE: f"{OVERRIDE}:bugfix-4711"})
    fleet.wait("aws-stage", "annotation", image=f"{OVERRIDE}:bugfix-4711", reason="AnnotationOverride")
    fleet.cluster("aws-stage")
    fleet.wait("aws-stage", "operator-image", image=before["image"], reason="OperatorImage")

    table = (
        f'platforms: {{aws: {{overrides: [{{version: "4.20.3", cpoImage: "{OVERRIDE}:4.20.3-hotfix"}}]}}}}'
    )
    where = {"name": "cpo-overrides", "namespace": "hypershift"}
    fleet.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": {"overrides.yaml": table}}
    )
    fleet.wait("aws-stage", "override", image=f"{OVERRIDE}:4.20.3-hotfix", reason="VersionOverride")
    fleet.wait("azure-prod-west", "operator-image")  # its pin went with the old table

    fleet.cluster("aws-stage", release={"image": f"{RELEASE}:4.19.7-multi"})
    record = fleet.wait("aws-stage", "payload", version="4.19.7", reason="PayloadImage")

    assert {"status": "True", "reason": "PayloadImage"} == fleet.condition("aws-stage")
    assert [True] * 5 == [
        any(
            f"control plane operator image {image} ({rule}), before: {old}" in event
            for event in fleet.events("aws-stage")
        )
        for image, rule, old in (
            (before["image"], "operator-image", "none"),
            (f"{OVERRIDE}:bugfix-4711", "annotation", before["image"]),
            (before["image"], "operator-image", f"{OVERRIDE}:bugfix-4711"),
            (f"{OVERRIDE}:4.20.3-hotfix", "override", before["image"]),
            (record["image"], "payload", f"{OVERRIDE}:4.20.3-hotfix"),
        )
    ]


def test_a_mistake_keeps_the_image_and_says_so(fleet: Fleet, eventually) -> None:
    """An annotation that was emptied leaves the record, sets the condition to False and warns; mended, all is well."""
    before = fleet.record("aws-stage")
    fleet.cluster("aws-stage", annotations={IMAGE: " "})
    eventually(lambda: fleet.condition("aws-stage"), lambda found: found["reason"] == "EmptyImageAnnotation")
    eventually(lambda: _condition(fleet.record("aws-stage")), lambda found: found["status"] == "False")

    assert before["image"] == fleet.record("aws-stage")["image"]
    assert any(event.startswith("Warning EmptyImageAnnotation") for event in fleet.events("aws-stage"))
    fleet.cluster("aws-stage")
    fleet.wait("aws-stage", "operator-image", status="True", image=before["image"])


def test_an_operator_upgrade_is_previewed_applied_and_held_back(fleet: Fleet, eventually) -> None:
    """What the preview says is what happens: the same clusters change, to the same images, but for the one on hold."""
    fleet.cluster("kubevirt-lab", annotations={SOURCE: "hold"})
    eventually(lambda: "hold" in fleet.cli("explain", "cpo-image", "kubevirt-lab").out)
    before = fleet.images()
    preview = fleet.cli("cpo", "preview", "--to", f"{OPERATOR}:v1.2.0", "-o", "json")
    found = preview.json()["clusters"]
    changing = {
        name.removeprefix("clusters/"): each["to"]["image"] for name, each in found.items() if each["changed"]
    }

    assert 2 == preview.code
    assert {"aws-proxied", "aws-stage", "openstack-lab"} == set(changing)
    assert before == fleet.images()  # a preview writes nothing
    rolling = {name: each for name, each in found.items() if "node-rollout" in each["effects"]}
    assert {"clusters/aws-proxied": ["aws-proxied-workers"]} == {
        name: each["nodePools"] for name, each in rolling.items()
    }
    assert "proxy" in rolling["clusters/aws-proxied"]["whyNodes"]
    assert all("label-lost" in found[f"clusters/{name}"]["effects"] for name in changing)

    fleet.settings(operatorImage=f"{OPERATOR}:v1.2.0")
    after = eventually(fleet.images, lambda images: changing.items() <= images.items())
    assert before | changing == after

    fleet.cluster("kubevirt-lab")
    assert after["aws-stage"] == eventually(
        lambda: fleet.images()["kubevirt-lab"], lambda image: image != before["kubevirt-lab"]
    )


def test_a_cluster_that_must_not_roll_is_held_on_its_payload(fleet: Fleet, eventually) -> None:
    """Kept on the payload's image, the cluster behind a proxy is no longer in the way of the upgrade."""
    upgrade = ("cpo", "preview", "--to", f"{OPERATOR}:v1.2.0", "--fail-on", "node-rollout", "-o", "json")
    assert (2, ["clusters/aws-proxied"]) == (fleet.cli(*upgrade).code, fleet.cli(*upgrade).json()["failing"])

    fleet.cluster("aws-proxied", annotations={SOURCE: "payload"})
    fleet.wait("aws-proxied", "payload")
    assert (0, []) == (fleet.cli(*upgrade).code, fleet.cli(*upgrade).json()["failing"])
    fleet.settings(operatorImage=f"{OPERATOR}:v1.2.0")
    eventually(
        lambda: fleet.record("aws-stage").get("operatorImage"), lambda image: image == f"{OPERATOR}:v1.2.0"
    )
    assert "payload" == fleet.record("aws-proxied")["rule"]


def test_what_belongs_to_a_deleted_cluster_goes_with_it(fleet: Fleet, eventually) -> None:
    """The ControlPlaneImage is owned by its HostedCluster; the others stay."""
    assert 0 == fleet.cli("delete", "hc", "clusters/aws-stage").code

    left = eventually(fleet.images, lambda images: "aws-stage" not in images)
    assert 9 == len(left)
    assert 9 == len(fleet.cli("get", "hc", "-o", "json").json()["items"])


def test_a_record_that_somebody_deleted_comes_back(fleet: Fleet, eventually) -> None:
    """The controller looks at its own record as well."""
    before = fleet.record("aws-stage")
    assert 0 == fleet.cli("delete", "controlplaneimage", "clusters/aws-stage").code

    after = fleet.wait("aws-stage", "operator-image", status="True")
    assert before["image"] == after["image"]
