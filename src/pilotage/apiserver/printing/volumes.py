"""Volumes, claims for them, and the classes and drivers behind both."""

from __future__ import annotations

from typing import Any

from pilotage.apiserver.printing.reading import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Column,
    Printer,
    Value,
    age_of,
    at,
    flag,
    listed,
    name_of,
    text,
    wide,
)

__all__ = ["PRINTERS"]

_STORAGE = "storage.k8s.io"
_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_DEFAULT_CLASS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def _modes(modes: list[Any]) -> str:
    return ",".join(short for mode, short in _MODES.items() if mode in modes)


def _class(value: Value) -> str:
    annotated = at(value, "metadata", "annotations", "volume.beta.kubernetes.io/storage-class")
    return annotated if isinstance(annotated, str) else text(value, "spec", "storageClassName")


def _phase(value: Value) -> str:
    return "Terminating" if at(value, "metadata", "deletionTimestamp") else text(value, "status", "phase")


def _size(value: Any) -> str:
    found = at(value, "storage")
    return "0" if found is None else str(found)


def _volume(value: Value, now: float) -> list[Any]:
    claim = at(value, "spec", "claimRef")
    return [
        name_of(value),
        _size(at(value, "spec", "capacity")),
        _modes(listed(value, "spec", "accessModes")),
        text(value, "spec", "persistentVolumeReclaimPolicy"),
        _phase(value),
        f"{text(claim, 'namespace')}/{text(claim, 'name')}" if claim else "",
        _class(value),
        text(value, "spec", "volumeAttributesClassName", default=UNSET),
        text(value, "status", "reason"),
        age_of(value, now),
        text(value, "spec", "volumeMode", default=UNSET),
    ]


def _claim(value: Value, now: float) -> list[Any]:
    volume = text(value, "spec", "volumeName")
    return [
        name_of(value),
        _phase(value),
        volume,
        _size(at(value, "status", "capacity")) if volume else "",
        _modes(listed(value, "status", "accessModes")) if volume else "",
        _class(value),
        text(value, "spec", "volumeAttributesClassName", default=UNSET),
        age_of(value, now),
        text(value, "spec", "volumeMode", default=UNSET),
    ]


def _storage_class(value: Value, now: float) -> list[Any]:
    default = any(at(value, "metadata", "annotations", name) == "true" for name in _DEFAULT_CLASS)
    return [
        name_of(value) + (" (default)" if default else ""),
        text(value, "provisioner"),
        text(value, "reclaimPolicy", default="Delete"),
        text(value, "volumeBindingMode", default="Immediate"),
        flag(value, "allowVolumeExpansion"),
        age_of(value, now),
    ]


def _attachment(value: Value, now: float) -> list[Any]:
    return [
        name_of(value),
        text(value, "spec", "attacher"),
        text(value, "spec", "source", "persistentVolumeName"),
        text(value, "spec", "nodeName"),
        flag(value, "status", "attached"),
        age_of(value, now),
    ]


def _driver(value: Value, now: float) -> list[Any]:
    requests = at(value, "spec", "tokenRequests")
    return [
        name_of(value),
        flag(value, "spec", "attachRequired", default=True),
        flag(value, "spec", "podInfoOnMount"),
        flag(value, "spec", "storageCapacity"),
        UNSET
        if requests is None
        else ",".join(text(each, "audience") for each in listed(value, "spec", "tokenRequests")),
        flag(value, "spec", "requiresRepublish"),
        ",".join(map(str, listed(value, "spec", "volumeLifecycleModes"))) or NONE,
        age_of(value, now),
    ]


def _node(value: Value, now: float) -> list[Any]:
    return [name_of(value), len(listed(value, "spec", "drivers")), age_of(value, now)]


PRINTERS = {
    ("", "PersistentVolume"): Printer(
        (
            NAME,
            Column("Capacity"),
            Column("Access Modes"),
            Column("Reclaim Policy"),
            Column("Status"),
            Column("Claim"),
            Column("StorageClass"),
            Column("VolumeAttributesClass"),
            Column("Reason"),
            AGE,
            *wide("VolumeMode"),
        ),
        _volume,
    ),
    ("", "PersistentVolumeClaim"): Printer(
        (
            NAME,
            Column("Status"),
            Column("Volume"),
            Column("Capacity"),
            Column("Access Modes"),
            Column("StorageClass"),
            Column("VolumeAttributesClass"),
            AGE,
            *wide("VolumeMode"),
        ),
        _claim,
    ),
    (_STORAGE, "StorageClass"): Printer(
        (
            NAME,
            Column("Provisioner"),
            Column("ReclaimPolicy"),
            Column("VolumeBindingMode"),
            Column("AllowVolumeExpansion"),
            AGE,
        ),
        _storage_class,
    ),
    (_STORAGE, "VolumeAttachment"): Printer(
        (
            NAME,
            Column("Attacher", format="name"),
            Column("PV"),
            Column("Node"),
            Column("Attached", "boolean"),
            AGE,
        ),
        _attachment,
    ),
    (_STORAGE, "CSIDriver"): Printer(
        (
            NAME,
            Column("AttachRequired", "boolean"),
            Column("PodInfoOnMount", "boolean"),
            Column("StorageCapacity", "boolean"),
            Column("TokenRequests"),
            Column("RequiresRepublish", "boolean"),
            Column("Modes"),
            AGE,
        ),
        _driver,
    ),
    (_STORAGE, "CSINode"): Printer((NAME, Column("Drivers", "integer"), AGE), _node),
}
