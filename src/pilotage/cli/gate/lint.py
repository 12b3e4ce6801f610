"""`pilotage gate lint`: what is wrong, before it costs a night."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.gate.sources import GatesOption, given, tenant
from pilotage.cli.output import Output, OutputOption, emit
from pilotage.cli.sources import ContextOption, DataDirOption, KubeconfigOption

if TYPE_CHECKING:
    from pathlib import Path

    from pilotage.decision.findings import Finding

__all__ = ["lint"]

OK, FOUND = 0, 1


def lint(
    files: GatesOption = None,
    dump: Annotated[
        str,
        typer.Option(
            "--konflux-dump",
            metavar="DUMP|live",
            help="Look at what is applied as well: a dump of any tenant, or a cluster. Enough without a Gate.",
        ),
    ] = "",
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Find what is wrong with Gates, and with the Konflux objects around them. Every finding has a code, and says what to do.

    Exit codes: 0 no errors, 1 errors, 2 wrong use, 3 the cluster could not be read.

    Example: pilotage gate lint -f gate.yaml --konflux-dump tenant/
    """
    found = asyncio.run(_lint(files, dump, kubeconfig, context, data_dir))
    errors = sum(each.severity == "error" for each in found)
    document = {"apiVersion": "pilotage.dev/v1", "kind": "GateLint", "errors": errors, "findings": found}
    lines = [_told(each) for each in found]
    summary = f"{errors} errors, {len(found) - errors} warnings" if found else "no findings"
    emit(document, output, "\n".join([*lines, summary]))
    raise typer.Exit(FOUND if errors else OK)


async def _lint(
    files: list[str] | None, dump: str, kubeconfig: str, context: str, data_dir: Path | None
) -> tuple[Finding, ...]:
    from pilotage.app.gate.given import Given
    from pilotage.app.gate.planning import lint
    from pilotage.runtime.clock import SystemClock

    where = tenant(dump, kubeconfig, context)
    is_tenant_only = where.origin and not files and data_dir is None
    gates = Given() if is_tenant_only else await given(files, data_dir, is_tolerant=True)
    return await lint(gates, where, SystemClock().now())


def _told(finding: Finding) -> str:
    where = " ".join(filter(None, (finding.subject, finding.field)))
    line = ": ".join(filter(None, (f"{finding.severity} {finding.code}", where, finding.message)))
    return f"{line}\n  → {finding.hint}" if finding.hint else line
