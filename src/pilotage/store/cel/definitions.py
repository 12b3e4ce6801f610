"""May a definition with these rules be stored? What an API server says when it refuses one.

Every rule of a schema is looked at: that it says something, that its message is one line, that it compiles with the types of
its schema, that `oldSelf` can mean something where it stands. Problems are reported with the path inside the definition and
the wording of the 1.36 API server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pilotage.store.cel.compiled import CompiledRule, compile_rule
from pilotage.store.cel.faults import INVALID, NOT_SUPPORTED, OMITTED, REQUIRED, Fault, fault
from pilotage.store.cel.fieldpaths import FieldPathError, normalized
from pilotage.store.cel.schemas import Schema, below, declared_type, resource_schema

__all__ = ["check_definition"]

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_STEPS = {
    "property": "{path}.properties[{name}]",
    "values": "{path}.additionalProperties",
    "items": "{path}.items",
}
_NEWLINE = re.compile(r"[\n\r]")


def check_definition(schema: Schema, path: str) -> list[Fault]:
    """Every problem with the rules of an `openAPIV3Schema` that stands at `path`."""
    root = resource_schema(schema)
    forms, meanings = _problems(root, path, "")
    return [*forms, *meanings]


def _problems(schema: Schema, path: str, apart: str) -> tuple[list[Fault], list[Fault]]:
    """Problems with the form of rules, and with what they mean, children first.

    `apart` is the path of the outermost list above whose items have no old values.
    """
    forms: list[Fault] = []
    meanings: list[Fault] = []
    for child in below(schema):
        where = _STEPS[child.step].format(path=path, name=child.name)
        lost = child.step == "items" and schema.get("x-kubernetes-list-type") != "map"
        found = _problems(child.schema, where, apart or (path if lost else ""))
        forms.extend(found[0])
        meanings.extend(found[1])
    rules = schema.get("x-kubernetes-validations") or []
    for position, rule in enumerate(rules):
        forms.extend(_form(rule, schema, f"{path}.x-kubernetes-validations[{position}]"))
    type_ = declared_type(schema) if rules and not forms else None
    if type_ is None:
        return forms, meanings  # with a broken schema, what expressions say about types would only confuse
    for position, rule in enumerate(rules):
        compiled = compile_rule(rule, type_, schema)
        meanings.extend(_meaning(rule, compiled, f"{path}.x-kubernetes-validations[{position}]", apart))
    return forms, meanings


def _form(rule: Mapping[str, Any], schema: Schema, path: str) -> Iterator[Fault]:
    """What can be said without compiling."""
    text, message = rule.get("rule") or "", rule.get("message") or ""
    if not text.strip():
        yield fault(f"{path}.rule", REQUIRED, OMITTED, "rule is not specified")
    elif message and not message.strip():
        yield fault(f"{path}.message", INVALID, message, "must be non-empty if specified")
    elif _NEWLINE.search(message.strip()):
        yield fault(f"{path}.message", INVALID, message, "must not contain line breaks")
    elif _NEWLINE.search(text.strip()) and not message.strip():
        yield fault(
            f"{path}.message", REQUIRED, OMITTED, "message must be specified if rule contains line breaks"
        )
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        detail = "messageExpression must be non-empty if specified"
        yield fault(f"{path}.messageExpression", REQUIRED, OMITTED, detail)
    reason = rule.get("reason")
    if reason is not None and reason not in _REASONS:
        known = ", ".join(f'"{each}"' for each in _REASONS)
        yield fault(f"{path}.reason", NOT_SUPPORTED, reason, f"supported values: {known}")
    yield from _field_path(rule.get("fieldPath") or "", schema, f"{path}.fieldPath")


def _field_path(text: str, schema: Schema, path: str) -> Iterator[Fault]:
    if not text:
        return
    if not text.strip():
        yield fault(path, INVALID, text, "must be non-empty if specified")
    if _NEWLINE.search(text):
        yield fault(path, INVALID, text, "must not contain line breaks")
    try:
        normalized(text, schema)
    except FieldPathError:
        yield fault(path, INVALID, text, "must be a valid path")


def _meaning(
    rule: Mapping[str, Any], compiled: CompiledRule, path: str, uncorrelatable: str
) -> Iterator[Fault]:
    if compiled.error:
        yield fault(f"{path}.rule", INVALID, _as_written(rule), compiled.error)
    if compiled.message_error:
        yield fault(f"{path}.messageExpression", INVALID, _as_written(rule), compiled.message_error)
    if compiled.uses_old and uncorrelatable:
        detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
        yield fault(f"{path}.rule", INVALID, rule["rule"], detail)
    elif not compiled.uses_old and rule.get("optionalOldSelf") is not None:
        detail = "may not be set if oldSelf is not used in rule"
        yield fault(f"{path}.optionalOldSelf", INVALID, rule["optionalOldSelf"], detail)


def _as_written(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule as an API server prints it."""
    return {
        "Rule": rule.get("rule") or "",
        "Message": rule.get("message") or "",
        "MessageExpression": rule.get("messageExpression") or "",
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath") or "",
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }
