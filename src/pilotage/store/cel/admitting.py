"""Expressions of admission: match conditions of webhooks, and what admission policies say.

They see `object`, `oldObject`, `request` and, in policies, `variables`, `namespaceObject` and `params`; `authorizer` does not
exist here, as nobody is asked who may do what. Types are not checked against schemas: an object is of no particular type, and
a field that it does not have is found out when the expression runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pilotage.store.cel.environment import Environment, Program
from pilotage.store.cel.planning import PlanError
from pilotage.store.cel.problems import CompileError, EvaluationError
from pilotage.store.cel.types import DYN

__all__ = ["EvaluationError", "Variables", "evaluate", "expression_fault"]

_ALWAYS = ("object", "oldObject", "request")
_POLICY = ("namespaceObject", "variables")


@lru_cache(maxsize=1024)
def _program(expression: str) -> Program:
    """Raises CompileError, PlanError."""
    return Environment(dict.fromkeys((*_ALWAYS, *_POLICY, "params"), DYN)).compile(expression)


def expression_fault(
    expression: str, wanted: str, variables: Sequence[str] = (), *, has_params: bool = False
) -> str:
    """What an API server says of an expression that does not compile or answers with another type; empty when it is fine.

    `wanted` is `bool`, `string`, or empty when every type will do.
    """
    names = [*_ALWAYS, *_POLICY, *(("params",) if has_params else ())]
    del variables  # what is in `variables` is of no particular type either
    try:
        program = Environment(dict.fromkeys(names, DYN)).compile(expression)
    except (CompileError, PlanError) as error:
        return f"compilation failed: {error}"
    told = str(program.type)
    if wanted and told not in {wanted, "dyn"}:
        return f"must evaluate to {wanted} but got {told}"
    return ""


class Variables(dict[str, Any]):
    """`variables.x` of a policy: each is worked out when it is asked for first, and remembered.

    A dict, because that is what expressions look into.
    """

    def __init__(self, written: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> None:
        super().__init__((variable["name"], None) for variable in written)
        self._waiting = {variable["name"]: variable["expression"] for variable in written}
        self._known = known

    def __getitem__(self, name: str) -> Any:
        expression = self._waiting.pop(name, None)
        if expression is not None:
            self[name] = evaluate(expression, {**self._known, "variables": self})
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression that compiles. Raises EvaluationError."""
    try:
        return _program(expression).evaluate(values)[0]
    except (CompileError, PlanError) as error:
        raise EvaluationError(f"compilation failed: {error}") from None
