"""The `scale` subresource: how many replicas an object asks for and has, in the one form that autoscalers know.

Follows `autoscaling/v1` Scale. Where the numbers stand is said by the definition of a kind (`specReplicasPath`, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.api.meta import Kind
from pilotage.store.base import BadRequestError
from pilotage.store.embedded.kinds import ScalePaths

__all__ = ["SCALE", "scale_of", "with_replicas"]

SCALE = Kind("autoscaling", "v1", "Scale", "scales")
_SHARED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(value: Mapping[str, Any], paths: ScalePaths) -> dict[str, Any]:
    """The Scale of an object."""
    metadata = value["metadata"]
    status: dict[str, Any] = {"replicas": _at(value, paths.status) or 0}
    selector = _at(value, paths.selector) if paths.selector else _label_selector(value)
    if selector:
        status["selector"] = selector
    wanted = _at(value, paths.spec)
    return {
        "apiVersion": SCALE.api_version,
        "kind": SCALE.kind,
        "metadata": {name: metadata[name] for name in _SHARED if name in metadata},
        "spec": {"replicas": wanted} if wanted else {},
        "status": status,
    }


def with_replicas(value: Mapping[str, Any], paths: ScalePaths, scale: Mapping[str, Any]) -> dict[str, Any]:
    """The object with what a Scale asks for. Raises BadRequestError when that is no number."""
    wanted = (scale.get("spec") or {}).get("replicas", 0)
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise BadRequestError(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal string into Go struct field'
            " ScaleSpec.spec.replicas of type int32"
        )
    return _with(value, paths.spec, wanted)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _with(value: Any, path: tuple[str, ...], new: Any) -> dict[str, Any]:
    step, rest = path[0], path[1:]
    holder = dict(value) if isinstance(value, Mapping) else {}
    holder[step] = _with(holder.get(step), rest, new) if rest else new
    return holder


def _label_selector(value: Mapping[str, Any]) -> str:
    """The selector of a built-in kind as text."""
    selector = (value.get("spec") or {}).get("selector") or {}
    labels = selector.get("matchLabels", selector if "matchExpressions" not in selector else {})
    return ",".join(f"{name}={text}" for name, text in sorted(labels.items()) if isinstance(text, str))
