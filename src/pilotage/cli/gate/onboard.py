"""`pilotage gate onboard`: can the first night of a platform begin?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.gate.sources import GatesOption, PlatformOption, given, tenant
from pilotage.cli.output import Output, OutputOption, emit
from pilotage.cli.sources import ContextOption, DataDirOption, KubeconfigOption

if TYPE_CHECKING:
    from pathlib import Path

    from pilotage.app.gate.onboarding import Check

__all__ = ["onboard"]

OK, NO = 0, 1


def onboard(
    verify: Annotated[
        bool, typer.Option("--verify", help="Check, and change nothing. The only thing this verb does.")
    ],
    platform: PlatformOption = "",
    files: GatesOption = None,
    origin: Annotated[
        str, typer.Option("--from", metavar="DUMP|live", help="A dump of the tenant, or the cluster itself.")
    ] = "live",
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check what the first night needs: the Gate itself, CronJob, accounts, Secrets, scenario, release plan and admission; then
    trigger it dry, to see which Snapshot it would take.

    Exit codes: 0 every check says yes, 1 one says no, 2 wrong use, 3 the cluster could not be read.

    Example: pilotage gate onboard --verify --platform aro-hcp -f gate.yaml --from live
    """
    if not verify:
        raise typer.BadParameter(
            "there is nothing to onboard but by applying the rendered tree; add --verify"
        )
    checks = asyncio.run(_verify(platform, files, origin, kubeconfig, context, data_dir))
    passed = all(each.passed for each in checks)
    document = {"apiVersion": "pilotage.dev/v1", "kind": "GateOnboarding", "passed": passed, "checks": checks}
    emit(document, output, "\n".join(map(_told, checks)))
    raise typer.Exit(OK if passed else NO)


async def _verify(
    platform: str,
    files: list[str] | None,
    origin: str,
    kubeconfig: str,
    context: str,
    data_dir: Path | None,
) -> tuple[Check, ...]:
    from pilotage.app.gate.given import open_tenant, platform_of
    from pilotage.app.gate.onboarding import verify
    from pilotage.runtime.clock import SystemClock

    gates = await given(files, data_dir)
    wanted = platform_of(gates, platform)
    async with open_tenant(tenant(origin, kubeconfig, context)) as opened:
        return await verify(gates, wanted, opened.reader, SystemClock().now())


def _told(check: Check) -> str:
    line = f"{'yes' if check.passed else 'NO ':<3}  {check.name:<9}  {check.reason}"
    return line if check.passed or not check.hint else f"{line}\n     → {check.hint}"
