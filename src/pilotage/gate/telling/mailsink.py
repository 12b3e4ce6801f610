"""Messages as mail, by SMTP.

The `Message-ID` is derived from the event, so mail programs show a message once that was sent twice. What a server says is told in the
statuses of HTTP, which `delivery.after` judges: 4yz is "try again", 5yz is "no". The password is read from its file for every mail.
"""

from __future__ import annotations

import asyncio
import email.policy
import hashlib
import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Final

import msgspec

from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.prow.wire import read_secret
from pilotage.gate.telling import plaintext
from pilotage.gate.telling.message import Message

__all__ = ["MailSettings", "MailSink"]

_SUBJECT: Final = 200
_SHOWN: Final = 200


class MailSettings(msgspec.Struct, frozen=True):
    """`tls` begins encryption before anything else is said (STARTTLS); without it no password is sent. `timeout` in seconds."""

    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 587
    tls: bool = True
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout: float = 30.0


class MailSink:
    """`sinks.Sink` that sends mail."""

    def __init__(self, channel: str, settings: MailSettings) -> None:
        self.channel = channel
        self._settings = settings

    def render(self, message: Message, at: datetime, *, plain: bool = False) -> bytes:  # noqa: ARG002 -- it is plain already
        mail = EmailMessage(policy=email.policy.SMTP)
        mail["Subject"] = " ".join(message.title.split())[:_SUBJECT]
        mail["From"] = self._settings.sender
        mail["To"] = ", ".join(self._settings.recipients)
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = f"<{hashlib.sha256(message.event.encode()).hexdigest()[:32]}@pilotage.dev>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(plaintext.text(message))
        return mail.as_bytes()

    async def post(self, body: bytes) -> Reply:
        return await asyncio.to_thread(self._send, body)

    def _send(self, body: bytes) -> Reply:
        settings = self._settings
        password = ""
        if settings.username and settings.password_file is not None and settings.tls:
            secret = read_secret(settings.password_file, "password")
            if isinstance(secret, str):
                return Reply(0, cause=secret, was_sent=False)
            password = secret.reveal()
        try:
            with smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout) as server:
                if settings.tls:
                    server.starttls(context=ssl.create_default_context(cafile=settings.ca_file))
                if password:
                    server.login(settings.username, password)
                refused = server.sendmail(settings.sender, settings.recipients, body)
        except smtplib.SMTPResponseException as error:
            return _said(error.smtp_code, error.smtp_error)
        except smtplib.SMTPRecipientsRefused as error:
            return _said(*next(iter(error.recipients.values())))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return Reply(0, cause=f"the mail server did not take the mail: {type(error).__name__}")
        if refused:
            return Reply(200, f"not delivered to {', '.join(sorted(refused))}")
        return Reply(200)


def _said(code: int, words: bytes | str) -> Reply:
    """A refusal of SMTP as HTTP has it: for now, or for good."""
    shown = words.decode(errors="replace") if isinstance(words, bytes) else words
    return Reply(503 if 400 <= code < 500 else 400, f"{code} {shown[:_SHOWN]}")
