"""The same fleet on a real kube-apiserver and on the embedded store: the same answers, and each of them written once."""

from __future__ import annotations

import re
import signal
from typing import Any

import pytest

from pilotage.api.core import CONFIG_MAP, EVENT, LEASE
from pilotage.api.hypershift import HOSTED_CLUSTER
from pilotage.api.meta import ObjectKey
from pilotage.api.pilotage import CONTROL_PLANE_IMAGE

TIMES = ("resolvedAt", "lastTransitionTime")
OVERRIDE = "quay.example.com/hypershift/control-plane-operator:4.20.3-hotfix"


@pytest.fixture
def running(management, start, world):
    """`pilotage run` on a cluster with the sample fleet, and with the images of the sample world."""
    management.load_fleet()
    process = start("run", "--kubeconfig", management.kubeconfig, "--lease-namespace", "pilotage",
                    "--listen", "127.0.0.1:0", "--data-dir", world)  # fmt: skip
    process.wait_for("leads")
    return process


def told(value: Any) -> Any:
    """Without the times at which it happened, and the folder in which the images lay."""
    if isinstance(value, str):
        return re.sub(r"oci:\S+/registry", "oci:FOLDER", value)
    if isinstance(value, dict):
        return {name: told(item) for name, item in value.items() if name not in TIMES}
    return [told(item) for item in value] if isinstance(value, list) else value


def test_a_real_cluster_gives_what_the_embedded_store_gives(
    management, running, world, cli, eventually
) -> None:
    """Records, conditions, owners and events of ten clusters are equal; nothing was written twice; a stop is clean."""
    here = {
        kind: {
            f"{item['metadata']['namespace']}/{item['metadata']['name']}": item
            for item in cli("get", kind, "--data-dir", world, "-o", "json").json()["items"]
        }
        for kind in ("controlplaneimages", "hostedclusters", "events")
    }
    expected = {name: told(item["status"]) for name, item in here["controlplaneimages"].items()}
    eventually(lambda: told(management.records()), lambda records: records == expected)

    conditions = {name: told(item["status"]) for name, item in here["hostedclusters"].items()}
    eventually(
        lambda: {name: told(item.get("status")) for name, item in management.values(HOSTED_CLUSTER).items()},
        lambda found: found == conditions,
    )
    events = management.values(EVENT, "clusters")
    assert sorted(map(_event, here["events"].values())) == sorted(map(_event, events.values()))
    assert {1} == {event["count"] for event in events.values()}
    _each_was_written_once(management)

    assert running.end(signal.SIGTERM).code == 0
    lease = management.find(LEASE, ObjectKey("pilotage", "pilotage"))
    assert lease["spec"]["holderIdentity"] == ""


def test_the_override_table_is_followed_and_other_config_maps_are_not(
    management, running, eventually
) -> None:
    """A pin moves its clusters as soon as it is written; who holds nothing of other ConfigMaps cannot be moved by them."""
    eventually(lambda: len(management.records()), lambda count: count == 10)
    table = f'platforms: {{aws: {{overrides: [{{version: "4.20.3", cpoImage: "{OVERRIDE}"}}]}}}}'
    management.put(CONFIG_MAP, "cpo-overrides", "hypershift", data={"overrides.yaml": table})
    eventually(lambda: management.records()["clusters/aws-stage"], lambda record: record["image"] == OVERRIDE)
    management.do(lambda store: store.delete(CONFIG_MAP, ObjectKey("hypershift", "cpo-overrides")))
    eventually(
        lambda: management.records()["clusters/aws-stage"],
        lambda record: record["reason"] == "InvalidOverrideTable",
    )


def _event(event: dict[str, Any]) -> tuple[str, ...]:
    return event["type"], event["reason"], told(event["message"]), event["involvedObject"]["name"]


def _each_was_written_once(management) -> None:
    """A record: made, then its status. A cluster: only its status, by us. The server notes one entry for each writer."""
    for record in management.values(CONTROL_PLANE_IMAGE).values():
        assert record["metadata"]["generation"] == 1
        assert [(e["manager"], e.get("subresource", "")) for e in record["metadata"]["managedFields"]] == [
            ("pilotage", ""),
            ("pilotage", "status"),
        ]
    for cluster in management.values(HOSTED_CLUSTER).values():
        assert cluster["metadata"]["generation"] == 1
