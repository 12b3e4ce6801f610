"""Mail and issues: against a mail server and a GitHub of a few lines."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from pilotage.gate.prow.wire import Wire
from pilotage.gate.telling.delivery import Attempt, Delivered, SendAgain, SendPlain, after
from pilotage.gate.telling.issuesink import IssueSink
from pilotage.gate.telling.mailsink import MailSettings, MailSink
from pilotage.gate.telling.plaintext import text_lines
from pilotage.gate.telling.sinks import Sink
from pilotage.world.loopback import LoopbackServer, new_application

from .test_messages import ALL
from .test_slack import message

NOW = datetime(2026, 6, 11, 9, 0, tzinfo=UTC)


class MailServer:
    """Speaks enough SMTP. `refusal` is said to every recipient."""

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.mails: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    raw = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(raw.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."))
                    writer.write(b"250 taken\r\n")
                elif verb == b"RCPT" and self.refusal:
                    writer.write(f"{self.refusal}\r\n".encode())
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 fine\r\n")
                await writer.drain()
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def mail_server(refusal: str = "") -> AsyncIterator[MailServer]:
    made = MailServer(refusal)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await server.wait_closed()


def mail_sink(port: int, **settings) -> MailSink:
    return MailSink(
        "mail", MailSettings("127.0.0.1", "gate@example.com", ("a@example.com",), port, tls=False, **settings)
    )


async def test_a_mail_is_sent():
    """With everything in it, and the same id each time."""
    async with mail_server() as server:
        sink: Sink = mail_sink(server.port)
        for _, _, each in ALL:
            reply = await sink.post(sink.render(each, NOW))
            assert Delivered() == after(reply, Attempt(1, NOW, NOW))
    mails = [email.message_from_bytes(raw, policy=email.policy.default) for raw in server.mails]
    assert [each.title for _, _, each in ALL] == [mail["Subject"] for mail in mails]
    assert 1 == len({mail["Message-ID"] for mail in mails})
    assert all(line in mails[0].get_content() for line in text_lines(ALL[0][2]))


async def test_a_line_break_in_a_title_is_no_header():
    """Nor anything else that a name may hold."""
    raw = mail_sink(1).render(message("x\r\nBcc: evil@example.com"), NOW)
    assert "Bcc" not in email.message_from_bytes(raw)


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [("451 try later", SendAgain), ("550 no such user", SendPlain)],
)
async def test_a_refusal_is_for_now_or_for_good(refusal, outcome):
    """4yz is tried again, 5yz is not."""
    async with mail_server(refusal) as server:
        sink = mail_sink(server.port)
        reply = await sink.post(sink.render(message(), NOW))
    assert outcome is type(after(reply, Attempt(1, NOW, NOW)))
    assert refusal in reply.body


async def test_a_mail_server_that_is_not_there_is_tried_again(tmp_path):
    """So is one whose password cannot be read, or that knows no encryption."""
    async with mail_server() as server:
        settings = MailSettings("127.0.0.1", "g@example.com", ("a@example.com",), server.port)
        unencrypted = await MailSink("mail", settings).post(b"")
        port = server.port
    gone = await mail_sink(port).post(b"")
    secret = MailSettings(
        "127.0.0.1", "g@example.com", (), port, username="u", password_file=tmp_path / "none"
    )
    unread = await MailSink("mail", secret).post(b"")
    assert [0, 0, 0] == [reply.status for reply in (unencrypted, gone, unread)]
    assert "password" in unread.cause
    assert [] == server.mails


class GitHub(LoopbackServer):
    """Opens issues; `status` is what it answers otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 201
        self.issues: list[dict] = []

    def application(self) -> web.Application:
        application = new_application()
        application.router.add_post("/repos/{owner}/{name}/issues", self._open)
        return application

    async def _open(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer t":
            return web.Response(status=401)
        if self.status != 201:
            return web.Response(status=self.status, headers={"Retry-After": "60"})
        self.issues.append(await request.json())
        return web.json_response({"number": len(self.issues)}, status=201)


async def test_an_issue_is_opened(tmp_path):
    """With the event in it, and nothing that mentions anybody."""
    token, wire = tmp_path / "token", Wire()
    async with GitHub() as github:
        sink: Sink = IssueSink("issues", "openshift/hypershift", token, wire, api=github.url)
        assert 0 == (await sink.post(sink.render(message(), NOW))).status
        token.write_text("t")
        body = sink.render(message("t\n" * 500, "@everyone ~~~~ #1"), NOW)
        assert Delivered() == after(await sink.post(body), Attempt(1, NOW, NOW))
        github.status = 403
        assert isinstance(after(await sink.post(body), Attempt(1, NOW, NOW)), SendAgain)
    await wire.close()
    (issue,) = github.issues
    assert len(issue["title"]) <= 256
    assert issue["body"].startswith("~~~~~text\n")
    assert issue["body"].endswith("\n~~~~~\n\n`event e`")
    assert "labels" not in json.loads(sink.render(message(), NOW, plain=True))
