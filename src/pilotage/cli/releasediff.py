"""`pilotage release diff`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, report, with_release_access
from pilotage.cli.output import Output, OutputOption, emit

if TYPE_CHECKING:
    from pilotage.app.releasediff import ReleaseDiff

__all__ = ["diff"]


@with_release_access
def diff(
    first: Annotated[
        str, typer.Argument(help="The old release; with --changes-from the new one.", metavar="OLD")
    ],
    second: Annotated[str, typer.Argument(help="The new release.", metavar="[NEW]")] = "",
    changes_from: Annotated[
        str, typer.Option("--changes-from", metavar="OLD", help="The old release, before the new one.")
    ] = "",
    commits: Annotated[bool, typer.Option("--commits", help="Show source changes as links.")] = False,
    manifests: Annotated[
        bool, typer.Option("--manifests", help="Show how manifests changed, line by line.")
    ] = False,
    boot_images: Annotated[
        bool, typer.Option("--boot-images", help="List every boot image that changed, not only how many.")
    ] = False,
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Compare two releases: components, versions, manifests, boot images, feature gates, operator labels.

    JSON has the keys of the changelog of `oc adm release info`, without commit lists.

    Exit codes: 0 compared, 2 wrong use, 3 a release could not be read.

    Example: pilotage release diff quay.example.com/openshift/release:4.19.7-multi
    quay.example.com/openshift/release:4.20.3-multi --manifests
    """
    if bool(second) == bool(changes_from):
        raise typer.BadParameter("name two releases: OLD NEW, or NEW --changes-from OLD")
    pair = (first, second) if second else (changes_from, first)
    found = asyncio.run(_diff(pair, access))
    _print(found, output, commits=commits, manifests=manifests, boot_images=boot_images)


async def _diff(pair: tuple[str, str], access: ImageAccess) -> ReleaseDiff:
    from pilotage.app import releasediff
    from pilotage.app.images import opened
    from pilotage.app.releases import open_release
    from pilotage.images.parallel import gather

    async with opened(access, report) as images:
        old, new = await gather([open_release(images, text) for text in pair])
        return await releasediff.compare(old, new)


def _print(found: ReleaseDiff, output: Output, *, commits: bool, manifests: bool, boot_images: bool) -> None:
    from pilotage.app import releasediff
    from pilotage.cli import releasedifftext

    if output is not Output.TEXT:
        emit(releasediff.document(found), output, "")
        return
    text = releasedifftext.diff(
        found, datetime.now(UTC), commits=commits, manifests=manifests, boot_images=boot_images
    )
    print(text)
