"""Whether what runs agrees with what was chosen."""

from __future__ import annotations

import pytest

from pilotage.controlplane.drift import compare_running, drift_findings

CHOSEN = f"quay.io/cpo@sha256:{'a' * 64}"
CHILD = f"sha256:{'c' * 64}"


@pytest.mark.parametrize(
    ("running", "verdict"),
    [
        (CHOSEN, "same"),
        (f"docker-pullable://{CHOSEN}", "same"),
        (f"mirror.example.net/x/cpo@sha256:{'a' * 64}", "same"),
        (f"quay.io/cpo@{CHILD}", "same"),
        (f"quay.io/cpo@sha256:{'b' * 64}", "drift"),
        ("quay.io/cpo:latest", "unknown"),
        ("no such image!", "unknown"),
    ],
)
def test_images_are_compared_by_digest(running: str, verdict: str) -> None:
    """A mirror gives another name to the same content, an image id names one image of a list; a tag tells nothing."""
    found = compare_running(CHOSEN, {"control-plane-operator": running}, frozenset({CHILD}))
    assert [item.verdict for item in found] == [verdict]


def test_drift_names_the_component() -> None:
    """Only components that were looked at are judged."""
    running = {"control-plane-operator": CHOSEN, "etcd-backup": f"quay.io/old@sha256:{'b' * 64}"}
    findings = drift_findings("clusters/demo", CHOSEN, running)
    assert [(finding.code, finding.field) for finding in findings] == [("Drift", "etcd-backup")]
    assert drift_findings("clusters/demo", "quay.io/cpo:1", {"x": "quay.io/cpo:2"})[0].code == "Drift"
