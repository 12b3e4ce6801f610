"""Looking for a job whose start was never answered: one question at a time.

The executions of the job are listed; each that the ledger does not know is fetched; of those that were made around the time of
our intent the ProwJob is read, which alone shows the labels. Each question is a request that the host counts, so the search is
an object that is asked for its next question and told the answer, and can be left alone in between. What follows from what was
found is decided by `reconcile`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotage.api.gate import AttemptRecord
from pilotage.gate.instants import read_instant
from pilotage.gate.prow.executions import Execution, read_execution, read_executions, read_prowjob
from pilotage.gate.prow.jobrunner import JobRunner, Reply
from pilotage.gate.runs import answers
from pilotage.gate.runs.reconcile import Candidate, Intent, is_in_window, reconcile, strangers

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Search"]

_NOBODY_THERE = (0, 502, 503, 504)
"""Nobody answered, or only what stands before gangway."""
_LOOK_AGAIN = 60.0


class Search:
    """One look for one attempt. `known` are the ids that the ledger has already."""

    def __init__(self, attempt: AttemptRecord, job: str, known: frozenset[str], now: datetime) -> None:
        self.is_done = False
        self._attempt = attempt
        self._known = known
        self._intent = Intent(attempt.key, job, read_instant(attempt.intent_at) or now)
        self._listed: list[Execution] | None = None
        self._unfetched: list[Execution] = []
        self._unread: list[Execution] = []
        self._candidates: list[Candidate] = []

    async def ask(self, runner: JobRunner) -> Reply:
        """The next question."""
        if self._listed is None:
            return await runner.list(self._intent.job)
        if self._unfetched:
            return await runner.get(self._unfetched[-1].id)
        return await runner.prowjob(self._unread[-1].id)

    def heard(self, reply: Reply, now: datetime) -> answers.Heard:
        """Take the answer in; the last one brings what follows for the attempt."""
        if reply.status == 429:
            return answers.Heard(self._attempt, wait=reply.retry_after, throttled=True, cause="429")
        if reply.status in (401, 403) and not (self._listed is not None and not self._unfetched):
            return answers.Heard(self._attempt, refused=True, cause=f"HTTP {reply.status}")
        if self._listed is None and reply.status in _NOBODY_THERE:
            # Nothing was looked at, so nothing is missing: a start that is repeated now may run beside the first one.
            return answers.Heard(self._attempt, wait=_LOOK_AGAIN, cause=reply.cause or f"HTTP {reply.status}")
        if self._listed is None:
            found = read_executions(reply.body, self._intent.job) if reply.status == 200 else None
            if found is None:
                return self._concluded(None, now)
            self._listed = list(strangers(found, self._known))
            self._unfetched = list(self._listed)
        elif self._unfetched:
            self._take_execution(self._unfetched.pop(), reply)
        else:
            self._take_labels(self._unread.pop(), reply)
        if self._unfetched or self._unread:
            return answers.Heard(self._attempt, wait=0.0)
        return self._concluded(self._candidates, now)

    def _take_execution(self, listed: Execution, reply: Reply) -> None:
        seen = read_execution(reply.body) if reply.status == 200 else None
        if seen is None:
            # It may be ours, and cannot be looked at: no proof that ours does not exist.
            self._candidates.append(Candidate(listed.id))
        elif is_in_window(seen.created, self._intent):
            self._unread.append(seen)

    def _take_labels(self, seen: Execution, reply: Reply) -> None:
        prowjob = read_prowjob(reply.body) if reply.status == 200 else None
        labels = None if prowjob is None else prowjob.labels
        self._candidates.append(Candidate(seen.id, seen.created, labels))

    def _concluded(self, candidates: list[Candidate] | None, now: datetime) -> answers.Heard:
        self.is_done = True
        attempt = self._attempt
        outcome = reconcile(
            self._intent,
            candidates,
            self._known,
            tries=attempt.reconciles + 1,
            since=read_instant(attempt.reconciled_at) or now,
            now=now,
        )
        return answers.after_reconcile(attempt, self._intent.job, outcome, now)
