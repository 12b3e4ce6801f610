"""The embedded store: the client port over SQLite, in a file or in memory."""

from __future__ import annotations

import contextlib
import random
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import msgspec
import orjson

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import (
    Deleted,
    DeleteOptions,
    Event,
    InvalidObjectError,
    Listing,
    ListOptions,
    MethodError,
    NotFoundError,
    Page,
    PatchType,
    Subresource,
    Version,
    WatchOptions,
    WriteOptions,
    Written,
)
from pilotage.store.embedded import rows, scaling
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.embedded.database import Database, Settings, Transaction
from pilotage.store.embedded.definitions import Definitions
from pilotage.store.embedded.intake import conflict
from pilotage.store.embedded.kinds import ServedKind, TraitsOf, storage_type, well_known_traits
from pilotage.store.embedded.listing import Selection, Snapshots, check_watch
from pilotage.store.embedded.metadata import required_key
from pilotage.store.embedded.pen import Pen, in_version
from pilotage.store.embedded.removal import Removal
from pilotage.store.embedded.reviewing import Admission
from pilotage.store.embedded.reviews import Attempt, ReviewNeededError, ServiceAddress
from pilotage.store.embedded.verbs import Verbs, has_subresource, no_subresource
from pilotage.store.embedded.watching import Request, Watches

__all__ = ["Clock", "EmbeddedStore", "Retention"]

T = TypeVar("T")

_FOREVER = 1 << 40
_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_RESTORE_BATCH = 500
_REVIEWS = 8
"""How often webhooks are asked about one write before somebody who changes the object all the time wins."""
_COMPACT_EVERY = 1000
"""Versions between two looks at the log: what a look may remove is then small."""


class Clock(Protocol):
    """What the store needs of a clock."""

    def now(self) -> datetime: ...


class Retention(msgspec.Struct, frozen=True):
    """How far back a watch may resume: changes of the last `seconds`, and at most `rows` of them."""

    seconds: int = 600
    rows: int = 100_000


class _Rules(msgspec.Struct, frozen=True):
    """What a store and its forks share."""

    clock: Clock
    traits_of: TraitsOf
    entropy: random.Random
    is_strict: bool
    service_address: ServiceAddress | None = None


class EmbeddedStore:
    """A small Kubernetes API in this process. Open with `EmbeddedStore.open`, close with `close` or `async with`.

    Status is a subresource, as on a cluster: `create` and `apply` ignore it, `patch_status` sets it. To load a
    sample with its status, apply the object and then patch its status; to copy objects as they are, `restore`.
    """

    def __init__(
        self,
        database: Database,
        rules: _Rules,
        retention: Retention,
        bookmark_seconds: float,
        *,
        is_fork: bool = False,
    ) -> None:
        """For `open` and `fork`."""
        self._database = database
        self._rules = rules
        pen = Pen(_moments(rules.clock))
        self._definitions = Definitions(rules.traits_of, is_strict=rules.is_strict)
        admission = Admission(self._definitions, calls_webhooks=not is_fork)
        self._removal = Removal(pen, self._definitions, admission, is_strict=rules.is_strict)
        self._verbs = Verbs(
            pen, rules.entropy, self._definitions, self._removal, admission, is_strict=rules.is_strict
        )
        self._watches = Watches(database, bookmark_seconds)
        self._retention = retention
        self._snapshots = Snapshots()
        self._next_compaction = _COMPACT_EVERY
        database.on_commit = self._watches.wake
        database.on_orphans = self._removal.look_after

    @classmethod
    async def open(
        cls,
        path: Path | None,
        clock: Clock,
        *,
        traits_of: TraitsOf = well_known_traits,
        is_durable: bool = True,
        is_strict: bool = False,
        is_shared: bool = True,
        retention: Retention | None = None,
        bookmark_seconds: float = 60.0,
        entropy: random.Random | None = None,
        service_address: ServiceAddress | None = None,
    ) -> EmbeddedStore:
        """Open or make the store at `path`; None keeps it in memory, gone when closed.

        `is_strict`: as a whole cluster. The namespaces that every cluster has are there, objects live in namespaces that are
        there, and a kind must be built in or defined. Otherwise the store takes parts of a cluster as they come.
        `is_shared`: other processes may have the same file open, unless one of them asked to be alone. `entropy` makes uids and
        generated names reproducible. `service_address` says where webhooks that are services of the cluster can be reached;
        without it such a webhook cannot be asked.

        Raises InputError when the file is no store or of a newer version, StoreBusyError, RemoteError.
        """
        settings = Settings(
            path, rows.SCHEMA, rows.SCHEMA_VERSION, is_durable, rows.UPGRADES, is_shared=is_shared
        )
        database = await Database.open(settings)
        rules = _Rules(clock, traits_of, entropy or secrets.SystemRandom(), is_strict, service_address)
        # A clock that jumps by days, as in rehearsals, must not age what was never on a disk.
        default = Retention() if path is not None else Retention(seconds=_FOREVER)
        store = cls(database, rules, retention or default, bookmark_seconds)
        await store._begin()
        return store

    async def fork(
        self, clock: Clock | None = None, *, entropy: random.Random | None = None
    ) -> EmbeddedStore:
        """A copy in memory, as of now, that goes its own way: versions, managers and what is left to do go on there.

        Costs about as much as copying the bytes of all objects. A fork calls no webhooks: it must not reach outside.
        """
        rules = _Rules(
            clock or self._rules.clock,
            self._rules.traits_of,
            entropy or self._rules.entropy,
            self._rules.is_strict,
        )
        database = await self._database.fork()
        store = EmbeddedStore(
            database, rules, Retention(seconds=_FOREVER), self._watches.bookmark_seconds, is_fork=True
        )
        await store._begin()
        return store

    async def _begin(self) -> None:
        try:
            await self._database.write(self._resume)
            if self._rules.is_strict:
                await self._database.write(lambda tx: self._verbs.make_namespaces(tx, _NAMESPACES))
        except BaseException:
            await self._database.close()
            raise

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
        return await self._database.read(lambda connection: self._get(connection, kind, key))

    def _get(self, connection: sqlite3.Connection, kind: Kind, key: ObjectKey) -> Object:
        is_defined = self._definitions.is_defined(connection, kind)
        body = rows.read(connection, storage_type(kind.group, kind.kind), key)
        if body is None:
            raise NotFoundError(kind, key)
        return Object.parse(in_version(body, kind.api_version) if is_defined else body)

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, name: str = ""
    ) -> Listing:
        type_ = storage_type(kind.group, kind.kind)

        def work(connection: sqlite3.Connection) -> Listing:
            is_defined = self._definitions.is_defined(connection, kind)
            bodies = rows.read_list(connection, type_, namespace, labels or {})
            if is_defined:
                bodies = [in_version(body, kind.api_version) for body in bodies]
            found = map(Object.parse, bodies)
            wanted = tuple(item for item in found if name in ("", item.meta.name))
            return Listing(wanted, str(rows.current_version(connection)))

        return await self._database.read(work)

    async def read(self, kind: Kind, key: ObjectKey, subresource: Subresource = "") -> Object:
        def work(connection: sqlite3.Connection) -> Object:
            traits = self._definitions.traits(connection, kind) if subresource else None
            if traits is not None and not has_subresource(kind, traits, subresource):
                raise no_subresource(kind, key, traits)
            item = self._get(connection, kind, key)
            if subresource != "scale" or traits is None or traits.scale is None:
                return item
            return Object.of(scaling.scale_of(item.value(), traits.scale))

        return await self._database.read(work)

    async def page(self, kind: Kind, options: ListOptions) -> Page:
        def work(connection: sqlite3.Connection) -> Page:
            traits = self._definitions.traits(connection, kind)
            selection = Selection(traits, options.labels, options.fields)
            return self._snapshots.page(connection, kind, traits, selection, options)

        return await self._database.read(work)

    async def kinds(self) -> tuple[ServedKind, ...]:
        """Every kind in every version that is served: what discovery tells."""
        return await self._database.read(self._definitions.served)

    async def everything(self) -> Listing:
        """Every object of every kind, by type, namespace and name: what a copy of the store begins with."""
        return await self._database.read(
            lambda connection: Listing(
                tuple(map(Object.parse, rows.read_all(connection))), str(rows.current_version(connection))
            )
        )

    # Watcher

    def watch(
        self, kind: Kind, resource_version: str, namespace: str = "", *, name: str = ""
    ) -> AsyncIterator[Event]:
        """From `0` or an empty version, the objects that are there come first, as ADDED."""
        begins = resource_version in {"", "0"}
        request = Request(kind, namespace, resource_version, begins=begins)

        def prepare(connection: sqlite3.Connection) -> Request:
            is_defined = self._definitions.is_defined(connection, kind)
            if not name:
                return msgspec.structs.replace(request, is_versioned=is_defined)
            only = Selection(self._definitions.traits(connection, kind), "", f"metadata.name={name}")
            return msgspec.structs.replace(request, is_versioned=is_defined, selection=only)

        return self._watches.watch(request, prepare)

    def follow(self, kind: Kind, options: WatchOptions) -> AsyncIterator[Event]:
        check_watch(options)
        begins = options.initial_events
        if begins is None:
            begins = options.resource_version in {"", "0"}

        def prepare(connection: sqlite3.Connection) -> Request:
            traits = self._definitions.traits(connection, kind)
            version = options.resource_version
            if options.initial_events is False and version in {"", "0"}:
                version = str(rows.current_version(connection))
            return Request(
                kind,
                options.namespace,
                version,
                Selection(traits, options.labels, options.fields),
                begins=begins,
                marks_end=bool(options.initial_events) and options.has_bookmarks,
                has_bookmarks=options.has_bookmarks,
                is_versioned=traits.is_versioned,
            )

        return self._watches.watch(Request(kind), prepare)

    # Writer

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:
        sent = _sent(kind, manifest)
        options = WriteOptions(manager=manager)
        return (await self._write(lambda tx: self._verbs.create(tx, kind, None, sent, options))).object

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
        options = WriteOptions(manager=manager, force=force, is_dry_run=dry_run)
        return (await self._write(lambda tx: self._verbs.apply(tx, kind, key, sent, options))).object

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: Version = "",
    ) -> Object:
        stated = orjson.loads(_sent(kind, status))
        options = WriteOptions(manager=manager, force=True)
        return await self._write(
            lambda tx: self._verbs.apply_status(tx, kind, key, stated, options, resource_version)
        )

    async def replace(
        self, kind: Kind, key: ObjectKey, manifest: Mapping[str, Any], *, manager: str
    ) -> Object:
        """The whole object instead of the one that is there, its status aside; `resourceVersion` is a precondition.

        For clients that read, change and write. Raises NotFoundError, ConflictError, InvalidObjectError.
        """
        sent = _sent(kind, manifest)
        options = WriteOptions(manager=manager)
        return (
            await self._write(
                lambda tx: self._verbs.replace(tx, kind, key, sent, options, needs_version=False)
            )
        ).object

    async def delete(self, kind: Kind, key: ObjectKey) -> None:
        """Objects that name the deleted one as their only owner follow in the background."""
        required_key(kind, key.namespace, key.name)
        await self._write(lambda tx: self._removal.delete(tx, kind, key, DeleteOptions()))

    async def post(
        self, kind: Kind, namespace: str, manifest: Mapping[str, Any], options: WriteOptions
    ) -> Written:
        sent = _sent(kind, manifest)
        return await self._write(lambda tx: self._verbs.create(tx, kind, namespace, sent, options))

    async def put(
        self,
        kind: Kind,
        key: ObjectKey,
        manifest: Mapping[str, Any],
        options: WriteOptions,
        subresource: Subresource = "",
    ) -> Written:
        sent = _sent(kind, manifest)
        return await self._write(lambda tx: self._verbs.replace(tx, kind, key, sent, options, subresource))

    async def patch(
        self,
        kind: Kind,
        key: ObjectKey,
        patch_type: PatchType,
        patch: Any,
        options: WriteOptions,
        subresource: Subresource = "",
    ) -> Written:
        sent = _sent(kind, patch)
        return await self._write(
            lambda tx: self._verbs.patch(tx, kind, key, patch_type, sent, options, subresource)
        )

    async def remove(self, kind: Kind, key: ObjectKey, options: DeleteOptions) -> Deleted:
        def work(tx: Transaction) -> Deleted:
            traits = self._definitions.traits(tx.connection, kind)
            deleted = self._removal.delete(tx, kind, key, options)
            if not traits.is_versioned:
                return deleted
            shown = Object.parse(in_version(deleted.object.raw, kind.api_version))
            return msgspec.structs.replace(deleted, object=shown)

        return await self._write(work)

    async def remove_all(self, kind: Kind, selection: ListOptions, options: DeleteOptions) -> Page:
        """Preconditions do not apply; what others deleted meanwhile is no error."""
        builtin = BUILT_IN.get((kind.group, kind.kind))
        if builtin is not None and not builtin.deletes_many:
            raise MethodError
        doomed = await self.page(kind, selection)
        each = DeleteOptions(propagation=options.propagation, is_dry_run=options.is_dry_run)

        def work(tx: Transaction, batch: Sequence[Object]) -> None:
            for item in batch:
                with contextlib.suppress(NotFoundError):
                    self._removal.delete(tx, kind, item.key, each)

        for start in range(0, len(doomed.items), _RESTORE_BATCH):
            batch = doomed.items[start : start + _RESTORE_BATCH]
            await self._write(lambda tx, batch=batch: work(tx, batch))  # type: ignore[misc]  # mypy: lambda default
        return doomed

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
        try:
            return await self._run(work, None)
        except ReviewNeededError as needed:
            first = needed
        return await self._reviewed(work, first)

    async def _run(self, work: Callable[[Transaction], T], attempt: Attempt | None) -> T:
        drawn = {} if attempt is None else attempt.drawn

        def and_upkeep(tx: Transaction) -> T:
            # Others may have written before in the same transaction.
            tx.attempt, tx.drawn = attempt, drawn
            try:
                answer = work(tx)
            except ReviewNeededError as needed:
                needed.drawn = drawn
                raise
            self._upkeep(tx)
            return answer

        return await self._database.write(and_upkeep)

    async def _reviewed(self, work: Callable[[Transaction], T], needed: ReviewNeededError) -> T:
        """Ask those who want to be asked, and write again; as long as others change what they were asked about."""
        # Start-up time: most stores have no webhooks.
        from pilotage.store.embedded.webhooks import ask  # noqa: PLC0415

        attempt = Attempt()
        attempt.drawn = needed.drawn
        for _ in range(_REVIEWS):
            await ask(needed, attempt, self._rules.service_address)
            try:
                answer = await self._run(work, attempt)
            except ReviewNeededError as again:
                needed = again
                continue
            if isinstance(answer, Written) and attempt.warnings:
                told = tuple(dict.fromkeys((*answer.warnings, *attempt.warnings)))
                return msgspec.structs.replace(answer, warnings=told)
            return answer
        raise conflict(
            needed.review.kind,
            needed.review.key.name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )

    def _upkeep(self, tx: Transaction) -> None:
        """Trim the log now and then, along with a write that grows it."""
        if tx.newest < self._next_compaction:
            return
        self._next_compaction = tx.newest + _COMPACT_EVERY
        now = int(self._rules.clock.now().timestamp())
        keep = self._retention
        rows.compact(tx.connection, rows.version_before(tx.connection, now - keep.seconds, keep.rows))

    def _resume(self, tx: Transaction) -> None:
        """What an earlier process left to do."""
        tx.has_orphans = (
            rows.next_gone(tx.connection) is not None or rows.next_held(tx.connection) is not None
        )
        self._next_compaction = rows.current_version(tx.connection) + 1


def _sent(kind: Kind, manifest: Any) -> bytes:
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
