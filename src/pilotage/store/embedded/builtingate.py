"""The gate of a built-in kind: read as its Go struct, filled with the server's defaults, judged by the rules of the kind.

The counterpart of `admission`, which does the same for defined kinds by their schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.api.meta import Kind
from pilotage.store.embedded import strategies
from pilotage.store.embedded.decoding import UndecodableError
from pilotage.store.embedded.events import as_version
from pilotage.store.embedded.intake import untyped
from pilotage.store.embedded.kinds import NameRule, Part, storage_type
from pilotage.store.embedded.metadata import check_change, check_new
from pilotage.store.embedded.typed import typing_faults
from pilotage.store.schema.problems import Problem

__all__ = ["BuiltinGate"]


class BuiltinGate:
    """What one built-in kind lets in."""

    def __init__(self, kind: Kind, names: NameRule) -> None:
        """`names`: what `metadata.name` may look like."""
        self._kind = kind
        self._names: NameRule = names
        self._type = storage_type(kind.group, kind.kind)

    def admit(self, kind: Kind, value: dict[str, Any]) -> list[str]:
        """Read and fill the object in place; what strict decoding would complain about. Raises BadRequestError."""
        # Start-up time: the types are read when the first object of a built-in kind is written.
        from pilotage.store.schema.gostructs import DecodingError, read_object  # noqa: PLC0415

        try:
            read, unknown = read_object(self._kind, value)
        except DecodingError as error:
            raise UndecodableError(kind, error) from None
        value.clear()
        value.update(read)
        return [f'unknown field "{path}"' for path in unknown]

    def judge_new(self, value: Mapping[str, Any]) -> list[Problem]:
        from pilotage.store.schema.builtin.checks import new_problems  # noqa: PLC0415 start-up time

        own = strategies.judge(self._type, value, None)
        if self._type == strategies.DEFINITION_TYPE:
            return own
        found = check_new(self._kind, self._names, value["metadata"])
        return [*found, *new_problems(self._type, self._judged(value)), *own]

    def judge_change(
        self, value: Mapping[str, Any], old: Mapping[str, Any], part: Part, warnings: list[str]
    ) -> list[Problem]:
        from pilotage.store.schema.builtin.checks import change_problems  # noqa: PLC0415 start-up time

        del warnings  # nothing of a built-in kind is tolerated with a word
        found = check_change(self._kind, value["metadata"], old["metadata"])
        if part == "status":
            return [] if self._type == strategies.DEFINITION_TYPE else found
        own = strategies.judge(self._type, value, old)
        if self._type == strategies.DEFINITION_TYPE:
            return own
        return [*found, *change_problems(self._type, self._judged(value), self._judged(old)), *own]

    def _judged(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The object in the form that rules are written for, with the version of the request."""
        if self._kind.group != "events.k8s.io":
            return value
        return {**as_version(value, "v1"), "apiVersion": self._kind.api_version}

    def check_typed(self, config: Mapping[str, Any], subject: str) -> None:
        """Raises UnfitError when a configuration to apply does not fit the type."""
        from pilotage.store.schema.builtinshapes import place_of  # noqa: PLC0415 start-up time

        faults = typing_faults(place_of(self._kind), config)
        if faults:
            raise untyped(subject, faults)

    def first_status(self) -> Any:
        """What the status is before anybody wrote one; None when it is not even there."""
        from pilotage.store.schema.gostructs import first_status  # noqa: PLC0415 start-up time

        return first_status(self._kind)

    def blank(self) -> Mapping[str, Any]:
        """What every object of the kind has, said or not: structs without a pointer."""
        from pilotage.store.schema.gostructs import blank  # noqa: PLC0415 start-up time

        return blank(self._kind)
