"""What the embedded API knows of a kind besides its name: how objects are named, what counts as a new generation, how it merges.

Custom resource definitions will answer this for their kinds; until a kind is defined it is accepted as it comes, and
`well_known_traits` says what holds. The port is a function, so a registry of definitions can stand in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from pilotage.api.meta import Kind
from pilotage.store.embedded.schema import Place, Shape, well_known

__all__ = ["KindTraits", "TraitsOf", "storage_type", "well_known_traits"]


class KindTraits(msgspec.Struct, frozen=True):
    """`has_status`: status is a subresource, written only through it. `has_generation`: changes of what is wanted count.

    `names` is the rule for `metadata.name`: an RFC 1123 subdomain, an RFC 1123 label, or any one segment of a URL path.
    """

    shape: Shape
    has_status: bool = True
    has_generation: bool = True
    names: Literal["subdomain", "label", "segment"] = "subdomain"


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


def well_known_traits(kind: Kind) -> KindTraits:
    """What can be known of a kind without its definition."""
    shape: Place = well_known(kind)
    if (kind.group, kind.kind) == ("", "Namespace"):
        return KindTraits(shape, has_generation=False, names="label")
    is_plain = kind.group in _PLAIN_GROUPS or (kind.group, kind.kind) in _PLAIN
    return KindTraits(
        shape,
        has_status=not is_plain,
        has_generation=not is_plain,
        names="segment" if kind.group in _SEGMENT_GROUPS else "subdomain",
    )


def storage_type(group: str, kind: str) -> str:
    """The name under which objects of a kind are stored, in whatever version they were written: `apps/Deployment`."""
    return f"{group}/{kind}"
