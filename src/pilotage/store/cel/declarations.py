"""What is declared: functions with their overloads, and the names of types.

A `Library` is a tuple of functions. Each overload says what it takes, what it gives, how it is computed, and what it
costs: Kubernetes counts the cost of every evaluation, and the counts decide when a rule is stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pilotage.store.cel.types import Type

__all__ = ["Cost", "Functions", "Overload", "combined", "function", "method"]

Cost = Callable[[tuple[Any, ...], Any], int]
"""From arguments and result to cost units."""


class Overload:
    """One way to call a function. `lazy` overloads are planned specially (`&&`, `?:`, `or`, `orValue`)."""

    __slots__ = ("args", "cost", "guarded", "id", "impl", "member", "result", "variables")

    def __init__(
        self,
        id_: str,
        args: tuple[Type, ...],
        result: Type,
        impl: Callable[..., Any] | None,
        *,
        member: bool = False,
        cost: Cost | None = None,
        guarded: bool = True,
    ) -> None:
        self.id = id_
        self.args = args
        self.result = result
        self.impl = impl
        self.member = member
        self.cost = cost
        self.guarded = guarded
        self.variables = tuple(dict.fromkeys(_variables((*args, result))))


def _variables(types: Iterable[Type]) -> Iterable[Type]:
    for each in types:
        if each.kind == "param":
            yield each
        else:
            yield from _variables(each.params)


Functions = Mapping[str, tuple[Overload, ...]]
"""Overloads by function name, in the order in which they are tried."""


def function(
    id_: str,
    args: tuple[Type, ...],
    result: Type,
    impl: Callable[..., Any] | None,
    *,
    cost: Cost | None = None,
) -> Overload:
    return Overload(id_, args, result, impl, cost=cost)


def method(
    id_: str,
    args: tuple[Type, ...],
    result: Type,
    impl: Callable[..., Any] | None,
    *,
    cost: Cost | None = None,
) -> Overload:
    """`args[0]` is the target."""
    return Overload(id_, args, result, impl, member=True, cost=cost)


def combined(libraries: Iterable[Functions]) -> Functions:
    """All functions of all libraries; a name in several libraries has all its overloads."""
    found: dict[str, tuple[Overload, ...]] = {}
    for library in libraries:
        for name, overloads in library.items():
            found[name] = found.get(name, ()) + overloads
    return found
