"""evaluate-results: the verdict of the ledger, as Konflux reads it.

integration-service takes the result `TEST_OUTPUT` of any task for the outcome of the scenario: SUCCESS and WARNING let it pass. What
does not pass ends with code 1, after the results are written, so that the PipelineRun turns red as well.
"""

from __future__ import annotations

from datetime import datetime

import orjson

from pilotage.api.gate import Gate
from pilotage.gate.runs.aggregate import Aggregate
from pilotage.gate.runs.progress import Moment, verdict_of
from pilotage.gate.steps.ending import DONE, NO, StepEnd
from pilotage.gate.steps.place import Place

__all__ = ["evaluate_results", "test_output"]


async def evaluate_results(place: Place, run: str, gate: Gate | None) -> StepEnd:
    """The verdict is written when run-e2e did not get so far. Raises NotFoundError, ConflictError."""
    entry = await place.settled(run, gate)
    moment = place.moment(entry, gate)
    judged = verdict_of(moment, entry.status)
    verdict = entry.status.verdict or "error"
    results = {
        "verdict": verdict,
        "gate-passed": "true" if verdict == "passed" else "false",
        "TEST_OUTPUT": test_output(moment, verdict, judged, place.clock.now()),
    }
    reason = entry.status.verdict_reason or "there is no verdict yet"
    return StepEnd(DONE if verdict == "passed" else NO, results, f"{run}: {verdict}: {reason}")


def test_output(moment: Moment, verdict: str, judged: Aggregate, now: datetime) -> str:
    """JSON as integration-service wants it; required jobs count as successes or failures, informing ones as warnings."""
    required = moment.required()
    passed = {
        record.name
        for record in moment.run.status.jobs
        if record.attempts and record.attempts[-1].result == "passed"
    }
    warnings = len(judged.informing_not_passed)
    word = {"passed": "WARNING" if warnings else "SUCCESS", "failed": "FAILURE"}.get(verdict, "ERROR")
    value = {
        "result": word,
        "timestamp": f"{int(now.timestamp()):010d}",
        "note": f"run {moment.run.metadata.name}: {verdict}",
        "namespace": "default",
        "successes": len(required & passed),
        "failures": len(required - passed),
        "warnings": warnings,
    }
    return orjson.dumps(value).decode()
