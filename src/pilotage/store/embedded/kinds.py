"""What the embedded API knows of a kind besides its name: how objects are named, what counts as a new generation, how it merges.

Custom resource definitions answer this for their kinds (`definitions`); until a kind is defined, `well_known_traits` says
what holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pilotage.api.meta import Kind
from pilotage.store.embedded.builtin import BUILT_IN, field_paths
from pilotage.store.embedded.schema import Shape, well_known

if TYPE_CHECKING:
    from pilotage.store.embedded.admission import Gate
    from pilotage.store.embedded.builtingate import BuiltinGate

__all__ = [
    "KindTraits",
    "NameRule",
    "Part",
    "ScalePaths",
    "ServedKind",
    "TraitsOf",
    "storage_type",
    "well_known_traits",
]


class ScalePaths(msgspec.Struct, frozen=True):
    """Where `scale` finds its numbers, as steps below the object; `selector` is empty when there is none."""

    spec: tuple[str, ...]
    status: tuple[str, ...]
    selector: tuple[str, ...] = ()


Part = Literal["", "status"]
"""The door through which an object is written."""
NameRule = Literal["subdomain", "label", "segment"]
"""What `metadata.name` may be: an RFC 1123 subdomain, an RFC 1123 label, or any one segment of a URL path."""


class KindTraits(msgspec.Struct, frozen=True):
    """`has_status`: status is a subresource, written only through it. `has_generation`: changes of what is wanted count.

    `gate` cleans, fills and judges objects of a kind that is defined or built in. `storage` is the API version in which objects are kept; an empty
    one: as they came. `selectable` are the paths that field selectors may name. `blank` holds the maps that
    every object of the kind has, said or not: structs without a pointer, in Kubernetes' types. `is_versioned`: objects are told
    in the version asked for, not as they are kept.
    """

    shape: Shape
    has_status: bool = True
    has_generation: bool = True
    names: NameRule = "subdomain"
    gate: Gate | BuiltinGate | None = None
    storage: str = ""
    scale: ScalePaths | None = None
    selectable: tuple[str, ...] = ()
    is_custom: bool = False
    is_versioned: bool = False
    is_terminating: bool = False
    creates_on_update: bool = False
    merges_strategically: bool = True

    @property
    def blank(self) -> Mapping[str, Any]:
        """The maps that every object of the kind has, said or not: structs without a pointer, in Kubernetes' types."""
        return {} if self.gate is None else self.gate.blank()


class ServedKind(msgspec.Struct, frozen=True):
    """One kind in one version, as discovery and printing need it.

    `columns` are `additionalPrinterColumns` as the definition has them; `schema` its `openAPIV3Schema`. Of a built-in kind
    both are empty. `is_preferred`: the version that clients use unless told otherwise.
    """

    kind: Kind
    singular: str
    list_kind: str
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    is_custom: bool = False
    is_storage: bool = True
    is_preferred: bool = True
    columns: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] = {}
    warning: str = ""


TraitsOf = Callable[[Kind], KindTraits]

_PLAIN = frozenset(
    {
        ("", "ConfigMap"),
        ("", "Event"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("coordination.k8s.io", "Lease"),
        ("events.k8s.io", "Event"),
    }
)
"""Kinds that state nothing wanted: no status, no generation."""

_PLAIN_GROUPS = frozenset(
    {
        "authorization.openshift.io",
        "oauth.openshift.io",
        "rbac.authorization.k8s.io",
        "user.openshift.io",
    }
)

_SEGMENT_GROUPS = _PLAIN_GROUPS | {"image.openshift.io"}
"""Groups with names such as `system:node` and `tools:latest`."""

_LABELS = frozenset({"Namespace", "Service"})
"""Kinds whose names become one part of a DNS name."""

_SCALE = ScalePaths(("spec", "replicas"), ("status", "replicas"))
_WITHOUT_GENERATION = frozenset(
    {
        "APIService",
        "HorizontalPodAutoscaler",
        "Namespace",
        "Node",
        "Service",
        "PersistentVolume",
        "PersistentVolumeClaim",
    }
)
_WITH_GENERATION = frozenset(
    {
        "EndpointSlice",
        "MutatingWebhookConfiguration",
        "NetworkPolicy",
        "PriorityClass",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)


@cache
def well_known_traits(kind: Kind) -> KindTraits:
    """What can be known of a kind without its definition."""
    shape = well_known(kind)
    builtin = BUILT_IN.get((kind.group, kind.kind))
    if builtin is None:
        is_plain = kind.group in _PLAIN_GROUPS or (kind.group, kind.kind) in _PLAIN
        return KindTraits(
            shape,
            has_status=not is_plain,
            has_generation=not is_plain,
            names="segment" if kind.group in _SEGMENT_GROUPS else "subdomain",
        )
    from pilotage.store.embedded.builtingate import BuiltinGate  # noqa: PLC0415 it knows this module

    has_status = "status" in builtin.subresources
    names: NameRule = "segment" if kind.group in _SEGMENT_GROUPS else "subdomain"
    if kind.kind in _LABELS:
        names = "label"
    return KindTraits(
        shape,
        gate=BuiltinGate(builtin.kind, names),
        storage="v1" if builtin.is_versioned else "",
        is_versioned=builtin.is_versioned,
        has_status=has_status,
        has_generation=kind.kind in _WITH_GENERATION or (has_status and kind.kind not in _WITHOUT_GENERATION),
        names=names,
        scale=_SCALE if "scale" in builtin.subresources else None,
        selectable=field_paths(kind.group, kind.kind),
        creates_on_update=builtin.creates_on_update,
    )


@cache
def storage_type(group: str, kind: str) -> str:
    """The name under which objects of a kind are stored, in whatever version they were written: `apps/Deployment`."""
    if (group, kind) == ("events.k8s.io", "Event"):
        return "/Event"  # one object in two groups
    return f"{group}/{kind}"
