"""What the tests of this folder render: one small Gate, and pins that look real."""

from __future__ import annotations

from typing import Any

from pilotage.api.gate import (
    Gate,
    GateJob,
    GateSpec,
    MatrixMinor,
    MatrixTemplate,
    VersionMatrix,
    VersionMatrixSpec,
)
from pilotage.api.meta import Meta
from pilotage.gate.konflux.target import Pins, Target

PINS = Pins(image=f"quay.example.com/tools/pilotage:1.0@sha256:{'ab' * 32}", revision="1234567890" * 4)
JOBS = (
    GateJob("e2e-lifecycle", owner="hcp", contact="#hcp", cluster_hours=2.0),
    GateJob("e2e-upgrade", owner="hcp", contact="#hcp", cluster_hours=3.0),
    GateJob("e2e-arm", type="informing", phase=3, owner="aro", contact="#aro", cluster_hours=1.0),
)


def gate(platform: str = "aro-hcp", **more: Any) -> Gate:
    given: dict[str, Any] = {
        "platform": platform,
        "display_name": platform.upper(),
        "verified_repository": "quay.example.com/hypershift/verified",
        "owners": ("team-hcp",),
        "jobs": JOBS,
    }
    return Gate(GateSpec(**(given | more)), Meta(name=platform))


def matrix(name: str = "cpo") -> VersionMatrix:
    minors = (
        MatrixMinor("4.20", releases=("4.20.0", "4.20.3", "4.20.4")),
        MatrixMinor("4.21", releases=("4.21.0",)),
        MatrixMinor("5.0", releases=("5.0.0-ec.1",)),
    )
    templates = (MatrixTemplate("hosted-{version}", owner="hcp", contact="#hcp", cluster_hours=1.5),)
    return VersionMatrix(VersionMatrixSpec(minors, templates=templates), Meta(name=name))


def target(platform: str = "aro-hcp", **more: Any) -> Target:
    return Target(gate(platform, **more), PINS)
