"""Macros as plain loops: what a fold over a list or a map comes to.

Each loop charges per turn what the fold of the language definition would cost, at least 1, and stops when the budget is
spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pilotage.store.cel.problems import CostLimitError, EvaluationError, no_such_overload
from pilotage.store.cel.values import kind_of, text_of

__all__ = ["looped"]

Frame = list[Any]
Run = Callable[[Frame], Any]

_GO_NAMES = {
    "int": "types.Int",
    "uint": "types.Uint",
    "string": "types.String",
    "bool": "types.Bool",
    "double": "types.Double",
    "bytes": "types.Bytes",
    "null": "types.Null",
    "duration": "types.Duration",
    "timestamp": "types.Timestamp",
    "type": "*types.Type",
    "optional": "*types.Optional",
}
# What a turn costs besides its predicate or element, by macro.
_TURN = {"all": 3, "exists": 4, "collect": 12, "exists_one": 0, "transform_map": 2, "transform_entry": 2}


def looped(
    macro: str, range_: Run, first: int, second: int, body: list[Run], costs: list[int]
) -> tuple[Run, int]:
    """The loop and what it costs once; `first` and `second` (0 for none) are the places of its variables."""
    if macro in {"all", "exists"}:
        turn = _TURN[macro] + costs[0]
        return _quantifier(range_, first, second, body[0], turn, decides=macro == "exists"), 1
    if macro == "exists_one":
        return _exactly_one(range_, first, second, body[0], max(costs[0], 1)), 2
    element, condition = body[0], (body[1] if len(body) > 1 else None)
    taken, asked = _TURN[macro] + costs[0], (max(costs[1], 1) if len(costs) > 1 else 0)
    if macro == "transform_map":
        taken += 1
    run = _collected if macro == "collect" else _inserted(by_key=macro == "transform_map")
    return run(range_, first, second, element, condition, taken, asked), 1


def _turns(value: Any, second: int) -> Iterable[Any]:
    """What the variables run over: elements, keys, or pairs when there are two variables."""
    if isinstance(value, list):
        return enumerate(value) if second else value
    if isinstance(value, dict):
        return list(value.items()) if second else list(value)
    raise EvaluationError(f"got '{_GO_NAMES.get(kind_of(value), kind_of(value))}', expected iterable type")


def _charge(frame: Frame, cost: int) -> None:
    left = frame[0] - cost
    frame[0] = left
    if left < 0:
        raise CostLimitError


def _bind(frame: Frame, first: int, second: int, turn: Any) -> None:
    if second:
        frame[first], frame[second] = turn
    else:
        frame[first] = turn


def _quantifier(range_: Run, first: int, second: int, predicate: Run, cost: int, *, decides: bool) -> Run:
    """`all` (decided by false) and `exists` (decided by true); an error counts only when nothing decides."""

    def run(frame: Frame) -> Any:
        problem: EvaluationError | None = None
        for turn in _turns(range_(frame), second):
            left = frame[0] - cost
            frame[0] = left
            if left < 0:
                raise CostLimitError
            if second:
                frame[first], frame[second] = turn
            else:
                frame[first] = turn
            try:
                found = predicate(frame)
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


def _exactly_one(range_: Run, first: int, second: int, predicate: Run, cost: int) -> Run:
    def run(frame: Frame) -> bool:
        count = 0
        for turn in _turns(range_(frame), second):
            _charge(frame, cost)
            _bind(frame, first, second, turn)
            if _true(predicate(frame)):
                count += 1
                _charge(frame, 2)
        return count == 1

    return run


def _true(value: Any) -> bool:
    if type(value) is not bool:
        raise no_such_overload()
    return value


def _collected(
    range_: Run, first: int, second: int, element: Run, condition: Run | None, taken: int, asked: int
) -> Run:
    def run(frame: Frame) -> list[Any]:
        found: list[Any] = []
        for turn in _turns(range_(frame), second):
            _bind(frame, first, second, turn)
            if condition is not None:
                _charge(frame, asked)
                if not _true(condition(frame)):
                    continue
            _charge(frame, taken)
            found.append(element(frame))
        return found

    return run


def _inserted(*, by_key: bool) -> Callable[..., Run]:
    def make(
        range_: Run, first: int, second: int, element: Run, condition: Run | None, taken: int, asked: int
    ) -> Run:
        def run(frame: Frame) -> dict[Any, Any]:
            found: dict[Any, Any] = {}
            for turn in _turns(range_(frame), second):
                _bind(frame, first, second, turn)
                if condition is not None:
                    _charge(frame, asked)
                    if not _true(condition(frame)):
                        continue
                _charge(frame, taken)
                value = element(frame)
                entries = {turn[0]: value} if by_key else value
                if not isinstance(entries, dict):
                    raise no_such_overload("cel.@mapInsert")
                for key, item in entries.items():
                    if key in found:
                        raise EvaluationError(f"insert failed: key {text_of(key)} already exists")
                    found[key] = item
            return found

        return run

    return make
