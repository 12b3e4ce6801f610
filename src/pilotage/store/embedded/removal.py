"""How objects go: deletion, finalizers, garbage collection, the ends of namespaces and definitions.

A deletion either removes an object or marks it, because finalizers hold it. Some of those are ours: an object that goes
after its dependents (`foregroundDeletion`), or leaves them behind (`orphan`); a namespace, which goes after its content; a
definition, which goes after its objects. Such an object is *held*: whatever may end its waiting wakes it (`rows.look_again`),
and one piece of work after another is done behind the commits, as controllers would. A crash loses none of it.

Follows `k8s.io/kubernetes/pkg/controller/garbagecollector` and `pkg/controller/namespace`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import orjson

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import Deleted, DeleteOptions, ForbiddenError, NotFoundError
from pilotage.store.embedded import apply as serverside
from pilotage.store.embedded import rows
from pilotage.store.embedded.database import Transaction
from pilotage.store.embedded.definitions import DEFINITION_TYPE, Definitions
from pilotage.store.embedded.events import as_version
from pilotage.store.embedded.intake import conflict
from pilotage.store.embedded.naming import CLEANUP, mark_terminating, settle_group
from pilotage.store.embedded.pen import FOREGROUND, ORPHAN, Pen, encode, header, kind_of, type_of
from pilotage.store.embedded.reviewing import Admission
from pilotage.store.embedded.strategies import NAMESPACE_TYPE

__all__ = ["Removal"]

_BATCH = 500
"""Objects deleted in one piece of work: bounds how long other writers wait."""
_IMMORTAL = frozenset({"default", "kube-public", "kube-system"})
_CONTENT, _DEFINED = "content", "defined"
_COLLECTOR = "garbage-collector"
_CONTROLLER = "kube-controller-manager"


class Removal:
    """`is_strict`: the namespaces that every cluster has cannot be deleted."""

    def __init__(self, pen: Pen, definitions: Definitions, admission: Admission, *, is_strict: bool) -> None:
        self._pen = pen
        self._admission = admission
        self._definitions = definitions
        self._is_strict = is_strict

    def delete(self, tx: Transaction, kind: Kind, key: ObjectKey, options: DeleteOptions) -> Deleted:
        """Raises NotFoundError, ConflictError, ForbiddenError."""
        type_ = type_of(kind)
        body = rows.read(tx.connection, type_, key)
        if body is None:
            raise NotFoundError(kind, key)
        if self._is_strict and type_ == NAMESPACE_TYPE and key.name in _IMMORTAL:
            raise ForbiddenError(kind, key.name, "this namespace may not be deleted")
        meta = header(body).metadata
        if options.uid and options.uid != meta.uid:
            raise conflict(
                kind,
                key.name,
                f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta.uid})."
                " The object might have been deleted and then recreated",
                kind.kind,
            )
        if options.resource_version and options.resource_version != meta.resource_version:
            raise conflict(
                kind,
                key.name,
                f"the ResourceVersion in the precondition ({options.resource_version}) does not match the"
                f" ResourceVersion in record ({meta.resource_version}). The object might have been modified",
                kind.kind,
            )
        if not self._admission.is_idle(tx):
            old = as_version(orjson.loads(body), kind.api_version)
            self._admission.validate(tx, kind, key, "DELETE", None, old, is_dry_run=options.is_dry_run)
        return self.delete_stored(tx, type_, body, options.propagation, is_dry_run=options.is_dry_run)

    def delete_stored(
        self,
        tx: Transaction,
        type_: str,
        body: bytes,
        propagation: Literal["", "Background", "Foreground", "Orphan"] = "",
        *,
        is_dry_run: bool = False,
    ) -> Deleted:
        """Remove an object, or mark it when something holds it."""
        value = orjson.loads(body)
        metadata = value["metadata"]
        finalizers = metadata.get("finalizers") or []
        kept = _finalizers(finalizers, propagation)
        if type_ == DEFINITION_TYPE and CLEANUP not in kept:
            kept = [*kept, CLEANUP]
        is_marked = "deletionTimestamp" in metadata
        if not kept and type_ != NAMESPACE_TYPE:
            return Deleted(
                Object.parse(body) if is_dry_run else self._pen.remove(tx, type_, value), is_gone=True
            )
        if is_marked and kept == finalizers:
            return Deleted(Object.parse(body), is_gone=False)
        self._mark(type_, value, kept)
        if is_dry_run:
            return Deleted(Object.parse(encode(value)), is_gone=False)
        stored = self._pen.store(tx, type_, value, header(body).metadata)
        work = {NAMESPACE_TYPE: _CONTENT, DEFINITION_TYPE: _DEFINED}.get(type_)
        if work is not None:
            rows.hold(tx.connection, rows.Held(type_, stored.key, stored.meta.uid, work))
            tx.has_orphans = True
        return Deleted(stored, is_gone=False)

    def _mark(self, type_: str, value: dict[str, Any], finalizers: list[str]) -> None:
        metadata = value["metadata"]
        now, _ = self._pen.now()
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
        if "deletionTimestamp" in metadata:
            return
        metadata["deletionTimestamp"] = now
        if type_ == NAMESPACE_TYPE:
            value["status"] = {**(value.get("status") or {}), "phase": "Terminating"}
        elif type_ == DEFINITION_TYPE:
            mark_terminating(value, now)
        else:
            metadata["deletionGracePeriodSeconds"] = 0
            if "generation" in metadata:
                metadata["generation"] += 1

    def finish(self, tx: Transaction, type_: str, value: dict[str, Any]) -> Object | None:
        """The last finalizer is gone: so is the object, unless it waits for something else (None)."""
        if type_ == NAMESPACE_TYPE and (value.get("spec") or {}).get("finalizers"):
            return None
        gone = self._pen.remove(tx, type_, value)
        if type_ == DEFINITION_TYPE:
            rows.undefine(tx.connection, gone.meta.name)
            settle_group(tx, self._pen, self._definitions, value["spec"]["group"])
        return gone

    # Behind the commits

    def look_after(self, tx: Transaction) -> None:
        """Do one piece of what is left to do; `has_orphans` says whether there is more."""
        uid = rows.next_gone(tx.connection)
        if uid is not None:
            for type_, key in rows.dependents(tx.connection, uid):
                self._release(tx, type_, key, lambda owner: rows.is_gone(tx.connection, owner))
            rows.settle_gone(tx.connection, uid)
            tx.has_orphans = True
            return
        held = rows.next_held(tx.connection)
        if held is None:
            return
        tx.has_orphans = True
        body = rows.read(tx.connection, held.type, held.key)
        if body is None or header(body).metadata.uid != held.uid:
            rows.unhold(tx.connection, held.type, held.key)
            return
        work: dict[str, Callable[[Transaction, rows.Held, bytes], bool]] = {
            FOREGROUND: self._foreground,
            ORPHAN: self._orphan,
            _CONTENT: self._empty_namespace,
            _DEFINED: self._empty_definition,
        }
        if work[held.work](tx, held, body):
            rows.settle_held(tx.connection, held)

    def _release(
        self, tx: Transaction, type_: str, key: ObjectKey, is_leaving: Callable[[str], bool]
    ) -> None:
        """Garbage collection of one dependent: delete it, or only forget the owners that leave."""
        body = rows.read(tx.connection, type_, key)
        if body is None:
            return
        value = orjson.loads(body)
        owners = value["metadata"].get("ownerReferences") or []
        left = [owner for owner in owners if not is_leaving(owner.get("uid", ""))]
        if not left:
            # Who goes before its owner takes its own dependents along first.
            uid = value["metadata"].get("uid", "")
            blocks = any(owner.get("blockOwnerDeletion") for owner in owners)
            deep = blocks and bool(rows.dependents(tx.connection, uid))
            self.delete_stored(tx, type_, body, "Foreground" if deep else "")
        elif len(left) < len(owners):
            self._rewrite(tx, type_, value, {"ownerReferences": left}, _COLLECTOR)

    def _rewrite(
        self, tx: Transaction, type_: str, value: dict[str, Any], changes: Mapping[str, Any], manager: str
    ) -> None:
        """Change metadata in the name of a controller; an empty value takes a field away."""
        metadata = {**value["metadata"], **changes}
        metadata = {name: child for name, child in metadata.items() if name not in changes or child}
        kind = kind_of(value)
        now, _ = self._pen.now()
        outcome = serverside.update(
            value,
            {**value, "metadata": metadata},
            self._definitions.stored_traits(tx.connection, kind).shape,
            serverside.Writer(manager, kind.api_version, now),
        )
        before = header(encode(value)).metadata
        is_over = "deletionTimestamp" in metadata and not metadata.get("finalizers")
        if is_over and self.finish(tx, type_, outcome.value) is not None:
            return
        self._pen.store(tx, type_, outcome.value, before)

    def _foreground(self, tx: Transaction, held: rows.Held, body: bytes) -> bool:
        """Delete the dependents that block; once there is none, the owner goes."""

        def is_leaving(uid: str) -> bool:
            return uid == held.uid or rows.is_gone(tx.connection, uid)

        for type_, key in self._blocking(tx, held.uid):
            dependent = rows.read(tx.connection, type_, key)
            if dependent is not None and header(dependent).metadata.deletion_timestamp is None:
                self._release(tx, type_, key, is_leaving)
        if self._blocking(tx, held.uid):
            return True
        self._drop_finalizer(tx, held, body, FOREGROUND)
        return False

    def _blocking(self, tx: Transaction, uid: str) -> list[tuple[str, ObjectKey]]:
        found = []
        for type_, key in rows.dependents(tx.connection, uid):
            body = rows.read(tx.connection, type_, key)
            owners = [] if body is None else orjson.loads(body)["metadata"].get("ownerReferences") or []
            if any(owner.get("uid") == uid and owner.get("blockOwnerDeletion") for owner in owners):
                found.append((type_, key))
        return found

    def _orphan(self, tx: Transaction, held: rows.Held, body: bytes) -> bool:
        """Make every dependent forget its owner, then let the owner go."""
        for type_, key in rows.dependents(tx.connection, held.uid):
            dependent = rows.read(tx.connection, type_, key)
            if dependent is None:
                continue
            value = orjson.loads(dependent)
            owners = [
                owner
                for owner in value["metadata"].get("ownerReferences") or []
                if owner.get("uid") != held.uid
            ]
            self._rewrite(tx, type_, value, {"ownerReferences": owners}, _COLLECTOR)
        self._drop_finalizer(tx, held, body, ORPHAN)
        return False

    def _drop_finalizer(self, tx: Transaction, held: rows.Held, body: bytes, finalizer: str) -> None:
        rows.unhold(tx.connection, held.type, held.key)
        value = orjson.loads(body)
        left = [name for name in value["metadata"].get("finalizers") or [] if name != finalizer]
        self._rewrite(tx, held.type, value, {"finalizers": left}, _COLLECTOR)

    def _empty_namespace(self, tx: Transaction, held: rows.Held, body: bytes) -> bool:
        namespace = held.key.name
        doomed = rows.contents(tx.connection, namespace, _BATCH)
        for type_, key in doomed:
            self._delete_at(tx, type_, ObjectKey(namespace, key.name))
        if len(doomed) == _BATCH:
            return False
        value = orjson.loads(body)
        if rows.is_empty(tx.connection, namespace):
            rows.unhold(tx.connection, held.type, held.key)
            value["spec"] = {
                name: child for name, child in (value.get("spec") or {}).items() if name != "finalizers"
            }
            if value["metadata"].get("finalizers"):
                self._pen.store(tx, held.type, value, header(body).metadata)
            else:
                self._pen.remove(tx, held.type, value)
            return False
        self._tell_what_remains(tx, held, value, body)
        return True

    def _tell_what_remains(
        self, tx: Transaction, held: rows.Held, value: dict[str, Any], body: bytes
    ) -> None:
        now, _ = self._pen.now()
        told = value.get("status", {}).get("conditions")
        if told:
            return
        value["status"] = {
            **(value.get("status") or {}),
            "conditions": [
                {
                    "type": type_,
                    "status": "True",
                    "lastTransitionTime": now,
                    "reason": reason,
                    "message": message,
                }
                for type_, reason, message in (
                    (
                        "NamespaceContentRemaining",
                        "SomeResourcesRemain",
                        "Some resources are remaining",
                    ),
                    (
                        "NamespaceFinalizersRemaining",
                        "SomeFinalizersRemain",
                        "Some content in the namespace has finalizers remaining",
                    ),
                )
            ],
        }
        self._pen.store(tx, held.type, value, header(body).metadata)

    def _empty_definition(self, tx: Transaction, held: rows.Held, body: bytes) -> bool:
        value = orjson.loads(body)
        spec = value["spec"]
        type_ = f"{spec['group']}/{spec['names']['kind']}"
        is_ours = any(name == held.key.name for _, name in rows.definitions(tx.connection))
        doomed = rows.unmarked(tx.connection, type_, "", _BATCH) if is_ours else []
        for key in doomed:
            self._delete_at(tx, type_, key)
        if len(doomed) == _BATCH:
            return False
        if is_ours and rows.count(tx.connection, type_, ""):
            return True
        rows.unhold(tx.connection, held.type, held.key)
        left = [name for name in value["metadata"].get("finalizers") or [] if name != CLEANUP]
        if left:
            self._rewrite(tx, held.type, value, {"finalizers": left}, _CONTROLLER)
            return False
        value["metadata"].pop("finalizers", None)
        self.finish(tx, held.type, value)
        return False

    def _delete_at(self, tx: Transaction, type_: str, key: ObjectKey) -> None:
        body = rows.read(tx.connection, type_, key)
        if body is not None:
            self.delete_stored(tx, type_, body)


def _finalizers(present: list[str], propagation: str) -> list[str]:
    """What holds the object once the wish of the one who deletes is known; without one, what is there says it."""
    if not propagation:
        return present
    kept = [name for name in present if name not in {ORPHAN, FOREGROUND}]
    wanted = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(propagation)
    return present if wanted in present else [*kept, *([wanted] if wanted else [])]
