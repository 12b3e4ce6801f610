"""`matches`, `find` and `findAll`."""

from __future__ import annotations

from pilotage.store.cel.declarations import Functions, function, method
from pilotage.store.cel.library.costs import matching
from pilotage.store.cel.problems import CostLimitError, EvaluationError
from pilotage.store.cel.regex import Pattern, PatternError, TooMuchWorkError, compile_pattern
from pilotage.store.cel.types import BOOL, INT, STRING, list_of

__all__ = ["FUNCTIONS", "PATTERN_FUNCTIONS"]


def _pattern(pattern: str, prefix: str = "") -> Pattern:
    try:
        return compile_pattern(pattern)
    except PatternError as error:
        raise EvaluationError(f"{prefix}{error}") from None


def _matches(text: str, pattern: str) -> bool:
    try:
        return _pattern(pattern).matches(text)
    except TooMuchWorkError:
        raise CostLimitError from None


def _find(text: str, pattern: str) -> str:
    try:
        place = _pattern(pattern, "Illegal regex: ").find(text)
    except TooMuchWorkError:
        raise CostLimitError from None
    return text[place[0] : place[1]] if place else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    try:
        return _pattern(pattern, "Illegal regex: ").find_all(text, most)
    except TooMuchWorkError:
        raise CostLimitError from None


FUNCTIONS: Functions = {
    "matches": (
        function("matches", (STRING, STRING), BOOL, _matches, cost=matching),
        method("matches_string", (STRING, STRING), BOOL, _matches, cost=matching),
    ),
    "find": (method("string_find_string", (STRING, STRING), STRING, _find, cost=matching),),
    "findAll": (
        method("string_find_all_string", (STRING, STRING), list_of(STRING), _find_all, cost=matching),
        method(
            "string_find_all_string_int", (STRING, STRING, INT), list_of(STRING), _find_all, cost=matching
        ),
    ),
}

PATTERN_FUNCTIONS = frozenset(FUNCTIONS)
"""The second argument is a pattern: when it is a constant, it is compiled with the expression."""
