"""The sample fleet of `pilotage up`, looked at with kubectl: listed, described, explained, watched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .test_kubectl import Kubectl, binaries, watching

pytestmark = pytest.mark.kubectl


@pytest.fixture
def fleet(start: Callable[..., Any], user: Path, eventually: Callable[..., Any]) -> Kubectl:
    """The newest kubectl that there is, on a running instance."""
    binary = binaries()["built"] or binaries()["system"]
    if binary is None:
        pytest.skip("no kubectl: install kubernetes-client, or run tools/apiserver/build.sh")
    running = start("up", "--data-dir", user / "data")
    kubeconfig = user / "data" / "kubeconfig"
    eventually(lambda: kubeconfig.exists() or running.process.poll() is not None)
    assert running.process.poll() is None, running.end()
    tool = Kubectl(binary, kubeconfig, user)
    eventually(lambda: tool.run("get", "hostedclusters", "--all-namespaces", "-o", "name", code=None).out)
    return tool


def test_the_fleet_can_be_seen(fleet: Kubectl):
    """Every kind of the fleet is listed by name, short name and category, described and explained, and changes are told."""
    kinds = fleet.run("api-resources", "-o", "name").out.split()
    assert "hostedclusters.hypershift.openshift.io" in kinds
    everything = fleet.run("get", ",".join(kinds), "--all-namespaces", "-o", "wide").out
    assert "hostedcluster.hypershift.openshift.io/" in everything
    assert "nodepool.hypershift.openshift.io/" in everything
    listed = fleet.run("get", "hc", "--all-namespaces").out.splitlines()
    assert {"NAMESPACE", "NAME"} <= set(listed[0].split())
    namespace, name = listed[1].split()[:2]
    fleet.namespace = namespace
    told = fleet.run("describe", "hc", name).out
    assert name in told
    assert "Spec:" in told
    for kind in kinds:
        if kind.endswith((".openshift.io", ".pilotage.dev")):
            assert "FIELDS:" in fleet.run("explain", kind).out
    with watching(fleet, "get", "hc", name, "-w", "--no-headers", "-L", "seen") as next_line:
        assert name == next_line().split()[0]
        fleet.run("label", "hc", name, "seen=by-kubectl")
        while not next_line().rstrip().endswith("by-kubectl"):
            pass  # the controllers change it too
