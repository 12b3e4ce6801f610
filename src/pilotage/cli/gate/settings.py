"""`pilotage gate pause`, `resume`, `freeze` and `quarantine`: what a person sets for a while."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.gate.ledger import ByOption, document, now_or, who, write
from pilotage.cli.output import Output, OutputOption, emit
from pilotage.cli.sources import DataDirOption, NamespaceOption

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pilotage.app.gate.settings import Setting
    from pilotage.store.base import Store

__all__ = ["freeze", "pause", "quarantine", "resume"]

PlatformArgument = Annotated[str, typer.Argument(help="The managed service, such as aro-hcp.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why. It is shown wherever the gate is.")]
UntilOption = Annotated[
    str, typer.Option("--until", metavar="TIME", help="When it ends: 12h, 7d, 2026-06-20, or RFC 3339.")
]


def pause(
    platform: PlatformArgument,
    reason: ReasonOption,
    until: Annotated[
        str,
        typer.Option(
            "--until",
            metavar="TIME",
            help="Silence the stale alarm, too, until then: 12h, 7d, 2026-06-20, or RFC 3339.",
        ),
    ] = "",
    by: ByOption = "",
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Start no runs of a platform until somebody resumes it. A run that is under way goes on.

    Exit codes: 0 paused, 2 wrong use.

    Example: pilotage gate pause aro-hcp --reason "quota migration" --until 2d
    """
    from pilotage.app.gate import settings
    from pilotage.app.gate.moments import ahead

    now = now_or("")
    end = ahead(until, now, "--until") if until else None
    _done(data_dir, output, lambda store: settings.pause(store, platform, who(by), reason, end, namespace))


def resume(
    platform: PlatformArgument,
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """End a pause: the next slot of the schedule starts a run again.

    Exit codes: 0 done, 2 wrong use.

    Example: pilotage gate resume aro-hcp
    """
    from pilotage.app.gate import settings

    _done(data_dir, output, lambda store: settings.resume(store, platform, namespace))


def freeze(
    platform: PlatformArgument,
    reason: ReasonOption = "",
    until: UntilOption = "",
    lift: Annotated[bool, typer.Option("--lift", help="End the freeze instead.")] = False,
    by: ByOption = "",
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Promote nothing for a while. Runs go on; what passes meanwhile is promoted when the freeze ends.

    Exit codes: 0 done, 1 nothing is frozen (--lift), 2 wrong use.

    Example: pilotage gate freeze aro-hcp --until 2026-06-20 --reason "release week"
    """
    from pilotage.app.gate import settings
    from pilotage.app.gate.moments import ahead

    now = now_or("")
    if lift:
        _done(data_dir, output, lambda store: settings.thaw(store, platform, now, namespace))
        return
    end = ahead(until, now, "--until") if until else None
    _done(
        data_dir,
        output,
        lambda store: settings.freeze(store, platform, who(by), reason, now, end, namespace),
    )


def quarantine(
    job: Annotated[str, typer.Argument(help="A required job of the platform.")],
    platform: Annotated[
        str, typer.Option("--platform", help="The managed service. [default: the only one there is]")
    ] = "",
    until: UntilOption = "7d",
    reason: ReasonOption = "",
    owner: Annotated[str, typer.Option("--owner", help="Who repairs the job.")] = "",
    bug: Annotated[str, typer.Option("--bug", help="Where that is followed.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Require the job again instead.")] = False,
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Count a required job as informing for at most two weeks, with an owner, a reason and a bug.

    Exit codes: 0 done, 1 the job is not set aside (--lift), 2 wrong use, or the quarantine is refused.

    Example: pilotage gate quarantine e2e-azure --owner hcp-team --reason "DNS flakes" --bug OCPBUGS-4711 --until 7d
    """
    from pilotage.api.gate import QuarantineEntry
    from pilotage.app.gate import settings
    from pilotage.app.gate.moments import ahead
    from pilotage.runtime.clock import rfc3339

    now = now_or("")
    if lift:
        _done(data_dir, output, lambda store: settings.lift_quarantine(store, platform, job, now, namespace))
        return
    entry = QuarantineEntry(job, rfc3339(ahead(until, now, "--until")), reason, owner, bug)
    _done(data_dir, output, lambda store: settings.quarantine(store, platform, entry, now, namespace))


def _done(data_dir: Path | None, output: Output, work: Callable[[Store], Awaitable[Setting]]) -> None:
    setting = write(data_dir, work)
    spec = setting.gate.spec
    made = document(
        "GateSetting",
        platform=spec.platform,
        said=setting.said,
        paused=spec.paused,
        pausedUntil=spec.paused_until,
        freeze=spec.policy.freeze,
        quarantine=spec.quarantine,
    )
    emit(made, output, setting.said)
