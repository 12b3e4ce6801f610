"""`ClusterStore` against a real kube-apiserver: what only a real one can show. The contract of stores is held in `tests/contract`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilotage.api.errors import RemoteError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import SystemClock
from pilotage.runtime.informer import Informer
from pilotage.store.base import ConflictError, ExpiredError, InvalidObjectError, NotFoundError
from pilotage.store.cluster import ClusterSettings, ClusterStore, bodies, read_kubeconfig, requests
from pilotage.store.cluster.access import Impersonation, Proof
from pilotage.store.cluster.credentials import FileLogin, Files

MAPS = Kind("", "v1", "ConfigMap", "configmaps")
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
ABSENT = Kind("absent.example.org", "v1", "Thing", "things")


@pytest.fixture
async def store(real_api: Any) -> AsyncIterator[ClusterStore]:
    async with ClusterStore(read_kubeconfig(real_api.kubeconfig), ClusterSettings(rate=0)) as opened:
        yield opened


@pytest.fixture
async def namespace(store: ClusterStore) -> str:
    """A namespace of this test's own: the server is shared."""
    created = await store.create(NAMESPACE, {"metadata": {"generateName": "t-"}}, manager="test")
    return created.meta.name


@pytest.fixture
def ours(real_api: Any) -> Any:
    """A server of which we know the users."""
    if not real_api.is_ours:
        pytest.skip("needs a server that was started for the tests")
    return real_api


async def fill(store: ClusterStore, namespace: str, count: int) -> None:
    await asyncio.gather(
        *(
            store.create(
                MAPS, {"metadata": {"name": f"n{number:02}", "namespace": namespace}}, manager="test"
            )
            for number in range(count)
        )
    )


async def test_the_server_says_its_version(store: ClusterStore):
    """`server_version` is what `kubectl version` shows."""
    version = await store.server_version()
    assert version.git_version.startswith(f"v{version.major}.")


async def test_an_object_is_the_same_from_every_verb(store: ClusterStore, namespace: str):
    """What create answered, get, list and watch give byte for byte."""
    manifest = {"metadata": {"name": "a", "namespace": namespace}, "data": {"k": "é"}}
    start = (await store.list(MAPS, namespace)).resource_version
    created = await store.create(MAPS, manifest, manager="test")
    assert await store.get(MAPS, created.key) == created
    assert (await store.list(MAPS, namespace)).items == (created,)
    async with asyncio.timeout(20):
        event = await anext(store.watch(MAPS, start, namespace))
    assert (event.type, event.object) == ("ADDED", created)


async def test_pages_are_one_list(store: ClusterStore, namespace: str, real_api: Any):
    """A list in pages of three is the list in one page, and its version continues into a watch."""
    await fill(store, namespace, 10)
    settings = ClusterSettings(page=3, rate=0)
    async with ClusterStore(read_kubeconfig(real_api.kubeconfig), settings) as paged:
        listing = await paged.list(MAPS, namespace)
    assert listing.items == (await store.list(MAPS, namespace)).items
    assert len(listing.items) == 10
    await store.delete(MAPS, listing.items[4].key)
    async with asyncio.timeout(20):
        event = await anext(store.watch(MAPS, listing.resource_version, namespace))
    assert (event.type, event.object.key) == ("DELETED", listing.items[4].key)


async def test_a_quiet_watch_ends_when_it_asked_to(real_api: Any, store: ClusterStore, namespace: str):
    """The server ends a watch after the time asked for, and that is no error. (Its bookmarks come once a minute.)"""
    start = (await store.list(MAPS, namespace)).resource_version
    settings = ClusterSettings(watch_seconds=(1, 1))
    async with ClusterStore(read_kubeconfig(real_api.kubeconfig), settings) as short, asyncio.timeout(30):
        assert [event async for event in short.watch(MAPS, start, namespace)] == []


async def test_a_compacted_version_is_expired(ours: Any, store: ClusterStore, namespace: str):
    """A watch from before a compaction must list again, and a page of a list from before it is gone as well."""
    for name in ("a", "b"):
        await store.create(LEASE, {"metadata": {"name": name, "namespace": namespace}}, manager="me")
    before = await store.list(LEASE, namespace)
    page = requests.list_page(LEASE, namespace, {}, 1)
    _, first, _ = await store._exchange(page)
    for name in ("a", "b"):
        await store.delete(LEASE, ObjectKey(namespace, name))
    after = await store.list(LEASE, namespace)
    ours.compact(after.resource_version)
    with pytest.raises(ExpiredError):
        await anext(store.watch(LEASE, before.resource_version, namespace))
    continuation = bodies.read_page(LEASE, first).continuation
    code, _, _ = await store._exchange(requests.list_page(LEASE, namespace, {}, 1, continuation))
    assert code == 410
    assert (await store.list(LEASE, namespace)).items == ()


async def test_an_informer_follows(store: ClusterStore, namespace: str):
    """The cache over a real list and watch becomes what the server has, through changes and deletions."""

    class OfNamespace:
        """The store as seen from one namespace, so that other tests do not show."""

        async def get(self, kind: Kind, key: ObjectKey) -> Any:
            return await store.get(kind, key)

        async def list(self, kind: Kind, *_: Any) -> Any:
            return await store.list(kind, namespace)

        def watch(self, kind: Kind, version: str, *_: Any) -> Any:
            return store.watch(kind, version, namespace)

    await fill(store, namespace, 5)
    informer = Informer(OfNamespace(), MAPS, SystemClock())
    following = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(30):
            await informer.synced()
            assert len(informer) == 5
            for number in range(5):
                await store.apply(
                    MAPS, ObjectKey(namespace, f"n0{number}"), {"data": {"x": "y"}}, manager="me"
                )
            await store.delete(MAPS, ObjectKey(namespace, "n00"))
            await informer.caught_up()
        assert informer.list() == (await store.list(MAPS, namespace)).items
        assert len(informer) == 4
        assert informer.last_error is None
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_unknown_fields_are_refused(store: ClusterStore, namespace: str):
    """A field that the schema does not know is told by its path, in create and apply, and nothing is written."""
    key = ObjectKey(namespace, "a")
    metadata = {"metadata": {"name": "a", "namespace": namespace}}
    with pytest.raises(InvalidObjectError, match='unknown field "dta"'):
        await store.create(MAPS, {**metadata, "dta": {}}, manager="me")
    with pytest.raises(InvalidObjectError, match=r"\.dta: field not declared in schema"):
        await store.apply(MAPS, key, {"dta": {}}, manager="me")
    with pytest.raises(NotFoundError):
        await store.get(MAPS, key)


async def test_conflicts_name_managers_and_fields(store: ClusterStore, namespace: str):
    """Two fields of two managers are told with all four names."""
    key = ObjectKey(namespace, "a")
    await store.apply(MAPS, key, {"data": {"a": "1"}}, manager="one")
    await store.apply(MAPS, key, {"data": {"b": "1"}}, manager="two")
    with pytest.raises(ConflictError) as caught:
        await store.apply(MAPS, key, {"data": {"a": "2", "b": "2"}}, manager="three")
    for text in ('"one"', '"two"', ".data.a", ".data.b"):
        assert text in str(caught.value)
    await store.apply(MAPS, key, {"data": {"a": "2", "b": "2"}}, manager="three", force=True)
    assert (await store.get(MAPS, key)).value()["data"] == {"a": "2", "b": "2"}


async def test_what_is_not_there(store: ClusterStore, namespace: str):
    """An object, a namespace, a kind, a status: each is told for what it is."""
    with pytest.raises(NotFoundError, match='configmaps "a" not found'):
        await store.get(MAPS, ObjectKey(namespace, "a"))
    with pytest.raises(NotFoundError, match='namespaces "no-such-namespace" not found'):
        await store.create(MAPS, {"metadata": {"name": "a", "namespace": "no-such-namespace"}}, manager="me")
    with pytest.raises(NotFoundError) as caught:
        await store.get(ABSENT, ObjectKey(namespace, "a"))
    assert "install the CustomResourceDefinition" in caught.value.hint
    with pytest.raises(RemoteError, match=r"does not serve things\.absent\.example\.org in v1"):
        await store.list(ABSENT)
    wrong_version = msgspec.structs.replace(LEASE, version="v0")
    with pytest.raises(RemoteError, match="does not serve leases"):
        await store.list(wrong_version)
    with pytest.raises(NotFoundError, match='configmaps "a" not found'):
        await store.patch_status(MAPS, ObjectKey(namespace, "a"), {}, manager="me")
    await fill(store, namespace, 1)
    with pytest.raises(InvalidObjectError, match="no status subresource"):
        await store.patch_status(MAPS, ObjectKey(namespace, "n00"), {}, manager="me")


async def test_a_certificate_logs_in(ours: Any):
    """The client certificate of a kubeconfig, with paths relative to it, is accepted."""
    async with ClusterStore(read_kubeconfig(ours.kubeconfig, "certificate")) as store:
        assert (await store.list(NAMESPACE)).items


async def test_rights_that_are_missing_are_named(ours: Any):
    """Who may not do something is told who, what and where; so is who acts for somebody that may not."""
    access = read_kubeconfig(ours.kubeconfig)
    for chosen in (
        read_kubeconfig(ours.kubeconfig, "nobody"),
        msgspec.structs.replace(access, impersonation=Impersonation("nobody")),
    ):
        async with ClusterStore(chosen) as store:
            with pytest.raises(
                RemoteError, match='User "nobody" cannot list resource "configmaps"'
            ) as caught:
                await store.list(MAPS)
        assert caught.value.code == "Forbidden"


async def test_a_token_that_was_replaced(ours: Any, tmp_path: Path):
    """A token that the server does not know is read again from its file, once; then the error says to log in."""
    access = read_kubeconfig(ours.kubeconfig)
    proof = await access.login.proof()
    assert proof.authorization is not None
    path = tmp_path / "token"
    path.write_text(str(uuid.uuid4()))
    login = FileLogin(Files(token=path), Proof(), "test", SystemClock())
    async with ClusterStore(msgspec.structs.replace(access, login=login)) as store:
        with pytest.raises(RemoteError) as caught:
            await store.list(NAMESPACE)
        assert caught.value.code == "Unauthorized"
        path.write_text(proof.authorization.reveal_text().removeprefix("Bearer "))
        assert (await store.list(NAMESPACE)).items


async def test_an_unknown_authority_is_not_believed(ours: Any, make_certificate: Any):
    """Without the server's own authority the connection ends before a token is sent."""
    access = read_kubeconfig(ours.kubeconfig)
    trust = msgspec.structs.replace(
        access.trust, authorities=make_certificate("DNS:else").certificate.read_bytes()
    )
    async with ClusterStore(msgspec.structs.replace(access, trust=trust)) as store:
        with pytest.raises(RemoteError, match="TLS certificate verify failed"):
            await store.list(NAMESPACE)
