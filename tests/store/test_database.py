"""The writer thread: groups of writes, and the one among them that goes wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilotage.api.errors import RemoteError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import InvalidObjectError
from pilotage.store.embedded import EmbeddedStore, Retention
from pilotage.store.embedded.database import Database, Settings, Transaction

KIND = Kind("", "v1", "ConfigMap", "configmaps")


@pytest.fixture(params=["file", "memory"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "x.sqlite" if request.param == "file" else None
    opened = await Database.open(Settings(path, "CREATE TABLE t (x INTEGER)", 1))
    yield opened
    await opened.close()


def add(number: int):
    return lambda tx: tx.connection.execute("INSERT INTO t VALUES (?)", (number,)).rowcount


async def stored(database: Database) -> list[int]:
    return await database.read(
        lambda connection: [x for (x,) in connection.execute("SELECT x FROM t ORDER BY x")]
    )


async def test_a_refused_write_leaves_its_neighbours_alone(database: Database):
    """Of a group, only the write that was refused fails; nothing of it is there."""

    def refuse(_: Transaction) -> None:
        raise InvalidObjectError("no")

    answers = await asyncio.gather(
        *(database.write(add(number)) for number in range(20)), database.write(refuse), return_exceptions=True
    )
    assert isinstance(answers[-1], InvalidObjectError)
    assert await stored(database) == list(range(20))


async def test_a_write_that_breaks_half_way_is_undone_alone(database: Database):
    """A write that fails after it wrote takes back what it wrote, and the others of its group are kept."""

    def break_off(tx: Transaction) -> None:
        tx.connection.execute("INSERT INTO t VALUES (99)")
        raise ZeroDivisionError

    answers = await asyncio.gather(
        *(database.write(add(number)) for number in range(10)),
        database.write(break_off),
        *(database.write(add(number)) for number in range(10, 20)),
        return_exceptions=True,
    )
    assert isinstance(answers[10], ZeroDivisionError)
    assert await stored(database) == list(range(20))


async def test_bad_sql_is_told_in_our_words(database: Database):
    """An error of SQLite reaches callers as one of ours, from writes and reads."""
    with pytest.raises(RemoteError) as caught:
        await database.write(lambda tx: tx.connection.execute("SELECT * FROM nothing"))
    assert caught.value.code == "StoreFailed"
    assert isinstance(database, Database)


async def test_a_reader_cannot_write(tmp_path: Path):
    """The connections of readers refuse to write."""
    opened = await Database.open(Settings(tmp_path / "x.sqlite", "CREATE TABLE t (x INTEGER)", 1))
    with pytest.raises(RemoteError, match="readonly"):
        await opened.read(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))
    await opened.close()


async def test_a_caller_that_goes_away_disturbs_nobody(database: Database):
    """A write whose caller was cancelled is done or not; the next ones are."""
    task = asyncio.create_task(database.write(add(1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.write(add(2))
    assert 2 in await stored(database)


async def test_a_full_disk_fails_writes_and_loses_nothing(tmp_path: Path):
    """When there is no room, writes say so; what was answered stays, and room makes it work again."""
    path = tmp_path / "store.sqlite"
    async with await EmbeddedStore.open(path, ManualClock()) as store:
        big = {"data": {"text": "x" * 50_000}}
        await store.apply(KIND, ObjectKey("a", "kept"), big, manager="me")
        connection: sqlite3.Connection = store._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(RemoteError, match="full") as caught:
            await store.apply(KIND, ObjectKey("a", "lost"), big, manager="me")
        assert caught.value.code == "StoreFailed"
        assert [item.meta.name for item in (await store.list(KIND)).items] == ["kept"]
        connection.execute("PRAGMA max_page_count = 1000000")
        await store.apply(KIND, ObjectKey("a", "again"), big, manager="me")


@pytest.mark.parametrize(
    ("retention", "seconds", "oldest"),
    [
        pytest.param(Retention(seconds=600, rows=50), 0, 51, id="at most so many changes"),
        pytest.param(Retention(seconds=600, rows=100_000), 1200, 100, id="no older than so long"),
        pytest.param(Retention(seconds=600, rows=100_000), 60, 1, id="else everything"),
    ],
)
async def test_the_log_is_trimmed(tmp_path: Path, retention: Retention, seconds: float, oldest: int):
    """At the next start the first write trims the log to what is kept, by age and by number."""
    path, clock = tmp_path / "store.sqlite", ManualClock()
    key = ObjectKey("a", "x")
    async with await EmbeddedStore.open(path, clock, retention=retention) as store:
        for number in range(99):
            await store.apply(KIND, key, {"data": {"n": str(number)}}, manager="me")
    clock.advance(seconds)
    async with await EmbeddedStore.open(path, clock, retention=retention) as store:
        last = await store.apply(KIND, key, {"data": {"n": "last"}}, manager="me")
        assert last.meta.resource_version == "101"
        assert await store.compact("0") == str(oldest)
