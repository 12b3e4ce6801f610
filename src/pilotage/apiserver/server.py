"""HTTPS on loopback: sockets, TLS, who may ask, and how much at a time.

    body            3 MiB, as etcd's clients may send                          413
    headers         64 KiB for a line, and for a field                         400
    at once         400 requests, 200 of them writes; 1000 watches             429, Retry-After
    a request       60 s from its headers to its answer                        504
    a watch         as long as it asks for, half an hour to an hour else       ends
    a slow watcher  30 s to take what is waiting for it (64 KiB)               is cut off

Nothing is answered without a credential but whether the server is well. Nothing is logged of a request: neither tokens nor
bodies can be found in a log that was never written.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import msgspec
from aiohttp import web

from pilotage.api.errors import InputError
from pilotage.apiserver.answer import Answer
from pilotage.apiserver.face import Face, is_about_health, refused
from pilotage.apiserver.identity import USER, Identity, made
from pilotage.apiserver.options import Query
from pilotage.apiserver.refusals import RefusalError, too_large, too_many_requests, unauthorized
from pilotage.apiserver.requests import Request
from pilotage.apiserver.resources import FaceStore
from pilotage.apiserver.streams import Stream

__all__ = ["Limits", "Serving", "serving"]

HOST = "127.0.0.1"
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HEADERS = {"Cache-Control": "no-cache, private"}


class Limits(msgspec.Struct, frozen=True):
    """Sizes in bytes, times in seconds. `watch_least`: watches end after this to twice this, unless they ask for less."""

    body: int = 3 << 20
    header: int = 64 << 10
    requests: int = 400
    writes: int = 200
    watches: int = 1000
    request_seconds: float = 60.0
    watch_least: float = 1800.0
    patience: float = 30.0
    backlog: int = 64 << 10
    stop_seconds: float = 5.0


class Serving(msgspec.Struct, frozen=True):
    """A server that answers: its address, such as `https://127.0.0.1:41235`, and what lets a client in."""

    address: str
    identity: Identity


@asynccontextmanager
async def serving(
    store: FaceStore, *, port: int = 0, limits: Limits | None = None, host: str = HOST
) -> AsyncIterator[Serving]:
    """Serve a store until the block ends; `port` 0 takes a free one.

    At the end watches are ended, and what is being answered is finished. Raises InputError `UnusablePort` for a port that
    cannot be had.
    """
    identity = await asyncio.to_thread(made)
    server = _Server(store, identity, limits or Limits())
    async with server.listening(host, port) as bound:
        yield Serving(f"https://{host}:{bound}", identity)


class _Server:
    def __init__(self, store: FaceStore, identity: Identity, limits: Limits) -> None:
        self._face = Face(store, identity.knows)
        self._identity = identity
        self._limits = limits
        self._requests = 0
        self._writes = 0
        self._watches: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        server = web.Server(
            cast("Any", self._handle),
            access_log=None,
            max_line_size=self._limits.header,
            max_field_size=self._limits.header,
            keepalive_timeout=75,
            lingering_time=1,
            handler_cancellation=True,  # a watcher that went away is noticed at once, not with the next event
        )
        runner = web.ServerRunner(server, shutdown_timeout=self._limits.stop_seconds)
        await runner.setup()
        following = asyncio.create_task(self._face.run(), name="apiserver-definitions")
        try:
            site = web.TCPSite(runner, host, port, ssl_context=self._identity.tls(), reuse_address=True)
            try:
                await site.start()
            except OSError as error:
                raise _unusable(host, port, error) from None
            yield runner.addresses[0][1]
        finally:
            for watch in self._watches:
                watch.reschedule(0)
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await runner.cleanup()

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        request = _read_head(received)
        try:
            user = self._recognised(received)
            if not user and not is_about_health(request):
                raise unauthorized()
            request = msgspec.structs.replace(request, user=user)
            if request.method == "GET" and request.query.flag("watch"):
                found = await self._face.answer(request)
            else:
                found = await self._admitted(received, request)
        except RefusalError as error:
            found = refused(error, request)
        if isinstance(found, Stream):
            return await self._stream(received, request, found)
        return _response(found)

    def _recognised(self, received: web.BaseRequest) -> str:
        """The user; empty for nobody. Raises RefusalError for a credential that is wrong."""
        tls = received.transport.get_extra_info("ssl_object") if received.transport is not None else None
        if isinstance(tls, ssl.SSLObject) and tls.getpeercert():
            return USER  # signed by our authority, which signed one for clients
        scheme, _, token = received.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ""
        if not self._identity.knows(token.strip()):
            raise unauthorized()
        return USER

    async def _admitted(self, received: web.BaseRequest, request: Request) -> Answer | Stream:
        """One of the requests that are answered at a time. Raises RefusalError."""
        is_write = request.method in _WRITES
        if self._requests >= self._limits.requests or (is_write and self._writes >= self._limits.writes):
            raise too_many_requests()
        self._requests += 1
        self._writes += is_write
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                if is_about_health(request):
                    return await self._face.health(request)
                body = await self._body(received)
                return await self._face.answer(msgspec.structs.replace(request, body=body))
        except TimeoutError:
            raise RefusalError(504, "Timeout: request did not complete within the allotted timeout") from None
        finally:
            self._requests -= 1
            self._writes -= is_write

    async def _body(self, received: web.BaseRequest) -> bytes:
        limit = self._limits.body
        if (received.content_length or 0) > limit:
            raise too_large(limit)
        if received.headers.get("Expect", "").lower() == "100-continue" and received.transport is not None:
            cast("asyncio.WriteTransport", received.transport).write(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts, size = [], 0
        async for part in received.content.iter_any():
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
        return b"".join(parts)

    async def _stream(
        self, received: web.BaseRequest, request: Request, stream: Stream
    ) -> web.StreamResponse:
        if len(self._watches) >= self._limits.watches:
            return _response(refused(too_many_requests(), request))
        least = self._limits.watch_least
        seconds = stream.seconds or random.uniform(least, 2 * least)  # noqa: S311 -- spreads load, protects nothing
        response = web.StreamResponse(headers={**_HEADERS, **stream.headers})
        response.content_type = "application/json"
        response.enable_chunked_encoding()
        try:
            await response.prepare(received)
        except ConnectionError:
            return response  # gone before it heard anything
        transport = received.transport
        if transport is None:
            return response
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(self._limits.backlog)
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(seconds) as ending, aclosing(cast("Any", stream.lines)):
                self._watches.add(ending)
                try:
                    async for line in stream.lines:
                        if not await self._is_taken(response, line):
                            cast("asyncio.WriteTransport", transport).abort()
                            break
                finally:
                    self._watches.discard(ending)
        return response

    async def _is_taken(self, response: web.StreamResponse, line: bytes) -> bool:
        """Send a line; a client that does not take what was sent before has some patience coming, not all memory."""
        try:
            async with asyncio.timeout(self._limits.patience):
                await response.write(line)
        except TimeoutError:
            return False
        return True


def _read_head(received: web.BaseRequest) -> Request:
    headers = received.headers
    return Request(
        received.method,
        received.rel_url.raw_path,
        Query(received.rel_url.raw_query_string),
        accept=", ".join(headers.getall("Accept", ())),
        content_type=headers.get("Content-Type", ""),
        agent=headers.get("User-Agent", ""),
        host=headers.get("Host", ""),
        if_none_match=", ".join(headers.getall("If-None-Match", ())),
    )


def _response(answer: Answer) -> web.Response:
    response = web.Response(body=answer.body, status=answer.status, headers={**_HEADERS, **answer.headers})
    response.headers["Content-Type"] = answer.content_type
    return response


def _unusable(host: str, port: int, error: OSError) -> InputError:
    reason = error.strerror or type(error).__name__
    return InputError(
        "UnusablePort",
        f"{host}:{port}: cannot listen there: {reason}",
        hint="choose another with --port, or none for a free one",
    )
