"""A finding is a problem that a person can act on: a stable code, a severity, the object, the field, what to do next."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Finding", "Severity", "error", "warning"]

Severity = Literal["error", "warning", "info"]


class Finding(msgspec.Struct, frozen=True):
    """`code` is stable; `message` is one sentence; `subject` names the object, `field` the field path, `hint` the next step."""

    code: str
    message: str
    severity: Severity = "error"
    subject: str = ""
    field: str = ""
    hint: str = ""


def error(code: str, message: str, *, subject: str = "", field: str = "", hint: str = "") -> Finding:
    return Finding(code, message, "error", subject, field, hint)


def warning(code: str, message: str, *, subject: str = "", field: str = "", hint: str = "") -> Finding:
    return Finding(code, message, "warning", subject, field, hint)
