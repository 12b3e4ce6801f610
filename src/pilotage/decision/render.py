"""Decisions as text for a person and as JSON for a program. One renderer for all five systems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pilotage.decision.findings import Finding
from pilotage.decision.rules import Considered, Decision

__all__ = ["decision_json", "decision_text", "finding_json", "findings_text", "table"]

_ENDED = ("applied", "refused", "needs")

_VERDICTS = {
    "applied": "applied",
    "not-applicable": "does not apply",
    "refused": "refused",
    "needs": "needs a fact",
    "skipped": "not reached",
}


def decision_json(decision: Decision[Any], value_name: str = "value") -> dict[str, Any]:
    """The versioned machine form: the value under `value_name`, the rule, and every rule considered."""
    return {
        "subject": decision.subject,
        "question": decision.question,
        value_name: decision.value,
        "rule": decision.rule,
        "reason": decision.reason,
        "trail": [_considered_json(entry) for entry in decision.trail if not entry.is_guard],
        "warnings": [finding_json(finding) for finding in decision.warnings],
        "error": finding_json(decision.error) if decision.error else None,
        "needs": {"fact": decision.needs.fact, "reason": decision.needs.reason} if decision.needs else None,
    }


def finding_json(finding: Finding) -> dict[str, str]:
    """Code and message, and whatever else the finding says."""
    optional = {"subject": finding.subject, "field": finding.field, "hint": finding.hint}
    return {"code": finding.code, "message": finding.message} | {
        key: text for key, text in optional.items() if text
    }


def decision_text(
    decision: Decision[Any], value_name: str = "value", extra: Iterable[tuple[str, str]] = ()
) -> str:
    """A paragraph a person can read aloud: the answer, why, and every rule in order; the arrow marks the winner.

    `extra` are further facts worth a line below the answer, as (name, text) pairs.
    """
    answer = (
        [(value_name, str(decision.value)), ("rule", str(decision.rule))]
        if decision.rule
        else _no_answer(decision)
    )
    facts = [*answer, ("because", decision.reason), *extra]
    width = max(len(name) for name, _ in facts)
    lines = [decision.subject, *(f"  {name:<{width}}  {text}" for name, text in facts)]
    lines += ["", "  Rules, first match wins:", *_trail_lines(decision)]
    if decision.warnings:
        lines += [
            "",
            "  Warnings:",
            *(f"    {line}" for line in findings_text(decision.warnings).splitlines()),
        ]
    return "\n".join(lines)


def findings_text(findings: Sequence[Finding]) -> str:
    """One line a finding, and its hint below."""
    lines = []
    for finding in findings:
        where = f"{finding.subject}: " if finding.subject else ""
        lines.append(f"{finding.code}: {where}{finding.message}")
        if finding.hint:
            lines.append(f"  → {finding.hint}")
    return "\n".join(lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Left-aligned columns three spaces apart, as `kubectl get` prints them."""
    cells = [list(headings), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    return "\n".join(
        "   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _no_answer(decision: Decision[Any]) -> list[tuple[str, str]]:
    if decision.error:
        return [("error", decision.error.code)]
    return [("needs", decision.needs.fact if decision.needs else "")]


def _trail_lines(decision: Decision[Any]) -> list[str]:
    shown = [entry for entry in decision.trail if not entry.is_guard or entry.verdict in _ENDED]
    width = max((len(entry.rule) for entry in shown), default=0)
    return [_trail_line(entry, width) for entry in shown]


def _trail_line(entry: Considered, width: int) -> str:
    mark = "→" if entry.verdict in _ENDED else " "
    if entry.verdict == "skipped":
        said = f"would give {entry.would_be}: {entry.reason}" if entry.would_be is not None else ""
        said = said or (entry.reason if entry.reason != "not reached" else "")
    else:
        said = entry.reason
    return f"  {mark} {entry.rule:<{width}}  {_VERDICTS[entry.verdict]:<14}  {said}".rstrip()


def _considered_json(entry: Considered) -> dict[str, Any]:
    body: dict[str, Any] = {
        "rule": entry.rule,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "evidence": dict(entry.evidence),
    }
    if entry.would_be is not None:
        body["wouldBe"] = entry.would_be
    return body
