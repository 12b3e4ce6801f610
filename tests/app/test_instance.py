"""What survives: the end of a process at any moment, and the user's own changes."""

from __future__ import annotations

import json
import random
import re
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

KINDS = (
    "ns",
    "cm",
    "secrets",
    "hc",
    "nodepools",
    "controlplanesettings",
    "controlplaneimages",
    "events",
    "leases",
)
LINES = 20  # of progress and events, of a whole run
BLOBS = 370  # of the sample images, about
SIGNED = re.compile(r"/verified/[^:]+(@|:sha256-)")
OF_THIS_RUN = re.compile(r"oci:[^:]+/registry")


def objects(cli, place: Path) -> dict[str, Any]:
    """Every object of an instance, by kind and key."""
    found = {}
    for kind in KINDS:
        for item in cli("get", kind, "--data-dir", place, "-o", "json").json()["items"]:
            found[f"{kind} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"] = item
    return found


def end_state(cli, place: Path) -> dict[str, Any]:
    """What two runs must have in common: all but times, ids, counts, and the directory that stands in a message."""
    found = {}
    for name, item in objects(cli, place).items():
        if item["kind"] == "Event":
            said = f"{item['involvedObject']['name']} {item['reason']} {item['message']}"
            found[f"event {OF_THIS_RUN.sub('oci:…', said)}"] = {}
        else:
            found[name] = json.loads(OF_THIS_RUN.sub("oci:…", json.dumps(_timeless(item))))
    images = json.loads((place / "registry" / "index.json").read_bytes())["manifests"]
    names = {each["annotations"]["org.opencontainers.image.ref.name"]: each["digest"] for each in images}
    # Attestations are signed with the key of the instance; everything else is the same everywhere.
    found["images"] = {name: digest for name, digest in names.items() if not SIGNED.search(name)}
    found["nights"] = nights(cli, place)
    return found


def nights(cli, place: Path) -> dict[str, Any]:
    """What the gate came to, and which jobs it started."""
    started = [json.loads(line) for line in (place / "world" / "prow.jsonl").read_bytes().split()]
    runs = cli("get", "gateruns", "--data-dir", place, "-o", "json").json()["items"]
    return {
        "started": sorted(each["labels"]["gate.pilotage.dev/job-key"] for each in started),
        "runs": {
            run["metadata"]["name"]: (
                run["status"]["state"],
                [[each["result"] for each in job["attempts"]] for job in run["status"]["jobs"]],
            )
            for run in runs
        },
        "told": sorted(
            each["metadata"]["name"]
            for each in cli("get", "notifications", "--data-dir", place, "-o", "json").json()["items"]
        ),
    }


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        passing = {
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "lastTransitionTime",
            "resolvedAt",
        }
        return {key: _timeless(item) for key, item in value.items() if key not in passing}
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return value


@pytest.mark.parametrize("seed", [4711, 4712, 4713, 4714])
def test_killed_at_random_moments_it_comes_to_the_same_end(start, cli, eventually, world, user, seed) -> None:
    """Killed with -9 while images are built, objects are loaded or clusters are decided, then again: one end state."""
    place = user / "d"
    dice = random.Random(seed)
    for _ in range(3):
        running = start("up", "--data-dir", place)
        if dice.random() < 0.5:
            _until_lines(running, dice.randint(1, LINES))
        else:
            eventually(partial(_has_blobs, running, place, dice.randint(1, BLOBS)))
        assert -signal.SIGKILL == running.end(signal.SIGKILL).code

    assert 0 == cli("up", "--until-settled", "--data-dir", place).code
    assert end_state(cli, world) == end_state(cli, place)


def _until_lines(running, count: int) -> None:
    """Until so much was said, or all that is said without a change."""
    for _ in range(count):
        line = running.line("err").decode()
        if not line or "running in" in line:
            break


def _has_blobs(running, place: Path, count: int) -> bool:
    """Are so many blobs there, or all that will be?"""
    blobs = place / "registry" / "blobs" / "sha256"
    if running.process.poll() is not None or any(b"loading" in line for line in running.err):
        return True
    return blobs.is_dir() and len(list(blobs.iterdir())) >= count


def test_a_second_run_writes_nothing(cli, world: Path) -> None:
    """Every object of a settled world is the same, its resourceVersion included, after another run."""
    assert 0 == cli("up", "--until-settled", "--data-dir", world).code
    before = objects(cli, world)
    assert 0 == cli("up", "--until-settled", "--data-dir", world).code

    assert before == objects(cli, world)


def test_a_second_run_builds_nothing(cli, world: Path) -> None:
    """Images that are there are neither built nor touched again."""
    files = {path: path.stat().st_mtime_ns for path in (world / "registry").rglob("*") if path.is_file()}
    ran = cli("up", "--until-settled", "--data-dir", world)

    assert "building" not in ran.err
    assert files == {
        path: path.stat().st_mtime_ns for path in (world / "registry").rglob("*") if path.is_file()
    }


def test_a_users_own_objects_and_edits_survive(cli, world: Path, user: Path) -> None:
    """A cluster of the user, an edit of a sample cluster and a deletion are there after the next run, and decided."""
    (user / "mine.yaml").write_text(MINE)
    assert 0 == cli("apply", "-f", "mine.yaml", "--force-conflicts", "--data-dir", world).code
    assert 0 == cli("delete", "hc", "clusters/gcp-typo", "--data-dir", world).code

    ran = cli("up", "--data-dir", world, "-o", "json")
    shown = {row["cluster"]: row for row in ran.json()["boards"]["Control plane operator images"]}
    assert ("payload", "4.19.7") == (shown["clusters/mine"]["rule"], shown["clusters/mine"]["version"])
    assert ("payload", "4.19.7") == (
        shown["clusters/aws-stage"]["rule"],
        shown["clusters/aws-stage"]["version"],
    )
    assert "clusters/gcp-typo" not in shown
    assert 10 == len(shown)


MINE = """
apiVersion: hypershift.openshift.io/v1beta1
kind: HostedCluster
metadata: {name: mine, namespace: clusters, labels: {whose: mine}}
spec:
  platform: {type: AWS}
  release: {image: quay.example.com/openshift/release:4.19.7-multi}
  pullSecret: {name: pull-secret}
---
apiVersion: hypershift.openshift.io/v1beta1
kind: HostedCluster
metadata: {name: aws-stage, namespace: clusters}
spec:
  release: {image: quay.example.com/openshift/release:4.19.7-multi}
"""


def test_somebody_elses_settings_are_not_written_over(cli, world: Path, user: Path) -> None:
    """The fleet is loaded into an empty store only: changed settings stay as the user made them."""
    (user / "settings.yaml").write_text(
        "apiVersion: controlplane.pilotage.dev/v1alpha1\nkind: ControlPlaneSettings\nmetadata: {name: default}\n"
        'spec: {operatorImageForCPO: "off"}\n'
    )
    cli("apply", "-f", "settings.yaml", "--force-conflicts", "--data-dir", world)
    ran = cli("up", "--data-dir", world, "-o", "json")

    rules = {row["cluster"]: row["rule"] for row in ran.json()["boards"]["Control plane operator images"]}
    assert ("payload", "payload") == (rules["clusters/aws-stage"], rules["clusters/kubevirt-lab"])
    settings = cli("get", "controlplanesettings", "default", "--data-dir", world, "-o", "json").json()
    assert "off" == settings["spec"]["operatorImageForCPO"]
