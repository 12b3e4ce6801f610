"""What each verb does to one object, inside a transaction: create, apply, status, replace, delete, restore.

Every function reads the present state, computes the next one, checks it, and only then writes: a verb that raises
has written nothing. The order of a write is that of the API server: what the API owns is set first (identity, times,
generation), then fields and their managers, then validation; a write that changes nothing is no write.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from pilotage.api.meta import Header, Kind, Meta, Object, ObjectKey
from pilotage.store.base import AlreadyExistsError, NotFoundError
from pilotage.store.embedded import apply as serverside
from pilotage.store.embedded import rows
from pilotage.store.embedded.database import Transaction
from pilotage.store.embedded.intake import (
    API_OWNED,
    adopt_key,
    are_sound,
    check_preconditions,
    configuration,
    identity,
    read_manifest,
)
from pilotage.store.embedded.kinds import KindTraits, TraitsOf, storage_type
from pilotage.store.embedded.merging import UnmergeableError
from pilotage.store.embedded.metadata import CHECKED, check_metadata, invalid, required_key

__all__ = ["Verbs"]

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no look-alikes: a random suffix spells nothing."""
_NAME_SUFFIX = 5
_NAME_ATTEMPTS = 8
_GENERATED_BASE = 63 - _NAME_SUFFIX


class Verbs:
    """The verbs over one source of time (RFC 3339, and seconds), of randomness, and of knowledge about kinds."""

    def __init__(
        self, now: Callable[[], tuple[str, int]], entropy: random.Random, traits_of: TraitsOf
    ) -> None:
        self.now = now
        self._entropy = entropy
        self._traits_of = traits_of

    # create

    def create(self, tx: Transaction, kind: Kind, sent: bytes, manager: str) -> Object:
        value = read_manifest(kind, sent)
        traits = self._traits_of(kind)
        metadata = value["metadata"]
        if metadata.get("resourceVersion"):
            raise invalid(
                kind,
                metadata.get("name", ""),
                [
                    "metadata.resourceVersion: Forbidden: resourceVersion should not be set on objects to be created"
                ],
            )
        self._name(tx, kind, metadata)
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        required_key(kind, key.namespace, key.name)
        if rows.read(tx.connection, _type(kind), key) is not None:
            raise AlreadyExistsError(kind, key)
        now, _ = self.now()
        new = self._begin(traits, value, now)
        writer = serverside.Writer(manager, kind.api_version, now)
        outcome = serverside.update({}, new, traits.shape, writer)
        return self._write(tx, kind, traits, outcome.value, None)

    def _name(self, tx: Transaction, kind: Kind, metadata: dict[str, Any]) -> None:
        base = metadata.get("generateName", "")
        if metadata.get("name") or not base:
            metadata.setdefault("name", "")
            return
        for _ in range(_NAME_ATTEMPTS):
            suffix = "".join(self._entropy.choices(_NAME_ALPHABET, k=_NAME_SUFFIX))
            metadata["name"] = base[:_GENERATED_BASE] + suffix
            key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
            if rows.read(tx.connection, _type(kind), key) is None:
                return

    def _begin(self, traits: KindTraits, value: Mapping[str, Any], now: str) -> dict[str, Any]:
        """A new object: what the client sent, without what is not the client's to say."""
        new = {name: child for name, child in value.items() if name != "status" or not traits.has_status}
        metadata = {name: child for name, child in value["metadata"].items() if name not in API_OWNED}
        metadata["uid"] = str(uuid.UUID(int=self._entropy.getrandbits(128), version=4))
        metadata["creationTimestamp"] = now
        if traits.has_generation:
            metadata["generation"] = 1
        new["metadata"] = metadata
        return new

    # apply

    def apply(
        self,
        tx: Transaction,
        kind: Kind,
        key: ObjectKey,
        sent: bytes,
        manager: str,
        *,
        force: bool,
        dry_run: bool,
    ) -> Object:
        config = read_manifest(kind, sent)
        adopt_key(kind, key, config["metadata"])
        required_key(kind, key.namespace, key.name)
        traits = self._traits_of(kind)
        body = rows.read(tx.connection, _type(kind), key)
        live = None if body is None else orjson.loads(body)
        check_preconditions(kind, key, config["metadata"], live)
        if config["metadata"].get("managedFields"):
            raise invalid(kind, key.name, ["metadata.managedFields: Invalid value: must be nil for an apply"])
        config = configuration(config, traits)
        now, _ = self.now()
        start = live if live is not None else self._begin(traits, identity(config), now)
        outcome = self._merge(
            kind, key, traits, start, config, serverside.Writer(manager, kind.api_version, now), force=force
        )
        if live is None:
            return self._write(tx, kind, traits, outcome.value, None, dry_run=dry_run)
        return self._settle(tx, kind, traits, live, body, outcome, dry_run=dry_run)

    def apply_status(self, tx: Transaction, kind: Kind, key: ObjectKey, sent: bytes, manager: str) -> Object:
        body = rows.read(tx.connection, _type(kind), key)
        if body is None:
            raise NotFoundError(kind, key)
        live = orjson.loads(body)
        traits = self._traits_of(kind)
        if not traits.has_status:
            raise invalid(kind, key.name, ["status: Forbidden: this kind has no status subresource"])
        now, _ = self.now()
        writer = serverside.Writer(manager, kind.api_version, now, "status")
        outcome = self._merge(kind, key, traits, live, {"status": orjson.loads(sent)}, writer, force=True)
        return self._settle(tx, kind, traits, live, body, outcome)

    def _merge(
        self,
        kind: Kind,
        key: ObjectKey,
        traits: KindTraits,
        live: dict[str, Any],
        config: dict[str, Any],
        writer: serverside.Writer,
        *,
        force: bool,
    ) -> serverside.Outcome:
        if not writer.manager:
            raise invalid(kind, key.name, ["fieldManager: Required value: is required for apply"])
        try:
            return serverside.apply(live, config, traits.shape, writer, force=force)
        except UnmergeableError as error:
            raise invalid(kind, key.name, [str(error)]) from None

    # replace

    def replace(self, tx: Transaction, kind: Kind, key: ObjectKey, sent: bytes, manager: str) -> Object:
        wanted = read_manifest(kind, sent)
        adopt_key(kind, key, wanted["metadata"])
        body = rows.read(tx.connection, _type(kind), key)
        if body is None:
            raise NotFoundError(kind, key)
        live = orjson.loads(body)
        check_preconditions(kind, key, wanted["metadata"], live)
        traits = self._traits_of(kind)
        metadata = {name: child for name, child in wanted["metadata"].items() if name not in API_OWNED}
        metadata |= {name: live["metadata"][name] for name in API_OWNED if name in live["metadata"]}
        new = {**wanted, "metadata": metadata}
        if traits.has_status:
            new.pop("status", None)
            if "status" in live:
                new["status"] = live["status"]
        now, _ = self.now()
        writer = serverside.Writer(manager, kind.api_version, now)
        return self._settle(tx, kind, traits, live, body, serverside.update(live, new, traits.shape, writer))

    # delete

    def delete(self, tx: Transaction, kind: Kind, key: ObjectKey) -> None:
        if not self.delete_stored(tx, _type(kind), key):
            raise NotFoundError(kind, key)

    def delete_stored(self, tx: Transaction, type_: str, key: ObjectKey) -> bool:
        """Remove an object, or mark it when finalizers hold it. False when there is none."""
        body = rows.read(tx.connection, type_, key)
        if body is None:
            return False
        value = orjson.loads(body)
        metadata = value["metadata"]
        if not metadata.get("finalizers"):
            self._remove(tx, type_, value)
        elif "deletionTimestamp" not in metadata:
            now, _ = self.now()
            metadata["deletionTimestamp"] = now
            metadata["deletionGracePeriodSeconds"] = 0
            if "generation" in metadata:
                metadata["generation"] += 1
            self._store(tx, type_, value, _header(body).metadata)
        return True

    def release(self, tx: Transaction, type_: str, key: ObjectKey) -> None:
        """Garbage collection of one dependent: delete it, or only forget the owners that are gone."""
        body = rows.read(tx.connection, type_, key)
        if body is None:
            return
        value = orjson.loads(body)
        owners = value["metadata"].get("ownerReferences") or []
        left = [owner for owner in owners if not rows.is_gone(tx.connection, owner.get("uid", ""))]
        if not left:
            self.delete_stored(tx, type_, key)
        elif len(left) < len(owners):
            metadata = {**value["metadata"], "ownerReferences": left}
            kind = _kind_of(value)
            now, _ = self.now()
            outcome = serverside.update(
                value,
                {**value, "metadata": metadata},
                self._traits_of(kind).shape,
                serverside.Writer("garbage-collector", kind.api_version, now),
            )
            self._store(tx, type_, outcome.value, _header(body).metadata)

    # restore

    def restore(self, tx: Transaction, raw: bytes) -> Object:
        """Write an object as it was elsewhere: identity, times, managers and status stay; only the version is ours."""
        value = orjson.loads(raw)
        kind = _kind_of(value)
        metadata = value.setdefault("metadata", {})
        if not metadata.get("name"):
            raise invalid(kind, "", ["metadata.name: Required value"])
        now, _ = self.now()
        if not metadata.get("uid"):
            metadata["uid"] = str(uuid.UUID(int=self._entropy.getrandbits(128), version=4))
        metadata.setdefault("creationTimestamp", now)
        if self._traits_of(kind).has_generation:
            metadata.setdefault("generation", 1)
        metadata.pop("selfLink", None)
        if not are_sound(metadata.get("managedFields")):
            del metadata["managedFields"]
        type_ = _type(kind)
        before = rows.read(
            tx.connection, type_, ObjectKey(metadata.get("namespace", ""), metadata.get("name", ""))
        )
        return self._store(tx, type_, value, None if before is None else _header(before).metadata)

    # what they share

    def _settle(
        self,
        tx: Transaction,
        kind: Kind,
        traits: KindTraits,
        live: dict[str, Any],
        body: bytes | None,
        outcome: serverside.Outcome,
        *,
        dry_run: bool = False,
    ) -> Object:
        """Write the next state of an object that is there; or nothing, when it is the same."""
        if not outcome.is_changed and body is not None:
            return Object.parse(body)
        value = outcome.value
        metadata = value["metadata"]
        if traits.has_generation and _wanted(live, traits) != _wanted(value, traits):
            metadata["generation"] = metadata.get("generation", 0) + 1
        if "deletionTimestamp" in metadata:
            new = sorted(
                set(metadata.get("finalizers") or ()) - set(live["metadata"].get("finalizers") or ())
            )
            if new:
                found = ", ".join(f'"{name}"' for name in new)
                problem = (
                    "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted,"
                    f" found new finalizers []string{{{found}}}"
                )
                raise invalid(kind, metadata["name"], [problem])
            if not metadata.get("finalizers") and not dry_run:
                return self._remove(tx, _type(kind), value)
        before = _header(body).metadata if body is not None else None
        if not dry_run and all(metadata.get(name) == live["metadata"].get(name) for name in CHECKED):
            return self._store(tx, _type(kind), value, before)
        return self._write(tx, kind, traits, value, before, dry_run=dry_run)

    def _write(
        self,
        tx: Transaction,
        kind: Kind,
        traits: KindTraits,
        value: dict[str, Any],
        before: Meta | None,
        *,
        dry_run: bool = False,
    ) -> Object:
        """Validate and store."""
        check_metadata(kind, traits, value["metadata"])
        if dry_run:
            return Object.parse(_encode(value))
        return self._store(tx, _type(kind), value, before)

    def _store(self, tx: Transaction, type_: str, value: dict[str, Any], before: Meta | None) -> Object:
        metadata = value["metadata"]
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        _, seconds = self.now()
        change = rows.ADDED if before is None else rows.MODIFIED
        version = rows.reserve_version(tx.connection, type_, key, change, seconds)
        tx.newest = version
        metadata["resourceVersion"] = str(version)
        stored = Object.parse(_encode(value))
        rows.put(tx.connection, type_, stored.meta, version, stored.raw, before)
        tx.touched.add(type_)
        if rows.adopt_orphan(tx.connection, stored.meta):
            tx.has_orphans = True
        return stored

    def _remove(self, tx: Transaction, type_: str, value: dict[str, Any]) -> Object:
        metadata = value["metadata"]
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        _, seconds = self.now()
        version = rows.reserve_version(tx.connection, type_, key, rows.DELETED, seconds)
        tx.newest = version
        metadata["resourceVersion"] = str(version)
        last = Object.parse(_encode(value))
        if rows.remove(tx.connection, type_, last.meta, version, last.raw):
            tx.has_orphans = True
        tx.touched.add(type_)
        return last


_header_decoder = msgspec.json.Decoder(Header)


def _header(body: bytes) -> Header:
    return _header_decoder.decode(body)


def _type(kind: Kind) -> str:
    return storage_type(kind.group, kind.kind)


def _encode(value: Mapping[str, Any]) -> bytes:
    """Keys sorted, as the API server prints custom resources: equal objects are equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _kind_of(value: Mapping[str, Any]) -> Kind:
    """The kind that an object says it has; its plural and scope are not known, and not needed to store it."""
    group, _, version = value.get("apiVersion", "").rpartition("/")
    return Kind(group, version, value.get("kind", ""), "")


def _wanted(value: Mapping[str, Any], traits: KindTraits) -> bytes:
    """The part of an object whose change is a new generation, as comparable bytes."""
    beside = {"metadata", "status"} if traits.has_status else {"metadata"}
    return _encode({name: child for name, child in value.items() if name not in beside})
