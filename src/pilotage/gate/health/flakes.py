"""Which jobs cannot be trusted? Retries keep the gate green; this keeps them from hiding a job that has gone bad.

A required job that needed a retry in three of its last ten runs is a chronic flake: it is named in every message, opens a
regression record and is proposed for quarantine. It still passes. The flip rate says how often a job changed its mind
about one digest, where the product cannot be the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

__all__ = ["CHRONIC_RETRIES", "CHRONIC_RUNS", "Execution", "flip_rate", "is_chronic", "needed_retry"]

CHRONIC_RUNS = 10
CHRONIC_RETRIES = 3

_CONCLUSIVE = ("passed", "failed")


class Execution(msgspec.Struct, frozen=True, gc=False):
    """One result of a job for a digest, in the order in which they came."""

    digest: str
    result: str


def needed_retry(results: Sequence[str]) -> bool:
    """Did a job need more than its first attempt in one run? `results` are its attempts in order."""
    return len(results) > 1


def is_chronic(retried: Sequence[bool]) -> bool:
    """Is a job a chronic flake? `retried` says of each of its runs, the latest last, whether it needed a retry."""
    return sum(retried[-CHRONIC_RUNS:]) >= CHRONIC_RETRIES


def flip_rate(executions: Iterable[Execution]) -> float | None:
    """The share of repeated executions on one digest that ended differently from the one before; None without a repeat.

    Only `passed` and `failed` are opinions; trouble of the infrastructure is none.
    """
    last: dict[str, str] = {}
    repeated = flipped = 0
    for execution in executions:
        if execution.result not in _CONCLUSIVE:
            continue
        before = last.get(execution.digest)
        if before is not None:
            repeated += 1
            flipped += before != execution.result
        last[execution.digest] = execution.result
    return flipped / repeated if repeated else None
