"""`&&` and `||`: decided by the first term that decides, even when another one has no value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotage.store.cel.problems import CostLimitError, EvaluationError, no_such_overload

__all__ = ["any_of", "either", "gated"]

Frame = list[Any]
Run = Callable[[Frame], Any]


def gated(run: Run, cost: int) -> Run:
    """`run`, with its cost charged first."""
    if not cost:
        return run

    def charged(frame: Frame) -> Any:
        left = frame[0] - cost
        frame[0] = left
        if left < 0:
            raise CostLimitError
        return run(frame)

    return charged


def either(first: Run, second: Run, *, decides: bool) -> Run:
    """`||` (decided by true) or `&&` (decided by false) of two terms."""

    def run(frame: Frame) -> Any:
        problem: EvaluationError | None = None
        try:
            found = first(frame)
        except EvaluationError as error:
            problem = error
        else:
            if found is decides:
                return decides
            if found is not (not decides):
                problem = no_such_overload()
        if problem is None:
            found = second(frame)
            if type(found) is bool:
                return found
            raise no_such_overload()
        try:
            if second(frame) is decides:
                return decides
        except EvaluationError:
            pass
        raise problem

    return run


def any_of(terms: list[Run], *, decides: bool) -> Run:
    def run(frame: Frame) -> Any:
        problem: EvaluationError | None = None
        for term in terms:
            try:
                found = term(frame)
            except EvaluationError as error:
                problem = problem or error
                continue
            if found is decides:
                return decides
            if type(found) is not bool:
                problem = problem or no_such_overload()
        if problem is not None:
            raise problem
        return not decides

    return run
