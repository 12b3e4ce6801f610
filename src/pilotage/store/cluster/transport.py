"""The one place that knows the HTTP library: connections, TLS, credentials, retries, pace.

A credential that the server refuses with 401 is replaced once and the request sent again: tokens end, and nobody should
notice. Redirects are not followed, as an API server sends none that a credential should follow. TCP keep-alive finds a peer
that vanished without a word within a minute, for a watch may be silent for longer than that.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote
from weakref import WeakSet

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from pilotage.api.errors import RemoteError
from pilotage.store.cluster.access import Access, Clock, Impersonation, KeyPair, Proof
from pilotage.store.cluster.certificates import tls_context
from pilotage.store.cluster.pacing import RetryPolicy, TokenBucket, retry_after
from pilotage.store.cluster.requests import Request

__all__ = ["Answer", "Limits", "Transport"]

logger = logging.getLogger(__name__)

_READ_BUFFER: Final = 1 << 20
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
_GOODBYE: Final = 1.0
_GLANCE: Final = 0.002
_HINT: Final = "see whether the address in the kubeconfig is right and the cluster can be reached from here"


class Limits(msgspec.Struct, frozen=True):
    rate: float
    burst: int
    retry: RetryPolicy
    connect_timeout: float


class Answer:
    """An answer whose body was not read yet. Leaving it gives the connection back if the body was read, else cuts it."""

    def __init__(
        self, response: aiohttp.ClientResponse, subject: str, server: str, opened: set[Answer]
    ) -> None:
        self._response = response
        self._subject = subject
        self._server = server
        self._opened = opened
        opened.add(self)

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def retry_after(self) -> float | None:
        return retry_after(self._response.headers.get("Retry-After", ""))

    async def read(self) -> bytes:
        """Raises RemoteError when the body breaks off."""
        try:
            return await self._response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _broken(self._subject, self._server, error) from None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises RemoteError when it breaks off."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _broken(self._subject, self._server, error) from None

    def close(self) -> None:
        self._opened.discard(self)
        if self._response.content.at_eof():
            self._response.release()
            return
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            # A goodbye in TLS would wait for a server that is in the middle of a sentence, and hold the socket meanwhile.
            connection.transport.abort()
        self._response.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Transport:
    """Sends requests to one cluster. Built in a running event loop and used in that loop only."""

    def __init__(
        self,
        access: Access,
        limits: Limits,
        clock: Clock,
        proxy_for: Callable[[str], str],
        user_agent: str,
    ) -> None:
        self._access = access
        self._limits = limits
        self._clock = clock
        self._bucket = TokenBucket(limits.rate, limits.burst, clock)
        self._proxy = access.proxy.reveal_text() if access.proxy else proxy_for(access.server) or None
        self._tls: tuple[KeyPair | None, ssl.SSLContext] | None = None
        self._is_https = access.server.startswith("https:")
        self._fixed_headers = _fixed_headers(access, user_agent)
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._opened: set[Answer] = set()
        self._is_closing = False
        self._session = aiohttp.ClientSession(
            # No limit: every watch holds a connection, and callers bound what they do at once.
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, socket_factory=self._socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER,
        )

    async def close(self) -> None:
        """Whoever reads an answer is told; closing the session alone would leave readers of silent streams waiting."""
        self._is_closing = True
        for answer in tuple(self._opened):
            answer.close()
        await self._session.close()
        # Goodbyes of TLS are said in the background; we stay for them, so that none is cut off when the event loop ends.
        loop = asyncio.get_running_loop()
        patience = loop.time() + _GOODBYE
        while any(each.fileno() >= 0 for each in self._sockets) and loop.time() < patience:  # noqa: ASYNC110 -- closing a socket wakes nobody
            await asyncio.sleep(_GLANCE)

    async def send(self, request: Request, *, stall_timeout: float) -> Answer:
        """The answer, whatever its status. Raises RemoteError when there is none, InputError when no proof is to be had."""
        attempt = 0
        may_reconnect = request.is_repeatable
        may_renew = True
        proof = await self._access.login.proof()
        while True:
            await self._bucket.take()
            if self._is_closing:
                raise _closed(request.subject, self._access.server)
            try:
                answer = await self._once(request, proof, stall_timeout)
            except _CONNECTION_LOST as error:
                if not may_reconnect:
                    raise _broken(request.subject, self._access.server, error) from None
                may_reconnect = False
                continue
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise _broken(request.subject, self._access.server, error) from None
            if answer.status == 401 and may_renew:
                may_renew = False
                try:
                    renewed = await self._access.login.renew(proof)
                except BaseException:
                    answer.close()
                    raise
                if renewed is not None:
                    answer.close()
                    proof = renewed
                    continue
            wait = self._limits.retry.wait(attempt, answer.status, answer.retry_after)
            if wait is None:
                return answer
            logger.info(
                "%s: the server answered %d; trying again in %.1f s", request.subject, answer.status, wait
            )
            answer.close()
            attempt += 1
            await self._clock.sleep(wait)
            proof = await self._access.login.proof()

    async def _once(self, request: Request, proof: Proof, stall_timeout: float) -> Answer:
        headers = self._fixed_headers.copy()
        headers["Accept"] = request.accept
        if proof.authorization is not None:
            headers["Authorization"] = proof.authorization.reveal_text()
        if request.content_type:
            headers["Content-Type"] = request.content_type
        options: dict[str, Any] = {}
        if self._is_https:
            options["ssl"] = self._tls_for(proof.key_pair)
            options["server_hostname"] = self._access.trust.server_name or None
        response = await self._session.request(
            request.method,
            URL(self._access.server + request.target, encoded=True),
            headers=headers,
            data=request.body or None,
            allow_redirects=False,
            proxy=self._proxy,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=self._limits.connect_timeout,
                sock_connect=self._limits.connect_timeout,
                sock_read=stall_timeout,
            ),
            **options,
        )
        answer = Answer(response, request.subject, self._access.server, self._opened)
        if self._is_closing:  # in the meantime; what is opened now would be closed by nobody
            answer.close()
        return answer

    def _socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        self._sockets.add(made)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):  # not every system can be told how often
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return made

    def _tls_for(self, key_pair: KeyPair | None) -> ssl.SSLContext:
        """One context for as long as our certificate stays: connections are shared by context."""
        if self._tls is None or self._tls[0] != key_pair:
            self._tls = (key_pair, tls_context(self._access.trust, key_pair, self._access.source))
        return self._tls[1]


def _fixed_headers(access: Access, user_agent: str) -> CIMultiDict[str]:
    headers = CIMultiDict(
        {
            "User-Agent": user_agent,
            # Within a cluster compression costs more time than it saves.
            "Accept-Encoding": "gzip" if access.is_compressed else "identity",
        }
    )
    if access.impersonation is not None:
        headers.extend(_impersonation_headers(access.impersonation))
    return headers


def _impersonation_headers(impersonation: Impersonation) -> list[tuple[str, str]]:
    headers = [("Impersonate-User", impersonation.user)]
    if impersonation.uid:
        headers.append(("Impersonate-Uid", impersonation.uid))
    headers += [("Impersonate-Group", group) for group in impersonation.groups]
    for name, values in impersonation.extra.items():
        headers += [(f"Impersonate-Extra-{quote(name, safe='')}", value) for value in values]
    return headers


_CONNECTION_LOST: Final = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)


def _broken(subject: str, server: str, error: BaseException) -> RemoteError:
    code, cause = _explain(error)
    return RemoteError(code, f"{subject}: {server}: {cause}", hint=_HINT)


def _closed(subject: str, server: str) -> RemoteError:
    return RemoteError("StoreClosed", f"{subject}: {server}: the store was closed", hint="open another store")


def _explain(error: BaseException) -> tuple[str, str]:
    """What broke, in words without addresses: the library's own texts may hold a proxy's password."""
    unreachable = "ClusterUnreachable"
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "ClusterNotTrusted", _certificate(error.certificate_error)
        case aiohttp.ClientSSLError():
            return "ClusterNotTrusted", f"TLS failed: {error.strerror or 'handshake broken off'}"
        case aiohttp.ClientConnectorDNSError():
            return unreachable, f"the name does not resolve: {error.strerror}"
        case aiohttp.ClientProxyConnectionError():
            return unreachable, f"the proxy cannot be reached: {error.strerror}"
        case aiohttp.ClientHttpProxyError():
            return unreachable, f"the proxy refused with status {error.status}"
        case aiohttp.ClientConnectorError():
            return unreachable, f"cannot connect: {error.strerror}"
        case TimeoutError():
            return unreachable, "no answer in time"
        case aiohttp.ServerDisconnectedError():
            return unreachable, "the connection was closed before the answer"
        case aiohttp.ClientPayloadError():
            return "ConnectionLost", "the connection was closed before the end of the answer"
        case aiohttp.ClientResponseError():
            return "MalformedAnswer", "the answer is not HTTP"
        case aiohttp.InvalidURL():
            return unreachable, "the address is not valid"
        case OSError():
            return "ConnectionLost", f"the connection broke: {error.strerror or type(error).__name__}"
        case _:
            return "ConnectionLost", f"the connection broke: {type(error).__name__}"


def _certificate(error: BaseException) -> str:
    """`certificate verify failed: self-signed certificate`, without the library's file and line."""
    detail = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""
    return f"TLS certificate verify failed: {detail or type(error).__name__}"
