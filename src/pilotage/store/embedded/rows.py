"""The rows behind the objects: what is stored, and the statements that read and write it.

    obj     one row for each object, its body as JSON
    label   one row for each label, for selection
    owner   one row for each owner reference, for garbage collection
    log     one row for each change: version, key, what happened, when; the body only of what is gone
    gone    uids of removed objects; `pending` until their dependents were looked after
    held    objects that wait for others to go; `pending` when it is time to look at them again
    definition  which CustomResourceDefinition defines a type
    meta    the compaction floor

The version of an object is the number of its last log row, so versions are global and grow. A body is stored once: who
reads the log reads current bodies beside it, and states in between are skipped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from pilotage.api.meta import Meta, ObjectKey
from pilotage.store.base import ExpiredError

__all__ = [
    "ADDED",
    "DELETED",
    "MODIFIED",
    "SCHEMA",
    "SCHEMA_VERSION",
    "UPGRADES",
    "Change",
    "ChangeType",
    "Held",
    "adopt_orphan",
    "compact",
    "contents",
    "count",
    "current_version",
    "define",
    "definition_of",
    "definitions",
    "dependents",
    "exists",
    "floor",
    "has_changed",
    "hold",
    "is_empty",
    "is_gone",
    "is_held",
    "look_again",
    "next_gone",
    "next_held",
    "put",
    "read",
    "read_all",
    "read_changes",
    "read_list",
    "read_page",
    "remove",
    "reserve_version",
    "settle_gone",
    "settle_held",
    "undefine",
    "unhold",
    "unmarked",
    "version_before",
]

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
ADDED: ChangeType = "ADDED"
MODIFIED: ChangeType = "MODIFIED"
DELETED: ChangeType = "DELETED"

SCHEMA_VERSION = 3

_SECOND = """
CREATE TABLE held (
    type TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, work TEXT NOT NULL,
    pending INTEGER NOT NULL, PRIMARY KEY (type, ns, name)
) WITHOUT ROWID;
CREATE TABLE definition (type TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID
"""
# Bodies are large: in a table without rowids they would stand in its inner pages, too, and make it as deep as it is wide.
_OBJ = """
CREATE TABLE obj (
    type TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, rv INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (type, ns, name)
)"""
_THIRD = ";".join(
    (
        "ALTER TABLE obj RENAME TO obj_before",
        _OBJ,
        "INSERT INTO obj SELECT type, ns, name, rv, body FROM obj_before ORDER BY type, ns, name",
        "DROP TABLE obj_before",
    )
)
UPGRADES = {1: _SECOND, 2: _THIRD}
"""What leads from a schema version to the next one."""

_REST = """
CREATE TABLE label (
    type TEXT NOT NULL, k TEXT NOT NULL, v TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (type, k, v, ns, name)
) WITHOUT ROWID;
CREATE TABLE owner (
    uid TEXT NOT NULL, type TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (uid, type, ns, name)
) WITHOUT ROWID;
CREATE TABLE log (
    rv INTEGER PRIMARY KEY, type TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,
    change TEXT NOT NULL, at INTEGER NOT NULL, body BLOB
);
CREATE TABLE gone (uid TEXT PRIMARY KEY, rv INTEGER NOT NULL, pending INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX gone_pending ON gone (pending) WHERE pending;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('floor', 0);
INSERT INTO log VALUES (1, '', '', '', 'BEGUN', 0, NULL)
"""
SCHEMA = ";".join((_OBJ, _REST, _SECOND))
"""The first log row is nobody's: an empty store has version 1, for `0` means something else to a watch."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """One change that a watcher is told. `body` is the state after it, or the last one."""

    type: ChangeType
    body: bytes


def current_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("SELECT max(rv) FROM log").fetchone()
    return int(version)


def reserve_version(
    connection: sqlite3.Connection, type_: str, key: ObjectKey, change: ChangeType, at: int
) -> int:
    """Enter a change into the log; its row number is the object's new version."""
    cursor = connection.execute(
        "INSERT INTO log (type, ns, name, change, at) VALUES (?, ?, ?, ?, ?)",
        (type_, key.namespace, key.name, change, at),
    )
    return int(cursor.lastrowid or 0)


def read(connection: sqlite3.Connection, type_: str, key: ObjectKey) -> bytes | None:
    row = connection.execute(
        "SELECT body FROM obj WHERE type = ? AND ns = ? AND name = ?", (type_, key.namespace, key.name)
    ).fetchone()
    return row[0] if row else None


def exists(connection: sqlite3.Connection, type_: str, key: ObjectKey) -> bool:
    found = connection.execute(
        "SELECT 1 FROM obj WHERE type = ? AND ns = ? AND name = ?", (type_, key.namespace, key.name)
    )
    return found.fetchone() is not None


def has_any(connection: sqlite3.Connection, types: Sequence[str]) -> bool:
    """Is there any object of these types?"""
    return any(
        connection.execute("SELECT 1 FROM obj WHERE type = ? LIMIT 1", (type_,)).fetchone() for type_ in types
    )


def read_list(
    connection: sqlite3.Connection, type_: str, namespace: str, labels: Mapping[str, str]
) -> list[bytes]:
    """The bodies of a type, by namespace and name."""
    # Sorted by the table that drives the search, whose rows come in that order: bodies are never sorted.
    driver = "l0" if labels else "obj"
    tables, where, values = "obj", ["obj.type = ?"], [type_]
    if namespace:
        where.append("obj.ns = ?")
        values.append(namespace)
    for number, (name, value) in enumerate(labels.items()):
        # CROSS keeps the written order: the first label finds the objects, the others only check.
        label = f"l{number}"
        tables = f"{tables} CROSS JOIN label AS {label}" if number else f"label AS {label} CROSS JOIN obj"
        where.append(
            f"{label}.type = obj.type AND {label}.ns = obj.ns AND {label}.name = obj.name"
            f" AND {label}.type = ? AND {label}.k = ? AND {label}.v = ?"
        )
        values.extend((type_, name, value))
    statement = (
        f"SELECT obj.body FROM {tables} WHERE {' AND '.join(where)} ORDER BY {driver}.ns, {driver}.name"  # noqa: S608 fixed fragments
    )
    return [body for (body,) in connection.execute(statement, values)]


def read_page(
    connection: sqlite3.Connection, type_: str, namespace: str, after: tuple[str, str] | None, limit: int
) -> list[tuple[str, str, int, bytes]]:
    """Namespace, name, version and body of the objects that follow `after`, in order; all of them when `limit` is 0."""
    where, values = "type = ?", [type_]
    if namespace:
        where += " AND ns = ?"
        values.append(namespace)
    if after is not None:
        where += " AND (ns, name) > (?, ?)"
        values.extend(after)
    return connection.execute(
        f"SELECT ns, name, rv, body FROM obj WHERE {where} ORDER BY ns, name LIMIT ?",  # noqa: S608 fixed fragments
        (*values, limit or -1),
    ).fetchall()


def count(
    connection: sqlite3.Connection, type_: str, namespace: str, after: tuple[str, str] | None = None
) -> int:
    """How many objects of a type follow `after`."""
    where, values = "type = ?", [type_]
    if namespace:
        where += " AND ns = ?"
        values.append(namespace)
    if after is not None:
        where += " AND (ns, name) > (?, ?)"
        values.extend(after)
    (found,) = connection.execute(f"SELECT count(*) FROM obj WHERE {where}", values).fetchone()  # noqa: S608 fixed fragments
    return int(found)


def read_all(connection: sqlite3.Connection) -> list[bytes]:
    return [body for (body,) in connection.execute("SELECT body FROM obj ORDER BY type, ns, name")]


def put(
    connection: sqlite3.Connection, type_: str, meta: Meta, version: int, body: bytes, before: Meta | None
) -> None:
    """Write an object; `before` is the metadata of the state it replaces, whose rows may stay."""
    connection.execute(
        "INSERT INTO obj VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET rv = excluded.rv, body = excluded.body",
        (type_, meta.namespace, meta.name, version, body),
    )
    if (before.labels if before else None) != meta.labels:
        _put_labels(connection, type_, meta, (before.labels if before else None) or {})
    if (before.owner_references if before else None) != meta.owner_references:
        _put_owners(connection, type_, meta, before)


def _put_labels(connection: sqlite3.Connection, type_: str, meta: Meta, old: Mapping[str, str]) -> None:
    new = meta.labels or {}
    connection.executemany(
        "DELETE FROM label WHERE type = ? AND k = ? AND v = ? AND ns = ? AND name = ?",
        [(type_, k, v, meta.namespace, meta.name) for k, v in old.items() if new.get(k) != v],
    )
    connection.executemany(
        "INSERT INTO label VALUES (?, ?, ?, ?, ?)",
        [(type_, k, v, meta.namespace, meta.name) for k, v in new.items() if old.get(k) != v],
    )


def _put_owners(connection: sqlite3.Connection, type_: str, meta: Meta, before: Meta | None) -> None:
    connection.executemany(
        "DELETE FROM owner WHERE uid = ? AND type = ? AND ns = ? AND name = ?",
        [
            (owner.uid, type_, meta.namespace, meta.name)
            for owner in (before.owner_references if before else None) or ()
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO owner VALUES (?, ?, ?, ?)",
        [(owner.uid, type_, meta.namespace, meta.name) for owner in meta.owner_references or ()],
    )


def remove(connection: sqlite3.Connection, type_: str, meta: Meta, version: int, last_state: bytes) -> bool:
    """Take an object away; the log keeps its last state for those who watch. Whether it leaves dependents."""
    key = (type_, meta.namespace, meta.name)
    connection.execute("DELETE FROM obj WHERE type = ? AND ns = ? AND name = ?", key)
    _put_labels(connection, type_, msgspec.structs.replace(meta, labels=None), meta.labels or {})
    _put_owners(connection, type_, msgspec.structs.replace(meta, owner_references=None), meta)
    connection.execute("UPDATE log SET body = ? WHERE rv = ?", (last_state, version))
    has_dependents = bool(dependents(connection, meta.uid))
    connection.execute(
        "INSERT INTO gone VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET rv = excluded.rv, pending = excluded.pending",
        (meta.uid, version, has_dependents),
    )
    return has_dependents


def dependents(connection: sqlite3.Connection, uid: str) -> list[tuple[str, ObjectKey]]:
    """The objects that name `uid` as an owner."""
    found = connection.execute("SELECT type, ns, name FROM owner WHERE uid = ?", (uid,))
    return [(type_, ObjectKey(namespace, name)) for type_, namespace, name in found]


def adopt_orphan(connection: sqlite3.Connection, meta: Meta) -> bool:
    """Was the object written by somebody who did not know yet that an owner is gone? Then that owner is looked at again."""
    late = [owner.uid for owner in meta.owner_references or () if is_gone(connection, owner.uid)]
    connection.executemany("UPDATE gone SET pending = 1 WHERE uid = ?", [(uid,) for uid in late])
    return bool(late)


def next_gone(connection: sqlite3.Connection) -> str | None:
    """A removed object whose dependents nobody looked after yet."""
    row = connection.execute("SELECT uid FROM gone WHERE pending LIMIT 1").fetchone()
    return row[0] if row else None


def settle_gone(connection: sqlite3.Connection, uid: str) -> None:
    connection.execute("UPDATE gone SET pending = 0 WHERE uid = ?", (uid,))


def is_gone(connection: sqlite3.Connection, uid: str) -> bool:
    return connection.execute("SELECT 1 FROM gone WHERE uid = ?", (uid,)).fetchone() is not None


# What waits for others to go


class Held(msgspec.Struct, frozen=True):
    """An object that goes when others are gone, and what is to be done about those."""

    type: str
    key: ObjectKey
    uid: str
    work: str


def hold(connection: sqlite3.Connection, held: Held) -> None:
    """Remember an object that waits, and look at it soon."""
    connection.execute(
        "INSERT INTO held VALUES (?, ?, ?, ?, ?, 1)"
        " ON CONFLICT DO UPDATE SET uid = excluded.uid, work = excluded.work, pending = 1",
        (held.type, held.key.namespace, held.key.name, held.uid, held.work),
    )


def unhold(connection: sqlite3.Connection, type_: str, key: ObjectKey) -> None:
    connection.execute(
        "DELETE FROM held WHERE type = ? AND ns = ? AND name = ?", (type_, key.namespace, key.name)
    )


def is_held(connection: sqlite3.Connection, type_: str, key: ObjectKey) -> bool:
    found = connection.execute(
        "SELECT 1 FROM held WHERE type = ? AND ns = ? AND name = ?", (type_, key.namespace, key.name)
    )
    return found.fetchone() is not None


def next_held(connection: sqlite3.Connection) -> Held | None:
    """One that is to be looked at."""
    row = connection.execute("SELECT type, ns, name, uid, work FROM held WHERE pending LIMIT 1").fetchone()
    return Held(row[0], ObjectKey(row[1], row[2]), row[3], row[4]) if row else None


def settle_held(connection: sqlite3.Connection, held: Held) -> None:
    """It was looked at, and still waits."""
    connection.execute(
        "UPDATE held SET pending = 0 WHERE type = ? AND ns = ? AND name = ?",
        (held.type, held.key.namespace, held.key.name),
    )


def look_again(connection: sqlite3.Connection, type_: str, meta: Meta) -> bool:
    """A change of this object may end the waiting of its owners, its namespace or its definition. Does anything wait?"""
    if connection.execute("SELECT 1 FROM held LIMIT 1").fetchone() is None:
        return False
    cursor = connection.execute(
        "UPDATE held SET pending = 1 WHERE (type = '/Namespace' AND name = ?) OR name ="
        " (SELECT name FROM definition WHERE definition.type = ?)",
        (meta.namespace, type_),
    )
    woken = cursor.rowcount
    for owner in meta.owner_references or ():
        woken += connection.execute("UPDATE held SET pending = 1 WHERE uid = ?", (owner.uid,)).rowcount
    return woken > 0


def contents(connection: sqlite3.Connection, namespace: str, limit: int) -> list[tuple[str, ObjectKey]]:
    """Some objects of a namespace that are not being deleted."""
    # Types are few and objects many: each type is found by one search, then its part of the namespace.
    types = connection.execute(
        "WITH RECURSIVE types(type) AS (SELECT min(type) FROM obj UNION ALL"
        " SELECT (SELECT min(obj.type) FROM obj WHERE obj.type > types.type) FROM types WHERE types.type IS NOT NULL)"
        " SELECT type FROM types WHERE type IS NOT NULL"
    ).fetchall()
    found: list[tuple[str, ObjectKey]] = []
    for (type_,) in types:
        found.extend((type_, key) for key in unmarked(connection, type_, namespace, limit - len(found)))
        if len(found) >= limit:
            break
    return found


def unmarked(connection: sqlite3.Connection, type_: str, namespace: str, limit: int) -> list[ObjectKey]:
    """Some objects of a type that are not being deleted; of all namespaces when that is empty."""
    found = connection.execute(
        "SELECT ns, name FROM obj WHERE type = ? AND (? = '' OR ns = ?)"
        " AND json_extract(CAST(body AS TEXT), '$.metadata.deletionTimestamp') IS NULL LIMIT ?",
        (type_, namespace, namespace, limit),
    )
    return [ObjectKey(ns, name) for ns, name in found]


def is_empty(connection: sqlite3.Connection, namespace: str) -> bool:
    """Is nothing left in a namespace?"""
    return (
        connection.execute(
            "WITH RECURSIVE types(type) AS (SELECT min(type) FROM obj UNION ALL"
            " SELECT (SELECT min(obj.type) FROM obj WHERE obj.type > types.type) FROM types WHERE types.type IS NOT NULL)"
            " SELECT 1 FROM types WHERE type IS NOT NULL"
            " AND EXISTS (SELECT 1 FROM obj WHERE obj.type = types.type AND obj.ns = ?) LIMIT 1",
            (namespace,),
        ).fetchone()
        is None
    )


# Which definition defines a type


def define(connection: sqlite3.Connection, type_: str, name: str) -> None:
    connection.execute("INSERT OR REPLACE INTO definition VALUES (?, ?)", (type_, name))


def undefine(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("DELETE FROM definition WHERE name = ?", (name,))


def definitions(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Type, and name of its definition."""
    return connection.execute("SELECT type, name FROM definition ORDER BY type").fetchall()


def definition_of(connection: sqlite3.Connection, type_: str, definition_type: str) -> tuple[str, int] | None:
    """Name and version of the object that defines a type."""
    row: tuple[str, int] | None = connection.execute(
        "SELECT definition.name, obj.rv FROM definition JOIN obj ON obj.type = ? AND obj.ns = ''"
        " AND obj.name = definition.name WHERE definition.type = ?",
        (definition_type, type_),
    ).fetchone()
    return row


def read_changes(
    connection: sqlite3.Connection,
    type_: str,
    namespace: str,
    after: int,
    unseen: set[tuple[str, str]],
    limit: int,
) -> tuple[list[Change], int, bool]:
    """The changes after a version, in order; the version up to which they reach; whether there are more.

    Of each object only its present state is told, and the end of each earlier life that the watcher saw. `unseen`
    holds the keys whose beginning was skipped so far, between calls of one watcher: their first change told is ADDED.

    Raises ExpiredError when the log no longer reaches back to `after`, or has not come that far.
    """
    oldest, newest = floor(connection), current_version(connection)
    if not oldest <= after <= newest:
        raise ExpiredError(f"too old resource version: {after} ({oldest if after < oldest else newest})")
    where, values = "log.rv > ? AND log.type = ?", [after, type_]
    if namespace:
        where += " AND log.ns = ?"
        values.append(namespace)
    rows = connection.execute(
        "SELECT log.rv, log.ns, log.name, log.change, log.body, obj.body"  # noqa: S608 fixed fragments
        " FROM log LEFT JOIN obj ON obj.type = log.type AND obj.ns = log.ns AND obj.name = log.name"
        f" AND obj.rv = log.rv WHERE {where} ORDER BY log.rv LIMIT ?",
        (*values, limit),
    ).fetchall()
    changes = []
    for _, ns, name, change, last_state, body in rows:
        key = (ns, name)
        if change == ADDED:
            unseen.add(key)
        if change == DELETED:
            if key not in unseen:
                changes.append(Change(DELETED, last_state))
            unseen.discard(key)
        elif body is not None:
            changes.append(Change(ADDED if key in unseen else MODIFIED, body))
            unseen.discard(key)
    has_more = len(rows) == limit
    return changes, rows[-1][0] if has_more else newest, has_more


def has_changed(connection: sqlite3.Connection, type_: str, after: int) -> bool:
    """Has anything of a type changed after a version, or may it have?"""
    if after < floor(connection):
        return True
    found = connection.execute("SELECT 1 FROM log WHERE rv > ? AND type = ? LIMIT 1", (after, type_))
    return found.fetchone() is not None


def compact(connection: sqlite3.Connection, through: int) -> int:
    """Forget the log up to a version, never its newest row; the floor, the oldest version to resume from."""
    through = min(through, current_version(connection) - 1)
    connection.execute("DELETE FROM log WHERE rv <= ?", (through,))
    connection.execute("DELETE FROM gone WHERE rv <= ? AND NOT pending", (through,))
    connection.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'floor'", (through,))
    return floor(connection)


def floor(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("SELECT value FROM meta WHERE name = 'floor'").fetchone()
    return int(version)


def version_before(connection: sqlite3.Connection, moment: int, keep_rows: int) -> int:
    """The version up to which the log is older than `moment` (seconds) or longer than `keep_rows`."""
    first_young = connection.execute(
        "SELECT rv FROM log WHERE at >= ? ORDER BY rv LIMIT 1", (moment,)
    ).fetchone()
    newest = current_version(connection)
    return max((first_young[0] - 1) if first_young else newest, newest - keep_rows)
