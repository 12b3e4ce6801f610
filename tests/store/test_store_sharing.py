"""Who may have a store's file open, and what older files become."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pilotage.api.core import CONFIG_MAP
from pilotage.api.meta import ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import StoreBusyError
from pilotage.store.embedded import EmbeddedStore


async def test_a_store_for_one_is_for_one(tmp_path: Path):
    """Who wants a file alone gets it when nobody has it, and keeps others out until it is closed."""
    path = tmp_path / "store.sqlite"
    async with await EmbeddedStore.open(path, ManualClock(), is_shared=False):
        with pytest.raises(StoreBusyError, match="another process has this store open for itself alone"):
            await EmbeddedStore.open(path, ManualClock())
    async with await EmbeddedStore.open(path, ManualClock()) as shared:
        with pytest.raises(StoreBusyError, match=r"another process has this store open$"):
            await EmbeddedStore.open(path, ManualClock(), is_shared=False)
        async with await EmbeddedStore.open(path, ManualClock()) as other:
            await other.create(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "b"}}, manager="me")
        assert (await shared.get(CONFIG_MAP, ObjectKey("b", "a"))).meta.name == "a"


_AS_IN_VERSION_2 = """
    ALTER TABLE obj RENAME TO newer;
    CREATE TABLE obj (
        type TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, rv INTEGER NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (type, ns, name)
    ) WITHOUT ROWID;
    INSERT INTO obj SELECT * FROM newer;
    DROP TABLE newer;
    PRAGMA user_version = 2;
"""
_AS_IN_VERSION_1 = f"{_AS_IN_VERSION_2} DROP TABLE held; DROP TABLE definition; PRAGMA user_version = 1;"


@pytest.mark.parametrize("older", [_AS_IN_VERSION_1, _AS_IN_VERSION_2], ids=["version 1", "version 2"])
async def test_an_older_file_is_brought_up(tmp_path: Path, older: str):
    """A file of an earlier schema version keeps its objects and can do what is new."""
    path = tmp_path / "store.sqlite"
    async with await EmbeddedStore.open(path, ManualClock()) as store:
        kept = await store.create(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "b"}}, manager="me")
    connection = sqlite3.connect(path)
    connection.executescript(older)
    connection.close()
    async with await EmbeddedStore.open(path, ManualClock()) as store:
        assert await store.get(CONFIG_MAP, kept.key) == kept
        assert await store.kinds()
        await store.delete(CONFIG_MAP, kept.key)
