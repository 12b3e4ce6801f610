"""How each place of an object merges: the schema port of server-side apply, and the knowledge that needs no schema.

A custom resource definition says for each list whether it is atomic, a set, or a map with keys
(`x-kubernetes-list-type`, `x-kubernetes-list-map-keys`), and for each map whether it is atomic
(`x-kubernetes-map-type`). `Shape` is that knowledge for one place; walking an object walks its shapes along. Anything
that answers these questions can stand in, such as a shape read from a definition.

`well_known` answers without definitions: conditions are keyed by type, owner references by uid, finalizers are a set, the
lists of a pod's spec are keyed as in `core/v1`; every other list is atomic and every map merges field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from pilotage.api.meta import Kind

__all__ = ["ANYTHING", "METADATA", "ListType", "Place", "Shape", "well_known"]

ListType = Literal["atomic", "set", "map"]


class Shape(Protocol):
    """How one place of an object merges, whatever value stands there."""

    @property
    def atomic_map(self) -> bool:
        """A map here is one value: whoever writes it owns all of it."""
        ...

    @property
    def list_type(self) -> ListType: ...

    @property
    def list_keys(self) -> tuple[str, ...]:
        """The fields that identify an item of a `map` list."""
        ...

    @property
    def key_defaults(self) -> Mapping[str, Any]:
        """What a key field means when an item leaves it out, such as `protocol: TCP`."""
        ...

    def field(self, name: str) -> Shape: ...

    def item(self) -> Shape: ...


class Place(msgspec.Struct, frozen=True):
    """A shape written by hand. Fields that `fields` does not name are `ANYTHING`."""

    fields: Mapping[str, Place] = {}
    atomic_map: bool = False
    list_type: ListType = "atomic"
    list_keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, Any] = {}
    items: Place | None = None

    def field(self, name: str) -> Place:
        return self.fields.get(name, ANYTHING)

    def item(self) -> Place:
        return self.items or ANYTHING


ANYTHING = Place()
"""Nothing is known: maps merge field by field, lists are one value."""


def _keyed(*keys: str, items: Place | None = None, defaults: Mapping[str, Any] | None = None) -> Place:
    return Place(list_type="map", list_keys=keys, items=items, key_defaults=defaults or {})


METADATA = Place({"finalizers": Place(list_type="set"), "ownerReferences": _keyed("uid")})
_STATUS = Place({"conditions": _keyed("type")})
_CONTAINER = Place(
    {
        "env": _keyed("name"),
        "ports": _keyed("containerPort", "protocol", defaults={"protocol": "TCP"}),
        "volumeDevices": _keyed("devicePath"),
        "volumeMounts": _keyed("mountPath"),
    }
)
_POD_SPEC = Place(
    {
        "containers": _keyed("name", items=_CONTAINER),
        "ephemeralContainers": _keyed("name", items=_CONTAINER),
        "hostAliases": _keyed("ip"),
        "imagePullSecrets": _keyed("name"),
        "initContainers": _keyed("name", items=_CONTAINER),
        "volumes": _keyed("name"),
    }
)
_POD_TEMPLATE = Place({"metadata": METADATA, "spec": _POD_SPEC})

_OBJECT = Place({"metadata": METADATA, "status": _STATUS})
_POD = Place({"metadata": METADATA, "spec": _POD_SPEC, "status": _STATUS})
_POD_OWNER = Place({"metadata": METADATA, "spec": Place({"template": _POD_TEMPLATE}), "status": _STATUS})

_SHAPES: Mapping[tuple[str, str], Place] = {
    ("", "Pod"): _POD,
    ("", "ReplicationController"): _POD_OWNER,
    ("apps", "DaemonSet"): _POD_OWNER,
    ("apps", "Deployment"): _POD_OWNER,
    ("apps", "ReplicaSet"): _POD_OWNER,
    ("apps", "StatefulSet"): _POD_OWNER,
    ("batch", "Job"): _POD_OWNER,
}


def well_known(kind: Kind) -> Place:
    """The shape of a kind as far as it can be known without its definition."""
    return _SHAPES.get((kind.group, kind.kind), _OBJECT)
