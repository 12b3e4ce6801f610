"""May a hosted cluster or a node pool run this version?"""

from __future__ import annotations

import pytest

from pilotage.api.versions import OCPVersion
from pilotage.images.payload.version import (
    HostedRelease,
    kubernetes_minor,
    line_of,
    minor_name,
    node_pool_problems,
    release_problems,
)

V = OCPVersion.parse


@pytest.mark.parametrize(
    ("desired", "current", "network", "platform", "codes"),
    [
        ("4.20.3", None, "OVNKubernetes", "AWS", []),
        ("4.14.0", None, "", "", []),
        ("4.13.9", None, "", "", ["UnsupportedVersion"]),
        ("4.7.0", None, "", "", ["UnsupportedVersion"]),
        ("5.1.9", None, "", "", []),
        ("4.24.0", None, "", "", []),
        ("5.2.0", None, "", "", ["UnsupportedVersion"]),
        ("4.25.0", None, "", "", ["UnsupportedVersion"]),
        ("5.1.0-0.nightly-2026-05-20-043516", None, "", "", []),
        ("3.11.0", None, "", "", ["UnsupportedMajor"]),
        ("6.0.0", "5.1.0", "", "", ["UnsupportedMajor"]),
        ("4.20.0", "4.20.9", "", "", []),
        ("4.19.9", "4.20.0", "", "", ["Downgrade"]),
        ("4.22.0", "5.0.0", "", "", ["Downgrade"]),
        ("5.0.0", "4.22.0", "", "", []),
        ("4.23.0", "5.0.0", "", "", []),
        ("4.20.0", None, "OpenShiftSDN", "AWS", ["UnsupportedNetwork"]),
        ("4.20.0", None, "OpenShiftSDN", "PowerVS", []),
        ("4.20.1", "4.20.0", "OpenShiftSDN", "AWS", []),
        ("4.21.0", "4.20.0", "OpenShiftSDN", "AWS", ["UnsupportedNetwork"]),
        ("4.10.0", None, "OVNKubernetes", "AWS", ["UnsupportedVersion", "UnsupportedNetwork"]),
        ("4.10.0", None, "OpenShiftSDN", "AWS", ["UnsupportedVersion"]),
    ],
)
def test_hosted_release(
    desired: str, current: str | None, network: str, platform: str, codes: list[str]
) -> None:
    """Range, direction and network type are judged together, by minor."""
    release = HostedRelease(V(desired), V(current) if current else None, network, platform)
    assert [problem.code for problem in release_problems(release)] == codes


@pytest.mark.parametrize(
    ("pool", "cluster", "codes"),
    [
        ("4.20.3", "4.20.3", []),
        ("4.20.4", "4.20.3", ["NodePoolTooNew"]),
        ("4.21.0", "4.20.9", ["NodePoolTooNew"]),
        ("4.17.9", "4.20.0", []),
        ("4.16.9", "4.20.0", ["NodePoolTooOld"]),
        ("4.20.0", "5.0.0", []),
        ("4.19.0", "5.0.0", ["NodePoolTooOld"]),
        ("5.0.0", "4.22.0", ["NodePoolTooNew"]),
        ("4.22.0", "5.1.0", []),
        ("6.0.0", "5.0.0", ["UnsupportedMajor"]),
    ],
)
def test_node_pool(pool: str, cluster: str, codes: list[str]) -> None:
    """A pool is never newer than its cluster, and at most three minors older, across the bridge."""
    assert [problem.code for problem in node_pool_problems(V(pool), V(cluster))] == codes


@pytest.mark.parametrize(
    ("version", "kubernetes"),
    [
        ("4.14.0", "1.27"),
        ("4.20.3", "1.33"),
        ("4.23.0", "1.36"),
        ("5.0.0", "1.36"),
        ("5.1.0-rc.1", "1.37"),
        ("4.13.0", ""),
    ],
)
def test_kubernetes(version: str, kubernetes: str) -> None:
    """Each minor ships one Kubernetes minor."""
    assert kubernetes_minor(V(version)) == kubernetes


def test_lines() -> None:
    """5.0 is the line of 4.23."""
    assert line_of(V("5.0.0")) == line_of(V("4.23.7")) == 23
    assert line_of(V("3.11.0")) is None
    assert [minor_name(line) for line in (22, 23, 24)] == ["4.22", "5.0 (4.23)", "5.1 (4.24)"]
