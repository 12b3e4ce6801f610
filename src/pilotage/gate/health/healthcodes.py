"""The codes of the gate's decisions about jobs and health, with their meaning in one sentence: what the reference page prints.

`codes` has those about Snapshots, triggers and partners.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CODES"]

CODES: Mapping[str, Mapping[str, str]] = {
    "why a run has its verdict": {
        "malformed": "Error: the input is no list, or an item of it names no job.",
        "unknown-type": "Error: a job is neither required (blocking) nor informing.",
        "conflicting-type": "Error: a job is listed both as required and as informing.",
        "missing-result": "Error: an expected required job has no result.",
        "no-required-jobs": "Error: no job is required, or all that are stand in quarantine.",
        "too-much-quarantine": "Error: too large a share of the required jobs is in quarantine.",
        "required-failed": "Failed: a required job failed.",
        "in-progress": "Pending: a required job still runs.",
        "required-inconclusive": "Error: a required job ended without saying anything about the product.",
        "all-required-passed": "Passed: every required job passed.",
    },
    "why a job is run again, or not": {
        "not-started": "No: it has no attempt yet.",
        "not-terminal": "No: its last attempt still runs.",
        "passed": "No: its last attempt passed.",
        "informing": "No: it changes no verdict.",
        "cancelled": "No: an operator cancelled its last attempt.",
        "timeout-not-retried": "No: it timed out, and the policy does not retry timeouts.",
        "confirmed-failure": "No: it failed as often as a failure is confirmed.",
        "attempts-exhausted": "No: its attempts are spent.",
        "mass-failure": "No: it failed together with too many others.",
        "bad-timestamp": "No: the time or the deadline cannot be read.",
        "insufficient-time": "No: it would hardly end before the deadline.",
        "confirm-failure": "Yes: its failure is to be confirmed.",
        "aborted": "Yes: it was aborted.",
        "timeout": "Yes: it timed out.",
        "infra": "Yes: it ended without saying anything about the product.",
    },
    "why a minor is not tested": {
        "unsupported": "It is not supported.",
        "no-ga-release": "None of its releases is generally available.",
    },
    "why a platform is stale, or not": {
        "invalid-threshold": "Error: the threshold is no positive number of days.",
        "bad-now": "Error: the time of the check cannot be read.",
        "paused": "The alarm is paused.",
        "bad-timestamp": "Stale: when it was promoted or onboarded cannot be read.",
        "future-timestamp": "Stale: that lies in the future, beyond what clocks may differ.",
        "never-promoted": "Stale: it was never promoted, and onboarded long ago or at no known time.",
        "stale": "Stale: the last promotion is as old as the threshold.",
        "up-to-date": "Fresh: the newest eligible image is the promoted one.",
        "fresh": "Fresh: the last promotion is young enough.",
        "recovered": "Fresh again: the open alert is resolved.",
        "deduplicated": "Stale, and everybody was told lately.",
    },
    "how a test compares": {
        "extreme-regression": "Its pass rate fell by more than 15 points, and hardly by chance.",
        "significant-regression": "Its pass rate fell by more than the pity, and hardly by chance.",
        "not-significant": "It may be as good as before.",
        "significant-improvement": "It is better than before, and hardly by chance.",
        "missing-sample": "It was not run lately.",
        "missing-basis": "There is nothing to compare it with.",
        "missing-basis-and-sample": "It was never run.",
    },
    "what is wrong with a quarantine": {
        "QuarantineIncomplete": "It lacks an owner, a reason or a bug.",
        "QuarantineOver": "It ends before it begins.",
        "QuarantineTooLong": "It lasts longer than two weeks.",
        "QuarantineNotRequired": "The job is not required, so there is nothing to waive.",
        "QuarantineTooMuch": "No run could pass: too many required jobs would be waived.",
    },
    "why nothing can be bisected": {
        "NothingToBisect": "No Snapshot lies between the last good and the first bad one.",
        "DuplicateSuspect": "A Snapshot is listed more than once.",
    },
}
