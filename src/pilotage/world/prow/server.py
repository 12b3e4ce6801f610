"""The HTTP faces of the simulated Prow: gangway with its limits and tokens, deck, and the bucket of artifacts.

Tokens and the limit of requests are those of the ingress before gangway; the other two faces are public. How a creation is
answered badly is done here, on the socket.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import orjson
from aiohttp import web

from pilotage.api.yaml import dump
from pilotage.runtime.clock import Clock
from pilotage.world.loopback import LoopbackServer, misbehave, new_application
from pilotage.world.prow.book import BUCKET, Answer, JobBook
from pilotage.world.prow.jobs import Start
from pilotage.world.prow.script import Playbook

__all__ = ["Face", "Limit", "Prow"]

Face = Literal["gangway", "deck", "artifacts"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Limit(msgspec.Struct, frozen=True):
    """Requests a minute, and how many at once; a `per_minute` of 0 means no limit."""

    per_minute: float = 9.0
    burst: int = 5
    tells_when: bool = True


class Prow(LoopbackServer):
    """A Prow. `book` holds its jobs; `starts` has every job that was ever made, in order, so that duplicates can be counted.

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
        journal: Path | None = None,
    ) -> None:
        super().__init__()
        self.book = JobBook(playbook, clock, lambda: self.url, journal)
        self.tokens: set[str] = set(tokens)
        self.down: set[Face] = set()
        self.answers: Counter[tuple[str, int]] = Counter()
        self._clock = clock
        self._limit = limit
        self._left = float(limit.burst)
        self._refilled = clock.monotonic()

    @property
    def playbook(self) -> Playbook:
        return self.book.playbook

    @playbook.setter
    def playbook(self, playbook: Playbook) -> None:
        self.book.playbook = playbook

    @property
    def starts(self) -> list[Start]:
        return self.book.starts

    @property
    def duplicates(self) -> tuple[Start, ...]:
        """Starts whose labels are those of an earlier one."""
        return self.book.duplicates

    def application(self) -> web.Application:
        application = new_application()
        application.router.add_post("/v1/executions", self._gangway(self._create))
        application.router.add_get("/v1/executions", self._gangway(self._list))
        application.router.add_get("/v1/executions/{id}", self._gangway(self._get))
        application.router.add_get("/prowjob", self._face("deck", self._prowjob))
        application.router.add_get(
            f"/{BUCKET}/logs/{{job}}/{{build}}/{{file}}", self._face("artifacts", self._artifact)
        )
        return application

    async def _create(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return _json({"code": 3, "message": "invalid JSON", "details": []}, 400)
        answer = self.book.create(asked)
        match answer.how:
            case "refused":
                return await misbehave(request, "reset")
            case "reset" | "truncated" | "stalled" as how:
                return await misbehave(request, how, orjson.dumps(answer.value))
            case "unavailable":
                return web.Response(status=503, text="<html><body>no server is available</body></html>")
            case "not-json":
                return web.Response(text="<html><body>OK</body></html>", content_type="text/html")
            case "no-id":
                return _json({"job_name": answer.value["job_name"], "job_status": "TRIGGERED"})
            case _:
                return _sent(answer)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return _sent(self.book.get(request.match_info["id"]))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return _sent(self.book.list(request.query.get("job_name", ""), request.query.get("status", "")))

    async def _prowjob(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("prowjob", "")
        found = self.book.prowjob(name)
        if found is None:
            text = f'ProwJob not found: prowjobs.prow.k8s.io "{name}" not found\n'
            return web.Response(status=404, text=text)
        return web.Response(text=dump(found))

    async def _artifact(self, request: web.Request) -> web.StreamResponse:
        where = request.match_info
        found = self.book.artifact(where["job"], where["build"], where["file"])
        return web.Response(status=404, text="no such object") if found is None else _json(found)

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


def _sent(answer: Answer) -> web.Response:
    return _json(answer.value, answer.status)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
