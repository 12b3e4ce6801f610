"""`pilotage release info` and `pilotage release components`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from pilotage.cli.access import ImageAccess, report, with_release_access
from pilotage.cli.output import Output, OutputOption, emit, say, told
from pilotage.cli.progress import counting

if TYPE_CHECKING:
    from pilotage.app.images import Images
    from pilotage.app.releases import Release

__all__ = ["LOCATIONS", "FromDirOption", "PlatformOption", "components", "info", "one_release"]

OK, NO, WRONG_USE, FAILED = 0, 1, 2, 3

LOCATIONS = (
    "A reference, oci:DIR[:NAME], oci-archive:FILE, docker-archive:FILE, a directory, or a short-form file."
)

PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="Of a multi-arch image, the one to read.")
]
FromDirOption = Annotated[
    Path | None, typer.Option("--from-dir", help="A directory that is or holds release-manifests/.")
]


class InfoOutput(StrEnum):
    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    DIGEST = "digest"
    PULLSPEC = "pullspec"


class View(StrEnum):
    """What `release info` shows; exactly one."""

    SUMMARY = "summary"
    PULLSPECS = "--pullspecs"
    COMMITS = "--commits"
    COMMIT_URLS = "--commit-urls"
    SIZE = "--size"
    CONTENTS = "--contents"
    STREAMS = "--streams"
    VERIFY = "--verify"
    IMAGE_FOR = "--image-for"


class _Wanted(msgspec.Struct, frozen=True):
    view: View
    output: InfoOutput
    image_for: str = ""
    platform: str = ""
    include_images: bool = False


@with_release_access
def info(
    releases: Annotated[list[str] | None, typer.Argument(help=LOCATIONS, metavar="[REF]...")] = None,
    pullspecs: Annotated[bool, typer.Option("--pullspecs", help="Show where the images are.")] = False,
    commits: Annotated[bool, typer.Option("--commits", help="Show what each was built from.")] = False,
    commit_urls: Annotated[bool, typer.Option("--commit-urls", help="The same as links.")] = False,
    size: Annotated[bool, typer.Option("--size", help="Show how much each image adds.")] = False,
    contents: Annotated[
        bool, typer.Option("--contents", help="Print all manifests as one stream of documents.")
    ] = False,
    streams: Annotated[
        bool, typer.Option("--streams", "--stream", help="Show the boot images of each OS stream.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash the payload and every image; one line each.")
    ] = False,
    image_for: Annotated[str, typer.Option("--image-for", metavar="NAME", help="Print one pull spec.")] = "",
    include_images: Annotated[
        bool, typer.Option("--include-images", help="With -o json or yaml, describe the images as well.")
    ] = False,
    platform: PlatformOption = "",
    from_dir: FromDirOption = None,
    output: Annotated[
        InfoOutput,
        typer.Option("--output", "-o", help="How to print; name, digest and pullspec list the components."),
    ] = InfoOutput.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """Show what is in release payloads. JSON has the keys of `oc adm release info -o json`.

    A release that cannot be read is reported and the others are shown all the same.

    Exit codes: 0 all were shown, 1 --verify found other bytes than the digest says, 2 wrong use, 3 something could not be
    read.

    Example: pilotage release info quay.example.com/openshift/release:4.20.3-multi --commits
    """
    chosen = {
        View.PULLSPECS: pullspecs,
        View.COMMITS: commits,
        View.COMMIT_URLS: commit_urls,
        View.SIZE: size,
        View.CONTENTS: contents,
        View.STREAMS: streams,
        View.VERIFY: verify,
        View.IMAGE_FOR: bool(image_for),
    }
    views = [view for view, is_chosen in chosen.items() if is_chosen]
    if len(views) > 1:
        raise typer.BadParameter(f"{' and '.join(views)} exclude each other")
    wanted = _Wanted(views[0] if views else View.SUMMARY, output, image_for, platform, include_images)
    _check_output(wanted)
    named = [*(releases or ()), *([str(from_dir)] if from_dir else [])]
    if not named:
        raise typer.BadParameter("name a release, or a directory with --from-dir")
    raise typer.Exit(asyncio.run(_info(named, wanted, access)))


def _check_output(wanted: _Wanted) -> None:
    lists = (InfoOutput.NAME, InfoOutput.DIGEST, InfoOutput.PULLSPEC)
    if wanted.output in lists and wanted.view is not View.SUMMARY:
        raise typer.BadParameter(f"-o {wanted.output} and {wanted.view} exclude each other")
    if wanted.output is not InfoOutput.TEXT and wanted.view in (View.CONTENTS, View.VERIFY, View.IMAGE_FOR):
        raise typer.BadParameter(f"{wanted.view} prints text only")


async def _info(named: list[str], wanted: _Wanted, access: ImageAccess) -> int:
    """The worst exit code of all releases; a failing one does not keep the others from being shown."""
    from pilotage.api.errors import PilotageError
    from pilotage.app.images import opened

    worst = OK
    async with opened(access, report) as images:
        for number, text in enumerate(named):
            try:
                worst = max(worst, await _show_one(images, text, wanted, is_first=number == 0))
            except PilotageError as error:
                say(told(error))
                worst = max(worst, NO if error.code == "ContentIntegrity" else error.exit_code)
    return worst


async def _show_one(images: Images, text: str, wanted: _Wanted, *, is_first: bool) -> int:
    from pilotage.app.releases import open_release
    from pilotage.images.platforms import parse_platform

    release = await open_release(images, text, parse_platform(wanted.platform) if wanted.platform else None)
    if wanted.view is View.VERIFY:
        return await _verify(release)
    if wanted.view is View.IMAGE_FOR:
        print(release.payload.image_of(wanted.image_for))
    elif wanted.view is View.CONTENTS:
        from pilotage.app import releaseinfo

        print(await releaseinfo.files_stream(release.payload), end="")
    elif wanted.output in (InfoOutput.JSON, InfoOutput.YAML):
        return await _print_document(release, wanted, is_first=is_first)
    elif wanted.output is InfoOutput.TEXT:
        return await _print_text(release, wanted, is_first=is_first)
    else:
        return _print_list(release, wanted.output)
    return OK


async def _verify(release: Release) -> int:
    from pilotage.app import releaseinfo

    payload = release.payload
    with counting("verifying images", len(payload.components)) as tick:
        verified = await releaseinfo.verify(release, tick)
    for name, error in sorted(verified.failed.items()):
        say(f"error: {error.code}: {name}: {error.message}")
    if verified.failed:
        return NO if verified.is_tampered else FAILED
    created = payload.content.references.created or payload.content.config.created or "-"
    print(payload.digest or "-", created, payload.display_version)
    return OK


async def _print_document(release: Release, wanted: _Wanted, *, is_first: bool) -> int:
    from pilotage.app import releaseinfo

    found, code = None, OK
    if wanted.include_images or wanted.view is View.SIZE:
        found, code = await _component_images(release)
    document = await releaseinfo.document(release, found)
    if wanted.view is View.STREAMS:
        from pilotage.app.bootdrift import boot_drift

        found_images = release.payload.boot_images()
        document["streams"] = releaseinfo.stream_rows(found_images)
        document["bootImageDrift"] = boot_drift(found_images, release.payload.component_versions)
    elif wanted.view is View.SIZE:
        document["sizes"] = releaseinfo.sizes_of(release.payload, found or {})
    if wanted.output is InfoOutput.YAML and not is_first:
        print("---")
    emit(document, Output(wanted.output.value), "")
    return code


async def _print_text(release: Release, wanted: _Wanted, *, is_first: bool) -> int:
    from pilotage.app import releaseinfo
    from pilotage.cli import releasetext

    code = OK
    now = datetime.now(UTC)
    components = release.payload.components.values()
    if wanted.view is View.STREAMS:
        from pilotage.app.bootdrift import boot_drift

        boot_images = release.payload.boot_images()
        drift = boot_drift(boot_images, release.payload.component_versions)
        body = releasetext.streams(releaseinfo.stream_rows(boot_images), drift)
    elif wanted.view is View.SIZE:
        found, code = await _component_images(release)
        body = releasetext.sizes(releaseinfo.sizes_of(release.payload, found), now)
    elif wanted.view is View.PULLSPECS:
        body = releasetext.pull_specs(components)
    elif wanted.view is View.COMMITS:
        body = releasetext.commits(components)
    elif wanted.view is View.COMMIT_URLS:
        body = releasetext.commit_urls(components)
    else:
        body = releasetext.digests(components)
    print(
        ("" if is_first else "\n")
        + releasetext.info(release.payload, body, is_streams=wanted.view is View.STREAMS)
    )
    return code


async def _component_images(release: Release) -> tuple[dict[str, Any], int]:
    from pilotage.app import releaseinfo

    with counting("reading images", len(release.payload.components)) as tick:
        found, failed = await releaseinfo.component_images(release, tick)
    for name, error in sorted(failed.items()):
        say(f"warning: {error.code}: {name}: {error.message}")
    return found, FAILED if failed else OK


def _print_list(release: Release, output: InfoOutput) -> int:
    """One line for each component, in payload order; what has no digest is reported."""
    from pilotage.app.releaseinfo import digest_or_reference

    code = OK
    for component in release.payload.components.values():
        if output is InfoOutput.NAME:
            print(component.name)
        elif output is InfoOutput.PULLSPEC:
            print(component.image)
        elif (digest := digest_or_reference(component.image)) != component.image:
            print(digest)
        else:
            say(f"error: {component.name} does not point to a digest: {component.image}")
            code = NO
    return code


@with_release_access
def components(
    release: Annotated[str, typer.Argument(help=LOCATIONS, metavar="[REF]")] = "",
    platform: PlatformOption = "",
    from_dir: FromDirOption = None,
    output: OutputOption = Output.TEXT,
    *,
    access: ImageAccess,
) -> None:
    """List the components of a release: digest, declared versions, source commit, and whether each is multi-arch.

    Each image is asked for its manifest; MULTI-ARCH is `?` where it cannot be read.

    Exit codes: 0 listed, 2 wrong use, 3 the release could not be read.

    Example: pilotage release components oci:layout:quay.example.com/openshift/release:4.20.3-multi
    """
    text = one_release(release, from_dir)
    asyncio.run(_components(text, platform, output, access))


async def _components(text: str, platform: str, output: Output, access: ImageAccess) -> None:
    from pilotage.app import releaseinfo
    from pilotage.app.images import opened
    from pilotage.app.releases import open_release
    from pilotage.cli import releasetext
    from pilotage.images.platforms import parse_platform

    async with opened(access, report) as images:
        release = await open_release(images, text, parse_platform(platform) if platform else None)
        with counting("reading images", len(release.payload.components)) as tick:
            rows, failed = await releaseinfo.component_rows(release, tick)
    document = {
        "apiVersion": "pilotage.dev/v1",
        "kind": "ReleaseComponents",
        "release": release.payload.pull_spec,
        "version": release.payload.version,
        "items": rows,
    }
    emit(document, output, releasetext.components(rows))
    single = [row.name for row in rows if row.multi_arch is False]
    if single and release.payload.content.is_multi_arch:
        say(f"warning: the release is multi-arch, these components are not: {', '.join(single)}")
    if failed:
        name, error = min(failed.items())
        say(f"warning: {len(failed)} of {len(rows)} images could not be read; {name}: {error.message}")


def one_release(release: str, from_dir: Path | None) -> str:
    """The one location that was given."""
    if bool(release) == bool(from_dir):
        raise typer.BadParameter("name one release, or a directory with --from-dir")
    return release or str(from_dir)
