"""Messages as issues on GitHub: for what somebody must work on.

An issue is opened for each event; its body ends with the id of the event, by which a double can be found. The text stands in a fence,
so that no name in it mentions a person or links to another issue. Follows the REST API `POST /repos/{owner}/{repo}/issues`.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.prow.wire import Secret, Wire, read_secret
from pilotage.gate.telling import plaintext
from pilotage.gate.telling.message import Message

__all__ = ["IssueSink"]

_TITLE: Final = 250
_BODY: Final = 60_000
_HEADERS: Final = {
    "Accept": "application/vnd.github+json",
    "Content-Type": "application/json",
    "X-GitHub-Api-Version": "2022-11-28",
}


class IssueSink:
    """`sinks.Sink` that opens issues in `repository` (`owner/name`). `api` is that of another GitHub where there is one."""

    def __init__(
        self,
        channel: str,
        repository: str,
        token_file: Path,
        wire: Wire,
        *,
        labels: tuple[str, ...] = ("release-gate",),
        api: str = "https://api.github.com",
    ) -> None:
        self.channel = channel
        self._url = f"{api.rstrip('/')}/repos/{quote(repository)}/issues"
        self._token_file = token_file
        self._wire = wire
        self._labels = labels

    def render(self, message: Message, at: datetime, *, plain: bool = False) -> bytes:  # noqa: ARG002 -- GitHub shows its own time
        text = plaintext.text(message)[:_BODY]
        fence = "~~~"
        while fence in text:
            fence += "~"
        body = f"{fence}text\n{text}\n{fence}\n\n`event {message.event.replace('`', '')}`"
        issue = {"title": " ".join(message.title.split())[:_TITLE], "body": body}
        return json.dumps(issue if plain else issue | {"labels": list(self._labels)}).encode()

    async def post(self, body: bytes) -> Reply:
        token = read_secret(self._token_file, "token")
        if isinstance(token, str):
            return Reply(0, cause=token, was_sent=False)
        authorization = Secret(f"Bearer {token.reveal()}")
        reply = await self._wire.send(
            "POST", self._url, headers=_HEADERS, body=body, authorization=authorization
        )
        # GitHub says "too many requests" with 403 as well.
        is_busy = reply.status == 403 and reply.retry_after is not None
        return msgspec.structs.replace(reply, status=429) if is_busy else reply
