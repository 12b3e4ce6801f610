"""How each place of an object merges: what server-side apply and strategic merge patches ask, and who answers.

`Shape` is the knowledge for one place; walking an object walks its shapes along. The schema of a custom resource answers
for its kind (`schema.listtypes`), the published types for the built-in kinds (`schema.builtinshapes`), and of any other
kind `well_known` says what most kinds have in common: conditions are keyed by type, owner references by uid,
finalizers are a set, every other list is one value and every map merges field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pilotage.api.meta import Kind
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.schema.places import ANYTHING, METADATA, OBJECT, ListType, Place

__all__ = ["ANYTHING", "METADATA", "ListType", "Place", "Shape", "well_known"]


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

    @property
    def patch_key(self) -> str | None:
        """The field by which a strategic merge patch merges a list here; empty: items are plain; None: it replaces."""
        ...

    def field(self, name: str) -> Shape: ...

    def declares(self, name: str) -> bool:
        """Is it a field with a name of its own, or an entry of an open map?"""
        ...

    def item(self) -> Shape: ...


def well_known(kind: Kind) -> Shape:
    """The shape of a kind as far as it can be known without a definition of it."""
    if (kind.group, kind.kind) not in BUILT_IN:
        return OBJECT
    from pilotage.store.schema.builtinshapes import BuiltinShape  # noqa: PLC0415 start-up time

    return BuiltinShape(kind)
