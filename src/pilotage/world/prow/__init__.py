"""A Prow that plays a script: jobs pass, fail, flake, hang and get lost, and its gangway behaves as badly as real ones do.

`script` says what happens to which job, `jobs` what that means at a moment, `book` keeps what was started, `server` speaks
HTTP, and `inprocess` does without. Its state follows the clock that it is given and nothing else, so a night on a `ManualClock`
takes milliseconds and is the same night each time.
"""

from pilotage.world.prow.script import Line, Playbook, Script, flaky
from pilotage.world.prow.server import Prow

__all__ = ["Line", "Playbook", "Prow", "Script", "flaky"]
