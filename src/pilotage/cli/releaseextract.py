"""`pilotage release extract`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotage.cli.access import ImageAccess, report, with_release_access
from pilotage.cli.output import say
from pilotage.cli.releaseinfo import LOCATIONS, FromDirOption, PlatformOption, one_release

if TYPE_CHECKING:
    from pilotage.app.releasefiles import Selection

__all__ = ["extract"]


@with_release_access
def extract(
    release: Annotated[str, typer.Argument(help=LOCATIONS, metavar="[REF]")] = "",
    to: Annotated[Path | None, typer.Option("--to", help="Write the files into this directory.")] = None,
    file: Annotated[str, typer.Option("--file", metavar="NAME", help="Print this one file.")] = "",
    credentials_requests: Annotated[
        bool, typer.Option("--credentials-requests", help="Only requests for cloud credentials.")
    ] = False,
    cloud: Annotated[
        str, typer.Option("--cloud", help="Only requests for credentials of this cloud: aws, azure, gcp, …")
    ] = "",
    profile: Annotated[
        str,
        typer.Option(
            "--profile", help="Only what a cluster of this profile applies, such as ibm-cloud-managed."
        ),
    ] = "",
    feature_set: Annotated[
        str, typer.Option("--feature-set", help="Only what a cluster with this feature set applies.")
    ] = "",
    platform: PlatformOption = "",
    from_dir: FromDirOption = None,
    *,
    access: ImageAccess,
) -> None:
    """Take files out of a release: all to a directory, selected ones, or one to stdout.

    With --file the bytes are printed as they are. Without --to what is selected is printed as one stream of documents.
    Client tools and sources are not extracted.

    Exit codes: 0 extracted, 1 the selection is empty, 2 wrong use or no such file, 3 the release could not be read.

    Example: pilotage release extract quay.example.com/openshift/release:4.20.3-multi --to manifests/
    """
    from pilotage.app.releasefiles import Selection

    text = one_release(release, from_dir)
    selection = Selection(credentials_requests, cloud, profile, feature_set)
    if file and (to or selection != Selection()):
        raise typer.BadParameter("--file prints one file; it goes with no other selection")
    if not file and to is None and selection == Selection():
        raise typer.BadParameter("say where to: --to DIR, or --file NAME for stdout")
    raise typer.Exit(asyncio.run(_extract(text, platform, file, to, selection, access)))


async def _extract(
    text: str, platform: str, file: str, to: Path | None, selection: Selection, access: ImageAccess
) -> int:
    from pilotage.app import releasefiles
    from pilotage.app.images import opened
    from pilotage.app.releases import open_release
    from pilotage.images.platforms import parse_platform

    async with opened(access, report) as images:
        release = await open_release(images, text, parse_platform(platform) if platform else None)
        if file:
            sys.stdout.buffer.write(await release.payload.read(file))
            sys.stdout.buffer.flush()
            return 0
        if to is not None:
            written = await releasefiles.extract_to(release, selection, to)
            say(f"{len(written)} files of {release.payload.display_version} written to {to}")
            return 0 if written else 1
        found = await releasefiles.selected(release, selection)
        for raw in found.values():
            sys.stdout.buffer.write(b"---\n" + raw.rstrip(b"\n") + b"\n")
        sys.stdout.buffer.flush()
        return 0 if found else 1
