"""`pilotage gate plan`: what a night would be, before anything is spent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.gate.sources import GatesOption, PlatformOption, given
from pilotage.cli.output import Output, OutputOption, emit
from pilotage.cli.sources import DataDirOption

if TYPE_CHECKING:
    from pilotage.app.gate.planning import GatePlan
    from pilotage.gate.health.forecast import Cost, Finish, JobForecast

__all__ = ["plan"]

OK, OVER_BUDGET = 0, 1


def plan(
    platform: PlatformOption = "",
    files: GatesOption = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            metavar="FILE",
            help="What a cluster hour costs: perClusterHour, currency, jobs (YAML).",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a run of a gate would be: jobs with their versions, cluster hours and money, when it would be over, and which
    objects are rendered for it. Nothing is started.

    Times come from the history of an instance; a job without history counts with two hours.

    Exit codes: 0 shown, 1 the month costs more than the budget of the Gate, 2 wrong use, or the jobs make no plan.

    Example: pilotage gate plan --platform aro-hcp -f gate.yaml --prices prices.yaml
    """
    from pilotage.app.gate.given import platform_of
    from pilotage.app.gate.planning import plan as made
    from pilotage.app.gate.planning import read_prices
    from pilotage.runtime.clock import SystemClock

    gates = asyncio.run(given(files, data_dir))
    found = made(gates, platform_of(gates, platform), read_prices(prices), SystemClock().now())
    document = {
        "apiVersion": "pilotage.dev/v1",
        "kind": "GatePlan",
        "platform": found.platform,
        "forecast": found.forecast,
        "skipped": found.skipped,
        "objects": found.objects,
    }
    emit(document, output, _told(found))
    raise typer.Exit(OK if found.forecast.month.is_enough else OVER_BUDGET)


def _told(plan: GatePlan) -> str:
    from pilotage.decision.render import table

    night = plan.forecast
    rows = [_row(each) for each in night.jobs]
    parts = [table(("JOB", "TYPE", "PHASE", "HOSTED", "MANAGEMENT", "HOURS", "P50", "P90"), rows)]
    if plan.skipped:
        parts.append("\n".join(f"skipped  {minor}: {code}" for minor, code in plan.skipped.items()))
    facts = [f"cluster hours  {_cost(night.hours)}"]
    if night.money.most:
        facts.append(f"money          {_cost(night.money, night.currency)}")
    facts += [
        f"verdict after  {_finish(night.verdict)}",
        f"all over after {_finish(night.finish)}",
        f"next           {', '.join(night.next_slots)}",
        f"30 days        {night.month.nights} runs, {_cost(night.month.hours)} cluster hours{_budget(plan)}",
    ]
    parts.append("\n".join(facts))
    objects = [(each.kind, each.namespace or "(cluster)", each.name) for each in plan.objects]
    parts.append(table(("OBJECT", "NAMESPACE", "NAME"), objects))
    return "\n\n".join(parts)


def _row(each: JobForecast) -> list[str]:
    cell = each.job.cell
    minutes = [f"{value:g} min" if each.runs else "unknown" for value in each.minutes]
    versions = [cell.hosted, cell.management] if cell else ["", ""]
    return [each.job.name, each.job.type, str(each.job.phase), *versions, f"{each.hours.least:g}", *minutes]


def _cost(cost: Cost, unit: str = "") -> str:
    text = f"{cost.least:.1f}, expected {cost.expected:.1f}, at most {cost.most:.1f}"
    return f"{text} {unit}" if unit else text


def _finish(finish: Finish) -> str:
    text = f"{_minutes(finish.p50)} (p50), {_minutes(finish.p90)} (p90)"
    if finish.guessed:
        text += f"; {len(finish.guessed)} jobs without history count with 2 h 00 min"
    return text


def _minutes(value: float) -> str:
    whole = round(value)
    return f"{whole // 60} h {whole % 60:02d} min"


def _budget(plan: GatePlan) -> str:
    month = plan.forecast.month
    if not month.limit:
        return ""
    return f", budget {month.limit:g}: {'enough' if month.is_enough else 'NOT ENOUGH'}"
