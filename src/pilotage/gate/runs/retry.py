"""Is this job run again? One confirming attempt keeps a flake from costing a night; no more than that.

A gate with k required jobs that each fail falsely with probability p is falsely red with 1 - (1-p)^k; with one
confirming retry it is 1 - (1-p²)^k. For twelve jobs at 3 % that is 30.6 % against 1.1 %. Two budgets keep the price down:
a failure of the product is confirmed once, trouble of the infrastructure may be tried a little more, and when half of
the required jobs fail the image or the cloud is broken and running it all again buys nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate.written import shown

__all__ = [
    "DEFAULT_P90_MINUTES",
    "QUESTION",
    "RETRY_RULES",
    "Attempt",
    "Retry",
    "RetryFacts",
    "RetryPolicy",
    "decide_retry",
]

QUESTION = "retry"
DEFAULT_P90_MINUTES = Fraction(120)
"""How long a job takes that has no history."""

_DOUBTFUL = ("aborted", "timeout")
_DOUBTFUL_ATTEMPTS = 2
_YES = {"failed": "confirm-failure", "aborted": "aborted", "timeout": "timeout"}
_MANY = 2


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One finished or running attempt; `result` is empty when it is unknown, `cancelled` when an operator ended it."""

    result: str
    cancelled: bool = False


class RetryPolicy(msgspec.Struct, frozen=True, gc=False):
    """Attempts that a job gets in total: after failures of the product, and after any trouble.

    `max_failed_fraction` is the share of the required jobs that may have failed before a retry is a waste.
    """

    max_product_attempts: Fraction = Fraction(2)
    max_infra_attempts: Fraction = Fraction(3)
    retry_timeouts: bool = False
    max_failed_fraction: Fraction = Fraction(1, 2)


class RetryFacts(msgspec.Struct, frozen=True):
    """One job of a run, its attempts in order, and the time that is left. A time is None when it could not be read.

    `informing` is also true of a job in quarantine; `required_total` and `required_failed` count the required jobs of the
    run, None when that is not known.
    """

    attempts: tuple[Attempt, ...]
    informing: bool
    now: datetime | None
    deadline: datetime | None
    p90_minutes: Fraction = DEFAULT_P90_MINUTES
    required_total: Fraction | None = None
    required_failed: Fraction | None = None
    policy: RetryPolicy = RetryPolicy()

    @property
    def last(self) -> Attempt:
        return self.attempts[-1] if self.attempts else Attempt("")

    @property
    def failures(self) -> int:
        return sum(attempt.result == "failed" for attempt in self.attempts)


class Retry(msgspec.Struct, frozen=True):
    retry: bool
    reason: str


def decide_retry(facts: RetryFacts, subject: str = "job") -> Decision[Retry]:
    """Whether the job gets one more attempt; the last row always says yes."""
    return first_match(QUESTION, subject, RETRY_RULES, facts, otherwise=_UNREACHABLE)


def _no(reason: str, because: str) -> Verdict[Retry]:
    return Applies(Retry(retry=False, reason=reason), because)


def _not_started(facts: RetryFacts) -> Verdict[Retry]:
    """There is no attempt yet."""
    return Passes("it was started") if facts.attempts else _no("not-started", "there is no attempt")


def _not_terminal(facts: RetryFacts) -> Verdict[Retry]:
    """The last attempt is still pending."""
    if facts.last.result == "pending":
        return _no("not-terminal", "the last attempt is pending")
    return Passes(f"the last attempt ended: {facts.last.result or 'unknown'}")


def _passed(facts: RetryFacts) -> Verdict[Retry]:
    """The last attempt passed."""
    if facts.last.result == "passed":
        return _no("passed", "the last attempt passed")
    return Passes(f"the last attempt did not pass: {facts.last.result or 'unknown'}")


def _informing(facts: RetryFacts) -> Verdict[Retry]:
    """The job is informing, or in quarantine."""
    return _no("informing", "it changes no verdict") if facts.informing else Passes("the job is required")


def _cancelled(facts: RetryFacts) -> Verdict[Retry]:
    """An operator cancelled the last attempt."""
    if facts.last.cancelled:
        return _no("cancelled", "an operator cancelled the last attempt")
    return Passes("nobody cancelled it")


def _timeout_not_retried(facts: RetryFacts) -> Verdict[Retry]:
    """The last attempt timed out, and timeouts are not retried."""
    if facts.last.result == "timeout" and not facts.policy.retry_timeouts:
        return _no("timeout-not-retried", "the policy does not retry timeouts")
    return Passes("no timeout, or timeouts are retried")


def _confirmed_failure(facts: RetryFacts) -> Verdict[Retry]:
    """The last attempt failed, and so did as many as the policy allows."""
    counted = f"{facts.failures} failed attempts of {shown(facts.policy.max_product_attempts)}"
    if facts.last.result == "failed" and facts.failures >= facts.policy.max_product_attempts:
        return _no("confirmed-failure", counted)
    return Passes(counted)


def _exhausted(facts: RetryFacts) -> Verdict[Retry]:
    """All attempts are spent: two for `aborted` and `timeout`, else what the policy allows."""
    allowed = (
        Fraction(_DOUBTFUL_ATTEMPTS) if facts.last.result in _DOUBTFUL else facts.policy.max_infra_attempts
    )
    counted = f"{len(facts.attempts)} attempts of {shown(allowed)}"
    return _no("attempts-exhausted", counted) if len(facts.attempts) >= allowed else Passes(counted)


def _mass_failure(facts: RetryFacts) -> Verdict[Retry]:
    """It failed together with too many others: the image or the cloud is broken."""
    total, failed = facts.required_total, facts.required_failed
    if total is None or failed is None or total <= 0:
        return Passes("it is not known how many required jobs failed")
    counted = f"{shown(failed)} of {shown(total)} required jobs failed"
    if (
        facts.last.result == "failed"
        and failed >= _MANY
        and failed / total > facts.policy.max_failed_fraction
    ):
        return _no("mass-failure", counted)
    return Passes(counted)


def _bad_timestamp(facts: RetryFacts) -> Verdict[Retry]:
    """The time, or the deadline, cannot be read."""
    if facts.now is None or facts.deadline is None:
        return _no("bad-timestamp", "the time or the deadline is no time")
    return Passes("both times can be read")


def _insufficient_time(facts: RetryFacts) -> Verdict[Retry]:
    """Nine in ten runs of the job would end after the deadline."""
    if facts.now is None or facts.deadline is None:
        return Passes("not known")
    left = Fraction((facts.deadline - facts.now) // timedelta(microseconds=1), 60_000_000)
    compared = f"{shown(left)} minutes left, {shown(facts.p90_minutes)} needed"
    return _no("insufficient-time", compared) if facts.p90_minutes > left else Passes(compared)


def _again(facts: RetryFacts) -> Verdict[Retry]:
    """Else the job is run again."""
    reason = _YES.get(facts.last.result, "infra")
    return Applies(Retry(retry=True, reason=reason), f"the last attempt: {facts.last.result or 'unknown'}")


RETRY_RULES: tuple[Rule[RetryFacts, Retry], ...] = (
    Rule("not-started", _not_started),
    Rule("not-terminal", _not_terminal),
    Rule("passed", _passed),
    Rule("informing", _informing),
    Rule("cancelled", _cancelled),
    Rule("timeout-not-retried", _timeout_not_retried),
    Rule("confirmed-failure", _confirmed_failure),
    Rule("attempts-exhausted", _exhausted),
    Rule("mass-failure", _mass_failure),
    Rule("bad-timestamp", _bad_timestamp),
    Rule("insufficient-time", _insufficient_time),
    Rule("again", _again),
)
"""The precedence of the retry, read from top to bottom."""

_UNREACHABLE = error("NoVerdict", "no rule of the retry applied")
