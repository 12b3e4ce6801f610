"""A problem with a field, as an API server reports it in the causes of a Status.

`str(fault)` is the whole line: `spec.replicas: Invalid value: must not shrink`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from pilotage.store.cel.library.formatting import quoted

__all__ = ["FORBIDDEN", "INTERNAL", "INVALID", "NOT_SUPPORTED", "OMITTED", "REQUIRED", "Fault", "fault"]

INVALID = "FieldValueInvalid"
REQUIRED = "FieldValueRequired"
FORBIDDEN = "FieldValueForbidden"
DUPLICATE = "FieldValueDuplicate"
NOT_SUPPORTED = "FieldValueNotSupported"
INTERNAL = "InternalError"

_WORDS = {
    INVALID: "Invalid value",
    REQUIRED: "Required value",
    FORBIDDEN: "Forbidden",
    DUPLICATE: "Duplicate value",
    NOT_SUPPORTED: "Unsupported value",
    INTERNAL: "Internal error",
}
_WITHOUT_VALUE = frozenset([REQUIRED, FORBIDDEN, INTERNAL])


class _Omitted:
    """Stands for a value that is not shown."""


OMITTED = _Omitted()


class Fault(msgspec.Struct, frozen=True):
    """`path` is empty for the object itself, `type` the cause's reason, `message` the cause's message."""

    path: str
    type: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or '<nil>'}: {self.message}"


def fault(path: str, type_: str, value: Any, detail: str) -> Fault:
    """`value` is shown for the types that show one; OMITTED shows none."""
    text = _WORDS[type_]
    if type_ not in _WITHOUT_VALUE and value is not OMITTED:
        text += f": {_shown(value)}"
    return Fault(path, type_, f"{text}: {detail}" if detail else text)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return orjson.dumps(value).decode()
