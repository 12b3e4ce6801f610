"""The cache of one kind against the embedded store, over lines that break."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

import pytest

from pilotage.api.errors import RemoteError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.informer import Delta, Informer
from pilotage.store.base import Event, ExpiredError, Listing, NotFoundError, Store
from pilotage.store.embedded import EmbeddedStore

POOLS = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
MAPS = Kind("", "v1", "ConfigMap", "configmaps")
KEY = ObjectKey("clusters", "a")
END = "end"


class Line:
    """A line to a real store that can fail, as networks and API servers do.

    `cut` breaks open streams; while `is_down` nothing passes; `expire_next` makes the next watch a 410.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cut: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.is_down = False
        self.expire_next = False
        self.lists = 0
        self.watches = 0

    def cut(self, how: str = "broken") -> None:
        """Streams that are open end (`END`) or fail; new ones work, unless `is_down`."""
        old, self._cut = self._cut, asyncio.get_running_loop().create_future()
        old.set_result(how)

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        self._pass()
        return await self._store.get(kind, key)

    async def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Listing:
        self._pass()
        self.lists += 1
        return await self._store.list(kind, namespace, labels)

    async def watch(self, kind: Kind, resource_version: str, namespace: str = "") -> AsyncIterator[Event]:
        self._pass()
        self.watches += 1
        if self.expire_next:
            self.expire_next = False
            raise ExpiredError("too old resource version")
        cut = self._cut
        stream = self._store.watch(kind, resource_version, namespace)
        try:
            while True:
                following = asyncio.ensure_future(anext(stream))
                try:
                    await asyncio.wait((following, cut), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not following.done():
                        following.cancel()
                        await asyncio.gather(following, return_exceptions=True)
                if cut.done():
                    if cut.result() == END:
                        return
                    raise RemoteError("Unreachable", "the line was cut")
                if following.exception() is not None:
                    return  # the store was closed
                yield following.result()
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    def _pass(self) -> None:
        if self.is_down:
            raise RemoteError("Unreachable", "the line is down")


def pool(key: ObjectKey, cluster: str = "prod", replicas: int = 1) -> dict[str, object]:
    return {
        "apiVersion": POOLS.api_version,
        "kind": POOLS.kind,
        "metadata": {"namespace": key.namespace, "name": key.name, "labels": {"cluster": cluster}},
        "spec": {"clusterName": cluster, "replicas": replicas},
    }


async def put(store: EmbeddedStore, key: ObjectKey, cluster: str = "prod", replicas: int = 1) -> Object:
    return await store.apply(POOLS, key, pool(key, cluster, replicas), manager="user")


def told(deltas: Iterable[Delta]) -> list[str]:
    """What a handler heard, in short: `+` new, `~` changed, `-` gone."""
    return [
        f"{'+' if delta.old is None else '-' if delta.new is None else '~'}{(delta.new or delta.old).key}"
        for delta in deltas
    ]


@asynccontextmanager
async def following(informer: Informer) -> AsyncIterator[list[Delta]]:
    """Run the informer and hear what it tells; in sync at the start."""
    deltas: list[Delta] = []
    informer.add_handler(deltas.append)
    task = asyncio.create_task(informer.run())
    try:
        await informer.synced()
        yield deltas
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def line(store: EmbeddedStore) -> Line:
    return Line(store)


@pytest.fixture
def informer(line: Line, clock: ManualClock) -> Informer:
    return Informer(line, POOLS, clock)


async def test_what_is_there_is_told_as_initial_and_what_follows_is_not(
    store: EmbeddedStore, informer: Informer
) -> None:
    """A list, then the watch from its version."""
    await put(store, KEY)
    assert not informer.has_synced
    async with following(informer) as deltas:
        await put(store, ObjectKey("clusters", "b"))
        await put(store, KEY, replicas=3)
        await store.delete(POOLS, ObjectKey("clusters", "b"))
        await informer.caught_up()
    assert [delta.is_initial for delta in deltas] == [True] + [False] * (len(deltas) - 1)
    assert told(deltas)[0] == "+clusters/a"
    assert told(deltas)[-1] == "-clusters/b"
    assert {found.key for found in informer.list()} == {KEY}
    assert b'"replicas":3' in informer.get(KEY).raw


async def test_another_kind_is_not_heard(store: EmbeddedStore, informer: Informer) -> None:
    """One informer, one kind."""
    async with following(informer) as deltas:
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "m"}}
        await store.create(MAPS, manifest, manager="user")
        await put(store, KEY)
        await informer.caught_up()
    assert told(deltas) == ["+clusters/a"]


@pytest.mark.parametrize("how", [END, "broken"])
async def test_a_stream_that_ends_is_resumed_without_a_list(
    store: EmbeddedStore, informer: Informer, line: Line, clock: ManualClock, how: str
) -> None:
    """From the last version, so what happened meanwhile is told once and nothing else is."""
    async with following(informer) as deltas:
        await put(store, KEY)
        await informer.caught_up()
        lists = line.lists
        line.cut(how)
        await put(store, KEY, replicas=2)
        while line.watches < 2:
            await asyncio.sleep(0)
            clock.advance_to_next()
        await _heard(deltas, 2)
        assert line.lists == lists
    assert told(deltas) == ["+clusters/a", "~clusters/a"]


async def test_an_expired_version_is_listed_again_at_once_and_only_differences_are_told(
    store: EmbeddedStore, informer: Informer, line: Line, clock: ManualClock
) -> None:
    """410: what changed, came and went while nobody listened is told; what stayed is not."""
    for name in ("stays", "changes", "goes"):
        await put(store, ObjectKey("clusters", name))
    async with following(informer) as deltas:
        await informer.caught_up()
        del deltas[:]
        line.is_down = True
        line.cut()
        await put(store, ObjectKey("clusters", "changes"), replicas=9)
        await put(store, ObjectKey("clusters", "comes"))
        await store.delete(POOLS, ObjectKey("clusters", "goes"))
        await _until(lambda: informer.last_error is not None)
        line.is_down = False
        line.expire_next = True
        clock.advance(60)
        await _heard(deltas, 3)
        await informer.caught_up()
    assert sorted(told(deltas)) == ["+clusters/comes", "-clusters/goes", "~clusters/changes"]
    assert not any(delta.is_initial for delta in deltas)
    assert informer.last_error is None


async def test_an_object_that_was_made_anew_is_two_deltas(
    store: EmbeddedStore, informer: Informer, line: Line, clock: ManualClock
) -> None:
    """Deleted and created under the same name while nobody listened: not a change of one object."""
    await put(store, KEY)
    async with following(informer) as deltas:
        line.is_down = True
        line.cut()
        await store.delete(POOLS, KEY)
        await put(store, KEY)
        await _until(lambda: informer.last_error is not None)
        line.is_down, line.expire_next = False, True
        clock.advance(60)
        await _heard(deltas, 3)
    assert told(deltas) == ["+clusters/a", "-clusters/a", "+clusters/a"]


async def test_a_store_that_does_not_answer_is_tried_within_the_window(
    store: EmbeddedStore, line: Line, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """0.8 to 30 s between tries, with the reason in `last_error` and the log; then all is well."""
    line.is_down = True
    informer = Informer(line, POOLS, clock)
    task = asyncio.create_task(informer.run())
    tries = []
    with caplog.at_level(logging.WARNING):
        for _ in range(12):
            await _until(lambda: clock.next_due is not None)
            tries.append(clock.next_due - clock.monotonic())
            clock.advance_to_next()
    assert all(0.8 <= pause <= 30.0 for pause in tries)
    assert max(tries[:2]) < min(tries[-4:])
    assert "the line is down" in str(informer.last_error)
    assert "nodepools.hypershift.openshift.io: cannot be followed" in caplog.text
    assert not informer.has_synced
    await put(store, KEY)
    line.is_down = False
    await _until(lambda: clock.next_due is not None)
    clock.advance_to_next()
    await informer.synced()
    assert (len(informer), informer.last_error) == (1, None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_indexes_follow_the_objects(store: EmbeddedStore, informer: Informer) -> None:
    """By namespace always; by our own function, also when it is added late; nothing empty is kept."""
    informer.add_index("cluster", lambda found: [found.labels["cluster"]])
    a, b = ObjectKey("one", "a"), ObjectKey("two", "b")
    async with following(informer):
        await put(store, a, "prod")
        await put(store, b, "prod")
        await informer.caught_up()
        assert [found.key for found in informer.select("cluster", "prod")] == [a, b]
        await put(store, a, "stage")
        await store.delete(POOLS, b)
        await informer.caught_up()
        assert [found.key for found in informer.select("cluster", "stage")] == [a]
        assert informer.select("cluster", "prod") == ()
        assert [found.key for found in informer.list("one")] == [a]
        assert informer.list("two") == ()
        informer.add_index("replicas", lambda found: [found.value()["spec"]["replicas"]])
        assert [found.key for found in informer.select("replicas", 1)] == [a]
        with pytest.raises(KeyError):
            informer.select("no such index", "x")


async def test_an_index_or_handler_that_fails_stops_nobody(
    store: EmbeddedStore, informer: Informer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with the object's name; the other handlers hear."""

    def fail(_: object) -> list[str]:
        raise ValueError("boom")

    informer.add_index("failing", fail)
    informer.add_handler(fail)
    async with following(informer) as deltas:
        await put(store, KEY)
        await informer.caught_up()
    assert told(deltas) == ["+clusters/a"]
    assert "NodePool clusters/a: cannot be indexed" in caplog.text
    assert "NodePool clusters/a: a handler failed" in caplog.text


async def test_a_late_handler_hears_what_is_there(store: EmbeddedStore, informer: Informer) -> None:
    """As if it had been there at the start."""
    await put(store, KEY)
    async with following(informer):
        late: list[Delta] = []
        informer.add_handler(late.append)
    assert told(late) == ["+clusters/a"]
    assert late[0].is_initial


async def test_reading_from_memory_answers_as_the_store_does(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """Followed or not: the same objects, selections, order and errors."""
    for namespace, name, cluster in (("z", "1", "p"), ("a", "2", "p"), ("a", "1", "s"), ("m", "9", "p")):
        await put(store, ObjectKey(namespace, name), cluster)
    informers = Informers(store, clock)
    assert informers.of(POOLS) is informers.of(POOLS)
    reader = informers.reader()
    selections = (
        {},
        {"namespace": "a"},
        {"labels": {"cluster": "p"}},
        {"namespace": "a", "labels": {"no": "x"}},
    )
    before = [(await reader.list(POOLS, **selection)).items for selection in selections]
    async with following(informers.of(POOLS)):
        for selection, unfollowed in zip(selections, before, strict=True):
            expected = (await store.list(POOLS, **selection)).items
            assert (await reader.list(POOLS, **selection)).items == expected == unfollowed
        assert await reader.get(POOLS, ObjectKey("z", "1")) == await store.get(POOLS, ObjectKey("z", "1"))
        with pytest.raises(NotFoundError, match=r'nodepools\.hypershift\.openshift\.io "x" not found'):
            await reader.get(POOLS, ObjectKey("a", "x"))
        with pytest.raises(NotFoundError):
            await reader.get(MAPS, ObjectKey("a", "x"))


async def test_equal_label_texts_are_kept_once(store: EmbeddedStore, informer: Informer) -> None:
    """A thousand objects of one cluster hold one string with its name."""
    for name in ("a", "b"):
        await put(store, ObjectKey("clusters", name), "a-cluster-name-of-some-length")
    async with following(informer):
        first, second = informer.list()
    assert first.labels["cluster"] is second.labels["cluster"]
    assert first.meta.namespace is second.meta.namespace


async def _until(is_reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_reached():
            await asyncio.sleep(0)


async def _heard(deltas: list[Delta], number: int) -> None:
    await _until(lambda: len(deltas) >= number)


async def test_our_own_write_is_read_before_the_watch_tells_it(
    store: EmbeddedStore, informer: Informer, line: Line
) -> None:
    """The cache holds the write at once, and the event that follows is not told a second time."""
    await put(store, KEY)
    async with following(informer) as deltas:
        ours = await put(store, KEY, replicas=5)
        informer.written(ours)
        assert b'"replicas":5' in informer.get(KEY).raw
        await informer.caught_up()
        await put(store, ObjectKey("clusters", "later"))
        await informer.caught_up()
    assert told(deltas) == ["+clusters/a", "~clusters/a", "+clusters/later"]


async def test_what_happened_before_our_write_does_not_come_back(
    store: EmbeddedStore, informer: Informer, line: Line, clock: ManualClock
) -> None:
    """A watch that is behind tells older states; the cache keeps the newer one, and hears of the next foreign change."""
    await put(store, KEY)
    async with following(informer) as deltas:
        await informer.caught_up()
        older = await put(store, KEY, replicas=2)
        ours = await put(store, KEY, replicas=3)
        informer.written(ours)
        informer._take(Event("MODIFIED", older))
        assert b'"replicas":3' in informer.get(KEY).raw
        informer._take(Event("MODIFIED", ours))
        await put(store, KEY, replicas=4)
        await informer.caught_up()
    assert b'"replicas":4' in informer.get(KEY).raw
    replicas = [delta.new.value()["spec"]["replicas"] for delta in deltas]
    assert replicas == sorted(set(replicas))
    assert {3, 4} <= set(replicas)


async def test_a_write_that_the_watch_has_passed_changes_nothing(
    store: EmbeddedStore, informer: Informer
) -> None:
    """The answer to a write can come after somebody else's deletion was told: nothing rises from the dead."""
    async with following(informer) as deltas:
        ours = await put(store, KEY)
        await store.delete(POOLS, KEY)
        await put(store, ObjectKey("clusters", "b"))
        await informer.caught_up()
        informer.written(ours)
        assert informer.get(KEY) is None
    assert told(deltas)[-1] == "+clusters/b"
