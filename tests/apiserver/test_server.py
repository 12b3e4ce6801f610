"""The server around the API: who may ask, how much, how long; and watches."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import stat
import tempfile
from base64 import b64decode
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pilotage.api import yaml
from pilotage.api.core import CONFIG_MAP
from pilotage.api.errors import InputError
from pilotage.api.meta import ObjectKey
from pilotage.apiserver import identity, kubeconfig
from pilotage.apiserver.server import Limits, serving
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore

from .conversing import config_map, served, trusting

MAPS = "/api/v1/namespaces/default/configmaps"
DEADLINE = 30.0


# Who may ask


REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


async def test_whose_token_is_this() -> None:
    """The one of the kubeconfig is the user's; another is nobody's; none is no question."""
    async with served() as api:
        user = {"username": "pilotage-admin", "groups": ["system:masters", "system:authenticated"]}
        ran = await api.client.ask("POST", REVIEWS, {"spec": {"token": api.serving.identity.token}})
        assert (201, {"authenticated": True, "user": user}) == (ran.code, ran.json()["status"])
        ran = await api.client.ask("POST", REVIEWS, {"spec": {"token": "another"}})
        assert (201, {"user": {}, "error": "invalid bearer token"}) == (ran.code, ran.json()["status"])
        for token in ({}, {"token": ""}, {"token": 1}):
            assert 400 == (await api.client.ask("POST", REVIEWS, {"spec": token})).code


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"user": "pilotage-admin"}, True),
        ({"user": "jane"}, False),
        ({"user": "jane", "groups": ["system:masters"]}, True),
        ({"groups": ["developers"]}, False),
        ({}, 422),
        ({"user": ["jane"]}, 400),
        ({"user": "jane", "groups": "developers"}, 400),
    ],
    ids=str,
)
async def test_what_may_others_do(spec: dict[str, Any], expected: bool | int) -> None:
    """The user, and who belongs to the masters, may do everything; others nothing."""
    async with served() as api:
        asked = {**spec, "resourceAttributes": {"verb": "get", "resource": "pods"}}
        ran = await api.client.ask("POST", ACCESS, {"spec": asked})
        told = ran.json()
        assert expected == (told["status"]["allowed"] if ran.code == 201 else ran.code)


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/openapi/v2", "application/json"),
        ("/openapi/v3/api/v1", "application/json"),
        ("/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
        ("/api", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
    ],
)
async def test_a_document_that_did_not_change_is_not_sent_again(path: str, accept: str) -> None:
    """304 without a body for a client that names its tag; the document for one that names another."""
    async with served() as api:
        first = await api.client.ask("GET", path, headers={"Accept": accept})
        tag = first.headers["Etag"]
        for known in (tag, f"W/{tag}", f'"older", {tag}', "*"):
            ran = await api.client.ask("GET", path, headers={"Accept": accept, "If-None-Match": known})
            assert (304, "", tag) == (ran.code, ran.text, ran.headers["Etag"])
        for other in ('"older"', "", tag.strip('"')):
            ran = await api.client.ask("GET", path, headers={"Accept": accept, "If-None-Match": other})
            assert (200, first.text) == (ran.code, ran.text)


@pytest.mark.parametrize(
    "path", ["/", "/version", "/api", "/apis", "/openapi/v2", MAPS, "/nowhere", "/healthzz"]
)
async def test_nothing_is_told_to_nobody(path: str) -> None:
    """Without a credential every path is 401, also one that is not there."""
    async with served() as api:
        ran = await api.with_token(None).ask("GET", path)
        assert (401, "Unauthorized") == (ran.code, ran.json()["reason"])


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/store", "/livez?verbose"])
async def test_everybody_may_ask_for_health(path: str) -> None:
    """The only paths without a credential; with a wrong one they are refused, too."""
    async with served() as api:
        ran = await api.with_token(None).ask("GET", path)
        assert (200, True) == (ran.code, "ok" in ran.text)
        assert 401 == (await api.with_token("wrong").ask("GET", path)).code


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic eDp5", "bearer \u00e4", "wrong"])
async def test_a_wrong_credential_is_refused(header: str) -> None:
    """Whatever is wrong with it, the answer is the same Status."""
    async with served() as api:
        ran = await api.with_token(None).ask("GET", MAPS, headers={"Authorization": header})
        status = ran.json()
        assert (401, "Status", "Failure", "Unauthorized") == (
            ran.code,
            status["kind"],
            status["status"],
            status["message"],
        )


async def test_a_client_certificate_is_enough(tmp_path: Path) -> None:
    """Who shows the certificate of the kubeconfig needs no token, and is the same user."""
    async with served() as api:
        context = trusting(api.serving.identity.authority)
        load(context, api.serving.identity.client, tmp_path)
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector, trust_env=False) as session,
            session.post(
                f"{api.serving.address}/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}
            ) as answer,
        ):
            assert 201 == answer.status
            user = (await answer.json())["status"]["userInfo"]
        by_token = await api.client.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
        assert user == by_token.json()["status"]["userInfo"]
        assert "system:masters" in user["groups"]


async def test_the_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    """Also that of an earlier start of the same program."""
    async with served() as api:
        context = trusting(api.serving.identity.authority)
        load(context, identity.made().client, tmp_path)
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"{api.serving.address}{MAPS}")


async def test_the_servers_own_certificate_is_no_clients(tmp_path: Path) -> None:
    """It is signed by the same authority, for another purpose."""
    async with served() as api:
        context = trusting(api.serving.identity.authority)
        load(context, api.serving.identity.server, tmp_path)
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"{api.serving.address}{MAPS}")


def load(context: ssl.SSLContext, pair: identity.Pair, folder: Path) -> None:
    file = folder / "pair.pem"
    file.write_bytes(pair.certificate + pair.key)
    context.load_cert_chain(file)


def test_a_kubeconfig_is_for_its_owner(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, complete, instead of what was there; nothing else is left beside it."""
    made = identity.made()
    path = tmp_path / "kubeconfig"
    path.write_text("old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        kubeconfig.write(path, "https://127.0.0.1:1", made)
    finally:
        os.umask(before)
    document = yaml.load(path.read_text())

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(tmp_path.iterdir())
    assert "pilotage" == document["current-context"]
    assert {"pilotage", "pilotage-certificate"} == {each["name"] for each in document["contexts"]}
    cluster = document["clusters"][0]["cluster"]
    assert made.authority == b64decode(cluster["certificate-authority-data"])


def test_an_identity_prints_nothing_of_itself() -> None:
    """Neither token nor keys come into a traceback."""
    made = identity.made()
    for shown in (repr(made), str(made), repr(made.client)):
        assert made.token not in shown
        assert "PRIVATE" not in shown


def test_nothing_of_an_identity_stays_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that the TLS library needs is gone when the context is made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    identity.made().tls()
    assert [] == list(tmp_path.iterdir())


async def test_a_port_that_is_taken_is_named() -> None:
    """One sentence, and what to do."""
    async with served() as api, await EmbeddedStore.open(None, SystemClock()) as store:
        port = int(api.serving.address.rpartition(":")[2])
        with pytest.raises(InputError, match=f"127.0.0.1:{port}: cannot listen there") as caught:
            async with serving(store, port=port):
                pass
        assert "UnusablePort" == caught.value.code


# How much


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_has_a_limit(is_chunked: bool) -> None:
    """Beyond it 413, whether its length was told or not; up to it all is well."""
    async with served(Limits(body=2000)) as api:
        text = b'{"metadata":{"name":"a"},"data":{"x":"%b"}}'
        too_much, enough = text % (b"x" * 2000), text % (b"x" * 1900)

        async def parts(body: bytes) -> Any:
            yield body

        refused = await api.client.ask("POST", MAPS, parts(too_much) if is_chunked else too_much)
        assert (413, "RequestEntityTooLarge") == (refused.code, refused.json()["reason"])
        assert "Request entity too large: limit is 2000" == refused.json()["message"]
        taken = await api.client.ask("POST", MAPS, parts(enough) if is_chunked else enough)
        assert 201 == taken.code


async def test_requests_in_flight_have_a_limit() -> None:
    """One more than may be is told to come again; when one has ended, the next is answered."""
    async with served(Limits(requests=2, writes=1)) as api:
        gate = asyncio.Event()
        begun = asyncio.Event()

        async def slowly() -> Any:
            yield b'{"metadata":'
            begun.set()
            await gate.wait()
            yield b'{"name":"slow"}}'

        slow = asyncio.create_task(api.client.ask("POST", MAPS, slowly()))
        await begun.wait()
        async with asyncio.timeout(DEADLINE):
            while (refused := await api.client.ask("POST", MAPS, config_map("quick"))).code == 201:
                await api.client.ask("DELETE", f"{MAPS}/quick")
        assert (429, "1") == (refused.code, refused.headers["Retry-After"])
        assert {"retryAfterSeconds": 1} == refused.json()["details"]
        assert 200 == (await api.client.ask("GET", MAPS)).code
        gate.set()
        assert 201 == (await slow).code
        assert 201 == (await api.client.ask("POST", MAPS, config_map("quick"))).code


async def test_a_request_that_takes_too_long_is_given_up() -> None:
    """A body that never ends holds its place for a while only."""
    async with served(Limits(request_seconds=0.05, requests=1)) as api:

        async def endless() -> Any:
            yield b"{"
            await asyncio.Event().wait()

        late = await api.client.ask("POST", MAPS, endless())
        assert (504, "Timeout") == (late.code, late.json()["reason"])


async def test_watches_have_a_limit_and_a_place_comes_free() -> None:
    """A watcher that went away makes room, though nothing happens that it would be told of."""
    async with served(Limits(watches=1)) as api:
        path = f"{MAPS}?watch=1"
        async with api.client.watch(path) as first:
            assert 200 == first.answer.status
            refused = await api.client.ask("GET", path)
            assert (429, "1") == (refused.code, refused.headers["Retry-After"])
            first.answer.close()
        async with asyncio.timeout(DEADLINE):
            while (await api.client.ask("GET", f"{path}&timeoutSeconds=1")).code == 429:
                await asyncio.sleep(0)


async def test_a_watcher_that_does_not_read_is_cut_off() -> None:
    """It has some patience coming; then its connection is dropped, and so is what waited for it."""
    async with served(Limits(patience=0.2, watches=1)) as api:
        for number in range(60):
            await api.store.create(
                CONFIG_MAP,
                {"metadata": {"name": f"m{number}", "namespace": "default"}, "data": {"x": "x" * 500_000}},
                manager="me",
            )
        port = int(api.serving.address.rpartition(":")[2])
        context = trusting(api.serving.identity.authority)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, limit=1024, server_hostname="localhost"
        )
        head = f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.serving.identity.token}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        path = f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=1&fieldSelector=metadata.name%3Dnone"
        async with asyncio.timeout(DEADLINE):
            while (await api.client.ask("GET", path)).code == 429:
                await asyncio.sleep(0.05)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_request_that_is_cut_off_after_its_head_holds_nothing() -> None:
    """Who goes away in the middle of a body gives the place free."""
    async with served(Limits(requests=1)) as api:
        port = int(api.serving.address.rpartition(":")[2])
        context = trusting(api.serving.identity.authority)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        token = api.serving.identity.token
        head = (
            f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n{{"
        )
        writer.write(head.encode())
        await writer.drain()
        writer.transport.abort()
        async with asyncio.timeout(DEADLINE):
            while (await api.client.ask("GET", MAPS)).code == 429:
                await asyncio.sleep(0)


# Watches


async def test_a_watch_tells_of_every_change() -> None:
    """What is there, then each change in order, as lines of JSON; the headers come at once."""
    async with served() as api:
        await api.client.ask("POST", MAPS, config_map("a"))
        async with api.client.watch(f"{MAPS}?watch=true") as lines:
            assert "chunked" == lines.answer.headers["Transfer-Encoding"]
            assert "ADDED" == (await lines.next())["type"]
            merge = {"Content-Type": "application/merge-patch+json"}
            await api.client.ask("PATCH", f"{MAPS}/a", b'{"data":{"x":"1"}}', merge)
            changed = await lines.next()
            assert ("MODIFIED", {"x": "1"}) == (changed["type"], changed["object"]["data"])
            await api.client.ask("DELETE", f"{MAPS}/a")
            assert "DELETED" == (await lines.next())["type"]


async def test_a_watch_ends_when_its_time_is_over() -> None:
    """Cleanly, in the middle of nothing."""
    async with served() as api, api.client.watch(f"{MAPS}?watch=1&timeoutSeconds=1") as lines:
        assert [] == await lines.rest()


async def test_initial_events_end_with_a_bookmark() -> None:
    """As a client asks that lists by watching."""
    async with served() as api:
        await api.client.ask("POST", MAPS, config_map("a"))
        path = (
            f"{MAPS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true"
            "&resourceVersionMatch=NotOlderThan&timeoutSeconds=1"
        )
        async with api.client.watch(path) as lines:
            added, end = await lines.next(), await lines.next()
        assert "ADDED" == added["type"]
        assert ("BOOKMARK", {"k8s.io/initial-events-end": "true"}) == (
            end["type"],
            end["object"]["metadata"]["annotations"],
        )


async def test_bookmarks_come_to_those_who_asked_for_them() -> None:
    """A watch of one object is told how far others have gone, if it wants to know."""
    async with served(bookmark_seconds=0.05) as api:
        start = (await api.client.ask("GET", MAPS)).json()["metadata"]["resourceVersion"]
        path = f"{MAPS}?watch=1&resourceVersion={start}&timeoutSeconds=2&fieldSelector=metadata.name%3Dnone"
        async with api.client.watch(f"{path}&allowWatchBookmarks=true") as lines:
            await api.client.ask("POST", MAPS, config_map("a"))
            bookmark = await lines.next()
        assert "BOOKMARK" == bookmark["type"]
        assert int(bookmark["object"]["metadata"]["resourceVersion"]) > int(start)
        async with api.client.watch(path.replace("timeoutSeconds=2", "timeoutSeconds=1")) as lines:
            assert [] == await lines.rest()


async def test_a_watch_from_before_a_compaction_is_told_so() -> None:
    """A stream with one line: an ERROR with the Status 410."""
    async with served() as api:
        for name in ("a", "b"):
            await api.client.ask("POST", MAPS, config_map(name))
        await api.store.compact()
        async with api.client.watch(f"{MAPS}?watch=1&resourceVersion=1") as lines:
            (error,) = await lines.rest()
        status = error["object"]
        assert ("ERROR", 410, "Expired") == (error["type"], status["code"], status["reason"])


async def test_a_watch_as_a_table_describes_its_columns_once() -> None:
    """The first event brings the columns, all bring a row."""
    async with served() as api:
        for name in ("a", "b"):
            await api.client.ask("POST", MAPS, config_map(name))
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
        async with api.client.watch(f"{MAPS}?watch=1&timeoutSeconds=1", accept) as lines:
            first, second = await lines.next(), await lines.next()
        assert ["Name", "Data", "Age"] == [each["name"] for each in first["object"]["columnDefinitions"]]
        assert second["object"]["columnDefinitions"] is None
        assert ["a", "b"] == [each["object"]["rows"][0]["cells"][0] for each in (first, second)]


async def test_the_end_of_the_server_ends_watches_cleanly() -> None:
    """Clients see an end, not a broken line; they list and watch again."""
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(await EmbeddedStore.open(None, SystemClock()))
        inner = contextlib.AsyncExitStack()
        api = await inner.enter_async_context(serving(store))
        connector = aiohttp.TCPConnector(ssl=trusting(api.identity.authority))
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, trust_env=False))
        headers = {"Authorization": f"Bearer {api.identity.token}"}
        answer = await session.get(f"{api.address}{MAPS}?watch=1", headers=headers)
        closing = asyncio.create_task(inner.aclose())
        async with asyncio.timeout(DEADLINE):
            assert b"" == await answer.content.read()
            await closing


async def test_a_kind_is_served_as_soon_as_it_is_defined(definition: dict[str, Any]) -> None:
    """And no longer when its definition is gone."""
    path = "/apis/talk.example.com/v1/namespaces/default/words"
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    async with served() as api:
        assert (404, "404 page not found\n") == (await api.client.ask("GET", path))[::2]
        assert 201 == (await api.client.ask("POST", definitions, definition)).code
        word = {"apiVersion": "talk.example.com/v1", "kind": "Word", "metadata": {"name": "hello"}}
        assert 201 == (await api.client.ask("POST", path, word)).code
        assert "WordList" == (await api.client.ask("GET", path)).json()["kind"]
        assert 200 == (await api.client.ask("DELETE", f"{definitions}/words.talk.example.com")).code
        async with asyncio.timeout(DEADLINE):
            while (await api.client.ask("GET", path)).code != 404:
                await asyncio.sleep(0)


@pytest.fixture
def definition() -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Word", "plural": "words", "singular": "word"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "words.talk.example.com"},
        "spec": {"group": "talk.example.com", "names": names, "scope": "Namespaced", "versions": [version]},
    }


async def test_a_writer_is_named_after_its_program() -> None:
    """The user agent up to the slash, unless the request names a manager."""
    async with served() as api:
        await api.client.ask("POST", MAPS, config_map("a", x="1"), {"User-Agent": "painter/2.0 (linux)"})
        await api.client.ask("POST", f"{MAPS}?fieldManager=me", config_map("b", x="1"))
        found = [
            (await api.store.get(CONFIG_MAP, ObjectKey("default", name))).value()["metadata"]["managedFields"]
            for name in ("a", "b")
        ]
        assert [["painter"], ["me"]] == [[entry["manager"] for entry in each] for each in found]


async def test_a_list_comes_in_parts() -> None:
    """With what is left to come, and the kind of the list."""
    async with served() as api:
        for name in "abc":
            await api.client.ask("POST", MAPS, config_map(name))
        first = (await api.client.ask("GET", f"{MAPS}?limit=2")).json()
        assert ("ConfigMapList", "v1", 1) == (
            first["kind"],
            first["apiVersion"],
            first["metadata"]["remainingItemCount"],
        )
        token = first["metadata"]["continue"]
        rest = (await api.client.ask("GET", f"{MAPS}?limit=2&continue={token}")).json()
        names = [item["metadata"]["name"] for part in (first, rest) for item in part["items"]]
        assert list("abc") == names
        assert "remainingItemCount" not in rest["metadata"]


async def test_health_says_what_was_looked_at() -> None:
    """With `verbose` each check has a line; excluded ones say so; unknown ones are not there."""
    async with served() as api:
        told = await api.client.ask("GET", "/readyz?verbose&exclude=ping")
        assert "[+]ping excluded: ok\n[+]store ok\nreadyz check passed\n" == told.text
        assert 404 == (await api.client.ask("GET", "/readyz/nothing")).code
        await api.store.close()
        sick = await api.client.ask("GET", "/livez")
        assert (500, "[+]ping ok\n[-]store failed: reason withheld\nlivez check failed\n") == (
            sick.code,
            sick.text,
        )
