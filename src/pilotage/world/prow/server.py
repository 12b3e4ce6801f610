"""The HTTP faces of the simulated Prow: gangway with its limits and tokens, deck, and the bucket of artifacts.

Errors are those of gangway behind grpc-gateway: what gangway validates is 400, what it finds wrong later is a plain error and
hence 500, also a job or an execution that does not exist. A list compares labels, so a name longer than a label value is an
error. Tokens and the limit of requests are those of the ingress before it, on gangway only.
"""

from __future__ import annotations

import math
import re
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

import msgspec
import orjson
from aiohttp import web

from pilotage.api.yaml import dump
from pilotage.gate.jobkeys import ATTEMPT_LABEL, IMAGE_ENV, prow_job_label
from pilotage.runtime.clock import Clock
from pilotage.world.loopback import LoopbackServer, misbehave, new_application
from pilotage.world.prow import jobs
from pilotage.world.prow.jobs import STATUSES, Start, state_at
from pilotage.world.prow.script import Playbook

__all__ = ["Face", "Limit", "Prow"]

Face = Literal["gangway", "deck", "artifacts"]
_BUCKET: Final = "test-platform-results"
_TYPES: Final = {"PERIODIC": 1, "POSTSUBMIT": 2, "PRESUBMIT": 3, "BATCH": 4}
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LONGEST_LABEL: Final = 63
_IDS: Final = uuid.UUID("6f6d7c1e-3c5e-5f0a-9d6b-0f4f4b9f2a11")
_FIRST_BUILD: Final = 1_930_000_000_000_000_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Limit(msgspec.Struct, frozen=True):
    """Requests a minute, and how many at once; a `per_minute` of 0 means no limit."""

    per_minute: float = 9.0
    burst: int = 5
    tells_when: bool = True


class Prow(LoopbackServer):
    """A Prow. `starts` has every job that was ever made, in order, so that duplicates can be counted.

    `tokens` are the credentials that gangway takes, empty for any; take one out and it has expired. `down` are the faces that
    answer 503. `answers` counts the replies of gangway by method and status.
    """

    def __init__(
        self,
        playbook: Playbook,
        clock: Clock,
        *,
        limit: Limit = Limit(per_minute=0.0),  # noqa: B008 -- frozen
        tokens: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.playbook = playbook
        self.tokens: set[str] = set(tokens)
        self.down: set[Face] = set()
        self.starts: list[Start] = []
        self.answers: Counter[tuple[str, int]] = Counter()
        self._by_id: dict[str, Start] = {}
        self._by_page: dict[tuple[str, str], Start] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._clock = clock
        self._limit = limit
        self._left = float(limit.burst)
        self._refilled = clock.monotonic()

    @property
    def duplicates(self) -> tuple[Start, ...]:
        """Starts whose labels are those of an earlier one."""
        seen: set[tuple[tuple[str, str], ...]] = set()
        found = []
        for start in self.starts:
            key = tuple(sorted(start.labels.items()))
            if key and key in seen:
                found.append(start)
            seen.add(key)
        return tuple(found)

    def page(self, start: Start) -> str:
        """Where people look at a job."""
        return f"{self.url}/view/gs/{_BUCKET}/logs/{start.job}/{start.build}"

    def application(self) -> web.Application:
        application = new_application()
        application.router.add_post("/v1/executions", self._gangway(self._create))
        application.router.add_get("/v1/executions", self._gangway(self._list))
        application.router.add_get("/v1/executions/{id}", self._gangway(self._get))
        application.router.add_get("/prowjob", self._face("deck", self._prowjob))
        application.router.add_get(
            f"/{_BUCKET}/logs/{{job}}/{{build}}/{{file}}", self._face("artifacts", self._artifact)
        )
        return application

    # -- gangway

    async def _create(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return _error(400, 3, "invalid JSON")
        asked = asked if isinstance(asked, dict) else {}
        problem = _invalid(asked)
        if problem:
            return _error(400, 3, problem)
        job, kind = asked["job_name"], _type(asked.get("job_execution_type"))
        if kind == "BATCH":
            return _error(500, 2, "unsupported JobExecutionType type: BATCH")
        if not self.playbook.has(job):
            return _error(500, 2, f'failed to find associated {kind.lower()} job "{job}"')
        start = self._made(asked, job, kind)
        how = start.script.create
        if how == "refused":
            return await misbehave(request, "reset")
        self._keep(start)
        body = orjson.dumps(
            {
                "id": start.id, "job_name": job, "job_type": kind, "job_status": "TRIGGERED",
                "refs": asked.get("refs"), "pod_spec_options": asked.get("pod_spec_options"), "gcs_path": "",
            }
        )  # fmt: skip
        match how:
            case "reset" | "truncated" | "stalled":
                return await misbehave(request, how, body)
            case "unavailable":
                return web.Response(status=503, text="<html><body>no server is available</body></html>")
            case "not-json":
                return web.Response(text="<html><body>OK</body></html>", content_type="text/html")
            case "no-id":
                return _json({"job_name": job, "job_status": "TRIGGERED"})
            case _:
                return web.Response(body=body, content_type="application/json")

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        start = self._find(name)
        if start is None:
            return _error(500, 2, f'prowjobs.prow.k8s.io "{name}" not found')
        return _json(jobs.execution(start, self._clock.now(), self.page(start)))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("job_name", "")
        if len(wanted) > _LONGEST_LABEL:
            return _error(500, 13, "")
        status = request.query.get("status", "")
        now = self._clock.now()
        found = [
            jobs.listed(start, now)
            for start in self.starts
            if not state_at(start, now).is_forgotten
            and wanted in ("", prow_job_label(start.job))
            and status in ("", state_at(start, now).name, str(STATUSES[state_at(start, now).name]))
        ]
        return _json({"job_execution": found})

    def _made(self, asked: Mapping[str, Any], job: str, kind: str) -> Start:
        options = asked.get("pod_spec_options") or {}
        labels, envs = options.get("labels") or {}, options.get("envs") or {}
        digest = envs.get(IMAGE_ENV, "").partition("@")[2]
        number = 1 + self._counts[job, digest]
        attempt = labels.get(ATTEMPT_LABEL, "")
        played = self.playbook.script(job, int(attempt) if attempt.isdigit() else number, number, digest)
        count = len(self.starts)
        return Start(
            id=str(uuid.uuid5(_IDS, str(count))),
            build=str(_FIRST_BUILD + count),
            job=job,
            type=kind,
            at=self._clock.now(),
            script=played,
            number=number,
            labels=labels,
            annotations=options.get("annotations") or {},
            envs=envs,
        )

    def _keep(self, start: Start) -> None:
        self.starts.append(start)
        self._by_id[start.id] = self._by_page[start.job, start.build] = start
        self._counts[start.job, start.digest] += 1

    # -- deck and the bucket

    async def _prowjob(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("prowjob", "")
        start = self._find(name)
        if start is None:
            return web.Response(
                status=404, text=f'ProwJob not found: prowjobs.prow.k8s.io "{name}" not found\n'
            )
        return web.Response(text=dump(jobs.prowjob(start, self._clock.now(), self.page(start))))

    async def _artifact(self, request: web.Request) -> web.StreamResponse:
        start = self._by_page.get((request.match_info["job"], request.match_info["build"]))
        now = self._clock.now()
        content: dict[str, Any] | None = None
        if start is not None and start.script.leaves_artifacts and state_at(start, now).is_scheduled:
            content = {
                "finished.json": jobs.finished(start, now),
                "prowjob.json": jobs.prowjob(start, now, self.page(start)),
                "started.json": {"timestamp": int(start.at.timestamp())},
            }.get(request.match_info["file"])
        return web.Response(status=404, text="no such object") if content is None else _json(content)

    def _find(self, name: str) -> Start | None:
        start = self._by_id.get(name)
        return None if start is None or state_at(start, self._clock.now()).is_forgotten else start

    # -- the ingress

    def _face(self, face: Face, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            if face in self.down:
                return web.Response(status=503, text="<html><body>no server is available</body></html>")
            return await handler(request)

        return answer

    def _gangway(self, handler: Handler) -> Handler:
        inner = self._face("gangway", handler)

        async def answer(request: web.Request) -> web.StreamResponse:
            wait = self._throttled()
            if wait is not None:
                headers = {"Retry-After": str(wait)} if self._limit.tells_when else {}
                response: web.StreamResponse = web.Response(status=429, text="slow down", headers=headers)
            elif self.tokens and request.headers.get("Authorization", "") not in self._accepted():
                response = web.Response(status=401, text="Unauthorized")
            else:
                response = await inner(request)
            self.answers[request.method, response.status] += 1
            return response

        return answer

    def _accepted(self) -> frozenset[str]:
        return frozenset(f"Bearer {token}" for token in self.tokens)

    def _throttled(self) -> int | None:
        """Whole seconds to wait, None when the request may pass."""
        if not self._limit.per_minute:
            return None
        now, rate = self._clock.monotonic(), self._limit.per_minute / 60
        self._left = min(float(self._limit.burst), self._left + (now - self._refilled) * rate)
        self._refilled = now
        if self._left >= 1:
            self._left -= 1
            return None
        return max(1, math.ceil((1 - self._left) / rate))


def _type(value: Any) -> str:
    by_number = {number: name for name, number in _TYPES.items()}
    text = str(value)
    return text if text in _TYPES else by_number.get(int(text) if text.isdigit() else 0, "")


def _invalid(asked: Mapping[str, Any]) -> str:
    """What gangway itself refuses, in its words."""
    kind, refs = _type(asked.get("job_execution_type")), asked.get("refs")
    if not isinstance(asked.get("job_name"), str) or not asked["job_name"]:
        return "job_name field cannot be empty"
    if not kind:
        return "unsupported JobExecutionType: JOB_EXECUTION_TYPE_UNSPECIFIED"
    if kind == "PERIODIC" and refs:
        return "periodic jobs cannot also have gitRefs"
    if kind != "PERIODIC" and not (
        refs and all(refs.get(key) for key in ("org", "repo", "base_ref", "base_sha"))
    ):
        return f'gitRefs must be defined for "{kind}"'
    options = asked.get("pod_spec_options") or {}
    for field, what in (("envs", "environment variable"), ("labels", "label"), ("annotations", "annotation")):
        for key, value in (options.get(field) or {}).items():
            if not key or not value:
                return f'invalid {what} key/value pair: "{key}", "{value}"'
            if field == "labels" and not _LABEL.fullmatch(value):
                return f"invalid label: the following errors found: {value}"
    return ""


def _error(status: int, code: int, message: str) -> web.Response:
    return _json({"code": code, "message": message, "details": []}, status)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
