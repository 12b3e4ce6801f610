"""All objects of one kind in memory, kept true by a list and the watch that follows it.

The store gives a snapshot and, from its version on, every change in order. From these the informer keeps a cache of
headers over bytes, indexes, and tells handlers what became different as `Delta`s. Handlers run at once and only note
that something changed; a `Delta` has the object before and after, so that a reference that moved from A to B wakes both.

    list ──▶ watch ──▶ stream ends ──▶ watch from the last version
                └────▶ ExpiredError ──▶ list; what differs from the cache is told, what does not is not

Nothing is told twice, nothing is missed: a version that the cache holds is passed over, and what a list no longer has is
told as deleted. An object that was deleted and made anew between two looks is two deltas, as its `uid` shows.
Failures are retried in the window of client-go's reflector, 0.8 to 30 s with jitter; the last one stays readable.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from pilotage.api.errors import PilotageError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import Timers
from pilotage.runtime.retry import WATCH_BACKOFF, Backoff
from pilotage.runtime.tasks import is_being_cancelled
from pilotage.store.base import Event, ExpiredError, Reader, Watcher

__all__ = ["BY_NAMESPACE", "Delta", "Handler", "IndexFunction", "Informer", "ListWatch"]

logger = logging.getLogger(__name__)

BY_NAMESPACE = "by_namespace"
_exchange = msgspec.structs.force_setattr
_EVENTS_AT_ONCE = 256  # a long backlog lets other tasks run in between
_SETTLED_WATCH = 60.0  # seconds; a stream that lasted this long was in order, though nothing happened on it


class ListWatch(Reader, Watcher, Protocol):
    """The part of a store that an informer needs."""


class Delta(msgspec.Struct, frozen=True, gc=False):
    """What became different: `old` is None for a new object, `new` is None for one that is gone.

    `is_initial` marks objects that were there when the informer, or the handler, began.
    """

    old: Object | None
    new: Object | None
    is_initial: bool = False


Handler = Callable[[Delta], None]
IndexFunction = Callable[[Object], Iterable[Hashable]]


class Informer:
    """One kind. `run` it in a task; read it from anywhere in the same event loop."""

    def __init__(
        self, source: ListWatch, kind: Kind, clock: Timers, *, backoff: Backoff = WATCH_BACKOFF
    ) -> None:
        self.kind = kind
        self._source = source
        self._clock = clock
        self._backoff = backoff
        self._objects: dict[ObjectKey, Object] = {}
        self._indexes: dict[str, _Index] = {BY_NAMESPACE: _Index(lambda found: (found.meta.namespace,))}
        self._handlers: list[Handler] = []
        self._resume: str | None = None
        self._synced = asyncio.Event()
        self._tried = asyncio.Event()
        self.restarts = 0
        """How often following began again after a failure."""
        self._failures = 0
        self._last_error: BaseException | None = None
        self._progress = 0
        self._followers: list[asyncio.Future[None]] = []
        self._ahead: dict[ObjectKey, int] = {}  # versions that we wrote and the watch has not told yet

    # -- set up ---------------------------------------------------------------------------------------------------

    def add_handler(self, handler: Handler) -> None:
        """Tell `handler` of every object that is here, as initial, and of each change from now on."""
        for found in self._objects.values():
            _tell(handler, Delta(None, found, is_initial=True))
        self._handlers.append(handler)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Index by the values that `function`, which must be pure, gives for an object."""
        index = self._indexes[name] = _Index(function)
        for key, found in self._objects.items():
            index.replace(key, None, found)

    # -- read -----------------------------------------------------------------------------------------------------

    def get(self, key: ObjectKey) -> Object | None:
        return self._objects.get(key)

    def list(self, namespace: str = "") -> tuple[Object, ...]:
        """All objects, or those of one namespace, by namespace and name."""
        return self.select(BY_NAMESPACE, namespace) if namespace else self._sorted(self._objects)

    def select(self, index: str, value: Hashable) -> tuple[Object, ...]:
        """The objects that `index` files under `value`, by namespace and name. Raises KeyError for an unknown index."""
        return self._sorted(self._indexes[index].select(value))

    def _sorted(self, keys: Iterable[ObjectKey]) -> tuple[Object, ...]:
        return tuple(self._objects[key] for key in sorted(keys, key=_by_name))

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def has_synced(self) -> bool:
        """The first list is in the cache."""
        return self._synced.is_set()

    async def synced(self) -> None:
        await self._synced.wait()

    async def tried(self) -> None:
        """The first list is in the cache, or failed: `last_error` says why."""
        await self._tried.wait()

    @property
    def resource_version(self) -> str:
        """The version up to which the cache is true; empty before the first list."""
        return self._resume or ""

    @property
    def last_error(self) -> BaseException | None:
        """Why the store cannot be followed just now; None while it can."""
        return self._last_error

    async def caught_up(self) -> None:
        """Wait until the cache holds what a list taken now holds."""
        while True:
            before = self._progress
            listing = await self._source.list(self.kind)
            if self._holds(listing.items):
                return
            if (
                self._progress == before
            ):  # nothing came since the list was asked for: we are behind, not ahead
                follower = asyncio.get_running_loop().create_future()
                self._followers.append(follower)
                await follower

    def written(self, found: Object) -> None:
        """Take over what this process has just written, without waiting for the watch to tell it.

        Who decides by what it wrote before must read its own writes. With a cache that is one event behind, two
        writes that differ (in a time, say) are copied back in turn: each copy is the event that triggers the next, without end.
        What the watch tells of this object from before the write is passed over.
        """
        version, reached = _number(found.meta.resource_version), _number(self._resume or "")
        held = self._objects.get(found.key)
        held_version = _number(held.meta.resource_version) if held is not None else 0
        if (
            version is None
            or reached is None
            or held_version is None
            or version <= max(reached, held_version)
        ):
            return
        self._ahead[found.key] = version
        self._put(found)
        self._note_progress()

    # -- follow ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the store until cancelled; failures are logged and retried, never raised."""
        while True:
            began = self._clock.monotonic()
            is_fresh = self._resume is None
            try:
                if is_fresh:
                    await self._list()
                received = await self._watch(self._resume or "")
                if received or self._clock.monotonic() - began >= _SETTLED_WATCH:
                    self._failures = 0
                    continue  # streams end, that is their nature
            except ExpiredError:
                self._resume = None
                if not is_fresh:  # the usual case, after a long silence or outage: no reason to wait
                    continue
            except asyncio.CancelledError as error:
                if is_being_cancelled():
                    raise
                self._note_failure(error)
            except Exception as error:  # noqa: BLE001 -- whatever the store does, its readers must get going again
                self._note_failure(error)
            await self._clock.sleep(self._backoff.delay(self._failures))
            self._failures += 1

    def _note_failure(self, error: BaseException) -> None:
        self._last_error = error
        self.restarts += 1
        self._tried.set()
        is_ours = not isinstance(error, PilotageError | OSError)
        logger.warning(
            "%s: cannot be followed, trying again: %s", self.kind.resource, error, exc_info=is_ours
        )

    async def _list(self) -> None:
        """Bring the cache to a snapshot in one step."""
        listing = await self._source.list(self.kind)
        self._ahead.clear()
        is_initial = not self.has_synced
        gone = self._objects.keys() - {found.key for found in listing.items}
        for key in gone:
            self._remove(key)
        for found in listing.items:
            self._put(found, is_initial=is_initial)
        self._resume = listing.resource_version
        self._last_error = None
        self._synced.set()
        self._tried.set()
        self._note_progress()

    async def _watch(self, resource_version: str) -> int:
        """Follow one stream to its end; how many events it had."""
        received = 0
        async with _closing(self._source.watch(self.kind, resource_version)) as events:
            async for event in events:
                self._take(event)
                self._failures = 0
                self._last_error = None
                received += 1
                if received % _EVENTS_AT_ONCE == 0:
                    await asyncio.sleep(0)
        return received

    def _take(self, event: Event) -> None:
        found = event.object
        if event.type == "BOOKMARK" or (self._ahead and self._is_behind(found)):
            pass
        elif event.type == "DELETED":
            self._remove(found.key)
        else:
            self._put(found)
        self._resume = found.meta.resource_version or self._resume
        self._note_progress()

    def _is_behind(self, found: Object) -> bool:
        """Is this an older state of an object that we wrote meanwhile?"""
        ahead = self._ahead.get(found.key)
        if ahead is None:
            return False
        version = _number(found.meta.resource_version)
        if version is not None and version < ahead:
            return True
        del self._ahead[found.key]
        return False

    def _put(self, found: Object, *, is_initial: bool = False) -> None:
        key = found.key
        old = self._objects.get(key)
        if old is not None:
            if _is_same(old, found):
                return
            if old.meta.uid != found.meta.uid:
                self._remove(key)
                old = None
        _share_strings(found, old)
        self._objects[key] = found
        self._tell(key, Delta(old, found, is_initial))

    def _remove(self, key: ObjectKey) -> None:
        old = self._objects.pop(key, None)
        if old is not None:
            self._tell(key, Delta(old, None))

    def _tell(self, key: ObjectKey, delta: Delta) -> None:
        """The cache has it; then the indexes, then the handlers: whoever is told may read."""
        for index in self._indexes.values():
            index.replace(key, delta.old, delta.new)
        for handler in self._handlers:
            _tell(handler, delta)

    def _holds(self, items: tuple[Object, ...]) -> bool:
        if not self.has_synced or len(items) != len(self._objects):
            return False
        return all(
            (held := self._objects.get(found.key)) is not None and _is_same(held, found) for found in items
        )

    def _note_progress(self) -> None:
        self._progress += 1
        while self._followers:
            follower = self._followers.pop()
            if not follower.done():
                follower.set_result(None)


class _Index:
    """Value to keys. Values are computed again for the old object: most changes move nothing, and cost no more than that."""

    def __init__(self, function: IndexFunction) -> None:
        self._function = function
        self._filed: dict[Hashable, set[ObjectKey]] = {}

    def select(self, value: Hashable) -> Iterable[ObjectKey]:
        return self._filed.get(value, ())

    def replace(self, key: ObjectKey, old: Object | None, new: Object | None) -> None:
        before = self._values(old) if old is not None else ()
        after = self._values(new) if new is not None else ()
        if before == after:
            return
        for value in set(before).difference(after):
            filed = self._filed[value]
            filed.remove(key)
            if not filed:
                del self._filed[value]
        for value in after:
            self._filed.setdefault(value, set()).add(key)

    def _values(self, found: Object) -> tuple[Hashable, ...]:
        """An object that the function cannot read is filed nowhere; it must not stop the kind."""
        try:
            return tuple(self._function(found))
        except Exception:
            logger.exception("%s: cannot be indexed", found)
            return ()


def _tell(handler: Handler, delta: Delta) -> None:
    """One handler that fails must not keep the others from hearing."""
    try:
        handler(delta)
    except Exception:
        logger.exception("%s: a handler failed", delta.new or delta.old)


def _is_same(held: Object, found: Object) -> bool:
    version = held.meta.resource_version
    if version:
        return version == found.meta.resource_version and held.meta.uid == found.meta.uid
    return held == found  # a store without versions, such as a folder of manifests


def _number(version: str) -> int | None:
    """Kubernetes promises that versions of one kind compare as numbers; None for a store that gives other ones."""
    return int(version) if version.isdecimal() else None


def _by_name(key: ObjectKey) -> tuple[str, str]:
    return key.namespace, key.name


def _share_strings(found: Object, old: Object | None) -> None:
    """Ten thousand objects have a few hundred different label values and namespaces: keep each text once.

    The strings are exchanged for equal ones, those of the object's last state at best, so nobody who holds the object can tell.
    """
    header, meta = found.header, found.header.metadata
    if old is not None and old.header.metadata.labels == meta.labels:
        _exchange(meta, "labels", old.header.metadata.labels)
    elif meta.labels:
        for name, value in meta.labels.items():
            meta.labels[name] = sys.intern(value)
    _exchange(meta, "namespace", sys.intern(meta.namespace))
    _exchange(header, "kind", sys.intern(header.kind))
    _exchange(header, "api_version", sys.intern(header.api_version))


@asynccontextmanager
async def _closing(events: AsyncIterator[Event]) -> AsyncIterator[AsyncIterator[Event]]:
    """A watch that is an async generator holds resources of the store: give them back at once, not when collected."""
    try:
        yield events
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
