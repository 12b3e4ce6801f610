"""`pilotage gate explain`: every rule that was evaluated about a run, a Snapshot or a promotion."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.access import ObjectSource, with_records
from pilotage.cli.gate.ledger import AtOption, document, now_or, read
from pilotage.cli.output import Output, OutputOption, emit
from pilotage.cli.sources import NamespaceOption

if TYPE_CHECKING:
    from pilotage.app.gate.explaining import Told
    from pilotage.decision.rules import Decision

__all__ = ["explain", "worded"]

OK, NEGATIVE = 0, 1


class What(StrEnum):
    RUN = "run"
    SNAPSHOT = "snapshot"
    PROMOTION = "promotion"


@with_records
def explain(
    what: Annotated[What, typer.Argument(help="What the name is of.")],
    name: Annotated[str, typer.Argument(help="A run, a Snapshot, or a tag or digest that was promoted.")],
    platform: Annotated[
        str, typer.Option("--platform", help="Of a Snapshot: only what this platform says.")
    ] = "",
    at: AtOption = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print every rule that was evaluated, with what it saw and what came of it: for a run the verdict, the retries and the
    promotion; for a Snapshot whether it may be verified and whether a tick would start a run; for a promotion the run behind it.

    Exit codes: 0 the run passed, the Snapshot is eligible, the promotion stands; 1 it is not so; 2 wrong use.

    Example: pilotage gate explain run aro-hcp-3f7c
    """
    from pilotage.app.gate import explaining
    from pilotage.decision.render import decision_json

    now = now_or(at)
    told = read(source, lambda reader: explaining.explain(reader, what.value, name, now, namespace, platform))
    items = [
        {
            "subject": each.subject,
            "decisions": [{"title": title, **decision_json(decision)} for title, decision in each.decisions],
            "events": each.events,
        }
        for each in told
    ]
    emit(
        document("GateExplanation", topic=what.value, items=items),
        output,
        "\n\n".join(_text(each) for each in told),
    )
    raise typer.Exit(OK if all(each.is_yes for each in told) else NEGATIVE)


def _text(told: Told) -> str:
    parts = [told.subject, *(worded(title, decision) for title, decision in told.decisions)]
    if told.events:
        parts.append("\n".join(["ledger", *(f"  {event}" for event in told.events)]))
    return "\n\n".join(parts)


def worded(title: str, decision: Decision[Any]) -> str:
    """A decision of the gate as a person reads it."""
    import msgspec

    from pilotage.decision.render import decision_text

    trail = tuple(
        msgspec.structs.replace(entry, would_be=_worded(entry.would_be)) for entry in decision.trail
    )
    said = msgspec.structs.replace(decision, subject=title, value=_worded(decision.value), trail=trail)
    return decision_text(said, "answer")


def _worded(value: object) -> object:
    """The answer in words: `promote: all-checks-passed` rather than how a program writes it."""
    import msgspec

    if not isinstance(value, msgspec.Struct):
        return value
    return ": ".join(
        ("yes" if field else "no") if isinstance(field, bool) else str(field)
        for field in msgspec.structs.astuple(value)
        if field is not None
    )
