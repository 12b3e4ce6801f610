"""One walk along a run: ask Prow what may be asked now, write every answer down, until nothing is left for the moment.

The order is always the same: write the intent, act, write the answer. Killed anywhere, the next walk starts from the ledger, and
an intent without an answer is looked into before anything is repeated. Several questions may be under way at the same time,
but there is one writer, so that a reply that stalls holds up nobody else.

What matters only between two looks (when a job is looked at next, whom a search has seen already) is kept in a `Memory`; a
restart merely looks a little earlier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import GateRun, LedgerEvent, RunJob
from pilotage.api.meta import ObjectKey
from pilotage.gate.instants import read_instant
from pilotage.gate.prow.jobrunner import JobRequest, JobRunner, Reply
from pilotage.gate.runs import answers, calls, pacing
from pilotage.gate.runs.answers import Heard
from pilotage.gate.runs.calls import Call
from pilotage.gate.runs.jobkeys import IMAGE_ENV, TESTS_IMAGE_ENV, job_labels
from pilotage.gate.runs.ledger import Entry, Ledger
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.runs.progress import Moment, attempt_of, settle, with_attempt
from pilotage.gate.runs.search import Search
from pilotage.runtime.clock import rfc3339

__all__ = ["Memory", "Outside", "Walk"]

_SUSPENDED: Final = timedelta(seconds=60)
_AT_ONCE: Final = 4
"""Requests of one run that may be under way: enough that a stalled one holds nobody up."""


class Outside(msgspec.Struct, frozen=True):
    """Whom a walk talks to. `jitter` gives numbers in [0, 1) that spread the looks."""

    ledger: Ledger
    runner: JobRunner
    pacer: Pacer
    jitter: Callable[[], float]


class Memory:
    """Between walks: when each attempt is looked at next, searches that are under way, and runs without a credential."""

    def __init__(self) -> None:
        self.polls: dict[str, datetime] = {}
        self.searches: dict[str, Search] = {}
        self.resume: dict[ObjectKey, datetime] = {}

    def forget(self, entry: Entry) -> None:
        """The run is over."""
        self.resume.pop(entry.key, None)
        for record in entry.status.jobs:
            for attempt in record.attempts:
                self.polls.pop(attempt.key, None)
                self.searches.pop(attempt.key, None)


class Walk:
    """`histories` tell by job how long it usually takes. `moment` makes of an entry all that its next step depends on."""

    def __init__(
        self,
        entry: Entry,
        outside: Outside,
        memory: Memory,
        moment: Callable[[Entry], Moment],
        histories: Mapping[str, pacing.History],
    ) -> None:
        self.entry = entry
        self._ledger = outside.ledger
        self._runner = outside.runner
        self._pacer = outside.pacer
        self._jitter = outside.jitter
        self._memory = memory
        self._moment = moment
        self._histories = histories
        self._asking: dict[asyncio.Task[Reply], Call] = {}

    async def go(self) -> Entry:
        """Raises ConflictError when somebody else wrote the run, NotFoundError when it was deleted."""
        try:
            while True:
                await self._settle()
                await self._ask_more()
                if not self._asking:
                    return self.entry
                done, _ = await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    await self._hear(self._asking.pop(task), task.result())
        finally:
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._asking, return_exceptions=True)

    def next_look(self) -> float | None:
        """Seconds until another walk has something to do; None when never."""
        now = self._now
        due = calls.next_due(self.entry.run, now, self._memory.polls)
        if due is None:
            return None
        resumed = self._memory.resume.get(self.entry.key, due) if self.entry.status.suspended_since else due
        wait = (max(due, resumed) - now).total_seconds()
        return max(wait, self._pacer.wait(self._runner.host), 0.001)

    @property
    def _now(self) -> datetime:
        return self._ledger.now(self.entry)

    async def _settle(self) -> None:
        settled = settle(self._moment(self.entry))
        if settled.events:
            self.entry = await self._ledger.write(self.entry, settled.status, *settled.events)

    # -- asking ---------------------------------------------------------------------------------------------------

    async def _ask_more(self) -> None:
        """Send what is due, as far as the patience of the host reaches."""
        while len(self._asking) < _AT_ONCE:
            busy = [call.key for call in self._asking.values()]
            due = calls.calls(self.entry.run, self._now, self._memory.polls, busy)
            if not due or self._is_suspended() or self._pacer.turn(self._runner.host) > 0:
                return
            request = await self._request(due[0])
            self._asking[asyncio.ensure_future(request)] = due[0]

    def _is_suspended(self) -> bool:
        """Without a credential that works, one question a minute finds out whether there is a new one."""
        if not self.entry.status.suspended_since:
            return False
        return bool(self._asking) or self._now < self._memory.resume.get(self.entry.key, self._now)

    async def _request(self, call: Call) -> Coroutine[Any, Any, Reply]:
        attempt = attempt_of(self.entry.status, call.job, call.number)
        match call.what:
            case "send":
                run = self.entry.run
                intended = answers.sending(attempt, call.job, run.spec.digest, self._now)
                await self._write(call, intended, is_answer=False)
                return self._start(run, call)
            case "reconcile":
                return self._search(call).ask(self._runner)
            case "poll":
                return self._runner.get(attempt.id)
            case "artifact":
                return self._runner.artifact(attempt.url, "finished.json")

    async def _start(self, run: GateRun, call: Call) -> Reply:
        """A job that cannot be described is refused like one that Prow does not know."""
        job: RunJob = next(each for each in run.spec.jobs if each.name == call.job)
        envs = {**job.env, IMAGE_ENV: run.spec.image}
        if run.spec.tests_image:
            envs[TESTS_IMAGE_ENV] = run.spec.tests_image
        labels = job_labels(run.spec.platform, run.metadata.name, call.job, call.number, run.spec.run_class)
        try:
            return await self._runner.create(JobRequest(job.name, envs=envs, labels=labels))
        except InputError as error:
            return Reply(400, body=error.message, was_sent=False)

    def _search(self, call: Call) -> Search:
        known = {attempt.id for record in self.entry.status.jobs for attempt in record.attempts if attempt.id}
        if call.key not in self._memory.searches:
            attempt = attempt_of(self.entry.status, call.job, call.number)
            self._memory.searches[call.key] = Search(attempt, call.job, frozenset(known), self._now)
        return self._memory.searches[call.key]

    # -- writing down ---------------------------------------------------------------------------------------------

    async def _hear(self, call: Call, reply: Reply) -> None:
        """An answer becomes a state of the ledger, and the time of the next look."""
        heard = self._meaning(call, reply)
        self._pacer.heard(self._runner.host, is_throttled=heard.throttled, retry_after=reply.retry_after)
        self._plan_next_look(call, heard)
        await self._write(call, heard)

    def _meaning(self, call: Call, reply: Reply) -> Heard:
        attempt, now = attempt_of(self.entry.status, call.job, call.number), self._now
        match call.what:
            case "send":
                return answers.after_send(attempt, call.job, reply, now)
            case "poll":
                return answers.after_poll(attempt, call.job, reply, now)
            case "artifact":
                return answers.after_artifact(attempt, call.job, reply, now)
            case "reconcile":
                search = self._memory.searches[call.key]
                heard = search.heard(reply, now)
                if search.is_done:
                    del self._memory.searches[call.key]
                return heard

    def _plan_next_look(self, call: Call, heard: Heard) -> None:
        polls, now = self._memory.polls, self._now
        triggered = read_instant(heard.attempt.triggered_at)
        if heard.wait is not None:
            polls[call.key] = now + timedelta(seconds=heard.wait)
        elif triggered is None or heard.throttled or call.what == "artifact":
            polls.pop(call.key, None)
        else:
            polls[call.key] = pacing.next_poll(
                triggered,
                now if call.what == "poll" else None,
                now,
                self._histories.get(call.job, pacing.History()),
                jitter=self._jitter(),
                pending=sum(
                    bool(each.attempts) and not each.attempts[-1].completed_at
                    for each in self.entry.status.jobs
                ),
                rate=self._pacer.rate,
            )

    async def _write(self, call: Call, heard: Heard, *, is_answer: bool = True) -> None:
        """The attempt, and what its answer says about the credential. Nothing is written when nothing changed."""
        before, status = attempt_of(self.entry.status, call.job, call.number), self.entry.status
        status, events = with_attempt(status, call.job, heard.attempt), heard.events
        if status.state == "triggered" and heard.attempt.id:
            status = msgspec.structs.replace(status, state="testing")
        if heard.refused:
            self._memory.resume[self.entry.key] = self._now + _SUSPENDED
            if not status.suspended_since:
                status = msgspec.structs.replace(status, suspended_since=rfc3339(self._now))
                events = (*events, LedgerEvent("", "Suspended", heard.cause, call.job, call.number))
        elif status.suspended_since and is_answer and not heard.cause:
            status = msgspec.structs.replace(status, suspended_since="")
            events = (*events, LedgerEvent("", "Resumed", "the credential works again"))
        if heard.attempt != before or events:
            self.entry = await self._ledger.write(self.entry, status, *events)
