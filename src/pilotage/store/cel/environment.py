"""Compile an expression once, evaluate it often.

An `Environment` declares variables with types. Rules of custom resource definitions declare `self` and `oldSelf`;
expressions of admission policies would declare `object`, `oldObject`, `request` and more. Environments, and the programs
they compile, are immutable and may be shared between threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.store.cel.checking import Checked, check
from pilotage.store.cel.library import FUNCTIONS, TYPES
from pilotage.store.cel.parsing import parse
from pilotage.store.cel.planning import Run, plan
from pilotage.store.cel.problems import CompileError, EvaluationError
from pilotage.store.cel.types import Type
from pilotage.store.cel.validating import validate

__all__ = ["COST_PER_CALL", "Environment", "Program"]

COST_PER_CALL = 1_000_000
"""The most that one evaluation may cost, in the units of the Kubernetes cost model."""


class Program:
    """A compiled expression; `checked` holds its syntax tree and types."""

    __slots__ = ("_names", "_run", "_size", "checked")

    def __init__(self, checked: Checked, run: Run, size: int, names: tuple[str, ...]) -> None:
        self.checked = checked
        self._run = run
        self._size = size
        self._names = names

    @property
    def type(self) -> Type:
        return self.checked.type

    def mentions(self, variable: str) -> bool:
        """Whether the expression uses a declared variable."""
        return variable in self.checked.names

    def evaluate(self, variables: Mapping[str, Any], limit: int = COST_PER_CALL) -> tuple[Any, int]:
        """The value and what it cost. Raises EvaluationError, or CostLimitError when it would cost more than `limit`.

        A variable that is missing has no value: an expression that needs it fails.
        """
        frame = [None] * self._size
        frame[0] = limit  # type: ignore[call-overload]  # the first place counts, the others hold values
        for place, name in enumerate(self._names, 1):
            frame[place] = variables.get(name)
        return self.run(frame, limit)

    def run(self, frame: list[Any], limit: int) -> tuple[Any, int]:
        try:
            value = self._run(frame)
        except EvaluationError as error:
            error.cost = limit - frame[0]
            raise
        except RecursionError:
            raise EvaluationError("expression nests too deeply") from None
        return value, limit - frame[0]


class Environment:
    """Declared variables over the functions of Kubernetes."""

    __slots__ = ("_slots", "_variables")

    def __init__(self, variables: Mapping[str, Type]) -> None:
        self._variables = dict(variables)
        self._slots = {name: place for place, name in enumerate(self._variables, 1)}

    def compile(self, source: str, *, untyped: str = "") -> Program:
        """Raises CompileError for an invalid expression, PlanError when a constant in it has no value.

        The types of the variable `untyped` are checked, but not relied on when the expression is evaluated.
        """
        root = parse(source)
        try:
            checked = check(source, root, self._variables, TYPES, FUNCTIONS)
            issues = validate(checked)
            if issues:
                raise CompileError(source, issues)
            if untyped:
                checked.forget(untyped)
            run, size = plan(checked, self._slots)
        except RecursionError:
            raise EvaluationError("expression recursion limit exceeded: 250") from None
        return Program(checked, run, size, tuple(self._variables))
