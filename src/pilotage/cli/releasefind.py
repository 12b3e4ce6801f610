"""`pilotage release find`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, report, with_release_access
from pilotage.cli.output import Output, OutputOption, emit, say
from pilotage.cli.releaseinfo import LOCATIONS

if TYPE_CHECKING:
    from pilotage.app.releasefind import Found

__all__ = ["find"]

OK, NO = 0, 1


@with_release_access
def find(
    image: Annotated[
        str, typer.Argument(help="A digest, a pull spec, or where the image lies.", metavar="IMAGE")
    ],
    releases: Annotated[list[str], typer.Argument(help=LOCATIONS, metavar="REF...")],
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Which of these releases ship this image? By digest, whatever the repository is called.

    Exit codes: 0 at least one does, 1 none does, 2 wrong use, 3 something could not be read.

    Example: pilotage release find quay.example.com/hypershift/control-plane-operator:4.20.3-hotfix 4.20.3 4.20.4
    """
    from pilotage.decision.render import table

    digest, found = asyncio.run(_find(image, tuple(releases), access))
    document = {
        "apiVersion": "pilotage.dev/v1",
        "kind": "ReleasesWithImage",
        "digest": digest,
        "items": found,
    }
    rows = [(each.version, ", ".join(each.components), each.pull_spec) for each in found]
    emit(document, output, table(("RELEASE", "COMPONENT", "PULL SPEC"), rows) if rows else "")
    if not found:
        say(f"none of {len(releases)} releases ships {digest}")
    raise typer.Exit(OK if found else NO)


async def _find(image: str, releases: tuple[str, ...], access: ImageAccess) -> tuple[str, tuple[Found, ...]]:
    from pilotage.app import releasefind
    from pilotage.app.images import opened

    async with opened(access, report) as images:
        return await releasefind.find(images, image, releases)
