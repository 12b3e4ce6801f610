"""Options of the verbs that onboard a platform: where Gates are, and where the tenant is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pilotage.app.gate.given import Given, Tenant

__all__ = ["GatesOption", "PlatformOption", "given", "tenant"]

GatesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filename",
        "-f",
        metavar="FILE|DIR|-",
        help="Gates and version matrices. Repeatable. [default: those of an instance]",
    ),
]
PlatformOption = Annotated[
    str,
    typer.Option("--platform", help="The managed service, such as aro-hcp. [default: the only one given]"),
]


async def given(files: list[str] | None, data_dir: Path | None, *, is_tolerant: bool = False) -> Given:
    from pilotage.app.gate.given import given_gates
    from pilotage.app.objects import ObjectSource

    return await given_gates(ObjectSource(tuple(files or ()), data_dir), is_tolerant=is_tolerant)


def tenant(origin: str, kubeconfig: str, context: str) -> Tenant:
    """A cluster that is named is meant, also without the word `live`."""
    from pilotage.app.gate.given import LIVE, Tenant

    return Tenant(origin or (LIVE if kubeconfig or context else ""), kubeconfig, context)
