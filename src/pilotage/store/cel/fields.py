"""Fields and entries: `object.field`, `map.key`, `optional.field`, `has(...)`.

An object with a declared type is a JSON object with its property names; a null property is as good as none. In maps, null
is a value. Whatever has no declared type is looked at when it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import Type
from pilotage.store.cel.values import NONE, Optional, text_of

__all__ = ["keyed", "optional_field", "plain_field", "present"]

Frame = list[Any]
Run = Callable[[Frame], Any]

_MISSING = object()


def plain_field(operand: Run, field: str, target: Type) -> Run:
    """`operand.field`. A null field of an object is as good as none."""
    if target.kind == "struct" and target.fields is not None:
        name = target.fields[field].property

        def of_object(frame: Frame) -> Any:
            value = operand(frame).get(name)
            if value is None:
                raise EvaluationError(f"no such key: {field}")
            return value

        return of_object
    if target.kind == "map":
        return keyed(operand, field)

    def of_anything(frame: Frame) -> Any:
        value = operand(frame)
        if isinstance(value, dict) and field in value:
            return value[field]
        if isinstance(value, Optional):
            return _selected(value, field)
        if isinstance(value, list):
            raise EvaluationError("unsupported index type 'string' in list")
        raise EvaluationError(f"no such key: {field}")

    return of_anything


def keyed(operand: Run, key: Any) -> Run:
    def run(frame: Frame) -> Any:
        try:
            return operand(frame)[key]
        except KeyError:
            raise EvaluationError(f"no such key: {text_of(key)}") from None

    return run


def _selected(value: Any, name: str, *, nullable: bool = False) -> Optional:
    if isinstance(value, Optional):
        return _selected(value.value, name, nullable=nullable) if value.present else NONE
    if isinstance(value, list):
        raise EvaluationError("unsupported index type 'string' in list")
    if not isinstance(value, dict):
        return NONE
    found = value.get(name, _MISSING)
    return NONE if found is _MISSING or (found is None and not nullable) else Optional(found)


def optional_field(operand: Run, field: str, target: Type) -> Run:
    if target.kind == "struct" and target.fields is not None:
        name = target.fields[field].property
        return lambda frame: _selected(operand(frame), name)
    return lambda frame: _selected(operand(frame), field, nullable=True)


def present(operand: Run, field: str, target: Type) -> Run:
    if target.kind == "struct" and target.fields is not None:
        name = target.fields[field].property

        def in_object(frame: Frame) -> bool:
            value = operand(frame)
            if isinstance(value, Optional):
                return _selected(value, name).present
            return value.get(name) is not None

        return in_object
    return lambda frame: _selected(operand(frame), field, nullable=True).present
