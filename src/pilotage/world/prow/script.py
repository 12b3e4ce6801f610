"""What is to happen to a job, by its name, its attempt and the image that it tests.

A playbook is read from top to bottom; the first line that fits a start is played. All times are in seconds.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from pilotage.world.loopback import Misbehaviour

__all__ = ["CreateReply", "Ending", "Line", "Playbook", "Script", "flaky"]

Ending = Literal["success", "failure", "aborted", "error", "hang"]
CreateReply = Misbehaviour | Literal["ok", "no-id", "not-json", "unavailable", "refused"]


class Script(msgspec.Struct, frozen=True):
    """The life of one execution: scheduling, triggered, pending for `duration`, then its `ending`.

    `create` is how its start is answered; the job is made whatever the answer, except for `refused`, which resets the
    connection before anything happened. While it is pending it says `says`, when given: a word that no client knows.
    The ProwJob is collected `forgotten_after` seconds from its start; what it left in the bucket stays.
    """

    ending: Ending = "success"
    scheduling: float = 5.0
    triggered: float = 25.0
    duration: float = 5400.0
    create: CreateReply = "ok"
    says: str | int | None = None
    forgotten_after: float | None = None
    leaves_artifacts: bool = True
    uses_numbers: bool = False


class Line(msgspec.Struct, frozen=True):
    """`job` is a pattern as in a shell. `attempt` is what the job's label says; `start` counts how often
    it was asked for with the digest, from 1.
    """

    script: Script
    job: str = "*"
    attempt: int | None = None
    start: int | None = None
    digest: str | None = None

    def fits(self, job: str, attempt: int, start: int, digest: str) -> bool:
        return (
            fnmatchcase(job, self.job)
            and self.attempt in (None, attempt)
            and self.start in (None, start)
            and self.digest in (None, digest)
        )


class Playbook(msgspec.Struct, frozen=True):
    """`jobs` are the jobs that exist, as patterns; a start of another one is an error."""

    lines: tuple[Line, ...] = ()
    otherwise: Script = Script()
    jobs: tuple[str, ...] = ("*",)

    def has(self, job: str) -> bool:
        return any(fnmatchcase(job, pattern) for pattern in self.jobs)

    def script(self, job: str, attempt: int, start: int, digest: str) -> Script:
        fitting = (line.script for line in self.lines if line.fits(job, attempt, start, digest))
        return next(fitting, self.otherwise)


def flaky(job: str, script: Script = Script()) -> tuple[Line, ...]:  # noqa: B008 -- frozen
    """The first attempt fails, later ones go as scripted."""
    return (
        Line(msgspec.structs.replace(script, ending="failure"), job, attempt=1),
        Line(script, job),
    )
