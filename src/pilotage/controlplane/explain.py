"""The whole answer about one hosted cluster: image, rule, every rule considered, labels, and who runs the image."""

from __future__ import annotations

from typing import Any

import msgspec

from pilotage.controlplane.consumers import CONSUMERS
from pilotage.controlplane.labels import ImageLabels, capability_warnings
from pilotage.controlplane.observed import Observed, labels_of_choice
from pilotage.controlplane.verdicts import version_of
from pilotage.decision.render import decision_json, finding_json
from pilotage.decision.rules import Decision

__all__ = ["explain_details", "explain_json"]


def explain_json(observed: Observed, decision: Decision[str]) -> dict[str, Any]:
    """The machine form: `image`, `rule`, `version`, `trail` (all five rules), `warnings`, `labels`, `consumers`.

    `labels` is empty when no image was chosen; `labelsSource` is then null, or says why they are not known.
    """
    version = version_of(observed.facts)
    body = decision_json(decision, "image")
    found = labels_of_choice(observed, decision.value) if decision.value is not None else None
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


def explain_details(observed: Observed, decision: Decision[str]) -> tuple[tuple[str, str], ...]:
    """Lines for a person below the answer, as (name, text): what is known beyond the rules, and what is not."""
    facts, cluster = observed.facts, observed.cluster
    version = version_of(facts)
    lines = [("version", str(version))] if version else []
    lines.append(("release", facts.release_image or "not set"))
    if observed.record and observed.record.image and observed.record.image != decision.value:
        lines.append(("recorded", f"{observed.record.image} ({observed.record.rule})"))
    if decision.value is not None:
        found = labels_of_choice(observed, decision.value)
        if isinstance(found, ImageLabels):
            lines.append(("labels", f"from the {found.source}"))
        else:
            lines.append(("labels", f"not known: {found.message}"))
    if cluster.image_in_ignition:
        pools = ", ".join(observed.node_pools) or "none yet"
        lines.append(
            ("node pools", f"{pools}: the image stands in their ignition, a new one rolls their nodes")
        )
    if not observed.settings_seen:
        lines.append(("settings", "ControlPlaneSettings default was not seen; the defaults hold"))
    return tuple(lines)
