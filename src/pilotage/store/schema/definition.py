"""A CustomResourceDefinition as a record, what the API fills in, and what each of its versions serves.

`read_definition` gives the typed form; `default_definition` fills in names, conversion and stored versions as the API does on
every write; `resource_kind` compiles one version. Follows `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.meta import malformed
from pilotage.api.prepared import prepared
from pilotage.store.schema.compiled import Node, compile_schema
from pilotage.store.schema.props import SchemaProps
from pilotage.store.schema.resource import ResourceKind, Scale, settle_numbers

__all__ = [
    "Column",
    "Conversion",
    "Definition",
    "Names",
    "ScalePaths",
    "SelectableField",
    "Spec",
    "Subresources",
    "Version",
    "default_definition",
    "deprecation_warning",
    "read_definition",
    "resource_kind",
    "written_spec",
]


class Names(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`spec.names`, and `status.acceptedNames`."""

    plural: str = ""
    singular: str = ""
    kind: str = ""
    list_kind: str = ""
    short_names: list[str] = []
    categories: list[str] = []


class Column(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A column of `kubectl get`."""

    name: str = ""
    type: str = ""
    format: str = ""
    description: str = ""
    priority: int = 0
    json_path: str = msgspec.field(name="jsonPath", default="")


class ScalePaths(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    spec_replicas_path: str = ""
    status_replicas_path: str = ""
    label_selector_path: str | None = None


class Subresources(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    status: dict[str, Any] | None = None
    scale: ScalePaths | None = None


class SelectableField(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    json_path: str = msgspec.field(name="jsonPath", default="")


class VersionSchema(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    open_api_schema: SchemaProps | None = msgspec.field(name="openAPIV3Schema", default=None)


class Version(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    name: str = ""
    # Always written, as the API server does.
    served: bool = msgspec.field(default_factory=bool)
    storage: bool = msgspec.field(default_factory=bool)
    deprecated: bool = False
    deprecation_warning: str | None = None
    schema: VersionSchema | None = None
    subresources: Subresources | None = None
    additional_printer_columns: list[Column] = []
    selectable_fields: list[SelectableField] = []

    @property
    def props(self) -> SchemaProps | None:
        return self.schema.open_api_schema if self.schema is not None else None


class ServiceReference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    namespace: str = ""
    name: str = ""
    path: str | None = None
    port: int | None = None


class ClientConfig(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    url: str | None = None
    service: ServiceReference | None = None
    ca_bundle: str = msgspec.field(name="caBundle", default="")


class Webhook(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    client_config: ClientConfig | None = None
    conversion_review_versions: list[str] = []


class Conversion(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    strategy: str = ""
    webhook: Webhook | None = None


class Spec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    group: str = ""
    names: Names = Names()
    scope: str = ""
    versions: list[Version] = []
    conversion: Conversion | None = None
    preserve_unknown_fields: bool = False


class Condition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class Status(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    conditions: list[Condition] = []
    accepted_names: Names = Names()
    stored_versions: list[str] = []


@prepared
class Definition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The whole object; `metadata` as it was sent."""

    metadata: dict[str, Any] = {}
    spec: Spec = Spec()
    status: Status = Status()

    @property
    def name(self) -> str:
        return str(self.metadata.get("name", ""))

    def version(self, name: str) -> Version | None:
        return next((version for version in self.spec.versions if version.name == name), None)

    @property
    def established(self) -> bool:
        return any(entry.type == "Established" and entry.status == "True" for entry in self.status.conditions)

    @property
    def storage_version(self) -> str:
        return next((version.name for version in self.spec.versions if version.storage), "")


def read_definition(value: Mapping[str, Any]) -> Definition:
    """The typed form of a definition. Unknown fields are ignored, nulls are absent.

    Raises InputError `MalformedObject` naming the field when a value has another type.
    """
    try:
        return msgspec.convert(_without_nulls(value), Definition)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise malformed(f"CustomResourceDefinition {_name_of(value)}", error) from None


def _name_of(value: Mapping[str, Any]) -> str:
    metadata = value.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, Mapping) else ""


def _without_nulls(value: Any) -> Any:
    """Go reads a null into a field as "not there"; nulls in lists, such as in an enum, are values."""
    if isinstance(value, Mapping):
        return {name: _without_nulls(child) for name, child in value.items() if child is not None}
    if isinstance(value, list):
        return [_without_nulls(child) for child in value]
    return value


def default_definition(value: dict[str, Any]) -> None:
    """Fill in, in place, what a definition leaves out: singular, list kind, conversion, the port of its webhook."""
    spec = value.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if kind:
        names["singular"] = names.get("singular") or kind.lower()
        names["listKind"] = names.get("listKind") or f"{kind}List"
    conversion = spec.get("conversion")
    if conversion is None:
        spec["conversion"] = {"strategy": "None"}
        return
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443


def written_spec(definition: Definition) -> dict[str, Any]:
    """The spec as the API keeps it: without unknown fields, nulls and empty values."""
    spec: dict[str, Any] = settle_numbers(msgspec.to_builtins(definition.spec))
    return spec


def deprecation_warning(definition: Definition, version: Version) -> str:
    """What every answer of a deprecated version warns of; empty for others."""
    if not version.deprecated:
        return ""
    spec = definition.spec
    return version.deprecation_warning or f"{spec.group}/{version.name} {spec.names.kind} is deprecated"


def resource_kind(definition: Definition, version_name: str) -> ResourceKind:
    """What one version serves.

    Raises InputError `UnknownVersion` when the definition has no such version.
    """
    version = definition.version(version_name)
    if version is None:
        raise InputError(
            "UnknownVersion",
            f"CustomResourceDefinition {definition.name} has no version {version_name}",
            hint=f"use one of: {', '.join(version.name for version in definition.spec.versions)}",
        )
    subresources = version.subresources or Subresources()
    scale = subresources.scale
    return ResourceKind(
        group=definition.spec.group,
        version=version.name,
        kind=definition.spec.names.kind,
        namespaced=definition.spec.scope == "Namespaced",
        schema=compile_schema(version.props) if version.props is not None else Node(),
        has_status=subresources.status is not None,
        scale=Scale(scale.spec_replicas_path, scale.status_replicas_path, scale.label_selector_path or "")
        if scale is not None
        else None,
    )
