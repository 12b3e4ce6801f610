"""Is a CustomResourceDefinition acceptable? The faults of a new one, and of a changed one, as apiextensions-apiserver words them.

Inside the API server, what all versions have in common (schema, subresources, columns) stands once for the definition. So a
definition with one version hears of `spec.validation.openAPIV3Schema`, one whose versions differ of
`spec.versions[0].schema.openAPIV3Schema`. A definition that exists already keeps the faults it was stored with.

Follows `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`. Rules in CEL are judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pilotage.store.schema import problems
from pilotage.store.schema.conversions import conversion_problems
from pilotage.store.schema.definition import (
    Column,
    Definition,
    Names,
    SelectableField,
    Spec,
    Subresources,
    Version,
)
from pilotage.store.schema.definitionschemas import Leniency, has_loose_keys, has_loose_sets
from pilotage.store.schema.definitionversions import (
    MAX_SELECTABLE,
    Options,
    column_problems,
    deprecation_faults,
    selectable_problems,
    subresource_problems,
    version_schema_problems,
)
from pilotage.store.schema.formats import effective_format
from pilotage.store.schema.internaltext import versions_text
from pilotage.store.schema.names import dns_label_1035, dns_subdomain
from pilotage.store.schema.objectmeta import metadata_problems, metadata_update_problems
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.props import SchemaProps, descendants
from pilotage.store.schema.structural import is_structural

__all__ = ["definition_problems", "definition_update_problems", "unrecognized_formats"]

_TYPES = frozenset({"", "array", "boolean", "integer", "number", "object", "string"})
_APPROVAL = "api-approved.kubernetes.io"


class _Common(msgspec.Struct, frozen=True):
    """What all versions share, and each version without it."""

    versions: tuple[Version, ...]
    schema: SchemaProps | None
    subresources: Subresources | None
    columns: tuple[Column, ...]
    selectable: tuple[SelectableField, ...]


def definition_problems(definition: Definition) -> list[Problem]:
    """The faults of a new definition, after defaulting."""
    spec = definition.spec
    required_name = f"{spec.names.plural}.{spec.group}"

    def name_faults(name: str) -> list[str]:
        return dns_subdomain(name) + (
            [] if name == required_name else ['must be spec.names.plural+"."+spec.group']
        )

    return [
        *metadata_problems(definition.metadata, namespaced=False, faults=name_faults),
        *_spec(spec, Options()),
        *_stored_versions(_stored(definition), spec.versions),
        *_approval(definition, None),
        *_preserve(spec, None),
    ]


def definition_update_problems(definition: Definition, old: Definition) -> list[Problem]:
    """The faults of a changed definition."""
    spec, was = definition.spec, old.spec
    old_schemas = [version.props for version in was.versions if version.props is not None]
    places = [place for schema in old_schemas for place in descendants(schema)]
    options = Options(
        needs_schemas=len(old_schemas) == len(was.versions),
        structural=all(map(is_structural, old_schemas)),
        leniency=Leniency(
            any_type=any(place.type not in _TYPES for place in places),
            loose_sets=any(map(has_loose_sets, places)),
            loose_keys=any(map(has_loose_keys, places)),
        ),
        many_selectable=_many_selectable(spec, was),
    )
    found = metadata_update_problems(definition.metadata, old.metadata)
    found += _spec(spec, options)
    if old.established:
        found += _immutable("spec.scope", spec.scope, was.scope)
        found += _immutable("spec.names.kind", spec.names.kind, was.names.kind)
    found += _immutable("spec.group", spec.group, was.group)
    found += _immutable("spec.names.plural", spec.names.plural, was.names.plural)
    found += _names(definition.status.accepted_names, "status.acceptedNames")
    found += _stored_versions(_stored(definition), spec.versions)
    found += _approval(definition, old)
    found += _preserve(spec, was)
    return found


def unrecognized_formats(definition: Definition) -> list[str]:
    """The formats that mean nothing to validation; a write answers with a warning for each."""
    return [
        place.format
        for version in definition.spec.versions
        if version.props is not None
        for place in descendants(version.props)
        if place.format and not effective_format(place.format, place.type)
    ]


def _immutable(field: str, value: str, old: str) -> list[Problem]:
    return [] if value == old else [problems.invalid(field, value, "field is immutable")]


def _many_selectable(spec: Spec, was: Spec) -> frozenset[str]:
    before = {version.name: version.selectable_fields for version in was.versions}
    unchanged = {
        version.name
        for version in spec.versions
        if len(version.selectable_fields) > MAX_SELECTABLE
        and before.get(version.name) == version.selectable_fields
    }
    return frozenset(unchanged | ({""} if unchanged else set()))


def _common(spec: Spec) -> _Common:
    versions = spec.versions
    if not versions:
        return _Common((), None, None, (), ())
    first = versions[0]
    schema = all(version.schema == first.schema for version in versions)
    subresources = all(version.subresources == first.subresources for version in versions)
    columns = all(
        version.additional_printer_columns == first.additional_printer_columns for version in versions
    )
    selectable = all(version.selectable_fields == first.selectable_fields for version in versions)
    return _Common(
        tuple(
            msgspec.structs.replace(
                version,
                schema=None if schema else version.schema,
                subresources=None if subresources else version.subresources,
                additional_printer_columns=[] if columns else version.additional_printer_columns,
                selectable_fields=[] if selectable else version.selectable_fields,
            )
            for version in versions
        ),
        first.props if schema else None,
        first.subresources if subresources else None,
        tuple(first.additional_printer_columns) if columns else (),
        tuple(first.selectable_fields) if selectable else (),
    )


def _spec(spec: Spec, options: Options) -> Iterator[Problem]:
    common = _common(spec)
    options = msgspec.structs.replace(
        options, structural=options.structural or not spec.preserve_unknown_fields
    )
    yield from _group_and_scope(spec)
    if common.schema is None:
        for index, version in enumerate(common.versions):
            if version.props is None and (options.needs_schemas or version.served):
                text = "" if options.needs_schemas else "because otherwise all fields are pruned"
                yield problems.required(f"spec.versions[{index}].schema.openAPIV3Schema", text)
    for index, version in enumerate(common.versions):
        yield from _version(version, common, f"spec.versions[{index}]", options)
    yield from _versions(common.versions)
    for name in ("plural", "singular", "kind", "list_kind"):
        if not getattr(spec.names, name):
            yield problems.required(f"spec.names.{'listKind' if name == 'list_kind' else name}")
    yield from _names(spec.names, "spec.names")
    if common.schema is not None:
        has_status = any(
            version.subresources is not None and version.subresources.status is not None
            for version in spec.versions
        )
        yield from version_schema_problems(common.schema, "spec.validation", options, has_status=has_status)
    yield from subresource_problems(common.subresources, "spec.subresources")
    for index, column in enumerate(common.columns):
        yield from column_problems(column, f"spec.additionalPrinterColumns[{index}]")
    yield from selectable_problems(common.selectable, common.schema, "spec.selectableFields", options, "")
    yield from conversion_problems(spec.conversion, "spec.conversion")


def _group_and_scope(spec: Spec) -> Iterator[Problem]:
    if not spec.group:
        yield problems.required("spec.group")
    elif faults := dns_subdomain(spec.group):
        yield problems.invalid("spec.group", spec.group, ",".join(faults))
    elif "." not in spec.group:
        yield problems.invalid("spec.group", spec.group, "should be a domain with at least one dot")
    if not spec.scope:
        yield problems.required("spec.scope")
    elif spec.scope not in {"Cluster", "Namespaced"}:
        yield problems.not_supported("spec.scope", spec.scope, ("Cluster", "Namespaced"))


def _versions(versions: Sequence[Version]) -> Iterator[Problem]:
    names = [version.name for version in versions]
    if len(set(names)) != len(names):
        text = "must contain unique version names"
        yield problems.invalid_text("spec.versions", versions_text(versions), text)
    if sum(version.storage for version in versions) != 1:
        shown = versions_text(versions) if versions else "null"
        text = "must have exactly one version marked as storage version"
        yield problems.invalid_text("spec.versions", shown, text)
    if versions and versions[0].name and (faults := dns_label_1035(versions[0].name)):
        yield problems.invalid("spec.version", versions[0].name, ",".join(faults))


def _version(version: Version, common: _Common, path: str, options: Options) -> Iterator[Problem]:
    if faults := dns_label_1035(version.name):
        yield problems.invalid(f"{path}.name", version.name, ",".join(faults))
    for fault in deprecation_faults(version):
        yield problems.invalid(f"{path}.deprecationWarning", version.deprecation_warning, fault)
    if version.props is not None:
        subresources = version.subresources or common.subresources
        has_status = subresources is not None and subresources.status is not None
        yield from version_schema_problems(version.props, f"{path}.schema", options, has_status=has_status)
    yield from subresource_problems(version.subresources, f"{path}.subresources")
    for index, column in enumerate(version.additional_printer_columns):
        yield from column_problems(column, f"{path}.additionalPrinterColumns[{index}]")
    yield from selectable_problems(
        version.selectable_fields, version.props, f"{path}.selectableFields", options, version.name
    )


def _names(names: Names, path: str) -> Iterator[Problem]:
    for name, value in (("plural", names.plural), ("singular", names.singular)):
        if value and (faults := dns_label_1035(value)):
            yield problems.invalid(f"{path}.{name}", value, ",".join(faults))
    for name, value in (("kind", names.kind), ("listKind", names.list_kind)):
        if value and (faults := dns_label_1035(value.lower())):
            text = f"may have mixed case, but should otherwise match: {','.join(faults)}"
            yield problems.invalid(f"{path}.{name}", value, text)
    for index, value in enumerate(names.short_names):
        if faults := dns_label_1035(value):
            yield problems.invalid(f"{path}.shortNames[{index}]", value, ",".join(faults))
    if names.kind and names.kind == names.list_kind:
        yield problems.invalid(f"{path}.listKind", names.list_kind, "kind and listKind may not be the same")
    for index, value in enumerate(names.categories):
        if faults := dns_label_1035(value):
            yield problems.invalid(f"{path}.categories[{index}]", value, ",".join(faults))


def _stored(definition: Definition) -> list[str]:
    """The stored versions as they will be: the first storage version is added."""
    stored, storage = list(definition.status.stored_versions), definition.storage_version
    return stored if not storage or storage in stored else [*stored, storage]


def _stored_versions(stored: Sequence[str], versions: Sequence[Version]) -> Iterator[Problem]:
    path = "status.storedVersions"
    if not stored:
        yield problems.invalid_text(path, "null", "must have at least one stored version")
        return
    names = {version.name for version in versions}
    for version in versions:
        if version.storage and version.name not in stored:
            yield problems.invalid(path, list(stored), f"must have the storage version {version.name}")
    for index, name in enumerate(stored):
        if name not in names:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions"
                f" until a storage migration ensures no data remains persisted in {name} and removes {name} from"
                " status.storedVersions"
            )
            yield problems.invalid(f"{path}[{index}]", name, text)


def _approval(definition: Definition, old: Definition | None) -> Iterator[Problem]:
    """Groups of the Kubernetes community need a reference to the review of the API."""
    group = definition.spec.group
    if not f".{group}".endswith((".k8s.io", ".kubernetes.io")):
        return
    state, annotation = _approval_state(definition.metadata)
    if state in {"approved", "bypassed"} or (old is not None and _approval_state(old.metadata)[0] == state):
        return
    field = f"metadata.annotations[{_APPROVAL}]"
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    needed = f'protected groups must have approval annotation "{_APPROVAL}"'
    if state == "missing":
        yield problems.required(field, f"{needed}, {see}")
    else:
        yield problems.invalid(
            field, annotation, f'{needed} with either a URL or a reason starting with "unapproved", {see}'
        )


def _approval_state(metadata: Mapping[str, Any]) -> tuple[str, str]:
    annotation = str((metadata.get("annotations") or {}).get(_APPROVAL, ""))
    if not annotation:
        return "missing", annotation
    if annotation.startswith("unapproved"):
        return "bypassed", annotation
    scheme, found, rest = annotation.partition("://")
    return "approved" if found and scheme and rest.partition("/")[0] else "invalid", annotation


def _preserve(spec: Spec, was: Spec | None) -> Iterator[Problem]:
    if spec.preserve_unknown_fields and not (was is not None and was.preserve_unknown_fields):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield problems.invalid("spec.preserveUnknownFields", True, text)
