"""Following only the objects that other objects name: one settings object names one ConfigMap, and a cluster has thousands.

    an informer of the naming kind ──▶ names ──▶ one small informer for each named object

A list and a watch of one name need rights for that name only (`resourceNames` of a Role), and nothing else of its kind is kept
in memory. An object that cannot be read holds nothing up: who asks for it is told why by the store itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from pilotage.api.errors import InputError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import Timers
from pilotage.runtime.informer import Delta, Handler, Informer, ListWatch
from pilotage.runtime.tasks import cancel_all
from pilotage.store.base import Event, Listing

__all__ = ["InNamespace", "NamedObjects"]

logger = logging.getLogger(__name__)

Names = Callable[[Object], Iterable[ObjectKey]]


class NamedObjects:
    """Objects of one kind, by name. `run` it in a task, as an informer."""

    def __init__(self, source: ListWatch, kind: Kind, clock: Timers) -> None:
        self.kind = kind
        self._source = source
        self._clock = clock
        self._handlers: list[Handler] = []
        self._informers: dict[ObjectKey, Informer] = {}
        self._named: dict[tuple[Names, ObjectKey], frozenset[ObjectKey]] = {}
        self._namers: set[Names] = set()
        self._changed = asyncio.Event()

    def add_namer(self, naming: Informer, names: Names) -> None:
        """Follow what `names`, which must be pure, gives for any object of `naming`."""
        if names not in self._namers:
            self._namers.add(names)
            naming.add_handler(lambda delta: self._on_naming(names, delta))

    def add_handler(self, handler: Handler) -> None:
        self._handlers.append(handler)
        for informer in self._informers.values():
            informer.add_handler(handler)

    def find(self, key: ObjectKey) -> Informer | None:
        """The informer of one object that is followed and in sync, else None."""
        informer = self._informers.get(key)
        return informer if informer is not None and informer.has_synced else None

    @property
    def informers(self) -> tuple[Informer, ...]:
        return tuple(self._informers.values())

    async def synced(self) -> None:
        """Each object that is named was read, or could not be."""
        for informer in self.informers:
            await informer.tried()

    async def caught_up(self) -> None:
        for informer in self.informers:
            await informer.caught_up()

    async def run(self) -> None:
        """Follow what is named, until cancelled."""
        tasks: dict[Informer, asyncio.Task[None]] = {}
        try:
            while True:
                self._changed.clear()
                wanted = set(self.informers)
                await cancel_all([tasks.pop(informer) for informer in tuple(tasks) if informer not in wanted])
                for informer in wanted.difference(tasks):
                    tasks[informer] = asyncio.create_task(informer.run())
                changed = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait((changed, *tasks.values()), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                for task in tasks.values():
                    if task.done():
                        task.result()
        finally:
            await cancel_all(tuple(tasks.values()))

    def _on_naming(self, names: Names, delta: Delta) -> None:
        found = delta.new or delta.old
        assert found is not None  # noqa: S101 -- a delta has one side
        try:
            self._named[names, found.key] = frozenset(names(delta.new)) if delta.new else frozenset()
        except InputError as error:
            logger.warning("%s: what it names stays as it was: %s", found, error)
            return
        wanted = frozenset().union(*self._named.values())
        for key in self._informers.keys() - wanted:
            del self._informers[key]
        for key in sorted(wanted - self._informers.keys()):
            informer = self._informers[key] = Informer(_OnlyOne(self._source, key), self.kind, self._clock)
            for handler in self._handlers:
                informer.add_handler(handler)
        self._changed.set()


class _OnlyOne:
    """A source in which there is one object at most."""

    def __init__(self, source: ListWatch, key: ObjectKey) -> None:
        self._source = source
        self._key = key

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        return await self._source.get(kind, key)

    async def list(
        self,
        kind: Kind,
        namespace: str = "",  # noqa: ARG002 -- the port's
        labels: Mapping[str, str] | None = None,
        *,
        name: str = "",  # noqa: ARG002 -- the port's
    ) -> Listing:
        return await self._source.list(kind, self._key.namespace, labels, name=self._key.name)

    def watch(
        self,
        kind: Kind,
        resource_version: str,
        namespace: str = "",  # noqa: ARG002 -- the port's
        *,
        name: str = "",  # noqa: ARG002 -- the port's
    ) -> AsyncIterator[Event]:
        return self._source.watch(kind, resource_version, self._key.namespace, name=self._key.name)


class InNamespace:
    """A source in which there is one namespace, and what is in none."""

    def __init__(self, source: ListWatch, namespace: str) -> None:
        self._source = source
        self._namespace = namespace

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        return await self._source.get(kind, key)

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, name: str = ""
    ) -> Listing:
        return await self._source.list(kind, self._place(kind, namespace), labels, name=name)

    def watch(
        self, kind: Kind, resource_version: str, namespace: str = "", *, name: str = ""
    ) -> AsyncIterator[Event]:
        return self._source.watch(kind, resource_version, self._place(kind, namespace), name=name)

    def _place(self, kind: Kind, namespace: str) -> str:
        return namespace or (self._namespace if kind.namespaced else "")
