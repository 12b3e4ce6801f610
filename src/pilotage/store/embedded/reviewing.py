"""Admission inside a write: who wants to be asked about this object? Policies are, here and now; webhooks, by stopping the write.

Costs one look into the store for each commit while nobody has configured anything.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.embedded import hooks, policies, rows
from pilotage.store.embedded.database import Transaction
from pilotage.store.embedded.definitions import Definitions
from pilotage.store.embedded.pen import type_of
from pilotage.store.embedded.reviews import Operation, Review, ReviewNeededError

__all__ = ["Admission"]

_NAMESPACE = "/Namespace"


class _Configured(msgspec.Struct, frozen=True):
    """Every webhook and policy of a store."""

    mutating: tuple[hooks.Hook, ...] = ()
    validating: tuple[hooks.Hook, ...] = ()
    policies: tuple[bytes, ...] = ()
    bindings: tuple[bytes, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return not (self.mutating or self.validating or (self.policies and self.bindings))


_NOTHING = _Configured()


class Admission:
    """`calls_webhooks` false: only policies count, as in a fork, which must not reach outside."""

    def __init__(self, definitions: Definitions, *, calls_webhooks: bool) -> None:
        self._definitions = definitions
        self._calls_webhooks = calls_webhooks

    def is_idle(self, tx: Transaction) -> bool:
        """Has nobody configured anything?"""
        return self._configured(tx).is_nothing

    def mutate(
        self,
        tx: Transaction,
        kind: Kind,
        key: ObjectKey,
        operation: Operation,
        value: dict[str, Any],
        old: Mapping[str, Any] | None,
        readmit: Callable[[dict[str, Any]], Any],
        *,
        subresource: str = "",
        manager: str = "",
        is_dry_run: bool = False,
    ) -> dict[str, Any]:
        """The object as webhooks want it. Raises ReviewNeededError when they have not been asked yet."""
        configured = self._configured(tx)
        if not configured.mutating or type_of(kind) in hooks.EXEMPT:
            return value
        review = self._review(tx, Review(kind, key, operation, value, old, subresource, manager, is_dry_run))
        calls = hooks.calls(configured.mutating, review)
        if not calls:
            return value
        digest = review.digest("mutate")
        known = tx.attempt.mutated.get(digest) if tx.attempt is not None else None
        if known is None:
            raise ReviewNeededError(review, digest, calls, readmit)
        return copy.deepcopy(known)

    def validate(
        self,
        tx: Transaction,
        kind: Kind,
        key: ObjectKey,
        operation: Operation,
        value: dict[str, Any] | None,
        old: Mapping[str, Any] | None,
        *,
        subresource: str = "",
        manager: str = "",
        is_dry_run: bool = False,
    ) -> tuple[str, ...]:
        """What to warn of. Raises DeniedError, and ReviewNeededError when somebody has not been asked yet."""
        configured = self._configured(tx)
        if configured.is_nothing or type_of(kind) in hooks.EXEMPT:
            return ()
        review = self._review(tx, Review(kind, key, operation, value, old, subresource, manager, is_dry_run))
        warnings: list[str] = []
        policies.enforce(configured.policies, configured.bindings, review, warnings)
        wanted = configured.validating
        if operation == "DELETE":
            wanted = (*configured.mutating, *wanted)
        calls = hooks.calls(wanted, review)
        if not calls:
            return tuple(warnings)
        digest = review.digest("validate")
        if tx.attempt is None or digest not in tx.attempt.allowed:
            raise ReviewNeededError(review, digest, calls, None)
        return tuple(warnings)

    def _configured(self, tx: Transaction) -> _Configured:
        found = tx.configured
        if isinstance(found, _Configured) and tx.touched.isdisjoint(hooks.HOOK_TYPES):
            return found
        found = self._load(tx.connection) if rows.has_any(tx.connection, hooks.HOOK_TYPES) else _NOTHING
        tx.configured = found
        return found

    def _load(self, connection: sqlite3.Connection) -> _Configured:
        stored = {type_: rows.read_list(connection, type_, "", {}) for type_ in hooks.HOOK_TYPES}

        def webhooks(type_: str) -> tuple[hooks.Hook, ...]:
            if not self._calls_webhooks:
                return ()
            return tuple(hook for body in stored[type_] for hook in hooks.hooks_of(body))

        return _Configured(
            webhooks(hooks.MUTATING),
            webhooks(hooks.VALIDATING),
            tuple(stored[hooks.POLICY]),
            tuple(stored[hooks.BINDING]),
        )

    def _review(self, tx: Transaction, review: Review) -> Review:
        """The request with what selectors and expressions look at besides."""
        labels, namespace = self._namespace(tx, review)
        return msgspec.structs.replace(
            review,
            namespace=labels,
            namespace_object=namespace,
            equivalents=self._definitions.equivalents(tx.connection, review.kind),
        )

    def _namespace(
        self, tx: Transaction, review: Review
    ) -> tuple[Mapping[str, str] | None, Mapping[str, Any] | None]:
        if type_of(review.kind) == _NAMESPACE:
            value = review.value if review.value is not None else review.old or {}
            return (value.get("metadata") or {}).get("labels") or {}, None
        if not review.key.namespace:
            return None, None
        body = rows.read(tx.connection, _NAMESPACE, ObjectKey("", review.key.namespace))
        namespace: dict[str, Any] = orjson.loads(body) if body is not None else {}
        return (namespace.get("metadata") or {}).get("labels") or {}, namespace
