"""Events of both groups: `v1` and `events.k8s.io/v1` are two ways to write the same object, kept as the first.

Only names of fields differ; what both call the same stays. Follows `k8s.io/kubernetes/pkg/apis/events/v1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["EVENTS", "as_version"]

EVENTS = "events.k8s.io/v1"

_NEW_NAMES = {
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "involvedObject": "regarding",
    "lastTimestamp": "deprecatedLastTimestamp",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
}
_OLD_NAMES = {new: old for old, new in _NEW_NAMES.items()}


def as_version(value: Mapping[str, Any], api_version: str) -> dict[str, Any]:
    """The object in another version of its API. Of all kinds but events only the name of the version differs."""
    names: Mapping[str, str] = {}
    if value.get("kind") == "Event" and value.get("apiVersion") != api_version:
        if api_version == EVENTS and value.get("apiVersion") == "v1":
            names = _NEW_NAMES
        elif api_version == "v1" and value.get("apiVersion") == EVENTS:
            names = _OLD_NAMES
    return {names.get(name, name): child for name, child in value.items()} | {"apiVersion": api_version}
