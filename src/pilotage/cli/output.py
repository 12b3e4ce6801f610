"""Results go to stdout as text, JSON or YAML; talk goes to stderr."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

__all__ = ["Output", "OutputOption", "emit", "say"]


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
