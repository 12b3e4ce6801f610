"""The whole answer about one hosted cluster: image, rule, every rule considered, labels, and who runs the image."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotage.controlplane.consumers import CONSUMERS
from pilotage.controlplane.image import version_of
from pilotage.controlplane.labels import ImageLabels, capability_warnings
from pilotage.controlplane.observed import Observed, labels_of_choice
from pilotage.decision.render import decision_json, finding_json
from pilotage.decision.rules import Decision

__all__ = ["explain_json"]


def explain_json(observed: Observed, decision: Decision[str]) -> dict[str, Any]:
    """The machine form: `image`, `rule`, `version`, `trail` (all five rules), `warnings`, `labels`, `consumers`.

    `labels` is empty when no image was chosen; `labelsSource` is then null, or says why they are not known.
    """
    version = version_of(observed.facts)
    body = decision_json(decision, "image")
    found = labels_of_choice(observed) if decision.value is not None else None
    labels: dict[str, str] = {}
    source: str | None = None
    warnings = list(body["warnings"])
    if isinstance(found, ImageLabels):
        labels, source = dict(found.labels), found.source
        warnings += [finding_json(finding) for finding in capability_warnings(labels, decision.subject)]
    elif found is not None:
        warnings.append(finding_json(found))
    return body | {
        "version": str(version) if version else None,
        "warnings": warnings,
        "labels": labels,
        "labelsSource": source,
        "nodePoolsWithImage": list(observed.node_pools) if observed.cluster.image_in_ignition else [],
        "consumers": [msgspec.to_builtins(consumer) for consumer in CONSUMERS],
    }
