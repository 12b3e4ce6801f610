"""The client port: what every object store does, and what it raises.

Semantics are those of the Kubernetes API. `resource_version` is opaque, a list is a consistent snapshot, a watch from
the list's version misses nothing. Adapters: `embedded.EmbeddedStore`, `dump.DumpStore` (read-only).

    StoreError
    ├── NotFoundError        no such object                       (404 NotFound)
    ├── AlreadyExistsError   create of a name that is taken       (409 AlreadyExists)
    ├── ConflictError        stale version, or fields owned by    (409 Conflict)
    │                        another manager (named in the text)
    ├── InvalidObjectError   the object breaks its schema         (422 Invalid)
    ├── ExpiredError         a watch from a compacted version     (410 Expired): list again
    ├── ReadOnlyError        a dump cannot be written             (405)
    └── StoreBusyError       somebody else holds the store
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from pilotage.api.errors import InputError, LaterError, RemoteError
from pilotage.api.meta import Kind, Object, ObjectKey

__all__ = [
    "AlreadyExistsError",
    "ConflictError",
    "Event",
    "ExpiredError",
    "InvalidObjectError",
    "Listing",
    "NotFoundError",
    "ReadOnlyError",
    "Reader",
    "Store",
    "StoreBusyError",
    "Watcher",
    "Writer",
]


class NotFoundError(InputError):
    status: ClassVar[int] = 404

    def __init__(self, kind: Kind, key: ObjectKey) -> None:
        super().__init__(
            "NotFound",
            f'{kind.resource} "{key.name}" not found'
            + (f" in namespace {key.namespace}" if key.namespace else ""),
        )


class AlreadyExistsError(InputError):
    status: ClassVar[int] = 409

    def __init__(self, kind: Kind, key: ObjectKey) -> None:
        super().__init__("AlreadyExists", f'{kind.resource} "{key.name}" already exists')


class ConflictError(LaterError):
    """Somebody else changed the object, or owns the fields; read again, or apply with force."""

    status: ClassVar[int] = 409

    def __init__(self, message: str) -> None:
        super().__init__("Conflict", message, delay=0.0)


class InvalidObjectError(InputError):
    status: ClassVar[int] = 422

    def __init__(self, message: str, messages: tuple[str, ...] = ()) -> None:
        super().__init__("Invalid", message, messages=messages)


class ExpiredError(LaterError):
    status: ClassVar[int] = 410

    def __init__(self, message: str) -> None:
        super().__init__("Expired", message, delay=0.0)


class ReadOnlyError(InputError):
    status: ClassVar[int] = 405

    def __init__(self, what: str) -> None:
        super().__init__(
            "ReadOnly", f"{what} is read-only", hint="load it into an embedded store to change it"
        )


class StoreBusyError(RemoteError):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__("StoreBusy", message, hint=hint)


class Listing(msgspec.Struct, frozen=True):
    """A consistent snapshot; watch from `resource_version` to miss nothing that follows."""

    items: tuple[Object, ...]
    resource_version: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """`object` is the state after the change; for DELETED the last state, for BOOKMARK only a version."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Object


class Reader(Protocol):
    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        """Raises NotFoundError."""
        ...

    async def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Listing:
        """All objects of the kind, of one namespace, or with all of `labels`; sorted by namespace, then name."""
        ...


class Watcher(Protocol):
    def watch(self, kind: Kind, resource_version: str, namespace: str = "") -> AsyncIterator[Event]:
        """Every change after `resource_version`, in order, until the caller stops.

        Raises ExpiredError when that version was compacted: list again.
        """
        ...


class Writer(Protocol):
    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:
        """Raises AlreadyExistsError, InvalidObjectError."""
        ...

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
        """Server-side apply of the fields in `manifest`; creates the object when there is none.

        An apply that changes nothing writes nothing: the version stays. Raises ConflictError naming manager and field.
        """
        ...

    async def patch_status(
        self, kind: Kind, key: ObjectKey, status: Mapping[str, Any], *, manager: str
    ) -> Object:
        """Server-side apply, with force, of the fields in `status` on the status subresource. Raises NotFoundError."""
        ...

    async def delete(self, kind: Kind, key: ObjectKey) -> None:
        """Raises NotFoundError. An object with finalizers gets a deletion timestamp and stays until they are gone."""
        ...


class Store(Reader, Watcher, Writer, Protocol):
    """All of it."""
