"""Following only what other objects name, and only one namespace: nothing else is listed, watched or kept in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilotage.api.errors import RemoteError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.controller import Controller, Naming, Result, Watch
from pilotage.runtime.runner import Runner
from pilotage.store.embedded import EmbeddedStore

POOLS = Kind("hypershift.openshift.io", "v1beta1", "NodePool", "nodepools")
MAPS = Kind("", "v1", "ConfigMap", "configmaps")
POOL = ObjectKey("clusters", "a")
ONE, TWO, OTHER = ObjectKey("x", "one"), ObjectKey("y", "two"), ObjectKey("x", "other")


def names(pool: Object) -> Iterable[ObjectKey]:
    """Pools say by an annotation which ConfigMaps matter."""
    said = (pool.meta.annotations or {}).get("maps", "")
    return tuple(ObjectKey(*each.split("/")) for each in said.split(",") if each)


async def put(store: EmbeddedStore, kind: Kind, key: ObjectKey, **fields: Any) -> None:
    await store.apply(kind, key, {"apiVersion": kind.api_version, "kind": kind.kind, **fields}, manager="u")


async def name_maps(store: EmbeddedStore, said: str, key: ObjectKey = POOL) -> None:
    await put(store, POOLS, key, metadata={"annotations": {"maps": said}})


class Watched:
    """A store that notes what is asked of it by list and watch, and may refuse ConfigMaps."""

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store
        self.asked: set[tuple[str, str, str]] = set()
        self.refuses = False

    async def list(self, kind: Kind, namespace: str = "", labels: Any = None, *, name: str = "") -> Any:
        self.asked.add((kind.plural, namespace, name))
        if self.refuses and kind == MAPS:
            raise RemoteError("Forbidden", "configmaps are forbidden")
        return await self._store.list(kind, namespace, labels, name=name)

    def watch(self, kind: Kind, version: str, namespace: str = "", *, name: str = "") -> Any:
        return self._store.watch(kind, version, namespace, name=name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def running(store: Any, clock: ManualClock, seen: list[str], namespace: str = "") -> Runner:
    informers = Informers(store, clock, namespace)

    async def reconcile(key: ObjectKey) -> Result:
        seen.append(str(key))
        return Result()

    def touched(found: Object) -> Iterable[ObjectKey]:
        seen.append(f"map {found.key}")
        return ()

    watches = (Watch(MAPS, touched, Naming(POOLS, names)),)
    return Runner(store, (Controller("c", POOLS, reconcile, watches=watches),), clock, informers=informers)


async def test_only_named_objects_are_followed(store: EmbeddedStore, clock: ManualClock) -> None:
    """A change of what is named is told; nothing else of the kind is asked for or kept."""
    watched, seen = Watched(store), list[str]()
    for key in (ONE, TWO, OTHER):
        await put(store, MAPS, key)
    await name_maps(store, "x/one")
    async with running(watched, clock, seen) as runner:
        await runner.settled()
        seen.clear()
        await put(store, MAPS, OTHER, data={"a": "b"})
        await put(store, MAPS, ONE, data={"a": "b"})
        await runner.settled()
        assert set(seen) == {"map x/one"}
        assert watched.asked == {("nodepools", "", ""), ("configmaps", "x", "one")}
        assert sum(len(each) for each in runner.informers.single() if each.kind == MAPS) == 1
        assert (await runner.objects.get(MAPS, ONE)).value()["data"] == {"a": "b"}
        assert (await runner.objects.get(MAPS, OTHER)).key == OTHER  # from the store itself


async def test_names_come_and_go(store: EmbeddedStore, clock: ManualClock) -> None:
    """What is named later is followed from then on, what is named no more is forgotten; also one that is not there yet."""
    seen = list[str]()
    await name_maps(store, "x/one")
    async with running(store, clock, seen) as runner:
        await runner.settled()
        await name_maps(store, "y/two")
        await name_maps(store, "y/two", ObjectKey("clusters", "b"))
        await runner.settled()
        seen.clear()
        await put(store, MAPS, ONE)
        await put(store, MAPS, TWO)
        await runner.settled()
        assert set(seen) == {"map y/two"}
        await store.delete(POOLS, POOL)
        await runner.settled()
        assert len([each for each in runner.informers.single() if each.kind == MAPS]) == 1  # b names it too
        await store.delete(POOLS, ObjectKey("clusters", "b"))
        await runner.settled()
        assert [each for each in runner.informers.single() if each.kind == MAPS] == []


async def test_a_named_object_that_cannot_be_read_holds_nothing_up(
    store: EmbeddedStore, clock: ManualClock
) -> None:
    """The controllers begin; why it cannot be followed stays readable."""
    watched, seen = Watched(store), list[str]()
    watched.refuses = True
    await name_maps(store, "x/one")
    async with running(watched, clock, seen) as runner:
        (informer,) = (each for each in runner.informers.single() if each.kind == MAPS)
        assert str(informer.last_error) == "configmaps are forbidden"
        assert informer.restarts == 1
        await runner.loops[0].queue.idle()
        assert seen == ["clusters/a"]


async def test_one_namespace_is_all_there_is(store: EmbeddedStore, clock: ManualClock) -> None:
    """Objects of other namespaces are not followed; what is named is, wherever it stands."""
    watched, seen = Watched(store), list[str]()
    await name_maps(store, "x/one")
    await name_maps(store, "y/two", ObjectKey("elsewhere", "b"))
    await put(store, MAPS, ONE)
    async with running(watched, clock, seen, "clusters") as runner:
        await runner.settled()
    assert set(seen) == {"clusters/a", "map x/one"}
    assert watched.asked == {("nodepools", "clusters", ""), ("configmaps", "x", "one")}
