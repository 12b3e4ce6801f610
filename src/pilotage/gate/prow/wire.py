"""One request, one reply, and never an exception: the one place of the gate that knows the HTTP library.

Whatever the other side does becomes a `Reply`: a peer that refuses, resets, stalls, cuts the body or speaks no HTTP has status 0
and a cause in words. Nothing is sent twice here, since a request that starts a job must not be; who wants to try again decides
that from the reply. Connections are not kept: at a few requests a minute a reused one would more often be dead than alive.

Addresses may be secrets (those of webhooks are), so no cause, log line or `repr` shows one.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pilotage.api.errors import InputError
from pilotage.gate.prow.jobrunner import Reply
from pilotage.images.registry.exchange import Secret
from pilotage.images.registry.proxies import proxy_for
from pilotage.runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Secret", "Wire", "WireSettings", "read_secret", "retry_after"]

_CHUNK: Final = 64 << 10


class WireSettings(msgspec.Struct, frozen=True):
    """Times are in seconds, sizes in bytes. `timeout` limits a whole exchange, `connect_timeout` its beginning.

    `ca_file` holds further certificate authorities in PEM; `environment` names proxies as on every node.
    """

    timeout: float = 60.0
    connect_timeout: float = 15.0
    body_limit: int = 8 << 20
    ca_file: Path | None = None
    environment: Mapping[str, str] = {}
    user_agent: str = "pilotage-gate"


class Wire:
    """Sends requests. The library is loaded and a session opened when the first one goes out.

    Raises InputError `BadCertificateFile` when `ca_file` cannot be used: before a run, not in the middle of one.
    """

    def __init__(self, settings: WireSettings = WireSettings(), clock: Clock | None = None) -> None:  # noqa: B008 -- frozen
        self._settings = settings
        self._clock = clock or SystemClock()
        self._trust = _trust(settings.ca_file) if settings.ca_file else None
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        url: str | Secret,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        authorization: Secret | None = None,
        follow: bool = False,
    ) -> Reply:
        """The reply, whatever happens.

        Redirects are followed only where `follow` says so, which no request with a credential should.
        """
        import aiohttp  # noqa: PLC0415 -- start-up time: pure commands send nothing
        from yarl import URL  # noqa: PLC0415 -- as above

        session = self._open()
        address = url.reveal() if isinstance(url, Secret) else url
        given = dict(headers or {})
        if authorization is not None:
            given["Authorization"] = authorization.reveal()
        was_sent = False
        try:
            async with session.request(
                method,
                URL(address, encoded=True),
                headers=given,
                data=body,
                allow_redirects=follow,
                max_redirects=5,
                proxy=proxy_for(address, self._settings.environment) or None,
            ) as answer:
                was_sent = True
                text = await self._read(answer)
                if text is None:
                    return Reply(0, cause=f"the answer is larger than {self._settings.body_limit} bytes")
                asked = retry_after(answer.headers.get("Retry-After", ""), self._clock.now())
                return Reply(answer.status, text, retry_after=asked)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError) as error:
            return Reply(0, cause=_cause(error), was_sent=was_sent or not _never_left(error))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 -- as above

        if self._session is None or self._session.closed:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, ssl=self._trust or True),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"User-Agent": settings.user_agent, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(
                    total=settings.timeout,
                    connect=settings.connect_timeout,
                    sock_connect=settings.connect_timeout,
                ),
                # Pages of jobs and signed addresses fill more than the library's 8 KiB for a line.
                max_line_size=_CHUNK,
                max_field_size=_CHUNK,
            )
        return self._session

    async def _read(self, answer: aiohttp.ClientResponse) -> str | None:
        """The body as text, None when it is too large."""
        parts = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            parts += chunk
            if len(parts) > self._settings.body_limit:
                return None
        return parts.decode(errors="replace")


def read_secret(path: Path, what: str) -> Secret | str:
    """The first line of a mounted file, read now: such files are replaced under a running process.

    A text instead of a Secret says, without its content, why the file cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        return f"the {what} cannot be read from {path}: {reason}"
    if not text or not (text.isascii() and text.isprintable()) or " " in text:
        return f"{path} holds no {what}"
    return Secret(text)


def retry_after(header: str, now: datetime) -> float | None:
    """Seconds from a `Retry-After` header, a number or an HTTP date; None when it cannot be read."""
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _trust(ca_file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = "holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise InputError(
            "BadCertificateFile", f"{ca_file}: {reason}", hint="name a file with certificates in PEM form"
        ) from None
    return context


def _never_left(error: BaseException) -> bool:
    """Did it fail before anything was sent?"""
    import aiohttp  # noqa: PLC0415 -- as above

    return isinstance(
        error, aiohttp.ClientConnectorError | aiohttp.InvalidURL | aiohttp.ConnectionTimeoutError
    )


def _cause(error: Any) -> str:
    """What broke, in words without addresses: the library's own texts hold them."""
    import aiohttp  # noqa: PLC0415 -- as above

    match error:
        case aiohttp.ClientConnectorCertificateError():
            detail = getattr(error.certificate_error, "verify_message", "")
            return f"TLS certificate verify failed: {detail or 'the certificate does not fit'}"
        case aiohttp.ClientSSLError():
            return "TLS failed: handshake broken off"
        case aiohttp.ClientConnectorDNSError():
            return "the name does not resolve"
        case aiohttp.ClientProxyConnectionError():
            return "the proxy cannot be reached"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused with status {error.status}"
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {error.os_error.strerror or 'no reason given'}"
        case TimeoutError():
            return "no whole answer in time"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before the answer"
        case aiohttp.ClientPayloadError():
            return "the connection was closed before the end of the body"
        case aiohttp.TooManyRedirects():
            return "redirected too often"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case aiohttp.InvalidURL() | ValueError() | LookupError():
            return "the address is not valid"
        case _:
            return f"the connection broke: {type(error).__name__}"
