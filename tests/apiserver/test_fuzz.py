"""Whatever is sent, the API answers: never with a fault of its own, never without end, never with more than it was given.

Requests are drawn by `fuzzing`, beginning with valid ones; those of Schemathesis come from the OpenAPI documents that the API
itself serves. The default run is short and always the same; `PILOTAGE_FUZZ=20000` draws so many examples for each property, anew each time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.apiserver.answer import Answer
from pilotage.apiserver.face import Face
from pilotage.apiserver.options import Query
from pilotage.apiserver.requests import Request
from pilotage.apiserver.server import Limits
from pilotage.apiserver.streams import Stream
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded import EmbeddedStore

from . import fuzzing
from .conversing import Api, trusting
from .conversing import served as serving_api

EXAMPLES = int(os.environ.get("PILOTAGE_FUZZ", "0"))
PATIENCE = 20.0
ROOM = 64 << 20
REAL_SERVERS_OWN = re.compile(
    r"resourceVersion: Invalid value: |resourceVersion should not be set on objects to be created"
    r"|failed to create typed patch object "
)
"""What kube-apiserver, too, answers with code 500, although the sender is to blame."""


def law(examples: int) -> settings:
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class Talk:
    """A face over a strict store that begins anew for each conversation."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.store = self.runner.run(self._begun())

    async def _begun(self) -> EmbeddedStore:
        store = await EmbeddedStore.open(None, ManualClock(), is_strict=True, entropy=random.Random(0))
        face = Face(store)
        for sample in (*fuzzing.DEFINITIONS, *fuzzing.KEPT):
            answer = await face.answer(fuzzing.creation(sample))
            assert isinstance(answer, Answer)
            assert 201 == answer.status, answer.body
        return store

    def hold(self, requests: list[Request]) -> None:
        self.runner.run(self._hold(requests))

    async def _hold(self, requests: list[Request]) -> None:
        async with await self.store.fork(entropy=random.Random(1)) as store:
            face = Face(store)
            for request in requests:
                began = time.monotonic()
                async with asyncio.timeout(PATIENCE):
                    await judge(await face.answer(request))
                assert time.monotonic() - began < PATIENCE, "what blocks is not interrupted"
            found = await face.answer(fuzzing.creation(fuzzing.PROBE))
            assert isinstance(found, Answer)
            assert found.status in {201, 404, 403, 409, 422, 400}, "the store still answers"

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()


@pytest.fixture(scope="module")
def talk() -> Iterator[Talk]:
    talk = Talk()
    try:
        yield talk
    finally:
        talk.close()


async def judge(answer: Answer | Stream) -> None:
    """An answer that a client can read, and that does not call itself our fault."""
    if isinstance(answer, Stream):
        await _judge_lines(answer)
        return
    for name, value in answer.headers.items():
        assert not re.search(r"[\r\n\0]", f"{name}{value}"), (name, value)
    assert 200 <= answer.status < 600
    text = answer.body.decode() if not answer.content_type.endswith("protobuf") else ""
    if answer.content_type.startswith("application/json") and answer.body:
        told = orjson.loads(answer.body)
        if answer.status >= 400:
            assert ("Status", "Failure", answer.status) == (told["kind"], told["status"], told["code"])
    assert answer.status < 500 or answer.status == 504 or REAL_SERVERS_OWN.search(text), text


async def _judge_lines(stream: Stream) -> None:
    lines: Any = stream.lines
    try:
        async with asyncio.timeout(0.02):
            async for line in lines:
                event = orjson.loads(line)
                assert event["type"] in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}
                assert event["type"] != "ERROR" or event["object"]["code"] in {400, 404, 410, 422, 504}, event
    except TimeoutError:
        pass
    finally:
        await lines.aclose()


@law(60)
@given(st.lists(fuzzing.wild, min_size=1, max_size=6))
def test_whatever_is_sent_is_answered(talk: Talk, requests: list[Request]):
    """Paths, queries, headers and bodies of any kind: a refusal that says why, or what was asked for."""
    talk.hold(requests)


@law(60)
@given(st.lists(fuzzing.aimed, min_size=1, max_size=4))
def test_objects_that_are_nearly_right_are_judged(talk: Talk, requests: list[Request]):
    """Manifests, patches of each form and delete options in which a few places are wrong."""
    talk.hold(requests)


@law(40)
@given(fuzzing.definitions, st.lists(fuzzing.custom, max_size=2))
def test_definitions_that_are_nearly_right_are_judged(talk: Talk, definition: Request, uses: list[Request]):
    """Schemas, rules, columns and paths of definitions in which a few places are wrong; and their objects, if they are taken."""
    talk.hold([definition, *uses])


# What is small on the way in, and large inside


def _nested(depth: int, opening: str, closing: str) -> bytes:
    return (opening * depth + closing * depth).encode()


def _laughs() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines).encode()


def _doubling() -> bytes:
    first: list[dict[str, Any]] = [{"op": "add", "path": "/data", "value": {"k": "x" * 1000}}]
    more = [{"op": "copy", "from": "/data", "path": f"/data/k{n}"} for n in range(60)]
    return json.dumps(first + more).encode()


LARGE_INSIDE = [
    ("POST", "application/json", _nested(50_000, "[", "]")),
    ("POST", "application/json", _nested(50_000, '{"a":', "}").replace(b"}", b"1}", 1)),
    ("POST", "application/yaml", _nested(20_000, "[", "]")),
    ("POST", "application/yaml", _nested(20_000, "{a: ", "}")),
    ("POST", "application/yaml", _laughs()),
    (
        "POST",
        "application/json",
        b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":' + b"9" * 100_000 + b"}}",
    ),
    ("POST", "application/yaml", b"metadata: {name: " + b"9" * 100_000 + b"}"),
    ("PATCH", "application/json-patch+json", _doubling()),
    (
        "PATCH",
        "application/json-patch+json",
        json.dumps([{"op": "add", "path": "/a" * 100_000, "value": 1}]).encode(),
    ),
    ("PATCH", "application/apply-patch+yaml", _laughs()),
    ("PATCH", "application/apply-patch+yaml", _nested(20_000, '{"data":', "}")),
    ("PATCH", "application/merge-patch+json", _nested(50_000, '{"data":', "}").replace(b"}", b"1}", 1)),
    (
        "PATCH",
        "application/strategic-merge-patch+json",
        _nested(3_000, '{"data":', "}").replace(b"}", b"1}", 1),
    ),
    (
        "PATCH",
        "application/json-patch+json",
        json.dumps([{"op": "add", "path": "/data" * n, "value": {}} for n in range(1, 700)]).encode(),
    ),
    *(
        ("POST", media, _nested(depth, '{"data":', "}").replace(b"}", b"1}", 1))
        for media in ("application/json", "application/yaml")
        for depth in (200, 400, 900)
    ),
    *(
        ("PATCH", f"application/{form}", _nested(depth, '{"data":', "}").replace(b"}", b"1}", 1))
        for form in ("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
        for depth in (200, 400, 900)
    ),
    ("POST", "application/vnd.kubernetes.protobuf", b"k8s\0" + b"\x0a\xff\xff\xff\xff\x7f" * 1000),
]


@pytest.mark.parametrize("case", LARGE_INSIDE, ids=[f"{n}-{case[1]}" for n, case in enumerate(LARGE_INSIDE)])
def test_what_grows_inside_is_refused(talk: Talk, case: tuple[str, str, bytes]):
    """Nesting without end, aliases of aliases, copies of copies: answered with little memory, and soon."""
    method, media, body = case
    path = "/api/v1/namespaces/default/configmaps" + ("/kept" if method == "PATCH" else "")
    request = Request(
        method, path, Query("fieldManager=me" if "apply" in media else ""), content_type=media, body=body
    )
    tracemalloc.start()
    try:
        talk.hold([request])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < ROOM


@pytest.mark.parametrize("media", ["application/json", "application/yaml", "application/apply-patch+yaml"])
@pytest.mark.parametrize("depth", [60, 120, 240, 250, 400, 900])
def test_what_is_nested_deep_is_kept_or_refused(talk: Talk, media: str, depth: int):
    """In a field that takes anything: what was taken can be read, listed, changed and deleted."""
    for one, other in (('{"a":', "}"), ("[", "]")):
        name = '{"apiVersion":"shown.example.com/v1alpha1","kind":"Gadget","metadata":{"name":"deep"},"spec":{"a":'
        body = f"{name}{one * depth}1{other * depth}}}}}".encode()
        place = "/apis/shown.example.com/v1alpha1/gadgets"
        is_apply = "apply" in media
        talk.hold(
            [
                Request(
                    "PATCH" if is_apply else "POST",
                    place + ("/deep" if is_apply else ""),
                    Query("fieldManager=me"),
                    content_type=media,
                    body=body,
                ),
                Request("GET", place, Query("")),
                Request("GET", f"{place}/deep", Query("pretty=true"), accept="application/yaml"),
                Request("GET", place, Query(""), accept="application/json;as=Table;v=v1;g=meta.k8s.io"),
                Request("PUT", f"{place}/deep", Query(""), content_type="application/json", body=body),
                Request(
                    "PATCH",
                    f"{place}/deep",
                    Query(""),
                    content_type="application/merge-patch+json",
                    body=b'{"spec":{"b":1}}',
                ),
                Request("DELETE", f"{place}/deep", Query("")),
            ]
        )


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a in (" + "b," * 20_000 + "c)"},
        {"labelSelector": ",".join(f"a{n}=b" for n in range(5_000))},
        {"labelSelector": "(" * 20_000},
        {"fieldSelector": "metadata.name!=a," * 5_000 + "metadata.name=b"},
        {"fieldSelector": "\\" * 40_001},
        {"continue": "A" * 40_000},
        {"limit": "9" * 40_000},
        {"resourceVersion": "9" * 40_000},
        {"resourceVersion": "9" * 40_000, "watch": "1"},
        {"resourceVersion": str(1 << 64)},
    ],
    ids=lambda query: f"{next(iter(query))}-{next(iter(query.values()))[:12]}",
)
def test_long_questions_are_answered_soon(talk: Talk, query: dict[str, str]):
    """A query as long as a header may be."""
    for path in ("/api/v1/configmaps", "/api/v1/namespaces/default/pods"):
        talk.hold([Request("GET", path, Query(urlencode(query)))])


# From the documents that are served


GROUPS = ("api/v1", "apis/apps/v1", "apis/apiextensions.k8s.io/v1", "apis/shown.example.com/v1")


@pytest.mark.parametrize("group", GROUPS)
def test_what_the_documents_describe_is_answered(talk: Talk, group: str):
    """Requests as the OpenAPI documents of the API allow them, and as they do not."""
    described = talk.runner.run(Face(talk.store).answer(Request("GET", f"/openapi/v3/{group}", Query(""))))
    assert isinstance(described, Answer)
    schema = schemathesis.openapi.from_dict(orjson.loads(described.body))
    operations = [found.ok() for found in schema.get_all_operations()]
    drawn = st.sampled_from(operations).flatmap(lambda operation: operation.as_strategy())

    @law(8)
    @given(drawn)
    def holds(case: Any) -> None:
        talk.hold([_as_request(case)])

    holds()


def _as_request(case: Any) -> Request:
    body = case.body
    sent = body if isinstance(body, bytes) else b"" if "NotSet" in type(body).__name__ else _dumped(body)
    return Request(
        case.method.upper(),
        case.formatted_path,
        Query(urlencode(case.query or {}, doseq=True, errors="replace")),
        accept=str((case.headers or {}).get("Accept", "")),
        content_type=case.media_type or "",
        body=sent,
    )


def _dumped(body: Any) -> bytes:
    return json.dumps(body, default=str).encode()


# Over sockets


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
CREDENTIALS = st.one_of(
    st.just(None),
    st.sampled_from(("Bearer ", "Bearer null", "Basic YTpi", "bearer\tx", "Bearer x, Bearer y")),
    st.text(alphabet="Bearer xyz=.", max_size=20),
)


async def _raw(api: Api, head: bytes, body: bytes = b"") -> bytes:
    """Send bytes as they are; everything that comes back within a while."""
    host, _, port = api.serving.address.removeprefix("https://").partition(":")
    reader, writer = await asyncio.open_connection(
        host, int(port), ssl=trusting(api.serving.identity.authority)
    )
    try:
        writer.write(head + body)
        async with asyncio.timeout(PATIENCE):
            await writer.drain()
            return await reader.read(1 << 20)
    finally:
        writer.transport.abort()


class Loopback:
    """A served API and the loop that it lives in."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.serving = serving_api(Limits(request_seconds=10.0, watch_least=0.2))
        self.api = self.runner.run(self.serving.__aenter__())

    def send(self, head: bytes, body: bytes = b"") -> bytes:
        return self.runner.run(_raw(self.api, head, body))

    def close(self) -> None:
        self.runner.run(self.serving.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    loopback = Loopback()
    try:
        yield loopback
    finally:
        loopback.close()


def _code(answered: bytes) -> int:
    return int(answered.split(b" ", 2)[1])


@law(40)
@given(st.sampled_from(METHODS), fuzzing.paths, fuzzing.queries, CREDENTIALS, st.binary(max_size=20))
def test_nobody_is_told_anything(
    loopback: Loopback, method: str, path: str, query: str, credential: str | None, body: bytes
):
    """Without a valid credential nothing is answered but whether the server is well."""
    target = f"{path}?{query}".encode("ascii", "replace").replace(b" ", b"%20")
    told = b"" if credential is None else f"Authorization: {credential}\r\n".encode()
    head = b"%b %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n%b\r\n" % (
        method.encode(),
        target,
        len(body),
        told,
    )
    answered = loopback.send(head, body)
    is_about_health = path.split("?", maxsplit=1)[0].strip("/").split("/")[0] in {
        "healthz",
        "livez",
        "readyz",
    }
    allowed = {400, 401, 200, 404, 405} if is_about_health else {400, 401}
    assert _code(answered) in allowed, answered[:300]


@law(40)
@given(
    st.sampled_from(METHODS) | st.text(max_size=5),
    fuzzing.paths | st.text(max_size=20),
    st.lists(
        st.tuples(
            st.sampled_from(
                (
                    "Content-Length",
                    "Transfer-Encoding",
                    "Content-Encoding",
                    "Content-Type",
                    "Accept",
                    "Expect",
                    "Upgrade",
                    "Connection",
                    "Range",
                    "If-None-Match",
                    "User-Agent",
                    "Cookie",
                    "",
                )
            ),
            st.sampled_from(
                (
                    "chunked",
                    "gzip",
                    "deflate",
                    "0",
                    "5",
                    "-1",
                    "100-continue",
                    "websocket",
                    "upgrade",
                    "*",
                    'W/"a"',
                    "bytes=0-",
                )
            )
            | st.text(max_size=12),
        ),
        max_size=4,
    ),
    st.binary(max_size=40)
    | st.sampled_from((b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffff\r\n", b"\x1f\x8b\x08")),
)
def test_bytes_that_are_no_request_are_answered_or_dropped(
    loopback: Loopback, method: str, path: str, headers: list[tuple[str, str]], body: bytes
):
    """Request lines, headers and bodies of any form, with a valid credential: no fault of ours, and the server lives on."""
    token = loopback.api.serving.identity.token
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Authorization: Bearer {token}"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n"
    answered = loopback.send(head, body + b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    if answered.startswith(b"HTTP/1.1 100"):
        answered = answered.partition(b"\r\n\r\n")[2]
    assert not answered or _code(answered) != 500, answered[:500]
    assert 200 == _code(loopback.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
