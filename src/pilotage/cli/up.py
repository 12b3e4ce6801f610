"""`pilotage up`: a sample fleet on the embedded store, decided live."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from pilotage.cli.output import Output, OutputOption, emit, say
from pilotage.cli.sources import PortOption

if TYPE_CHECKING:
    from pilotage.app.up import Running, Table
    from pilotage.runtime.perform import Change

__all__ = ["Screen", "shown", "up"]

_STUBS = 36
"""Columns for an image and a reason together: with fewer, neither can be read."""

SETTLED, NOT_SETTLED, INTERRUPTED = 0, 3, 130


def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            help="Keep the state here between runs. [default: a directory that is gone afterwards]",
        ),
    ] = None,
    until_settled: Annotated[
        bool, typer.Option("--until-settled", help="Stop when nothing moves any more.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait with --until-settled.")
    ] = 120.0,
    port: PortOption = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run everything on this machine: an embedded API, sample releases, a sample fleet, and the controllers.

    Shows every hosted cluster with its control plane operator image, the rule that chose it, and the reason. While it
    runs, kubectl works on it with the kubeconfig in its directory. With -o json or yaml the result is printed as one document when nothing moves any more. Ctrl-C stops.

    Exit codes: 0 stopped or settled, 2 the directory cannot be used, 3 it did not settle in time, or an instance runs in
    the directory already, 130 stopped before it settled.

    Example: pilotage up --until-settled
    """
    stop_when_settled = until_settled or output is not Output.TEXT
    raise typer.Exit(asyncio.run(_up(data_dir, port, output, timeout if stop_when_settled else None)))


class Screen(Protocol):
    """How progress and tables are shown: drawn over again on a terminal, line by line elsewhere."""

    def step(self, text: str) -> None: ...

    def show(self, tables: Iterable[Table]) -> None: ...

    def changed(self, change: Change) -> None: ...


async def _up(data_dir: Path | None, port: int, output: Output, patience: float | None) -> int:
    from pilotage.app import up

    def opened(screen: Screen, on_change: Callable[[Change], None]) -> AbstractAsyncContextManager[Running]:
        return up.running(data_dir, port=port, on_step=screen.step, on_change=on_change)

    return await shown(opened, output, patience, _invitation)


async def shown(
    opened: Callable[[Screen, Callable[[Change], None]], AbstractAsyncContextManager[Running]],
    output: Output,
    patience: float | None,
    invitation: Callable[[Running], str],
) -> int:
    """Run an instance and show what it decides. `patience` is in seconds until everything must have settled; None runs until
    a signal comes. Gives the exit code.
    """
    moved = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        screen = stack.enter_context(_screen(is_live=patience is None))

        def on_change(change: Change) -> None:
            screen.changed(change)
            moved.set()

        stopping = _signalled()
        instance = await stack.enter_async_context(opened(screen, on_change))
        if patience is not None:
            return await _settle(instance, output, patience, stopping)
        if stopping.is_set():
            return SETTLED
        screen.step(invitation(instance))
        await _follow(instance, screen, moved, stopping)
    return SETTLED


async def _settle(instance: Running, output: Output, patience: float, stopping: asyncio.Event) -> int:
    settled = asyncio.ensure_future(instance.settled())
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        done, _ = await asyncio.wait(
            (settled, stopped), timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        settled.cancel()
        stopped.cancel()
    if stopped in done and settled not in done:
        say("stopped before everything settled")
        return INTERRUPTED
    tables = await instance.tables()
    emit(_document(tables), output, "\n\n".join(_text(table) for table in tables))
    if settled in done:
        return SETTLED
    say(
        f"error: NotSettled: still moving after {patience:g} s: {', '.join(instance.moving()) or 'the start'}"
    )
    for problem in instance.problems():
        say(f"  - {problem}")
    return NOT_SETTLED


async def _follow(instance: Running, screen: Screen, moved: asyncio.Event, stopping: asyncio.Event) -> None:
    """Draw again whenever something moved, until a signal comes."""
    stopped = asyncio.ensure_future(stopping.wait())
    while not stopped.done():
        moved.clear()
        screen.show(await instance.tables())
        move = asyncio.ensure_future(moved.wait())
        await asyncio.wait((move, stopped), return_when=asyncio.FIRST_COMPLETED)
        move.cancel()


def _signalled() -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first(number: signal.Signals) -> None:
        event.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, first, number)
    return event


def _invitation(instance: Running) -> str:
    return (
        f"running in {instance.data_dir}; try in another terminal: pilotage get hc, "
        "pilotage explain cpo-image clusters/azure-prod-west, pilotage gate status, "
        f"kubectl --kubeconfig {instance.kubeconfig} get hc,gates,gateruns -A"
    )


def _document(tables: Iterable[Table]) -> dict[str, Any]:
    return {
        "apiVersion": "pilotage.dev/v1",
        "boards": {table.board.title: list(table.records) for table in tables},
    }


def _rows(table: Table) -> list[list[str]]:
    return [[_cell(record[key]) for _, key in table.board.columns] for record in table.records]


def _cell(value: Any) -> str:
    """Text for a table: digests are cut to what a person compares; `-o json` and `get` have them whole."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return _DIGEST.sub(r"\1", text)


_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")


def fitted(lines: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Headings and rows that take one line each on a terminal of this width, with columns two apart.

    The last column is prose and loses its end; the one before names something (an image) and loses its beginning, or is left
    out where both would be stubs. What comes before them is short and stays whole.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    room = width - sum(widths[:-2]) - 2 * len(widths)
    if sum(widths[-2:]) <= room:
        return [list(line) for line in lines]
    if room < _STUBS:
        prose = max(room + 2, len(lines[0][-1]))
        return [[*line[:-2], _head(line[-1], prose)] for line in lines]
    name = min(widths[-2], room // 2)
    return [[*line[:-2], _tail(line[-2], name), _head(line[-1], room - name)] for line in lines]


def _head(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def _tail(text: str, width: int) -> str:
    return text if len(text) <= width else "…" + text[len(text) - max(width - 1, 0) :]


def _text(table: Table) -> str:
    from pilotage.decision import render

    grid = render.table([heading for heading, _ in table.board.columns], _rows(table))
    return f"{table.board.title}\n{grid}"


@contextlib.contextmanager
def _screen(*, is_live: bool) -> Any:
    if is_live and sys.stdout.isatty():
        from rich.live import Live

        with Live(auto_refresh=False, vertical_overflow="visible") as live:
            yield _LiveScreen(live)
    else:
        yield _LineScreen()


class _LineScreen:
    """For logs and pipes: steps and events as they come on stderr, the tables whenever they differ from the last ones."""

    def __init__(self) -> None:
        self._shown = ""

    def step(self, text: str) -> None:
        say(text)

    def show(self, tables: Iterable[Table]) -> None:
        text = "\n\n".join(_text(table) for table in tables)
        if text != self._shown:
            self._shown = text
            print(text + "\n", flush=True)

    def changed(self, change: Change) -> None:
        if change.what == "event":
            say(str(change))


class _LiveScreen:
    """For a terminal: the tables stay in place, the last step below them."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._tables: tuple[Table, ...] = ()
        self._step = ""

    def step(self, text: str) -> None:
        self._step = text
        self._draw()

    def show(self, tables: Iterable[Table]) -> None:
        self._tables = tuple(tables)
        self._draw()

    def changed(self, change: Change) -> None:
        """The tables say it."""

    def _draw(self) -> None:
        from rich.console import Group
        from rich.table import Table as Grid
        from rich.text import Text

        parts: list[Any] = []
        for table in self._tables:
            grid = Grid(
                title=table.board.title, box=None, title_justify="left", pad_edge=False, padding=(0, 2, 0, 0)
            )
            headings = [heading for heading, _ in table.board.columns]
            first, *rows = fitted([headings, *_rows(table)], self._live.console.width)
            for heading in first:
                grid.add_column(heading, no_wrap=True)
            for row in rows:
                grid.add_row(*(Text(cell) for cell in row))
            parts += [grid, Text()]
        self._live.update(Group(*parts, Text(self._step, style="dim")), refresh=True)
