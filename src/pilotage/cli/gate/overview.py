"""`pilotage gate status` and `history`: how the platforms stand, what their runs came to, and how healthy the gate is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ObjectSource, with_records
from pilotage.cli.gate.ledger import AtOption, PlatformArgument, document, now_or, part, read, short, span
from pilotage.cli.output import Output, OutputOption, emit, say
from pilotage.cli.sources import NamespaceOption

if TYPE_CHECKING:
    from pilotage.app.gate.overview import Line, PlatformHealth
    from pilotage.gate.health.panel import Panel

__all__ = ["history", "metrics", "panel_text", "status"]

OK, NEGATIVE, NONE = 0, 1, 3
HealthOption = Annotated[
    bool, typer.Option("--health", help="Print the health figures of the last 30 days instead.")
]


@with_records
def status(
    platform: PlatformArgument = "",
    health: HealthOption = False,
    at: AtOption = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print how each platform stands: what was promoted last and how old it is, the run that is under way with each of its jobs,
    the next tick, how long until the stale alarm, and what a person should look at.

    Exit codes: 0 nobody has to do anything, 1 a platform is stale, an alarm is open or a message could not be delivered,
    2 wrong use, 3 there is no gate.

    Example: pilotage gate status aro-hcp
    """
    from pilotage.app.gate import overview

    now = now_or(at)
    if health:
        _print_health(read(source, lambda reader: overview.health(reader, now, platform, namespace)), output)
    panels = read(source, lambda reader: overview.status(reader, now, platform, namespace))
    text = panel_text(panels[0]) if platform and panels else _table(panels)
    emit(document("GateStatus", items=panels), output, text)
    if not panels:
        say("there is no gate here")
        raise typer.Exit(NONE)
    raise typer.Exit(NEGATIVE if any(each.staleness.stale or each.needs for each in panels) else OK)


@with_records
def history(
    platform: PlatformArgument = "",
    verdict: Annotated[
        str, typer.Option("--verdict", help="Only runs with this one: passed, failed, error, cancelled.")
    ] = "",
    since: Annotated[
        str,
        typer.Option("--since", metavar="TIME", help="Only runs since then: 7d, 2026-06-01, or RFC 3339."),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many; 0 for all.")] = 30,
    health: HealthOption = False,
    at: AtOption = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print runs, the newest first: of one platform all that are kept, of all platforms what their gates remember.

    Exit codes: 0 there are runs, 2 wrong use, 3 there is none.

    Example: pilotage gate history aro-hcp --verdict failed --since 14d
    """
    from pilotage.app.gate import overview
    from pilotage.app.gate.moments import ago

    now = now_or(at)
    if health:
        _print_health(read(source, lambda reader: overview.health(reader, now, platform, namespace)), output)
    begin = ago(since, now, "--since") if since else None
    lines = read(
        source,
        lambda reader: overview.history(
            reader, platform, namespace, verdict=verdict, since=begin, limit=limit
        ),
    )
    emit(document("GateHistory", items=lines), output, _runs(lines))
    if not lines:
        say("there is no such run")
        raise typer.Exit(NONE)


@with_records
def metrics(at: AtOption = "", namespace: NamespaceOption = "", *, source: ObjectSource) -> None:
    """Print the figures of the gate for Prometheus, as a scrape would get them; for the text files that a node exporter reads.

    Exit codes: 0 printed, 2 wrong use.

    Example: pilotage gate metrics > /var/lib/node_exporter/gate.prom
    """
    from pilotage.app.gate import figures

    now = now_or(at)
    print(read(source, lambda reader: figures.metrics(reader, now, namespace=namespace)), end="")


def panel_text(panel: Panel) -> str:
    """One platform on a screen."""
    from pilotage.decision.render import table

    last, tick = panel.promoted, panel.last_tick
    promoted = f"{last.tag}, {span(last.age)} ago ({last.at})" if last else "nothing yet"
    facts = [
        ("promoted", promoted),
        ("image", last.digest if last else "-"),
        ("commit", (last.revision if last else "") or "-"),
        ("stale", _staleness(panel)),
        ("last tick", f"{tick.action}: {tick.reason} at {tick.at} ({tick.id})" if tick else "none yet"),
        ("next tick", panel.next_tick or "-"),
        ("state", _state(panel)),
    ]
    if panel.pending_snapshot:
        facts.append(("waiting", panel.pending_snapshot))
    if panel.quarantined:
        facts.append(("set aside", ", ".join(panel.quarantined)))
    if panel.letters.waiting:
        facts.append(("messages", f"{panel.letters.waiting} on their way"))
    lines = [f"{panel.platform}  {panel.display_name}", *(f"  {name:<10} {text}" for name, text in facts)]
    if panel.run is not None:
        run = panel.run
        lines += ["", f"  {run.name} is {run.state}: {run.done} of {run.total} required jobs are done"]
        rows = [
            (job.name, job.type, job.state, str(job.attempts), _minutes(job.minutes), job.url)
            for job in run.jobs
        ]
        jobs = table(("JOB", "TYPE", "STATE", "ATTEMPTS", "SINCE", "URL"), rows)
        lines += [f"  {line}" for line in jobs.splitlines()]
    if panel.needs:
        lines += ["", "  To look at:", *(f"    {need}" for need in panel.needs)]
    return "\n".join(lines)


def _table(panels: Sequence[Panel]) -> str:
    from pilotage.decision.render import table

    headings = ("PLATFORM", "PROMOTED", "AGE", "RUN", "STATE", "NEXT TICK", "STALE", "LOOK AT")
    rows = (
        (
            each.platform,
            short(each.promoted.digest) if each.promoted else "-",
            span(each.promoted.age) if each.promoted else "-",
            f"{each.run.state} {each.run.done}/{each.run.total}" if each.run else "-",
            _state(each),
            each.next_tick or "-",
            _staleness(each),
            each.needs[0] + (f" (+{len(each.needs) - 1})" if len(each.needs) > 1 else "")
            if each.needs
            else "",
        )
        for each in panels
    )
    return table(headings, rows) if panels else ""


def _state(panel: Panel) -> str:
    states = []
    if panel.paused:
        states.append(f"paused: {panel.pause_reason or 'no reason given'}")
    if panel.frozen:
        states.append(f"frozen until {panel.frozen_until or 'somebody ends it'}: {panel.freeze_reason}")
    if panel.consecutive_failures:
        states.append(f"red, {panel.consecutive_failures} in a row")
    return "; ".join(states) or "open"


def _staleness(panel: Panel) -> str:
    found = panel.staleness
    if found.stale:
        return f"{found.level or 'stale'}: {found.reason}"
    return found.reason if found.left is None else f"in {span(found.left)}"


def _runs(lines: Sequence[Line]) -> str:
    from pilotage.decision.render import table

    headings = ("PLATFORM", "RUN", "STARTED", "VERDICT", "STATE", "RETRIES", "CAUSE", "DIGEST", "COMMIT")
    rows = (
        (
            line.platform,
            line.run.name,
            line.run.started_at,
            line.run.verdict or "-",
            line.run.state or "planned",
            str(line.run.retries),
            line.run.cause or "-",
            short(line.run.digest),
            (line.run.revision or "-")[:10],
        )
        for line in lines
    )
    return table(headings, rows) if lines else ""


def _print_health(items: Sequence[PlatformHealth], output: Output) -> None:
    from pilotage.decision.render import table

    headings = (
        "PLATFORM", "RUNS", "PASSED", "FALSE NEGATIVES", "95 %", "RED TO GREEN", "BUILD TO TAG", "P90", "QUEUE",
        "STREAK", "SAVED",
    )  # fmt: skip
    rows = (
        (
            each.platform,
            str(each.health.runs),
            part(each.health.success_rate),
            part(each.health.false_negative_rate)
            + (" (insufficient data)" if each.health.insufficient_data else ""),
            f"{each.health.interval[0]:.1%} to {each.health.interval[1]:.1%}",
            span(each.health.red_to_green),
            span(each.health.build_to_promotion.p50),
            span(each.health.build_to_promotion.p90),
            span(each.health.queue.p50),
            str(each.health.consecutive_failures),
            str(each.health.saved),
        )
        for each in items
    )
    emit(document("GateHealth", items=items), output, table(headings, rows) if items else "")
    if not items:
        say("there is no gate here")
    raise typer.Exit(OK if items else NONE)


def _minutes(value: float | None) -> str:
    return "-" if value is None else span(value * 60)
