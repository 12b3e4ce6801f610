"""A web server of the simulated world: real HTTP on a loopback port that the system chooses, and ways to misbehave.

A simulated service is an `async with`: it listens inside, and `url` says where. Misbehaviour is done on the socket, so a client
meets what it would meet outside: a reset, a body that ends too early, an answer that never comes.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Literal, Self

from aiohttp import web

__all__ = ["LoopbackServer", "Misbehaviour", "misbehave", "new_application"]

Misbehaviour = Literal["reset", "truncated", "stalled"]
_PATIENCE: Final = 0.1
_MOST: Final = 16 << 20


class LoopbackServer:
    """Serves an application. A subclass gives it by `application`."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, empty while nobody listens."""
        return self._url

    def application(self) -> web.Application:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(
            self.application(), access_log=None, shutdown_timeout=_PATIENCE, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner, self._url = None, ""


def new_application() -> web.Application:
    return web.Application(client_max_size=_MOST)


async def misbehave(request: web.Request, how: Misbehaviour, body: bytes = b"{}") -> web.StreamResponse:
    """Answer badly. `truncated` sends the first half of `body`; `stalled` sends nothing until the client goes away."""
    if how == "stalled":
        await asyncio.Event().wait()
    response = web.StreamResponse(
        headers={"Content-Length": str(len(body)), "Content-Type": "application/json"}
    )
    transport = request.transport
    if how == "truncated":
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
        if transport is not None:
            transport.close()
    elif transport is not None:
        transport.abort()
    return response
