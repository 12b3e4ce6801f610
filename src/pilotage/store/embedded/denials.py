"""Admission said no, or could not be asked: the errors that an API server answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.api.errors import InputError, RemoteError
from pilotage.store.base import Cause

__all__ = ["DeniedError", "WebhookError"]


class DeniedError(InputError):
    """A webhook or a policy refused the request. `status` and `reason` are theirs."""

    def __init__(
        self, message: str, status: int, reason: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__("Denied", message, details=details)
        self.status = status
        self.reason = reason

    @classmethod
    def by_webhook(cls, name: str, result: Mapping[str, Any]) -> DeniedError:
        """`result` is the `status` of the answer, a `metav1.Status` as far as the webhook said something."""
        denied = f'admission webhook "{name}" denied the request'
        message, reason = result.get("message") or "", result.get("reason") or ""
        said = message or reason
        told = result.get("details") or {}
        details: dict[str, Any] = {name: told[name] for name in ("name", "group", "kind") if told.get(name)}
        causes = tuple(
            Cause(each.get("reason", ""), each.get("message", ""), each.get("field", ""))
            for each in told.get("causes") or ()
        )
        if causes:
            details["causes"] = causes
        return cls(
            f"{denied}: {said}" if said else f"{denied} without explanation",
            max(400, result.get("code") or 0),
            reason,
            details,
        )


class WebhookError(RemoteError):
    """A webhook that must be asked could not be."""

    def __init__(self, name: str, why: str) -> None:
        fault = f'failed calling webhook "{name}": {why}'
        super().__init__(
            "WebhookFailed",
            f"Internal error occurred: {fault}",
            hint="make the webhook reachable, or take its configuration away",
        )
        self.status = 500
        self.reason = "InternalError"
        self.details = {"causes": (Cause("", fault, ""),)}
