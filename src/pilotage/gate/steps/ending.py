"""How does a step end? A code, what Tekton is told, and a line for whoever reads its log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from pilotage.api.errors import InputError, PilotageError, RefusedError
from pilotage.store.base import AlreadyExistsError, ConflictError, NotFoundError

__all__ = [
    "CONFLICT",
    "DONE",
    "MOST_BYTES",
    "NO",
    "NOTHING",
    "OUTSIDE",
    "USAGE",
    "StepEnd",
    "code_of",
    "write_results",
]

DONE: Final = 0
NO: Final = 1
USAGE: Final = 2
NOTHING: Final = 3
OUTSIDE: Final = 4
CONFLICT: Final = 5

MOST_BYTES: Final = 4096
"""Of all results of a task together, with what Tekton adds to each: it cuts off the message of a container that is longer."""
_OVERHEAD: Final = 40


class StepEnd(msgspec.Struct, frozen=True):
    """`results` by the name that the pipeline knows; `says` is for people."""

    code: int
    results: Mapping[str, str] = {}
    says: str = ""


def code_of(error: PilotageError) -> int:
    """The code of a step that an error ended."""
    match error:
        case ConflictError() | AlreadyExistsError():
            return CONFLICT
        case NotFoundError():
            return NOTHING
        case RefusedError():
            return NO
        case InputError():
            return USAGE
        case _:
            return OUTSIDE


def write_results(results: Mapping[str, str], places: Mapping[str, Path]) -> None:
    """Each to its file; a result without a place is dropped. Raises InputError `ResultsTooLarge` before anything is written."""
    size = sum(len(name.encode()) + len(text.encode()) + _OVERHEAD for name, text in results.items())
    if size > MOST_BYTES:
        raise InputError(
            "ResultsTooLarge",
            f"results {', '.join(results)}: {size} bytes, and Tekton takes {MOST_BYTES}",
            hint="what is longer stands in the ledger",
        )
    for name, text in results.items():
        if name in places:
            places[name].parent.mkdir(parents=True, exist_ok=True)
            places[name].write_text(text, encoding="utf-8")
