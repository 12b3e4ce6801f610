"""The client port: what every object store does, and what it raises.

Semantics are those of the Kubernetes API. `resource_version` is opaque, a list is a consistent snapshot, a watch from
the list's version misses nothing. Adapters: `embedded.EmbeddedStore`, `cluster.ClusterStore`, `dump.DumpStore` (read-only).

`Store` is what controllers need. `Api` is all that a Kubernetes API server offers for objects: what an HTTP face, or a
client that reads, changes and writes, is written against; only the embedded store offers it.

    NotFoundError        no such object, or no such kind      404 NotFound
    AlreadyExistsError   create of a name that is taken       409 AlreadyExists
    ConflictError        stale version, or fields owned by    409 Conflict
                         another manager (named in the text)
    InvalidObjectError   the object breaks its schema         422 Invalid
    ├── BadRequestError  what was sent makes no sense here    400 BadRequest
    ├── MediaTypeError   a patch of a form not taken here     415 UnsupportedMediaType
    └── UnfitError       the same, where the server says 500  500
    ForbiddenError       the state of things says no          403 Forbidden
    MethodError          this kind does not do that           405 MethodNotAllowed
    ExpiredError         a version from before a compaction   410 Expired: list again
    AheadError           a version that is yet to come        504 Timeout: try again
    ReadOnlyError        a dump cannot be written             405
    StoreBusyError       somebody else holds the store

Every error that an API server would answer with carries `reason` and `details` as `metav1.Status` has them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from pilotage.api.errors import InputError, LaterError, PilotageError, RemoteError
from pilotage.api.meta import Kind, Object, ObjectKey

__all__ = [
    "AheadError",
    "AlreadyExistsError",
    "Api",
    "BadRequestError",
    "Cause",
    "ConflictError",
    "DeleteOptions",
    "Deleted",
    "Event",
    "ExpiredError",
    "ForbiddenError",
    "InvalidObjectError",
    "ListOptions",
    "Listing",
    "MediaTypeError",
    "MethodError",
    "NotFoundError",
    "Page",
    "PatchType",
    "ReadOnlyError",
    "Reader",
    "Store",
    "StoreBusyError",
    "Subresource",
    "UnfitError",
    "Version",
    "WatchOptions",
    "Watcher",
    "WriteOptions",
    "Writer",
    "Written",
    "status_of",
]

Version = str
"""A `resourceVersion`: opaque; empty means the newest."""
Subresource = Literal["", "status", "scale", "finalize"]
PatchType = Literal["json", "merge", "strategic", "apply"]


class Cause(msgspec.Struct, frozen=True):
    """One of `details.causes` of a `metav1.Status`."""

    reason: str
    message: str
    field: str


def _about(kind: Kind, name: str, causes: tuple[Cause, ...] = ()) -> dict[str, Any]:
    """`details` of a Status about an object; the server says the plural where one expects the kind."""
    return {"name": name, "group": kind.group, "kind": kind.plural, "causes": causes}


class NotFoundError(InputError):
    status: ClassVar[int] = 404
    reason: ClassVar[str] = "NotFound"

    def __init__(self, kind: Kind, key: ObjectKey) -> None:
        super().__init__(
            "NotFound",
            f'{kind.resource} "{key.name}" not found'
            + (f" in namespace {key.namespace}" if key.namespace else ""),
            details=_about(kind, key.name),
        )
        self.answer = f'{kind.resource} "{key.name}" not found'
        """What an API server says: without the namespace, which is in the address."""

    @classmethod
    def of_kind(cls, kind: Kind) -> NotFoundError:
        """For a kind that nobody serves."""
        error = cls(kind, ObjectKey("", ""))
        error.message = error.answer = "the server could not find the requested resource"
        error.hint = f"install the CustomResourceDefinition of {kind.resource} in {kind.version}"
        error.args = (error.message,)
        error.details = {}
        return error


class AlreadyExistsError(InputError):
    status: ClassVar[int] = 409
    reason: ClassVar[str] = "AlreadyExists"

    def __init__(self, kind: Kind, key: ObjectKey, *, is_going: bool = False) -> None:
        """`is_going`: the one that is there waits for its finalizers."""
        text = f'{kind.resource} "{key.name}" already exists'
        super().__init__(
            "AlreadyExists",
            f"object is being deleted: {text}" if is_going else text,
            details=_about(kind, key.name),
        )


class ConflictError(LaterError):
    """Somebody else changed the object, or owns the fields; read again, or apply with force."""

    status: ClassVar[int] = 409
    reason: ClassVar[str] = "Conflict"

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__("Conflict", message, delay=0.0)
        self.details = details or {}


class InvalidObjectError(InputError):
    status: ClassVar[int] = 422
    reason: ClassVar[str] = "Invalid"

    def __init__(
        self, message: str, messages: tuple[str, ...] = (), details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__("Invalid", message, messages=messages, details=details)


class BadRequestError(InvalidObjectError):
    status: ClassVar[int] = 400
    reason: ClassVar[str] = "BadRequest"


class MediaTypeError(InvalidObjectError):
    status: ClassVar[int] = 415
    reason: ClassVar[str] = "UnsupportedMediaType"


class UnfitError(InvalidObjectError):
    """What the API server answers with an internal error although the sender is to blame, such as an apply that does not fit the schema."""

    status: ClassVar[int] = 500
    reason: ClassVar[str] = ""


class ForbiddenError(InputError):
    status: ClassVar[int] = 403
    reason: ClassVar[str] = "Forbidden"

    def __init__(self, kind: Kind, name: str, why: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(
            "Forbidden",
            f'{kind.resource} "{name}" is forbidden: {why}',
            details=_about(kind, name, causes),
        )


class MethodError(InputError):
    status: ClassVar[int] = 405
    reason: ClassVar[str] = "MethodNotAllowed"

    def __init__(self) -> None:
        super().__init__(
            "MethodNotAllowed", "the server does not allow this method on the requested resource"
        )


class ExpiredError(LaterError):
    status: ClassVar[int] = 410
    reason: ClassVar[str] = "Expired"

    def __init__(self, message: str) -> None:
        super().__init__("Expired", message, delay=0.0)


class AheadError(LaterError):
    """Asked for was a version that the store has not reached."""

    status: ClassVar[int] = 504
    reason: ClassVar[str] = "Timeout"

    def __init__(self, asked: int, current: int) -> None:
        super().__init__(
            "Timeout", f"Timeout: Too large resource version: {asked}, current: {current}", delay=1.0
        )
        cause = Cause("ResourceVersionTooLarge", "Too large resource version", "")
        self.details = {"causes": (cause,), "retryAfterSeconds": 1}


def status_of(error: PilotageError) -> dict[str, Any]:
    """The `metav1.Status` that an API server answers with; for an error that it does not know, code 500."""
    code: int = getattr(error, "status", 500)
    reason: str = getattr(error, "reason", "InternalError")
    details: dict[str, Any] = {
        name: value for name, value in error.details.items() if value and name != "causes"
    }
    causes: tuple[Cause, ...] = error.details.get("causes", ())
    if causes:
        details["causes"] = [
            {name: text for name, text in msgspec.structs.asdict(cause).items() if text} for cause in causes
        ]
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": getattr(error, "answer", error.message),
    }
    if reason:
        status["reason"] = reason
    if details or "causes" in error.details:
        status["details"] = details
    status["code"] = code
    return status


class ReadOnlyError(InputError):
    status: ClassVar[int] = 405
    reason: ClassVar[str] = "MethodNotAllowed"

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

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, name: str = ""
    ) -> Listing:
        """All objects of the kind, of one namespace, with all of `labels`, of one `name`; sorted by namespace, then name."""
        ...


class Watcher(Protocol):
    def watch(
        self, kind: Kind, resource_version: str, namespace: str = "", *, name: str = ""
    ) -> AsyncIterator[Event]:
        """Every change after `resource_version`, in order, until the caller stops. `name`: of the object of this name.

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
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: Version = "",
    ) -> Object:
        """Server-side apply, with force, of the fields in `status` on the status subresource.

        With a `resource_version` only onto that state of the object: ConflictError when it changed since. Raises
        NotFoundError.
        """
        ...

    async def delete(self, kind: Kind, key: ObjectKey) -> None:
        """Raises NotFoundError. An object with finalizers gets a deletion timestamp and stays until they are gone."""
        ...


class Store(Reader, Watcher, Writer, Protocol):
    """All of it."""


class WriteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to write. `validation`: what to do about unknown and doubled fields: refuse, tell, drop silently.

    `complaints` are those that only the text that was sent could show: a field that stands there twice.
    """

    manager: str = ""
    is_dry_run: bool = False
    force: bool = False
    validation: Literal["Strict", "Warn", "Ignore"] = "Warn"
    complaints: tuple[str, ...] = ()


class DeleteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to delete. `uid` and `resource_version` are preconditions; without a `propagation` dependents follow later."""

    propagation: Literal["", "Background", "Foreground", "Orphan"] = ""
    uid: str = ""
    resource_version: Version = ""
    is_dry_run: bool = False


class ListOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to list. `labels` and `fields` are selectors as on a command line: `tier in (gold, iron),!old`.

    `limit` 0 means all; `continuation` is that of the page before. `match` as `resourceVersionMatch`.
    """

    namespace: str = ""
    labels: str = ""
    fields: str = ""
    limit: int = 0
    continuation: str = ""
    resource_version: Version = ""
    match: Literal["", "Exact", "NotOlderThan"] = ""


class WatchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to watch, from where. `initial_events`: begin with what is there and say by a bookmark when that is told.

    None: as the version says; an empty one, or `0`, begins with what is there, without that bookmark.
    """

    namespace: str = ""
    labels: str = ""
    fields: str = ""
    resource_version: Version = ""
    has_bookmarks: bool = False
    initial_events: bool | None = None
    match: Literal["", "Exact", "NotOlderThan"] = ""


class Page(msgspec.Struct, frozen=True):
    """A part of a snapshot. `remaining` is how many follow, None when that is not known (with selectors)."""

    items: tuple[Object, ...]
    resource_version: Version
    continuation: str = ""
    remaining: int | None = None


class Written(msgspec.Struct, frozen=True):
    """The object after a write; `warnings` are for the person who sent it."""

    object: Object
    is_created: bool = False
    warnings: tuple[str, ...] = ()


class Deleted(msgspec.Struct, frozen=True):
    """The last state of an object that `is_gone`, or the state in which it waits for its finalizers."""

    object: Object
    is_gone: bool


class Api(Store, Protocol):
    """All that an API server does with objects. Errors and their texts are those of kube-apiserver."""

    async def read(self, kind: Kind, key: ObjectKey, subresource: Subresource = "") -> Object:
        """The object in the version of `kind`; of `scale` a `Scale`. Raises NotFoundError."""
        ...

    async def page(self, kind: Kind, options: ListOptions) -> Page:
        """Raises BadRequestError for selectors and tokens that cannot be read, ExpiredError, AheadError."""
        ...

    def follow(self, kind: Kind, options: WatchOptions) -> AsyncIterator[Event]:
        """Changes of what is selected; an object that comes into the selection is ADDED, one that leaves it DELETED."""
        ...

    async def post(
        self, kind: Kind, namespace: str, manifest: Mapping[str, Any], options: WriteOptions
    ) -> Written:
        """Create. Raises AlreadyExistsError, InvalidObjectError, BadRequestError, ForbiddenError."""
        ...

    async def put(
        self,
        kind: Kind,
        key: ObjectKey,
        manifest: Mapping[str, Any],
        options: WriteOptions,
        subresource: Subresource = "",
    ) -> Written:
        """Replace the object, or a subresource of it."""
        ...

    async def patch(
        self,
        kind: Kind,
        key: ObjectKey,
        patch_type: PatchType,
        patch: Any,
        options: WriteOptions,
        subresource: Subresource = "",
    ) -> Written:
        """Change the object, or a subresource of it. `apply` creates what is not there."""
        ...

    async def remove(self, kind: Kind, key: ObjectKey, options: DeleteOptions) -> Deleted: ...

    async def remove_all(self, kind: Kind, selection: ListOptions, options: DeleteOptions) -> Page:
        """Delete what is selected; answers with the objects as they were."""
        ...
