"""Which Secrets must be there, by name and key. What is in them is put there by people, and never rendered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilotage.api.core import SECRET
from pilotage.api.gate import GateSpec, SecretKeyReference
from pilotage.api.meta import ObjectKey
from pilotage.gate.konflux.names import GANGWAY_SECRET, SLACK_SECRET, slack_secret
from pilotage.gate.konflux.target import manifest

__all__ = ["examples", "needed"]


def needed(spec: GateSpec) -> tuple[SecretKeyReference, ...]:
    """The Secrets of one platform."""
    return (GANGWAY_SECRET, slack_secret(spec))


def examples(namespace: str, references: Iterable[SecretKeyReference]) -> list[dict[str, Any]]:
    """One Secret for each name, with its keys and no values."""
    keys: dict[str, set[str]] = {}
    for reference in (GANGWAY_SECRET, SLACK_SECRET, *references):
        keys.setdefault(reference.name, set()).add(reference.key)
    return [
        manifest(
            SECRET, ObjectKey(namespace, name), type="Opaque", stringData=dict.fromkeys(sorted(found), "")
        )
        for name, found in sorted(keys.items())
    ]
