"""Reading from memory: one informer for each kind, shared by all controllers, behind the `Reader` port.

`observe` does not know whether it reads a store, a dump or this cache. A kind that nobody follows, or whose first list
is not in yet, is read from the store itself.

What is read may be a moment behind the store. Controllers are level-triggered, so the event that is under way makes them
look again; whoever is about to write reads from the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import Timers
from pilotage.runtime.controller import Naming
from pilotage.runtime.informer import Informer, ListWatch
from pilotage.runtime.named import InNamespace, NamedObjects
from pilotage.store.base import Listing, NotFoundError

__all__ = ["CacheReader", "Informers"]


class Informers:
    """`of(kind)` gives the one informer of that kind; whoever runs them iterates. `namespace`: only what stands in it."""

    def __init__(self, source: ListWatch, clock: Timers, namespace: str = "") -> None:
        self._source = source
        self._clock = clock
        self._scope = InNamespace(source, namespace) if namespace else source
        self._by_resource: dict[tuple[str, str, str], Informer] = {}
        self._named: dict[tuple[str, str, str], NamedObjects] = {}

    def of(self, kind: Kind) -> Informer:
        informer = self._by_resource.get(_resource(kind))
        if informer is None:
            informer = self._by_resource[_resource(kind)] = Informer(self._scope, kind, self._clock)
        return informer

    def named(self, kind: Kind, naming: Naming) -> NamedObjects:
        """The objects of `kind` that are named; they may stand in any namespace."""
        objects = self._named.get(_resource(kind))
        if objects is None:
            objects = self._named[_resource(kind)] = NamedObjects(self._source, kind, self._clock)
        objects.add_namer(self.of(naming.kind), naming.names)
        return objects

    def find(self, kind: Kind) -> Informer | None:
        """The informer of a kind that is followed and in sync, else None."""
        informer = self._by_resource.get(_resource(kind))
        return informer if informer is not None and informer.has_synced else None

    def find_one(self, kind: Kind, key: ObjectKey) -> Informer | None:
        """The informer that holds this object, if there is one: of its kind that is followed and in sync, or of it alone."""
        named = self._named.get(_resource(kind))
        return self.find(kind) or (named.find(key) if named is not None else None)

    def reader(self) -> CacheReader:
        return CacheReader(self, self._source)

    def single(self) -> tuple[Informer, ...]:
        """Every informer, those of named objects too."""
        return (
            *self._by_resource.values(),
            *(informer for named in self._named.values() for informer in named.informers),
        )

    def __iter__(self) -> Iterator[Informer | NamedObjects]:
        """What is to be run; who names comes before what is named."""
        return iter((*self._by_resource.values(), *self._named.values()))


class CacheReader:
    """The `Reader` port over informers, and over the store for kinds that none follows."""

    def __init__(self, informers: Informers, source: ListWatch) -> None:
        self._informers = informers
        self._source = source

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        """Raises NotFoundError."""
        informer = self._informers.find_one(kind, key)
        if informer is None:
            return await self._source.get(kind, key)
        found = informer.get(key)
        if found is None:
            raise NotFoundError(kind, key)
        return found

    def written(self, kind: Kind, found: Object) -> None:
        """Read from now on what this process has just written."""
        informer = self._informers.find_one(kind, found.key)
        if informer is not None:
            informer.written(found)

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, name: str = ""
    ) -> Listing:
        informer = self._informers.find(kind)
        if informer is None:
            return await self._source.list(kind, namespace, labels, name=name)
        found = informer.list(namespace)
        if name:
            found = tuple(item for item in found if item.meta.name == name)
        if labels:
            wanted = labels.items()
            found = tuple(item for item in found if wanted <= item.labels.items())
        return Listing(found, informer.resource_version)


def _resource(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural
