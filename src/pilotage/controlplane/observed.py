"""What was observed about one hosted cluster, and what was recorded about it before.

`facts` is what the image is chosen by. The rest is what follows from the choice: the labels of the chosen image, whose
node pools it reaches, and the record that the last decision left, which `plan` compares with.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pilotage.api.errors import PilotageError
from pilotage.api.pilotage import ControlPlaneImageStatus
from pilotage.controlplane import labels
from pilotage.controlplane.facts import ImageFacts
from pilotage.controlplane.hosted import HostedCluster
from pilotage.controlplane.image import choose_image
from pilotage.controlplane.labels import ImageLabels
from pilotage.decision.facts import Fact, NotSeen
from pilotage.decision.findings import Finding, error
from pilotage.decision.rules import Decision

__all__ = ["Observed", "decide", "labels_of_choice"]


class Observed(msgspec.Struct, frozen=True):
    """`operator_image` is the operator image as configured; `facts.operator_image` is what it resolved to."""

    cluster: HostedCluster
    facts: ImageFacts
    operator_image: str = ""
    image_labels: Fact[Mapping[str, str]] = NotSeen()
    node_pools: tuple[str, ...] = ()
    record: ControlPlaneImageStatus | None = None
    settings_seen: bool = True


def decide(observed: Observed) -> Decision[str]:
    """Choose the image from the facts; labels, record and node pools follow the choice and do not make it."""
    return choose_image(observed.facts)


def labels_of_choice(observed: Observed, image: str) -> ImageLabels | Finding:
    """The labels that count for the chosen image, or why they are not known: then nothing can act on the choice."""
    cluster = observed.cluster
    try:
        return labels.labels_of(cluster.subject, cluster.labels_annotation, image, observed.image_labels)
    except PilotageError as problem:
        return error(problem.code, problem.message, subject=cluster.subject, hint=problem.hint)
