"""Results go to stdout as text, JSON or YAML; talk goes to stderr."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from pilotage.api.errors import PilotageError

__all__ = ["Output", "OutputOption", "emit", "human_size", "say", "told"]


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")]


def emit(value: Any, output: Output, text: str) -> None:
    """Print a result: `text` for a person, or `value` as JSON or YAML for a program."""
    if output is Output.TEXT:
        rendered = text
    elif output is Output.JSON:
        rendered = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    else:
        from pilotage.api import yaml

        rendered = yaml.dump(msgspec.to_builtins(value)).rstrip("\n")
    sys.stdout.write(rendered + "\n" if rendered else "")
    sys.stdout.flush()


def say(text: str) -> None:
    """A remark for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def told(error: PilotageError) -> str:
    """An error for the person at the terminal: what happened, every problem, what to do."""
    lines = [f"error: {error.code}: {error.message}"]
    lines += [f"  - {problem}" for problem in error.messages if problem != error.message]
    if error.hint:
        lines.append(f"  → {error.hint}")
    return "\n".join(lines)


def human_size(count: int) -> str:
    """Bytes for a person: `812 B`, `44.4 KB`, `1.9 GB`, in powers of 1024."""
    size = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
