"""`pilotage gate watch`: follow the runs that are under way, on one screen or as lines."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from pilotage.cli.access import ObjectSource, with_records
from pilotage.cli.gate.ledger import PlatformArgument
from pilotage.cli.output import say
from pilotage.cli.sources import NamespaceOption

if TYPE_CHECKING:
    from rich.live import Live

    from pilotage.gate.health.panel import Panel
    from pilotage.store.base import Reader

__all__ = ["Lines", "watch"]

OK, NEGATIVE, NONE = 0, 1, 3


@with_records
def watch(
    platform: PlatformArgument = "",
    interval: Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between looks.")] = 2.0,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.0, help="Give up after so many seconds; 0: never.")
    ] = 0.0,
    namespace: NamespaceOption = "",
    *,
    source: ObjectSource,
) -> None:
    """Follow every run that is under way until it ends: its jobs live on a terminal, else a line for each change.

    Exit codes: 0 every run passed, 1 one did not, or the time was over, 2 wrong use, 3 no run is under way.

    Example: pilotage gate watch aro-hcp
    """
    raise typer.Exit(asyncio.run(_watch(source, platform, namespace, interval, timeout)))


class _Screen(Protocol):
    def show(self, panels: Sequence[Panel]) -> None: ...


async def _watch(
    source: ObjectSource, platform: str, namespace: str, interval: float, patience: float
) -> int:
    from pilotage.app.gate import overview
    from pilotage.app.objects import open_reader

    seen: dict[str, str] = {}
    until = time.monotonic() + patience if patience else float("inf")
    async with open_reader(source) as opened:
        with _screen() as screen:
            while True:
                panels = await overview.status(opened.reader, datetime.now(UTC), platform, namespace)
                active = {each.run.name: each.namespace for each in panels if each.run is not None}
                screen.show([each for each in panels if each.run is not None])
                seen |= active
                if not active:
                    break
                if time.monotonic() + interval > until:
                    say(f"still under way: {', '.join(active)}")
                    return NEGATIVE
                await asyncio.sleep(interval)
        if not seen:
            say(f"no run is under way{_next_ticks(panels)}")
            return NONE
        return await _ended(opened.reader, seen)


async def _ended(reader: Reader, seen: dict[str, str]) -> int:
    """Say what became of every run that was followed."""
    from pilotage.app.gate import ledgers

    code = OK
    for name, namespace in seen.items():
        _, run = await ledgers.run_named(reader, name, namespace)
        status = run.status
        why = status.message or status.verdict_reason
        print(f"{run.spec.platform}: {name}: {status.state}{f': {why}' if why else ''}")
        if status.verdict != "passed" or status.state not in ("promoted", "superseded"):
            code = NEGATIVE
    return code


def _next_ticks(panels: Sequence[Panel]) -> str:
    ticks = [f"{each.platform} at {each.next_tick}" for each in panels if each.next_tick]
    return f"; next: {', '.join(ticks)}" if ticks else ""


class Lines:
    """Where nothing can be drawn over: one line for each thing that changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def show(self, panels: Sequence[Panel]) -> None:
        for line in self.changes(panels):
            print(line, flush=True)

    def changes(self, panels: Sequence[Panel]) -> Iterator[str]:
        for panel in panels:
            if panel.run is None:
                continue
            run = panel.run
            states = {"": f"{run.state} {run.done}/{run.total}"}
            states |= {job.name: f"{job.state} #{job.attempts}" for job in run.jobs}
            for name, state in states.items():
                if self._known.get((run.name, name)) != state:
                    self._known[run.name, name] = state
                    yield f"{panel.platform}  {run.name}  {name or 'run'}  {state}"


class _Live:
    """A terminal: every look is drawn over the one before."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, panels: Sequence[Panel]) -> None:
        from rich.text import Text

        from pilotage.cli.gate.overview import panel_text

        self._live.update(Text("\n\n".join(panel_text(panel) for panel in panels)), refresh=True)


@contextlib.contextmanager
def _screen() -> Iterator[_Screen]:
    if not sys.stdout.isatty():
        yield Lines()
        return
    from rich.live import Live

    with Live(auto_refresh=False, transient=True) as live:
        yield _Live(live)
