"""How is the host of jobs asked, and what does it answer? A runner that counts, in front of one that runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable

from pilotage.gate.prow.jobrunner import Artifact, JobRequest, JobRunner, Reply

__all__ = ["CountedRunner"]


class CountedRunner:
    """`jobrunner.JobRunner`; `requests` counts replies by status, `0` where there was no whole answer."""

    def __init__(self, runner: JobRunner) -> None:
        self.requests: Counter[str] = Counter()
        self._runner = runner

    @property
    def host(self) -> str:
        return self._runner.host

    async def create(self, request: JobRequest) -> Reply:
        return await self._counted(self._runner.create(request))

    async def get(self, execution: str) -> Reply:
        return await self._counted(self._runner.get(execution))

    async def list(self, job: str) -> Reply:
        return await self._counted(self._runner.list(job))

    async def prowjob(self, execution: str) -> Reply:
        return await self._counted(self._runner.prowjob(execution))

    async def artifact(self, job_url: str, name: Artifact) -> Reply:
        return await self._counted(self._runner.artifact(job_url, name))

    async def close(self) -> None:
        await self._runner.close()

    async def _counted(self, asked: Awaitable[Reply]) -> Reply:
        reply = await asked
        self.requests[str(reply.status)] += 1
        return reply
