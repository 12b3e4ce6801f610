"""Watches: who waits for which kind of change, and how a waiting watch catches up.

A watch holds only a version. It reads the changes after that version, tells them, and sleeps until a commit touches
its kind; a commit carries no objects to anybody. So a slow watcher costs nothing, and one that slept through a
thousand changes of an object is told the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import orjson

from pilotage.api.meta import Kind, Object
from pilotage.store.base import Event, InvalidObjectError
from pilotage.store.embedded import rows
from pilotage.store.embedded.database import Database
from pilotage.store.embedded.kinds import storage_type

__all__ = ["Watches"]

_BATCH = 500
"""Changes read at a time: bounds memory, and how long the reader thread is held."""


class Watches:
    """Everybody who watches one database. `bookmark_seconds`: a watch with nothing to tell says how far it is."""

    def __init__(self, database: Database, bookmark_seconds: float) -> None:
        self._database = database
        self._bookmark_seconds = bookmark_seconds
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

    async def watch(self, kind: Kind, resource_version: str, namespace: str) -> AsyncIterator[Event]:
        type_ = storage_type(kind.group, kind.kind)
        told = position = _parse_version(resource_version)
        unseen: set[tuple[str, str]] = set()
        with self._waiter(type_) as changed:
            if position == 0:
                # As the Kubernetes API: from "0" or "" a watch begins with what is there.
                bodies, position = await self._database.read(
                    lambda connection: (
                        rows.read_list(connection, type_, namespace, {}),
                        rows.current_version(connection),
                    )
                )
                for body in bodies:
                    yield Event("ADDED", Object.parse(body))
                told = position
            while not self._is_closed:
                changed.clear()
                after = position
                changes, position, has_more = await self._database.read(
                    lambda connection, after=after: rows.read_changes(  # type: ignore[misc]  # mypy: lambda default
                        connection, type_, namespace, after, unseen, _BATCH
                    )
                )
                for change in changes:
                    yield Event(change.type, Object.parse(change.body))
                    told = position
                if has_more:
                    continue
                try:
                    async with asyncio.timeout(self._bookmark_seconds):
                        await changed.wait()
                except TimeoutError:
                    if position > told:
                        yield Event("BOOKMARK", _bookmark(kind, position))
                        told = position


def _parse_version(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal():
        raise InvalidObjectError(
            f'resourceVersion: Invalid value: "{text}": must be a number that a list returned'
        )
    return int(text)


def _bookmark(kind: Kind, version: int) -> Object:
    return Object.parse(
        orjson.dumps(
            {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": {"resourceVersion": str(version)},
            }
        )
    )
