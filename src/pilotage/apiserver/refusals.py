"""Refusals of the HTTP face itself, worded as kube-apiserver words them; those of the store are `store.base`'s errors.

A refusal is a `metav1.Status`. Where no such body fits (a path that nobody serves), it is the plain text of Go's HTTP server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilotage.api.errors import PilotageError
from pilotage.api.meta import Kind
from pilotage.store.base import status_of
from pilotage.store.embedded.metadata import invalid
from pilotage.store.schema.problems import Problem

__all__ = [
    "RefusalError",
    "bad_request",
    "forbidden_method",
    "invalid_options",
    "no_such_resource",
    "not_acceptable",
    "page_not_found",
    "status_body",
    "too_large",
    "too_many_requests",
    "unauthorized",
    "unsupported_media_type",
]

ACCEPTED = "application/json, application/yaml"
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    504: "Timeout",
}


class RefusalError(Exception):
    """Why a request is not answered as asked. `status` is the body, None for the plain text `message`."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        is_plain: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status: dict[str, Any] | None = None if is_plain else _status(code, message, details)


def _status(code: int, message: str, details: Mapping[str, Any] | None) -> dict[str, Any]:
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    if code in _REASONS:
        status["reason"] = _REASONS[code]
    if details is not None:
        status["details"] = dict(details)
    return {**status, "code": code}


def status_body(error: PilotageError | RefusalError) -> dict[str, Any]:
    """The `Status` for a refusal of either kind."""
    if isinstance(error, PilotageError):
        return status_of(error)
    return error.status or _status(error.code, error.message, {})


def bad_request(message: str) -> RefusalError:
    return RefusalError(400, message)


def unauthorized() -> RefusalError:
    return RefusalError(401, "Unauthorized")


def page_not_found() -> RefusalError:
    """Go's own words for a path that nobody serves."""
    return RefusalError(404, "404 page not found\n", is_plain=True)


def no_such_resource() -> RefusalError:
    return RefusalError(404, "the server could not find the requested resource", details={})


def forbidden_method() -> RefusalError:
    return RefusalError(405, "the server does not allow this method on the requested resource", details={})


def not_acceptable(message: str = "") -> RefusalError:
    return RefusalError(406, message or f"only the following media types are accepted: {ACCEPTED}")


def too_large(limit: int) -> RefusalError:
    return RefusalError(413, f"Request entity too large: limit is {limit}")


def unsupported_media_type(accepted: Sequence[str] = ()) -> RefusalError:
    taken = ", ".join(accepted) if accepted else ACCEPTED
    return RefusalError(
        415, f"the body of the request was in an unknown format - accepted media types include: {taken}"
    )


def too_many_requests() -> RefusalError:
    return RefusalError(429, "Too many requests, please try again later.", details={"retryAfterSeconds": 1})


def invalid_options(options: str, problems: Sequence[Problem]) -> PilotageError:
    """422 for options that make no sense: `CreateOptions.meta.k8s.io "" is invalid: dryRun: …`."""
    return invalid(Kind("meta.k8s.io", "v1", options, ""), "", problems)
