"""Where does a name on the command line point?

    oci:DIR            an image layout that holds one image       oci:DIR:NAME    one of several: a tag or a whole reference
    oci-archive:FILE   the same in a tar file, also with :NAME    docker-archive:FILE    what `docker save` writes
    ./DIR, /DIR        a directory that is or holds release-manifests/
    docker://REF, REF  a registry

The prefixes are those of containers/image, so that what works with skopeo works here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from pilotage.images import reference as references
from pilotage.images.disk.archive import open_archive
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.payload.payload import ReleasePayload, load_directory, load_payload
from pilotage.images.reference import Reference
from pilotage.images.source import ImageSource, ImageTarget, Platform

__all__ = ["Location", "load_release", "open_source", "open_target", "parse_location"]

Kind = Literal["registry", "oci", "oci-archive", "docker-archive", "directory"]


class Location(msgspec.Struct, frozen=True):
    """`path` is a directory or file, empty for a registry; `name` the image inside it, or the reference."""

    kind: Kind
    path: str
    name: str = ""


def parse_location(text: str) -> Location:
    """Read a location. Nothing is opened; a reference is checked when it is."""
    kinds: tuple[Kind, ...] = ("oci", "oci-archive", "docker-archive")
    for kind in kinds:
        if text.startswith(f"{kind}:"):
            path, _, name = _split_path(text.removeprefix(f"{kind}:"))
            if not path:
                raise ImageError(
                    "InvalidReference", f'failed to parse "{text}": the path is missing', reference=text
                )
            return Location(kind, _at_home(path), name)
    if text.startswith(("/", "./", "../", "~/")) or text in (".", ".."):
        return Location("directory", _at_home(text))
    return Location("registry", "", text.removeprefix("docker://"))


async def open_source(
    location: Location, registry: Callable[[], ImageSource]
) -> tuple[ImageSource, Reference]:
    """The source and the reference in it; `registry` makes the client when one is needed. Raises ImageError."""
    path = Path(location.path)
    if location.kind == "oci":
        layout = OciLayout(path)
        return layout, layout.reference(location.name)
    if location.kind in ("oci-archive", "docker-archive"):
        return await open_archive(path, location.name)
    if location.kind == "directory":
        raise ImageError(
            "InvalidReference",
            f"failed to open {location.path}: a directory of manifests is a release payload, not an image",
            reference=location.path,
            hint="For an image layout write oci:DIR.",
        )
    return registry(), references.parse(location.name)


def open_target(location: Location, registry: Callable[[], ImageTarget]) -> tuple[ImageTarget, Reference]:
    """Where to write: a registry, or a layout, which is made when it is not there. Raises ImageError."""
    if location.kind == "registry":
        return registry(), references.parse(location.name)
    if location.kind == "oci":
        layout = OciLayout(Path(location.path), create=True)
        return layout, layout.reference(location.name) if location.name else layout.own
    raise ImageError(
        "InvalidReference",
        f"failed to open {location.path} for writing: images are written to a registry or to oci:DIR",
        reference=location.path,
    )


async def load_release(
    text: str, registry: Callable[[], ImageSource], platform: Platform | None = None
) -> ReleasePayload:
    """Read the release payload that a name on the command line points to, wherever it is. Raises ImageError."""
    location = parse_location(text)
    if location.kind == "directory":
        return await load_directory(Path(location.path))
    source, reference = await open_source(location, registry)
    return await load_payload(source, reference, platform)


def _at_home(path: str) -> str:
    return str(Path(path).expanduser())


def _split_path(text: str) -> tuple[str, str, str]:
    """Path and name: the first colon separates them, or the `@` of a digest."""
    path, colon, name = text.partition(":")
    if "@" in path and colon:  # DIR@sha256:…
        path, _, algorithm = path.rpartition("@")
        return path, "@", f"{algorithm}:{name}"
    return path, colon, name
