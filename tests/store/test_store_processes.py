"""The file between processes: killed ones, other ones, and files that are something else."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pilotage.api.errors import InputError, RemoteError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import StoreBusyError
from pilotage.store.embedded import EmbeddedStore

KIND = Kind("", "v1", "ConfigMap", "configmaps")

WRITER = """
import asyncio, os, sys
from pathlib import Path
from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore

KIND = Kind("", "v1", "ConfigMap", "configmaps")

async def write(store, life, writer):
    number = 0
    while True:
        name = f"w{writer}-{number % 20}"
        content = f"{life}-{number}"
        item = await store.apply(KIND, ObjectKey("a", name), {"data": {"content": content}}, manager="me")
        os.write(1, f"{name} {item.meta.resource_version} {content}\\n".encode())
        number += 1

async def main():
    async with await EmbeddedStore.open(Path(sys.argv[1]), SystemClock()) as store:
        await asyncio.gather(*(write(store, sys.argv[2], writer) for writer in range(16)))

asyncio.run(main())
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path):
    """A process killed at any point of its writes loses nothing it had answered for; the next one goes on."""
    path = tmp_path / "store.sqlite"
    chance = random.Random(7)
    acknowledged: dict[str, tuple[int, str]] = {}
    for life in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(life)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        with process.stdout as answers:
            for _ in range(chance.randrange(1, 800)):
                _note(acknowledged, answers.readline())
            process.send_signal(signal.SIGKILL)
            for line in answers:
                if line.endswith("\n"):
                    _note(acknowledged, line)
        assert process.wait(timeout=30) == -signal.SIGKILL
        _check(path, acknowledged)


def _note(acknowledged: dict[str, tuple[int, str]], line: str) -> None:
    name, version, content = line.split()
    acknowledged[name] = max(acknowledged.get(name, (0, "")), (int(version), content))


def _check(path: Path, acknowledged: dict[str, tuple[int, str]]) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()

    async def stored() -> dict[str, tuple[int, str]]:
        async with await EmbeddedStore.open(path, ManualClock()) as store:
            return {
                item.meta.name: (int(item.meta.resource_version), item.value()["data"]["content"])
                for item in (await store.list(KIND)).items
            }

    found = asyncio.run(stored())
    for name, (version, content) in acknowledged.items():
        # A later write may have reached the disk before its answer reached us, never an earlier one.
        assert found[name][0] >= version
        if found[name][0] == version:
            assert found[name][1] == content


async def test_another_processs_write_reaches_a_watch(tmp_path: Path):
    """A watch of one process is told what another one writes into the same file."""
    path = tmp_path / "store.sqlite"
    program = """
import asyncio, sys
from pathlib import Path
from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore

async def main():
    async with await EmbeddedStore.open(Path(sys.argv[1]), SystemClock()) as store:
        kind = Kind("", "v1", "ConfigMap", "configmaps")
        await store.apply(kind, ObjectKey("a", "guest"), {}, manager="guest")

asyncio.run(main())
"""
    async with await EmbeddedStore.open(path, ManualClock()) as store:
        start = (await store.list(KIND)).resource_version

        async def first() -> str:
            async for event in store.watch(KIND, start):
                return event.object.meta.name
            raise AssertionError("the watch ended")

        watching = asyncio.create_task(first())
        guest = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(path))
        async with asyncio.timeout(30):
            assert await guest.wait() == 0
            assert await watching == "guest"
        # And the two agree on versions: ours continue where the guest's ended.
        ours = await store.apply(KIND, ObjectKey("a", "host"), {}, manager="host")
        theirs = await store.get(KIND, ObjectKey("a", "guest"))
        assert int(ours.meta.resource_version) > int(theirs.meta.resource_version)


async def test_two_stores_of_one_file_take_turns(tmp_path: Path):
    """Two open stores write into one file at once, and nothing is lost."""
    path = tmp_path / "store.sqlite"
    clock = ManualClock()
    async with await EmbeddedStore.open(path, clock) as one, await EmbeddedStore.open(path, clock) as two:
        await asyncio.gather(
            *(
                store.apply(KIND, ObjectKey("a", f"{label}-{number}"), {}, manager="me")
                for number in range(50)
                for label, store in (("one", one), ("two", two))
            )
        )
        assert len((await one.list(KIND)).items) == 100


async def test_what_was_begun_is_finished_by_the_next_process(tmp_path: Path):
    """Dependents of an owner that went just before a crash are looked after at the next start."""
    path = tmp_path / "store.sqlite"
    async with await EmbeddedStore.open(path, ManualClock()) as store:
        owner = await store.apply(KIND, ObjectKey("a", "owner"), {}, manager="me")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.meta.uid}
        manifest = {"metadata": {"ownerReferences": [reference]}}
        await store.apply(KIND, ObjectKey("a", "child"), manifest, manager="me")
    connection = sqlite3.connect(path)
    # The state between the two commits of a deletion: the owner is gone, its dependents are not.
    connection.execute("DELETE FROM obj WHERE name = 'owner'")
    connection.execute("INSERT INTO gone VALUES (?, 1, 1)", (owner.meta.uid,))
    connection.commit()
    connection.close()
    async with await EmbeddedStore.open(path, ManualClock()):
        pass
    async with await EmbeddedStore.open(path, ManualClock()) as store:
        assert (await store.list(KIND)).items == ()


async def test_closing_twice_and_writing_after(tmp_path: Path):
    """A closed store says so; closing it again does nothing."""
    store = await EmbeddedStore.open(tmp_path / "store.sqlite", ManualClock())
    await store.close()
    await store.close()
    with pytest.raises(RemoteError, match="closed"):
        await store.list(KIND)


async def test_the_file_is_for_its_owner(tmp_path: Path):
    """Objects may be Secrets: nobody else can read the file or its companions."""
    path = tmp_path / "deep" / "store.sqlite"
    async with await EmbeddedStore.open(path, ManualClock()) as store:
        await store.apply(KIND, ObjectKey("a", "x"), {}, manager="me")
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file.name


async def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path):
    """Text, and SQLite files of others, are refused by name and stay as they are."""
    text = tmp_path / "notes.txt"
    text.write_text("dear diary, " * 200)
    foreign = tmp_path / "other.sqlite"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    for path in (text, foreign):
        before = path.read_bytes()
        with pytest.raises(InputError, match="not an object store") as caught:
            await EmbeddedStore.open(path, ManualClock())
        assert caught.value.code == "NotAStore"
        assert path.name in str(caught.value)
        assert path.read_bytes() == before


async def test_a_newer_store_is_refused(tmp_path: Path):
    """A file that a newer version wrote is not guessed at."""
    path = tmp_path / "store.sqlite"
    await (await EmbeddedStore.open(path, ManualClock())).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="newer version") as caught:
        await EmbeddedStore.open(path, ManualClock())
    assert caught.value.code == "StoreTooNew"


async def test_a_held_file_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A write that another process does not let through fails after a while, by name, and works later."""
    path = tmp_path / "store.sqlite"
    monkeypatch.setattr("pilotage.store.embedded.database._BUSY_SECONDS", 0.05)
    async with await EmbeddedStore.open(path, ManualClock()) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match=r"store\.sqlite: another process is writing"):
            await store.apply(KIND, ObjectKey("a", "x"), {}, manager="me")
        assert (await store.list(KIND)).items == ()
        holder.execute("COMMIT")
        holder.close()
        await store.apply(KIND, ObjectKey("a", "x"), {}, manager="me")


async def test_a_place_that_cannot_be_written(tmp_path: Path):
    """A place where no file can be is named."""
    (tmp_path / "file").touch()
    with pytest.raises(RemoteError, match=r"store\.sqlite") as caught:
        await EmbeddedStore.open(tmp_path / "file" / "store.sqlite", ManualClock())
    assert caught.value.code == "StoreFailed"
