"""Jobs that are played in this process: the driver for demonstrations and rehearsals without a network.

It is the same Prow as the one that speaks HTTP, with the same playbook; what breaks a connection there is a reply without status
here.
"""

from __future__ import annotations

from typing import Final

import orjson

from pilotage.gate.prow.executions import artifact_path
from pilotage.gate.prow.gangway import execution_body
from pilotage.gate.prow.jobrunner import Artifact, JobRequest, Reply
from pilotage.gate.runs.jobkeys import prow_job_label
from pilotage.runtime.clock import Clock
from pilotage.world.prow.book import Answer, JobBook
from pilotage.world.prow.script import Playbook

__all__ = ["InProcessRunner"]

_BASE: Final = "https://prow.example.com"
_PAGE: Final = "<html><body></body></html>"
_BROKEN: Final = {
    "refused": "the connection was closed before the answer",
    "reset": "the connection was closed before the answer",
    "truncated": "the connection was closed before the end of the body",
    "stalled": "no whole answer in time",
}


class InProcessRunner:
    """`gate.jobrunner.JobRunner` over a `JobBook`. `is_down` makes it unreachable."""

    def __init__(self, playbook: Playbook, clock: Clock) -> None:
        self.book = JobBook(playbook, clock, lambda: _BASE)
        self.is_down = False

    @property
    def host(self) -> str:
        return "in-process"

    async def create(self, request: JobRequest) -> Reply:
        if self.is_down:
            return _unreachable()
        answer = self.book.create(execution_body(request))
        match answer.how:
            case "refused" | "reset" | "truncated" | "stalled" as how:
                return Reply(0, cause=_BROKEN[how])
            case "unavailable":
                return Reply(503, _PAGE)
            case "not-json":
                return Reply(200, _PAGE)
            case "no-id":
                return Reply(200, "{}")
            case _:
                return _reply(answer)

    async def get(self, execution: str) -> Reply:
        return _unreachable() if self.is_down else _reply(self.book.get(execution))

    async def list(self, job: str) -> Reply:
        return _unreachable() if self.is_down else _reply(self.book.list(prow_job_label(job)))

    async def prowjob(self, execution: str) -> Reply:
        return _unreachable() if self.is_down else _found(self.book.prowjob(execution))

    async def artifact(self, job_url: str, name: Artifact) -> Reply:
        parts = artifact_path(job_url).split("/")
        if len(parts) < 2:
            return Reply(404, cause="the job has no page with artifacts", was_sent=False)
        return _unreachable() if self.is_down else _found(self.book.artifact(parts[-2], parts[-1], name))

    async def close(self) -> None:
        """Nothing is held open."""


def _reply(answer: Answer) -> Reply:
    return Reply(answer.status, orjson.dumps(answer.value).decode())


def _found(value: dict[str, object] | None) -> Reply:
    return Reply(404, "not found") if value is None else Reply(200, orjson.dumps(value).decode())


def _unreachable() -> Reply:
    return Reply(0, cause="cannot connect: it is down", was_sent=False)
