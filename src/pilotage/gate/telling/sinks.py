"""Where messages go: a chat in the manner of Slack, and any webhook that takes CloudEvents. (`mailsink` and `issuesink` have others.)

A sink renders a message and posts it once; what follows from the reply is `delivery.after`, and the outbox of the ledger remembers. The
address of an incoming webhook *is* its credential: it is read from a mounted file for every post, and no reply, error or log
line shows it.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.prow.wire import Secret, Wire, read_secret
from pilotage.gate.telling import slack
from pilotage.gate.telling.message import COLOURS, Message
from pilotage.runtime.clock import rfc3339

__all__ = ["CloudEventSink", "Sink", "SlackSink", "cloud_event"]

_EVENT_TYPE: Final = "dev.pilotage.gate.telling.message.v1"
_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_CLOUD_EVENT: Final = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
_SCHEMES: Final = ("http", "https")


class Sink(Protocol):
    """A channel. Its name is part of the key by which a message is sent once."""

    @property
    def channel(self) -> str: ...

    def render(self, message: Message, at: datetime, *, plain: bool = False) -> bytes:
        """The body to post; `at` is when the event was. Pure, so the outbox can keep it."""
        ...

    async def post(self, body: bytes) -> Reply:
        """One attempt. Never raises for what the channel does."""
        ...


class SlackSink:
    """An incoming webhook of Slack, or of a chat that takes the same (Mattermost, Rocket.Chat)."""

    def __init__(self, channel: str, url_file: Path, wire: Wire) -> None:
        self.channel = channel
        self._url_file = url_file
        self._wire = wire

    def render(self, message: Message, at: datetime, *, plain: bool = False) -> bytes:  # noqa: ARG002 -- Slack shows its own time
        return slack.plain_payload(message) if plain else slack.payload(message)

    async def post(self, body: bytes) -> Reply:
        return await _post(self._url_file, self._wire, _JSON, body)


class CloudEventSink:
    """A webhook that takes CloudEvents 1.0 in structured JSON. `source` is a URI that names this gate."""

    def __init__(self, channel: str, url_file: Path, wire: Wire, source: str = "/pilotage/gate") -> None:
        self.channel = channel
        self._url_file = url_file
        self._wire = wire
        self._source = source

    def render(self, message: Message, at: datetime, *, plain: bool = False) -> bytes:  # noqa: ARG002 -- it is plain already
        return json.dumps(cloud_event(message, self._source, at), ensure_ascii=False).encode()

    async def post(self, body: bytes) -> Reply:
        return await _post(self._url_file, self._wire, _CLOUD_EVENT, body)


def cloud_event(message: Message, source: str, at: datetime) -> dict[str, Any]:
    """The message as a CloudEvent; a receiver drops doubles by `source` and `id`."""
    return {
        "specversion": "1.0",
        "id": message.event,
        "source": source,
        "type": _EVENT_TYPE,
        "subject": message.platform,
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "data": {
            "message": message.id,
            "title": message.title,
            "colour": COLOURS[message.colour],
            "what": message.what,
            "do": message.do,
            "runbook": message.runbook.url,
            "owner": message.owner,
            "fields": {field.name: field.value for field in message.fields},
            "sections": [
                {
                    "title": section.title,
                    "text": section.text,
                    "items": [
                        {"text": item.text, "url": item.url, "note": item.note} for item in section.items
                    ],
                    "code": section.code,
                }
                for section in message.sections
            ],
        },
    }


async def _post(url_file: Path, wire: Wire, headers: dict[str, str], body: bytes) -> Reply:
    """An address that cannot be read is like a channel that cannot be reached: tried again, since it may be on its way."""
    url = read_secret(url_file, "webhook address")
    if isinstance(url, str):
        return Reply(0, cause=url, was_sent=False)
    if not _is_web(url):
        return Reply(0, cause=f"{url_file} holds no http or https address", was_sent=False)
    return await wire.send("POST", url, headers=headers, body=body)


def _is_web(url: Secret) -> bool:
    try:
        parts = urlsplit(url.reveal())
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname)
