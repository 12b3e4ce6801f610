"""One problem of an object, worded as kube-apiserver words it, and the message that lists them all.

A problem names the field, says what kind of problem it is, and shows the value. `text` is the line that a user reads;
`type` and `body` are what a `Status` carries in `details.causes`. Follows `k8s.io/apimachinery/pkg/util/validation/field`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pilotage.store.schema.gotext import json_text, quoted, simple_text

__all__ = [
    "Problem",
    "combined",
    "duplicate",
    "forbidden",
    "invalid",
    "invalid_message",
    "invalid_text",
    "invalid_type",
    "not_found",
    "not_supported",
    "required",
    "too_long",
    "too_many",
    "unique",
]

_TITLES = {
    "FieldValueRequired": "Required value",
    "FieldValueNotFound": "Not found",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueTypeInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
}
_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)


class Problem(msgspec.Struct, frozen=True):
    """`type` is the cause type of a `Status`, `field` the path (`<nil>` for the object as a whole), `body` the sentence."""

    type: str
    field: str
    body: str

    @property
    def text(self) -> str:
        return f"{self.field}: {self.body}"

    @property
    def blocks_rules(self) -> bool:
        """With such a problem the validation rules (CEL) of the object are not evaluated."""
        return self.type in _BLOCKING

    def __str__(self) -> str:
        return self.text


def _problem(kind: str, field: str, shown: str | None, detail: str) -> Problem:
    parts = [_TITLES[kind]]
    if shown is not None:
        parts.append(shown)
    if detail:
        parts.append(detail)
    return Problem(kind, field or "<nil>", ": ".join(parts))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool | int | float):
        return simple_text(value)
    return json_text(value)


def required(field: str, detail: str = "") -> Problem:
    return _problem("FieldValueRequired", field, None, detail)


def forbidden(field: str, detail: str) -> Problem:
    return _problem("FieldValueForbidden", field, None, detail)


def invalid(field: str, value: Any, detail: str) -> Problem:
    return _problem("FieldValueInvalid", field, _shown(value), detail)


def invalid_text(field: str, shown: str, detail: str) -> Problem:
    """As `invalid`, with the value already written out."""
    return _problem("FieldValueInvalid", field, shown, detail)


def invalid_type(field: str, value: Any, detail: str) -> Problem:
    return _problem("FieldValueTypeInvalid", field, _shown(value), detail)


def duplicate(field: str, value: Any) -> Problem:
    return _problem("FieldValueDuplicate", field, _shown(value), "")


def not_found(field: str, value: Any) -> Problem:
    return _problem("FieldValueNotFound", field, _shown(value), "")


def not_supported(field: str, value: Any, supported: Iterable[str]) -> Problem:
    listed = ", ".join(map(quoted, supported))
    return _problem(
        "FieldValueNotSupported", field, _shown(value), f"supported values: {listed}" if listed else ""
    )


def too_long(field: str, limit: int) -> Problem:
    unit = "byte" if limit == 1 else "bytes"
    detail = f"may not be more than {limit} {unit}" if limit >= 0 else "value is too long"
    return _problem("FieldValueTooLong", field, None, detail)


def too_many(field: str, actual: int, limit: int) -> Problem:
    unit = "item" if limit == 1 else "items"
    detail = f"must have at most {limit} {unit}" if limit >= 0 else "has too many items"
    return _problem("FieldValueTooMany", field, str(actual) if actual >= 0 else None, detail)


def unique(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each text once, in order."""
    seen: dict[str, Problem] = {}
    for problem in problems:
        seen.setdefault(problem.text, problem)
    return tuple(seen.values())


def combined(problems: Sequence[Problem]) -> str:
    """All problems as one text: alone as it is, several in brackets."""
    texts = list(dict.fromkeys(problem.text for problem in problems))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def invalid_message(resource_kind: str, name: str, problems: Sequence[Problem]) -> str:
    """The message of a 422 answer; `resource_kind` is `Kind.group`, or `Kind` in the core group."""
    return f"{resource_kind} {quoted(name)} is invalid: {combined(problems)}"
