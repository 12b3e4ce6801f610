"""A chat that keeps its messages: incoming webhooks in the manner of Slack, and an inbox for CloudEvents.

It refuses what Slack refuses, in the same words: a payload that is no JSON, one without text, blocks beyond a limit. It can be
down, slow or busy for a while, by its clock; so a night with an hour without chat can be rehearsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
import orjson
from aiohttp import web

from pilotage.runtime.clock import Timers
from pilotage.world.loopback import LoopbackServer, misbehave, new_application

__all__ = ["Chat", "Event", "Posted", "Trouble", "slack_problem"]

_SECTION: Final = 3000
_FIELD: Final = 2000
_FIELDS: Final = 10
_BLOCKS: Final = 50
_HEADER: Final = 150
_ATTACHMENTS: Final = 100
_TEXT: Final = 40_000
_CONTEXT_ELEMENTS: Final = 10
_REQUIRED: Final = ("specversion", "id", "source", "type")


class Trouble(msgspec.Struct, frozen=True):
    """What is wrong from `since` until `until`.

    `busy` answers 429, with `Retry-After` when `seconds` is given; `slow` answers after `seconds`; `gone` answers 404 as a revoked
    webhook does.
    """

    kind: Literal["error", "reset", "stalled", "truncated", "busy", "slow", "gone"]
    since: datetime
    until: datetime
    seconds: float = 0.0


class Posted(msgspec.Struct, frozen=True):
    """A message that was accepted, on the channel whose webhook it came by."""

    at: datetime
    channel: str
    payload: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Everything that a person can read in it, a line for each text."""
        return "\n".join(_texts(self.payload))


class Event(msgspec.Struct, frozen=True):
    """A CloudEvent that was accepted."""

    at: datetime
    value: Mapping[str, Any]


class Chat(LoopbackServer):
    """A chat. `messages` and `events` are what was accepted, in order; `refused` counts what was not, by reason.

    `webhook(channel)` and `inbox` are the addresses to post to. `troubles` may be changed at any time.
    """

    def __init__(self, clock: Timers, troubles: tuple[Trouble, ...] = ()) -> None:
        super().__init__()
        self.troubles = troubles
        self.messages: list[Posted] = []
        self.events: list[Event] = []
        self.refused: dict[str, int] = {}
        self._clock = clock

    def webhook(self, channel: str) -> str:
        return f"{self.url}/services/T00000000/B00000000/{channel}"

    @property
    def inbox(self) -> str:
        return f"{self.url}/events"

    def application(self) -> web.Application:
        application = new_application()
        application.router.add_post("/services/{team}/{app}/{channel}", self._message)
        application.router.add_post("/events", self._event)
        return application

    async def _message(self, request: web.Request) -> web.StreamResponse:
        trouble = await self._trouble(request)
        if trouble is not None:
            return trouble
        body = await request.read()
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            return self._refuse("invalid_payload")
        problem = slack_problem(payload)
        if problem:
            return self._refuse(problem)
        self.messages.append(Posted(self._clock.now(), request.match_info["channel"], payload))
        return web.Response(text="ok")

    async def _event(self, request: web.Request) -> web.StreamResponse:
        trouble = await self._trouble(request)
        if trouble is not None:
            return trouble
        try:
            value = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return self._refuse("invalid_json")
        is_structured = request.content_type == "application/cloudevents+json"
        if not is_structured or not isinstance(value, dict) or not all(value.get(key) for key in _REQUIRED):
            return self._refuse("not_a_cloud_event")
        self.events.append(Event(self._clock.now(), value))
        return web.Response(status=202)

    async def _trouble(self, request: web.Request) -> web.StreamResponse | None:
        now = self._clock.now()
        trouble = next((each for each in self.troubles if each.since <= now < each.until), None)
        if trouble is None:
            return None
        self.refused[trouble.kind] = self.refused.get(trouble.kind, 0) + 1
        match trouble.kind:
            case "error":
                return web.Response(status=503, text="service unavailable")
            case "busy":
                headers = {"Retry-After": f"{trouble.seconds:.0f}"} if trouble.seconds else {}
                return web.Response(status=429, text="rate_limited", headers=headers)
            case "gone":
                return web.Response(status=404, text="no_service")
            case "slow":
                await self._clock.sleep(trouble.seconds)
                return None
            case how:
                return await misbehave(request, how, b"ok, but not all of it")

    def _refuse(self, reason: str) -> web.Response:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        return web.Response(status=400, text=reason)


def slack_problem(payload: Any) -> str:
    """Slack's word for what is wrong with a payload, empty when it is fine."""
    if not isinstance(payload, dict):
        return "invalid_payload"
    attachments = payload.get("attachments") or []
    if not payload.get("text") and not payload.get("blocks") and not attachments:
        return "no_text"
    if len(str(payload.get("text") or "")) > _TEXT:
        return "msg_too_long"
    if not isinstance(attachments, list) or len(attachments) > _ATTACHMENTS:
        return "too_many_attachments"
    for holder in (payload, *attachments):
        blocks = holder.get("blocks") if isinstance(holder, dict) else None
        if blocks is not None and not (
            isinstance(blocks, list) and len(blocks) <= _BLOCKS and all(map(_is_valid, blocks))
        ):
            return "invalid_blocks"
    return ""


def _is_valid(block: Any) -> bool:
    if not isinstance(block, dict):
        return False
    match block.get("type"):
        case "header":
            return _is_text(block.get("text"), _HEADER, "plain_text")
        case "section":
            fields = block.get("fields")
            has_fields = isinstance(fields, list) and 1 <= len(fields) <= _FIELDS
            if fields is not None and not (has_fields and all(_is_text(field, _FIELD) for field in fields)):
                return False
            text = block.get("text")
            return _is_text(text, _SECTION) if text is not None else has_fields
        case "context":
            elements = block.get("elements")
            return (
                isinstance(elements, list)
                and 1 <= len(elements) <= _CONTEXT_ELEMENTS
                and all(_is_text(element, _FIELD) for element in elements)
            )
        case "divider":
            return True
        case _:
            return False


def _is_text(value: Any, limit: int, *types: str) -> bool:
    if not isinstance(value, dict) or value.get("type") not in (types or ("mrkdwn", "plain_text")):
        return False
    text = value.get("text")
    return isinstance(text, str) and 1 <= len(text) <= limit and _is_escaped(text)


def _is_escaped(text: str) -> bool:
    """Does every `<` begin a link or a mention that ends? An open one would swallow what follows."""
    depth = 0
    for character in text:
        depth += (character == "<") - (character == ">")
        if depth not in (0, 1):
            return False
    return depth == 0


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for key, inner in value.items():
            if key != "text" or not isinstance(inner, str):
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
