"""The port through which jobs are started and watched: what is asked, and what came back, as values.

Nothing here judges. A driver sends one request and reports the status and the body as they came; what they mean is decided
elsewhere, from the same facts on every driver. A driver never raises for what the other side does: no answer is status 0 with
the cause in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

__all__ = ["Artifact", "JobRequest", "JobRunner", "JobType", "Pull", "Refs", "Reply"]

JobType = Literal["periodic", "postsubmit", "presubmit"]
Artifact = Literal["finished.json", "prowjob.json", "started.json"]


class Reply(msgspec.Struct, frozen=True):
    """What one request came to.

    `status` is the HTTP status, 0 when there was no whole answer; then `cause` says why, without addresses or secrets.
    `retry_after` is in seconds, None when the server did not say. `was_sent` is False only when the request surely never
    left: whatever it asked for did not happen.
    """

    status: int
    body: str = ""
    cause: str = ""
    retry_after: float | None = None
    was_sent: bool = True


class Pull(msgspec.Struct, frozen=True):
    number: int
    author: str
    sha: str


class Refs(msgspec.Struct, frozen=True):
    """What is checked out by a postsubmit or a presubmit."""

    org: str
    repo: str
    base_ref: str
    base_sha: str
    pulls: tuple[Pull, ...] = ()


class JobRequest(msgspec.Struct, frozen=True):
    """One attempt of one job. `envs` reach every container; `labels` are those of `jobkeys.job_labels`."""

    job: str
    type: JobType = "periodic"
    refs: Refs | None = None
    envs: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class JobRunner(Protocol):
    """A place where jobs run. Bodies are those of Prow's gangway, its deck and its artifacts, whatever the driver."""

    @property
    def host(self) -> str:
        """Whose patience is shared: requests to one host are paced together."""
        ...

    async def create(self, request: JobRequest) -> Reply:
        """Start a job. Not idempotent: after status 0 it may run all the same."""
        ...

    async def get(self, execution: str) -> Reply:
        """One execution by id."""
        ...

    async def list(self, job: str) -> Reply:
        """All executions of a job that are still known, without labels and times."""
        ...

    async def prowjob(self, execution: str) -> Reply:
        """The ProwJob of an execution, as YAML or JSON: the one place that shows labels."""
        ...

    async def artifact(self, job_url: str, name: Artifact) -> Reply:
        """A file that the job left; status 404 when it has none, also when `job_url` points nowhere."""
        ...

    async def close(self) -> None: ...
