"""The small HTTP server of `pilotage run`, and of `pilotage serve`: is it alive, is it ready, and how does it go?

    /livez, /healthz   200 while the process turns its event loop
    /readyz            200 when it does its part, leading or standing by; 503 with what is in the way
    /metrics           for Prometheus

Everything is in plain text and holds no secret: kinds, error texts of the API server, numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from pilotage.api.errors import InputError, RemoteError
from pilotage.api.gate import GATE
from pilotage.app.gate import figures
from pilotage.app.measures import CONTENT_TYPE, Measures
from pilotage.app.run import Controllers

__all__ = ["address_of", "measured", "served"]


def address_of(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `:PORT`, `[ADDRESS]:PORT`; port 0 is any that is free. Raises InputError `InvalidOption`."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InputError("InvalidOption", f'--listen "{text}": write HOST:PORT, :PORT, or off')
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 -- what an address without a host means


@contextlib.asynccontextmanager
async def served(controllers: Controllers, address: tuple[str, int]) -> AsyncIterator[str]:
    """Serve while the block runs; gives the address that it came to be. Raises RemoteError `AddressInUse`."""
    async with _listening(_application(controllers), address) as url:
        yield url


@contextlib.asynccontextmanager
async def measured(metrics: Callable[[], Awaitable[str]], address: tuple[str, int]) -> AsyncIterator[str]:
    """As `served`, for a process that is ready as long as it lives: `metrics` gives what Prometheus reads."""

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def figures(_request: web.Request) -> web.Response:
        return web.Response(body=(await metrics()).encode(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes([web.get(path, alive) for path in ("/livez", "/healthz", "/readyz")])
    application.add_routes([web.get("/metrics", figures)])
    async with _listening(application, address) as url:
        yield url


@contextlib.asynccontextmanager
async def _listening(application: web.Application, address: tuple[str, int]) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, *address)
        try:
            await site.start()
        except OSError as error:
            raise RemoteError(
                "AddressInUse",
                f"{address[0]}:{address[1]}: cannot be listened on: {error.strerror}",
                hint="choose another address with --listen HOST:PORT, or --listen off",
            ) from None
        host, port = runner.addresses[0][:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def _application(controllers: Controllers) -> web.Application:
    measures = Measures(controllers)

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_request: web.Request) -> web.Response:
        obstacles = controllers.obstacles()
        if obstacles:
            lines = (f"{what}: {why}\n" for what, why in sorted(obstacles.items()))
            return web.Response(status=503, text="".join(lines))
        return web.Response(text=f"ok: {'leading' if controllers.is_leading else 'standing by'}\n")

    async def metrics(_request: web.Request) -> web.Response:
        body = measures.text() + (await _of_the_gate(controllers)).encode()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes(
        [
            web.get("/livez", alive),
            web.get("/healthz", alive),
            web.get("/readyz", ready),
            web.get("/metrics", metrics),
        ]
    )
    return application


async def _of_the_gate(controllers: Controllers) -> str:
    """The figures of the gate where it runs in this process: its Gates are followed then."""
    runner = controllers.runner
    if runner is None or runner.informers.find(GATE) is None:
        return ""
    return await figures.metrics(runner.objects, runner.clock.now())
