"""An object of a built-in kind that cannot be read as one, and how that is said: of an object that was sent, and of a patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pilotage.api.meta import Kind
from pilotage.store.base import BadRequestError, PatchType
from pilotage.store.schema.gotext import json_text, plain_text
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.problems import invalid as invalid_value

if TYPE_CHECKING:
    from pilotage.store.schema.gostructs import DecodingError

__all__ = ["UndecodableError"]


class UndecodableError(BadRequestError):
    """A field has a type that its kind does not have there."""

    def __init__(self, kind: Kind, fault: DecodingError) -> None:
        super().__init__(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {fault}'
        )
        self._fault = fault

    def as_patched(self, patch_type: PatchType, patch: Any, wanted: Mapping[str, Any]) -> Problem:
        """The problem of a patch that leads to such an object.

        A strategic patch is applied to values, any other to text: so the server blames the patch, or the object.
        """
        if patch_type == "strategic":
            return invalid_value("patch", plain_text(patch), self._fault.converting)
        return invalid_value("patch", json_text(wanted), str(self._fault))
