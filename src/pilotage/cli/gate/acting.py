"""`pilotage gate trigger`, `retry`, `cancel`, `approve`, `triage` and `promote`: what a person does to a run."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.gate.explain import worded
from pilotage.cli.gate.ledger import ByOption, OnePlatformArgument, document, now_or, who, write
from pilotage.cli.output import Output, OutputOption, emit
from pilotage.cli.sources import DataDirOption, NamespaceOption

if TYPE_CHECKING:
    from pilotage.gate.ticks.tick import TickOutcome

__all__ = ["approve", "cancel", "promote", "retry", "triage", "trigger"]

OK, NEGATIVE, NONE = 0, 1, 3
RunArgument = Annotated[str, typer.Argument(help="A run, or how its name begins.", metavar="RUN")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why. It is told to people, and kept.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Test an image again that was promoted or failed often; needs --reason."),
]


class Cause(StrEnum):
    INFRA = "infra"
    FLAKE = "flake"
    TEST_BUG = "test-bug"
    QUOTA = "quota"
    PRODUCT = "product"


def trigger(
    platform: OnePlatformArgument = "",
    snapshot: Annotated[str, typer.Option("--snapshot", help="This Snapshot instead of the newest.")] = "",
    digest: Annotated[str, typer.Option("--digest", help="The Snapshot with this image.")] = "",
    force: ForceOption = False,
    reason: ReasonOption = "",
    jobs: Annotated[
        str,
        typer.Option(
            "--jobs", metavar="JOB,...", help="Only these jobs; promotes only with the others proven."
        ),
    ] = "",
    trigger_id: Annotated[
        str, typer.Option("--id", help="Makes a trigger that is sent twice one run. [default: a new one]")
    ] = "",
    rehearse: Annotated[
        bool, typer.Option("--test", help="A rehearsal: counts in no history and promotes nothing.")
    ] = False,
    dry_run: DryRunOption = False,
    by: ByOption = "",
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Start a run by hand, as the schedule would: the newest eligible Snapshot, by the same rules. Safe to repeat.

    Exit codes: 0 a run starts, or is under way already; 1 the rules say no; 2 wrong use; 3 there is no Snapshot to test.

    Example: pilotage gate trigger aro-hcp --dry-run
    """
    from pilotage.app.gate import acting

    now = now_or("")
    wanted = acting.Wanted(
        by=who(by),
        why=reason,
        id=trigger_id,
        snapshot=snapshot,
        digest=digest,
        forced=force,
        jobs=tuple(filter(None, (job.strip() for job in jobs.split(",")))),
        run_class="test" if rehearse else "",
        writes=not dry_run,
    )
    _started(
        write(data_dir, lambda store: acting.trigger(store, platform, wanted, now, namespace)),
        output,
        dry_run,
    )


def retry(
    run: RunArgument,
    failed: Annotated[bool, typer.Option("--failed", help="Only the jobs that did not pass.")] = False,
    force: ForceOption = False,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    by: ByOption = "",
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Test the Snapshot of a finished run again.

    Exit codes: 0 a run starts, or is under way already; 1 the rules say no; 2 wrong use; 3 its Snapshot is not eligible
    any more.

    Example: pilotage gate retry aro-hcp-3f7c --failed
    """
    from pilotage.app.gate import acting

    now = now_or("")
    wanted = acting.Wanted(by=who(by), why=reason, forced=force, writes=not dry_run)
    outcome = write(
        data_dir,
        lambda store: acting.retry(store, run, wanted, now, only_failed=failed, namespace=namespace),
    )
    _started(outcome, output, dry_run)


def cancel(
    run: RunArgument,
    reason: ReasonOption,
    by: ByOption = "",
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Stop a run: nothing more is started, asked about or promoted. What runs in Prow already runs on there.

    Exit codes: 0 asked for, 1 the run is over already, 2 wrong use.

    Example: pilotage gate cancel aro-hcp-3f7c --reason "wrong tests image"
    """
    from pilotage.app.gate import acting

    now = now_or("")
    found = write(data_dir, lambda store: acting.cancel(store, run, who(by), reason, now, namespace))
    name = found.metadata.name
    emit(document("GateRequest", action="cancel", run=name), output, f"{name} is asked to stop")


def approve(
    run: RunArgument,
    by: ByOption = "",
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Approve the promotion of a run, where the policy asks for a second person.

    Exit codes: 0 approved, 1 the run is over already, 2 wrong use.

    Example: pilotage gate approve aro-hcp-3f7c --by kim
    """
    from pilotage.app.gate import acting

    names = write(data_dir, lambda store: acting.approve(store, run, who(by), namespace))
    emit(
        document("GateRequest", action="approve", run=run, approvals=names),
        output,
        f"approved by {', '.join(names)}",
    )


def triage(
    run: RunArgument,
    cause: Annotated[Cause, typer.Option("--cause", help="Why it did not pass.")],
    note: Annotated[str, typer.Option("--note", help="A sentence, or a link.")] = "",
    by: ByOption = "",
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write down why a run was red. The verdict stays; a red run that was not the product's fault counts as a false negative.

    Exit codes: 0 written, 1 the run is not red, 2 wrong use.

    Example: pilotage gate triage aro-hcp-3f7c --cause quota --note OCPBUGS-4711
    """
    from pilotage.app.gate import acting
    from pilotage.runtime.clock import SystemClock

    found = write(
        data_dir,
        lambda store: acting.triage(store, run, cause.value, who(by), note, SystemClock(), namespace),
    )
    name = found.metadata.name
    emit(
        document("GateRequest", action="triage", run=name, cause=cause.value),
        output,
        f"{name}: {cause.value}",
    )


def promote(
    run: RunArgument,
    reason: ReasonOption,
    by: ByOption = "",
    namespace: NamespaceOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Let the promotion of a run that passed be decided again, when what kept it is gone. Nothing untested is ever promoted.

    Exit codes: 0 the rules agree and the run is promoted, or waits; 1 they say no; 2 wrong use.

    Example: pilotage gate promote aro-hcp-3f7c --reason "the registry is back"
    """
    from pilotage.app.gate import acting
    from pilotage.decision.render import decision_json
    from pilotage.runtime.clock import SystemClock

    found, decision = write(
        data_dir, lambda store: acting.promote(store, run, who(by), reason, SystemClock(), namespace)
    )
    emit(
        document("GateRequest", action="promote", run=found.metadata.name, decision=decision_json(decision)),
        output,
        worded(f"promotion of {found.metadata.name}", decision),
    )
    value = decision.value
    raise typer.Exit(OK if value is not None and value.action in ("promote", "wait") else NEGATIVE)


def _started(outcome: TickOutcome, output: Output, dry_run: bool) -> None:
    chosen = outcome.chosen
    made = document(
        "GateTrigger",
        action=outcome.action,
        reason=outcome.reason,
        run=outcome.run or None,
        snapshot=chosen.snapshot.name if chosen else None,
        digest=chosen.digest if chosen else None,
        rejected=outcome.rejected,
        dryRun=dry_run,
    )
    lines = [f"{outcome.action}: {outcome.reason}{' (dry run)' if dry_run else ''}"]
    if outcome.run:
        lines.append(f"  run       {outcome.run}")
    if chosen is not None:
        lines += [f"  snapshot  {chosen.snapshot.name}", f"  image     {chosen.image}"]
    emit(made, output, "\n".join(lines))
    if outcome.action == "none":
        raise typer.Exit(NONE)
    raise typer.Exit(OK if outcome.action in ("start", "attach") else NEGATIVE)
