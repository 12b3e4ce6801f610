"""run-e2e: every job of the run, from its start to the verdict, in one process.

All that is known is in the ledger after every answer, so the pod may be killed and started again: it goes on with the executions
that run already. It stops by itself some minutes before Tekton would kill it. Tests that fail do not fail the task, since the verdict is
the next one's business; what fails it is that there is no verdict.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import orjson

from pilotage.api.errors import LaterError, RemoteError
from pilotage.api.gate import Gate, GateRun
from pilotage.gate.prow.jobrunner import JobRunner
from pilotage.gate.runs.ledger import Entry
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.runs.progress import ENDED
from pilotage.gate.runs.walk import Memory, Outside, Walk
from pilotage.gate.settings import histories_of
from pilotage.gate.steps.ending import DONE, OUTSIDE, StepEnd
from pilotage.gate.steps.place import Place
from pilotage.store.base import ConflictError

__all__ = ["SAVED_BEFORE", "job_names", "other_jobs", "run_e2e", "summary_of"]

SAVED_BEFORE: Final = timedelta(minutes=10)
"""How long before the task would be killed the step ends by itself."""
_UNREACHABLE_FOR: Final = timedelta(minutes=30)
_PAUSE: Final = 30.0
_LONGEST: Final = 600.0


async def run_e2e(
    place: Place, run: str, gate: Gate | None, runner: JobRunner, pacer: Pacer, deadline: datetime
) -> StepEnd:
    """Follow the run until its verdict, or until `deadline`. Raises NotFoundError; RemoteError when the cluster stays away."""
    outside = Outside(place.ledger, runner, pacer, random.random)
    memory, unreachable = Memory(), None
    while True:
        entry: Entry | None = None
        try:
            entry = await place.run(run)
            if entry.status.verdict:
                return _end(entry.run)
            walk = Walk(entry, outside, memory, lambda each: place.moment(each, gate), histories_of(gate))
            entry, wait, unreachable = await walk.go(), walk.next_look(), None
        except ConflictError:
            wait = 1.0  # somebody asked for something, or noted something; the run is read again
        except (LaterError, RemoteError):
            now = place.clock.now()
            unreachable = unreachable or now
            if now - unreachable >= _UNREACHABLE_FOR:
                raise
            wait = _PAUSE
        else:
            if entry.status.verdict or entry.status.state in ENDED:
                return _end(entry.run)
        now = place.clock.now()
        if now >= deadline:
            return _out_of_time(run, entry)
        left = (deadline - now).total_seconds()
        await place.clock.sleep(min(_LONGEST if wait is None else wait, left, _LONGEST))


def job_names(text: str) -> tuple[str, ...]:
    """A list of jobs as a parameter has it: JSON, or names with commas or spaces between them."""
    try:
        value = orjson.loads(text or "[]")
    except orjson.JSONDecodeError:
        value = text.replace(",", " ").split()
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def other_jobs(run: GateRun, required: Sequence[str], informing: Sequence[str]) -> str:
    """How the parameters differ from what the run has pinned, which is what is run; empty when they do not."""
    named = dict.fromkeys(required, "required") | dict.fromkeys(informing, "informing")
    pinned = {job.name: job.type for job in run.spec.jobs if job.cell is None}
    if not named or named == pinned:
        return ""
    differing = sorted(name for name in named.keys() | pinned.keys() if named.get(name) != pinned.get(name))
    return f"the scenario and the Gate name other jobs ({', '.join(differing)}); those of the Gate are run"


def summary_of(run: GateRun) -> str:
    """Counts, as JSON: the results themselves are in the ledger, because all results of a task share four kilobytes."""
    types: dict[str, str] = {job.name: job.type for job in run.spec.jobs}
    counts: dict[str, Counter[str]] = {"required": Counter(), "informing": Counter()}
    for record in run.status.jobs:
        last = record.attempts[-1].result if record.attempts else ""
        counts[types[record.name]][last or "pending"] += 1
    return orjson.dumps(
        {
            "verdict": run.status.verdict,
            "attempts": sum(len(record.attempts) for record in run.status.jobs),
            **{name: dict(sorted(found.items())) for name, found in counts.items()},
        }
    ).decode()


def _end(run: GateRun) -> StepEnd:
    told = (
        f"{run.metadata.name}: {run.status.verdict or run.status.state} {run.status.verdict_reason}".rstrip()
    )
    code = DONE if run.status.verdict else OUTSIDE
    return StepEnd(code, {"summary": summary_of(run)}, told)


def _out_of_time(run: str, entry: Entry | None) -> StepEnd:
    results = {"summary": summary_of(entry.run)} if entry is not None else {}
    return StepEnd(OUTSIDE, results, f"{run}: no verdict in time; the ledger has what is known")
