"""What is different between two releases? Components, manifests, boot images, feature gates, and the operator's labels.

The machine form has the keys of the changelog of `oc adm release info --changelog -o json` (without commit lists, which need
clones of the sources) and, beside them, what that leaves out: manifests line by line, boot images, capability labels of the
control plane operator. Follows openshift/oc `pkg/cli/admin/release/info.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotage.app.featuregates import GateChange, gate_changes
from pilotage.app.releases import Release
from pilotage.controlplane.labels import LabelChange, label_changes
from pilotage.images import reference as references
from pilotage.images.errors import ImageError
from pilotage.images.inspect import inspect_image
from pilotage.images.payload.changes import PayloadChanges, compare_payloads
from pilotage.images.payload.componentversions import ComponentVersion
from pilotage.images.payload.diff import ComponentChange, commit_url
from pilotage.images.payload.imagereferences import Component
from pilotage.images.payload.payload import ReleasePayload

__all__ = ["OPERATOR", "ReleaseDiff", "compare", "document"]

OPERATOR = "hypershift"
"""The component that is the control plane operator."""


class ReleaseDiff(msgspec.Struct, frozen=True):
    """`operator` is the control plane operator's (old, new) pull spec when it changed, with what its labels change.

    `label_error` says why the labels could not be compared; empty when they were, or need not be.
    """

    old: ReleasePayload
    new: ReleasePayload
    changes: PayloadChanges
    gates: tuple[GateChange, ...] = ()
    operator: tuple[str, str] | None = None
    labels: tuple[LabelChange, ...] = ()
    label_error: str = ""


async def compare(old: Release, new: Release) -> ReleaseDiff:
    """Compare two releases. Raises ImageError when one of them cannot be read."""
    changes = await compare_payloads(old.payload, new.payload)
    if changes.identical:
        return ReleaseDiff(old.payload, new.payload, changes)
    gates = gate_changes(await old.payload.manifests(), await new.payload.manifests())
    images = tuple(
        each.payload.components[OPERATOR].image if OPERATOR in each.payload.components else ""
        for each in (old, new)
    )
    operator = (images[0], images[1]) if images[0] != images[1] else None
    labels: tuple[LabelChange, ...] = ()
    label_error = ""
    if operator and all(operator):
        try:
            labels = label_changes(await _labels(old, new, operator[0]), await _labels(new, old, operator[1]))
        except ImageError as error:
            label_error = error.message
    return ReleaseDiff(old.payload, new.payload, changes, gates, operator, labels, label_error)


def document(diff: ReleaseDiff) -> dict[str, Any]:
    """The machine form."""
    components = diff.changes.components
    changed = diff.changes.manifests
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "ReleaseDiff",
        "identical": diff.changes.identical,
        "canUpdate": diff.changes.can_update,
        "from": _release(diff.old),
        "to": _release(diff.new),
        "components": _versions(diff.old, diff.new),
        "newImages": [_image(each) for each in components.added],
        "removedImages": [{"name": each.name} for each in components.removed],
        "rebuiltImages": [_image(each.new) for each in components.rebuilt],
        "updatedImages": [_updated(each) for each in components.changed],
        "featureGates": diff.gates,
        "manifests": {
            "added": list(changed.added),
            "removed": list(changed.removed),
            "changed": dict(changed.changed),
        },
        "bootImages": diff.changes.boot_images,
        "controlPlaneOperator": {"from": diff.operator[0], "to": diff.operator[1]} if diff.operator else None,
        "capabilityLabels": diff.labels,
    }


async def _labels(release: Release, other: Release, image: str) -> Mapping[str, str]:
    """The labels of an image that may lie beside either release. Raises the ImageError of its own place."""
    reference = references.parse(image)
    try:
        return (await inspect_image(release.components, reference)).labels
    except ImageError as error:
        try:
            return (await inspect_image(other.components, reference)).labels
        except ImageError:
            raise error from None


def _release(payload: ReleasePayload) -> dict[str, str]:
    found = payload.content.references
    return {
        "name": payload.display_version,
        "created": found.created or payload.content.config.created,
        "digest": payload.digest,
        "promotedFrom": found.from_release,
    }


def _versions(old: ReleasePayload, new: ReleasePayload) -> list[dict[str, str]]:
    before = old.component_versions.versions
    found = []
    for name, version in sorted(new.component_versions.versions.items()):
        entry = {"name": _display_name(name, version), "version": version.version}
        if name in before and before[name].version != version.version:
            entry["from"] = before[name].version
        found.append(entry)
    return found


def _display_name(name: str, version: ComponentVersion) -> str:
    """The display name, else the key as a title: `machine-os` is Machine Os."""
    return version.display_name or " ".join(part.capitalize() for part in name.split("-"))


def _image(component: Component) -> dict[str, str]:
    return {
        "name": component.name,
        "path": commit_url(component),
        "shortCommit": component.commit[:8],
        "commit": component.commit,
        "imageRef": component.image,
    }


def _updated(change: ComponentChange) -> dict[str, Any]:
    return _image(change.new) | {
        "fromImageRef": change.old.image,
        "fromCommit": change.old.commit,
        "fullChangeLog": change.compare_url,
    }
