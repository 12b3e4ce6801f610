"""The parts of a definition that may stand for one version or for all: schema, subresources, columns, selectable fields.

Each function judges one part at the path where it stands; see `definitions.py`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from pilotage.store.schema import problems
from pilotage.store.schema.defaultchecks import default_problems
from pilotage.store.schema.definition import Column, SelectableField, Subresources, Version
from pilotage.store.schema.definitionschemas import Leniency, schema_problems
from pilotage.store.schema.internaltext import schema_text
from pilotage.store.schema.problems import Problem
from pilotage.store.schema.props import SchemaProps
from pilotage.store.schema.schemapaths import SchemaPathError, follow
from pilotage.store.schema.structural import structural_problems, unsupported

__all__ = [
    "MAX_SELECTABLE",
    "Options",
    "column_problems",
    "deprecation_faults",
    "selectable_problems",
    "subresource_problems",
    "version_schema_problems",
]

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MAX_SELECTABLE = 8
_ROOT_FIELDS = (
    ("Description", "description"),
    ("Type", "type"),
    ("Format", "format"),
    ("Title", "title"),
    ("Maximum", "maximum"),
    ("ExclusiveMaximum", "exclusive_maximum"),
    ("Minimum", "minimum"),
    ("ExclusiveMinimum", "exclusive_minimum"),
    ("MaxLength", "max_length"),
    ("MinLength", "min_length"),
    ("Pattern", "pattern"),
    ("MaxItems", "max_items"),
    ("MinItems", "min_items"),
    ("UniqueItems", "unique_items"),
    ("MultipleOf", "multiple_of"),
    ("Required", "required"),
    ("Items", "items"),
    ("Properties", "properties"),
    ("ExternalDocs", "external_docs"),
    ("Example", "example"),
    ("XPreserveUnknownFields", "preserve_unknown_fields"),
    ("XValidations", "validations"),
)
"""What may stand at the root of a schema when the status is judged by its own part of it."""


class Options(msgspec.Struct, frozen=True):
    """What is asked of a definition; less of one that was stored without it."""

    needs_schemas: bool = True
    structural: bool = True
    pruned_defaults: bool = True
    leniency: Leniency = Leniency()
    many_selectable: frozenset[str] = frozenset()


def deprecation_faults(version: Version) -> Iterator[str]:
    warning = version.deprecation_warning
    if warning is None:
        return
    if not version.deprecated:
        yield "can only be set for deprecated versions"
        return
    if len(warning.encode()) > 256:
        yield "must be <= 256 characters long"
    if not warning:
        yield "must not be an empty string"
    at = 0
    for character in warning:
        if character != " " and unicodedata.category(character)[0] in "CZ":
            yield (
                f"must only contain printable UTF-8 characters; non-printable character found at index {at}"
            )
            return
        at += len(character.encode())


def version_schema_problems(
    schema: SchemaProps, path: str, options: Options, *, has_status: bool
) -> Iterator[Problem]:
    here = f"{path}.openAPIV3Schema"
    found: list[Problem] = []
    if has_status:
        found += _root_fields(schema, here)
    if schema.nullable:
        found.append(problems.forbidden(f"{here}.nullable", "nullable cannot be true at the root"))
    unreadable = unsupported(schema) if options.structural else ""
    if options.structural and not unreadable:
        found += structural_problems(schema, here) or default_problems(
            schema, here, pruned=options.pruned_defaults
        )
    found += schema_problems(schema, here, options.leniency)
    if not found and unreadable:
        found.append(problems.invalid(here, "", unreadable))
    yield from found


def _root_fields(schema: SchemaProps, path: str) -> Iterator[Problem]:
    """With a status of its own, nothing at the root of the schema may speak of the object as a whole."""
    bare = SchemaProps()
    if schema.type and schema.type != "object":
        text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield problems.invalid(f"{path}.type", schema.type, text)
        return
    allowed = {attribute for _, attribute in _ROOT_FIELDS}
    if any(
        getattr(schema, name) != getattr(bare, name)
        for name in SchemaProps.__struct_fields__
        if name not in allowed
    ):
        listed = " ".join(name for name, _ in _ROOT_FIELDS)
        text = f"only [{listed}] fields are allowed at the root of the schema if the status subresource is enabled"
        yield problems.invalid_text(path, schema_text(schema), text)


def column_problems(column: Column, path: str) -> Iterator[Problem]:
    if not column.name:
        yield problems.required(f"{path}.name")
    types = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not column.type:
        yield problems.required(f"{path}.type", types)
    elif column.type not in _COLUMN_TYPES:
        yield problems.invalid(f"{path}.type", column.type, types)
    if column.format and column.format not in _COLUMN_FORMATS:
        yield problems.invalid(f"{path}.format", column.format, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not column.json_path:
        yield problems.required(f"{path}.JSONPath")
    else:
        yield from _simple_path(column.json_path, f"{path}.JSONPath")


def _simple_path(path: str, field: str) -> Iterator[Problem]:
    if not path.startswith("."):
        yield problems.invalid(field, path, "must be a simple json path starting with .")


def subresource_problems(subresources: Subresources | None, path: str) -> Iterator[Problem]:
    scale = subresources.scale if subresources is not None else None
    if scale is None:
        return
    for name, value, below in (
        ("specReplicasPath", scale.spec_replicas_path, ".spec"),
        ("statusReplicasPath", scale.status_replicas_path, ".status"),
    ):
        here = f"{path}.scale.{name}"
        if not value:
            yield problems.required(here)
        elif not value.startswith("."):
            yield from _simple_path(value, here)
        elif not value.startswith(f"{below}."):
            yield problems.invalid(here, value, f"should be a json path under {below}")
    selector = scale.label_selector_path
    if selector:
        here = f"{path}.scale.labelSelectorPath"
        if not selector.startswith("."):
            yield from _simple_path(selector, here)
        elif not selector.startswith((".spec.", ".status.")):
            yield problems.invalid(here, selector, "should be a json path under either .spec or .status")


def selectable_problems(
    fields: Sequence[SelectableField], schema: SchemaProps | None, path: str, options: Options, version: str
) -> Iterator[Problem]:
    if not fields:
        return
    if schema is None:
        yield problems.invalid(
            path, "", "may only be set when `version.schema.openAPIV3Schema` is not included"
        )
        return
    seen: set[str] = set()
    for index, field in enumerate(fields):
        here = f"{path}[{index}].jsonPath"
        if not field.json_path:
            yield problems.required(here)
            continue
        try:
            found = follow(schema, field.json_path, brackets=False)
        except SchemaPathError as error:
            yield problems.invalid(here, field.json_path, f"is an invalid path: {error}")
            continue
        if field.json_path.startswith(".metadata."):
            yield problems.invalid(here, field.json_path, "must not point to fields in metadata")
        if found is None or found.type not in {"string", "boolean", "integer"}:
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with"
                " formats are allowed."
            )
            yield problems.invalid(here, field.json_path, text)
        if field.json_path in seen:
            yield problems.duplicate(here, field.json_path)
        seen.add(field.json_path)
    if len(seen) > MAX_SELECTABLE and version not in options.many_selectable:
        yield problems.too_many(path, len(seen), MAX_SELECTABLE)
