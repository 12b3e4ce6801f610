"""Registries for tests: the real one, one that misbehaves on demand, and a clock that moves only when somebody sleeps."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pilotage.images.credentials import Credentials
from pilotage.images.reference import Reference, parse
from pilotage.images.registry.client import RegistryClient, RegistrySettings
from pilotage.images.registry.pacing import Pace
from pilotage.images.source import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"

# bcrypt of "correct-horse" with the least number of rounds: the test waits for it.
_HTPASSWD = "pilot:$2b$04$51AGcKrWMTF20eeYMkTqLuD72mTar/I0XLoxdV2qAx3rXn4b9Ow.2\n"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def sha256(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


async def stream(raw: bytes, size: int = 64 << 10) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


# -- time ----------------------------------------------------------------------------------------------------------


class FakeTime:
    """A clock that stands still until somebody sleeps; `slept` lists for how long."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 5, 20, 12, 0, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)

    @property
    def pace(self) -> Pace:
        """Jitter in the middle: the first wait is exactly the base."""
        return Pace(clock=self, sleep=self.sleep, jitter=lambda: 0.5)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


# -- images --------------------------------------------------------------------------------------------------------


@dataclass
class SampleImage:
    """A small image: its manifest, and its blobs by descriptor."""

    manifest: Manifest
    blobs: dict[str, tuple[Descriptor, bytes]] = field(default_factory=dict)


def sample_image(
    name: str = "app", layer: bytes | None = None, subject: Descriptor | None = None
) -> SampleImage:
    layer = f"layer of {name} ".encode() * 1000 if layer is None else layer
    config = json.dumps({"architecture": "amd64", "os": "linux", "name": name}).encode()
    blobs = {
        sha256(raw): (Descriptor(kind, sha256(raw), len(raw)), raw)
        for kind, raw in ((CONFIG_TYPE, config), (LAYER_TYPE, layer))
    }
    described = [
        {"mediaType": item.media_type, "digest": item.digest, "size": item.size} for item, _ in blobs.values()
    ]
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described[0],
        "layers": described[1:],
    }
    if subject is not None:
        document["subject"] = {
            "mediaType": subject.media_type,
            "digest": subject.digest,
            "size": subject.size,
        }
        document["annotations"] = {"org.example.kind": name}
    # Odd white space on purpose: a client that serialises manifests anew changes the digest.
    raw = json.dumps(document, indent=3).encode()
    return SampleImage(Manifest(OCI_MANIFEST, sha256(raw), raw), blobs)


def sample_index(*images: SampleImage, media_type: str = OCI_INDEX) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [
            {
                "mediaType": image.manifest.media_type,
                "digest": image.manifest.digest,
                "size": len(image.manifest.raw),
                "platform": {"os": "linux", "architecture": architecture},
            }
            for image, architecture in zip(images, ("amd64", "arm64", "s390x", "ppc64le"), strict=False)
        ],
    }
    raw = json.dumps(document).encode()
    return Manifest(media_type, sha256(raw), raw)


# -- the real registry -----------------------------------------------------------------------------------------------


@dataclass
class RealRegistry:
    """A running CNCF distribution server."""

    host: str
    root: Path
    username: str = ""
    password: str = ""

    def reference(self, name: str) -> Reference:
        return parse(f"{self.host}/{name}")

    def credentials(self, password: str = "") -> Credentials:
        if not self.username:
            return Credentials()
        pair = base64.b64encode(f"{self.username}:{password or self.password}".encode()).decode()
        return Credentials.of({"auths": {self.host: {"auth": pair}}})


@pytest.fixture
def start_registry(tmp_path: Path) -> Iterator[Callable[..., RealRegistry]]:
    """Start `docker-registry` on a free port; `password=True` asks for basic authentication."""
    binary = shutil.which("docker-registry")
    if binary is None:
        pytest.skip("the CNCF distribution server (docker-registry) is not installed")
    running: list[tuple[subprocess.Popen[str], threading.Thread | None]] = []

    def start(*, password: bool = False) -> RealRegistry:
        home = tmp_path / f"registry-{len(running)}"
        home.mkdir()
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(home / "root")},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": "127.0.0.1:0"},
        }
        if password:
            (home / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(home / "htpasswd")}}
        (home / "config.yml").write_text(json.dumps(config))
        process = subprocess.Popen(
            [binary, "serve", str(home / "config.yml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"},
        )
        running.append((process, None))
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"listening on (127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail(f"docker-registry ended before it listened:\n{''.join(said)}")
        # Somebody has to empty the pipe, or the server stops when it is full.
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        running[-1] = (process, drain)
        login = ("pilot", "correct-horse") if password else ("", "")
        return RealRegistry(found[1], home / "root", *login)

    yield start
    for process, drain in running:
        process.terminate()
        process.wait(10)
        if drain is not None:
            drain.join()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def real_registry(start_registry: Callable[..., RealRegistry]) -> RealRegistry:
    return start_registry()


# -- the misbehaving registry ----------------------------------------------------------------------------------------


@dataclass
class Fault:
    """Answers for the next requests that match; afterwards the registry behaves again (unless `forever`)."""

    method: str
    pattern: re.Pattern[str]
    answers: list[Handler]
    forever: bool = False


def refusal(
    status: int, code: str, headers: dict[str, str] | None = None, message: str = "as the test asked"
) -> web.Response:
    return web.json_response(
        {"errors": [{"code": code, "message": message}]}, status=status, headers=headers or {}
    )


class MisbehavingRegistry:
    """A small registry in memory on loopback that does what it should, except where a test says otherwise.

    `auth` is "", "basic" or "bearer". `users` maps names to passwords, `grants` a name ("" for nobody) to the repositories
    it may read and write. `requests` holds every request as it came.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.requests: list[web.Request] = []
        self.bodies: dict[int, bytes] = {}
        self.faults: list[Fault] = []
        self.auth = ""
        self.users: dict[str, str] = {}
        self.grants: dict[str, set[str]] = {}
        self.token_life: float | None = 300
        self.tokens: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.token_requests: list[tuple[str, tuple[str, ...]]] = []
        self.challenge_scope = True
        self.sends_digest = True
        self.supports_referrers = False
        self.page_size = 0
        self.cancelled: list[str] = []
        self.host = ""

    # .. for tests ..

    def reference(self, name: str) -> Reference:
        return parse(f"{self.host}/{name}")

    def fault(self, method: str, pattern: str, *answers: int | Handler, forever: bool = False) -> None:
        handlers = [_status(item) if isinstance(item, int) else item for item in answers]
        self.faults.append(Fault(method, re.compile(pattern), handlers, forever))

    def add(self, name: str, image: SampleImage, *tags: str) -> None:
        self.blobs |= {digest: raw for digest, (_, raw) in image.blobs.items()}
        self.add_manifest(name, image.manifest, *tags)

    def add_manifest(self, name: str, manifest: Manifest, *tags: str) -> None:
        for key in (manifest.digest, *tags):
            self.manifests[name, key] = (manifest.media_type, manifest.raw)

    def count(self, method: str, pattern: str) -> int:
        return sum(
            item.method == method and re.search(pattern, item.path) is not None for item in self.requests
        )

    # .. answers for `fault` ..

    refusal = staticmethod(refusal)

    @staticmethod
    def answering(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Handler:
        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers=headers or {}, body=body)

        return answer

    @staticmethod
    def cut_after(
        raw: bytes, count: int, status: int = 200, headers: dict[str, str] | None = None
    ) -> Handler:
        """Announce all of `raw`, send `count` bytes, and break the connection."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(status=status, headers=headers or {})
            response.content_length = len(raw)
            await response.prepare(request)
            await response.write(raw[:count])
            assert request.transport is not None
            request.transport.close()
            return response

        return answer

    @staticmethod
    def silent() -> Handler:
        """Take the request and say nothing until the client goes away."""

        async def answer(request: web.Request) -> web.StreamResponse:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.01)
            return web.Response()

        return answer

    @staticmethod
    def stalled_after(raw: bytes, count: int) -> Handler:
        """Announce all of `raw`, send `count` bytes, and then nothing until the client goes away."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            response.content_length = len(raw)
            await response.prepare(request)
            await response.write(raw[:count])
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.01)
            return response

        return answer

    # .. serving ..

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.host = "{}:{}".format(*site._server.sockets[0].getsockname()[:2])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        for fault in self.faults:
            if fault.answers and fault.method == request.method and fault.pattern.search(request.path):
                return await (fault.answers[0] if fault.forever else fault.answers.pop(0))(request)
        if request.path == "/token":
            return await self._token(request)
        return self._challenge(request) or await self._dispatch(request)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/v2/":
            return web.json_response({})
        routes = (
            (r"/v2/(.+)/blobs/uploads/(.*)", self._upload),
            (r"/v2/(.+)/blobs/([^/]+)", self.blob),
            (r"/v2/(.+)/manifests/([^/]+)", self.manifest),
            (r"/v2/(.+)/referrers/([^/]+)", self._referrers),
            (r"/v2/(.+)/tags/(list)", self._tags),
        )
        for pattern, handler in routes:
            if match := re.fullmatch(pattern, path):
                return await handler(request, *match.groups())
        return web.Response(status=404)

    async def blob(self, request: web.Request, name: str, digest: str) -> web.StreamResponse:
        raw = self.blobs.get(digest)
        if raw is None:
            return refusal(404, "BLOB_UNKNOWN")
        headers = {"Docker-Content-Digest": digest} if self.sends_digest else {}
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if not wanted:
            return web.Response(body=raw, headers=headers)
        start = int(wanted[1])
        headers["Content-Range"] = f"bytes {start}-{len(raw) - 1}/{len(raw)}"
        return web.Response(status=206, body=raw[start:], headers=headers)

    async def manifest(self, request: web.Request, name: str, key: str) -> web.StreamResponse:
        if request.method == "PUT":
            raw = await request.read()
            kind = request.headers["Content-Type"]
            for stored in {key, sha256(raw)}:
                self.manifests[name, stored] = (kind, raw)
            headers = {"Docker-Content-Digest": sha256(raw)}
            subject = json.loads(raw).get("subject")
            if subject and self.supports_referrers:
                headers["OCI-Subject"] = subject["digest"]
            return web.Response(status=201, headers=headers)
        found = self.manifests.get((name, key))
        if found is None:
            return refusal(404, "MANIFEST_UNKNOWN")
        kind, raw = found
        headers = {"Docker-Content-Digest": sha256(raw)} if self.sends_digest else {}
        return web.Response(body=raw, headers={**headers, "Content-Type": kind})

    async def _upload(self, request: web.Request, name: str, session: str) -> web.StreamResponse:
        if request.method == "POST":
            mounted = request.query.get("mount", "")
            if mounted and mounted in self.blobs and request.query.get("from"):
                return web.Response(status=201, headers={"Docker-Content-Digest": mounted})
            session = f"session-{len(self.uploads)}"
            self.uploads[session] = bytearray()
            return web.Response(status=202, headers={"Location": f"{session}?_state=a%2Fb%3D%3D&part=0"})
        # Byte for byte: a client that decodes and encodes the query breaks the state of real registries.
        assert "?_state=a%2Fb%3D%3D&part=" in request.raw_path, request.raw_path
        if request.method == "DELETE":
            self.cancelled.append(session)
            return web.Response(status=204)
        self.uploads[session] += await request.read()
        if request.method == "PATCH":
            location = f"/v2/{name}/blobs/uploads/{session}?_state=a%2Fb%3D%3D&part=1"
            return web.Response(status=202, headers={"Location": location})
        raw, digest = bytes(self.uploads[session]), request.query["digest"]
        if sha256(raw) != digest:
            return refusal(400, "DIGEST_INVALID")
        self.blobs[digest] = raw
        return web.Response(status=201, headers={"Docker-Content-Digest": digest})

    async def _referrers(self, request: web.Request, name: str, digest: str) -> web.StreamResponse:
        if not self.supports_referrers:
            return web.Response(status=404, text="404 page not found")
        found = {}
        for (repository, _), (kind, raw) in self.manifests.items():
            document = json.loads(raw)
            if repository == name and document.get("subject", {}).get("digest") == digest:
                found[sha256(raw)] = {"mediaType": kind, "digest": sha256(raw), "size": len(raw)}
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(found.values())})
        return web.Response(body=body.encode(), headers={"Content-Type": OCI_INDEX})

    async def _tags(self, request: web.Request, name: str, _list: str) -> web.StreamResponse:
        tags = sorted(key for repository, key in self.manifests if repository == name and ":" not in key)
        if not tags:
            return refusal(404, "NAME_UNKNOWN")
        headers = {}
        if self.page_size:
            tags = [tag for tag in tags if tag > request.query.get("last", "")]
            if len(tags) > self.page_size:
                tags = tags[: self.page_size]
                headers["Link"] = f'</v2/{name}/tags/list?last={tags[-1]}&n={self.page_size}>; rel="next"'
        return web.json_response({"name": name, "tags": tags}, headers=headers)

    # .. who may ..

    def _challenge(self, request: web.Request) -> web.StreamResponse | None:
        header = request.headers.get("Authorization", "")
        match = re.fullmatch(r"/v2/(.+)/(?:blobs|manifests|tags|referrers)/.+", request.path)
        name = match[1] if match else ""
        if self.auth == "basic":
            user = self._basic_user(header)
            if user is None or (name and not self._may(user, name)):
                return refusal(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="test registry"'})
        elif self.auth == "bearer":
            needs = self._needs(request, name)
            _, scopes = self.tokens.get(header.removeprefix("Bearer "), ("", None))
            if scopes is None or not needs <= set(scopes):
                challenge = f'Bearer realm="http://{self.host}/token",service="test"'
                if self.challenge_scope and name:
                    challenge += f',scope="repository:{name}:{",".join(sorted(_actions(needs)))}"'
                return refusal(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
        return None

    def _needs(self, request: web.Request, name: str) -> set[str]:
        if not name:
            return set()
        writes = request.method not in ("GET", "HEAD")
        needs = {f"{name}:pull", f"{name}:push"} if writes else {f"{name}:pull"}
        if source := request.query.get("from"):
            needs.add(f"{source}:pull")
        return needs

    def _basic_user(self, header: str) -> str | None:
        if not header.startswith("Basic "):
            return None
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return user if user in self.users and self.users[user] == password else None

    def _may(self, user: str, name: str) -> bool:
        return name in self.grants.get(user, {name} if user else set())

    async def _token(self, request: web.Request) -> web.StreamResponse:
        scopes = tuple(request.query.getall("scope", []))
        header = request.headers.get("Authorization", "")
        user = ""
        if request.method == "POST":
            form = await request.post()
            scopes = tuple(str(form["scope"]).split())
            user = next((name for name, secret in self.users.items() if secret == form["refresh_token"]), "")
        elif header:
            found = self._basic_user(header)
            if found is None:
                self.token_requests.append(("refused", scopes))
                return web.json_response({"details": "incorrect username or password"}, status=401)
            user = found
        self.token_requests.append((user, scopes))
        granted = tuple(
            f"{name}:{action}"
            for _, name, actions in (scope.split(":") for scope in scopes)
            for action in actions.split(",")
            if self._may(user, name)
        )
        token = f"token-{len(self.token_requests)}-of-{user or 'nobody'}"
        self.tokens[token] = (user, granted)
        body: dict[str, Any] = {"token": token}
        if self.token_life is not None:
            body["expires_in"] = self.token_life
        return web.json_response(body)


def _actions(needs: set[str]) -> set[str]:
    return {item.rpartition(":")[2] for item in needs}


def _status(status: int) -> Handler:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    return answer


@pytest.fixture
async def misbehaving() -> AsyncIterator[MisbehavingRegistry]:
    registry = MisbehavingRegistry()
    await registry.start()
    yield registry
    await registry.stop()


@pytest.fixture
async def mirror() -> AsyncIterator[MisbehavingRegistry]:
    """A second one, for tests of mirrors and redirects."""
    registry = MisbehavingRegistry()
    await registry.start()
    yield registry
    await registry.stop()


@pytest.fixture
async def open_client(time: FakeTime) -> AsyncIterator[Callable[..., RegistryClient]]:
    """Make clients that speak plain HTTP with the given hosts, on the fake clock; all are closed at the end."""
    clients = []

    def make(
        *hosts: str, credentials: Credentials | None = None, pace: Pace | None = None, **settings: Any
    ) -> RegistryClient:
        client = RegistryClient(
            credentials,
            RegistrySettings(insecure_hosts=frozenset(hosts), **settings),
            pace=pace or time.pace,
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()


def secrets(entries: dict[str, tuple[str, str]]) -> Credentials:
    """Credentials by location: (user, password)."""
    return Credentials.of(
        {
            "auths": {
                location: {"username": user, "password": password}
                for location, (user, password) in entries.items()
            }
        }
    )


@pytest.fixture
def sample() -> SampleImage:
    return sample_image()


# Factories as fixtures: test modules are imported one by one and cannot import this one.


@pytest.fixture
def make_image() -> Callable[..., SampleImage]:
    return sample_image


@pytest.fixture
def make_index() -> Callable[..., Manifest]:
    return sample_index


@pytest.fixture
def make_credentials() -> Callable[..., Credentials]:
    return secrets
