"""Watches: who waits for which kind of change, and how a waiting watch catches up.

A watch holds only a version. It reads the changes after that version, tells them, and sleeps until a commit touches
its kind; a commit carries no objects to anybody. So a slow watcher costs nothing, and one that slept through a
thousand changes of an object is told the last.

A watch with selectors is told of an object that comes into the selection as ADDED, of one that leaves it as DELETED. It
remembers which objects it knows.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
import orjson

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import AheadError, Event
from pilotage.store.embedded import rows
from pilotage.store.embedded.database import Database
from pilotage.store.embedded.kinds import storage_type
from pilotage.store.embedded.listing import Selection, read_version
from pilotage.store.embedded.pen import in_version

__all__ = ["Request", "Watches"]

_BATCH = 500
"""Changes read at a time: bounds memory, and how long the reader thread is held."""
_INITIAL_END = "k8s.io/initial-events-end"


class Request(msgspec.Struct, frozen=True):
    """What to watch. `begins`: with what is there; `marks_end`: and says when that is told.

    `selection` None is everything. `is_versioned`: objects are told in the version of `kind`, whatever they are stored in.
    """

    kind: Kind
    namespace: str = ""
    version: str = ""
    selection: Selection | None = None
    begins: bool = False
    marks_end: bool = False
    has_bookmarks: bool = True
    is_versioned: bool = False


class Watches:
    """Everybody who watches one database. `bookmark_seconds`: a watch with nothing to tell says how far it is."""

    def __init__(self, database: Database, bookmark_seconds: float) -> None:
        self._database = database
        self.bookmark_seconds = bookmark_seconds
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._is_closed = False

    def wake(self, touched: set[str] | None) -> None:
        """A commit touched these types; None: any."""
        for type_ in self._waiting if touched is None else touched & self._waiting.keys():
            for event in self._waiting[type_]:
                event.set()

    def close(self) -> None:
        """End every watch, quietly."""
        self._is_closed = True
        self.wake(None)

    @contextmanager
    def _waiter(self, type_: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        waiting = self._waiting.setdefault(type_, set())
        waiting.add(event)
        self._database.listen()
        try:
            yield event
        finally:
            waiting.discard(event)

    async def watch(
        self, request: Request, prepare: Callable[[sqlite3.Connection], Request] | None = None
    ) -> AsyncIterator[Event]:
        """`prepare` completes the request with what only the database knows, or raises."""
        kind = request.kind
        type_ = storage_type(kind.group, kind.kind)

        def begin(connection: sqlite3.Connection) -> tuple[Request, list[bytes], int]:
            whole = request if prepare is None else prepare(connection)
            needs_objects = whole.begins or _is_selective(whole)
            bodies = rows.read_list(connection, type_, whole.namespace, {}) if needs_objects else []
            return whole, bodies, rows.current_version(connection)

        with self._waiter(type_) as changed:
            request, bodies, newest = await self._database.read(begin)
            told = position = read_version(request.version)
            unseen: set[tuple[str, str]] = set()
            filter_ = _Filter(request)
            if position > newest and request.begins:
                raise AheadError(position, newest)
            for item in filter_.begin(bodies, None if request.begins else position):
                yield Event("ADDED", item)
            if request.begins:
                told = position = newest
            if request.marks_end:
                yield Event("BOOKMARK", _bookmark(kind, position, is_end=True))
            while not self._is_closed:
                changed.clear()
                after = position
                changes, position, has_more = await self._database.read(
                    lambda connection, after=after: rows.read_changes(  # type: ignore[misc]  # mypy: lambda default
                        connection, type_, request.namespace, after, unseen, _BATCH
                    )
                )
                for change in changes:
                    event = filter_.event(change)
                    if event is not None:
                        yield event
                        told = position
                if has_more:
                    continue
                try:
                    async with asyncio.timeout(self.bookmark_seconds):
                        await changed.wait()
                except TimeoutError:
                    if position > told and request.has_bookmarks:
                        yield Event("BOOKMARK", _bookmark(kind, position))
                        told = position


def _is_selective(request: Request) -> bool:
    return request.selection is not None and not request.selection.is_everything


class _Filter:
    """What one watch is told of changes, and what it knows by now."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._selection = request.selection if _is_selective(request) else None
        self._known: set[ObjectKey] = set()
        self._uncertain = False
        self._seen: set[ObjectKey] = set()

    def begin(self, bodies: list[bytes], since: int | None) -> list[Object]:
        """The objects to begin with; with `since` none, for the watcher has listed what was there at that version."""
        if since is None:
            selected = [item for item in map(self._read, bodies) if self._lets_through(item)]
            if self._selection is not None:
                self._known.update(item.key for item in selected)
            return selected
        self._uncertain = True
        for item in map(self._read, bodies):
            if int(item.meta.resource_version) <= since:
                self._seen.add(item.key)
                if self._lets_through(item):
                    self._known.add(item.key)
        return []

    def event(self, change: rows.Change) -> Event | None:
        item = self._read(change.body)
        if self._selection is None:
            return Event(change.type, item)
        if self._selection.name not in (None, item.meta.name):
            return None  # a name does not change: this one never was selected
        key, is_selected = item.key, self._lets_through(item)
        # Of an object that changed between the watcher's list and now nobody knows whether it was in that list.
        may_be_known = self._uncertain and key not in self._seen and change.type != rows.ADDED
        was_selected = key in self._known or may_be_known
        if self._uncertain:
            self._seen.add(key)
        if change.type == rows.DELETED or not is_selected:
            self._known.discard(key)
            return Event("DELETED", item) if was_selected or is_selected else None
        self._known.add(key)
        type_: Literal["ADDED", "MODIFIED"] = "MODIFIED" if was_selected else "ADDED"
        return Event(type_, item)

    def _lets_through(self, item: Object) -> bool:
        return self._selection is None or item in self._selection

    def _read(self, body: bytes) -> Object:
        if self._request.is_versioned:
            return Object.parse(in_version(body, self._request.kind.api_version))
        return Object.parse(body)


def _bookmark(kind: Kind, version: int, *, is_end: bool = False) -> Object:
    metadata: dict[str, object] = {"resourceVersion": str(version)}
    if is_end:
        metadata["annotations"] = {_INITIAL_END: "true"}
    return Object.parse(
        orjson.dumps({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata})
    )
