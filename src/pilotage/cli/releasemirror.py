"""`pilotage release mirror` and `mirror-check`: releases where their source is not at hand."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotage.cli.access import ImageAccess, report, with_release_access
from pilotage.cli.image import WAYS
from pilotage.cli.output import Output, OutputOption, emit, human_size, say
from pilotage.cli.progress import counting
from pilotage.cli.releaseinfo import LOCATIONS, FromDirOption, one_release

if TYPE_CHECKING:
    from pilotage.app.releasemirror import ImageCheck, Mirrored
    from pilotage.app.releases import Release
    from pilotage.images.payload.mirrorlist import MirrorStep

__all__ = ["mirror", "mirror_check"]

OK, NO, FAILED = 0, 1, 3

_MAX_CAUSES = 10


SkipOption = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="NAME",
        help="Without these images; patterns like kubevirt-* fit several. Repeatable.",
    ),
]


class Instructions(StrEnum):
    IDMS = "idms"
    ITMS = "itms"
    NONE = "none"


@with_release_access
def mirror(
    release: Annotated[str, typer.Argument(help=LOCATIONS, metavar="REF")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="REPO|oci:DIR",
            help="A repository, a pattern with ${component}, or a layout on disk.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be copied where.")] = False,
    print_mirror_instructions: Annotated[
        Instructions,
        typer.Option(
            "--print-mirror-instructions", help="Print the object that tells a cluster of the mirror."
        ),
    ] = Instructions.IDMS,
    skip: SkipOption = None,
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Copy a release and every image it names, by digest and with all architectures and signatures.

    What is there already is not sent again: after a failure run the same command again. The payload comes last, so whoever finds
    it in the mirror finds all of it. The boot image of KubeVirt, which is no component, is copied too.

    Exit codes: 0 everything is there, 2 wrong use, 3 something could not be copied.

    Example: pilotage release mirror quay.example.com/openshift/release:4.20.3-multi --to mirror.example.com:5000/ocp/release
    """
    raise typer.Exit(
        asyncio.run(
            _mirror(
                release, to, tuple(skip or ()), print_mirror_instructions, output, access, dry_run=dry_run
            )
        )
    )


async def _mirror(
    text: str,
    to: str,
    skip: tuple[str, ...],
    kind: Instructions,
    output: Output,
    access: ImageAccess,
    *,
    dry_run: bool,
) -> int:
    from pilotage.app import releasemirror
    from pilotage.app.images import opened
    from pilotage.app.releases import open_release

    async with opened(access, report) as images:
        release = await open_release(images, text)
        steps = releasemirror.plan(release, to, skip)
        told = _instructions(steps, kind, to)
        if dry_run:
            emit(_plan_document(release, steps, told), output, "\n".join(map(str, steps)))
            return OK
        with counting("mirroring images", len(steps)) as tick:
            done = await releasemirror.mirror(images, release, to, steps, tick)
    emit(_mirror_document(release, done, told), output, _mirror_text(release, done, told, to))
    for name, error in sorted(done.failed.items()):
        say(f"error: {error.code}: {name}: {error.message}")
    if done.failed:
        say(
            f"{len(done.failed)} of {len(steps)} images are missing, and so the payload was not copied; run it again"
        )
    return FAILED if done.failed else OK


def _instructions(steps: tuple[MirrorStep, ...], kind: Instructions, to: str) -> dict[str, Any] | None:
    from pilotage.app import releasemirror

    if kind is Instructions.NONE or to.startswith("oci:"):
        return None
    return releasemirror.instructions(steps, "idms" if kind is Instructions.IDMS else "itms")


def _plan_document(
    release: Release, steps: tuple[MirrorStep, ...], told: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "MirrorPlan",
        "release": release.payload.pull_spec,
        "steps": [
            {"name": each.name, "source": str(each.source), "destination": str(each.destination)}
            for each in steps
        ],
        "instructions": told,
    }


def _mirror_document(release: Release, done: Mirrored, told: dict[str, Any] | None) -> dict[str, Any]:
    steps = {each.name: each for each in done.steps}
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "MirrorResult",
        "release": release.payload.pull_spec,
        "images": [
            {"name": name, "destination": str(steps[name].destination), "digest": result.digest}
            for name, result in sorted(done.results.items())
        ],
        "failed": [
            {"name": name, "code": error.code, "message": error.message}
            for name, error in sorted(done.failed.items())
        ],
        "copied": {"count": done.count("copied"), "bytes": done.size("copied")},
        "mounted": {"count": done.count("mounted"), "bytes": done.size("mounted")},
        "existed": {"count": done.count("existed"), "bytes": done.size("existed")},
        "instructions": told,
    }


def _mirror_text(release: Release, done: Mirrored, told: dict[str, Any] | None, to: str) -> str:
    if done.failed:
        return ""
    moved = ", ".join(
        f"{done.count(way)} {told_as} ({human_size(done.size(way))})"
        for way, told_as in WAYS
        if done.count(way)
    )
    last = next((each.destination for each in done.steps if each.name == "release"), None)
    lines = [
        f"Mirrored {release.payload.display_version}: {len(done.results)} images; blobs and manifests: {moved}",
        *([f"Update image:  {last}"] if last else []),
        f"Mirror:        {to}",
    ]
    if told is not None:
        from pilotage.api import yaml

        lines += ["", "Tell clusters of it:", "", yaml.dump(told).rstrip("\n")]
    return "\n".join(lines)


@with_release_access
def mirror_check(
    release: Annotated[str, typer.Argument(help=LOCATIONS, metavar="[REF]")] = "",
    from_dir: FromDirOption = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Ask for every image of each index and for every layer too.")
    ] = False,
    show_all: Annotated[bool, typer.Option("--all", help="List the images that are fine as well.")] = False,
    skip: SkipOption = None,
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Is everything that a release needs within reach of a cluster with these mirrors?

    The payload, every component and the KubeVirt boot image are looked for at each mirror and at the source: present, missing,
    unauthorized, unreachable, digest mismatch, or (with --deep) incomplete.

    Exit codes: 0 every image can be read somewhere, 1 some cannot, 2 wrong use, 3 the release could not be read.

    Example: pilotage release mirror-check quay.example.com/openshift/release:4.20.3-multi --mirrors idms.yaml
    """
    if not access.mirror_files:
        raise typer.BadParameter("name the mirror rules with --mirrors FILE")
    found = asyncio.run(
        _mirror_check(one_release(release, from_dir), tuple(skip or ()), access, is_deep=deep)
    )
    gone = [each for each in found if not each.is_reachable]
    document = {
        "apiVersion": "pilotage.dev/v1",
        "kind": "MirrorCheck",
        "reachable": not gone,
        "images": [
            {"name": each.name, "image": each.image, "reachable": each.is_reachable, "places": each.places}
            for each in found
        ],
    }
    emit(document, output, _check_text(found, show_all=show_all))
    raise typer.Exit(NO if gone else OK)


async def _mirror_check(
    text: str, skip: tuple[str, ...], access: ImageAccess, *, is_deep: bool
) -> tuple[ImageCheck, ...]:
    from pilotage.app import releasemirror
    from pilotage.app.images import opened, read_mirrors
    from pilotage.app.releases import open_release

    async with opened(access, report) as images:
        release = await open_release(images, text)
        mirrors = read_mirrors(access.mirror_files)
        with counting("asking registries", len(release.payload.components) + 1) as tick:
            return await releasemirror.check(images, release, mirrors, tick, is_deep=is_deep, skip=skip)


def _check_text(found: tuple[ImageCheck, ...], *, show_all: bool) -> str:
    """What is not fine, place by place, and a sentence that sums up."""
    from pilotage.decision.render import table

    rows = []
    causes: dict[str, None] = {}
    for each in found:
        is_fine = all(place.state in ("present", "not contacted") for place in each.places)
        if is_fine and not show_all:
            continue
        rows += [(each.name, place.state, place.role, place.place) for place in each.places]
        causes |= {
            place.cause: None
            for place in each.places
            if place.cause and place.state not in ("missing", "not contacted")
        }
    gone = sum(not each.is_reachable for each in found)
    summary = (
        f"{gone} of {len(found)} images cannot be read anywhere"
        if gone
        else f"all {len(found)} images can be read"
    )
    parts = [table(("IMAGE", "STATE", "ROLE", "PLACE"), rows)] if rows else []
    shown = list(causes)[:_MAX_CAUSES]
    if shown:
        parts.append(
            "\n".join(
                shown
                + (
                    [f"… and {len(causes) - len(shown)} more causes; -o json has all"]
                    if len(causes) > len(shown)
                    else []
                )
            )
        )
    return "\n\n".join([*parts, summary])
