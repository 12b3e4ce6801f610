"""One SQLite database behind an event loop: one writer thread that commits in groups, a pool of readers.

SQLite blocks, so nothing here runs on the event loop. Writes of all tasks queue up for one thread; what has queued
while a commit waited for the disk goes into the next commit together, so sixty-four writers share one flush where one
writer pays for its own. With `synchronous=FULL` a write that was answered survives a crash and a power cut.
Readers have connections of their own and never wait for the writer (write-ahead log). A database in memory belongs to
one connection: reads then take their turn in the writer thread; nothing else differs.

Another process may write into the same file, unless one has it for itself. The writer thread asks `PRAGMA data_version` while it
has nothing to do, and only while somebody listens: that is how a second process's write reaches a watch of the first. A file of
one process alone costs nothing while nothing happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pilotage.api.errors import InputError, PilotageError, RemoteError
from pilotage.store.base import StoreBusyError

if TYPE_CHECKING:
    from pilotage.store.embedded.reviews import Attempt

__all__ = ["Database", "Settings", "Transaction", "Work"]

T = TypeVar("T")

_BUSY_SECONDS = 5.0
"""How long a write waits for another process; its transactions take milliseconds."""
_POLL_SECONDS = 0.05
"""How old a change of another process may be before watches learn of it."""
_GROUP_LIMIT = 512
"""Writes in one commit: bounds how long the first of them waits."""
_READERS = 4
_MMAP_BYTES = 1 << 30
_WAL_LIMIT_BYTES = 64 << 20
_APPLICATION_ID = 0x50494C4F
"""`PILO`: tells our files from other SQLite files."""


class Settings(msgspec.Struct, frozen=True):
    """`path` is None for a database in memory. `is_durable` false gives up the last writes at a power cut, not at a crash.

    `is_shared`: other processes may have the file open, unless one wants it alone. `upgrades`: the statements that lead from an older schema version to the next.
    """

    path: Path | None
    schema: str
    schema_version: int
    is_durable: bool = True
    upgrades: Mapping[int, str] = {}
    is_shared: bool = True


class Transaction:
    """What a group of writes works with: the connection, and what the commit will have to tell.

    `attempt`: what is known of the review of the write that runs now, `drawn`: what it chose at random; `configured`: what
    reviews look up, kept while nothing changes it. `touched` types have changes for watchers; `newest` is the last version given out; `has_orphans`: the dependents of
    something removed are to be looked after.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.touched: set[str] = set()
        self.newest = 0
        self.has_orphans = False
        self.attempt: Attempt | None = None
        self.drawn: dict[str, str] = {}
        self.configured: object = None

    def draw(self, what: str, choose: Callable[[], str]) -> str:
        """Something chosen at random, once for all runs of one write."""
        found = self.drawn.get(what)
        if found is None:
            found = self.drawn[what] = choose()
        return found


Work = Callable[[Transaction], Any]
_Job = tuple[Work, "asyncio.Future[Any] | None"]


class _Outside:
    """Work on the connection of the writer thread that must not be part of a transaction."""

    def __init__(self, work: Callable[[sqlite3.Connection], None]) -> None:
        self.work = work

    def __call__(self, transaction: Transaction) -> None:
        self.work(transaction.connection)


class Database:
    """Open with `Database.open`; `write` and `read` run work in the right thread and answer in the caller's loop.

    `on_commit` is called in the loop after commits, with the types that were touched (None: another process wrote, nobody
    knows what). `on_orphans` is called in the writer thread after a commit and names work to queue, or None.
    """

    def __init__(self, settings: Settings, connection: sqlite3.Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._readers: list[sqlite3.Connection] = []
        self._local = threading.local()
        self._pool = (
            ThreadPoolExecutor(_READERS, "pilotage-store-read") if settings.path is not None else None
        )
        self._thread = threading.Thread(target=self._run, name="pilotage-store-write", daemon=True)
        self._is_closed = False
        self._is_listening = False
        self._lock: int | None = None
        self.on_commit: Callable[[set[str] | None], None] = lambda _touched: None
        self.on_orphans: Work | None = None

    @classmethod
    async def open(cls, settings: Settings) -> Database:
        """Raises InputError when the file is something else, StoreBusyError, RemoteError."""
        lock = await asyncio.to_thread(_lock, settings)
        try:
            connection = await asyncio.to_thread(_connect_and_prepare, settings)
        except BaseException:
            _unlock(lock)
            raise
        database = cls(settings, connection)
        database._lock = lock
        database._thread.start()
        return database

    async def fork(self) -> Database:
        """A copy in memory, as of now, that lives on its own."""
        settings = msgspec.structs.replace(self._settings, path=None)
        connection = _connect(settings)
        if self._pool is None:
            # Inside a transaction of its own a database cannot be copied.
            await self._outside(lambda source: source.backup(connection))
        else:
            await self.read(lambda source: source.backup(connection))
        database = Database(settings, connection)
        database._thread.start()
        return database

    async def close(self) -> None:
        """Finish what is queued, then let go of the file. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)
        for connection in self._readers:
            connection.close()
        self._connection.close()
        _unlock(self._lock)

    def listen(self) -> None:
        """From now on, tell of commits of other processes too."""
        if not self._is_listening:
            self._is_listening = True
            self._jobs.put((lambda _transaction: None, None))  # wakes the thread, which waits without end

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction; the answer comes once it is on disk. A PilotageError of one work is its own."""
        self._refuse_when_closed()
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((work, future))
        return await future

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on one consistent state."""
        self._refuse_when_closed()
        if self._pool is None:
            return await self.write(lambda transaction: work(transaction.connection))
        return await self._loop.run_in_executor(self._pool, self._read, work)

    async def _outside(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run `work` in the writer thread between two transactions."""
        self._refuse_when_closed()
        future: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put((_Outside(work), future))
        await future

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise RemoteError("StoreClosed", "the object store was closed", hint="open it again")

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = _connect(self._settings)
                connection.execute("PRAGMA query_only = ON")
                self._local.connection = connection
                self._readers.append(connection)
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _failure(self._settings, error) from error

    # The writer thread: everything below runs in it.

    def _run(self) -> None:
        data_version = self._data_version()
        while True:
            batch, is_last = self._take()
            if batch:
                self._perform(batch)
            while is_last and not self._jobs.empty():
                # What the last commits left to do, such as dependents of what they removed.
                self._perform(self._take()[0])
            if self._is_listening and (seen := self._data_version()) != data_version:
                data_version = seen
                self._call_in_loop(lambda: self.on_commit(None))
            if is_last:
                return

    def _take(self) -> tuple[list[_Job], bool]:
        """What is queued, at least one unless nothing came in time; and whether the end of the queue came."""
        batch: list[_Job] = []
        may_be_shared = self._is_listening and self._settings.path is not None and self._settings.is_shared
        try:
            job = self._jobs.get(timeout=_POLL_SECONDS if may_be_shared else None)
            while job is not None:
                batch.append(job)
                if len(batch) == _GROUP_LIMIT:
                    return batch, False
                job = self._jobs.get_nowait()
        except queue.Empty:
            return batch, False
        return batch, True

    def _data_version(self) -> int:
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return -1
        return int(version)

    def _perform(self, batch: list[_Job]) -> None:
        for work, future in batch:
            if isinstance(work, _Outside) and future is not None:
                self._perform_outside(work, future)
        inside = [job for job in batch if not isinstance(job[0], _Outside)]
        if inside:
            self._perform_inside(inside)

    def _perform_outside(self, work: _Outside, future: asyncio.Future[Any]) -> None:
        error: Exception | None = None
        try:
            work.work(self._connection)
        except Exception as problem:  # noqa: BLE001 the caller's await raises it
            error = self._translated(problem)
        self._call_in_loop(lambda: self._answer([(future, None, error)], set()))

    def _perform_inside(self, batch: list[_Job]) -> None:
        transaction = Transaction(self._connection)
        answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for work, future in batch:
                changes = self._connection.total_changes
                try:
                    answer, error = work(transaction), None
                except Exception as problem:
                    if self._connection.total_changes != changes:
                        raise
                    answer, error = None, self._translated(problem)
                if future is not None:
                    answers.append((future, answer, error))
            self._connection.execute("COMMIT")
        except Exception as problem:  # noqa: BLE001 the callers' awaits raise it
            self._give_up(batch, problem)
            return
        if transaction.has_orphans and self.on_orphans is not None:
            self._jobs.put((self.on_orphans, None))
        self._call_in_loop(lambda: self._answer(answers, transaction.touched))

    def _give_up(self, batch: list[_Job], problem: Exception) -> None:
        """Undo the group. One work that broke half-way must not take its neighbours along: they run again, alone."""
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        if len(batch) > 1 and not isinstance(problem, sqlite3.OperationalError):
            for job in batch:
                self._perform([job])
            return
        error = self._translated(problem)
        self._call_in_loop(
            lambda: self._answer([(future, None, error) for _, future in batch if future is not None], set())
        )

    def _translated(self, problem: Exception) -> Exception:
        return _failure(self._settings, problem) if isinstance(problem, sqlite3.Error) else problem

    def _call_in_loop(self, callback: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def _answer(
        self, answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]], touched: set[str]
    ) -> None:
        """In the loop: resolve what was asked, unless the one who asked went away."""
        if touched:
            self.on_commit(touched)
        for future, answer, error in answers:
            if future.done():
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)


def _lock(settings: Settings) -> int | None:
    """Hold the file, with others or alone, until the process ends or lets go. Raises StoreBusyError."""
    path = settings.path
    if path is None:
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _failure(settings, error) from error
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if settings.is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreBusyError(
            f"{path}: another process has this store open"
            + (" for itself alone" if settings.is_shared else ""),
            hint="if it is just starting, try again in a moment; else stop that process, talk to it, or name another file",
        ) from None
    return handle


def _unlock(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def _connect(settings: Settings) -> sqlite3.Connection:
    connection = sqlite3.connect(
        ":memory:" if settings.path is None else settings.path,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # opened and closed elsewhere, used by one thread
        cached_statements=64,
    )
    connection.execute(f"PRAGMA mmap_size = {_MMAP_BYTES}")
    return connection


def _connect_and_prepare(settings: Settings) -> sqlite3.Connection:
    path = settings.path
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Objects may be Secrets: for the owner's eyes, from the first byte.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = _connect(settings)
    except (OSError, sqlite3.Error) as error:
        raise _failure(settings, error) from error
    try:
        _is_empty(connection, settings)  # before the first change: a file of somebody else stays as it is
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if settings.is_durable else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        _prepare_schema(connection, settings)
    except sqlite3.Error as error:
        connection.close()
        raise _failure(settings, error) from error
    except PilotageError:
        connection.close()
        raise
    return connection


def _prepare_schema(connection: sqlite3.Connection, settings: Settings) -> None:
    # IMMEDIATE: of two processes that open a new file at once, one creates the schema and the other finds it.
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection, settings):
            for statement in filter(str.strip, settings.schema.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        else:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            for version in range(found, settings.schema_version):
                for statement in filter(str.strip, settings.upgrades[version].split(";")):
                    connection.execute(statement)
        (written,) = connection.execute("PRAGMA user_version").fetchone()
        if written != settings.schema_version:
            connection.execute(f"PRAGMA user_version = {settings.schema_version}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _is_empty(connection: sqlite3.Connection, settings: Settings) -> bool:
    """Is there nothing yet? Raises InputError when there is something that we cannot use."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables:
        return True
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != _APPLICATION_ID:
        raise InputError("NotAStore", f"{settings.path}: not an object store", hint="name another file")
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > settings.schema_version:
        raise InputError(
            "StoreTooNew",
            f"{settings.path}: written by a newer version"
            f" (schema {found}, this one knows {settings.schema_version})",
            hint="upgrade, or name another file",
        )
    return False


def _failure(settings: Settings, error: Exception) -> PilotageError:
    """SQLite's and the system's errors in our words; their texts name no content of objects."""
    where = "the object store in memory" if settings.path is None else str(settings.path)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusyError(
            f"{where}: another process is writing and did not finish within {_BUSY_SECONDS:g} s",
            hint="try again, or stop the other process",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return InputError("NotAStore", f"{where}: not an object store", hint="name another file")
    if code == sqlite3.SQLITE_CORRUPT:
        return RemoteError("StoreDamaged", f"{where}: {error}", hint="restore the file from a copy")
    return RemoteError(
        "StoreFailed", f"{where}: {error}", hint="look at the disk's space, health and permissions"
    )
