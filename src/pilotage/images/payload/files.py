"""Where do the files of a release payload come from? Out of an image, or from a directory on disk; both give names and bytes.

An image keeps them in `release-manifests/`, all in its last layer, and that is as far as the image is read: layers below the
one with `image-references` are not asked for. A directory may be that directory or hold it. Names are those inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from pilotage.images.errors import ImageError
from pilotage.images.layers.files import open_directory
from pilotage.images.parallel import in_thread
from pilotage.images.payload import imagereferences, metadata
from pilotage.images.platforms import ChosenImage
from pilotage.images.reference import Reference
from pilotage.images.source import ImageSource

__all__ = ["DIRECTORY", "DirectoryFiles", "FileKind", "ImageFiles", "PayloadFile", "PayloadFiles", "kind_of"]

DIRECTORY = "release-manifests"
_MAX_FILE = 64 << 20

FileKind = Literal["references", "metadata", "manifest", "unknown"]


class PayloadFile(msgspec.Struct, frozen=True, gc=False):
    """One file: its name, its size in bytes, and what it is for."""

    name: str
    size: int
    kind: FileKind


class PayloadFiles(Protocol):
    """Reads files of one payload. Raises ImageError."""

    async def read(self, wants: Callable[[str], bool]) -> tuple[tuple[PayloadFile, ...], Mapping[str, bytes]]:
        """All files, sorted by name, and the bytes of those whose name is wanted."""
        ...


class ImageFiles:
    """The payload files of one image. Every read takes the top layer from the source again: put a cache in front."""

    def __init__(self, source: ImageSource, reference: Reference, chosen: ChosenImage) -> None:
        self._source = source
        self._reference = reference
        self._chosen = chosen

    async def read(self, wants: Callable[[str], bool]) -> tuple[tuple[PayloadFile, ...], Mapping[str, bytes]]:
        prefix = f"{DIRECTORY}/"
        opened = await open_directory(
            self._source,
            self._reference,
            self._chosen.image,
            DIRECTORY,
            keep=lambda path: wants(path.removeprefix(prefix)),
            until=(prefix + imagereferences.FILE,),
        )
        sizes = {path.removeprefix(prefix): info.size for path, info in opened.files.items()}
        return _listed(sizes), {path.removeprefix(prefix): raw for path, raw in opened.contents.items()}


class DirectoryFiles:
    """The payload files of a directory that is, or holds, `release-manifests/`."""

    def __init__(self, directory: Path) -> None:
        inner = directory / DIRECTORY
        self.directory = inner if inner.is_dir() else directory
        if not self.directory.is_dir():
            raise ImageError(
                "NotFound", f"failed to read release payload {directory}: there is no such directory", reference=str(directory)
            )  # fmt: skip

    async def read(self, wants: Callable[[str], bool]) -> tuple[tuple[PayloadFile, ...], Mapping[str, bytes]]:
        return await in_thread(self._read, wants)

    def _read(self, wants: Callable[[str], bool]) -> tuple[tuple[PayloadFile, ...], Mapping[str, bytes]]:
        sizes: dict[str, int] = {}
        contents: dict[str, bytes] = {}
        for path in self.directory.iterdir():
            if not path.is_file():
                continue
            sizes[path.name] = path.stat().st_size
            if wants(path.name):
                if sizes[path.name] > _MAX_FILE:
                    raise ImageError(
                        "MalformedPayloadFile",
                        f"failed to read release payload {self.directory}: {path.name} has {sizes[path.name]} bytes",
                        reference=str(self.directory),
                    )
                contents[path.name] = path.read_bytes()
        return _listed(sizes), contents


def kind_of(name: str) -> FileKind:
    """What a file is for, by its name; everything that is neither one of the two lists nor a manifest is unknown."""
    if name == imagereferences.FILE:
        return "references"
    if name == metadata.FILE:
        return "metadata"
    return "manifest" if name.endswith((".yaml", ".yml", ".json")) and "/" not in name else "unknown"


def _listed(sizes: Mapping[str, int]) -> tuple[PayloadFile, ...]:
    return tuple(PayloadFile(name, size, kind_of(name)) for name, size in sorted(sizes.items()))


def names_of(files: Collection[PayloadFile], kind: FileKind) -> tuple[str, ...]:
    return tuple(file.name for file in files if file.kind == kind)
