"""What is wrong with a Gate, or with the objects around it, before it costs a night? Every rule has a code that stays.

Rules look at Gates as people wrote them, and, when a dump of the tenant is at hand, at what is applied: plans, admissions, scenarios,
CronJobs, Secrets, Snapshots. Some of those rules help every tenant of Konflux, gate or none: labels that are lost because a second one is
written over the first, and Snapshots whose collection takes a running test with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

import msgspec

from pilotage.decision.findings import Finding
from pilotage.gate.linting import applied as lintapplied
from pilotage.gate.linting import gates as lintgate
from pilotage.gate.linting import tenants as linttenants
from pilotage.gate.linting.evidence import Evidence, Problem

__all__ = ["CODES", "RULES", "UNREADABLE", "Evidence", "LintRule", "lint"]

Severity = Literal["error", "warning"]


class LintRule(msgspec.Struct, frozen=True):
    """`title` says what is wrong when the rule finds something."""

    code: str
    severity: Severity
    title: str
    look: Callable[[Evidence], Iterator[Problem]]


def lint(evidence: Evidence) -> tuple[Finding, ...]:
    """Everything that any rule finds, in the order of the rules."""
    return tuple(
        Finding(rule.code, sentence, rule.severity, subject, field, hint)
        for rule in RULES
        for subject, field, sentence, hint in rule.look(evidence)
    )


RULES: Final[tuple[LintRule, ...]] = (
    LintRule("Q-GATE-001", "error", "The ReleasePlan of a gate may release by itself.", lintapplied.auto_release),
    LintRule("Q-GATE-002", "error", "No label names the ReleasePlanAdmission.", lintapplied.admission_label),
    LintRule("Q-GATE-003", "warning", "A context has a name that never matches.", lintapplied.unknown_contexts),
    LintRule("Q-GATE-004", "warning", "A scenario is disabled and enabled at once.", lintapplied.mixed_disabled),
    LintRule("Q-GATE-005", "error", "The scenario of a gate starts by itself.", lintapplied.self_starting),
    LintRule("Q-GATE-006", "error", "The pipeline of a gate is not pinned to a commit.", lintapplied.moving_revision),
    LintRule("Q-GATE-007", "error", "A platform's own test is required, and nobody agreed to look after it.", lintgate.phase_three),
    LintRule("Q-GATE-008", "error", "A platform has a name that cannot be used.", lintgate.bad_platform),
    LintRule("Q-GATE-009", "error", "A name that follows from the Gate is too long.", lintgate.long_names),
    LintRule("Q-GATE-010", "error", "The schedule or its time zone is not valid.", lintgate.bad_schedule),
    LintRule("Q-GATE-011", "error", "The jobs make no plan.", lintgate.bad_jobs),
    LintRule("Q-GATE-012", "error", "The verified repository is no repository.", lintgate.bad_repository),
    LintRule("Q-GATE-013", "error", "A quarantine is too long, or nobody answers for it.", lintgate.quarantine),
    LintRule("Q-GATE-014", "error", "The Gate has no owner.", lintgate.owners),
    LintRule("Q-GATE-015", "error", "A Secret or one of its keys is missing.", lintapplied.missing_secrets),
    LintRule("Q-GATE-016", "error", "The ReleasePlan meets no ReleasePlanAdmission, or one that blocks.", lintapplied.unmatched_plan),
    LintRule("Q-GATE-017", "error", "The tags of the ReleasePlanAdmission are not those of the platform.", lintapplied.admission_tags),
    LintRule("Q-GATE-018", "error", "A field of the Gate is not known.", lintgate.unknown_fields),
    LintRule("Q-GATE-019", "error", "A run may take longer than its pipeline.", lintgate.long_run),
    LintRule("Q-GATE-020", "warning", "An alias is there twice.", lintgate.bad_aliases),
    LintRule("Q-GATE-021", "warning", "A job has no owner or no contact.", lintgate.job_owners),
    LintRule("Q-GATE-022", "warning", "A quarantine is over, or names no job.", lintgate.lifted_quarantine),
    LintRule("Q-GATE-023", "warning", "A supported minor has no release.", lintgate.empty_minors),
    LintRule("Q-GATE-024", "warning", "Tags of two platforms begin alike.", lintgate.shared_repository),
    LintRule("Q-GATE-025", "warning", "Releases are kept too short for their history.", lintapplied.short_grace),
    LintRule("Q-GATE-026", "warning", "A CronJob may trigger twice, or at an unknown hour.", linttenants.unsafe_cron_jobs),
    LintRule("Q-GATE-027", "error", "A trigger loses runs of other scenarios.", linttenants.label_race),
    LintRule("Q-GATE-028", "warning", "A Snapshot is told to run a scenario that is not there.", linttenants.lost_label),
    LintRule("Q-GATE-029", "warning", "A Snapshot carries a label that triggers nothing.", linttenants.wrong_key),
    LintRule("Q-GATE-030", "warning", "A running test can be collected with its Snapshot.", linttenants.unguarded_run),
    LintRule("Q-GATE-031", "warning", "The dump holds nothing of a kind.", lintapplied.nothing_seen),
)  # fmt: skip
"""Codes are never given to another rule."""

UNREADABLE: Final = "Q-GATE-000"
CODES: Final[Mapping[str, str]] = {
    UNREADABLE: "The Gate or VersionMatrix cannot be read.",
    **{rule.code: rule.title for rule in RULES},
}
