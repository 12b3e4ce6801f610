"""A store that writes only while a term holds: what stands between a process that lost its Lease and the cluster.

Reading stays open. Each write asks the term at the moment it begins; writes that are under way when the term ends are
cancelled with the work that they belong to (`lease`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.lease import Term
from pilotage.store.base import Event, Listing, Store, Version

__all__ = ["Fenced"]


class Fenced:
    """`store.base.Store` behind a term. Writes raise LeaseLostError when it does not hold."""

    def __init__(self, store: Store, term: Term) -> None:
        self._store = store
        self._term = term

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        return await self._store.get(kind, key)

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, name: str = ""
    ) -> Listing:
        return await self._store.list(kind, namespace, labels, name=name)

    def watch(
        self, kind: Kind, resource_version: str, namespace: str = "", *, name: str = ""
    ) -> AsyncIterator[Event]:
        return self._store.watch(kind, resource_version, namespace, name=name)

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:
        self._term.check()
        return await self._store.create(kind, manifest, manager=manager)

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
        self._term.check()
        return await self._store.apply(kind, key, manifest, manager=manager, force=force, dry_run=dry_run)

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: Version = "",
    ) -> Object:
        self._term.check()
        return await self._store.patch_status(
            kind, key, status, manager=manager, resource_version=resource_version
        )

    async def delete(self, kind: Kind, key: ObjectKey) -> None:
        self._term.check()
        await self._store.delete(kind, key)
