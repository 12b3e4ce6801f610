"""Does a JSON value have the shape of a type? All faults, not the first one.

msgspec decodes and stops at the first fault. A person with five mistakes wants to hear of five, so this walk is run
after a decode failed, over msgspec's own description of the type. Where a struct accepts one key or another, it says so
in a class variable `ONE_OF`, a tuple of such groups, and refuses itself to be made without any of them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

__all__ = ["faults"]


def faults(value: Any, expected: type[Any]) -> tuple[str, ...]:
    """Every place where `value` is not of the type `expected`, as `<path>: expected <type>, found <type>`."""
    found: list[str] = []
    _walk(value, inspect.type_info(expected), "", found)
    return tuple(found)


def _walk(value: Any, info: inspect.Type, path: str, found: list[str]) -> None:
    match info:
        case inspect.StructType():
            _walk_struct(value, info, path, found)
        case inspect.DictType():
            if not isinstance(value, dict):
                found.append(_fault(path, "object", value))
                return
            for key, item in value.items():
                _walk(item, info.value_type, _join(path, key), found)
        case inspect.ListType() | inspect.VarTupleType():
            if not isinstance(value, list):
                found.append(_fault(path, "array", value))
                return
            for index, item in enumerate(value):
                _walk(item, info.item_type, f"{path}[{index}]", found)
        case inspect.UnionType():
            _walk_union(value, info, path, found)
        case inspect.LiteralType():
            if value not in info.values:
                found.append(f"{path or 'input'}: expected one of {', '.join(map(str, info.values))}")
        case _:
            try:
                msgspec.convert(value, _scalar(info))
            except msgspec.ValidationError:
                found.append(_fault(path, _name(info), value))


def _walk_struct(value: Any, info: inspect.StructType, path: str, found: list[str]) -> None:
    if not isinstance(value, dict):
        found.append(_fault(path, "object", value))
        return
    for field in info.fields:
        if field.encode_name in value:
            _walk(value[field.encode_name], field.type, _join(path, field.encode_name), found)
        elif field.required:
            found.append(f"{_join(path, field.encode_name)}: required key is missing")
    found.extend(
        f"{' or '.join(_join(path, name) for name in names)}: required key is missing"
        for names in getattr(info.cls, "ONE_OF", ())
        if value.keys().isdisjoint(names)
    )


def _walk_union(value: Any, info: inspect.UnionType, path: str, found: list[str]) -> None:
    if value is None and info.includes_none:
        return
    options = [option for option in info.types if not isinstance(option, inspect.NoneType)]
    attempts = []
    for option in options:
        attempt: list[str] = []
        _walk(value, option, path, attempt)
        if not attempt:
            return
        attempts.append(attempt)
    if len(attempts) == 1:
        found.extend(attempts[0])
    else:
        found.append(_fault(path, " or ".join(map(_name, info.types)), value))


def _scalar(info: inspect.Type) -> Any:
    match info:
        case inspect.BoolType():
            return bool
        case inspect.IntType():
            return int
        case inspect.FloatType():
            return float
        case inspect.StrType():
            return str
        case inspect.NoneType():
            return None
        case _:
            return Any


def _name(info: inspect.Type) -> str:
    match info:
        case inspect.BoolType():
            return "boolean"
        case inspect.IntType():
            return "integer"
        case inspect.FloatType():
            return "number"
        case inspect.StrType():
            return "string"
        case inspect.NoneType():
            return "null"
        case inspect.ListType() | inspect.VarTupleType():
            return "array"
        case inspect.DictType() | inspect.StructType():
            return "object"
        case _:
            return type(info).__name__.removesuffix("Type").lower()


def _fault(path: str, expected: str, value: Any) -> str:
    return f"{path or 'input'}: expected {expected}, found {_json_type(value)}"


def _json_type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
