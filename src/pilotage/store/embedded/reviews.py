"""One request under review: what webhooks are told of it, and how a write goes on after they were asked.

Writes happen in one thread that nobody may hold up, and webhooks answer over the network. So a write that finds out that
somebody wants to be asked stops before anything is written, as `ReviewNeeded`; outside, they are asked; then the
write runs again from its beginning, with their answers in its `Attempt`. An answer counts for exactly the object, on exactly the
state, that they were asked about: who changed something meanwhile makes them be asked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
import orjson

from pilotage.api.errors import PilotageError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.embedded.events import as_version

__all__ = ["Attempt", "Operation", "Review", "ReviewNeededError", "ServiceAddress"]

Operation = Literal["CREATE", "UPDATE", "DELETE"]
ServiceAddress = Callable[[str, str, int], tuple[str, int] | None]
"""Where a service (namespace, name, port) can be reached: a host and a port; None when there is no such service."""

_OPTIONS = {"CREATE": "CreateOptions", "DELETE": "DeleteOptions", "UPDATE": "UpdateOptions"}
_USER = {"username": "system:admin", "groups": ["system:masters", "system:authenticated"]}
_VOLATILE = frozenset({"creationTimestamp", "managedFields"})


class Review(msgspec.Struct, frozen=True):
    """`value` is the object as it shall be (None for a delete), `old` as it was (None for a create).

    `namespace` holds the labels by which its namespace is selected, None where there is none; `namespace_object` the namespace;
    `equivalents` are the other versions of its kind.
    """

    kind: Kind
    key: ObjectKey
    operation: Operation
    value: dict[str, Any] | None
    old: Mapping[str, Any] | None
    subresource: str = ""
    manager: str = ""
    is_dry_run: bool = False
    namespace: Mapping[str, str] | None = None
    namespace_object: Mapping[str, Any] | None = None
    equivalents: tuple[Kind, ...] = ()

    def digest(self, phase: str) -> bytes:
        """What an answer is for. The times of a new object, and the managers of fields, are not part of it."""
        value = self.value
        if value is not None:
            metadata = {name: child for name, child in value["metadata"].items() if name not in _VOLATILE}
            value = {**value, "metadata": metadata}
        version = (self.old or {}).get("metadata", {}).get("resourceVersion", "")
        told = [phase, self.operation, self.subresource, self.kind.api_version, version, value]
        return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).digest()

    def request(self, kind: Kind, uid: str, value: Mapping[str, Any] | None) -> dict[str, Any]:
        """`request` of an AdmissionReview, for somebody who is told the object as `kind`; `value` is the object by now."""
        options: dict[str, Any] = {"kind": _OPTIONS[self.operation], "apiVersion": "meta.k8s.io/v1"}
        if self.manager:
            options["fieldManager"] = self.manager
        if self.is_dry_run:
            options["dryRun"] = ["All"]
        request: dict[str, Any] = {
            "uid": uid,
            "kind": _kind(kind),
            "resource": _resource(kind),
            "requestKind": _kind(self.kind),
            "requestResource": _resource(self.kind),
            "name": self.key.name,
            "operation": self.operation,
            "userInfo": _USER,
            "object": None if value is None else as_version(value, kind.api_version),
            "oldObject": None if self.old is None else as_version(self.old, kind.api_version),
            "dryRun": self.is_dry_run,
            "options": options,
        }
        if self.key.namespace:
            request["namespace"] = self.key.namespace
        if self.subresource:
            request["subResource"] = request["requestSubResource"] = self.subresource
        return request


def _kind(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "resource": kind.plural}


class Attempt:
    """What is known by now of one write that is reviewed. `drawn` is what was chosen at random for a new object."""

    def __init__(self) -> None:
        self.drawn: dict[str, str] = {}
        self.mutated: dict[bytes, dict[str, Any]] = {}
        self.allowed: set[bytes] = set()
        self.warnings: list[str] = []


class ReviewNeededError(PilotageError):
    """Somebody must be asked before the write goes on. Nothing was written. `readmit` reads and fills a changed object in place."""

    def __init__(
        self, review: Review, digest: bytes, calls: Any, readmit: Callable[[dict[str, Any]], Any] | None
    ) -> None:
        super().__init__("ReviewNeeded", "webhooks must be asked")
        self.review = review
        self.digest = digest
        self.calls = calls
        self.readmit = readmit
        self.drawn: dict[str, str] = {}
