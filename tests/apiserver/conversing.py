"""One client of a served API in this process, over real HTTPS."""

from __future__ import annotations

import json
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from pilotage.api import yaml
from pilotage.apiserver.server import Limits, Serving, serving
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore


class Answered(NamedTuple):
    """What came back."""

    code: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Asks one server. `token` None sends no credential."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str | None) -> None:
        self.session = session
        self.address = address
        self.token = token

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        return {**own, **(more or {})}

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """A mapping as body is sent as JSON, anything else as it is."""
        sent, more = body, dict(headers or {})
        if isinstance(body, dict):
            sent = json.dumps(body)
            more.setdefault("Content-Type", "application/json")
        skipped = [name for name in ("Content-Type", "User-Agent") if name not in more]
        async with self.session.request(
            method,
            self.address + path,
            data=sent,
            headers=self.headers(more),
            skip_auto_headers=skipped,
            allow_redirects=False,
        ) as answer:
            text = await answer.text(errors="replace")
            return Answered(answer.status, {**answer.headers}, text)

    @asynccontextmanager
    async def watch(self, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Lines]:
        async with self.session.get(self.address + path, headers=self.headers(headers)) as answer:
            yield Lines(answer)


class Lines:
    """The events of a watch as they come."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> Any:
        """None at the end."""
        line = await self.answer.content.readline()
        return json.loads(line) if line else None

    async def rest(self) -> list[Any]:
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


class Api(NamedTuple):
    """A served store, and a client that may do everything."""

    store: EmbeddedStore
    serving: Serving
    client: Client

    def with_token(self, token: str | None) -> Client:
        return Client(self.client.session, self.client.address, token)


def trusting(authority: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.decode())


@asynccontextmanager
async def served(limits: Limits | None = None, **settings: Any) -> AsyncIterator[Api]:
    """`settings` are those of the store."""
    async with (
        await EmbeddedStore.open(None, SystemClock(), is_strict=True, **settings) as store,
        serving(store, limits=limits) as found,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusting(found.identity.authority), limit=0), trust_env=False
        ) as session,
    ):
        yield Api(store, found, Client(session, found.address, found.identity.token))


def read_kubeconfig(path: Path) -> tuple[str, bytes, str]:
    """Server, authority and token of the current context."""
    document = yaml.load(path.read_text())
    cluster = document["clusters"][0]["cluster"]
    authority = cluster.get("certificate-authority-data")
    pem = b64decode(authority) if authority else (path.parent / cluster["certificate-authority"]).read_bytes()
    return cluster["server"], pem, document["users"][0]["user"]["token"]


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
