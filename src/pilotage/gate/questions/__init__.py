"""The decisions of the gate that can be asked by name, in the order in which a nightly run meets them.

Each answers with a value, whatever the input holds: a missing key, another type or a list with holes is an outcome of the
decision with a code of its own. So no key is required and every key takes any JSON; its description says what it should hold.
"""

from __future__ import annotations

from typing import Any, Final

from pilotage.decision.questions import Question
from pilotage.gate.questions import health, jobs, release, snapshots

__all__ = ["QUESTIONS"]

_ORDER: Final = (
    "gate.select-snapshot",
    "gate.image-ref",
    "gate.trigger",
    "gate.its-context",
    "gate.gangway-status",
    "gate.aggregate",
    "gate.retry",
    "gate.tag",
    "gate.rpa-match",
    "gate.matrix",
    "gate.stale",
    "gate.regression",
)

QUESTIONS: tuple[Question[Any, Any], ...] = tuple(
    sorted(
        (*snapshots.QUESTIONS, *release.QUESTIONS, *jobs.QUESTIONS, *health.QUESTIONS),
        key=lambda question: _ORDER.index(question.name),
    )
)
