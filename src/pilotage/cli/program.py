"""The verbs, assembled; and the one place that turns an error into an exit code.

Exit codes: 0 ok · 1 the answer is no · 2 wrong use · 3 something outside failed · 4 our bug · 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from pilotage.api.errors import PilotageError
from pilotage.cli import about, cpo, image, objects, overrides, release, skew
from pilotage.cli import decide as decide_verb
from pilotage.cli import explain as explain_verb
from pilotage.cli import up as up_verb
from pilotage.cli.output import say, told

__all__ = ["build", "run"]

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


def build() -> typer.Typer:
    """All verbs. A group is one Typer of its own module."""
    program = typer.Typer(
        name="pilotage",
        cls=_Verbs,
        help="Follow a container image from the quay where it is built to the node that runs it.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    program.command("up", short_help="Bring up a sample fleet on this machine, decided live.")(up_verb.up)
    program.command("explain", short_help="Show a decision and every rule that was considered.")(
        explain_verb.explain
    )
    program.command("decide", short_help="Ask one decision, or many: JSON in, JSON out.")(decide_verb.decide)
    program.add_typer(cpo.cpo)
    program.add_typer(overrides.overrides)
    program.add_typer(skew.skew, short_help="Combinations of versions that were proven.")
    program.add_typer(release.release)
    program.add_typer(image.image)
    program.command("get", short_help="Print objects of one kind.")(objects.get)
    program.command("apply", short_help="Apply manifests to an instance, server-side.")(objects.apply)
    program.command("delete", short_help="Delete objects of an instance.")(objects.delete)
    program.command("crds", short_help="Print the definitions of the kinds that are our own.")(objects.crds)
    program.command("completion", short_help="Print a completion script for a shell.")(about.completion)
    program.command("version", short_help="Print the versions of pilotage and Python.")(about.version)
    return program


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code. Never raises but for a second interrupt."""
    if "_PILOTAGE_COMPLETE" in os.environ:
        from typer._completion_classes import completion_init  # Typer exports it nowhere else

        completion_init()
    command = typer.main.get_command(build())
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
