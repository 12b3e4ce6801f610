"""The gate of a defined kind: decode, prune, fill in, judge by schema, judge by rules. A seam, not an engine.

    write ─▶ admit (prune, defaults, metadata) ─▶ verb ─▶ judge (schema) ─▶ judge (rules in CEL) ─▶ stored

`schema.resource` does the first two and the fourth, `cel` the last, and is not even imported for schemas without rules. What is told to the client follows
`fieldValidation`: unknown fields refuse the request, become warnings, or are dropped without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pilotage.api.meta import Kind
from pilotage.store.base import BadRequestError
from pilotage.store.embedded.intake import untyped
from pilotage.store.embedded.kinds import Part
from pilotage.store.embedded.metadata import invalid
from pilotage.store.embedded.typed import typing_faults
from pilotage.store.schema.metafields import MetadataError
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.resource import (
    ResourceKind,
    admit,
    create_problems,
    rules_may_run,
    status_problems,
    undecodable,
    update_problems,
)

if TYPE_CHECKING:
    from pilotage.store.cel import Rules

__all__ = ["Gate"]


class Gate:
    """What one version of a defined kind lets in."""

    def __init__(self, resource: ResourceKind, schema: Mapping[str, Any]) -> None:
        """`schema` is the `openAPIV3Schema` that `resource` was compiled from; empty when it has no rules."""
        self.resource = resource
        self._schema = schema
        self._compiled: Rules | None = None

    def admit(self, kind: Kind, value: dict[str, Any]) -> list[str]:
        """Clean and fill the object in place; what strict decoding would complain about.

        Raises BadRequestError, InvalidObjectError.
        """
        try:
            admitted = admit(self.resource, value)
        except MetadataError as error:
            raise BadRequestError(undecodable(self.resource, error)) from None
        if admitted.problem is not None:
            raise invalid(kind, value.get("metadata", {}).get("name", ""), [admitted.problem])
        return list(admitted.complaints)

    def judge_new(self, value: Mapping[str, Any]) -> list[Problem]:
        return self._with_rules(create_problems(self.resource, value), value, None, [])

    def judge_change(
        self, value: Mapping[str, Any], old: Mapping[str, Any], part: Part, warnings: list[str]
    ) -> list[Problem]:
        """`warnings` hears of what was wrong before and stayed as it was, which is tolerated."""
        judge = status_problems if part == "status" else update_problems
        return self._with_rules(judge(self.resource, value, old), value, old, warnings)

    def _with_rules(
        self,
        found: list[Problem],
        value: Mapping[str, Any],
        old: Mapping[str, Any] | None,
        warnings: list[str],
    ) -> list[Problem]:
        if not self._schema:
            return found
        skipped = rules_may_run(found)
        if skipped is not None:
            return [*found, skipped]
        faults = self._rules().check(value, old, warnings=warnings)
        return [*found, *(Problem(fault.type, fault.path or "<nil>", fault.message) for fault in faults)]

    def _rules(self) -> Rules:
        if self._compiled is None:
            # Start-up time: most processes never write an object of a kind that has rules.
            from pilotage.store.cel import compile_rules  # noqa: PLC0415

            self._compiled = compile_rules(self._schema)
        return self._compiled

    def first_status(self) -> None:
        """A new custom resource has no status."""
        return

    def blank(self) -> Mapping[str, Any]:
        """Nothing is in a custom resource that nobody said."""
        return {}

    def check_typed(self, config: Mapping[str, Any], subject: str) -> None:
        """Raises UnfitError when a configuration to apply does not fit the schema."""
        faults = typing_faults(self.resource.schema, config)
        if faults:
            raise untyped(subject, faults)
