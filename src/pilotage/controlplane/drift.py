"""Does what runs agree with what was chosen? Each component that should run the image is compared by digest.

Catches a rollout that is stuck, and a component that came to its image by rules of its own. What was not looked at is
not judged; a tag and a digest are not comparable, so they are reported as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from pilotage.decision.findings import Finding, warning
from pilotage.images import reference
from pilotage.images.errors import ImageError

__all__ = ["COMPONENTS", "Comparison", "compare_running", "drift_findings"]

COMPONENTS = (
    "control-plane-operator",
    "hosted-cluster-config-operator",
    "global-pull-secret-syncer",
    "kube-apiserver-proxy",
    "etcd-backup",
)
"""Components whose image is compared, with the workload that tells: Deployments, a DaemonSet, a static pod, a Job."""

Verdict = Literal["same", "drift", "unknown"]


class Comparison(msgspec.Struct, frozen=True):
    component: str
    running: str
    verdict: Verdict


def compare_running(
    chosen: str, running: Mapping[str, str], children: frozenset[str] = frozenset()
) -> tuple[Comparison, ...]:
    """`running` is the image of each component that was looked at: a pull spec, or the image id of its container.

    `children` are the digests of the images behind the chosen one when it is a list: an image id names one of them.
    """
    return tuple(
        Comparison(component, image, _verdict(chosen, image, children))
        for component, image in sorted(running.items())
    )


def drift_findings(
    subject: str, chosen: str, running: Mapping[str, str], children: frozenset[str] = frozenset()
) -> tuple[Finding, ...]:
    """One `Drift` for each component that runs another image."""
    return tuple(
        warning(
            "Drift",
            f"{found.component} runs {found.running}, chosen is {chosen}",
            subject=subject,
            field=found.component,
            hint="look at the rollout of the component",
        )
        for found in compare_running(chosen, running, children)
        if found.verdict == "drift"
    )


def _verdict(chosen: str, running: str, children: frozenset[str]) -> Verdict:
    running = running.removeprefix("docker-pullable://")
    if chosen == running:
        return "same"
    try:
        wanted, found = reference.parse(chosen), reference.parse(running)
    except ImageError:
        return "unknown"
    if wanted.is_pinned and found.is_pinned:
        # A mirror or a registry override gives another name to the same content.
        return "same" if found.digest in (wanted.digest, *children) else "drift"
    if wanted.is_pinned != found.is_pinned:
        return "unknown"
    return "drift"
