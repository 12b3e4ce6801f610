"""API servers that turn us away, break off, lie or fall silent: what the store makes of it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pilotage.api.errors import InputError, LaterError, PilotageError, RemoteError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import (
    AlreadyExistsError,
    ConflictError,
    Event,
    ExpiredError,
    InvalidObjectError,
    NotFoundError,
)
from pilotage.store.cluster import Access, ClusterSettings, ClusterStore
from pilotage.store.cluster.access import Impersonation, KeyPair, Proof, Secret, Trust
from pilotage.store.cluster.credentials import FileLogin, Files, FixedLogin

from .conftest import FakeApi, FakeTime, json_answer, pool, refused

Serve = Callable[..., Awaitable[FakeApi]]
Connect = Callable[..., ClusterStore]

POOL = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
MAPS = Kind("", "v1", "ConfigMap", "configmaps")
KEY = ObjectKey("clusters", "a")
LIST = {"kind": "NodePoolList", "apiVersion": POOL.api_version}


def once(*answers: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler that gives each answer once, the last one for ever. An answer may be a function of the request."""
    left = list(answers)

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = left.pop(0) if len(left) > 1 else left[0]
        found = answer(request) if callable(answer) else answer
        return await found if asyncio.iscoroutine(found) else found

    return handle


def stream(*parts: bytes, then: str = "end") -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A watch that sends parts as they are; `then` it ends, is cut in the middle, or hangs."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        if then == "cut":
            assert request.transport is not None
            request.transport.abort()
        elif then == "hang":
            await asyncio.Event().wait()
        return response

    return handle


def line(type_: str, value: dict[str, Any]) -> bytes:
    return json.dumps({"type": type_, "object": value}).encode() + b"\n"


async def drain(store: ClusterStore, version: str = "5") -> list[Event]:
    async with asyncio.timeout(10):
        return [event async for event in store.watch(POOL, version)]


# -- being turned away


async def test_too_many_requests_are_sent_again(serve: Serve, connect: Connect, time: FakeTime):
    """429 is waited out for as long as `Retry-After` says, also for writes."""
    busy = refused(429, "TooManyRequests", "later", **{"Retry-After": "3"})
    again = refused(429, "TooManyRequests", "later", **{"Retry-After": "1"})
    api = await serve(once(busy, again, json_answer(pool("a"))))
    created = await connect(api).create(POOL, pool("a"), manager="me")
    assert created.key == KEY
    assert time.slept == [3.0, 1.0]
    assert len({body for *_, body in api.seen}) == 1


async def test_a_server_that_is_always_busy_is_reported(serve: Serve, connect: Connect, time: FakeTime):
    """After five waits the error says when to come again."""
    api = await serve(once(lambda _: refused(429, "TooManyRequests", "too many", **{"Retry-After": "2"})))
    with pytest.raises(LaterError, match=r"get nodepools.*clusters/a: too many") as caught:
        await connect(api).get(POOL, KEY)
    assert caught.value.delay == 2.0
    assert time.slept == [2.0] * 5


async def test_a_long_pause_is_reported_and_not_waited_for(serve: Serve, connect: Connect, time: FakeTime):
    """A server that asks for an hour gets no sleeping worker."""
    api = await serve(once(lambda _: refused(503, "ServiceUnavailable", "down", **{"Retry-After": "3600"})))
    with pytest.raises(LaterError) as caught:
        await connect(api).get(POOL, KEY)
    assert caught.value.delay == 3600.0
    assert time.slept == []


async def test_an_internal_error_is_the_callers_to_retry(serve: Serve, connect: Connect, time: FakeTime):
    """500 without `Retry-After` is not repeated here: the queue backs off."""
    api = await serve(once(lambda _: refused(500, "InternalError", "etcdserver: request timed out")))
    with pytest.raises(RemoteError, match="etcdserver: request timed out"):
        await connect(api).apply(POOL, KEY, {}, manager="me")
    assert len(api.seen) == 1
    assert time.slept == []


CONFLICT = 'Apply failed with 1 conflict: conflict with "fleet": .spec.replicas'


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            (404, "NotFound", "gone", {"name": "a", "kind": "nodepools"}),
            NotFoundError,
            'hypershift.openshift.io "a" not found',
        ),
        (
            (404, "NotFound", "no", {"name": "clusters", "kind": "namespaces"}),
            NotFoundError,
            'namespaces "clusters"',
        ),
        ((404, "NotFound", "could not find the requested resource"), RemoteError, "does not serve nodepools"),
        ((409, "AlreadyExists", "there", {"name": "a"}), AlreadyExistsError, '"a" already exists'),
        ((409, "Conflict", CONFLICT), ConflictError, CONFLICT),
        ((400, "BadRequest", "strict decoding error"), InvalidObjectError, "strict decoding error"),
        ((422, "Invalid", "is invalid"), InvalidObjectError, "is invalid"),
        ((413, "RequestEntityTooLarge", "limit is 3145728"), InvalidObjectError, "limit is"),
        (
            (500, "", "failed to create typed patch object (x): .spec.y: field not declared"),
            InvalidObjectError,
            "spec.y",
        ),
        ((401, "Unauthorized", "Unauthorized"), RemoteError, "apply nodepools.*: Unauthorized"),
        ((403, "Forbidden", 'User "me" cannot patch'), RemoteError, "cannot patch"),
        ((410, "Expired", "too old"), ExpiredError, "too old"),
        ((504, "Timeout", "timed out"), RemoteError, "timed out"),
        ((504, "Timeout", "try", {"retryAfterSeconds": 7}), LaterError, "try"),
    ],
)
async def test_what_refusals_mean(
    serve: Serve, connect: Connect, answer: tuple[Any, ...], error: type[PilotageError], text: str
):
    """Each refusal becomes the error that says who acts next, in the server's words."""
    api = await serve(once(lambda _: refused(*answer)))
    with pytest.raises(error, match=text.replace("(", r"\(").replace(")", r"\)")):
        await connect(api).apply(POOL, KEY, {}, manager="me")


async def test_all_causes_are_listed(serve: Serve, connect: Connect):
    """An object with two problems hears of both, by field."""
    causes = [{"field": "spec.a", "message": "Required value"}, {"field": "", "message": "no"}]
    api = await serve(once(lambda _: refused(422, "Invalid", "is invalid: [...]", {"causes": causes})))
    with pytest.raises(InvalidObjectError) as caught:
        await connect(api).create(POOL, pool("a"), manager="me")
    assert caught.value.messages == ("spec.a: Required value", "no")


async def test_a_kind_that_is_not_served(serve: Serve, connect: Connect):
    """Of a kind that is not there no object is found; everything else says that the kind is missing."""
    api = await serve(once(lambda _: web.Response(status=404, text="404 page not found\n")))
    store = connect(api)
    with pytest.raises(NotFoundError) as caught:
        await store.get(POOL, KEY)
    assert "install the CustomResourceDefinition" in caught.value.hint
    for attempt in (store.list(POOL), store.apply(POOL, KEY, {}, manager="me"), anext(store.watch(POOL, ""))):
        with pytest.raises(
            RemoteError, match=r"does not serve nodepools\.hypershift\.openshift\.io in v1beta1"
        ) as found:
            await attempt
        assert found.value.code == "KindNotServed"


async def test_a_kind_without_status(serve: Serve, connect: Connect):
    """When only the path of the status is unknown, the kind has none; when the object is unknown too, that is said."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/status"):
            return web.Response(status=404, text="404 page not found\n")
        if request.path.endswith("/a"):
            return json_answer(pool("a"))
        return refused(404, "NotFound", "no", {"name": "b", "kind": "nodepools"})

    store = connect(await serve(answer))
    with pytest.raises(InvalidObjectError, match="this kind has no status subresource"):
        await store.patch_status(POOL, KEY, {}, manager="me")
    with pytest.raises(NotFoundError):
        await store.patch_status(POOL, ObjectKey("clusters", "b"), {}, manager="me")


@pytest.mark.parametrize("body", [b"<html>s3cr3t</html>", b'{"kind": "Status", "message": 7}', b"\xff", b""])
async def test_bodies_that_nobody_knows_are_not_repeated(serve: Serve, connect: Connect, body: bytes):
    """A proxy's error page says nothing for us: the code and the server are told."""
    api = await serve(once(lambda _: web.Response(status=502, body=body)))
    with pytest.raises(RemoteError, match=rf"{api.url} answered 502$"):
        await connect(api).get(POOL, KEY)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"kind": "Pod"}', b'{"kind": "NodePool", "metadata": []}', b"<html>s3cr3t</html>"]
)
async def test_answers_that_are_no_objects(serve: Serve, connect: Connect, body: bytes):
    """A 200 with something else is the remote's fault, and is not shown."""
    api = await serve(once(lambda _: web.Response(body=body)))
    store = connect(api)
    for attempt in (store.get(POOL, KEY), store.list(POOL) if b"kind" not in body else store.get(POOL, KEY)):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert caught.value.code == "MalformedAnswer"
        assert "s3cr3t" not in str(caught.value)


# -- lists


def page(names: list[str], continuation: str = "", version: str = "9") -> web.Response:
    metadata = {"resourceVersion": version, **({"continue": continuation} if continuation else {})}
    return json_answer({**LIST, "metadata": metadata, "items": [pool(name) for name in names]})


async def test_a_list_is_read_in_pages(serve: Serve, connect: Connect):
    """Pages follow their tokens; the version is that of the snapshot; the order is by namespace and name."""
    api = await serve(once(page(["b"], "t/1 &"), page(["a"], "t2"), page([])))
    listing = await connect(api, page=1).list(POOL, "clusters", {"tier": "gold", "app": "x"})
    assert [item.meta.name for item in listing.items] == ["a", "b"]
    assert listing.resource_version == "9"
    path = (
        f"/apis/{POOL.api_version}/namespaces/clusters/nodepools?labelSelector=app%3Dx%2Ctier%3Dgold&limit=1"
    )
    assert api.paths == [path, f"{path}&continue=t%2F1+%26", f"{path}&continue=t2"]


async def test_a_list_that_expires_between_pages_starts_anew(serve: Serve, connect: Connect):
    """Half of an old snapshot is dropped; the answer is one whole newer one."""
    expired = refused(410, "Expired", "The provided continue parameter is too old", metadata="x")
    api = await serve(once(page(["old"], "t"), expired, page(["new"], "u", "12"), page(["newer"], "", "12")))
    listing = await connect(api, page=1).list(POOL)
    assert [item.meta.name for item in listing.items] == ["new", "newer"]
    assert listing.resource_version == "12"


async def test_a_list_that_keeps_expiring_is_read_at_once(serve: Serve, connect: Connect):
    """On a cluster that changes too fast for pages the list is asked for whole."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "limit" not in request.query:
            return page(["a", "b"])
        if "continue" in request.query:
            return refused(410, "Expired", "too old")
        return page(["a"], "t")

    api = await serve(answer)
    listing = await connect(api, page=1).list(POOL)
    assert [item.meta.name for item in listing.items] == ["a", "b"]
    assert len(api.seen) == 7


async def test_items_of_typed_lists_get_their_type(serve: Serve, connect: Connect):
    """The API server's own kinds come without `kind` in lists; the object is the same as from `get`."""
    bare = {"metadata": {"name": "a", "namespace": "b"}, "data": {"k": "v"}}
    whole = {"kind": "ConfigMap", "apiVersion": "v1", **bare}
    api = await serve(
        once(
            json_answer({"kind": "ConfigMapList", "metadata": {"resourceVersion": "1"}, "items": [bare]}),
            json_answer(whole),
        )
    )
    store = connect(api)
    listed = (await store.list(MAPS)).items[0]
    got = await store.get(MAPS, ObjectKey("b", "a"))
    assert listed.value() == got.value() == whole


async def test_an_empty_list_of_go(serve: Serve, connect: Connect):
    """Null items are none."""
    api = await serve(
        once(json_answer({"kind": "NodePoolList", "metadata": {"resourceVersion": "3"}, "items": None}))
    )
    assert (await connect(api).list(POOL)).items == ()


# -- watches


async def test_a_watch_is_asked_for_with_bookmarks(serve: Serve, connect: Connect):
    """A watch resumes at its version, asks for bookmarks, and says how long it wants to last."""
    api = await serve(once(stream(line("BOOKMARK", pool("", 8)))))
    [event] = await drain(connect(api, watch_seconds=(7, 7)))
    assert (event.type, event.object.meta.resource_version) == ("BOOKMARK", "8")
    path = f"/apis/{POOL.api_version}/nodepools"
    assert api.paths == [f"{path}?watch=1&allowWatchBookmarks=true&timeoutSeconds=7&resourceVersion=5"]


async def test_lines_arrive_in_any_pieces(serve: Serve, connect: Connect):
    """Events are whole whatever the network cuts: two in one piece, one in many, empty lines between."""
    raw = line("ADDED", pool("a", 6)) + b"\n" + line("MODIFIED", pool("a", 7)) + line("DELETED", pool("a", 8))
    for size in (1, 7, 100, len(raw)):
        parts = [raw[start : start + size] for start in range(0, len(raw), size)]
        api = await serve(once(stream(*parts)))
        events = await drain(connect(api))
        assert [(event.type, event.object.meta.resource_version) for event in events] == [
            ("ADDED", "6"),
            ("MODIFIED", "7"),
            ("DELETED", "8"),
        ]


async def test_events_are_told_as_they_come(serve: Serve, connect: Connect):
    """An event is not held back until the next one."""
    api = await serve(once(stream(line("ADDED", pool("a", 6)), then="hang")))
    async with asyncio.timeout(10):
        events = connect(api).watch(POOL, "5")
        assert (await anext(events)).object.meta.name == "a"
        await events.aclose()


@pytest.mark.parametrize("then", ["end", "cut"])
async def test_a_stream_that_breaks_inside_a_line(serve: Serve, connect: Connect, then: str):
    """Whole events are told, then the break; half an event is never told."""
    whole, half = line("ADDED", pool("a", 6)), line("MODIFIED", pool("a", 7))[:40]
    events = connect(await serve(once(stream(whole, half, then=then)))).watch(POOL, "5")
    assert (await anext(events)).type == "ADDED"
    with pytest.raises(RemoteError):
        await anext(events)


async def test_a_server_that_vanishes_between_events(serve: Serve, connect: Connect):
    """A connection that is cut is an error even between lines: only the server's own end is quiet."""
    store = connect(await serve(once(stream(line("ADDED", pool("a", 6)), then="cut"))))
    with pytest.raises(RemoteError) as caught:
        await drain(store)
    assert caught.value.code == "ConnectionLost"


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (stream(line("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version: 5 (9)"})), ExpiredError, "too old resource version"),
        (once(refused(410, "Expired", "too old resource version: 5 (9)")), ExpiredError, "too old"),
        (stream(line("ERROR", {"kind": "Status", "code": 500, "message": "etcd event"})), RemoteError, "etcd event"),
        (stream(line("ERROR", {"kind": "Other"})), RemoteError, "answered 500"),
        (stream(line("RENAMED", pool("a"))), RemoteError, 'unknown type "RENAMED"'),
        (stream(b'{"type": "ADDED"}\n'), RemoteError, "missing required field"),
        (stream(b"<html>\n"), RemoteError, "cannot be read"),
    ],
    ids=["410 as event", "410 as answer", "500 as event", "no status", "unknown event", "no object", "html"],
)  # fmt: skip
async def test_watches_that_end_badly(
    serve: Serve, connect: Connect, answer: Any, error: type[PilotageError], text: str
):
    """An expired version is to be listed again; everything else is a broken stream."""
    with pytest.raises(error, match=text):
        await drain(connect(await serve(answer)))


async def test_closing_ends_a_watch(serve: Serve, connect: Connect):
    """A watch that is waiting ends quietly when its store is closed; then the store is closed for good."""
    api = await serve(once(stream(line("ADDED", pool("a", 6)), then="hang")))
    store = connect(api)
    first = asyncio.Event()

    async def follow() -> int:
        count = 0
        async for _ in store.watch(POOL, "5"):
            count += 1
            first.set()
        return count

    following = asyncio.create_task(follow())
    async with asyncio.timeout(10):
        await first.wait()
        await store.close()
        assert await following == 1
    with pytest.raises(RemoteError, match="the store was closed"):
        await store.get(POOL, KEY)


async def test_closing_while_a_watch_begins(serve: Serve, connect: Connect):
    """A store that is closed before the server answered a watch ends it as quietly, whenever that is."""
    for turns in range(12):
        api = await serve(once(stream(line("ADDED", pool("a", 6)), then="hang")))
        store = connect(api)
        watching = asyncio.create_task(drain(store))
        for _ in range(turns * turns):
            await asyncio.sleep(0)
        await store.close()
        async with asyncio.timeout(10):
            outcome = (await asyncio.gather(watching, return_exceptions=True))[0]
        assert isinstance(outcome, list) or getattr(outcome, "code", "") == "StoreClosed"


async def test_a_silent_server_is_given_up(serve: Serve, connect: Connect):
    """A server that takes the request and says nothing is reported after the stall time-out."""

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    store = connect(await serve(never), stall_timeout=0.05)
    with pytest.raises(RemoteError, match="no answer in time"):
        await store.get(POOL, KEY)


async def test_an_answer_that_breaks_off(serve: Serve, connect: Connect):
    """A body shorter than it said is no answer."""

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"kind": "NodePool"')
        assert request.transport is not None
        request.transport.close()
        return response

    with pytest.raises(RemoteError, match="closed before the end of the answer"):
        await connect(await serve(half)).get(POOL, KEY)


async def test_nobody_listens(serve: Serve, connect: Connect):
    """A server that is not there is named with what was asked of it."""
    api = FakeApi("http://127.0.0.1:1")
    with pytest.raises(RemoteError, match=r"get nodepools\S+ clusters/a: http://127.0.0.1:1: cannot connect"):
        await connect(api).get(POOL, KEY)


@pytest.mark.parametrize("verb", ["apply", "create"])
async def test_a_connection_lost_before_the_answer(serve: Serve, connect: Connect, verb: str):
    """What may be repeated is sent once more; a create is not, for it may have happened."""

    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    api = await serve(once(drop, json_answer(pool("a"))))
    store = connect(api)
    if verb == "apply":
        assert (await store.apply(POOL, KEY, {}, manager="me")).key == KEY
    else:
        with pytest.raises(RemoteError, match="create nodepools"):
            await store.create(POOL, pool("a"), manager="me")


# -- who we are, and whom we believe


async def test_a_token_that_ends_is_replaced(serve: Serve, connect: Connect, tmp_path: Path, time: FakeTime):
    """A request that meets 401 is sent again with the new token, and nobody notices; the old one is not sent again."""
    path = tmp_path / "token"
    path.write_text("old")

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] == "Bearer new":
            return json_answer(pool("a"))
        path.write_text("new")
        return refused(401, "Unauthorized", "Unauthorized")

    api = await serve(answer)
    store = connect(api, FileLogin(Files(token=path), Proof(), "test", time))
    for _ in range(2):
        assert (await store.apply(POOL, KEY, {}, manager="me")).key == KEY
    assert api.authorizations == ["Bearer old", "Bearer new", "Bearer new"]


async def test_a_token_that_is_not_replaced_is_reported(serve: Serve, connect: Connect):
    """A fixed token that is refused is sent once, and appears in no error."""
    api = await serve(once(lambda _: refused(401, "Unauthorized", "Unauthorized")))
    store = connect(api, FixedLogin(Proof(Secret("Bearer s3cr3t"))))
    with pytest.raises(RemoteError, match="Unauthorized") as caught:
        await store.get(POOL, KEY)
    assert caught.value.code == "Unauthorized"
    assert "s3cr3t" not in f"{caught.value}{caught.value.hint}"
    assert len(api.seen) == 1


async def test_impersonation_is_sent(serve: Serve):
    """User, uid, groups and extra fields go out as headers, several of one name."""
    api = await serve(once(json_answer(pool("a"))))
    who = Impersonation("ops", "7", ("a", "b"), {"acme.io/scope": ("x",)})
    access = Access(server=api.url, login=FixedLogin(Proof()), source="test", impersonation=who)
    async with ClusterStore(access) as store:
        await store.get(POOL, KEY)
    headers = api.seen[0][2]
    assert (headers["Impersonate-User"], headers["Impersonate-Uid"]) == ("ops", "7")
    assert headers.getall("Impersonate-Group") == ["a", "b"]  # type: ignore[attr-defined]
    assert headers["Impersonate-Extra-acme.io%2Fscope"] == "x"


async def test_a_proxy_is_asked(serve: Serve):
    """The kubeconfig's proxy stands before the environment's, and gets the whole address."""
    api = await serve(once(lambda _: json_answer(pool("a"))))
    access = Access("http://10.255.255.1", FixedLogin(Proof()), "test")
    async with ClusterStore(access, proxy_for=lambda _: api.url) as store:
        assert (await store.get(POOL, KEY)).key == KEY
    chosen = Access("http://10.255.255.1", FixedLogin(Proof()), "test", proxy=Secret(api.url))
    async with ClusterStore(chosen, proxy_for=lambda _: "http://127.0.0.1:1") as store:
        assert (await store.get(POOL, KEY)).key == KEY
    assert all(path.startswith("http://10.255.255.1/apis/") for path in api.paths)


async def test_a_server_with_an_unknown_certificate_is_refused(serve: Serve, make_certificate: Any):
    """A certificate that nobody vouches for, or of another name, ends the connection before anything is sent."""
    ours, other = make_certificate("IP:127.0.0.1"), make_certificate("DNS:inner.example.org")
    login = FixedLogin(Proof(Secret("Bearer s3cr3t")))
    for served, trusted, problem in (
        (ours, other, "verify failed: self-signed certificate"),
        (other, other, "verify failed: IP address mismatch"),
    ):
        api = await serve(once(json_answer(pool("a"))), served.server())
        access = Access(api.url, login, "test", Trust(trusted.certificate.read_bytes()))
        async with ClusterStore(access) as store:
            with pytest.raises(RemoteError, match=problem) as caught:
                await store.get(POOL, KEY)
        assert caught.value.code == "ClusterNotTrusted"
        assert api.seen == []


async def test_ways_to_trust(serve: Serve, make_certificate: Any):
    """The right CA, another name on purpose, or no check at all, as the kubeconfig says."""
    ours, other = make_certificate("IP:127.0.0.1"), make_certificate("DNS:inner.example.org")
    for served, trust in (
        (ours, Trust(ours.certificate.read_bytes())),
        (other, Trust(other.certificate.read_bytes(), server_name="inner.example.org")),
        (other, Trust(is_verified=False)),
    ):
        api = await serve(once(json_answer(pool("a"))), served.server())
        async with ClusterStore(Access(api.url, FixedLogin(Proof()), "test", trust)) as store:
            assert (await store.get(POOL, KEY)).key == KEY


async def test_a_client_certificate_is_presented(serve: Serve, make_certificate: Any):
    """A server that asks for a certificate gets ours."""
    server, client = make_certificate("IP:127.0.0.1"), make_certificate("DNS:client")
    tls = server.server()
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(client.certificate)
    api = await serve(once(json_answer(pool("a"))), tls)
    trust = Trust(server.certificate.read_bytes())
    pair = KeyPair(client.certificate.read_bytes(), Secret(client.key.read_bytes()))
    async with ClusterStore(Access(api.url, FixedLogin(Proof(None, pair)), "test", trust)) as store:
        assert (await store.get(POOL, KEY)).key == KEY
    async with ClusterStore(Access(api.url, FixedLogin(Proof()), "test", trust)) as store:
        with pytest.raises(RemoteError):
            await store.get(POOL, KEY)


# -- pace


async def test_requests_keep_to_their_rate(serve: Serve, connect: Connect, time: FakeTime):
    """Two at once, then ten a second, whoever asks."""
    api = await serve(once(lambda _: json_answer(pool("a"))))
    store = connect(api, rate=10.0, burst=2)
    for _ in range(5):
        await store.get(POOL, KEY)
    assert time.elapsed == pytest.approx(0.3)


async def test_settings_of_a_store_are_public(serve: Serve):
    """By default 50 requests a second and 100 at once, in pages of 500, with strict validation."""
    settings = ClusterSettings()
    assert (settings.rate, settings.burst, settings.page) == (50.0, 100, 500)
    assert settings.field_validation == "Strict"


# -- requests


async def test_writes_say_who_and_how(serve: Serve, connect: Connect):
    """Field manager, force, dry run and strict validation stand in the query; the body has type, name and namespace."""
    api = await serve(once(lambda _: json_answer(pool("a"))))
    store = connect(api)
    await store.apply(POOL, KEY, {"spec": {"x": 1}}, manager="m&m", force=True, dry_run=True)
    await store.patch_status(POOL, KEY, {"y": 2}, manager="me")
    await store.create(POOL, pool("a"), manager="me")
    await store.delete(POOL, KEY)
    root = f"/apis/{POOL.api_version}/namespaces/clusters/nodepools"
    assert [(method, path) for method, path, _, _ in api.seen] == [
        ("PATCH", f"{root}/a?fieldManager=m%26m&fieldValidation=Strict&force=true&dryRun=All"),
        ("PATCH", f"{root}/a/status?fieldManager=me&fieldValidation=Strict&force=true"),
        ("POST", f"{root}?fieldManager=me&fieldValidation=Strict"),
        ("DELETE", f"{root}/a"),
    ]
    assert api.seen[0][2]["Content-Type"] == "application/apply-patch+yaml"
    named = {
        "apiVersion": POOL.api_version,
        "kind": "NodePool",
        "metadata": {"name": "a", "namespace": "clusters"},
    }
    assert json.loads(api.seen[0][3]) == {**named, "spec": {"x": 1}}
    assert json.loads(api.seen[1][3]) == {**named, "status": {"y": 2}}
    assert json.loads(api.seen[3][3])["propagationPolicy"] == "Background"


@pytest.mark.parametrize(
    ("kind", "key", "problem"),
    [
        (POOL, ObjectKey("a", ""), "metadata.name: Required value"),
        (POOL, ObjectKey("", "a"), "metadata.namespace: Required value"),
        (POOL, ObjectKey("a", ".."), "may not be '..'"),
        (POOL, ObjectKey("..", "a"), "may not be '..'"),
        (Kind("", "v1", "Namespace", "namespaces", namespaced=False), ObjectKey("a", "b"), "Forbidden"),
    ],
)
async def test_what_would_ask_for_something_else_is_refused(
    serve: Serve, connect: Connect, kind: Kind, key: ObjectKey, problem: str
):
    """An empty name would be a list, a dot another path: no request is sent for either."""
    api = await serve(once(json_answer({})))
    store = connect(api)
    for attempt in (store.get(kind, key), store.delete(kind, key), store.apply(kind, key, {}, manager="me")):
        with pytest.raises(InputError, match=problem):
            await attempt
    assert api.seen == []


async def test_names_are_one_segment(serve: Serve, connect: Connect):
    """A name with a slash or a question mark stays a name."""
    api = await serve(once(lambda _: refused(404, "NotFound", "no", {"name": "x"})))
    with pytest.raises(NotFoundError):
        await connect(api).get(POOL, ObjectKey("a", "b/../c?d=e%"))
    assert api.paths == [f"/apis/{POOL.api_version}/namespaces/a/nodepools/b%2F..%2Fc%3Fd%3De%25"]
