"""Operators, `size`, `in` and the indexes.

Each operator has one overload per pair of types. `GENERIC` computes the same for values whose types are only known at
run time (`x-kubernetes-int-or-string`, `dyn`), with the errors that an API server gives then.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from pilotage.store.cel.declarations import Cost, Functions, Overload, function, method
from pilotage.store.cel.library.costs import tenth
from pilotage.store.cel.problems import EvaluationError, no_such_overload
from pilotage.store.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    Type,
    list_of,
    map_of,
    optional_of,
    param,
)
from pilotage.store.cel.values import (
    NONE,
    Duration,
    MapList,
    Optional,
    SetList,
    Timestamp,
    UInt,
    compare,
    equal,
    int_in_range,
    kind_of,
    size_of,
    text_of,
    uint_in_range,
)

__all__ = ["FUNCTIONS", "GENERIC", "index", "index_present", "smaller_tenth"]

A = param("A")
B = param("B")
_LIST = list_of(A)
_MAP = map_of(A, B)


def smaller_tenth(args: tuple[Any, ...], _result: Any) -> int:
    """A comparison walks over the shorter of both."""
    return tenth(min(size_of(args[0]), size_of(args[1])))


def _both(args: tuple[Any, ...], _result: Any) -> int:
    return tenth(size_of(args[0]) + size_of(args[1]))


# Arithmetic on known types ------------------------------------------------------------------------------------------


def _add_int(one: int, two: int) -> int:
    return int_in_range(one + two)


def _subtract_int(one: int, two: int) -> int:
    return int_in_range(one - two)


def _multiply_int(one: int, two: int) -> int:
    return int_in_range(one * two)


def _divide_int(one: int, two: int) -> int:
    if two == 0:
        raise EvaluationError("division by zero")
    quotient = abs(one) // abs(two)
    return int_in_range(quotient if (one < 0) == (two < 0) else -quotient)


def _modulo_int(one: int, two: int) -> int:
    if two == 0:
        raise EvaluationError("modulus by zero")
    if two == -1 and one == -(2**63):
        raise EvaluationError("integer overflow")
    remainder = abs(one) % abs(two)
    return -remainder if one < 0 else remainder


def _add_uint(one: int, two: int) -> UInt:
    return uint_in_range(int(one) + int(two))


def _subtract_uint(one: int, two: int) -> UInt:
    return uint_in_range(int(one) - int(two))


def _multiply_uint(one: int, two: int) -> UInt:
    return uint_in_range(int(one) * int(two))


def _divide_uint(one: int, two: int) -> UInt:
    if two == 0:
        raise EvaluationError("division by zero")
    return UInt(int(one) // int(two))


def _modulo_uint(one: int, two: int) -> UInt:
    if two == 0:
        raise EvaluationError("modulus by zero")
    return UInt(int(one) % int(two))


def _divide_double(one: float, two: float) -> float:
    if two != 0:
        return one / two
    if one == 0 or one != one:  # noqa: PLR0124 - only NaN is unequal to itself
        return float("nan")
    return float("inf") if (one > 0) == (str(two)[0] != "-") else float("-inf")


def _multiply_double(one: float, two: float) -> float:
    return one * two


def _negate_int(value: int) -> int:
    return int_in_range(-value)


def _add_list(one: list[Any], two: list[Any]) -> list[Any]:
    if isinstance(one, (SetList, MapList)):
        return one.merged(two)
    return [*one, *two]


def _add_duration(one: Duration, two: Duration) -> Duration:
    return Duration(one.ns + two.ns)


def _add_to_time(one: Timestamp, two: Duration) -> Timestamp:
    return Timestamp(one.ns + two.ns, one.offset)


def _add_time_to(one: Duration, two: Timestamp) -> Timestamp:
    return Timestamp(one.ns + two.ns, two.offset)


def _subtract_duration(one: Duration, two: Duration) -> Duration:
    return Duration(one.ns - two.ns)


def _subtract_time(one: Timestamp, two: Timestamp) -> Duration:
    return Duration(one.ns - two.ns)


def _subtract_from_time(one: Timestamp, two: Duration) -> Timestamp:
    return Timestamp(one.ns - two.ns, one.offset)


_PAIRS: Mapping[str, Mapping[tuple[str, str], Callable[[Any, Any], Any]]] = {
    "_+_": {
        ("int", "int"): _add_int,
        ("uint", "uint"): _add_uint,
        ("double", "double"): operator.add,
        ("string", "string"): operator.add,
        ("bytes", "bytes"): operator.add,
        ("list", "list"): _add_list,
        ("duration", "duration"): _add_duration,
        ("duration", "timestamp"): _add_time_to,
        ("timestamp", "duration"): _add_to_time,
    },
    "_-_": {
        ("int", "int"): _subtract_int,
        ("uint", "uint"): _subtract_uint,
        ("double", "double"): operator.sub,
        ("duration", "duration"): _subtract_duration,
        ("timestamp", "timestamp"): _subtract_time,
        ("timestamp", "duration"): _subtract_from_time,
    },
    "_*_": {
        ("int", "int"): _multiply_int,
        ("uint", "uint"): _multiply_uint,
        ("double", "double"): _multiply_double,
    },
    "_/_": {
        ("int", "int"): _divide_int,
        ("uint", "uint"): _divide_uint,
        ("double", "double"): _divide_double,
    },
    "_%_": {("int", "int"): _modulo_int, ("uint", "uint"): _modulo_uint},
}


def _dispatched(name: str) -> Callable[[Any, Any], Any]:
    """The operator for any values: an error names the operator when the left side can do nothing of the kind."""
    pairs = _PAIRS[name]
    able = frozenset(left for left, _ in pairs)

    def apply(one: Any, two: Any) -> Any:
        left = kind_of(one)
        implementation = pairs.get((left, kind_of(two)))
        if implementation is None:
            raise no_such_overload("" if left in able or left == "string" else name)
        return implementation(one, two)

    return apply


def _negate(value: Any) -> Any:
    if type(value) is int:
        return int_in_range(-value)
    if type(value) is float:
        return -value
    if type(value) is Duration:
        return Duration(-value.ns)
    raise no_such_overload()


def _not(value: Any) -> bool:
    if type(value) is not bool:
        raise no_such_overload()
    return not value


# Order --------------------------------------------------------------------------------------------------------------

_COMPARABLE = frozenset(["bool", "int", "uint", "double", "string", "bytes", "duration", "timestamp"])


def _ordered(name: str, accept: Callable[[int], bool]) -> Callable[[Any, Any], bool]:
    def apply(one: Any, two: Any) -> bool:
        if kind_of(one) not in _COMPARABLE:
            raise no_such_overload(name)
        return accept(compare(one, two))

    return apply


_RELATIONS: Mapping[str, tuple[str, Callable[[Any, Any], Any], Callable[[int], bool]]] = {
    "_<_": ("less", operator.lt, lambda order: order < 0),
    "_<=_": ("less_equals", operator.le, lambda order: order <= 0),
    "_>_": ("greater", operator.gt, lambda order: order > 0),
    "_>=_": ("greater_equals", operator.ge, lambda order: order >= 0),
}
_NUMBERS = (("int64", INT), ("uint64", UINT), ("double", DOUBLE))
_OTHERS = (("string", STRING), ("bytes", BYTES), ("bool", BOOL))


def _relation(name: str) -> tuple[Overload, ...]:
    word, native, accept = _RELATIONS[name]
    found: list[Overload] = []
    generic = _ordered(name, accept)
    for one, left in _NUMBERS:
        for two, right in _NUMBERS:
            # Only doubles can be NaN, which has no order.
            apply = generic if DOUBLE in {left, right} else native
            suffix = one if one == two else f"{one}_{two}"
            found.append(function(f"{word}_{suffix}", (left, right), BOOL, apply))
    for suffix, type_ in _OTHERS:
        cost: Cost | None = smaller_tenth if type_ in {STRING, BYTES} else None
        found.append(function(f"{word}_{suffix}", (type_, type_), BOOL, native, cost=cost))
    found.append(function(f"{word}_timestamp", (TIMESTAMP, TIMESTAMP), BOOL, generic))
    found.append(function(f"{word}_duration", (DURATION, DURATION), BOOL, generic))
    return tuple(found)


# Collections --------------------------------------------------------------------------------------------------------


def _position(key: Any) -> int:
    if type(key) is int or type(key) is UInt:
        return int(key)
    if type(key) is float:
        if key.is_integer():
            return int(key)
        raise EvaluationError(f"unsupported index value {text_of(key)} in list")
    raise EvaluationError(f"unsupported index type '{kind_of(key)}' in list")


def index(container: Any, key: Any) -> Any:
    """`container[key]`. Raises EvaluationError when there is no such element."""
    if isinstance(container, dict):
        try:
            return container[key]
        except (KeyError, TypeError):
            raise EvaluationError(f"no such key: {text_of(key)}") from None
    if isinstance(container, list):
        position = _position(key)
        if 0 <= position < len(container):
            return container[position]
        raise EvaluationError(f"index out of bounds: {text_of(key)}")
    if isinstance(container, Optional):
        return index_present(container, key)
    raise EvaluationError(f"no such key: {text_of(key)}")


def index_present(container: Any, key: Any) -> Optional:
    """`container[?key]`: nothing where there is no such element."""
    if isinstance(container, Optional):
        return index_present(container.value, key) if container.present else NONE
    if isinstance(container, dict):
        try:
            return Optional(container[key]) if key in container else NONE
        except TypeError:
            return NONE
    if isinstance(container, list):
        position = _position(key)
        return Optional(container[position]) if 0 <= position < len(container) else NONE
    return NONE


def _in(value: Any, container: Any) -> bool:
    if isinstance(container, dict):
        try:
            return value in container and kind_of(value) not in {"list", "map"}
        except TypeError:
            return False
    if isinstance(container, list):
        return any(equal(value, item) for item in container)
    raise no_such_overload()


def _size(value: Any) -> int:
    if isinstance(value, (str, bytes, list, dict)):
        return len(value)
    raise no_such_overload("size")


def _not_equal(one: Any, two: Any) -> bool:
    return not equal(one, two)


def _map_insert(into: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    if key in into:
        raise EvaluationError(f"insert failed: key {text_of(key)} already exists")
    return {**into, key: value}


def _map_merge(into: dict[Any, Any], entries: dict[Any, Any]) -> dict[Any, Any]:
    for key, value in entries.items():
        into = _map_insert(into, key, value)
    return into


def _pairs(name: str, *overloads: tuple[str, Type, Type, Type]) -> tuple[Overload, ...]:
    kinds = _PAIRS[name]
    return tuple(
        function(
            id_,
            (one, two),
            result,
            kinds[one.kind, two.kind],
            cost=_both if id_ in {"add_string", "add_bytes"} else None,
        )
        for id_, one, two, result in overloads
    )


FUNCTIONS: Functions = {
    "_?_:_": (function("conditional", (BOOL, A, A), A, None),),
    "_&&_": (function("logical_and", (BOOL, BOOL), BOOL, None),),
    "_||_": (function("logical_or", (BOOL, BOOL), BOOL, None),),
    "!_": (function("logical_not", (BOOL,), BOOL, _not),),
    "@not_strictly_false": (function("not_strictly_false", (BOOL,), BOOL, lambda value: value is not False),),
    "_==_": (function("equals", (A, A), BOOL, equal, cost=smaller_tenth),),
    "_!=_": (function("not_equals", (A, A), BOOL, _not_equal, cost=smaller_tenth),),
    "_+_": _pairs(
        "_+_",
        ("add_bytes", BYTES, BYTES, BYTES),
        ("add_double", DOUBLE, DOUBLE, DOUBLE),
        ("add_duration_duration", DURATION, DURATION, DURATION),
        ("add_duration_timestamp", DURATION, TIMESTAMP, TIMESTAMP),
        ("add_timestamp_duration", TIMESTAMP, DURATION, TIMESTAMP),
        ("add_int64", INT, INT, INT),
        ("add_list", _LIST, _LIST, _LIST),
        ("add_string", STRING, STRING, STRING),
        ("add_uint64", UINT, UINT, UINT),
    ),
    "_-_": _pairs(
        "_-_",
        ("subtract_double", DOUBLE, DOUBLE, DOUBLE),
        ("subtract_duration_duration", DURATION, DURATION, DURATION),
        ("subtract_int64", INT, INT, INT),
        ("subtract_timestamp_duration", TIMESTAMP, DURATION, TIMESTAMP),
        ("subtract_timestamp_timestamp", TIMESTAMP, TIMESTAMP, DURATION),
        ("subtract_uint64", UINT, UINT, UINT),
    ),
    "_*_": _pairs(
        "_*_",
        ("multiply_double", DOUBLE, DOUBLE, DOUBLE),
        ("multiply_int64", INT, INT, INT),
        ("multiply_uint64", UINT, UINT, UINT),
    ),
    "_/_": _pairs(
        "_/_",
        ("divide_double", DOUBLE, DOUBLE, DOUBLE),
        ("divide_int64", INT, INT, INT),
        ("divide_uint64", UINT, UINT, UINT),
    ),
    "_%_": _pairs("_%_", ("modulo_int64", INT, INT, INT), ("modulo_uint64", UINT, UINT, UINT)),
    "-_": (
        function("negate_double", (DOUBLE,), DOUBLE, operator.neg),
        function("negate_int64", (INT,), INT, _negate_int),
    ),
    **{name: _relation(name) for name in _RELATIONS},
    "_[_]": (
        function("index_list", (_LIST, INT), A, index),
        function("index_map", (_MAP, A), B, index),
        function("optional_list_index_int", (optional_of(list_of(A)), INT), optional_of(A), index),
        function("optional_map_index_value", (optional_of(_MAP), A), optional_of(B), index),
    ),
    "_[?_]": (
        function("list_optindex_optional_int", (_LIST, INT), optional_of(A), index_present),
        function(
            "optional_list_optindex_optional_int", (optional_of(_LIST), INT), optional_of(A), index_present
        ),
        function("map_optindex_optional_value", (_MAP, A), optional_of(B), index_present),
        function(
            "optional_map_optindex_optional_value", (optional_of(_MAP), A), optional_of(B), index_present
        ),
    ),
    "@in": (
        function("in_list", (A, _LIST), BOOL, _in, cost=lambda args, _result: size_of(args[1])),
        function("in_map", (A, _MAP), BOOL, _in),
    ),
    "size": (
        function("size_bytes", (BYTES,), INT, len),
        method("bytes_size", (BYTES,), INT, len),
        function("size_list", (_LIST,), INT, len),
        method("list_size", (_LIST,), INT, len),
        function("size_map", (_MAP,), INT, len),
        method("map_size", (_MAP,), INT, len),
        function("size_string", (STRING,), INT, len),
        method("string_size", (STRING,), INT, len),
    ),
    "cel.@mapInsert": (
        function("@mapInsert_map_key_value", (_MAP, A, B), _MAP, _map_insert),
        function("@mapInsert_map_map", (_MAP, _MAP), _MAP, _map_merge),
    ),
}

GENERIC: Mapping[str, Callable[..., Any]] = {
    **{name: _dispatched(name) for name in _PAIRS},
    **{name: _ordered(name, accept) for name, (_, _, accept) in _RELATIONS.items()},
    "-_": _negate,
    "!_": _not,
    "_==_": equal,
    "_!=_": _not_equal,
    "_[_]": index,
    "_[?_]": index_present,
    "@in": _in,
    "size": _size,
}
"""Operators for values whose types are known at run time only."""
