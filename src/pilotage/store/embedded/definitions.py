"""CustomResourceDefinitions of this store, as the kinds that they define.

A definition counts once its names are accepted; the table `definition` says which one defines a type. What is derived
from it (schemas, rules) is compiled when the first object of its kind is written, and kept until the definition changes.
Another process may write definitions too, so each look asks the table first: one search by key.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from pilotage.api.meta import Kind, ObjectKey
from pilotage.api.prepared import prepared
from pilotage.store.base import NotFoundError
from pilotage.store.embedded import rows
from pilotage.store.embedded.builtin import BUILT_IN, Builtin
from pilotage.store.embedded.kinds import KindTraits, ScalePaths, ServedKind, TraitsOf, storage_type

if TYPE_CHECKING:
    from pilotage.store.schema.definition import Definition, Version
    from pilotage.store.schema.resource import Scale

__all__ = ["DEFINITION", "DEFINITION_TYPE", "Definitions"]

DEFINITION = BUILT_IN["apiextensions.k8s.io", "CustomResourceDefinition"].kind
DEFINITION_TYPE = storage_type(DEFINITION.group, DEFINITION.kind)

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_RULES = "x-kubernetes-validations"


class _Defined:
    """One definition at one version, and what was derived from it so far."""

    def __init__(self, version: int, body: bytes) -> None:
        # Start-up time: stores without definitions never need what reads them.
        from pilotage.store.schema.definition import read_definition  # noqa: PLC0415

        self.version = version
        self.value: dict[str, Any] = orjson.loads(body)
        self.definition: Definition = read_definition(self.value)
        self._traits: dict[str, KindTraits] = {}

    def served(self, name: str) -> Version | None:
        version = self.definition.version(name)
        return version if version is not None and version.served else None

    def traits(self, name: str) -> KindTraits:
        traits = self._traits.get(name)
        if traits is None:
            traits = self._traits[name] = self._derived(name)
        return traits

    def _derived(self, name: str) -> KindTraits:
        from pilotage.store.embedded.admission import Gate  # noqa: PLC0415 start-up time
        from pilotage.store.schema.definition import resource_kind  # noqa: PLC0415
        from pilotage.store.schema.listtypes import CustomShape  # noqa: PLC0415

        definition = self.definition
        version = definition.version(name)
        resource = resource_kind(definition, name)
        schema = self.schema(name)
        return KindTraits(
            CustomShape(resource.schema),
            has_status=resource.has_status,
            gate=Gate(resource, schema if _RULES.encode() in orjson.dumps(schema) else {}),
            storage=f"{definition.spec.group}/{definition.storage_version}",
            scale=_scale(resource.scale),
            selectable=tuple(
                field.json_path.removeprefix(".") for field in (version.selectable_fields if version else ())
            ),
            is_custom=True,
            is_versioned=True,
            is_terminating="deletionTimestamp" in definition.metadata,
            merges_strategically=False,
        )

    def schema(self, name: str) -> dict[str, Any]:
        """The `openAPIV3Schema` of a version, as it was written."""
        for version in self.value["spec"]["versions"]:
            if version["name"] == name:
                found: dict[str, Any] = (version.get("schema") or {}).get("openAPIV3Schema") or {}
                return found
        return {}


def _scale(scale: Scale | None) -> ScalePaths | None:
    if scale is None:
        return None

    def steps(path: str) -> tuple[str, ...]:
        return tuple(filter(None, path.split(".")))

    return ScalePaths(steps(scale.spec_path), steps(scale.status_path), steps(scale.selector_path))


class Definitions:
    """What is known of every kind. `is_strict`: a kind that is neither built in nor defined is not served."""

    def __init__(self, traits_of: TraitsOf, *, is_strict: bool) -> None:
        self._traits_of = traits_of
        self._is_strict = is_strict
        self._known: dict[str, _Defined] = {}

    def traits(self, connection: sqlite3.Connection, kind: Kind) -> KindTraits:
        """Raises NotFoundError for a kind, or a version of it, that is not served."""
        builtin = BUILT_IN.get((kind.group, kind.kind))
        if builtin is None:
            defined = self._find(connection, storage_type(kind.group, kind.kind))
            if defined is not None:
                if defined.served(kind.version) is None:
                    raise NotFoundError.of_kind(kind)
                return defined.traits(kind.version)
        if self._is_strict and (builtin is None or builtin.kind.version != kind.version):
            raise NotFoundError.of_kind(kind)
        return self._traits_of(kind)

    def equivalents(self, connection: sqlite3.Connection, kind: Kind) -> tuple[Kind, ...]:
        """The other served versions of a kind."""
        builtin = BUILT_IN.get((kind.group, kind.kind))
        if builtin is not None:
            return tuple(
                other.kind
                for other in BUILT_IN.values()
                if builtin.is_versioned and other.is_versioned and other.kind.group != kind.group
            )
        defined = self._find(connection, storage_type(kind.group, kind.kind))
        if defined is None:
            return ()
        return tuple(
            _kind(defined.definition, version.name)
            for version in defined.definition.spec.versions
            if version.served and version.name != kind.version
        )

    def stored_traits(self, connection: sqlite3.Connection, kind: Kind) -> KindTraits:
        """The traits by which stored objects of a kind are changed from within; any kind has some."""
        defined = None
        if (kind.group, kind.kind) not in BUILT_IN:
            defined = self._find(connection, storage_type(kind.group, kind.kind))
        if defined is None:
            return self._traits_of(kind)
        return defined.traits(defined.definition.storage_version)

    def is_defined(self, connection: sqlite3.Connection, kind: Kind) -> bool:
        """Are objects of the kind read in the version asked for, because it is defined in several, or kept in another?

        Cheaper than `traits`: nothing is compiled. Raises NotFoundError as `traits` does.
        """
        builtin = BUILT_IN.get((kind.group, kind.kind))
        if builtin is None:
            defined = self._find(connection, storage_type(kind.group, kind.kind))
            if defined is not None:
                if defined.served(kind.version) is None:
                    raise NotFoundError.of_kind(kind)
                return True
        if self._is_strict and (builtin is None or builtin.kind.version != kind.version):
            raise NotFoundError.of_kind(kind)
        return builtin is not None and builtin.is_versioned

    def whole_kind(self, connection: sqlite3.Connection, type_: str, api_version: str) -> Kind:
        """The whole kind of a stored type: plural and scope, as far as they are known."""
        group, _, name = type_.partition("/")
        version = api_version.rpartition("/")[2]
        builtin = BUILT_IN.get((group, name))
        if builtin is not None:
            return builtin.kind
        defined = self._find(connection, type_)
        if defined is None:
            return Kind(group, version, name, "")
        return _kind(defined.definition, version)

    def served(self, connection: sqlite3.Connection) -> tuple[ServedKind, ...]:
        """Every kind in every version, built-in ones first."""
        found = [_served_builtin(builtin) for builtin in BUILT_IN.values()]
        for type_, _ in rows.definitions(connection):
            defined = self._find(connection, type_)
            if defined is not None:
                found.extend(_served_custom(defined))
        return tuple(found)

    def neighbours(self, connection: sqlite3.Connection, group: str) -> list[Definition]:
        """All definitions of a group, accepted or not."""
        from pilotage.store.schema.definition import read_definition  # noqa: PLC0415 start-up time

        return [
            read_definition(orjson.loads(body))
            for body in rows.read_list(connection, DEFINITION_TYPE, "", {})
            if msgspec.json.decode(body, type=_Grouped).spec.group == group
        ]

    def _find(self, connection: sqlite3.Connection, type_: str) -> _Defined | None:
        row = rows.definition_of(connection, type_, DEFINITION_TYPE)
        if row is None:
            return None
        name, version = row
        known = self._known.get(name)
        if known is None or known.version != version:
            body = rows.read(connection, DEFINITION_TYPE, ObjectKey("", name))
            if body is None:
                return None
            known = self._known[name] = _Defined(version, body)
        return known


class _GroupOf(msgspec.Struct):
    group: str = ""


@prepared
class _Grouped(msgspec.Struct):
    spec: _GroupOf = msgspec.field(default_factory=_GroupOf)


def _kind(definition: Definition, version: str) -> Kind:
    names = definition.spec.names
    return Kind(
        definition.spec.group,
        version,
        names.kind,
        names.plural,
        definition.spec.scope == "Namespaced",
        tuple(names.short_names),
    )


def _served_builtin(builtin: Builtin) -> ServedKind:
    return ServedKind(
        builtin.kind,
        builtin.singular,
        f"{builtin.kind.kind}List",
        builtin.categories,
        builtin.subresources,
        _VERBS if builtin.deletes_many else tuple(verb for verb in _VERBS if verb != "deletecollection"),
    )


def _served_custom(defined: _Defined) -> list[ServedKind]:
    definition = defined.definition
    names = definition.status.accepted_names
    found: list[ServedKind] = []
    for version in sorted(definition.spec.versions, key=lambda version: _priority(version.name)):
        if not version.served:
            continue
        subresources = version.subresources
        written = next(item for item in defined.value["spec"]["versions"] if item["name"] == version.name)
        warning = version.deprecation_warning or (
            f"{definition.spec.group}/{version.name} {names.kind} is deprecated" if version.deprecated else ""
        )
        found.append(
            ServedKind(
                _kind(definition, version.name),
                names.singular,
                names.list_kind,
                tuple(names.categories),
                tuple(
                    name
                    for name in ("status", "scale")
                    if subresources is not None and getattr(subresources, name) is not None
                ),
                _VERBS,
                is_custom=True,
                is_storage=version.storage,
                is_preferred=not found,
                columns=tuple(written.get("additionalPrinterColumns") or ()),
                schema=defined.schema(version.name),
                warning=warning,
            )
        )
    return found


def _priority(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: v2, v1, v1beta1, v1alpha2, v1alpha1, then anything else by name."""
    head, _, tail = version.removeprefix("v").partition("alpha" if "alpha" in version else "beta")
    if not version.startswith("v") or not head.isdecimal() or (tail and not tail.isdecimal()):
        return (3, 0, 0, version)
    stage = 2 if "alpha" in version else (1 if "beta" in version else 0)
    return (stage, -int(head), -int(tail or 0), version)
