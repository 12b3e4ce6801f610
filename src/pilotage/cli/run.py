"""`pilotage run`: the controllers on a real cluster."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, with_access
from pilotage.cli.output import say
from pilotage.cli.sources import ContextOption, KubeconfigOption

if TYPE_CHECKING:
    from pilotage.app.run import RunSettings
    from pilotage.runtime.perform import Change

__all__ = ["run"]

OFF = "off"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


@with_access
def run(
    kubeconfig: KubeconfigOption = "",
    context: ContextOption = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Only hosted clusters of this namespace. [default: all]")
    ] = "",
    lease: Annotated[
        str, typer.Option("--lease", metavar="NAME|off", help="The Lease that says which process acts.")
    ] = "pilotage",
    lease_namespace: Annotated[
        str, typer.Option("--lease-namespace", help="Where it is. [default: the pod's, or the context's]")
    ] = "",
    lease_duration: Annotated[
        int, typer.Option("--lease-duration", metavar="SECONDS", help="How long others wait for the leader.")
    ] = 10,
    renew_deadline: Annotated[
        float,
        typer.Option(
            "--renew-deadline", metavar="SECONDS", help="How long the leader acts without a renewal."
        ),
    ] = 7.0,
    retry_period: Annotated[
        float,
        typer.Option("--retry-period", metavar="SECONDS", help="Between renewals, and between two looks."),
    ] = 2.0,
    identity: Annotated[
        str,
        typer.Option("--identity", help="The name in the Lease. [default: the host's, and a random part]"),
    ] = "",
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT|off", help="Where to serve health and metrics.")
    ] = "127.0.0.1:8080",
    own_credentials: Annotated[
        bool,
        typer.Option(
            "--own-credentials", help="Read images as this process, not with the clusters' pull secrets."
        ),
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How to write the log, on stderr.")
    ] = LogFormat.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Run the controllers on a real cluster, until SIGTERM or Ctrl-C.

    Of several processes with one Lease one acts, and the others stand by. A leader that cannot renew stops acting before
    another one starts. A stop finishes what is in flight and hands over at once. Serves /livez, /readyz and /metrics.

    Exit codes: 0 stopped, 2 the kubeconfig or an option cannot be used, 3 the cluster does not answer, or the address
    is taken.

    Example: pilotage run --context management --namespace clusters
    """
    from pilotage.app.clusters import ClusterChoice
    from pilotage.app.run import RunSettings
    from pilotage.runtime.lease import LeaseSettings

    settings = RunSettings(
        ClusterChoice(kubeconfig, context),
        namespace,
        LeaseSettings(lease_duration, renew_deadline, retry_period) if lease != OFF else None,
        lease,
        lease_namespace,
        identity,
        not own_credentials,
    )
    _log_to_stderr(log_format)
    asyncio.run(_run(settings, access, listen))


async def _run(settings: RunSettings, access: ImageAccess, listen: str) -> None:
    from pilotage.app import health
    from pilotage.app import run as app_run
    from pilotage.cli.signals import on_signal

    address = health.address_of(listen) if listen != OFF else None
    async with contextlib.AsyncExitStack() as stack:
        controllers = await stack.enter_async_context(app_run.opened(settings, access, _on_change))
        on_signal(controllers.stop)
        if address is not None:
            where = await stack.enter_async_context(health.served(controllers, address))
            say(f"serving /livez, /readyz and /metrics on {where}")
        await controllers.run()
    say("stopped")


def _on_change(_change: Change) -> None:
    """The log says it."""


def _log_to_stderr(log_format: LogFormat) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format is LogFormat.JSON else _Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class _Lines(logging.Formatter):
    """`2026-05-20T04:35:16Z INFO runtime.lease: …`"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 -- the base class's
        return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _JsonLines(_Lines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        import msgspec

        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode()
