"""The command line: verbs that translate arguments, call one function of `app`, and render its answer.

`program` assembles the verbs and owns the exit codes; every other module holds one verb or one group of verbs. Modules
here import little at the top, because start-up time is part of the answer.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the `pilotage` command."""
    from pilotage.cli import program

    sys.exit(program.run(sys.argv[1:]))
