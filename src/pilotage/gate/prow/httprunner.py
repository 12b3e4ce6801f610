"""Jobs of any service that speaks a little HTTP: for test systems that are no Prow.

    POST <base>               start a job: the body of gangway's create; answers {"id": ..., "job_url": ...}
    GET  <base>/<id>          {"id", "job_name", "job_status", "job_url", "create_time", "completion_time", "labels"}
    GET  <base>?job_name=J    {"job_execution": [{"id", "job_name", "job_status"}, ...]}
    GET  <base>/<id>/finished.json

The statuses are those of gangway. A start carries the key of the job as `Idempotency-Key`: a service that keeps to it never runs
one twice. The token is read from its file for every request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from pilotage.api.errors import InputError
from pilotage.gate.prow.gangway import execution_body
from pilotage.gate.prow.jobrunner import Artifact, JobRequest, Reply
from pilotage.gate.prow.wire import Secret, Wire, read_secret
from pilotage.gate.runs.jobkeys import JOB_KEY_LABEL

__all__ = ["HttpRunner"]

_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
_STARTED: Final = (200, 201, 202)


class HttpRunner:
    """`jobrunner.JobRunner` on a service at `base`. Raises InputError `BadAddress` when that is not HTTP."""

    def __init__(self, base: str, wire: Wire, token_file: Path | None = None) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise InputError(
                "BadAddress",
                "job service: is no http or https address without credentials",
                hint="credentials stand in files of their own",
            )
        self._base = base.rstrip("/")
        self._wire = wire
        self._token_file = token_file

    @property
    def host(self) -> str:
        return urlsplit(self._base).netloc

    async def create(self, request: JobRequest) -> Reply:
        key = request.labels.get(JOB_KEY_LABEL, "")
        headers = {"Idempotency-Key": key} if key else {}
        reply = await self._ask("POST", "", json.dumps(execution_body(request)).encode(), headers)
        # What is created or accepted elsewhere is simply 200 at gangway.
        return msgspec.structs.replace(reply, status=200) if reply.status in _STARTED else reply

    async def get(self, execution: str) -> Reply:
        return await self._ask("GET", f"/{quote(execution, safe='')}")

    async def list(self, job: str) -> Reply:
        return await self._ask("GET", f"?{urlencode({'job_name': job})}")

    async def prowjob(self, execution: str) -> Reply:
        reply = await self.get(execution)
        try:
            value: Any = json.loads(reply.body)
        except (ValueError, RecursionError):
            value = None
        if reply.status != 200 or not isinstance(value, dict):
            return reply
        shown = {
            "kind": "ProwJob",
            "metadata": {"name": value.get("id"), "labels": value.get("labels")},
            "spec": {"job": value.get("job_name")},
            "status": {"state": value.get("job_status"), "url": value.get("job_url")},
        }
        return msgspec.structs.replace(reply, body=json.dumps(shown))

    async def artifact(self, job_url: str, name: Artifact) -> Reply:
        """From below `base`, wherever the page of the job is."""
        execution = job_url.rstrip("/").rpartition("/")[2]
        if not execution:
            return Reply(404, cause="the job has no page", was_sent=False)
        if name == "prowjob.json":
            return await self.prowjob(execution)
        return await self._ask("GET", f"/{quote(execution, safe='')}/{name}")

    async def close(self) -> None:
        await self._wire.close()

    async def _ask(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        authorization = None
        if self._token_file is not None:
            token = read_secret(self._token_file, "token")
            if isinstance(token, str):
                return Reply(401, cause=token, was_sent=False)
            authorization = Secret(f"Bearer {token.reveal()}")
        return await self._wire.send(
            method,
            self._base + target,
            headers={**_JSON, **(headers or {})},
            body=body,
            authorization=authorization,
        )
