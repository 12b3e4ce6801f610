"""The embedded store: the client port over SQLite, in a file or in memory."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import msgspec
import orjson

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import Event, InvalidObjectError, Listing, NotFoundError
from pilotage.store.embedded import rows
from pilotage.store.embedded.database import Database, Settings, Transaction
from pilotage.store.embedded.kinds import TraitsOf, storage_type, well_known_traits
from pilotage.store.embedded.metadata import required_key
from pilotage.store.embedded.verbs import Verbs
from pilotage.store.embedded.watching import Watches

__all__ = ["Clock", "EmbeddedStore", "Retention"]

T = TypeVar("T")

_FOREVER = 1 << 40
_RESTORE_BATCH = 500
_COMPACT_EVERY = 1000
"""Versions between two looks at the log: what a look may remove is then small."""


class Clock(Protocol):
    """What the store needs of a clock."""

    def now(self) -> datetime: ...


class Retention(msgspec.Struct, frozen=True):
    """How far back a watch may resume: changes of the last `seconds`, and at most `rows` of them."""

    seconds: int = 600
    rows: int = 100_000


class EmbeddedStore:
    """A small Kubernetes API in this process. Open with `EmbeddedStore.open`, close with `close` or `async with`.

    Status is a subresource, as on a cluster: `create` and `apply` ignore it, `patch_status` sets it. To load a
    sample with its status, apply the object and then patch its status; to copy objects as they are, `restore`.
    """

    def __init__(self, database: Database, verbs: Verbs, watches: Watches, retention: Retention) -> None:
        self._database = database
        self._verbs = verbs
        self._watches = watches
        self._retention = retention
        self._next_compaction = _COMPACT_EVERY

    @classmethod
    async def open(
        cls,
        path: Path | None,
        clock: Clock,
        *,
        traits_of: TraitsOf = well_known_traits,
        is_durable: bool = True,
        retention: Retention | None = None,
        bookmark_seconds: float = 60.0,
        entropy: random.Random | None = None,
    ) -> EmbeddedStore:
        """Open or make the store at `path`; None keeps it in memory, gone when closed.

        Other processes may have the same file open. `entropy` makes uids and generated names reproducible.
        Raises InputError when the file is no store or of a newer version, StoreBusyError, RemoteError.
        """
        settings = Settings(path, rows.SCHEMA, rows.SCHEMA_VERSION, is_durable)
        database = await Database.open(settings)
        verbs = Verbs(_moments(clock), entropy or secrets.SystemRandom(), traits_of)
        watches = Watches(database, bookmark_seconds)
        # A clock that jumps by days, as in rehearsals, must not age what was never on a disk.
        default = Retention() if path is not None else Retention(seconds=_FOREVER)
        store = cls(database, verbs, watches, retention or default)
        database.on_commit = watches.wake
        database.on_orphans = store._collect
        try:
            await database.write(store._resume)
        except BaseException:
            await database.close()
            raise
        return store

    async def close(self) -> None:
        """Finish what was begun, dependents of removed objects included, and end every watch."""
        self._watches.close()
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Reader

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        type_ = storage_type(kind.group, kind.kind)
        body = await self._database.read(lambda connection: rows.read(connection, type_, key))
        if body is None:
            raise NotFoundError(kind, key)
        return Object.parse(body)

    async def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Listing:
        type_ = storage_type(kind.group, kind.kind)
        return await self._database.read(
            lambda connection: Listing(
                tuple(map(Object.parse, rows.read_list(connection, type_, namespace, labels or {}))),
                str(rows.current_version(connection)),
            )
        )

    async def everything(self) -> Listing:
        """Every object of every kind, by type, namespace and name: what a copy of the store begins with."""
        return await self._database.read(
            lambda connection: Listing(
                tuple(map(Object.parse, rows.read_all(connection))), str(rows.current_version(connection))
            )
        )

    # Watcher

    def watch(self, kind: Kind, resource_version: str, namespace: str = "") -> AsyncIterator[Event]:
        """From `0` or an empty version, the objects that are there come first, as ADDED."""
        return self._watches.watch(kind, resource_version, namespace)

    # Writer

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:
        sent = _sent(kind, manifest)
        return await self._write(lambda tx: self._verbs.create(tx, kind, sent, manager))

    async def apply(
        self,
        kind: Kind,
        key: ObjectKey,
        manifest: Mapping[str, Any],
        *,
        manager: str,
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """A `resourceVersion` or `uid` in the manifest is a precondition: ConflictError unless the object still has it."""
        sent = _sent(kind, manifest)
        return await self._write(
            lambda tx: self._verbs.apply(tx, kind, key, sent, manager, force=force, dry_run=dry_run)
        )

    async def patch_status(
        self, kind: Kind, key: ObjectKey, status: Mapping[str, Any], *, manager: str
    ) -> Object:
        sent = _sent(kind, status)
        return await self._write(lambda tx: self._verbs.apply_status(tx, kind, key, sent, manager))

    async def replace(
        self, kind: Kind, key: ObjectKey, manifest: Mapping[str, Any], *, manager: str
    ) -> Object:
        """The whole object instead of the one that is there, its status aside; `resourceVersion` is a precondition.

        For clients that read, change and write. Raises NotFoundError, ConflictError, InvalidObjectError.
        """
        sent = _sent(kind, manifest)
        return await self._write(lambda tx: self._verbs.replace(tx, kind, key, sent, manager))

    async def delete(self, kind: Kind, key: ObjectKey) -> None:
        """Objects that name the deleted one as their only owner follow in the background."""
        required_key(kind, key.namespace, key.name)
        await self._write(lambda tx: self._verbs.delete(tx, kind, key))

    async def restore(self, objects: Iterable[Object]) -> None:
        """Write objects as they were elsewhere: uid, times, managers, status; each gets a version of this store."""
        batch = []
        for item in objects:
            batch.append(item.raw)
            if len(batch) == _RESTORE_BATCH:
                await self._restore(batch)
                batch = []
        if batch:
            await self._restore(batch)

    async def _restore(self, batch: Sequence[bytes]) -> None:
        def work(tx: Transaction) -> None:
            for raw in batch:
                self._verbs.restore(tx, raw)

        await self._write(work)

    # Upkeep

    async def compact(self, through: str | None = None) -> str:
        """Forget changes up to a version (None: all), and answer the oldest version from which a watch can resume."""
        return await self._database.write(
            lambda tx: str(
                rows.compact(
                    tx.connection, rows.current_version(tx.connection) if through is None else int(through)
                )
            )
        )

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        def and_upkeep(tx: Transaction) -> T:
            answer = work(tx)
            self._upkeep(tx)
            return answer

        return await self._database.write(and_upkeep)

    def _upkeep(self, tx: Transaction) -> None:
        """Trim the log now and then, along with a write that grows it."""
        if tx.newest < self._next_compaction:
            return
        self._next_compaction = tx.newest + _COMPACT_EVERY
        _, now = self._verbs.now()
        keep = self._retention
        rows.compact(tx.connection, rows.version_before(tx.connection, now - keep.seconds, keep.rows))

    def _resume(self, tx: Transaction) -> None:
        """What an earlier process left to do."""
        tx.has_orphans = rows.next_gone(tx.connection) is not None
        self._next_compaction = rows.current_version(tx.connection) + 1

    def _collect(self, tx: Transaction) -> None:
        """Look after the dependents of one removed object; those of their removal get their turn."""
        uid = rows.next_gone(tx.connection)
        if uid is None:
            return
        for type_, key in rows.dependents(tx.connection, uid):
            self._verbs.release(tx, type_, key)
        rows.settle_gone(tx.connection, uid)
        tx.has_orphans = True


def _sent(kind: Kind, manifest: Mapping[str, Any]) -> bytes:
    """The manifest as it is now, as JSON: the caller may go on changing it."""
    try:
        return orjson.dumps(manifest)
    except TypeError as error:
        raise InvalidObjectError(f"{kind.kind}: not JSON: {error}") from None


def _moments(clock: Clock) -> Callable[[], tuple[str, int]]:
    """The clock as the store writes times: RFC 3339 in UTC, and seconds. Many writes share a second, and its text."""
    latest = ("", -1)

    def now() -> tuple[str, int]:
        nonlocal latest
        moment = clock.now()
        seconds = int(moment.timestamp())
        if seconds != latest[1]:
            latest = (moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), seconds)
        return latest

    return now
