"""The questions about how the gate is doing: `gate.stale`, `gate.regression`.

As in all questions of the gate every key takes any JSON, and what it cannot mean has an outcome of its own: a threshold
given as text is no threshold, counts that cannot be read are no runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any

import msgspec

from pilotage.decision.questions import Question
from pilotage.gate.health.regression import REGRESSION_RULES, Comparison, RegressionOptions, Status, compare
from pilotage.gate.health.stale import (
    ALARM_RULES,
    NEVER,
    Action,
    Alarm,
    LastAlert,
    Level,
    Moment,
    StaleFacts,
    decide_alarm,
)
from pilotage.gate.health.statistics import Runs
from pilotage.gate.instants import read_instant
from pilotage.gate.loosejson import mapping, text
from pilotage.gate.written import as_text, exact, whole

__all__ = ["QUESTIONS"]


class StaleInput(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the ledger knows about one platform, and the time of the check."""

    now: Annotated[Any, msgspec.Meta(description="an RFC 3339 time")] = None
    threshold_days: Annotated[Any, msgspec.Meta(description="a positive number")] = None
    last_promotion: Annotated[Any, msgspec.Meta(description="{at, digest}, or null")] = None
    latest_eligible: Annotated[Any, msgspec.Meta(description="{digest, observedAt}, or null")] = None
    onboarded_at: Annotated[Any, msgspec.Meta(description="an RFC 3339 time, or null")] = None
    last_alert: Annotated[Any, msgspec.Meta(description="{at, level, reference, resolved}, or null")] = None
    paused_until: Annotated[Any, msgspec.Meta(description="an RFC 3339 time, or null")] = None
    remind_hours: Annotated[Any, msgspec.Meta(description="a number; null is 24")] = None
    skew_seconds: Annotated[Any, msgspec.Meta(description="a number; null is 300")] = None


class StaleValue(msgspec.Struct, frozen=True):
    action: Action
    reason: str
    level: Level | None
    reference: str | None


class RegressionInput(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of two groups of runs of one test."""

    sample: Annotated[Any, msgspec.Meta(description="{pass, fail}: counts of the last days")] = None
    base: Annotated[Any, msgspec.Meta(description="{pass, fail}: counts to compare with")] = None
    options: Annotated[
        Any,
        msgspec.Meta(
            description="{confidence = 95, pity = 5, minFail = 3, passRateNew, minNewRuns = 6, openRegression = false}"
        ),
    ] = None


class RegressionValue(msgspec.Struct, frozen=True):
    status: Status
    p: float


def _stale(request: StaleInput) -> StaleValue:
    promotion, eligible = request.last_promotion, mapping(request.latest_eligible)
    remind, skew = exact(request.remind_hours), exact(request.skew_seconds)
    default = StaleFacts(now=None, threshold_days=None)
    alarm = decide_alarm(
        StaleFacts(
            now=read_instant(request.now),
            threshold_days=exact(request.threshold_days),
            promoted=None if promotion is None else _promoted(promotion),
            promoted_digest=text(mapping(promotion).get("digest")),
            onboarded=None if request.onboarded_at is None else _moment(request.onboarded_at),
            eligible_digest=text(eligible.get("digest")),
            eligible_seen=read_instant(eligible.get("observedAt")),
            last_alert=_last_alert(request.last_alert),
            paused_until=read_instant(request.paused_until),
            remind_hours=default.remind_hours if remind is None else remind,
            skew_seconds=default.skew_seconds if skew is None or skew < 0 else skew,
        )
    )
    found = alarm.value or Alarm("error", "bad-now")
    return StaleValue(found.action, found.reason, found.level, found.reference)


def _promoted(promotion: Any) -> Moment:
    """When the last promotion was. One that is there and has no readable time still is a promotion."""
    at = promotion.get("at") if isinstance(promotion, dict) else promotion
    return Moment(None, NEVER) if at is None or not isinstance(promotion, dict) else _moment(at)


def _moment(value: Any) -> Moment:
    return Moment(read_instant(value), as_text(value))


def _last_alert(value: Any) -> LastAlert | None:
    if not isinstance(value, dict):
        return None
    reference = value.get("reference")
    return LastAlert(
        read_instant(value.get("at")),
        text(value.get("level")),
        reference if isinstance(reference, str) else None,
        value.get("resolved") is True,
    )


def _regression(request: RegressionInput) -> RegressionValue:
    decision = compare(_runs(request.sample), _runs(request.base), _options(mapping(request.options)))
    found = decision.value or Comparison("missing-basis-and-sample")
    return RegressionValue(found.status, found.p)


def _runs(value: Any) -> Runs:
    """The counts of one group. A group whose counts cannot be read has no runs: half a count would be a rate of its own."""
    passed, failed = whole(mapping(value).get("pass")), whole(mapping(value).get("fail"))
    if passed is None or failed is None or passed < 0 or failed < 0:
        return Runs(0, 0)
    return Runs(passed, failed)


def _options(given: Mapping[str, Any]) -> RegressionOptions:
    """What is not given, or is no number, keeps its default; of new tests a rate is asked only when it is given."""
    keys = {
        "confidence": "confidence",
        "pity": "pity",
        "minFail": "min_fail",
        "passRateNew": "pass_rate_new",
        "minNewRuns": "min_new_runs",
    }
    numbers = {field: found for key, field in keys.items() if (found := exact(given.get(key))) is not None}
    numbers.setdefault("pass_rate_new", Fraction(0))
    return RegressionOptions(**numbers, open_regression=given.get("openRegression") is True)


QUESTIONS: tuple[Question[Any, Any], ...] = (
    Question(
        "gate.stale",
        "Has a platform gone too long without a promotion, and is somebody told now?",
        StaleInput,
        StaleValue,
        _stale,
        ALARM_RULES,
    ),
    Question(
        "gate.regression",
        "Has a test got worse, compared with earlier runs?",
        RegressionInput,
        RegressionValue,
        _regression,
        REGRESSION_RULES,
    ),
)
