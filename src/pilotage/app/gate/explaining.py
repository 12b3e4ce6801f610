"""`pilotage gate explain`: every rule that was evaluated about a run, a Snapshot or a promotion, with what it saw.

The decisions are made again from the ledger, with the same functions that made them the first time; what depends on the time of
the question says what would be decided now. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Literal

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import GATE, GATE_RUN, PLATFORM_LABEL, PROMOTION, Gate, GateRun, JobRecord, Promotion
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.app.gate import ledgers
from pilotage.decision.rules import Decision
from pilotage.gate.instants import read_instant
from pilotage.gate.promotion.commit import decide_commit
from pilotage.gate.promotion.promoting import commit_facts
from pilotage.gate.runs.ledger import Entry
from pilotage.gate.runs.progress import Moment, verdict_of
from pilotage.gate.runs.retry import DEFAULT_P90_MINUTES, Attempt, RetryFacts, decide_retry
from pilotage.gate.settings import selection_policy, settings_of
from pilotage.gate.ticks.eligibility import ELIGIBLE, Candidate, judge
from pilotage.gate.ticks.tick import ledger_lines
from pilotage.gate.ticks.trigger import Tick, decide_trigger
from pilotage.store.base import Listing, NotFoundError, Reader, ReadOnlyError

__all__ = ["Told", "explain", "explain_promotion", "explain_run", "explain_snapshot"]

What = Literal["run", "snapshot", "promotion"]


class Told(msgspec.Struct, frozen=True):
    """Decisions in the order in which they are made, each with a title, and the events of the ledger."""

    subject: str
    decisions: tuple[tuple[str, Decision[Any]], ...]
    events: tuple[str, ...] = ()
    is_yes: bool = True


class _Looking:
    """A reader where something is asked for that could also write."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        return await self._reader.get(kind, key)

    async def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Listing:
        return await self._reader.list(kind, namespace, labels)

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:
        raise ReadOnlyError(f"explaining ({kind.kind}, {manager}, {manifest['metadata']['name']})")


async def explain(
    reader: Reader, what: What, name: str, now: datetime, namespace: str = "", platform: str = ""
) -> tuple[Told, ...]:
    match what:
        case "run":
            return (await explain_run(reader, name, now, namespace),)
        case "promotion":
            return (await explain_promotion(reader, name, now, namespace),)
        case "snapshot":
            return await explain_snapshot(reader, name, now, namespace, platform)


async def explain_run(reader: Reader, name: str, now: datetime, namespace: str = "") -> Told:
    """The verdict, whether each job would be run again, and whether the image may be promoted."""
    found, run = await ledgers.run_named(reader, name, namespace)
    gate = await _gate(reader, found.key.namespace, run.spec.platform)
    # The rules as they were when the verdict was made; a run that is under way is judged now.
    moment = Moment(run, settings_of(gate, now), read_instant(run.status.evaluated_at) or now)
    judged = verdict_of(moment, run.status)
    decisions: list[tuple[str, Decision[Any]]] = [("verdict", judged.decision)]
    decisions += [
        (f"retry of {record.name}", _retry(moment, record))
        for record in run.status.jobs
        if record.attempts and record.attempts[-1].result not in ("", "passed", "pending")
    ]
    if gate is not None:
        facts = await commit_facts(_Looking(reader), Entry.of(found), gate, now)
        decisions.append(("promotion", decide_commit(facts)))
    return Told(f"run {run.metadata.name}", tuple(decisions), _events(run), run.status.verdict == "passed")


async def explain_promotion(reader: Reader, name: str, now: datetime, namespace: str = "") -> Told:
    """By tag, or digest: the run that passed, with everything that was asked before the tag was written."""
    found = await _promotion(reader, name, namespace)
    promotion = found.view(Promotion)
    told = await explain_run(reader, promotion.spec.run, now, found.key.namespace)
    events = [
        f"{each.at}  {each.action} by {each.by}: {each.reason}" for each in promotion.status.withdrawals
    ]
    subject = f"promotion {promotion.spec.tag} at {promotion.spec.at}" + (
        ", yanked" if promotion.status.yanked else ""
    )
    return Told(subject, told.decisions, (*told.events, *events), not promotion.status.yanked)


async def explain_snapshot(
    reader: Reader, name: str, now: datetime, namespace: str = "", platform: str = ""
) -> tuple[Told, ...]:
    """For each platform: may the Snapshot be verified, and would a tick start a run of it now?

    Raises InputError `NoSuchSnapshot`.
    """
    told = []
    for gate in await ledgers.gates_of(reader, platform, namespace):
        snapshot = next(
            (each for each in await ledgers.snapshots_of(reader, gate) if each.name == name), None
        )
        if snapshot is None:
            continue
        released = await ledgers.released_in(reader, gate)
        candidate = Candidate(
            snapshot, selection_policy(gate.spec, now), None if released is None else name in released
        )
        decision = judge(candidate)
        decisions: list[tuple[str, Decision[Any]]] = [("eligible", decision)]
        is_yes = decision.value == ELIGIBLE
        if is_yes:
            start = decide_trigger(await _tick(reader, gate, candidate.image.partition("@")[2]))
            decisions.append(("start", start))
        told.append(Told(f"snapshot {name} for {gate.spec.platform}", tuple(decisions), (), is_yes))
    if not told:
        raise InputError(
            "NoSuchSnapshot",
            f"no Gate looks at a Snapshot {name}",
            hint="see what there is: pilotage gate select",
        )
    return tuple(told)


async def _tick(reader: Reader, gate: Gate, digest: str) -> Tick:
    labels = {PLATFORM_LABEL: gate.spec.platform}
    runs = (await reader.list(GATE_RUN, gate.metadata.namespace, labels)).items
    promotions = (await reader.list(PROMOTION, gate.metadata.namespace, labels)).items
    return Tick(
        digest=digest,
        scenario="",
        ledger=ledger_lines(gate, runs, promotions),
        is_paused=gate.spec.paused,
        max_runs_per_digest=gate.spec.max_runs_per_digest,
    )


def _retry(moment: Moment, record: JobRecord) -> Decision[Any]:
    required = moment.required()
    last = {each.name: each.attempts[-1].result for each in moment.run.status.jobs if each.attempts}
    facts = RetryFacts(
        attempts=tuple(Attempt(each.result, bool(each.cancelled_by)) for each in record.attempts),
        informing=record.name not in required,
        now=moment.now,
        deadline=read_instant(moment.run.spec.deadline),
        p90_minutes=Fraction(moment.settings.p90.get(record.name, DEFAULT_P90_MINUTES)),
        required_total=Fraction(len(required)),
        required_failed=Fraction(sum(last.get(name) == "failed" for name in required)),
        policy=moment.settings.retry,
    )
    return decide_retry(facts, record.name)


def _events(run: GateRun) -> tuple[str, ...]:
    return tuple(
        "  ".join(
            filter(
                None,
                (event.at, event.type, f"{event.job} #{event.attempt}" if event.job else "", event.message),
            )
        )
        for event in run.status.events
    )


async def _promotion(reader: Reader, name: str, namespace: str) -> Object:
    items: Sequence[Object] = (await reader.list(PROMOTION, namespace)).items
    fitting = [
        item
        for item in items
        if item.key.name == name
        or item.view(Promotion).spec.digest.removeprefix("sha256:").startswith(name.removeprefix("sha256:"))
    ]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise InputError("NoSuchPromotion", f"nothing was promoted as {name}", hint="name a tag or a digest")
    raise InputError(
        "Ambiguous",
        f"{name} may be any of {', '.join(item.key.name for item in fitting)}",
        hint="name the tag",
    )


async def _gate(reader: Reader, namespace: str, platform: str) -> Gate | None:
    try:
        return (await reader.get(GATE, ObjectKey(namespace, platform))).view(Gate)
    except NotFoundError:
        return None
