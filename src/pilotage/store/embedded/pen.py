"""Who writes: one version, one row, one log entry for each change, and word to everybody who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from pilotage.api.meta import Header, Kind, Meta, Object, ObjectKey
from pilotage.store.base import BadRequestError
from pilotage.store.embedded import rows
from pilotage.store.embedded.database import Transaction
from pilotage.store.embedded.events import as_version
from pilotage.store.embedded.kinds import storage_type

__all__ = ["FOREGROUND", "ORPHAN", "Pen", "encode", "header", "in_version", "kind_of", "type_of"]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
"""The finalizers of garbage collection, and the names of the work that they stand for."""

_header_decoder = msgspec.json.Decoder(Header)


def header(body: bytes) -> Header:
    return _header_decoder.decode(body)


def type_of(kind: Kind) -> str:
    return storage_type(kind.group, kind.kind)


def encode(value: Mapping[str, Any]) -> bytes:
    """Keys sorted, as the API server prints custom resources: equal objects are equal bytes.

    Raises BadRequestError for an object, with what the API adds, that is nested deeper than can be written.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        raise BadRequestError("the object is nested too deep") from None


def kind_of(value: Mapping[str, Any]) -> Kind:
    """The kind that an object says it has; its plural and scope are not known, and not needed to store it."""
    group, _, version = value.get("apiVersion", "").rpartition("/")
    return Kind(group, version, value.get("kind", ""), "")


def in_version(raw: bytes, api_version: str) -> bytes:
    """The object in another version of its API; with strategy `None` only the name of the version differs, of events some more."""
    start = b'{"apiVersion":"%b"' % api_version.encode()
    if raw.startswith(start):
        return raw
    return encode(as_version(orjson.loads(raw), api_version))


class Pen:
    """`now` is RFC 3339, and seconds."""

    def __init__(self, now: Callable[[], tuple[str, int]]) -> None:
        self.now = now

    def store(self, tx: Transaction, type_: str, value: dict[str, Any], before: Meta | None) -> Object:
        """Write the next state of an object; `before` is the metadata of the last one."""
        metadata = value["metadata"]
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        _, seconds = self.now()
        change = rows.ADDED if before is None else rows.MODIFIED
        version = rows.reserve_version(tx.connection, type_, key, change, seconds)
        tx.newest = version
        metadata["resourceVersion"] = str(version)
        stored = Object.parse(encode(value))
        meta = stored.meta
        rows.put(tx.connection, type_, meta, version, stored.raw, before)
        tx.touched.add(type_)
        if meta.owner_references and rows.adopt_orphan(tx.connection, meta):
            tx.has_orphans = True
        if meta.owner_references or (before is not None and before.owner_references):
            # The one before: an owner may have waited for what is no longer its dependent.
            for state in (meta, before):
                if state is not None and rows.look_again(tx.connection, type_, state):
                    tx.has_orphans = True
        if meta.deletion_timestamp is not None:
            self._hold(tx, type_, stored)
        return stored

    def _hold(self, tx: Transaction, type_: str, stored: Object) -> None:
        meta = stored.meta
        for work in (ORPHAN, FOREGROUND):
            if work in (meta.finalizers or ()):
                rows.hold(tx.connection, rows.Held(type_, stored.key, meta.uid, work))
                tx.has_orphans = True
                return

    def remove(self, tx: Transaction, type_: str, value: dict[str, Any]) -> Object:
        """Take an object away; its last state gets the version of its end."""
        metadata = value["metadata"]
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        _, seconds = self.now()
        version = rows.reserve_version(tx.connection, type_, key, rows.DELETED, seconds)
        tx.newest = version
        metadata["resourceVersion"] = str(version)
        last = Object.parse(encode(value))
        if rows.remove(tx.connection, type_, last.meta, version, last.raw):
            tx.has_orphans = True
        if rows.look_again(tx.connection, type_, last.meta):
            rows.unhold(tx.connection, type_, key)
            tx.has_orphans = True
        tx.touched.add(type_)
        return last
