"""One rule of a definition, compiled: the program, its message, what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.store.cel.environment import COST_PER_CALL, Environment, Program
from pilotage.store.cel.fieldpaths import FieldPathError, normalized
from pilotage.store.cel.planning import PlanError
from pilotage.store.cel.problems import CompileError, EvaluationError
from pilotage.store.cel.schemas import Schema
from pilotage.store.cel.types import BOOL, STRING, Type, optional_of

__all__ = ["CompiledRule", "compile_rule"]


class CompiledRule:
    """`error` and `message_error` say what does not compile, as an API server says it; `program` is None then."""

    __slots__ = (
        "error",
        "field_path",
        "limit",
        "message",
        "message_error",
        "message_expression",
        "message_program",
        "optional_old",
        "program",
        "reason",
        "shown",
        "uses_old",
    )

    def __init__(self, rule: Mapping[str, Any]) -> None:
        text = rule.get("rule") or ""
        message = rule.get("message") or ""
        self.program: Program | None = None
        self.message_program: Program | None = None
        self.error = ""
        self.message_error = ""
        self.uses_old = False
        self.field_path = ""
        self.limit = COST_PER_CALL
        self.optional_old = bool(rule.get("optionalOldSelf"))
        self.reason: str = rule.get("reason") or ""
        self.shown: str = message.strip() if message else text.strip()
        self.message: str = message.strip() if message else f"failed rule: {text.strip()}"
        self.message_expression: str = rule.get("messageExpression") or ""

    def evaluate(self, current: Any, previous: Any) -> tuple[Any, int]:
        """The value of the rule and its cost. Raises EvaluationError, CostLimitError."""
        program = self.program
        if program is None:
            return True, 0
        return program.evaluate({"self": current, "oldSelf": previous}, self.limit)


def compile_rule(rule: Mapping[str, Any], type_: Type, schema: Schema) -> CompiledRule:
    """Never raises: problems are in the result."""
    found = CompiledRule(rule)
    text = rule.get("rule") or ""
    if not text.strip():
        return found
    old = optional_of(type_) if found.optional_old else type_
    environment = Environment({"self": type_, "oldSelf": old})
    program, found.error = _compiled(environment, text, BOOL, "", "cel expression must evaluate to a bool")
    if program is None:
        return found
    found.program = program
    found.uses_old = program.mentions("oldSelf")
    if found.message_expression:
        found.message_program, found.message_error = _compiled(
            environment,
            found.message_expression,
            STRING,
            "messageExpression ",
            "messageExpression must evaluate to a string",
            untyped="oldSelf" if found.optional_old else "",
        )
    if rule.get("fieldPath"):
        try:
            found.field_path = normalized(rule["fieldPath"], schema)
        except FieldPathError:
            found.field_path = ""
    return found


def _compiled(
    environment: Environment, text: str, wanted: Type, word: str, mismatch: str, *, untyped: str = ""
) -> tuple[Program | None, str]:
    try:
        program = environment.compile(text, untyped=untyped)
    except CompileError as error:
        return None, f"{word}compilation failed: {error}"
    except (PlanError, EvaluationError) as error:
        return None, f"{word or 'program '}instantiation failed: {error}"
    if program.type != wanted:
        return None, mismatch
    return program, ""
