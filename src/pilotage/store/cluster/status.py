"""What the server's refusal means, as one of our errors. Pure.

A refusal is a `metav1.Status` with a code, a reason and a message. The server's message is kept, as it names objects, fields
and managers; a body that is no Status is not repeated, because nobody knows what it holds.

    404 of the object        NotFoundError            404 of the kind           KindNotServed: retried, for a
    409 AlreadyExists        AlreadyExistsError                                 definition may yet be installed
    409 Conflict             ConflictError            401, 403                  Unauthorized, Forbidden: retried,
    400, 413, 422            InvalidObjectError                                 for rights may yet be given
    410                      ExpiredError             429, or Retry-After       TooManyRequests, with that delay
    everything else          ServerError
"""

from __future__ import annotations

import msgspec

from pilotage.api.errors import LaterError, PilotageError, RemoteError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    InvalidObjectError,
    NotFoundError,
)
from pilotage.store.cluster.requests import Request

__all__ = ["NAMESPACE", "Status", "is_unserved", "read_status", "refusal"]

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)

_OF_PRESENT_OBJECTS = ("get", "delete")
_LONGEST_TEXT = 2000
_SENDERS_MISTAKES = (
    "failed to create typed patch object",
    "resourceVersion should not be set on objects to be created",
    "resourceVersion: Invalid value",
)
"""What the server answers with 500 although the sender is to blame: an apply that does not fit the schema, and versions."""


class Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    group: str = ""
    kind: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    kind: str = ""
    status: str = ""
    message: str = ""
    reason: str = ""
    details: Details = Details()
    code: int = 0


def read_status(body: bytes) -> Status:
    """The Status in a body; an empty one when there is none."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Status()
    return status if status.kind == "Status" else Status()


def is_unserved(code: int, status: Status) -> bool:
    """Is it the kind that was not found, and not the object? Then the answer names no object."""
    return code == 404 and not status.details.name


def refusal(
    request: Request, server: str, code: int, body: bytes, asked: float | None = None
) -> PilotageError:
    """The error for an answer of `code`; `asked` is what `Retry-After` said, in seconds."""
    status = read_status(body)
    message = status.message[:_LONGEST_TEXT]
    text = f"{request.subject}: {message or f'{server} answered {code}'}"
    kind, key = request.kind, request.key
    if asked is None and status.details.retry_after_seconds:
        asked = float(status.details.retry_after_seconds)
    match code:
        case 404 if kind is not None:
            return _not_found(request, server, kind, status)
        case 409 if status.reason == "AlreadyExists" and kind is not None and key is not None:
            return AlreadyExistsError(kind, ObjectKey(key.namespace, status.details.name or key.name))
        case 409:
            return ConflictError(message or text)
        case 500 if message.startswith(_SENDERS_MISTAKES):
            return InvalidObjectError(message)
        case 400 | 413 | 415 | 422:
            return InvalidObjectError(message or text, _causes(status))
        case 410:
            return ExpiredError(message or text)
        case 401:
            return RemoteError(
                "Unauthorized", text, hint="log in again: the server no longer accepts the credential"
            )
        case 403:
            return RemoteError(
                "Forbidden", text, hint="grant this right with a Role or ClusterRole, and bind it"
            )
        case 429:
            return LaterError("TooManyRequests", text, delay=asked or 1.0)
        case _ if asked is not None:
            return LaterError("ServerBusy", text, delay=asked)
        case _:
            return RemoteError("ServerError", text, hint="see the log of the API server")


def _not_found(request: Request, server: str, kind: Kind, status: Status) -> PilotageError:
    key = request.key
    details = status.details
    if details.name and details.kind == NAMESPACE.plural and kind.plural != NAMESPACE.plural:
        return NotFoundError(NAMESPACE, ObjectKey("", details.name))
    if not is_unserved(404, status) and key is not None:
        return NotFoundError(kind, key)
    install = f"install the CustomResourceDefinition of {kind.resource}, or choose a cluster that has it"
    if request.verb in _OF_PRESENT_OBJECTS and key is not None:
        error = NotFoundError(kind, key)  # of a kind that is not there, no object is
        error.hint = f"the cluster does not serve {kind.resource} in {kind.version}: {install}"
        return error
    return RemoteError(
        "KindNotServed",
        f"{request.subject}: {server} does not serve {kind.resource} in {kind.version}",
        hint=install,
    )


def _causes(status: Status) -> tuple[str, ...]:
    return tuple(
        f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in status.details.causes
    )
