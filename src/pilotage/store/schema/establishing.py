"""The names a definition asks for, those it gets, and the conditions that say so.

In one group no two definitions share a plural, singular or short name, nor a kind or list kind. Who has a name keeps it; who
asks for one that is taken gets the rest of its names and a condition with the conflict. Once all names are accepted the
definition is established, and stays so. Follows apiextensions-apiserver's naming and establishing controllers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pilotage.api.meta import Condition
from pilotage.store.schema import problems
from pilotage.store.schema.definition import Definition, Names
from pilotage.store.schema.gotext import quoted
from pilotage.store.schema.structural import structural_problems, unsupported

__all__ = ["Settled", "non_structural_condition", "settle_names"]


class Settled(msgspec.Struct, frozen=True):
    """`accepted` is for `status.acceptedNames`. The transition times of the conditions are left to the writer."""

    accepted: Names
    names_accepted: Condition
    established: Condition


def settle_names(definition: Definition, neighbours: Iterable[Definition]) -> Settled:
    """What becomes of the names of a definition, given all definitions of its group (itself may be among them)."""
    group = definition.spec.group
    others = [other.status.accepted_names for other in neighbours if other.spec.group == group]
    resources = {name for names in others for name in (names.plural, names.singular, *names.short_names)}
    kinds = {name for names in others for name in (names.kind, names.list_kind)}
    asked, accepted = definition.spec.names, definition.status.accepted_names
    granted: dict[str, Any] = {"categories": asked.categories}
    conflicts: list[tuple[str, str]] = []

    def claim(field: str, reason: str, used: set[str]) -> None:
        name = getattr(asked, field)
        if name == getattr(accepted, field) or name not in used:
            granted[field] = name
        else:
            conflicts.append((reason, f"{quoted(name)} is already in use"))

    claim("plural", "PluralConflict", resources)
    claim("singular", "SingularConflict", resources)
    taken = [name for name in asked.short_names if name not in accepted.short_names and name in resources]
    if taken:
        texts = list(dict.fromkeys(f"{quoted(name)} is already in use" for name in taken))
        conflicts.append(("ShortNamesConflict", texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"))
    else:
        granted["short_names"] = asked.short_names
    claim("kind", "KindConflict", kinds)
    claim("list_kind", "ListKindConflict", kinds)
    # Of several conflicts the last one is told.
    reason, message = conflicts[-1] if conflicts else ("NoConflicts", "no conflicts found")
    return Settled(
        msgspec.structs.replace(accepted, **granted),
        Condition("NamesAccepted", "False" if conflicts else "True", reason, message),
        _established(definition, all_accepted=not conflicts),
    )


def _established(definition: Definition, *, all_accepted: bool) -> Condition:
    if definition.established:
        for entry in definition.status.conditions:
            if entry.type == "Established":
                return Condition("Established", "True", entry.reason, entry.message)
    if all_accepted:
        return Condition(
            "Established", "True", "InitialNamesAccepted", "the initial names have been accepted"
        )
    return Condition("Established", "False", "NotAccepted", "not all names are accepted")


def non_structural_condition(definition: Definition) -> Condition | None:
    """The condition of a definition whose schemas are not structural; None when they are."""
    found = []
    if definition.spec.preserve_unknown_fields:
        found.append(problems.invalid("spec.preserveUnknownFields", True, "must be false"))
    for index, version in enumerate(definition.spec.versions):
        if version.props is None:
            continue
        reason = unsupported(version.props)
        if reason:
            text = f"failed to check validation schema for version {version.name}: {reason}"
            return Condition("NonStructuralSchema", "Unknown", "StructuralError", text)
        found += structural_problems(version.props, f"spec.versions[{index}].schema.openAPIV3Schema")
    if not found:
        return None
    return Condition("NonStructuralSchema", "True", "Violations", problems.combined(found))
