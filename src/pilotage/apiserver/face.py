"""A request in, an answer or a stream out: the whole API but for sockets, TLS and who may ask.

Which kinds there are is remembered between requests and asked again when a definition changed, and whenever something is not
found: so a kind can be used as soon as its definition was answered.
"""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Callable, Sequence
from contextlib import aclosing
from importlib import import_module
from typing import Any, cast

import orjson

from pilotage import __version__
from pilotage.api.errors import PilotageError
from pilotage.api.meta import Kind, Object
from pilotage.apiserver import discovery, reviews, streams
from pilotage.apiserver.answer import Answer
from pilotage.apiserver.negotiation import is_pretty
from pilotage.apiserver.paths import Kinds, Place, Target, split, verb_of
from pilotage.apiserver.refusals import (
    RefusalError,
    forbidden_method,
    page_not_found,
    status_body,
)
from pilotage.apiserver.requests import Request
from pilotage.apiserver.resources import FaceStore, Resources, warning_headers
from pilotage.apiserver.streams import Stream
from pilotage.store.base import NotFoundError, WatchOptions
from pilotage.store.embedded.kinds import ServedKind

__all__ = ["VERSION", "Face", "is_about_health", "refused"]

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": f"v1.36.0+pilotage.{__version__}",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": f"python{platform.python_version()}",
    "compiler": platform.python_implementation(),
    "platform": f"{platform.system()}/{platform.machine()}".lower(),
}
"""The release whose behaviour this is; clients choose by it what they ask for."""
_HEALTH = ("/healthz", "/livez", "/readyz")
_CHECKS = ("ping", "store")
_TEXT = "text/plain; charset=utf-8"
_DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
_AGAIN_SECONDS = 1.0


class Face:
    """Everything that is served over one store. `run` follows the definitions, until it is cancelled.

    `knows` tells whether a token is the user's.
    """

    def __init__(self, store: FaceStore, knows: Callable[[str], bool] = lambda _token: False) -> None:
        self._store = store
        self._knows = knows
        self._resources = Resources(store)
        self._kinds: Kinds | None = None

    async def run(self) -> None:
        """Forget which kinds there are whenever a definition changes."""
        while True:
            try:
                events = self._store.follow(_DEFINITION, WatchOptions())
                async with aclosing(cast("Any", events)):
                    async for _ in events:
                        self._kinds = None
            except PilotageError:
                # A store that cannot be read now says so to whoever asks; here there is nobody to tell.
                self._kinds = None
            await asyncio.sleep(_AGAIN_SECONDS)

    async def answer(self, request: Request) -> Answer | Stream:
        """Never raises but for our own mistakes: a refusal is an answer, too."""
        warnings: list[str] = []
        try:
            return await self._answer(request, warnings)
        except (RefusalError, PilotageError) as error:
            return refused(error, request, warnings)

    async def _answer(self, request: Request, warnings: list[str]) -> Answer | Stream:
        document = await self._document(request)
        if document is not None:
            return document
        place = split(request.path)
        if place is None:
            raise page_not_found()
        target = await self._target(place)
        if target.served.warning:
            warnings.append(target.served.warning)
        verb = verb_of(request.method, place, target)
        try:
            if verb == "list" and request.query.flag("watch"):
                return await streams.opened(self._store, request, target)
            answer = await self._resources.answer(verb, request, target)
        except NotFoundError as error:
            if not error.details:  # the kind went since its definition was last looked at
                self._kinds = None
                raise page_not_found() from None
            raise
        return _with_warnings(answer, warnings)

    async def _target(self, place: Place) -> Target:
        kinds = self._kinds
        if kinds is None or kinds.find(place) is None:
            kinds = self._kinds = Kinds(await self._store.kinds())
        return kinds.target(place)

    # Documents: what is not objects

    async def _document(self, request: Request) -> Answer | None:
        path = request.path
        review = reviews.answer(request, self._knows)
        if review is not None:
            return review
        if path.rstrip("/") == "/version":
            return _get_only(request, Answer(json.dumps(VERSION, indent=2).encode(), "application/json"))
        steps = path.strip("/").split("/")
        if steps == [""]:
            paths = _paths(await self._store.kinds())
            return _get_only(
                request,
                Answer(orjson.dumps({"paths": paths}, option=orjson.OPT_INDENT_2), "application/json"),
            )
        if steps[0] in {"api", "apis"} and len(steps) <= (2 if steps[0] == "api" else 3):
            kinds = await self._store.kinds()
            found = discovery.answer(path, request.accept, kinds, address=request.host)
            if found is not None:
                return _get_only(request, found)
            Kinds(kinds).target(Place(steps[1] if steps[0] == "apis" else "", steps[-1], ""))
        if steps[0] == "openapi":
            return await self._openapi(request)
        return None

    async def _openapi(self, request: Request) -> Answer:
        kinds = await self._store.kinds()
        definitions = (await self._store.list(_DEFINITION)).items
        # Start-up time, and half a second of work for the largest documents: beside the loop.
        found = await asyncio.to_thread(_openapi_answer, request, kinds, definitions)
        if found is None:
            raise page_not_found()
        return _get_only(request, found)

    async def health(self, request: Request) -> Answer:
        """`/healthz` and its siblings: is the process there, and does the store answer?"""
        name, _, check = request.path.strip("/").partition("/")
        if check and check not in _CHECKS:
            raise page_not_found()
        excluded = request.query.all("exclude")
        told, is_well = [], True
        for each in (check,) if check else _CHECKS:
            is_fine = each in excluded or each != "store" or await self._is_store_well()
            state = "excluded: ok" if each in excluded else "ok" if is_fine else "failed: reason withheld"
            told.append(f"[{'+' if is_fine else '-'}]{each} {state}\n")
            is_well = is_well and is_fine
        if is_well and not request.query.has("verbose"):
            return Answer(b"ok", _TEXT)
        end = f"{name} check {'passed' if is_well else 'failed'}\n"
        return Answer("".join([*told, end]).encode(), _TEXT, status=200 if is_well else 500)

    async def _is_store_well(self) -> bool:
        try:
            async with asyncio.timeout(5):
                await self._store.kinds()
        except (PilotageError, TimeoutError):
            return False
        return True


def is_about_health(request: Request) -> bool:
    """Such a question is answered to everybody."""
    return request.path.startswith(tuple(f"{path}/" for path in _HEALTH)) or request.path in _HEALTH


def refused(error: RefusalError | PilotageError, request: Request, warnings: Sequence[str] = ()) -> Answer:
    """A refusal as it is sent."""
    if isinstance(error, RefusalError) and error.status is None:
        headers = {"X-Content-Type-Options": "nosniff"}
        return Answer(error.message.encode(), _TEXT, headers, error.code)
    status = status_body(error)
    headers = warning_headers(warnings)
    again = status.get("details", {}).get("retryAfterSeconds")
    if again:
        headers["Retry-After"] = str(again)
    if is_pretty(request.query, request.agent) or status["code"] == 406:
        body = orjson.dumps(status, option=orjson.OPT_INDENT_2)
    else:
        body = orjson.dumps(status) + b"\n"
    return Answer(body, "application/json", headers, status["code"])


def _with_warnings(answer: Answer, warnings: Sequence[str]) -> Answer:
    if not warnings:
        return answer
    own = answer.headers.get("Warning", "")
    told = ", ".join(filter(None, (warning_headers(warnings)["Warning"], own)))
    return Answer(answer.body, answer.content_type, {**answer.headers, "Warning": told}, answer.status)


def _get_only(request: Request, answer: Answer) -> Answer:
    """A document for who may ask for it; for a client that has it already, word that it has not changed."""
    if request.method != "GET":
        raise forbidden_method()
    tag = answer.headers.get("ETag")
    if tag is None or answer.status != 200 or not _has(request.if_none_match, tag):
        return answer
    return Answer(b"", answer.content_type, answer.headers, 304)


def _has(if_none_match: str, tag: str) -> bool:
    """RFC 9110, section 13.1.2: any of several, and weak ones are as good."""
    had = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return tag in had or had == ["*"]


def _paths(kinds: Sequence[ServedKind]) -> list[str]:
    groups = {each.kind.group for each in kinds if each.kind.group}
    versions = {each.kind.api_version for each in kinds if each.kind.group}
    return sorted(
        {
            "/api",
            "/api/v1",
            "/apis",
            "/apis/",
            "/openapi/v2",
            "/openapi/v3",
            "/version",
            *_HEALTH,
            *(f"/apis/{name}" for name in groups | versions),
        }
    )


def _openapi_answer(
    request: Request, kinds: Sequence[ServedKind], definitions: Sequence[Object]
) -> Answer | None:
    openapi = import_module("pilotage.apiserver.openapi")
    query = {name: request.query.text(name) for name in ("hash",) if request.query.has(name)}
    found: Answer | None = openapi.answer(request.path, request.accept, query, kinds, definitions)
    return found
