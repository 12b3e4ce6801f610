"""What an instance serves besides the built-in kinds: our own, and those of others that Pilotage reads.

Ours are defined by the types that read them. Of the others only so much is said as an API needs in order to keep them as they
are: where they live, that status is a door of its own, and that conditions are told apart by type. A user who has the real
definitions applies them; they are then left as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from pilotage.api import crd, kinds
from pilotage.api.meta import Kind, ObjectKey
from pilotage.app.edit import MANAGER
from pilotage.store.base import ConflictError, Reader, Writer
from pilotage.store.embedded.builtin import BUILT_IN

__all__ = ["define", "manifests"]

_OURS = "pilotage.dev/defined-by"
"""An annotation. It goes with the next apply of somebody else's definition by `pilotage apply`, which is the same manager."""
_DEFINITION = BUILT_IN["apiextensions.k8s.io", "CustomResourceDefinition"].kind
_KEPT: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_CONDITIONS = {
    "type": "array",
    "items": {**_KEPT, "required": ["type"], "properties": {"type": {"type": "string"}}},
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
_SCHEMA = {
    **_KEPT,
    "properties": {"spec": _KEPT, "status": {**_KEPT, "properties": {"conditions": _CONDITIONS}}},
}


class ReadWriter(Reader, Writer, Protocol):
    """What defining needs."""


def manifests() -> Iterator[dict[str, Any]]:
    """Every definition: of our kinds, then of those of others."""
    ours = {(each.kind.group, each.kind.kind) for each in kinds.DEFINITIONS}
    yield from (crd.manifest(definition) for definition in kinds.DEFINITIONS)
    others: dict[tuple[str, str], list[Kind]] = defaultdict(list)
    for kind in kinds.KNOWN:
        name = (kind.group, kind.kind)
        if name not in ours and name not in BUILT_IN:
            others[name].append(kind)
    yield from (_loose(versions) for versions in others.values())


def _loose(versions: Iterable[Kind]) -> dict[str, Any]:
    """The first version is the one that is stored."""
    first, *_ = versions = list(versions)
    served = [
        {
            "name": kind.version,
            "served": True,
            "storage": kind is first,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": _SCHEMA},
        }
        for kind in versions
    ]
    names: dict[str, Any] = {"kind": first.kind, "listKind": f"{first.kind}List", "plural": first.plural}
    names |= {"singular": first.kind.lower(), "shortNames": list(first.short_names)}
    return {
        "apiVersion": _DEFINITION.api_version,
        "kind": _DEFINITION.kind,
        "metadata": {"name": first.resource},
        "spec": {
            "group": first.group,
            "names": {name: value for name, value in names.items() if value},
            "scope": "Namespaced" if first.namespaced else "Cluster",
            "versions": served,
        },
    }


async def define(store: ReadWriter) -> None:
    """Apply what is missing or was ours and changed; a definition that somebody else wrote stays as it is."""
    present = {item.meta.name: item.value() for item in (await store.list(_DEFINITION)).items}
    for manifest in manifests():
        manifest["metadata"]["annotations"] = {_OURS: "instance"}
        name = manifest["metadata"]["name"]
        found = present.get(name)
        if found is not None and (not _is_ours(found) or _says(found, manifest)):
            continue
        try:
            await store.apply(_DEFINITION, ObjectKey("", name), manifest, manager=MANAGER)
        except ConflictError:
            continue  # somebody else has taken a part of it over


def _is_ours(found: dict[str, Any]) -> bool:
    return _OURS in (found["metadata"].get("annotations") or {})


def _says(found: Any, wanted: Any) -> bool:
    """Does it have everything that is wanted, whatever it has besides?"""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and _says(found[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_says(left, right) for left, right in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)
