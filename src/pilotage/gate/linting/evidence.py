"""What lint looks at, and how it reads objects that nobody checked: never with an exception."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from pilotage.api.gate import Gate, VersionMatrix
from pilotage.gate import loosejson

__all__ = [
    "GATED",
    "Evidence",
    "Manifest",
    "Problem",
    "contexts_of",
    "gate_name",
    "key_of",
    "metadata_of",
    "name_of",
    "tags",
]

Manifest = Mapping[str, Any]
Problem = tuple[str, str, str, str]
"""Object, field, sentence, what to do."""
GATED = "ho-release-gate-"
"""Stands in the name of every object of a gate."""


class Evidence(msgspec.Struct, frozen=True):
    """Gates with the manifests that they were read from, matrices by name, and a dump by kind; None without a dump."""

    gates: tuple[Gate, ...]
    now: datetime
    written: tuple[Manifest, ...] = ()
    matrices: Mapping[str, VersionMatrix] = {}
    dump: Mapping[str, tuple[Manifest, ...]] | None = None

    def live(self, kind: str) -> tuple[Manifest, ...]:
        return (self.dump or {}).get(kind, ())


def contexts_of(scenario: Manifest) -> list[str]:
    spec = loosejson.mapping(scenario.get("spec"))
    return [loosejson.text(each.get("name")) for each in loosejson.objects(spec.get("contexts"))]


def metadata_of(manifest: Manifest) -> Mapping[str, Any]:
    return loosejson.mapping(manifest.get("metadata"))


def tags(manifest: Manifest, field: str) -> dict[str, str]:
    return loosejson.tags_of(metadata_of(manifest).get(field))


def key_of(manifest: Manifest) -> tuple[str, str]:
    metadata = metadata_of(manifest)
    return loosejson.text(metadata.get("namespace")), loosejson.text(metadata.get("name"))


def name_of(manifest: Manifest) -> str:
    namespace, name = key_of(manifest)
    return f"{loosejson.text(manifest.get('kind'))} {f'{namespace}/' if namespace else ''}{name}"


def gate_name(gate: Gate) -> str:
    return f"Gate {gate.spec.platform}"
