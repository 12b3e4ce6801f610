"""Functions of lists: the Kubernetes ones (`sum`, `min`, `isSorted`, ...), the lists extension, and sets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from pilotage.store.cel.declarations import Cost, Functions, Overload, function, method
from pilotage.store.cel.library.costs import CREATE_LIST, self_comparing, traversal
from pilotage.store.cel.library.operators import GENERIC
from pilotage.store.cel.problems import EvaluationError
from pilotage.store.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    Type,
    list_of,
    param,
)
from pilotage.store.cel.values import Duration, UInt, compare, equal, kind_of

__all__ = ["FUNCTIONS"]

_A = param("A")
_LIST = list_of(_A)
_LONGEST_RANGE = 1_000_000
_COMPARABLE = (INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES)
_ZEROS: tuple[tuple[Type, Any], ...] = ((INT, 0), (UINT, UInt(0)), (DOUBLE, 0.0), (DURATION, Duration(0)))


def _is_sorted(items: list[Any]) -> bool:
    return all(compare(one, two) <= 0 for one, two in pairwise(items))


def _summed(zero: Any) -> Callable[[list[Any]], Any]:
    add = GENERIC["_+_"]

    def total(items: list[Any]) -> Any:
        found = zero
        for item in items:
            found = add(found, item)
        return found

    return total


def _extreme(word: str, sign: int) -> Callable[[list[Any]], Any]:
    def find(items: list[Any]) -> Any:
        if not items:
            raise EvaluationError(f"{word} called on empty list")
        found = items[0]
        for item in items[1:]:
            if compare(found, item) * sign < 0:
                found = item
        return found

    return find


def _index_of(items: list[Any], wanted: Any) -> int:
    return next((place for place, item in enumerate(items) if equal(item, wanted)), -1)


def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((place for place in range(len(items) - 1, -1, -1) if equal(items[place], wanted)), -1)


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    asked = f"cannot slice({start}, {end}), "
    if start < 0 or end < 0:
        raise EvaluationError(asked + "negative indexes not supported")
    if start > end:
        raise EvaluationError(asked + "start index must be less than or equal to end index")
    if len(items) < end:
        raise EvaluationError(f"{asked}list is length {len(items)}")
    return items[start:end]


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    found: list[Any] = []
    for item in items:
        if isinstance(item, list) and depth:
            found.extend(_flatten(item, depth - 1))
        else:
            found.append(item)
    return found


def _sort(items: list[Any]) -> list[Any]:
    return _sort_by(items, items)


def _sort_by(items: list[Any], keys: list[Any]) -> list[Any]:
    if len(items) != len(keys):
        raise EvaluationError(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, "
            f"but got {len(items)} and {len(keys)} elements respectively"
        )
    kinds = {kind_of(key) for key in keys}
    if kinds & {"list", "map", "null", "type", "optional"}:
        raise EvaluationError("list elements must be comparable")
    if len(kinds) > 1:
        raise EvaluationError("list elements must have the same type")

    def order(one: int, two: int) -> int:
        return compare(keys[one], keys[two])

    return [items[place] for place in sorted(range(len(keys)), key=cmp_to_key(order))]


def _range(count: int) -> list[int]:
    if count > _LONGEST_RANGE:
        raise EvaluationError(f"lists.range({count}) is longer than {_LONGEST_RANGE} elements")
    return list(range(count))


def _reverse(items: list[Any]) -> list[Any]:
    return list(reversed(items))


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(equal(item, other) for other in found):
            found.append(item)
    return found


def _holds(items: list[Any], part: list[Any]) -> bool:
    return all(any(equal(wanted, item) for item in items) for wanted in part)


def _intersects(one: list[Any], two: list[Any]) -> bool:
    return any(any(equal(item, other) for other in two) for item in one)


def _equivalent(one: list[Any], two: list[Any]) -> bool:
    return _holds(one, two) and _holds(two, one)


def _walk(args: tuple[Any, ...], _result: Any) -> int:
    return traversal(args[0])


def _made(_args: tuple[Any, ...], result: Any) -> int:
    return len(result) + 1 + CREATE_LIST


def _flattened(args: tuple[Any, ...], _result: Any) -> int:
    depth = args[1] if len(args) == 2 else 1
    return len(args[0]) * depth + 1 + CREATE_LIST


def _compared(place: int) -> Cost:
    return lambda args, _result: self_comparing(args[place])


def _crossed(factor: int) -> Cost:
    return lambda args, _result: 1 + len(args[0]) * len(args[1]) * factor


def _each(types: tuple[Type, ...], make: Callable[[Type], Overload]) -> tuple[Overload, ...]:
    return tuple(map(make, types))


def _set(name: str, impl: Callable[..., Any], factor: int) -> tuple[Overload, ...]:
    return (function(f"list_sets_{name}_list", (_LIST, _LIST), BOOL, impl, cost=_crossed(factor)),)


FUNCTIONS: Functions = {
    "isSorted": _each(
        _COMPARABLE,
        lambda type_: method(
            f"list_{type_.kind}_is_sorted_bool", (list_of(type_),), BOOL, _is_sorted, cost=_walk
        ),
    ),
    "sum": tuple(
        method(f"list_{type_.kind}_sum_{type_.kind}", (list_of(type_),), type_, _summed(zero), cost=_walk)
        for type_, zero in _ZEROS
    ),
    "min": _each(
        _COMPARABLE,
        lambda type_: method(
            f"list_{type_.kind}_min_{type_.kind}", (list_of(type_),), type_, _extreme("min", -1), cost=_walk
        ),
    ),
    "max": _each(
        _COMPARABLE,
        lambda type_: method(
            f"list_{type_.kind}_max_{type_.kind}", (list_of(type_),), type_, _extreme("max", 1), cost=_walk
        ),
    ),
    "indexOf": (method("list_a_index_of_int", (_LIST, _A), INT, _index_of, cost=_walk),),
    "lastIndexOf": (method("list_a_last_index_of_int", (_LIST, _A), INT, _last_index_of, cost=_walk),),
    "slice": (method("list_slice", (_LIST, INT, INT), _LIST, _slice, cost=_made),),
    "flatten": (
        method("list_flatten", (list_of(_LIST),), _LIST, _flatten, cost=_flattened),
        method("list_flatten_int", (list_of(DYN), INT), list_of(DYN), _flatten, cost=_flattened),
    ),
    "sort": _each(
        _COMPARABLE,
        lambda type_: method(
            f"list_{type_.name}_sort", (list_of(type_),), list_of(type_), _sort, cost=_compared(0)
        ),
    ),
    "@sortByAssociatedKeys": _each(
        _COMPARABLE,
        lambda type_: method(
            f"list_{type_.name}_sortByAssociatedKeys",
            (_LIST, list_of(type_)),
            _LIST,
            _sort_by,
            cost=_compared(1),
        ),
    ),
    "lists.range": (function("lists_range", (INT,), list_of(INT), _range, cost=_made),),
    "reverse": (method("list_reverse", (_LIST,), _LIST, _reverse, cost=_made),),
    "distinct": (method("list_distinct", (_LIST,), _LIST, _distinct, cost=_compared(0)),),
    "sets.contains": _set("contains", _holds, 1),
    "sets.equivalent": _set("equivalent", _equivalent, 2),
    "sets.intersects": _set("intersects", _intersects, 1),
}
