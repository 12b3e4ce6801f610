"""A schema and a version as the API server shows them in a message: its internal types, every field spelled out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pilotage.store.schema.definition import Version
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.props import Rule, SchemaProps

__all__ = ["schema_text", "versions_text"]


def _struct(fields: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in fields) + "}"


def _listed(texts: Iterable[str]) -> str:
    return "[" + ",".join(texts) + "]"


def _named(schemas: Mapping[str, SchemaProps] | None) -> str:
    if not schemas:
        return "null"
    return _struct((json_text(name)[1:-1], schema_text(schemas[name])) for name in sorted(schemas))


def _branches(schemas: Sequence[SchemaProps] | None) -> str:
    return _listed(map(schema_text, schemas)) if schemas else "null"


def _or_bool(value: SchemaProps | bool | None) -> str:
    if value is None:
        return "null"
    allows = value if isinstance(value, bool) else True
    schema = schema_text(value) if isinstance(value, SchemaProps) else "null"
    return _struct((("Allows", json_text(allows)), ("Schema", schema)))


def _items(value: SchemaProps | list[SchemaProps] | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return _struct((("Schema", "null"), ("JSONSchemas", _branches(value))))
    return _struct((("Schema", schema_text(value)), ("JSONSchemas", "null")))


def _dependencies(value: Mapping[str, SchemaProps | list[str]] | None) -> str:
    def shown(child: SchemaProps | list[str]) -> str:
        if isinstance(child, SchemaProps):
            return _struct((("Schema", schema_text(child)), ("Property", "null")))
        return _struct((("Schema", "null"), ("Property", json_text(child))))

    return _struct((json_text(name)[1:-1], shown(value[name])) for name in sorted(value)) if value else "null"


def _rule(rule: Rule) -> str:
    return _struct(
        (
            ("Rule", json_text(rule.rule)),
            ("Message", json_text(rule.message)),
            ("MessageExpression", json_text(rule.message_expression)),
            ("Reason", json_text(rule.reason)),
            ("FieldPath", json_text(rule.field_path)),
            ("OptionalOldSelf", json_text(rule.optional_old_self)),
        )
    )


def _documentation(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "null"
    return _struct(
        (("Description", json_text(value.get("description", ""))), ("URL", json_text(value.get("url", ""))))
    )


def schema_text(schema: SchemaProps) -> str:
    return _struct(
        (
            ("ID", json_text(schema.id)),
            ("Schema", json_text(schema.schema)),
            ("Ref", json_text(schema.ref)),
            ("Description", json_text(schema.description)),
            ("Type", json_text(schema.type)),
            ("Nullable", json_text(schema.nullable)),
            ("Format", json_text(schema.format)),
            ("Title", json_text(schema.title)),
            ("Default", json_text(schema.default)),
            ("Maximum", json_text(schema.maximum)),
            ("ExclusiveMaximum", json_text(schema.exclusive_maximum)),
            ("Minimum", json_text(schema.minimum)),
            ("ExclusiveMinimum", json_text(schema.exclusive_minimum)),
            ("MaxLength", json_text(schema.max_length)),
            ("MinLength", json_text(schema.min_length)),
            ("Pattern", json_text(schema.pattern)),
            ("MaxItems", json_text(schema.max_items)),
            ("MinItems", json_text(schema.min_items)),
            ("UniqueItems", json_text(schema.unique_items)),
            ("MultipleOf", json_text(schema.multiple_of)),
            ("Enum", json_text(schema.enum or None)),
            ("MaxProperties", json_text(schema.max_properties)),
            ("MinProperties", json_text(schema.min_properties)),
            ("Required", json_text(schema.required or None)),
            ("Items", _items(schema.items)),
            ("AllOf", _branches(schema.all_of)),
            ("OneOf", _branches(schema.one_of)),
            ("AnyOf", _branches(schema.any_of)),
            ("Not", schema_text(schema.not_) if schema.not_ is not None else "null"),
            ("Properties", _named(schema.properties)),
            ("AdditionalProperties", _or_bool(schema.additional_properties)),
            ("PatternProperties", _named(schema.pattern_properties)),
            ("Dependencies", _dependencies(schema.dependencies)),
            ("AdditionalItems", _or_bool(schema.additional_items)),
            ("Definitions", _named(schema.definitions)),
            ("ExternalDocs", _documentation(schema.external_docs)),
            ("Example", json_text(schema.example)),
            ("XPreserveUnknownFields", json_text(schema.preserve_unknown_fields)),
            ("XEmbeddedResource", json_text(schema.embedded_resource)),
            ("XIntOrString", json_text(schema.int_or_string)),
            ("XListMapKeys", json_text(schema.list_map_keys or None)),
            ("XListType", json_text(schema.list_type)),
            ("XMapType", json_text(schema.map_type)),
            ("XValidations", _listed(map(_rule, schema.validations)) if schema.validations else "null"),
        )
    )


def versions_text(versions: Sequence[Version]) -> str:
    return _listed(map(_version_text, versions))


def _version_text(version: Version) -> str:
    schema, subresources = version.props, version.subresources
    scale = subresources.scale if subresources is not None else None
    scale_text = "null"
    if scale is not None:
        scale_text = _struct(
            (
                ("SpecReplicasPath", json_text(scale.spec_replicas_path)),
                ("StatusReplicasPath", json_text(scale.status_replicas_path)),
                ("LabelSelectorPath", json_text(scale.label_selector_path)),
            )
        )
    subresources_text = "null"
    if subresources is not None:
        status = "{}" if subresources.status is not None else "null"
        subresources_text = _struct((("Status", status), ("Scale", scale_text)))
    columns = _listed(
        _struct(
            (
                ("Name", json_text(column.name)),
                ("Type", json_text(column.type)),
                ("Format", json_text(column.format)),
                ("Description", json_text(column.description)),
                ("Priority", json_text(column.priority)),
                ("JSONPath", json_text(column.json_path)),
            )
        )
        for column in version.additional_printer_columns
    )
    selectable = _listed(
        _struct([("JSONPath", json_text(field.json_path))]) for field in version.selectable_fields
    )
    return _struct(
        (
            ("Name", json_text(version.name)),
            ("Served", json_text(version.served)),
            ("Storage", json_text(version.storage)),
            ("Deprecated", json_text(version.deprecated)),
            ("DeprecationWarning", json_text(version.deprecation_warning)),
            ("Schema", _struct([("OpenAPIV3Schema", schema_text(schema))]) if schema is not None else "null"),
            ("Subresources", subresources_text),
            ("AdditionalPrinterColumns", columns if version.additional_printer_columns else "null"),
            ("SelectableFields", selectable if version.selectable_fields else "null"),
        )
    )
