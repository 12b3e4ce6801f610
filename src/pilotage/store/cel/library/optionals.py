"""Optional values: `optional.of`, `hasValue`, `orValue`, `first`, `last`, ..."""

from __future__ import annotations

from typing import Any

from pilotage.store.cel.declarations import Functions, function, method
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import BOOL, DYN, STRING, list_of, optional_of, param
from pilotage.store.cel.values import NONE, Duration, Optional, text_of

__all__ = ["FUNCTIONS"]

_V = param("V")
_OPTIONAL = optional_of(_V)
_LIST = list_of(_V)


def _of_non_zero(value: Any) -> Optional:
    if isinstance(value, Duration):
        return Optional(value) if value.ns else NONE
    if value is None or (isinstance(value, (bool, int, float, str, bytes, list, dict)) and not value):
        return NONE
    return NONE if isinstance(value, Optional) and not value.present else Optional(value)


def _none() -> Optional:
    return NONE


def _value(value: Optional) -> Any:
    if not value.present:
        raise EvaluationError("optional.none() dereference")
    return value.value


def _has_value(value: Optional) -> bool:
    return value.present


def _last(items: list[Any]) -> Optional:
    return Optional(items[-1]) if items else NONE


def _first(items: list[Any]) -> Optional:
    return Optional(items[0]) if items else NONE


def _unwrapped(items: list[Any]) -> list[Any]:
    for item in items:
        if not isinstance(item, Optional):
            raise EvaluationError(f"value {text_of(item)} is not optional")
    return [item.value for item in items if item.present]


FUNCTIONS: Functions = {
    "optional.of": (function("optional_of", (_V,), _OPTIONAL, Optional),),
    "optional.ofNonZeroValue": (function("optional_ofNonZeroValue", (_V,), _OPTIONAL, _of_non_zero),),
    "optional.none": (function("optional_none", (), _OPTIONAL, _none),),
    "value": (method("optional_value", (_OPTIONAL,), _V, _value),),
    "hasValue": (method("optional_hasValue", (_OPTIONAL,), BOOL, _has_value),),
    "or": (method("optional_or_optional", (_OPTIONAL, _OPTIONAL), _OPTIONAL, None),),
    "orValue": (method("optional_orValue_value", (_OPTIONAL, _V), _V, None),),
    "_?._": (function("select_optional_field", (DYN, STRING), _OPTIONAL, None),),
    "last": (method("list_last", (_LIST,), _OPTIONAL, _last),),
    "first": (method("list_first", (_LIST,), _OPTIONAL, _first),),
    "optional.unwrap": (function("optional_unwrap", (list_of(_OPTIONAL),), _LIST, _unwrapped),),
    "unwrapOpt": (method("optional_unwrapOpt", (list_of(_OPTIONAL),), _LIST, _unwrapped),),
}
