"""What can go wrong with an expression, and how it is told.

Compile problems are shown the way Kubernetes shows them: one `ERROR: <input>:line:column: text` per problem with the
line of source and a caret below it, in the order of the source. Problems at run time are one sentence.

    CompileError       the expression is not valid; `issues` lists every problem
    EvaluationError    the expression is valid and has no value for this input (no such key, overflow, ...)
    CostLimitError     the evaluation was stopped because it became too expensive
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

__all__ = ["CompileError", "CostLimitError", "EvaluationError", "Issue", "no_such_overload", "show"]

_LONGEST_SNIPPET = 16_384


class Issue(msgspec.Struct, frozen=True, order=True):
    """A problem at an offset (in code points) of the source."""

    offset: int
    message: str


class CompileError(Exception):
    """The expression is not valid; the text is what an API server prints behind `compilation failed: `."""

    def __init__(self, source: str, issues: Iterable[Issue]) -> None:
        self.issues = tuple(sorted(issues, key=lambda issue: issue.offset))
        super().__init__("\n".join(show(source, issue) for issue in self.issues))


class EvaluationError(Exception):
    """The expression has no value for this input. An error is a value in CEL: `||` and `&&` may absorb it.

    `cost` is what the evaluation had cost until then.
    """

    cost: int = 0


class CostLimitError(Exception):
    """The evaluation was stopped: it is not an `EvaluationError`, because nothing may absorb it."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


def no_such_overload(function: str = "") -> EvaluationError:
    return EvaluationError(f"no such overload: {function}" if function else "no such overload")


def show(source: str, issue: Issue) -> str:
    """One problem with its line and a caret, as `kubectl apply` prints it."""
    before = source[: max(issue.offset, 0)]
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1)
    if issue.offset < 0:
        return f"ERROR: <input>:-1:0: {issue.message}"
    text = f"ERROR: <input>:{line}:{column + 1}: {issue.message}"
    lines = source.split("\n")
    snippet = lines[line - 1] if line <= len(lines) else ""
    if len(snippet) > _LONGEST_SNIPPET:
        return text
    snippet = snippet.replace("\t", " ")
    # East Asian and other multi-byte characters are pointed at with full-width marks, so that the caret stands below.
    dots = "".join("." if ord(character) < 0x80 else "．" for character in snippet[:column])
    caret = "＾" if column < len(snippet) and ord(snippet[column]) >= 0x80 else "^"
    return f"{text}\n | {snippet}\n | {dots}{caret}"
