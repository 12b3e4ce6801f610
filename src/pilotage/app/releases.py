"""Where is a release payload, and what is read with it? Every `pilotage release` verb begins here.

A payload is named by a version (`releaseversions`), a reference, `oci:DIR[:NAME]`, `oci-archive:FILE`, `docker-archive:FILE`, a directory that is or holds
`release-manifests/`, or a file with the short form (`images.payload.summary`), which knows versions and components only. Its
components are looked for beside it first when it lies in a layout, then wherever references are read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.versions import is_semver
from pilotage.app import releaseversions
from pilotage.app.images import Images
from pilotage.images import reference as references
from pilotage.images.errors import ImageError
from pilotage.images.parallel import gather
from pilotage.images.payload import summary as payloadsummary
from pilotage.images.payload.files import PayloadFile
from pilotage.images.payload.imagereferences import Component, ImageReferences, Tag, TagFrom
from pilotage.images.payload.payload import PayloadContent, ReleasePayload, load_directory, load_payload
from pilotage.images.reference import Reference
from pilotage.images.source import ImageSource, Platform

__all__ = ["Release", "look_at", "open_release", "payload_of"]

T = TypeVar("T")

_AT_ONCE = 12


class Release(msgspec.Struct, frozen=True):
    """A payload, where it was read, and where its components are. `source` is None for files on disk."""

    payload: ReleasePayload
    components: ImageSource
    source: ImageSource | None = None
    reference: Reference | None = None


async def open_release(images: Images, text: str, platform: Platform | None = None) -> Release:
    """Read the payload that the user named. Raises ImageError; InputError for a document that is no payload."""
    path = _path(text)
    if path is not None and path.is_file():
        return Release(payload_of(path), images.cached)
    if path is not None:
        return Release(await load_directory(path), images.cached)
    if is_semver(text):
        text = await releaseversions.pull_spec_of(text, images.access.versions, images.access)
    source, reference = await images.open(text, cached=True)
    payload = await load_payload(source, reference, platform)
    return Release(payload, images.beside(source), source, reference)


def payload_of(file: Path) -> ReleasePayload:
    """The payload that a short-form document describes: version and components, without files."""
    try:
        summary = payloadsummary.parse_summary(file.read_bytes())
    except OSError as error:
        raise InputError("UnreadableFile", f"{file}: {error.strerror}") from None
    except ImageError as error:
        raise ImageError(error.code, f"failed to read {file}: {error.message}", reference=str(file)) from None
    found = {name: Component(name, image) for name, image in summary.components.items()}
    tags = tuple(Tag(name, None, TagFrom("DockerImage", image)) for name, image in summary.components.items())
    content = PayloadContent(
        ImageReferences(summary.version, found, tags),
        None,
        (),
        digest=summary.digest or _digest_of(summary.image),
    )
    repository = references.parse(summary.image).name if summary.image else ""
    return ReleasePayload(summary.image or str(file), content, _NoFiles(), repository)


class _NoFiles:
    """The files of a payload that was described, not read (`payloadfiles.PayloadFiles`)."""

    async def read(
        self,
        wants: Callable[[str], bool],  # noqa: ARG002 -- whatever is wanted, there is nothing
    ) -> tuple[tuple[PayloadFile, ...], Mapping[str, bytes]]:
        return (), {}


async def look_at(
    components: Iterable[tuple[str, str]],
    look: Callable[[Reference], Awaitable[T]],
    *,
    on_one: Callable[[str], None] = lambda _name: None,
) -> tuple[dict[str, T], dict[str, ImageError]]:
    """Ask something about every component (name and pull spec), several at once; by name the answers and the failures."""
    found: dict[str, T] = {}
    failed: dict[str, ImageError] = {}
    waiting = iter(tuple(components))

    async def work() -> None:
        for name, image in waiting:
            try:
                found[name] = await look(references.parse(image))
            except ImageError as error:
                failed[name] = error
            on_one(name)

    await gather(work() for _ in range(_AT_ONCE))
    return found, failed


def _path(text: str) -> Path | None:
    """What is there on disk under this name: no reference without tag and digest names a payload, so a path wins."""
    path = Path(text).expanduser()
    return path if path.exists() or text.startswith(("/", "./", "../", "~/")) else None


def _digest_of(image: str) -> str:
    return references.parse(image).digest if image else ""
