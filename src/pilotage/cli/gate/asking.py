"""`pilotage gate select`, `where`, `bisect`, `regress` and `matrix`: what the Snapshots and the ledger know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ObjectSource, with_records
from pilotage.cli.gate.ledger import (
    AtOption,
    ByOption,
    OnePlatformArgument,
    PlatformArgument,
    document,
    now_or,
    part,
    read,
    short,
    who,
    write,
)
from pilotage.cli.output import Output, OutputOption, emit, say
from pilotage.cli.sources import NamespaceOption

if TYPE_CHECKING:
    from pilotage.app.gate.asking import Found, Grid, Where
    from pilotage.gate.health.families import Judged
    from pilotage.gate.health.suspects import Bisection

__all__ = ["bisect", "matrix", "regress", "select", "where"]

OK, NEGATIVE, NONE = 0, 1, 3


@with_records
def select(
    platform: PlatformArgument = "",
    show_all: Annotated[
        bool, typer.Option("--all", help="Name every Snapshot that is rejected, not only how many.")
    ] = False,
    at: AtOption = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print which Snapshot the next tick would select, and why not the others.

    Exit codes: 0 each platform has one, 2 wrong use, 3 one has none.

    Example: pilotage gate select aro-hcp --all
    """
    from pilotage.app.gate import asking

    now = now_or(at)
    found = read(source, lambda reader: asking.selection(reader, now, platform, namespace))
    items = [
        {
            "platform": each.platform,
            "snapshot": each.selection.chosen.snapshot.name if each.selection.chosen else None,
            "digest": each.selection.chosen.digest if each.selection.chosen else None,
            "revision": each.selection.chosen.revision if each.selection.chosen else None,
            "reason": each.selection.reason,
            "rejected": each.selection.rejected,
        }
        for each in found
    ]
    emit(
        document("GateSelection", items=items),
        output,
        "\n\n".join(_selected(each, is_whole=show_all) for each in found),
    )
    raise typer.Exit(OK if found and all(each.selection.chosen for each in found) else NONE)


@with_records
def where(
    commit: Annotated[str, typer.Argument(help="A commit, or its first seven digits or more.")],
    at: AtOption = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print how far a commit came: built, released to ACM, under test, verified for each platform, or why not.

    A commit counts as verified, too, when a later build was promoted.

    Exit codes: 0 verified for every platform, 1 not for every one, 2 wrong use, 3 no Snapshot has it.

    Example: pilotage gate where 4f2d1c09
    """
    from pilotage.app.gate import asking

    now = now_or(at)
    found = read(source, lambda reader: asking.where(reader, now, commit.lower(), namespace))
    emit(
        document("GateWhere", commit=found.commit, builds=found.builds, platforms=found.places),
        output,
        _where(found),
    )
    if not found.builds:
        raise typer.Exit(NONE)
    raise typer.Exit(OK if all(each.stage == "verified" for each in found.places) else NEGATIVE)


@with_records
def bisect(
    platform: OnePlatformArgument = "",
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Start the next probe: the failed jobs alone, outside every history."),
    ] = False,
    budget: Annotated[int, typer.Option("--budget", min=1, help="Probes that may be spent.")] = 20,
    flake_rate: Annotated[
        float,
        typer.Option("--flake-rate", min=0.0, max=0.49, help="How often the jobs fail on a good image."),
    ] = 0.03,
    by: ByOption = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print which push broke the gate, or which build to probe next: between the last good and the first bad image, halving the
    odds with every probe, and not believing a flake.

    Exit codes: 0 the first bad build is found, or nothing is broken; 1 probes are needed; 2 wrong use; 3 there is no good
    image to begin with.

    Example: pilotage gate bisect aro-hcp --probe
    """
    from pilotage.api.errors import InputError
    from pilotage.app.gate import asking
    from pilotage.gate.health.bisect import BisectPolicy

    policy = BisectPolicy(budget=budget, flake_rate=flake_rate)
    gate, found = read(source, lambda reader: asking.bisect(reader, platform, namespace, policy))
    emit(
        document("GateBisection", platform=gate.spec.platform, bisection=found),
        output,
        _bisection(gate.spec.platform, found),
    )
    if probe and found.step is not None and found.step.action == "probe":
        if source.files or source.cluster is not None:
            raise InputError(
                "InvalidOption", "--probe starts jobs: it needs an instance, not recorded objects"
            )
        say(_probe(source.data_dir, gate.spec.platform, found, who(by), gate.metadata.namespace))
    if found.status in ("no-good", "no-suspects"):
        raise typer.Exit(NONE)
    raise typer.Exit(OK if found.status in ("found", "green") else NEGATIVE)


@with_records
def regress(
    platform: PlatformArgument = "",
    show_all: Annotated[bool, typer.Option("--all", help="Print what did not get worse, too.")] = False,
    at: AtOption = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print which jobs got worse: the last days against the thirty before and against the best thirty of half a year, all
    of them corrected together for having asked many questions.

    Exit codes: 0 none got worse, 1 some did, 2 wrong use, 3 there is no history.

    Example: pilotage gate regress aro-hcp --all
    """
    from pilotage.app.gate import asking

    now = now_or(at)
    judged = read(source, lambda reader: asking.regress(reader, now, platform, namespace))
    items = [_judged_json(each) for each in judged]
    shown = [each for each in judged if show_all or each.regressed]
    text = _judged(shown) if shown else f"none of {len(judged)} got worse"
    emit(document("GateRegressions", items=items), output, text if judged else "")
    if not judged:
        say("there is no history")
        raise typer.Exit(NONE)
    raise typer.Exit(NEGATIVE if any(each.regressed for each in judged) else OK)


@with_records
def matrix(
    digest: Annotated[
        str,
        typer.Argument(
            help="An image, or its first digits; without one what was tested last.", metavar="[DIGEST]"
        ),
    ] = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TEXT,
    *,
    source: ObjectSource,
) -> None:
    """Print the grid of hosted and management versions that an image was tested with, and the worst result of each.

    Exit codes: 0 everything passed, 1 something did not, or was not run, 2 wrong use, 3 nothing was tested.

    Example: pilotage gate matrix 4f2d1c09
    """
    from pilotage.app.gate import asking

    found = read(source, lambda reader: asking.matrix(reader, digest, namespace))
    emit(document("GateMatrix", digest=found.digest, cells=found.cells), output, _grid(found))
    if not found.cells:
        say("nothing was tested")
        raise typer.Exit(NONE)
    raise typer.Exit(OK if all(cell.result == "passed" for cell in found.cells) else NEGATIVE)


def _selected(found: Found, *, is_whole: bool) -> str:
    from pilotage.app.gate.asking import counted

    chosen, rejected = found.selection.chosen, found.selection.rejected
    if chosen is None:
        lines = [f"{found.platform}: none: {found.selection.reason}"]
    else:
        lines = [
            f"{found.platform}: {chosen.snapshot.name}",
            f"  image   {chosen.image}",
            f"  commit  {chosen.revision or '-'}",
        ]
    if is_whole:
        lines += [f"  {code:<22} {name}" for name, code in sorted(rejected.items(), reverse=True)]
    else:
        lines += [f"  {code:<22} {count}" for code, count in counted(rejected).items()]
    return "\n".join(lines)


def _where(found: Where) -> str:
    from pilotage.decision.render import table

    if not found.builds:
        return f"{found.commit}: no Snapshot has it: it is not built, or its Snapshot is gone"
    lines = [found.builds[-1].revision]
    for build in found.builds:
        acm = "released to ACM" if build.released else f"not released to ACM: {build.why}"
        lines.append(f"  built     {build.created}  {build.snapshot}  {short(build.digest)}; {acm}")
    rows = [(each.platform, each.stage, each.at or "-", each.why) for each in found.places]
    return "\n".join([*lines, "", table(("PLATFORM", "STAGE", "SINCE", "WHY"), rows)])


def _bisection(platform: str, found: Bisection) -> str:
    from pilotage.decision.render import table

    match found.status:
        case "green":
            return f"{platform}: nothing is broken: no run failed since the last one that passed"
        case "no-good":
            return f"{platform}: {found.bad} failed, and nothing before it passed: there is no good end"
        case "no-suspects":
            return f"{platform}: the Snapshots between {found.good} and {found.bad} are gone"
    rows = [
        (
            each.snapshot,
            each.created,
            short(each.digest),
            each.revision[:10] or "-",
            part(each.odds),
            ", ".join(each.probes) or "-",
        )
        for each in found.suspects
    ]
    lines = [
        f"{platform}: good {found.good}, bad {found.bad}",
        f"  jobs  {', '.join(found.jobs)}",
        "",
        table(("SUSPECT", "BUILT", "DIGEST", "COMMIT", "ODDS", "PROBES"), rows),
        "",
    ]
    answer = found.answer
    if found.step is not None and answer is not None:
        told = {
            "found": f"the first bad build is {answer.snapshot}, commit {answer.revision or 'unknown'}"
            f" (odds {found.step.odds:.1%})",
            "exhausted": f"the budget is spent; the likeliest is {answer.snapshot} (odds {found.step.odds:.1%})",
            "wait": f"a probe of {answer.snapshot} is under way",
            "probe": f"next: probe {answer.snapshot}, with: pilotage gate bisect {platform} --probe",
        }
        lines.append(told[found.step.action])
    return "\n".join(lines)


def _probe(data_dir: Path | None, platform: str, found: Bisection, by: str, namespace: str) -> str:
    """The failed jobs on the next suspect, as a rehearsal: it neither promotes nor counts."""
    from pilotage.app.gate import acting

    answer = found.answer
    if answer is None:
        return "there is nothing to probe"
    wanted = acting.Wanted(
        by=by,
        why=f"bisection between {found.good} and {found.bad}",
        snapshot=answer.snapshot,
        jobs=found.jobs,
        run_class="test",
        forced=True,
    )
    now = now_or("")
    outcome = write(data_dir, lambda store: acting.trigger(store, platform, wanted, now, namespace))
    return f"{outcome.action}: {outcome.run or outcome.reason}"


def _judged(shown: list[Judged]) -> str:
    from pilotage.decision.render import table

    headings = ("JOB", "MINOR", "PLATFORM", "SAMPLE", "BASE", "ANCHOR", "P", "Q", "DETECTABLE", "STATUS")
    return table(headings, [_judged_row(each) for each in shown])


def _judged_row(each: Judged) -> tuple[str, ...]:
    unit, value = each.unit, each.against_sliding.value
    q = min(each.sliding_q, each.anchor_q)
    return (
        unit.test,
        unit.minor or "-",
        unit.platform,
        f"{each.sample.runs.passed}/{each.sample.runs.total}",
        f"{each.sliding.runs.passed}/{each.sliding.runs.total}",
        f"{each.anchor.runs.passed}/{each.anchor.runs.total}" if each.anchor else "-",
        f"{value.p:.4f}" if value else "-",
        f"{q:.4f}",
        part(each.detectable),
        f"{'REGRESSED ' if each.regressed else ''}{value.status if value else '-'}",
    )


def _judged_json(each: Judged) -> dict[str, object]:
    from pilotage.gate.health.drift import cusum

    sliding = each.against_sliding.value
    anchor = each.against_anchor.value if each.against_anchor else None
    return {
        "test": each.unit.test,
        "minor": each.unit.minor,
        "platform": each.unit.platform,
        "sample": each.sample,
        "base": each.sliding,
        "anchor": each.anchor,
        "status": sliding.status if sliding else None,
        "p": sliding.p if sliding else None,
        "q": each.sliding_q,
        "anchorStatus": anchor.status if anchor else None,
        "anchorP": anchor.p if anchor else None,
        "anchorQ": each.anchor_q,
        "regressed": each.regressed,
        "detectable": each.detectable,
        "drift": cusum(not one.passed for one in each.unit.outcomes),
    }


def _grid(found: Grid) -> str:
    """Hosted versions down, management versions across."""
    from pilotage.decision.render import table
    from pilotage.gate.health.grid import sorted_versions

    if not found.cells:
        return ""
    hosted = sorted_versions(cell.hosted for cell in found.cells)
    management = sorted_versions(cell.management for cell in found.cells)
    results = {(cell.hosted, cell.management): cell.result for cell in found.cells}
    rows = [
        (version or "any", *(results.get((version, column), "-") for column in management))
        for version in hosted
    ]
    columns = (f"ON {version or 'ANY'}" for version in management)
    return "\n".join([found.digest, "", table(("HOSTED", *columns), rows)])
