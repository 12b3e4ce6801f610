"""Calls: applying a function to what its arguments come to, counting what it costs.

Where the types of arguments are not known for sure, the overload is chosen by the values; nothing may be called with what
it does not take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotage.store.cel.declarations import Overload
from pilotage.store.cel.problems import CostLimitError, no_such_overload
from pilotage.store.cel.types import Type, is_dyn
from pilotage.store.cel.values import kind_of, type_name

__all__ = ["applied", "bounded", "certain", "counted", "dispatched"]

Frame = list[Any]
Run = Callable[[Frame], Any]

_LARGEST_LIST = 1_000_000
_LARGEST_TEXT = 16_000_000


def certain(given: Type, declared: Type) -> bool:
    """Whether a value of the type is of the declared type for sure, so that nothing needs checking at run time."""
    if declared.kind == "param" or is_dyn(declared):
        return True
    if given.kind != declared.kind:
        return False
    return declared.kind not in {"struct", "opaque"} or given.name == declared.name


def applied(implementation: Callable[..., Any], *runs: Run) -> Run:
    if len(runs) == 1:
        (only,) = runs
        return lambda frame: implementation(only(frame))
    if len(runs) == 2:
        one, two = runs
        return lambda frame: implementation(one(frame), two(frame))
    return lambda frame: implementation(*[run(frame) for run in runs])


def counted(
    implementation: Callable[..., Any], runs: list[Run], cost: Any, overloads: tuple[Overload, ...] | None
) -> Run:
    """A call whose cost depends on its values; with several `overloads` the one that fits the values tells."""

    def run(frame: Frame) -> Any:
        args = tuple([each(frame) for each in runs])
        result = implementation(*args)
        counter = cost if overloads is None else _counter(overloads, args)
        left = frame[0] - (1 if counter is None else counter(args, result))
        frame[0] = left
        if left < 0:
            raise CostLimitError
        return result

    return run


def _counter(overloads: tuple[Overload, ...], args: tuple[Any, ...]) -> Any:
    fitting = next((each for each in overloads if _fits(each, args)), overloads[0])
    return fitting.cost


def _fits(overload: Overload, args: tuple[Any, ...]) -> bool:
    """Whether values are of the kinds that an overload takes."""
    return len(overload.args) == len(args) and all(map(_is_a, args, overload.args))


def _is_a(value: Any, declared: Type) -> bool:
    """Of a list or a map only the first element is looked at."""
    if declared.kind in {"param", "dyn", "any"}:
        return True
    if declared.kind == "list":
        return isinstance(value, list) and (not value or _is_a(value[0], declared.params[0]))
    if declared.kind == "map":
        return isinstance(value, dict)
    if declared.kind in {"struct", "opaque"}:
        return type_name(value) == declared.name
    return kind_of(value) == declared.kind


def dispatched(function: str, overloads: tuple[Overload, ...]) -> Callable[..., Any]:
    """The overload is chosen by the values."""

    def run(*args: Any) -> Any:
        for overload in overloads:
            if _fits(overload, args) and overload.impl is not None:
                return overload.impl(*args)
        if function in {"startsWith", "endsWith", "contains", "matches"}:
            raise no_such_overload()
        raise no_such_overload(f"{function}({', '.join(map(type_name, args))})")

    return run


def bounded(function: str, implementation: Callable[..., Any]) -> Callable[..., Any]:
    """Functions that can multiply the size of their input are kept from filling the memory."""
    if function == "replace":

        def replace(text: str, old: str, new: str, *count: int) -> str:
            times = text.count(old) if old else len(text) + 1
            if count and count[0] >= 0:
                times = min(times, count[0])
            if len(text) + times * max(len(new) - len(old), 0) > _LARGEST_TEXT:
                raise CostLimitError
            result: str = implementation(text, old, new, *count)
            return result

        return replace
    if function == "join":

        def join(items: list[Any], *separator: str) -> str:
            total = sum(len(item) for item in items if isinstance(item, str))
            if total + len(items) * sum(map(len, separator)) > _LARGEST_TEXT:
                raise CostLimitError
            result: str = implementation(items, *separator)
            return result

        return join
    if function in {"_+_", "flatten"}:

        def grow(*args: Any) -> Any:
            result = implementation(*args)
            if isinstance(result, list) and len(result) > _LARGEST_LIST:
                raise CostLimitError
            return result

        return grow
    return implementation
