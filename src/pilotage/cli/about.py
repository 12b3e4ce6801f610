"""`pilotage version` and `pilotage completion`: about the program itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pilotage.cli.output import Output, OutputOption, emit

__all__ = ["Shell", "completion", "version"]


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def version(output: OutputOption = Output.TEXT) -> None:
    """Print the version of pilotage and of the Python that runs it.

    Example: pilotage version -o json
    """
    import platform

    from pilotage import __version__

    value = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
    emit(value, output, f"pilotage {__version__} (Python {value['python']}, {value['platform']})")


def completion(shell: Annotated[Shell, typer.Argument(help="The shell that will read the script.")]) -> None:
    """Print a completion script for a shell.

    Example: pilotage completion bash > ~/.local/share/bash-completion/completions/pilotage
    """
    from typer._completion_shared import get_completion_script  # Typer exports it nowhere else

    print(get_completion_script(prog_name="pilotage", complete_var="_PILOTAGE_COMPLETE", shell=shell.value))
