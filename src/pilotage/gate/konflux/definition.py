"""The Gate itself, where nothing of ours is installed: a ConfigMap, found by its label.

The trigger lists these ConfigMaps and finds every gate of the namespace; the steps read their gate from here. It holds what a person
wrote, without defaults.
"""

from __future__ import annotations

from typing import Any, Final

from pilotage.api import yaml
from pilotage.api.core import CONFIG_MAP
from pilotage.api.gate import GATE, VERSION_MATRIX
from pilotage.api.meta import Kind, ObjectKey
from pilotage.gate.konflux.target import CONFIG_MAP_LABEL, Target, manifest, plain

__all__ = ["GATE_KEY", "MATRIX_KEY", "REVISION_ANNOTATION", "definition"]

GATE_KEY: Final = "gate.yaml"
MATRIX_KEY: Final = "matrix.yaml"
REVISION_ANNOTATION: Final = "gate.pilotage.dev/revision"


def definition(target: Target) -> dict[str, Any]:
    """`gate-<platform>-definition`."""
    data = {GATE_KEY: _text(GATE, target.spec.platform, plain(target.spec))}
    if target.matrix is not None:
        data[MATRIX_KEY] = _text(VERSION_MATRIX, target.matrix.metadata.name, plain(target.matrix.spec))
    return manifest(
        CONFIG_MAP,
        ObjectKey(target.spec.tenant_namespace, target.names.definition),
        labels=target.labels(**{CONFIG_MAP_LABEL: "definition"}),
        annotations={REVISION_ANNOTATION: target.revision},
        data=data,
    )


def _text(kind: Kind, name: str, spec: Any) -> str:
    return yaml.dump(
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec}
    )
