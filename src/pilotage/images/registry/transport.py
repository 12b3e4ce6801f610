"""The one place that knows the HTTP library: connections, TLS, proxies, redirects, retries, and the rate for each host.

aiohttp takes a quarter of a second to import, so this module is imported when the first request is sent and not before.
Connections are pooled without a limit: a copy holds a download open while it opens an upload, and a limit could make
every download wait for its upload; whoever copies bounds how much runs at once.

A redirect is followed here, not by the library: at another origin the credential is left behind, and from HTTPS to plain
HTTP we do not go.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
from yarl import URL

from pilotage.images.registry.exchange import BodyBrokenError, FailureKind, Request, TransportError, origin
from pilotage.images.registry.pacing import RETRIED_STATUSES, Pace, RetryPolicy, TokenBucket, retry_after
from pilotage.images.registry.proxies import is_loopback, proxy_for

__all__ = ["HttpTransport"]

_LOG = logging.getLogger(__name__)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 5
_READ_BUFFER: Final = 1 << 20
# Signed addresses of blob stores fill more than the library's 8 KiB for a line.
_MAX_HEADER: Final = 64 << 10
_RETRIED_FAILURES: Final = frozenset({"timeout", "reset"})


class HttpTransport:
    """Sends requests (`exchange.Exchange`). Built in a running event loop and used in that loop only."""

    def __init__(
        self,
        *,
        pace: Pace,
        retry: RetryPolicy,
        rate: float,
        burst: int,
        connect_timeout: float,
        stall_timeout: float,
        tls: ssl.SSLContext,
        user_agent: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._pace = pace
        self._retry = retry
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, TokenBucket] = {}
        self._connect_timeout = connect_timeout
        self._stall_timeout = stall_timeout
        self._environment = os.environ if environment is None else environment
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            # A blob is hashed as it is stored: an encoding on the way would change the bytes and break ranges.
            auto_decompress=False,
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            read_bufsize=_READ_BUFFER,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
        )

    async def send(self, request: Request) -> _HttpResponse:
        attempt = 0
        while True:
            status, asked, failure = 0, None, None
            try:
                response = await self._follow(request)
            except TransportError as error:
                failure = error
            else:
                if response.status not in RETRIED_STATUSES:
                    return response
                status = response.status
                asked = retry_after(response.header("Retry-After"), self._pace.clock.now())
            wait = self._wait(request, attempt, status, asked, failure)
            if wait is None:
                if failure is not None:
                    raise failure
                return response
            if failure is None:
                response.close()
            _LOG.info(
                "%r: %s; trying again in %.1f s", request, failure.cause if failure else status, max(wait, 0)
            )
            attempt += 1
            await self._pace.sleep(wait)

    async def close(self) -> None:
        await self._session.close()

    def _wait(
        self, request: Request, attempt: int, status: int, asked: float | None, failure: TransportError | None
    ) -> float | None:
        repeatable = request.retry and (request.body is None or isinstance(request.body, bytes))
        if not repeatable or (failure is not None and failure.kind not in _RETRIED_FAILURES):
            return None
        return self._retry.wait(attempt, status, asked, self._pace.jitter())

    async def _follow(self, request: Request) -> _HttpResponse:
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._once(request)
            location = response.header("Location")
            if response.status not in _REDIRECTS or not request.follow or not location:
                return response
            response.close()
            request = _redirected(request, urljoin(request.url, location))
        raise TransportError(
            urlsplit(request.url).netloc, f"more than {_MAX_REDIRECTS} redirects", "redirect"
        )

    async def _once(self, request: Request) -> _HttpResponse:
        host = urlsplit(request.url).netloc
        await self._take_turn(host)
        headers = dict(request.headers)
        if request.authorization is not None:
            headers["Authorization"] = request.authorization.reveal()
        try:
            answer = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                data=request.body,
                allow_redirects=False,
                proxy=proxy_for(request.url, self._environment) or None,
                timeout=aiohttp.ClientTimeout(
                    total=request.timeout or None,
                    connect=self._connect_timeout,
                    sock_connect=self._connect_timeout,
                    sock_read=self._stall_timeout,
                ),
            )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise TransportError(host, *_explain(error)) from None
        return _HttpResponse(answer, request.url)

    async def _take_turn(self, host: str) -> None:
        """Loopback is exempt: the limit protects shared registries, and a local one is ours."""
        if self._rate <= 0 or is_loopback(urlsplit(f"//{host}").hostname or ""):
            return
        bucket = self._buckets.get(host)
        if bucket is None:
            bucket = self._buckets[host] = TokenBucket(self._rate, self._burst, self._pace)
        await bucket.take()


class _HttpResponse:
    """An answer of aiohttp as `exchange.Response`."""

    def __init__(self, answer: aiohttp.ClientResponse, url: str) -> None:
        self._answer = answer
        self._url = url

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def url(self) -> str:
        return self._url

    def header(self, name: str) -> str:
        return self._answer.headers.get(name, "")

    def headers(self, name: str) -> Sequence[str]:
        return self._answer.headers.getall(name, [])

    async def read(self, limit: int) -> bytes:
        parts = []
        size = 0
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    break
        return b"".join(parts)[: limit + 1]

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise BodyBrokenError(urlsplit(self._url).netloc, *_explain(error)) from None

    def close(self) -> None:
        """Give the connection back when the body was read to the end, else cut it."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _redirected(request: Request, url: str) -> Request:
    """The same request at another address, without the credential when the origin differs."""
    host = urlsplit(request.url).netloc
    target = urlsplit(url)
    if target.scheme not in ("http", "https"):
        raise TransportError(host, f"redirects to {target.scheme or 'nowhere'}:, not to HTTP", "redirect")
    if request.url.startswith("https:") and target.scheme == "http":
        raise TransportError(host, f"redirects from HTTPS to plain HTTP at {target.netloc}", "redirect")
    authorization = request.authorization if origin(url) == origin(request.url) else None
    return msgspec.structs.replace(request, url=url, authorization=authorization)


def _explain(error: BaseException) -> tuple[str, FailureKind]:
    """What broke, in words without addresses: the library's own texts may hold signed URLs or a proxy's password."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return _certificate(error.certificate_error), "tls"
        case aiohttp.ClientSSLError():
            return f"TLS failed: {error.strerror or 'handshake broken off'}", "tls"
        case aiohttp.ClientConnectorDNSError():
            return f"the name does not resolve: {error.strerror}", "connection"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy cannot be reached: {error.strerror}", "connection"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused with status {error.status}", "connection"
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {error.strerror}", "connection"
        case TimeoutError():
            return "no answer in time", "timeout"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before the answer", "reset"
        case aiohttp.ClientPayloadError():
            return "the connection was closed before the end of the body", "reset"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP", "protocol"
        case aiohttp.InvalidURL() | ValueError():
            return "the address is not valid", "protocol"
        case OSError():
            return f"the connection broke: {error.strerror or type(error).__name__}", "reset"
        case _:
            return f"the connection broke: {type(error).__name__}", "reset"


def _certificate(error: BaseException) -> str:
    """`certificate verify failed: self-signed certificate`, without the library's file and line."""
    detail = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""
    return f"TLS certificate verify failed: {detail or type(error).__name__}"
