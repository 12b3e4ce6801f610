"""A precedence is a tuple, read from top to bottom; the first rule that applies decides.

A `Rule` offers a value. A `Guard` offers none: it stands between rules and ends the decision with an error when the way
past it is closed ("a release that cannot be read ends here"). The same tuple drives the code, `explain` and the
reference docs, so the three cannot disagree.

`first_match` keeps what every rule said. Rules behind the winner are judged too and reported as skipped with the value
they would have given, so that a user sees "the override hides the operator image X". They are pure: judging them costs
no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec

from pilotage.decision.findings import Finding

__all__ = [
    "Applies",
    "Considered",
    "Decision",
    "Guard",
    "Needs",
    "Passes",
    "Refuses",
    "Rule",
    "Verdict",
    "first_match",
]

F = TypeVar("F")
V = TypeVar("V")

VerdictName = Literal["applied", "not-applicable", "refused", "needs", "skipped"]


class Applies(msgspec.Struct, Generic[V], frozen=True):
    """The rule gives `value`; `reason` names the values it compared."""

    value: V
    reason: str
    evidence: Mapping[str, Any] = {}
    warnings: tuple[Finding, ...] = ()


class Passes(msgspec.Struct, frozen=True):
    """The rule does not apply, or the guard lets the decision go on."""

    reason: str
    evidence: Mapping[str, Any] = {}
    warnings: tuple[Finding, ...] = ()


class Refuses(msgspec.Struct, frozen=True):
    """The decision ends here without a value."""

    finding: Finding


class Needs(msgspec.Struct, frozen=True):
    """The verdict depends on a fact that was not observed: observe `fact` and ask again."""

    fact: str
    reason: str


Verdict = Applies[V] | Passes | Refuses | Needs


class Rule(msgspec.Struct, Generic[F, V], frozen=True):
    """A named pure function from facts to a verdict; the first line of its docstring is the rule in words."""

    name: str
    judge: Callable[[F], Verdict[V]]
    is_guard: bool = False

    @property
    def summary(self) -> str:
        return (self.judge.__doc__ or "").strip().partition("\n")[0]


def Guard(name: str, judge: Callable[[F], Verdict[V]]) -> Rule[F, V]:  # noqa: N802 -- reads as a sibling of Rule
    """A step between rules that offers nothing new: it passes, refuses, needs a fact, or keeps what is there already.

    A trail lists it only when it ended the walk.
    """
    return Rule(name, judge, is_guard=True)


class Considered(msgspec.Struct, frozen=True):
    """One rule of the precedence and what came of it.

    A skipped rule stands behind the one that decided: `reason` is what it would have said, `would_be` what it would have
    given.
    """

    rule: str
    verdict: VerdictName
    reason: str
    evidence: Mapping[str, Any] = {}
    would_be: Any = None
    is_guard: bool = False


class Decision(msgspec.Struct, Generic[V], frozen=True):
    """The answer to one question about one subject.

    Exactly one of these holds: `rule` is set (and `value` is what it gave), `error` is set, `needs` is set.
    `trail` has one entry for every rule and guard, in precedence order.
    """

    question: str
    subject: str
    value: V | None
    rule: str | None
    trail: tuple[Considered, ...]
    warnings: tuple[Finding, ...] = ()
    error: Finding | None = None
    needs: Needs | None = None

    @property
    def reason(self) -> str:
        """One line: why this rule, or why there is no answer."""
        if self.error:
            return self.error.message
        if self.needs:
            return self.needs.reason
        return next((entry.reason for entry in self.trail if entry.verdict == "applied"), "")

    def considered(self, rule: str) -> Considered:
        return next(entry for entry in self.trail if entry.rule == rule)


def first_match(
    question: str, subject: str, rules: Sequence[Rule[F, V]], facts: F, *, otherwise: Finding
) -> Decision[V]:
    """Walk the precedence. `otherwise` is the error when every rule was passed over."""
    value: V | None = None
    winner: str | None = None
    failure: Finding | None = None
    needs: Needs | None = None
    trail: list[Considered] = []
    warnings: list[Finding] = []
    for rule in rules:
        verdict = rule.judge(facts)
        if winner or failure or needs:
            trail.append(_skipped(rule, verdict))
            continue
        match verdict:
            case Applies():
                value, winner = verdict.value, rule.name
                trail.append(_entry(rule, "applied", verdict.reason, verdict.evidence))
                warnings.extend(verdict.warnings)
            case Passes():
                trail.append(_entry(rule, "not-applicable", verdict.reason, verdict.evidence))
                warnings.extend(verdict.warnings)
            case Refuses():
                failure = verdict.finding
                trail.append(_entry(rule, "refused", verdict.finding.message, {}))
            case Needs():
                needs = verdict
                trail.append(_entry(rule, "needs", verdict.reason, {}))
    if not (winner or failure or needs):
        failure = otherwise
    return Decision(question, subject, value, winner, tuple(trail), tuple(warnings), failure, needs)


def _entry(rule: Rule[F, V], verdict: VerdictName, reason: str, evidence: Mapping[str, Any]) -> Considered:
    return Considered(rule.name, verdict, reason, evidence, is_guard=rule.is_guard)


def _skipped(rule: Rule[F, V], verdict: Verdict[V]) -> Considered:
    """A rule behind the end of the walk: not reached, and what it would have said where it could say something."""
    match verdict:
        case Applies():
            return Considered(
                rule.name, "skipped", verdict.reason, verdict.evidence, verdict.value, rule.is_guard
            )
        case Passes():
            return Considered(rule.name, "skipped", verdict.reason, verdict.evidence, is_guard=rule.is_guard)
        case Refuses() | Needs():
            return Considered(rule.name, "skipped", "not reached", is_guard=rule.is_guard)
