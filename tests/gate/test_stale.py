"""The stale alarm, step by step."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilotage.decision.questions import answer
from pilotage.gate.health import stale
from pilotage.gate.instants import read_instant
from pilotage.gate.questions import health

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "stale.yaml").read_text())
QUESTION = next(question for question in health.QUESTIONS if question.name == "gate.stale")
USUAL = {"now": "2026-06-11T12:00:00Z", "thresholdDays": 3, "lastPromotion": None, "latestEligible": None}


def ask(given: Any) -> Any:
    return json.loads(answer(QUESTION, json.dumps(given).encode()))


@pytest.mark.parametrize("case", CASES, ids=[case["it"] for case in CASES])
def test_alarm(case: dict[str, Any]) -> None:
    """Each case has its action, reason, level and reference."""
    words = [None if word == "-" else word for word in shlex.split(case["gives"])]
    expected = dict(zip(("action", "reason", "level", "reference"), words, strict=True))
    assert {"value": expected} == ask(USUAL | case["given"])


def test_every_row_is_reached() -> None:
    """The cases reach every row of both precedences."""
    words = [case["gives"].split() for case in CASES]
    standings = {rule.name for rule in stale.STANDING_RULES} - {"over-threshold"} | {"stale"}
    assert standings <= {reason for _, reason, *_ in words}
    assert {"error", "none", "resolve", "alert", "escalate", "remind"} == {action for action, *_ in words}


def test_no_key_is_required() -> None:
    """An empty input has no threshold."""
    assert ask({})["value"] == {
        "action": "error",
        "reason": "invalid-threshold",
        "level": None,
        "reference": None,
    }


def test_explanation_tells_the_age() -> None:
    """The standing tells how old the promotion is, and what was compared."""
    moment = stale.Moment(read_instant("2026-06-06T12:00:00Z"), "")
    facts = stale.StaleFacts(
        now=read_instant("2026-06-11T12:00:00Z"), threshold_days=3, promoted=moment, promoted_digest="d"
    )
    assert stale.standing_of(facts).reason == "5 days old, the threshold is 3"


def test_a_day_after_the_alert_it_is_said_again_and_then_escalated() -> None:
    """A platform that nobody promotes is told of at the threshold, each day after, and louder at twice the threshold."""
    said = []
    alert = None
    for hour in range(24 * 7 + 1):
        now = f"2026-06-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z"
        value = ask(
            {**USUAL, "now": now, "lastPromotion": {"at": "2026-06-01T00:00:00Z"}, "lastAlert": alert}
        )["value"]
        if value["action"] != "none":
            said.append((hour, value["action"], value["level"]))
            alert = {"at": now, "resolved": False} | {key: value[key] for key in ("level", "reference")}
    assert said == [
        (72, "alert", "warning"),
        (96, "remind", "warning"),
        (120, "remind", "warning"),
        (144, "escalate", "critical"),
        (168, "remind", "critical"),
    ]
