"""What reading a document needs and gives: limits, places, values, and the one error."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pilotage.api.errors import InputError

__all__ = ["DEFAULT_LIMITS", "Limits", "Origin", "Reading", "Respelled", "malformed", "shown"]


class Limits(msgspec.Struct, frozen=True):
    """What one document may cost. The defaults fit every manifest seen in the field with room to spare."""

    characters: int = 16 * 1024 * 1024
    """Of a YAML document. JSON, which is read much faster, may have eight times as many."""
    depth: int = 512
    """Nested maps and lists."""
    alias_nodes: int = 100_000
    """Values that aliases expand to, counted each time; their texts together stay below `characters`."""
    problems: int = 20
    """Reported at most; reading stops there."""


class Origin(msgspec.Struct, frozen=True):
    """Where a text comes from: a file name or the like, which document of it (from 1), and its first line (from 1)."""

    source: str = ""
    document: int = 1
    line: int = 1

    def at(self, line: int, column: int = 1) -> str:
        """The place in words; `line` counts from 0 in the document's own text."""
        where = f"document {self.document}, line {self.line + line}, column {column}"
        return f"{self.source}: {where}" if self.source else where


class Respelled(msgspec.Struct, frozen=True):
    """A plain number that JSON spells otherwise: the version `4.20` became 4.2. `path` is like `spec.versions[0]`."""

    path: str
    text: str
    value: int | float
    line: int


class Reading(msgspec.Struct, frozen=True):
    """A document's value; `line` is where its content begins in the file; `respelled` is for warnings."""

    value: Any
    line: int
    respelled: tuple[Respelled, ...] = ()


DEFAULT_LIMITS: Final = Limits()


def malformed(problems: tuple[str, ...]) -> InputError:
    """The one error for a text that cannot be read: the first problem, and all of them in `messages`."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InputError(
        "MalformedManifest",
        problems[0] + more,
        hint="correct the text at the place that the message names; nothing was changed",
        messages=problems if more else (),
    )


def shown(name: str) -> str:
    """A key or an anchor for a message: quoted, and not longer than a line."""
    return f'"{name}"' if len(name) <= 80 else f'"{name[:77]}..."'
