"""Did this digest pass? All results of one run become one verdict.

The gate expects jobs, has results, perhaps several attempts for one job, and knows which jobs are in quarantine. It says
`passed` only when every required job is known and passed. `failed` is a product that failed; `error` is a run that proves
nothing: it promotes as little, but it is counted, told and tried again differently.

A required job in quarantine counts as an informing one: its result is listed and changes nothing, and a verdict never waits
for it. Only two rows of `VERDICT_RULES` still call it required: whether there is a required job at all, and what share of
them is waived.

Follows openshift/enhancements `enhancements/hypershift/konflux-release-gating-pipeline.md` (AND over the blocking jobs),
and closes what that leaves open: a job that is missing, listed twice, or of no known type is an error here.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

import msgspec

from pilotage.decision.findings import error
from pilotage.decision.rules import Applies, Decision, Passes, Rule, Verdict, first_match
from pilotage.gate.written import shown

__all__ = [
    "QUESTION",
    "VERDICT_RULES",
    "Aggregate",
    "Given",
    "JobEntry",
    "Outcome",
    "Standings",
    "VerdictName",
    "aggregate",
    "standings",
]

QUESTION = "verdict"
VerdictName = Literal["passed", "failed", "error", "pending"]

_TYPES = {"required": "required", "blocking": "required", "informing": "informing"}
_SEVERITY = {"passed": 0, "pending": 1, "failed": 3}
_INCONCLUSIVE = 2


class JobEntry(msgspec.Struct, frozen=True, gc=False):
    """One line of the expected jobs or of the results. `type` and `result` are empty when they were no text."""

    job: str
    type: str
    result: str = ""
    attempt: int = 1


class Given(msgspec.Struct, frozen=True):
    """What a verdict is made from. `fault` says why the lists could not be read; then they are empty.

    `quarantined` are the jobs whose quarantine has not expired; `max_quarantined` is the share of the required jobs that
    may be among them.
    """

    expected: tuple[JobEntry, ...] = ()
    results: tuple[JobEntry, ...] = ()
    quarantined: frozenset[str] = frozenset()
    max_quarantined: Fraction = Fraction(1, 4)
    fault: str = ""


class Outcome(msgspec.Struct, frozen=True):
    verdict: VerdictName
    reason: str


class Standings(msgspec.Struct, frozen=True):
    """What the rules compare, worked out once: every set of jobs that a row talks about, sorted by name.

    `required` is as declared, `waived` those of them in quarantine. The four lists behind `missing` are about the result
    that counts: that of the highest attempt, and the worst one where that attempt was reported twice.
    """

    fault: str
    untyped: tuple[str, ...]
    conflicting: tuple[str, ...]
    required: tuple[str, ...]
    waived: tuple[str, ...]
    max_quarantined: Fraction
    missing: tuple[str, ...]
    failed: tuple[str, ...]
    pending: tuple[str, ...]
    inconclusive: tuple[str, ...]
    informing_not_passed: tuple[str, ...]
    flaked: tuple[str, ...]


class Aggregate(msgspec.Struct, frozen=True):
    """The verdict with the lists of jobs behind it. All are empty where the input does not say which job is what."""

    decision: Decision[Outcome]
    outcome: Outcome
    failed_required: tuple[str, ...] = ()
    inconclusive_required: tuple[str, ...] = ()
    informing_not_passed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    flaked: tuple[str, ...] = ()


def aggregate(given: Given, subject: str = "run") -> Aggregate:
    """The verdict on one run."""
    known = standings(given)
    decision = first_match(QUESTION, subject, VERDICT_RULES, known, otherwise=_UNREACHABLE)
    outcome = decision.value or Outcome("error", "malformed")
    if known.fault or known.untyped or known.conflicting:
        return Aggregate(decision, outcome)
    return Aggregate(
        decision,
        outcome,
        known.failed,
        known.inconclusive,
        known.informing_not_passed,
        known.missing,
        known.flaked,
    )


def standings(given: Given) -> Standings:
    """Which job is what, and which of its results counts."""
    types: dict[str, set[str]] = {}
    untyped = set()
    for entry in (*given.expected, *given.results):
        kind = _TYPES.get(entry.type)
        if kind is None:
            untyped.add(entry.job)
        else:
            types.setdefault(entry.job, set()).add(kind)
    attempts: dict[str, list[JobEntry]] = {}
    for entry in given.results:
        attempts.setdefault(entry.job, []).append(entry)
    final = {job: _final(entries) for job, entries in attempts.items()}

    required = {job for job, kinds in types.items() if "required" in kinds}
    judged = required - given.quarantined
    expected = {entry.job for entry in given.expected}
    return Standings(
        fault=given.fault,
        untyped=_sorted(untyped),
        conflicting=_sorted(job for job, kinds in types.items() if len(kinds) > 1),
        required=_sorted(required),
        waived=_sorted(required & given.quarantined),
        max_quarantined=given.max_quarantined,
        missing=_sorted((judged & expected) - final.keys()),
        failed=_sorted(job for job in judged & final.keys() if final[job] == _SEVERITY["failed"]),
        pending=_sorted(job for job in judged & final.keys() if final[job] == _SEVERITY["pending"]),
        inconclusive=_sorted(job for job in judged & final.keys() if final[job] == _INCONCLUSIVE),
        informing_not_passed=_sorted(job for job in final.keys() - judged if final[job]),
        flaked=_sorted(
            job for job, entries in attempts.items() if not final[job] and any(map(_severity, entries))
        ),
    )


def _severity(entry: JobEntry) -> int:
    """0 is passed; whatever is no known result is inconclusive."""
    return _SEVERITY.get(entry.result, _INCONCLUSIVE)


def _final(entries: list[JobEntry]) -> int:
    last = max(entry.attempt for entry in entries)
    return max(_severity(entry) for entry in entries if entry.attempt == last)


def _sorted(jobs: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(jobs))


def _named(jobs: tuple[str, ...]) -> str:
    return ", ".join(jobs)


def _malformed(known: Standings) -> Verdict[Outcome]:
    """The input is no list, an item is no object, or an item names no job."""
    if known.fault:
        return Applies(Outcome("error", "malformed"), known.fault)
    return Passes("every item names a job")


def _unknown_type(known: Standings) -> Verdict[Outcome]:
    """A type is neither required (blocking) nor informing."""
    if known.untyped:
        return Applies(Outcome("error", "unknown-type"), f"no known type: {_named(known.untyped)}")
    return Passes("every job has a known type")


def _conflicting_type(known: Standings) -> Verdict[Outcome]:
    """A job is listed both as required and as informing."""
    if known.conflicting:
        return Applies(
            Outcome("error", "conflicting-type"), f"required and informing: {_named(known.conflicting)}"
        )
    return Passes("no job has two types")


def _missing_result(known: Standings) -> Verdict[Outcome]:
    """An expected required job, not in quarantine, has no result."""
    if known.missing:
        return Applies(Outcome("error", "missing-result"), f"no result of {_named(known.missing)}")
    return Passes("every expected required job has a result")


def _no_required_jobs(known: Standings) -> Verdict[Outcome]:
    """No job is required."""
    if not known.required:
        return Applies(Outcome("error", "no-required-jobs"), "no job is required: nothing was proven")
    return Passes(f"{len(known.required)} required jobs")


def _too_much_quarantine(known: Standings) -> Verdict[Outcome]:
    """More than the allowed share of the required jobs is in quarantine."""
    waived, required = len(known.waived), len(known.required)
    share = f"{waived} of {required} required jobs in quarantine, {shown(known.max_quarantined)} allowed"
    if required and Fraction(waived, required) > known.max_quarantined:
        return Applies(Outcome("error", "too-much-quarantine"), share)
    return Passes(share)


def _nothing_left(known: Standings) -> Verdict[Outcome]:
    """The quarantine leaves no required job to judge by."""
    if len(known.waived) == len(known.required):
        return Applies(Outcome("error", "no-required-jobs"), "every required job is in quarantine")
    return Passes("required jobs are left to judge by")


def _required_failed(known: Standings) -> Verdict[Outcome]:
    """A required job failed, even if others are still pending."""
    if known.failed:
        return Applies(Outcome("failed", "required-failed"), f"failed: {_named(known.failed)}")
    return Passes("no required job failed")


def _in_progress(known: Standings) -> Verdict[Outcome]:
    """A required job is pending."""
    if known.pending:
        return Applies(Outcome("pending", "in-progress"), f"pending: {_named(known.pending)}")
    return Passes("no required job is pending")


def _inconclusive(known: Standings) -> Verdict[Outcome]:
    """A required job has any other result that is not `passed`."""
    if known.inconclusive:
        return Applies(
            Outcome("error", "required-inconclusive"), f"inconclusive: {_named(known.inconclusive)}"
        )
    return Passes("no required job is inconclusive")


def _passed(known: Standings) -> Verdict[Outcome]:
    """Every required job passed."""
    return Applies(
        Outcome("passed", "all-required-passed"),
        f"passed: {_named(tuple(job for job in known.required if job not in known.waived))}",
    )


VERDICT_RULES: tuple[Rule[Standings, Outcome], ...] = (
    Rule("malformed", _malformed),
    Rule("unknown-type", _unknown_type),
    Rule("conflicting-type", _conflicting_type),
    Rule("missing-result", _missing_result),
    Rule("no-required-jobs", _no_required_jobs),
    Rule("too-much-quarantine", _too_much_quarantine),
    Rule("nothing-left", _nothing_left),
    Rule("required-failed", _required_failed),
    Rule("in-progress", _in_progress),
    Rule("required-inconclusive", _inconclusive),
    Rule("all-required-passed", _passed),
)
"""The precedence of the verdict; the last row always applies."""

_UNREACHABLE = error("NoVerdict", "no rule of the verdict applied")
