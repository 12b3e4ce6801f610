"""API servers on loopback that do what a test says, a clock that moves only when somebody sleeps, and certificates."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pilotage.store.cluster import Access, ClusterSettings, ClusterStore
from pilotage.store.cluster.access import Login, Proof
from pilotage.store.cluster.credentials import FixedLogin
from pilotage.store.cluster.pacing import RetryPolicy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeTime:
    """A clock that stands still until somebody sleeps; `slept` lists for how long."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 5, 20, 12, 0, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed

    async def sleep(self, delay: float) -> None:
        self.slept.append(delay)
        self.elapsed += delay
        await asyncio.sleep(0)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@dataclass
class FakeApi:
    """Answers with `handler`; `seen` holds every request as (method, path and query, headers, body)."""

    url: str = ""
    handler: Handler | None = None
    seen: list[tuple[str, str, Mapping[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.raw_path, request.headers.copy(), await request.read()))
        assert self.handler is not None
        return await self.handler(request)

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.seen]

    @property
    def authorizations(self) -> list[str]:
        return [headers.get("Authorization", "") for _, _, headers, _ in self.seen]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[FakeApi]]]:
    """Starts servers that answer with a handler; given an SSL context, over TLS."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler, tls: ssl.SSLContext | None = None) -> FakeApi:
        api = FakeApi(handler=handler)
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", api.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        api.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        return api

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def connect(time: FakeTime) -> AsyncIterator[Callable[..., ClusterStore]]:
    """Opens stores on servers; waits pass on the clock of the test."""
    stores: list[ClusterStore] = []

    def open_store(api: FakeApi, login: Login | None = None, **settings: Any) -> ClusterStore:
        chosen = ClusterSettings(**{"rate": 0.0, "retry": RetryPolicy(chance=lambda: 0.0), **settings})
        access = Access(server=api.url, login=login or FixedLogin(Proof()), source="test")
        stores.append(ClusterStore(access, chosen, clock=time))
        return stores[-1]

    yield open_store
    for store in stores:
        await store.close()


def json_answer(value: Any, code: int = 200, **headers: str) -> web.Response:
    return web.Response(
        body=json.dumps(value).encode(), status=code, content_type="application/json", headers=headers
    )


def refused(code: int, reason: str, message: str, details: Any = None, **headers: str) -> web.Response:
    """A `metav1.Status`, as API servers refuse."""
    value = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return json_answer(
        {**value, "reason": reason, "message": message, "details": details or {}}, code, **headers
    )


def pool(name: str, version: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "hypershift.openshift.io/v1beta1",
        "kind": "NodePool",
        "metadata": {
            "name": name,
            "namespace": "clusters",
            "uid": f"u-{name}",
            "resourceVersion": str(version),
        },
        **more,
    }


@dataclass(frozen=True)
class Certificates:
    certificate: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


@pytest.fixture(scope="session")
def make_certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Certificates]:
    """A self-signed certificate for a name such as `IP:127.0.0.1` or `DNS:api.example.org`."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    def make(name: str) -> Certificates:
        folder = tmp_path_factory.mktemp("tls")
        made = Certificates(folder / "tls.crt", folder / "tls.key")
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ]
        command += ["-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={name}"]
        command += ["-keyout", str(made.key), "-out", str(made.certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return made

    return make
