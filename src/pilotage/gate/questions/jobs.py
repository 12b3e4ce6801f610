"""The questions about the jobs of a run: `gate.aggregate`, `gate.retry`, `gate.matrix`.

The inputs are loose on purpose. Results come out of pipelines as text, matrices out of files that people edit; whatever
stands there, the answer is a value. So every key of an input is any JSON, and this module says what each one means before
the typed decisions see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any

import msgspec

from pilotage.decision.questions import Question
from pilotage.gate.instants import read_instant
from pilotage.gate.loosejson import mapping, objects, text
from pilotage.gate.runs.aggregate import VERDICT_RULES, Given, JobEntry, VerdictName, aggregate
from pilotage.gate.runs.retry import (
    DEFAULT_P90_MINUTES,
    RETRY_RULES,
    Attempt,
    RetryFacts,
    RetryPolicy,
    decide_retry,
)
from pilotage.gate.ticks.matrix import MATRIX_RULES, ROLES, Minor, expand
from pilotage.gate.written import as_text, exact, whole

__all__ = ["QUESTIONS"]

_DEFAULT_FRACTION = Fraction(1, 4)
_WAIVED_TYPES = ("informing", "quarantined")


class AggregateInput(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All results of one run, with what was expected and what is in quarantine."""

    expected: Annotated[Any, msgspec.Meta(description="a list of {job, type}")] = None
    results: Annotated[
        Any,
        msgspec.Meta(
            description="a list of {job, type, result, attempt = 1}, or its JSON text; null is no list: malformed"
        ),
    ] = None
    quarantine: Annotated[Any, msgspec.Meta(description="a list of {job, until}")] = None
    now: Annotated[Any, msgspec.Meta(description="an RFC 3339 time")] = None
    max_quarantined_fraction: Annotated[Any, msgspec.Meta(description="a number; null is 0.25")] = None


class AggregateValue(msgspec.Struct, frozen=True, rename="camel"):
    verdict: VerdictName
    reason: str
    failed_required: tuple[str, ...]
    inconclusive_required: tuple[str, ...]
    informing_not_passed: tuple[str, ...]
    missing: tuple[str, ...]
    flaked: tuple[str, ...]


class RetryInput(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One job of a run that is still going on."""

    job: Annotated[Any, msgspec.Meta(description="{name, type}")] = None
    attempts: Annotated[
        Any, msgspec.Meta(description="a list of {result, cancelledBy?}, the last attempt last")
    ] = None
    now: Annotated[Any, msgspec.Meta(description="an RFC 3339 time")] = None
    deadline: Annotated[Any, msgspec.Meta(description="an RFC 3339 time")] = None
    p90_minutes: Annotated[Any, msgspec.Meta(description="a number; null is 120")] = None
    run: Annotated[Any, msgspec.Meta(description="{requiredTotal, requiredFailed}")] = None
    policy: Annotated[
        Any,
        msgspec.Meta(
            description="{maxProductAttempts = 2, maxInfraAttempts = 3, retryTimeouts = false, maxFailedFraction = 0.5}"
        ),
    ] = None


class RetryValue(msgspec.Struct, frozen=True):
    retry: bool
    reason: str


class MatrixInput(msgspec.Struct, frozen=True, kw_only=True):
    """The minors with their releases, and which of these are wanted."""

    minors: Annotated[Any, msgspec.Meta(description="a list of {minor, releases, supported}")] = None
    select: Annotated[
        Any, msgspec.Meta(description="a list of `latest`, `latest-minus-one`, `zero`; others are ignored")
    ] = None


class MatrixEntry(msgspec.Struct, frozen=True):
    minor: str
    version: str
    roles: tuple[str, ...]


class MatrixValue(msgspec.Struct, frozen=True):
    entries: list[MatrixEntry]
    skipped: dict[str, str]


def _aggregate(request: AggregateInput) -> AggregateValue:
    found = aggregate(_given(request))
    return AggregateValue(
        found.outcome.verdict,
        found.outcome.reason,
        found.failed_required,
        found.inconclusive_required,
        found.informing_not_passed,
        found.missing,
        found.flaked,
    )


def _given(request: AggregateInput) -> Given:
    fraction = exact(request.max_quarantined_fraction)
    try:
        return Given(
            expected=() if request.expected is None else _entries("expected", request.expected),
            results=_entries("results", _parsed(request.results)),
            quarantined=_in_quarantine(request.quarantine, read_instant(request.now)),
            max_quarantined=_DEFAULT_FRACTION if fraction is None else fraction,
        )
    except ValueError as fault:
        return Given(fault=str(fault))


def _parsed(results: Any) -> Any:
    """The results; a text is the JSON that a pipeline handed on. Raises ValueError when it is no JSON."""
    if not isinstance(results, str):
        return results
    try:
        return msgspec.json.decode(results)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ValueError(f"results is a text, and it is not JSON: {error}") from None


def _entries(name: str, value: Any) -> tuple[JobEntry, ...]:
    """The items of a list of jobs. Raises ValueError that names the first bad one."""
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 -- about the value of an input, not about our types
    entries = []
    for position, item in enumerate(value):
        job = text(mapping(item).get("job"))
        if not job:
            raise ValueError(f"{name}[{position}] is no object that names a job")
        attempt = whole(item.get("attempt"))
        entries.append(
            JobEntry(job, text(item.get("type")), text(item.get("result")), 1 if attempt is None else attempt)
        )
    return tuple(entries)


def _in_quarantine(value: Any, now: datetime | None) -> frozenset[str]:
    """Jobs whose quarantine lasts beyond now. What cannot be dated waives nothing."""
    if now is None:
        return frozenset()
    dated = ((text(item.get("job")), read_instant(item.get("until"))) for item in objects(value))
    return frozenset(job for job, until in dated if job and until and until > now)


def _retry(request: RetryInput) -> RetryValue:
    job, run = mapping(request.job), mapping(request.run)
    minutes = exact(request.p90_minutes)
    decision = decide_retry(
        RetryFacts(
            attempts=tuple(
                Attempt(text(item.get("result")), bool(item.get("cancelledBy")))
                for item in objects(request.attempts)
            ),
            informing=job.get("type") in _WAIVED_TYPES or job.get("quarantined") is True,
            now=read_instant(request.now),
            deadline=read_instant(request.deadline),
            p90_minutes=DEFAULT_P90_MINUTES if minutes is None or minutes < 0 else minutes,
            required_total=exact(run.get("requiredTotal")),
            required_failed=exact(run.get("requiredFailed")),
            policy=_policy(mapping(request.policy)),
        ),
        text(job.get("name")) or "job",
    )
    if decision.value is None:  # the last row always applies
        raise AssertionError(decision.error)
    return RetryValue(decision.value.retry, decision.value.reason)


def _policy(given: Mapping[str, Any]) -> RetryPolicy:
    """What is not given, or is no number, keeps its default."""
    default = RetryPolicy()
    product, infra, share = (
        exact(given.get(key)) for key in ("maxProductAttempts", "maxInfraAttempts", "maxFailedFraction")
    )
    return RetryPolicy(
        default.max_product_attempts if product is None else product,
        default.max_infra_attempts if infra is None else infra,
        given.get("retryTimeouts") is True,
        default.max_failed_fraction if share is None else share,
    )


def _matrix(request: MatrixInput) -> MatrixValue:
    selected = request.select if isinstance(request.select, list) else []
    matrix = expand(
        [minor for item in objects(request.minors) if (minor := _minor(item))],
        [role for role in ROLES if role in selected],
    )
    return MatrixValue(
        [MatrixEntry(entry.minor, entry.version, entry.roles) for entry in matrix.entries], matrix.skipped
    )


def _minor(item: Mapping[str, Any]) -> Minor | None:
    """A minor of the list; None when nothing names it.

    A number names one but is none: 4.20 written without quotes is 4.2. It stays in the answer, as one without releases.
    """
    name = item.get("minor")
    is_number = exact(name) is not None
    if not (text(name) or is_number):
        return None
    releases = item.get("releases")
    texts = () if is_number or not isinstance(releases, list) else releases
    return Minor(
        as_text(name), tuple(one for one in texts if isinstance(one, str)), item.get("supported") is True
    )


QUESTIONS: tuple[Question[Any, Any], ...] = (
    Question(
        "gate.aggregate",
        "What is the verdict on a run, given the results of its jobs?",
        AggregateInput,
        AggregateValue,
        _aggregate,
        VERDICT_RULES,
    ),
    Question(
        "gate.retry",
        "Does a job get one more attempt?",
        RetryInput,
        RetryValue,
        _retry,
        RETRY_RULES,
    ),
    Question(
        "gate.matrix",
        "Which versions of hosted clusters does a run cover?",
        MatrixInput,
        MatrixValue,
        _matrix,
        MATRIX_RULES,
    ),
)
