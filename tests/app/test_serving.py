"""An instance and its API: the kubeconfig comes and goes with it, and other commands are clients."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pilotage.api import yaml
from pilotage.app import instance

CLUSTER = {
    "apiVersion": "hypershift.openshift.io/v1beta1",
    "kind": "HostedCluster",
    "metadata": {"name": "mine", "namespace": "clusters"},
    "spec": {
        "release": {"image": "quay.example.com/openshift/release:4.20.3-multi"},
        "platform": {"type": "AWS"},
    },
}


def kubectl(kubeconfig: Path, *arguments: str, stdin: str = "") -> str:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    command = [program, "--kubeconfig", str(kubeconfig), *arguments]
    ran = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_kubeconfig_is_there_as_long_as_the_api(start, world: Path, user: Path) -> None:
    """For its owner alone, named where other programs look, and gone afterwards."""
    running = start("up", "--data-dir", world)
    assert f"kubectl --kubeconfig {world}/kubeconfig" in running.wait_for("running in")
    path = world / "kubeconfig"
    (pointer,) = (user / "run" / "pilotage").glob("*.json")

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert str(path) == json.loads(pointer.read_text())["kubeconfig"]
    assert 0 == running.end(signal.SIGTERM).code
    assert not path.exists()


def test_what_a_killed_instance_left_behind_leads_nowhere(start, cli, world: Path) -> None:
    """Commands read the file of the store then; the next start has a kubeconfig of its own."""
    first = start("up", "--data-dir", world)
    first.wait_for("running in")
    path = world / "kubeconfig"
    before = path.read_bytes()
    first.end(signal.SIGKILL)

    assert path.read_bytes() == before
    assert 10 == len(cli("get", "hc", "--data-dir", world, "-o", "json").json()["items"])
    second = start("up", "--data-dir", world)
    second.wait_for("running in")
    assert path.read_bytes() != before


def test_commands_and_kubectl_see_the_same_objects(start, cli, world: Path) -> None:
    """What one of them writes the other reads, and the controllers act on it."""
    running = start("up", "--data-dir", world)
    running.wait_for("running in")
    kubeconfig = world / "kubeconfig"

    ran = cli("apply", "-f", "-", stdin=json.dumps(CLUSTER))
    assert (0, "hostedclusters.hypershift.openshift.io/mine created\n") == (ran.code, ran.out)
    assert "mine" in kubectl(kubeconfig, "get", "hc", "-n", "clusters", "-o", "name")
    running.wait_for("clusters/mine", "out")
    kubectl(kubeconfig, "delete", "hc", "-n", "clusters", "mine")
    assert 10 == len(cli("get", "hc", "-o", "json").json()["items"])
    assert 0 == running.end(signal.SIGTERM).code


def test_all_is_tried_before_the_first_is_written_beside_an_instance(start, cli, world: Path) -> None:
    """A refusal in the middle of a file changes nothing: also of what others own, and with kinds defined in it."""
    running = start("up", "--data-dir", world)
    running.wait_for("running in")
    taken = {**CLUSTER, "metadata": {"name": "aws-stage", "namespace": "clusters"}}
    taken["spec"] = {"platform": {"type": "GCP"}}
    documents = "---\n".join(yaml.dump(each) for each in (*defined(), CLUSTER, taken))

    refused = cli("apply", "-f", "-", stdin=documents)
    assert 2 == refused.code
    assert "NotApplied: 1 of 4 objects are refused" in refused.err
    assert ".spec.platform.type" in refused.err
    assert "mine" not in cli("get", "hc").out
    assert "words" not in cli("get", "crds").out
    taken_over = cli("apply", "--force-conflicts", "-f", "-", stdin=documents)
    assert (0, 4) == (taken_over.code, len(taken_over.out.splitlines()))


def test_kinds_of_others_can_be_defined_by_a_user(start, cli, world: Path) -> None:
    """A definition that the user applies stays at the next start; ours come back when they are removed."""
    name = "nodepools.hypershift.openshift.io"
    running = start("up", "--data-dir", world)
    running.wait_for("running in")
    loose = next(
        item for item in cli("get", "crds", "-o", "json").json()["items"] if item["metadata"]["name"] == name
    )
    theirs: dict[str, Any] = {key: loose[key] for key in ("apiVersion", "kind", "spec")}
    theirs["metadata"] = {"name": name}
    theirs["spec"]["versions"][0]["additionalPrinterColumns"] = [
        {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"}
    ]
    assert 0 == cli("apply", "-f", "-", stdin=json.dumps(theirs)).code
    cli("delete", "crd", "alerts.gate.pilotage.dev")
    running.end(signal.SIGTERM)
    again = start("up", "--data-dir", world)
    again.wait_for("running in")

    assert "REPLICAS" in kubectl(world / "kubeconfig", "get", "nodepools", "-A")
    assert "alerts.gate.pilotage.dev" in cli("get", "crds").out


def test_serve_is_an_empty_instance(start, cli, user: Path) -> None:
    """Objects, kinds and API, without sample fleet and sample images."""
    running = start("serve", "--data-dir", user / "s", "--offline")
    running.wait_for("running in")

    assert "No hostedclusters found" in cli("get", "hc").err
    assert "hostedclusters" in kubectl(user / "s" / "kubeconfig", "api-resources")
    assert not (user / "s" / "registry").exists()
    assert "StoreBusy" in cli("serve", "--data-dir", user / "s").err
    assert 0 == running.end(signal.SIGINT).code


def test_a_port_can_be_chosen(start, cli, world: Path, user: Path) -> None:
    """The second that wants it is told so, in one sentence, and its directory is as before."""
    first = start("up", "--data-dir", world)
    first.wait_for("running in")
    server = yaml.load((world / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    port = server.rpartition(":")[2]
    refused = cli("serve", "--data-dir", user / "other", "--port", port)

    assert 2 == refused.code
    assert f"error: UnusablePort: 127.0.0.1:{port}: cannot listen there" in refused.err
    assert not instance.is_held(user / "other")


def defined() -> tuple[dict[str, Any], dict[str, Any]]:
    """A kind of the user's own, and an object of it."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Word", "plural": "words", "singular": "word"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "words.example.com"},
        "spec": {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]},
    }
    word = {"apiVersion": "example.com/v1", "kind": "Word", "metadata": {"name": "a", "namespace": "default"}}
    return definition, word
