"""Which feature gates does a release switch on or off, compared with another one?

A payload holds one FeatureGate manifest for each feature set and cluster profile, in files whose name contains `featureGate-`.
The set is `spec.featureSet` (empty is `Default`), the profile an annotation `include.release.openshift.io/<profile>`. A gate is
*enabled* or *disabled* when it newly is, and *removed* when the new release does not know it. `LatencySensitive` is left out:
nothing reads it. Follows openshift/api `payload-manifests/featuregates` and openshift/oc `pkg/cli/admin/release/info.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pilotage.api import manifest
from pilotage.api.errors import InputError

__all__ = ["GateChange", "gate_changes"]

_MARK = "featureGate-"
_PROFILE = "include.release.openshift.io/"
_LEFT_OUT = frozenset({"LatencySensitive"})

_Place = tuple[str, str]


class GateChange(msgspec.Struct, frozen=True, rename="camel"):
    """The gates that changed in one feature set of one cluster profile, sorted. `profile` is empty for all of them."""

    feature_set: str
    profile: str
    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class _Gates(msgspec.Struct, frozen=True):
    enabled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()


def gate_changes(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> tuple[GateChange, ...]:
    """Compare the manifests of two releases. A manifest that does not parse tells nothing, as one that is not there."""
    before, after = _read(old), _read(new)
    changes = []
    for place in sorted(after):
        was, now = before.get(place, _Gates()), after[place]
        removed = (was.enabled | was.disabled) - (now.enabled | now.disabled)
        enabled, disabled = now.enabled - was.enabled, now.disabled - was.disabled
        if enabled or disabled or removed:
            changes.append(
                GateChange(*place, *(tuple(sorted(each)) for each in (enabled, disabled, removed)))
            )
    return tuple(changes)


def _read(manifests: Mapping[str, bytes]) -> dict[_Place, _Gates]:
    found: dict[_Place, _Gates] = {}
    for name, raw in manifests.items():
        if _MARK in name:
            try:
                objects = manifest.load_objects(raw, name)
            except InputError:
                continue
            for each in objects:
                if each.kind == "FeatureGate":
                    found |= dict.fromkeys(_places(each.annotations, each.value()), _gates(each.value()))
    return found


def _places(annotations: Mapping[str, str], value: Mapping[str, Any]) -> Iterator[_Place]:
    feature_set = _at(value, "spec", "featureSet") or "Default"
    if feature_set in _LEFT_OUT:
        return
    profiles = [key.removeprefix(_PROFILE) for key in annotations if key.startswith(_PROFILE)]
    for profile in profiles or [""]:
        yield str(feature_set), profile


def _gates(value: Mapping[str, Any]) -> _Gates:
    """The first entry of the status counts: a payload manifest has one, for its own version."""
    listed = _at(value, "status", "featureGates")
    first = listed[0] if isinstance(listed, list) and listed else {}
    return _Gates(_names(first, "enabled"), _names(first, "disabled"))


def _names(entry: Any, key: str) -> frozenset[str]:
    listed = _at(entry, key)
    names = (_at(each, "name") for each in listed) if isinstance(listed, list) else ()
    return frozenset(name for name in names if isinstance(name, str))


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
