"""notify: one message about how the pipeline ended, whatever happened in it.

Which one follows from the ledger; `$(tasks.status)` only tells that something broke off before the ledger could say so. The step never
fails the run, and a run that was superseded, which is nobody's problem, is not told.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Final

import msgspec

from pilotage.api.errors import PilotageError
from pilotage.api.gate import GATE_RUN, PLATFORM_LABEL, Gate, GateRun
from pilotage.api.konflux import RELEASE
from pilotage.gate.konflux import release
from pilotage.gate.konflux.labeller import PIPELINE_RUN_EVENT
from pilotage.gate.konflux.release import SeenRelease, Wanted
from pilotage.gate.steps.ending import DONE, StepEnd
from pilotage.gate.steps.place import Place
from pilotage.gate.steps.telling import send
from pilotage.gate.telling import plaintext
from pilotage.gate.telling import runmessages as messages
from pilotage.gate.telling.message import Message, Subject
from pilotage.gate.telling.owing import Outbox, messages_of
from pilotage.gate.telling.sinks import Sink

__all__ = ["Closing", "closing_message", "notify"]

_SILENT: Final = frozenset({"superseded"})
_OF_VERDICT: Final = {"failed": "M4", "error": "M5"}


class Closing(msgspec.Struct, frozen=True):
    """`status` is `$(tasks.status)`: Succeeded, Completed (something was skipped), Failed or None. `plan` is the ReleasePlan."""

    platform: str
    status: str
    pipeline_run: str
    snapshot: str = ""
    display_name: str = ""
    namespace: str = ""
    plan: str = ""


async def notify(place: Place, closing: Closing, sink: Sink | None, deadline: datetime) -> StepEnd:
    """Never raises PilotageError, and always ends with 0. Without a chat the message stands in the log only."""
    try:
        gate = await place.gate_if_any(closing.platform)
        run = await _run_of(place, closing)
        message = closing_message(closing, gate, run, await _release_of(place, run))
    except PilotageError as error:
        cause = f"the ledger cannot be read: {error.code}: {error.message}"
        message = _unknown(closing, None, None, cause)
    if message is None:
        return StepEnd(DONE, says="nothing to tell")
    text = plaintext.text(message)
    if sink is None:
        return StepEnd(DONE, says=text)
    problem = await send(place, sink, message, deadline)
    if problem:
        # The chat was away for as long as the task may take: the hourly check goes on with it, if we may write that down.
        with contextlib.suppress(PilotageError):
            await Outbox(place.store, (sink.channel,), place.clock).owe(place.namespace, (message,))
    return StepEnd(
        DONE, says=f"{message.id} was not delivered: {problem}\n{text}" if problem else f"{message.id} told"
    )


def closing_message(
    closing: Closing, gate: Gate | None, run: GateRun | None, seen: SeenRelease | None
) -> Message | None:
    """The one message, None when there is nothing to tell."""
    if run is None:
        return _unknown(
            closing, gate, None, "the pipeline ended before a run was found for it; see its first task"
        )
    status = run.status
    if status.state in _SILENT or run.spec.run_class == "test":
        return None
    if status.verdict == "passed" and status.state != "promoted":
        return _not_promoted(closing, gate, run, seen)
    wanted = "M0" if status.state == "promoted" else _OF_VERDICT.get(status.verdict, "")
    for message in reversed(list(messages_of(run, gate))):
        if message.id == wanted and (wanted != "M5" or "answers nothing usable" not in message.what):
            return message
    if status.state == "promoted":
        return None  # it was promoted before, and told then
    if status.suspended_since:
        facts = messages.CredentialsRejected("gangway", "gangway-token/token", status.suspended_since)
        return messages.credentials_rejected(_subject(closing, gate, run), facts)
    ended = (
        status.message or f"tasks ended as {closing.status or 'None'} in state {status.state or 'planned'}"
    )
    return _unknown(closing, gate, run, f"there is no verdict: {ended}")


def _not_promoted(closing: Closing, gate: Gate | None, run: GateRun, seen: SeenRelease | None) -> Message:
    promotion = run.status.promotion
    name = promotion.release if promotion else ""
    spec = run.spec
    wanted = Wanted(
        spec.platform, spec.digest, spec.snapshot.name, closing.plan or "the ReleasePlan of the platform"
    )
    facts = messages.PromotionFailed(
        problem=run.status.message or "create-release did not come to an end.",
        release=name,
        condition=f"Released={seen.status}" if seen and seen.status else "",
        reason=seen.reason if seen else "",
        message="\n".join(filter(None, (seen.message, seen.failed_part))) if seen else "",
        recipe=release.recipe(
            closing.namespace, name or release.release_name(spec.platform, spec.digest, 1), wanted
        ),
    )
    return messages.promotion_failed(_subject(closing, gate, run), facts)


def _unknown(closing: Closing, gate: Gate | None, run: GateRun | None, cause: str) -> Message:
    facts = messages.Verdict(
        cause, next_step="See the log of the task that failed; trigger the gate again when the cause is gone."
    )
    return messages.gate_inconclusive(_subject(closing, gate, run), facts)


def _subject(closing: Closing, gate: Gate | None, run: GateRun | None) -> Subject:
    return Subject(
        event=f"{run.metadata.name if run else closing.platform}/{closing.pipeline_run}/end",
        platform=closing.platform,
        display_name=gate.spec.display_name if gate else closing.display_name,
        snapshot=run.spec.snapshot.name if run else closing.snapshot,
        digest=run.spec.digest if run else "",
        run=run.metadata.name if run else closing.pipeline_run,
        owner=", ".join(gate.spec.owners) if gate else "",
    )


async def _run_of(place: Place, closing: Closing) -> GateRun | None:
    """The run that this PipelineRun follows; no result of a task says so, since a final task may be bound to none."""
    labels = {PLATFORM_LABEL: closing.platform}
    for found in (await place.store.list(GATE_RUN, place.namespace, labels)).items:
        run = found.view(GateRun)
        if any(
            each.type == PIPELINE_RUN_EVENT and each.message == closing.pipeline_run
            for each in run.status.events
        ):
            return run
    return None


async def _release_of(place: Place, run: GateRun | None) -> SeenRelease | None:
    if run is None or run.status.promotion is None or not run.status.promotion.release:
        return None
    with contextlib.suppress(PilotageError):
        found = await place.cluster.get(RELEASE, place.key(run.status.promotion.release))
        return release.read_release(found.value())
    return None
