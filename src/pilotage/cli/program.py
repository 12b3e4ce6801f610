"""The verbs, assembled; and the one place that turns an error into an exit code.

Exit codes: 0 ok · 1 the answer is no · 2 wrong use · 3 something outside failed · 4 our bug · 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from pilotage.api.errors import PilotageError
from pilotage.cli.output import say, told

__all__ = ["VERBS", "Verb", "build", "outline", "run"]

OUTSIDE = 3
OUR_BUG = 4
INTERRUPTED = 130


class _Verbs(TyperGroup):
    """All verbs; a reader that went away (`pilotage … | head`) ends the program in silence, which is not an error."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _stop_printing()
            raise typer.Exit from None


class Verb(NamedTuple):
    """Where a verb, or a group of verbs, stands in this package, and its line on the help page."""

    module: str
    attribute: str
    short_help: str


VERBS: Mapping[str, Verb] = {
    "up": Verb("up", "up", "Bring up a sample fleet on this machine, decided live."),
    "run": Verb("run", "run", "Run the controllers on a real cluster."),
    "serve": Verb("serve", "serve", "Run an embedded API and the controllers on this machine."),
    "explain": Verb("explain", "explain", "Show a decision and every rule that was considered."),
    "decide": Verb("decide", "decide", "Ask one decision, or many: JSON in, JSON out."),
    "cpo": Verb("cpo", "cpo", "The control plane operator image of hosted clusters."),
    "overrides": Verb("overrides", "overrides", "The table of pinned control plane operator images."),
    "skew": Verb("skew", "skew", "Combinations of versions that were proven."),
    "release": Verb("release", "release", "Look into, compare, build and mirror release payloads."),
    "image": Verb("image", "image", "Look at any image, or copy it."),
    "gate": Verb("gate", "gate", "Verify operator images for each platform, and promote what passed."),
    "get": Verb("objects", "get", "Print objects of one kind."),
    "apply": Verb("objects", "apply", "Apply manifests to an instance, server-side."),
    "delete": Verb("objects", "delete", "Delete objects of an instance."),
    "crds": Verb("objects", "crds", "Print the definitions of the kinds that are our own."),
    "deployment": Verb("deployment", "deployment", "Print the manifests that `run` needs on a cluster."),
    "completion": Verb("about", "completion", "Print a completion script for a shell."),
    "version": Verb("about", "version", "Print the versions of pilotage and Python."),
}
"""In the order of the help page."""


def build(only: str = "") -> typer.Typer:
    """The program with all verbs, or with the one that is going to run: the others then cost no start-up time."""
    program = _empty()
    for name, verb in VERBS.items():
        if only in ("", name):
            found = getattr(importlib.import_module(f"pilotage.cli.{verb.module}"), verb.attribute)
            if isinstance(found, typer.Typer):
                program.add_typer(found, short_help=verb.short_help)
            else:
                program.command(name, short_help=verb.short_help)(found)
    return program


def outline() -> typer.Typer:
    """The program as its help page shows it: names and lines, and nothing behind them that would have to be loaded."""
    program = _empty()
    for name, verb in VERBS.items():
        program.command(name, short_help=verb.short_help)(lambda: None)
    return program


def _empty() -> typer.Typer:
    program = typer.Typer(
        name="pilotage",
        cls=_Verbs,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    # With a callback the program stays a group of verbs, also of a single one.
    program.callback(
        help="Follow a container image from the quay where it is built to the node that runs it."
    )(lambda: None)
    return program


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code. Never raises but for a second interrupt."""
    only = arguments[0] if arguments and arguments[0] in VERBS else ""
    completes = "_PILOTAGE_COMPLETE" in os.environ
    if completes:
        from typer._completion_classes import completion_init  # Typer exports it nowhere else

        completion_init()
        only = ""
    is_help = not arguments or arguments[0] in ("-h", "--help")
    command = typer.main.get_command(outline() if is_help and not completes else build(only))
    code = 0
    try:
        # Standalone, so that Typer words its own usage errors; it ends by SystemExit, whose code is the exit code.
        command.main(list(arguments), prog_name="pilotage")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except PilotageError as error:
        say(told(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _stop_printing()
        return 0
    except OSError as error:
        return _outside(error)
    except Exception as error:  # noqa: BLE001 -- the outermost frame: a bug is named as ours, not dumped on the user
        return _bug(error)
    try:
        sys.stdout.flush()  # here, where a reader that went away can still be told from an error
    except BrokenPipeError:
        _stop_printing()
        return 0
    return code


def _stop_printing() -> None:
    """What is printed from here on goes nowhere, so that Python's own last flush has nothing to complain about."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _outside(error: OSError) -> int:
    """A disk that is full, a directory that may not be written: not the user's words, and not our bug either."""
    where = f"{error.filename}: " if error.filename else ""
    say(f"error: FileSystem: {where}{error.strerror or error}")
    if os.environ.get("PILOTAGE_DEBUG"):
        say("".join(traceback.format_exception(error)))
    return OUTSIDE


def _bug(error: Exception) -> int:
    say(f"error: Internal: {type(error).__name__}: {error}")
    if os.environ.get("PILOTAGE_DEBUG"):
        say("".join(traceback.format_exception(error)))
    else:
        say("  → this is a bug in pilotage; run again with PILOTAGE_DEBUG=1 and report the trace")
    return OUR_BUG
