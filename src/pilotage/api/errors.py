"""What can go wrong, by who acts next.

    PilotageError          has a stable code, a sentence, and what to do
    ├── InputError         the user must change something          exit 2
    ├── RefusedError       the rules say no                        exit 1
    ├── LaterError         not yet: try again after `delay`        exit 3
    └── RemoteError        something outside misbehaves            exit 3

Everything else that escapes is our bug (exit 4). The message begins with the object it is about and never holds
a credential; when there are several problems, `messages` lists all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["InputError", "LaterError", "PilotageError", "RefusedError", "RemoteError"]


class PilotageError(Exception):
    """A problem that a person can act on.

    `code` is stable UpperCamelCase, `hint` says what to do next, `messages` holds every problem when there are several,
    `details` what a program may want to read besides (candidates tried, the field path).
    """

    exit_code: int = 4

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        messages: tuple[str, ...] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.messages = messages
        self.details: Mapping[str, Any] = details or {}


class InputError(PilotageError):
    """The user must change something: a manifest, a reference, an option."""

    exit_code = 2


class RefusedError(PilotageError):
    """The input was understood and the rules say no."""

    exit_code = 1


class LaterError(PilotageError):
    """Not yet; `delay` is in seconds."""

    exit_code = 3

    def __init__(self, code: str, message: str, *, delay: float, hint: str = "") -> None:
        super().__init__(code, message, hint=hint)
        self.delay = delay


class RemoteError(PilotageError):
    """Something outside failed: a registry, an API server, a file system."""

    exit_code = 3
