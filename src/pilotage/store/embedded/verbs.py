"""What each write does to one object, inside a transaction: create, apply, replace, patch, and their subresources.

Every verb reads the present state, computes the next one, checks it, and only then writes: a verb that raises has written
nothing. The order of a write is that of the API server: what was sent is decoded, cleaned and filled (`admission`,
`strategies`), what the API owns is set (identity, times, generation), then fields and their managers, then validation. A
write that changes nothing is no write.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import (
    AlreadyExistsError,
    BadRequestError,
    Cause,
    ForbiddenError,
    InvalidObjectError,
    MediaTypeError,
    NotFoundError,
    PatchType,
    Subresource,
    UnfitError,
    WriteOptions,
    Written,
)
from pilotage.store.embedded import apply as serverside
from pilotage.store.embedded import intake, rows, scaling, strategies
from pilotage.store.embedded.admission import Gate
from pilotage.store.embedded.database import Transaction
from pilotage.store.embedded.decoding import UndecodableError
from pilotage.store.embedded.definitions import DEFINITION_TYPE, Definitions
from pilotage.store.embedded.events import as_version
from pilotage.store.embedded.kinds import KindTraits, Part
from pilotage.store.embedded.merging import UnmergeableError
from pilotage.store.embedded.metadata import (
    UnreadableMetadataError,
    check_change,
    check_new,
    clean_metadata,
    finalizer_warnings,
    invalid,
    required_key,
)
from pilotage.store.embedded.naming import settle_group
from pilotage.store.embedded.patching import json_patch, merge_patch
from pilotage.store.embedded.pen import Pen, encode, header, in_version, kind_of, type_of
from pilotage.store.embedded.removal import Removal
from pilotage.store.embedded.reviewing import Admission
from pilotage.store.embedded.strategic import strategic_merge_patch
from pilotage.store.embedded.typed import UNDECLARED, metadata_faults, typing_faults
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.problems import Problem, forbidden, required
from pilotage.store.schema.problems import invalid as invalid_value

__all__ = ["Target", "Verbs", "has_subresource", "no_subresource"]

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no look-alikes: a random suffix spells nothing."""
_NAME_SUFFIX = 5
_NAME_ATTEMPTS = 8
_GENERATED_BASE = 63 - _NAME_SUFFIX
_TERMINATING = "create not allowed while custom resource definition is terminating"


class Target:
    """One object that a verb is about: its kind and name, what is known of the kind, and what is there now."""

    __slots__ = ("body", "key", "kind", "live", "traits", "type")

    def __init__(self, kind: Kind, key: ObjectKey, traits: KindTraits, body: bytes | None) -> None:
        self.kind, self.key, self.traits, self.body = kind, key, traits, body
        self.type = type_of(kind)
        self.live: dict[str, Any] | None = None
        if body is not None:
            value: dict[str, Any] = orjson.loads(body)
            self.live = as_version(value, kind.api_version) if traits.is_versioned else value

    def present(self) -> dict[str, Any]:
        """What is there. Raises NotFoundError."""
        if self.live is None:
            raise NotFoundError(self.kind, self.key)
        return self.live

    def answer(self) -> Object:
        """What is there, as it was read."""
        body = self.body or b""
        return Object.parse(in_version(body, self.kind.api_version) if self.traits.is_versioned else body)


class Verbs:
    """The verbs over one pen, one source of randomness, and what is known about kinds.

    `is_strict`: objects live in namespaces that are there.
    """

    def __init__(
        self,
        pen: Pen,
        entropy: random.Random,
        definitions: Definitions,
        removal: Removal,
        admission: Admission,
        *,
        is_strict: bool,
    ) -> None:
        self._pen = pen
        self._admission = admission
        self._entropy = entropy
        self._definitions = definitions
        self._removal = removal
        self._is_strict = is_strict

    def _target(self, tx: Transaction, kind: Kind, key: ObjectKey) -> Target:
        traits = self._definitions.traits(tx.connection, kind)
        return Target(kind, key, traits, rows.read(tx.connection, type_of(kind), key))

    def _writer(self, kind: Kind, options: WriteOptions, subresource: Subresource = "") -> serverside.Writer:
        now, _ = self._pen.now()
        return serverside.Writer(options.manager, kind.api_version, now, subresource)

    # create

    def create(
        self, tx: Transaction, kind: Kind, namespace: str | None, sent: bytes, options: WriteOptions
    ) -> Written:
        """`namespace` is that of the request, None when only the manifest says it."""
        traits = self._definitions.traits(tx.connection, kind)
        value, unknown = intake.read_manifest(kind, traits, sent)
        if namespace is not None:
            intake.adopt_namespace(namespace, value["metadata"])
        return self._create(tx, kind, traits, value, unknown, options)

    def _create(
        self,
        tx: Transaction,
        kind: Kind,
        traits: KindTraits,
        value: dict[str, Any],
        unknown: list[str],
        options: WriteOptions,
    ) -> Written:
        metadata = value["metadata"]
        version = metadata.get("resourceVersion", "")
        if version.isdecimal() and version.strip("0"):
            raise UnfitError("resourceVersion should not be set on objects to be created")
        self._name(tx, kind, metadata)
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        self._check_place(tx, kind, key, traits)
        complaints = self._admit(kind, traits, value, None, unknown)
        warnings = intake.complain(kind, complaints, options)
        value = self._mutated(tx, kind, traits, key, value, None, options)
        new = self._begin(tx, kind, traits, value)
        value = self._owned_from_the_start(kind, traits, new, options, value)
        self._settle_new(tx, kind, traits, value)
        problems = self._problems(kind, traits, value, None, "", [])
        if problems:
            raise invalid(kind, key.name, problems)
        warnings += self._validated(tx, kind, key, value, None, options)
        self._check_free(tx, kind, key)
        warnings += tuple(strategies.warnings(type_of(kind), value))
        if traits.is_custom:
            warnings += tuple(finalizer_warnings(metadata, {}))
        return Written(
            self._store(tx, kind, traits, value, None, is_dry_run=options.is_dry_run),
            is_created=True,
            warnings=warnings,
        )

    def _owned_from_the_start(
        self,
        kind: Kind,
        traits: KindTraits,
        new: dict[str, Any],
        options: WriteOptions,
        sent: Mapping[str, Any],
    ) -> dict[str, Any]:
        """A new object with its managers, those that were sent included. What the API adds to it is nobody's."""
        entries = serverside.sent_entries({}, sent)
        added = {"spec", "status"} if type_of(kind) == strategies.NAMESPACE_TYPE else {"status"}
        if not traits.has_status:
            added = set()
        if not _are_typed(traits, sent, "status"):
            return _with_entries(new, entries)
        stated = {name: child for name, child in new.items() if name not in added}
        outcome = serverside.update(
            {}, stated, traits.shape, self._writer(kind, options), entries, traits.blank
        )
        return {**outcome.value, **{name: child for name, child in new.items() if name in added}}

    def _name(self, tx: Transaction, kind: Kind, metadata: dict[str, Any]) -> None:
        base = metadata.get("generateName", "")
        if metadata.get("name") or not base:
            metadata.setdefault("name", "")
            return
        for number in range(_NAME_ATTEMPTS):
            suffix = tx.draw(f"name {number}", self._suffix)
            metadata["name"] = base[:_GENERATED_BASE] + suffix
            key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
            if not rows.exists(tx.connection, type_of(kind), key):
                return

    def _suffix(self) -> str:
        return "".join(self._entropy.choices(_NAME_ALPHABET, k=_NAME_SUFFIX))

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._entropy.getrandbits(128), version=4))

    def _check_free(self, tx: Transaction, kind: Kind, key: ObjectKey) -> None:
        """Raises AlreadyExistsError."""
        body = rows.read(tx.connection, type_of(kind), key)
        if body is not None:
            raise AlreadyExistsError(kind, key, is_going=header(body).metadata.deletion_timestamp is not None)

    def _check_place(self, tx: Transaction, kind: Kind, key: ObjectKey, traits: KindTraits) -> None:
        """Raises when nothing can be created there: no namespace, or one that goes; a kind that goes."""
        if kind.namespaced and key.namespace:
            place = ObjectKey("", key.namespace)
            if self._is_strict and not rows.exists(tx.connection, strategies.NAMESPACE_TYPE, place):
                raise NotFoundError(_NAMESPACE, place)
            if rows.is_held(tx.connection, strategies.NAMESPACE_TYPE, place):
                raise ForbiddenError(
                    kind,
                    key.name,
                    f"unable to create new content in namespace {key.namespace} because it is being terminated",
                    (
                        Cause(
                            "NamespaceTerminating",
                            f"namespace {key.namespace} is being terminated",
                            "metadata.namespace",
                        ),
                    ),
                )
        if traits.is_terminating:
            raise ForbiddenError(kind, key.name, _TERMINATING)

    def _begin(
        self, tx: Transaction, kind: Kind, traits: KindTraits, value: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A new object: what the client sent, without what is not the client's to say."""
        keeps_status = not traits.has_status or type_of(kind) in strategies.KEEPS_STATUS
        new = {name: child for name, child in value.items() if name != "status" or keeps_status}
        metadata = {name: child for name, child in value["metadata"].items() if name not in intake.API_OWNED}
        now, _ = self._pen.now()
        metadata["uid"] = tx.draw("uid", self._uid)
        metadata["creationTimestamp"] = now
        if traits.has_generation:
            metadata["generation"] = 1
        new["metadata"] = metadata
        return new

    def _settle_new(self, tx: Transaction, kind: Kind, traits: KindTraits, value: dict[str, Any]) -> None:
        """Give a new object of a built-in kind, in place, what nobody owns."""
        if traits.is_custom or traits.gate is None:
            return

        def is_taken(address: str) -> bool:
            mark = b'"clusterIP":"%b"' % address.encode()
            return any(
                mark in body for body in rows.read_list(tx.connection, strategies.SERVICE_TYPE, "", {})
            )

        def free_address() -> str:
            return tx.draw("address", lambda: strategies.free_address(self._entropy, is_taken))

        strategies.settle_new(type_of(kind), value, traits.gate.first_status(), free_address)

    def _mutated(
        self,
        tx: Transaction,
        kind: Kind,
        traits: KindTraits,
        key: ObjectKey,
        value: dict[str, Any],
        old: Mapping[str, Any] | None,
        options: WriteOptions,
        subresource: Subresource = "",
    ) -> dict[str, Any]:
        """The object as webhooks want it."""
        if self._admission.is_idle(tx):
            return value

        def readmit(changed: dict[str, Any]) -> None:
            identity = {name: value["metadata"][name] for name in _IDENTITY if name in value["metadata"]}
            metadata, _ = clean_metadata(kind, changed.get("metadata") or {}, is_custom=traits.is_custom)
            changed["metadata"] = {**metadata, **identity}
            if traits.gate is not None:
                traits.gate.admit(kind, changed)

        return self._admission.mutate(
            tx,
            kind,
            key,
            "CREATE" if old is None else "UPDATE",
            value,
            old,
            readmit,
            subresource=subresource,
            manager=options.manager,
            is_dry_run=options.is_dry_run,
        )

    def _validated(
        self,
        tx: Transaction,
        kind: Kind,
        key: ObjectKey,
        value: dict[str, Any],
        old: Mapping[str, Any] | None,
        options: WriteOptions,
        subresource: Subresource = "",
    ) -> tuple[str, ...]:
        """Raises when a policy or a webhook says no; what they warn of."""
        if self._admission.is_idle(tx):
            return ()
        return self._admission.validate(
            tx,
            kind,
            key,
            "CREATE" if old is None else "UPDATE",
            value,
            old,
            subresource=subresource,
            manager=options.manager,
            is_dry_run=options.is_dry_run,
        )

    def _admit(
        self,
        kind: Kind,
        traits: KindTraits,
        value: dict[str, Any],
        old: Mapping[str, Any] | None,
        unknown: list[str],
        subresource: Subresource = "",
    ) -> list[str]:
        """Clean and fill, in place; what strict decoding would complain about."""
        complaints = [_unknown(path) for path in unknown]
        if traits.gate is not None:
            complaints += traits.gate.admit(kind, value)
        if not (traits.is_custom or subresource):
            strategies.prepare(type_of(kind), value, old)
        return complaints

    def _problems(
        self,
        kind: Kind,
        traits: KindTraits,
        value: Mapping[str, Any],
        old: Mapping[str, Any] | None,
        subresource: Subresource,
        warnings: list[str],
    ) -> list[Problem]:
        part: Part = "status" if subresource == "status" else ""
        if traits.gate is not None:
            return (
                traits.gate.judge_new(value)
                if old is None
                else traits.gate.judge_change(value, old, part, warnings)
            )
        metadata = value["metadata"]
        return (
            check_new(kind, traits.names, metadata)
            if old is None
            else check_change(kind, metadata, old["metadata"])
        )

    # apply

    def apply(
        self,
        tx: Transaction,
        kind: Kind,
        key: ObjectKey,
        sent: bytes,
        options: WriteOptions,
        subresource: Subresource = "",
        *,
        needs_name: bool = False,
    ) -> Written:
        """`needs_name`: the configuration must say whose it is."""
        target = self._target(tx, kind, key)
        traits = target.traits
        if subresource:
            target.present()
        stated, subject = _check_configuration(kind, traits, sent)
        if needs_name and not stated.get("name"):
            raise _nameless(key)
        config, unknown = intake.read_manifest(kind, traits, sent)
        intake.adopt_key(key, config["metadata"])
        required_key(kind, key.namespace, key.name)
        intake.check_preconditions(kind, key, config["metadata"], target.live)
        warnings = intake.complain(kind, [_unknown(path) for path in unknown], options)
        config["metadata"] = {**stated, **config["metadata"]}
        config = intake.configuration(config, traits) if not subresource else _status_only(config)
        strategies.fold_text(target.type, config)
        if target.live is None:
            self._check_place(tx, kind, key, traits)
        start = (
            target.live if target.live is not None else self._begin(tx, kind, traits, intake.identity(config))
        )
        outcome = self._merge(kind, key, traits, start, config, options, subresource, subject)
        if target.live is None:
            value = outcome.value if traits.is_custom else _thawed(outcome.value)
            value["metadata"], _ = clean_metadata(kind, value["metadata"], is_custom=traits.is_custom)
            self._admit(kind, traits, value, None, [])
            value = self._mutated(tx, kind, traits, key, value, None, options)
            self._settle_new(tx, kind, traits, value)
            problems = self._problems(kind, traits, value, None, "", [])
            if problems:
                raise invalid(kind, key.name, problems)
            warnings += self._validated(tx, kind, key, value, None, options)
            if traits.is_custom:
                warnings += tuple(finalizer_warnings(value["metadata"], {}))
            stored = self._store(tx, kind, traits, value, None, is_dry_run=options.is_dry_run)
            return Written(stored, is_created=True, warnings=warnings)
        if not outcome.is_changed:
            return Written(target.answer(), warnings=warnings)
        value = _thawed(outcome.value)
        value["metadata"], _ = clean_metadata(kind, value["metadata"], is_custom=traits.is_custom)
        self._admit(kind, traits, value, target.live, [], subresource)
        value = self._mutated(tx, kind, traits, key, value, target.live, options, subresource)
        found: list[str] = []
        if traits.is_custom:
            found += finalizer_warnings(value["metadata"], target.live["metadata"])
        stored = self._settle(tx, target, value, options, subresource, found)
        return Written(stored, warnings=(*warnings, *found))

    def apply_status(
        self,
        tx: Transaction,
        kind: Kind,
        key: ObjectKey,
        status: Any,
        options: WriteOptions,
        resource_version: str = "",
    ) -> Object:
        """Apply only a status, with force."""
        target = self._target(tx, kind, key)
        target.present()
        if not target.traits.has_status:
            raise invalid(kind, key.name, [forbidden("status", "this kind has no status subresource")])
        config = {"apiVersion": kind.api_version, "kind": kind.kind, "status": status}
        if resource_version:
            config["metadata"] = {"resourceVersion": resource_version}
        return self.apply(tx, kind, key, encode(config), options, "status").object

    def _merge(
        self,
        kind: Kind,
        key: ObjectKey,
        traits: KindTraits,
        live: dict[str, Any],
        config: dict[str, Any],
        options: WriteOptions,
        subresource: Subresource,
        subject: str,
    ) -> serverside.Outcome:
        if not options.manager:
            raise invalid(kind, key.name, [required("fieldManager", "is required for apply patch")])
        writer = self._writer(kind, options, subresource)
        try:
            return serverside.apply(
                live, config, traits.shape, writer, force=options.force, blank=traits.blank
            )
        except UnmergeableError as error:
            raise intake.untyped(subject, [str(error)]) from None

    # replace and patch

    def replace(
        self,
        tx: Transaction,
        kind: Kind,
        key: ObjectKey,
        sent: bytes,
        options: WriteOptions,
        subresource: Subresource = "",
        *,
        needs_version: bool = True,
    ) -> Written:
        """The whole object instead of the one that is there. `needs_version` false: the last one wins, of any kind."""
        target = self._target(tx, kind, key)
        is_nameless = needs_version and not _name_of(sent)
        if subresource == "scale":
            if is_nameless:
                raise _nameless(key)
            return self._rescale(tx, target, orjson.loads(sent), options)
        _require(target, subresource)
        try:
            wanted, unknown = intake.read_manifest(kind, target.traits, sent)
        except BadRequestError:
            raise
        except InvalidObjectError:
            # Another kind of thing is an invalid one of this kind: first there must be something to replace.
            target.present()
            raise
        is_absent = target.live is None and not target.traits.is_custom
        if needs_version and (is_absent or options.validation == "Strict"):
            # What was sent is read before what is there.
            seen = self._admit(kind, target.traits, _thawed(wanted), target.live, unknown, subresource)
            intake.complain(kind, seen, options)
        if is_nameless:
            raise _nameless(key)
        intake.adopt_key(key, wanted["metadata"])
        if target.live is None and target.traits.creates_on_update and not subresource:
            wanted["metadata"].pop("resourceVersion", None)
            return self._create(tx, kind, target.traits, wanted, unknown, options)
        live = target.present()
        is_blind = not wanted["metadata"].get("resourceVersion")
        if needs_version and is_blind and (target.traits.is_custom or strategies.needs_version(target.type)):
            problem = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(kind, key.name, [problem], kind.plural)
        intake.check_preconditions(kind, key, wanted["metadata"], live)
        return self._change(tx, target, wanted, unknown, options, subresource)

    def patch(
        self,
        tx: Transaction,
        kind: Kind,
        key: ObjectKey,
        patch_type: PatchType,
        sent: bytes,
        options: WriteOptions,
        subresource: Subresource = "",
    ) -> Written:
        target = self._target(tx, kind, key)
        if patch_type == "apply":
            if subresource != "scale":
                _require(target, subresource)
            return self.apply(tx, kind, key, sent, options, subresource, needs_name=True)
        if options.force:
            problem = forbidden("force", "may not be specified for non-apply patch")
            raise invalid(_PATCH_OPTIONS, "", [problem])
        if patch_type == "strategic" and not target.traits.merges_strategically:
            raise MediaTypeError(
                "the body of the request was in an unknown format - accepted media types include:"
                " application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            )
        live = target.present()
        patch = orjson.loads(sent)
        if subresource == "scale":
            scale = scaling.scale_of(live, _scale_paths(target))
            return self._rescale(tx, target, _patched(scale, patch_type, patch, target.traits), options)
        _require(target, subresource)
        wanted = _patched(live, patch_type, patch, target.traits)
        if not isinstance(wanted, dict):
            raise InvalidObjectError(
                "the server rejected our request due to an error in our request", details={"causes": ()}
            )
        shown = dict(wanted)
        try:
            wanted, unknown = intake.match_type(kind, target.traits, wanted)
        except UnreadableMetadataError as error:
            problem = invalid_value("patch", json_text(shown), error.fault)
            raise invalid(_NOTHING, "", [problem]) from None
        metadata = wanted["metadata"]
        intake.adopt_key(key, metadata)
        if metadata.get("uid", live["metadata"]["uid"]) != live["metadata"]["uid"]:
            problem = invalid_value("metadata.uid", metadata["uid"], "field is immutable")
            raise invalid(kind, key.name, [problem, problem])
        intake.check_preconditions(kind, key, metadata, live)
        try:
            return self._change(tx, target, wanted, unknown, options, subresource, shown)
        except UndecodableError as error:
            raise invalid(_NOTHING, "", [error.as_patched(patch_type, patch, shown)]) from None

    def _change(
        self,
        tx: Transaction,
        target: Target,
        wanted: dict[str, Any],
        unknown: list[str],
        options: WriteOptions,
        subresource: Subresource,
        shown: Mapping[str, Any] | None = None,
    ) -> Written:
        """From what is wanted of an object that is there to what is stored. `shown` is what a patch made of it."""
        kind, traits, live = target.kind, target.traits, target.present()
        entries = serverside.entries_of(live) if subresource else serverside.sent_entries(live, wanted)
        new = _with_owned_metadata(_part(live, wanted, traits, subresource), live)
        if subresource == "finalize":
            new["spec"] = wanted.get("spec") or {}
        whole = None
        if any(wanted[name] != new.get(name) for name in wanted if name != "metadata"):
            # What this door does not let through is read all the same.
            whole = self._admit(kind, traits, _thawed(wanted), live, unknown, subresource)
        patched = _thawed(shown) if shown is not None and options.validation == "Strict" else None
        complaints = self._admit(kind, traits, new, live, unknown, subresource)
        warnings = list(intake.complain(kind, complaints if whole is None else whole, options, patched))
        new = self._mutated(tx, kind, traits, target.key, new, live, options, subresource)
        if traits.is_custom:
            warnings += finalizer_warnings(new["metadata"], live["metadata"])
        if _are_typed(traits, wanted, "spec" if subresource else "status"):
            writer = self._writer(kind, options, subresource)
            outcome = serverside.update(live, new, traits.shape, writer, entries, traits.blank)
        else:
            value = _with_entries(new, entries)
            outcome = serverside.Outcome(value, value != live)
        if not outcome.is_changed:
            return Written(target.answer(), warnings=tuple(warnings))
        stored = self._settle(tx, target, _thawed(outcome.value), options, subresource, warnings)
        return Written(stored, warnings=tuple(warnings))

    def _rescale(self, tx: Transaction, target: Target, scale: Any, options: WriteOptions) -> Written:
        live, paths = target.present(), _scale_paths(target)
        metadata, _ = clean_metadata(scaling.SCALE, scale.get("metadata") or {}, is_custom=False)
        intake.adopt_key(target.key, metadata)
        intake.check_preconditions(target.kind, target.key, metadata, live)
        new = scaling.with_replicas(live, paths, scale)
        # The server keeps no time of those who scale.
        writer = serverside.Writer(options.manager, target.kind.api_version, "", "scale")
        outcome = serverside.update(live, new, target.traits.shape, writer, blank=target.traits.blank)
        if outcome.is_changed:
            value = _thawed(outcome.value)
            self._admit(target.kind, target.traits, value, live, [], "scale")
            stored = self._settle(tx, target, value, options, "scale", [])
            live = stored.value()
        return Written(Object.of(scaling.scale_of(live, paths)))

    # restore

    def restore(self, tx: Transaction, raw: bytes) -> Object:
        """Write an object as it was elsewhere: identity, times, managers and status stay; only the version is ours."""
        value = orjson.loads(raw)
        kind = kind_of(value)
        metadata = value.setdefault("metadata", {})
        if not metadata.get("name"):
            raise invalid(kind, "", [required("metadata.name")])
        now, _ = self._pen.now()
        if not metadata.get("uid"):
            metadata["uid"] = str(uuid.UUID(int=self._entropy.getrandbits(128), version=4))
        metadata.setdefault("creationTimestamp", now)
        if self._definitions.stored_traits(tx.connection, kind).has_generation:
            metadata.setdefault("generation", 1)
        metadata.pop("selfLink", None)
        if not intake.are_sound(metadata.get("managedFields")):
            del metadata["managedFields"]
        type_ = type_of(kind)
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        before = rows.read(tx.connection, type_, key)
        stored = self._pen.store(tx, type_, value, None if before is None else header(before).metadata)
        if type_ == DEFINITION_TYPE:
            settle_group(tx, self._pen, self._definitions, value.get("spec", {}).get("group", ""))
        return stored

    def make_namespaces(self, tx: Transaction, names: tuple[str, ...]) -> None:
        """The namespaces that every cluster has."""
        for name in names:
            if rows.read(tx.connection, strategies.NAMESPACE_TYPE, ObjectKey("", name)) is None:
                sent = encode({"metadata": {"name": name}})
                self.create(tx, _NAMESPACE, "", sent, WriteOptions(manager="kube-apiserver"))

    # what they share

    def _settle(
        self,
        tx: Transaction,
        target: Target,
        value: dict[str, Any],
        options: WriteOptions,
        subresource: Subresource,
        warnings: list[str],
    ) -> Object:
        """Judge the next state of an object that is there, and write it."""
        kind, traits, live = target.kind, target.traits, target.present()
        metadata = value["metadata"]
        if not (traits.is_custom or subresource):
            strategies.settle_change(target.type, value, live)
        if serverside.differ_in_times_only(live, value):
            return target.answer()
        if (
            subresource != "status"
            and traits.has_generation
            and _wanted(live, traits) != _wanted(value, traits)
        ):
            metadata["generation"] = metadata.get("generation", 0) + 1
        problems = self._problems(kind, traits, value, live, subresource, warnings)
        if problems:
            raise invalid(kind, target.key.name, problems)
        warnings += self._validated(tx, kind, target.key, value, live, options, subresource)
        if "deletionTimestamp" in metadata and not metadata.get("finalizers") and not options.is_dry_run:
            if traits.is_versioned:
                value = as_version(value, traits.storage)
            gone = self._removal.finish(tx, target.type, value)
            if gone is not None:
                return _told(gone, kind, traits)
        before = header(target.body).metadata if target.body is not None else None
        return self._store(tx, kind, traits, value, before, is_dry_run=options.is_dry_run)

    def _store(
        self,
        tx: Transaction,
        kind: Kind,
        traits: KindTraits,
        value: dict[str, Any],
        before: Any,
        *,
        is_dry_run: bool,
    ) -> Object:
        if is_dry_run:
            return Object.parse(encode(value))
        if traits.is_versioned:
            value = as_version(value, traits.storage)
        stored = self._pen.store(tx, type_of(kind), value, before)
        if type_of(kind) == DEFINITION_TYPE:
            settle_group(tx, self._pen, self._definitions, value["spec"]["group"])
        return _told(stored, kind, traits)


_NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields")
"""What no webhook changes."""
_NOTHING = Kind("", "", "", "")
_PATCH_OPTIONS = Kind("meta.k8s.io", "v1", "PatchOptions", "")


def _unknown(path: str) -> str:
    return f'unknown field "{path}"'


def _told(stored: Object, kind: Kind, traits: KindTraits) -> Object:
    """The object in the version that was asked for."""
    if not traits.is_versioned or stored.header.api_version == kind.api_version:
        return stored
    return Object.parse(in_version(stored.raw, kind.api_version))


def _name_of(sent: bytes) -> Any:
    value = orjson.loads(sent)
    metadata = value.get("metadata") if isinstance(value, dict) else None
    # Metadata of another type is somebody else's error.
    return metadata.get("name") if isinstance(metadata, dict) else metadata is not None


def _nameless(key: ObjectKey) -> BadRequestError:
    return BadRequestError(
        f"the name of the object ({key.name} based on URL) was undeterminable: name must be provided"
    )


def _check_configuration(kind: Kind, traits: KindTraits, sent: bytes) -> tuple[dict[str, Any], str]:
    """The metadata of a configuration to apply, as it was written, and what the server calls its sender's object.

    Raises BadRequestError when it is another kind of thing, UnfitError when it does not fit the schema.
    """
    value = orjson.loads(sent)
    if not isinstance(value, dict):
        raise BadRequestError(f"couldn't get version/kind; json parse error: {kind.kind} is not an object")
    version, shown = value.get("apiVersion") or kind.api_version, value.get("kind") or kind.kind
    if (version, shown) != (kind.api_version, kind.kind):
        group, _, name = str(version).rpartition("/")
        raise BadRequestError(f"invalid object type: {group}/{name}, Kind={shown}")
    metadata = value.get("metadata")
    of = metadata if isinstance(metadata, dict) else {}
    if of.get("managedFields"):
        raise BadRequestError("metadata.managedFields must be nil")
    # The server shows the names only where the sender wrote them.
    names = [of.get(field) for field in ("namespace", "name")]
    subject = _subject(kind, *(name if isinstance(name, str) else "" for name in names))
    if traits.gate is not None:
        traits.gate.check_typed(value, subject)
    elif faults := metadata_faults(metadata):
        raise intake.untyped(subject, faults)
    return dict(of), subject


def _are_typed(traits: KindTraits, sent: Mapping[str, Any], part: str) -> bool:
    """Does a part of what was sent, which counts for nothing here, fit the schema? Otherwise the server tells no owners."""
    gate = traits.gate
    if not (isinstance(gate, Gate) and traits.has_status and part in sent):
        return True
    faults = typing_faults(gate.resource.schema, {part: sent[part]}, allows_duplicates=True)
    return all(fault.endswith(UNDECLARED) for fault in faults)


def _with_entries(value: Mapping[str, Any], entries: tuple[serverside.Entry, ...]) -> dict[str, Any]:
    metadata = {name: child for name, child in value["metadata"].items() if name != "managedFields"}
    if entries:
        metadata["managedFields"] = [entry.value() for entry in entries]
    return {**value, "metadata": metadata}


def _subject(kind: Kind, namespace: str, name: str) -> str:
    return f"{namespace}/{name}; {kind.group}/{kind.version}, Kind={kind.kind}"


def _status_only(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": config["apiVersion"],
        "kind": config["kind"],
        "metadata": {},
        **({"status": config["status"]} if "status" in config else {}),
    }


def has_subresource(kind: Kind, traits: KindTraits, subresource: Subresource) -> bool:
    """Does a kind have this door? Every kind has the one of the object itself."""
    match subresource:
        case "status":
            return traits.has_status
        case "scale":
            return traits.scale is not None
        case "finalize":
            return type_of(kind) == strategies.NAMESPACE_TYPE
    return True


def no_subresource(kind: Kind, key: ObjectKey, traits: KindTraits) -> NotFoundError:
    """Of a custom resource the server says that the object is not there, of its own kinds that the path is not."""
    return NotFoundError(kind, key) if traits.is_custom else NotFoundError.of_kind(kind)


def _require(target: Target, subresource: Subresource) -> None:
    """Raises NotFoundError when the kind has no such subresource."""
    if not has_subresource(target.kind, target.traits, subresource):
        raise no_subresource(target.kind, target.key, target.traits)


def _scale_paths(target: Target) -> Any:
    if target.traits.scale is None:
        raise no_subresource(target.kind, target.key, target.traits)
    return target.traits.scale


def _patched(value: dict[str, Any], patch_type: PatchType, patch: Any, traits: KindTraits) -> Any:
    if patch_type == "json":
        return json_patch(value, patch)
    if patch_type == "merge":
        return merge_patch(value, patch)
    return strategic_merge_patch(value, patch, traits.shape)


def _part(
    live: Mapping[str, Any], wanted: Mapping[str, Any], traits: KindTraits, subresource: Subresource
) -> dict[str, Any]:
    """What is wanted, as far as it may be said through this door."""
    if subresource == "finalize":
        return dict(live)
    source, kept = (live, wanted) if subresource == "status" else (wanted, live)
    if not traits.has_status:
        return dict(wanted)
    new = {name: child for name, child in source.items() if name != "status"}
    if "status" in kept:
        new["status"] = kept["status"]
    return new


def _with_owned_metadata(new: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The object with what the API owns as it was."""
    metadata = {name: child for name, child in new["metadata"].items() if name not in intake.API_OWNED}
    metadata |= {name: live["metadata"][name] for name in intake.API_OWNED if name in live["metadata"]}
    return {**new, "metadata": metadata}


def _thawed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that may be changed at will: outcomes share parts with what they were made from."""
    copied: dict[str, Any] = orjson.loads(encode(value))
    return copied


def _wanted(value: Mapping[str, Any], traits: KindTraits) -> bytes:
    """The part of an object whose change is a new generation, as comparable bytes."""
    beside = {"metadata", "status"} if traits.has_status else {"metadata"}
    beside |= {"apiVersion", "kind"}
    return encode({name: child for name, child in value.items() if name not in beside})
