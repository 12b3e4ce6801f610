"""What the verbs about the gate's ledger share: reading it, writing to it, times and how they are told."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from pilotage.cli.output import say

if TYPE_CHECKING:
    from pilotage.app.objects import ObjectSource
    from pilotage.store.base import Reader, Store

__all__ = [
    "AtOption",
    "ByOption",
    "OnePlatformArgument",
    "PlatformArgument",
    "document",
    "now_or",
    "part",
    "read",
    "short",
    "span",
    "who",
    "write",
]

T = TypeVar("T")

PlatformArgument = Annotated[
    str,
    typer.Argument(
        help="The managed service, such as aro-hcp; all of them without one.", metavar="[PLATFORM]"
    ),
]
OnePlatformArgument = Annotated[
    str, typer.Argument(help="The managed service; the only one without a name.", metavar="[PLATFORM]")
]
AtOption = Annotated[
    str, typer.Option("--at", metavar="TIME", help="Answer as of this time (RFC 3339). [default: now]")
]
ByOption = Annotated[str, typer.Option("--by", help="Who does it. [default: the user of this machine]")]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def read(source: ObjectSource, work: Callable[[Reader], Awaitable[T]]) -> T:
    """Ask something of recorded objects, a cluster, or an instance."""

    async def ask() -> T:
        from pilotage.app.objects import open_reader
        from pilotage.decision.render import findings_text

        async with open_reader(source) as opened:
            if opened.findings:
                say(findings_text(opened.findings))
            return await work(opened.reader)

    return asyncio.run(ask())


def write(data_dir: Path | None, work: Callable[[Store], Awaitable[T]]) -> T:
    """Write to the instance that is meant: through its API while it runs, else to its file."""

    async def act() -> T:
        import os

        from pilotage.app import instance
        from pilotage.app.objects import open_store

        async with open_store(instance.find(data_dir, os.environ)) as store:
            return await work(store)

    return asyncio.run(act())


def now_or(text: str) -> datetime:
    """The time of the answer. Raises InputError `BadTime`."""
    if not text:
        return datetime.now(UTC)
    from pilotage.app.gate.moments import ahead

    return ahead(text, datetime.now(UTC), "--at")


def who(by: str) -> str:
    return by or getpass.getuser()


def document(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "pilotage.dev/v1", "kind": kind, **fields}


def span(seconds: float | None) -> str:
    """`3 d 4 h`, `2 h 05 min`, `40 s`; a dash when it is not known."""
    if seconds is None:
        return "-"
    whole = int(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    if whole >= 2 * _DAY:
        return f"{sign}{whole // _DAY} d {whole % _DAY // _HOUR} h"
    if whole >= _HOUR:
        return f"{sign}{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{sign}{whole // _MINUTE} min" if whole >= 2 * _MINUTE else f"{sign}{whole} s"


def part(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"


def short(digest: str) -> str:
    """Enough of a digest to tell it from others."""
    return digest.removeprefix("sha256:")[:12] or "-"
