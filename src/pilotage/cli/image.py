"""`pilotage image`: look at any image, and take it somewhere else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from pilotage.cli.access import ImageAccess, report, with_access
from pilotage.cli.output import Output, OutputOption, emit, human_size
from pilotage.cli.progress import counting

if TYPE_CHECKING:
    from pilotage.images.copy import CopyResult
    from pilotage.images.inspect import ImageInfo

__all__ = ["WAYS", "image"]

Way = Literal["copied", "mounted", "existed"]
WAYS: Final[tuple[tuple[Way, str], ...]] = (
    ("copied", "copied"),
    ("mounted", "taken over within the registry"),
    ("existed", "there before"),
)
"""How content comes to its destination, and what people are told."""

PLACES = "A reference, oci:DIR[:NAME], oci-archive:FILE or docker-archive:FILE."

image = typer.Typer(
    name="image", help="Look at any image, or copy it.", no_args_is_help=True, rich_markup_mode=None
)


@image.command("inspect", short_help="Show digests, platforms, labels and layers.")
@with_access
def inspect(
    place: Annotated[str, typer.Argument(help=PLACES, metavar="REF")],
    platform: Annotated[
        str, typer.Option("--platform", metavar="OS/ARCH", help="Of a multi-arch image, this one.")
    ] = "",
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Show digests, platforms, labels and layers of an image. No layer is downloaded.

    Exit codes: 0 shown, 2 wrong use or no such platform, 3 it could not be read.

    Example: pilotage image inspect quay.example.com/hypershift/hypershift-operator:v1.1.0
    """
    found = asyncio.run(_inspect(place, platform, access))
    emit(_image_document(found), output, _image_text(found))


@image.command("copy", short_help="Copy an image byte for byte, with all that belongs to it.")
@with_access
def copy(
    source: Annotated[str, typer.Argument(help=PLACES, metavar="SRC")],
    destination: Annotated[str, typer.Argument(help="A reference, or oci:DIR[:NAME].", metavar="DST")],
    all_platforms: Annotated[
        bool, typer.Option("--all", help="All platforms of a multi-arch image. The default.")
    ] = False,
    platform: Annotated[
        str, typer.Option("--platform", metavar="OS/ARCH", help="Only this one; the digest changes.")
    ] = "",
    referrers: Annotated[
        bool, typer.Option("--referrers/--no-referrers", help="Signatures, attestations and SBOMs too.")
    ] = True,
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Copy an image byte for byte, with all platforms, signatures and attestations.

    What is there already is not sent again; the tag is set last. The digest stays the same unless --platform picks one image.

    Exit codes: 0 copied, 2 wrong use or no such platform, 3 it could not be read or written.

    Example: pilotage image copy quay.example.com/hypershift/hypershift-operator:v1.1.0 oci:operator:v1.1.0
    """
    if all_platforms and platform:
        raise typer.BadParameter("--all and --platform exclude each other")
    found = asyncio.run(_copy(source, destination, platform, access, companions=referrers))
    emit(_copy_document(found), output, f"{source} -> {destination}\n{_copy_text(found)}")


async def _inspect(place: str, platform: str, access: ImageAccess) -> ImageInfo:
    from pilotage.app.images import opened
    from pilotage.images.inspect import inspect_image
    from pilotage.images.platforms import parse_platform

    async with opened(access, report) as images:
        source, reference = await images.open(place, cached=True)
        return await inspect_image(source, reference, parse_platform(platform) if platform else None)


async def _copy(
    source: str, destination: str, platform: str, access: ImageAccess, *, companions: bool
) -> CopyResult:
    from pilotage.app.images import opened
    from pilotage.images.copy import copy_image
    from pilotage.images.platforms import parse_platform

    async with opened(access, report) as images:
        wanted = parse_platform(platform) if platform else None
        origin, reference = await images.open(source)
        target, goal = images.target(destination)
        with counting("copying") as tick:
            return await copy_image(
                origin,
                reference,
                target,
                goal if goal.tag or goal.digest or not reference.tag else goal.tagged(reference.tag),
                platform=wanted,
                companions=companions,
                progress=lambda moved: tick(f"{moved.kind} {moved.digest[:19]}, {human_size(moved.size)}"),
            )


def _image_document(found: ImageInfo) -> dict[str, Any]:
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "ImageInfo",
        "reference": found.reference,
        "digest": found.digest,
        "imageDigest": found.image_digest,
        "listDigest": found.list_digest or None,
        "mediaType": found.media_type,
        "platform": str(found.platform),
        "platforms": [str(each) for each in found.platforms],
        "isMultiArch": found.is_multi_arch,
        "created": found.created,
        "labels": dict(found.labels),
        "layers": [
            {"digest": each.digest, "mediaType": each.media_type, "size": each.size} for each in found.layers
        ],
        "size": found.size,
        "children": [
            {"digest": each.digest, "platform": str(each.platform) if each.platform else None}
            for each in found.children
        ],
    }


def _image_text(found: ImageInfo) -> str:
    from pilotage.cli.releasetext import fields, section
    from pilotage.decision.render import table

    known = [("Name", found.reference), ("Digest", found.digest)]
    if found.list_digest:
        known.append(("Image read", f"{found.image_digest} ({found.platform})"))
    known += [
        ("Media type", found.media_type),
        ("Created", found.created or "unknown"),
        ("Platforms", ", ".join(map(str, found.platforms))),
        ("Size", f"{human_size(found.size)} in {len(found.layers)} layers"),
    ]
    parts = [fields(known)]
    if found.children:
        rows = [(str(each.platform or "unknown"), each.digest) for each in found.children]
        parts.append(section("Images", table(("PLATFORM", "DIGEST"), rows)))
    if found.labels:
        parts.append(
            section("Labels", "\n".join(f"{key}={value}" for key, value in sorted(found.labels.items())))
        )
    layers = [(each.digest, human_size(each.size), each.media_type) for each in found.layers]
    parts.append(section("Layers", table(("DIGEST", "SIZE", "MEDIA TYPE"), layers)))
    return "\n\n".join(parts)


def _copy_document(found: CopyResult) -> dict[str, Any]:
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "CopyResult",
        "source": found.source,
        "destination": found.destination,
        "digest": found.digest,
        "mediaType": found.media_type,
        "referrers": found.referrers,
        "signatures": found.signatures,
        **{way: {"count": found.count(way), "bytes": found.size(way)} for way, _ in WAYS},
    }


def _copy_text(found: CopyResult) -> str:
    moved = [
        f"{found.count(way)} {told} ({human_size(found.size(way))})" for way, told in WAYS if found.count(way)
    ]
    lines = [f"  digest  {found.digest}", f"  moved   {', '.join(moved)}"]
    if found.referrers or found.signatures:
        lines.append(f"  with    {found.referrers} referrers and {found.signatures} signatures by tag")
    return "\n".join(lines)
