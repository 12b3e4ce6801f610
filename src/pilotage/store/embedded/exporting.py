"""A store as plain manifests: what `kubectl apply -f` takes, in an order in which it works.

What the API gave an object stays behind: identity, times, versions, managers. Definitions come first, then namespaces, then
the rest. What is being deleted is left out. To copy objects as they are, use `EmbeddedStore.fork` or `restore`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilotage.api.meta import Object
from pilotage.store.embedded.intake import API_OWNED

__all__ = ["plain_manifest", "plain_manifests"]

_FIRST = ("CustomResourceDefinition", "Namespace")
_GIVEN_LABEL = "kubernetes.io/metadata.name"


def plain_manifest(item: Object, *, has_status: bool = False) -> dict[str, Any]:
    """One object as its author would write it; `has_status`: with what controllers said of it."""
    value = item.value()
    metadata = {name: child for name, child in value["metadata"].items() if name not in API_OWNED}
    if item.kind == "Namespace":
        labels = {name: text for name, text in item.labels.items() if name != _GIVEN_LABEL}
        metadata.pop("labels", None)
        if labels:
            metadata["labels"] = labels
        value.pop("spec", None)
    value["metadata"] = metadata
    if not has_status:
        value.pop("status", None)
    return value


def plain_manifests(items: Iterable[Object], *, has_status: bool = False) -> list[dict[str, Any]]:
    """All objects, in an order in which they can be applied."""
    kept = [item for item in items if item.meta.deletion_timestamp is None]
    return [plain_manifest(item, has_status=has_status) for item in sorted(kept, key=_rank)]


def _rank(item: Object) -> tuple[int, str, str, str]:
    place = _FIRST.index(item.kind) if item.kind in _FIRST else len(_FIRST)
    return (place, item.kind, item.meta.namespace, item.meta.name)
