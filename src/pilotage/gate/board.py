"""The live table of the gate: for each platform its newest run, how far it is, and why it ended as it did."""

from __future__ import annotations

from typing import Any

from pilotage.api.gate import GATE, GATE_RUN, Gate, GateRun
from pilotage.gate.runs.progress import ENDED, FINAL
from pilotage.room import Board
from pilotage.store.base import Reader

__all__ = ["BOARD"]

_TOLD = frozenset(
    {
        "Evaluated",
        "Promoted",
        "AlreadyPromoted",
        "PromotionDenied",
        "PromotionFailed",
        "Cancelled",
        "Superseded",
    }
)


async def _records(objects: Reader) -> tuple[dict[str, Any], ...]:
    """One record for each Gate, in the order of the store; empty texts where nothing was run yet."""
    newest: dict[tuple[str, str], GateRun] = {}
    for found in (await objects.list(GATE_RUN)).items:
        run = found.view(GateRun)
        place = (found.key.namespace, run.spec.platform)
        if place not in newest or newest[place].spec.created_at < run.spec.created_at:
            newest[place] = run
    gates = (await objects.list(GATE)).items
    return tuple(
        _record(found.view(Gate), newest.get((found.key.namespace, found.key.name))) for found in gates
    )


def _record(gate: Gate, run: GateRun | None) -> dict[str, Any]:
    tick = gate.status.last_tick
    if run is None:
        waiting = f"{tick.action}: {tick.reason}" if tick else f"next night {gate.status.next_tick}"
        run_facts = {"run": "", "snapshot": "", "image": "", "digest": "", "jobs": "", "attestation": ""}
        return {
            "platform": gate.spec.platform,
            **run_facts,
            "state": "",
            "verdict": "",
            "tag": "",
            "why": waiting,
        }
    status, promotion = run.status, run.status.promotion
    is_promoted = status.state == "promoted" and promotion is not None
    return {
        "platform": gate.spec.platform,
        "run": run.metadata.name,
        "snapshot": run.spec.snapshot.name,
        "image": run.spec.image,
        "digest": run.spec.digest,
        "state": status.state or "planned",
        "verdict": status.verdict,
        "jobs": _jobs(run),
        "tag": promotion.tag if is_promoted and promotion else "",
        "attestation": promotion.attestation_digest if is_promoted and promotion else "",
        "why": _why(run),
    }


def _jobs(run: GateRun) -> str:
    """How many of the jobs have ended, such as `3/4`."""
    ended = sum(bool(each.attempts) and each.attempts[-1].result in FINAL for each in run.status.jobs)
    return f"{ended}/{len(run.spec.jobs)}"


def _why(run: GateRun) -> str:
    """The last word about the run: how it ended, or what happened last."""
    events = run.status.events
    if run.status.state in ENDED:
        events = tuple(each for each in events if each.type in _TOLD)
    if not events:
        return ""
    last = events[-1]
    if last.type == "Promoted":
        return f"promoted, tag {last.message}"
    return f"{last.job}: {last.type} {last.message}" if last.job else last.message


BOARD = Board(
    title="Nights at the gate",
    columns=(
        ("PLATFORM", "platform"),
        ("SNAPSHOT", "snapshot"),
        ("STATE", "state"),
        ("JOBS", "jobs"),
        ("IMAGE", "image"),
        ("WHY", "why"),
    ),
    records=_records,
)
