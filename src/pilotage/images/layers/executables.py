"""Does an image carry an executable, and for every architecture?

"Carries" means that the path leads, over symlinks inside the image, to a regular file with content and some execute bit, which
no upper layer hides. An index is asked image by image: a binary that only some architectures have is not carried, and
the answer names those that lack it. Layers are read from the top down and only as far as needed.
"""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from pilotage.images.inspect import manifest_of, read_config
from pilotage.images.layers.files import find_file
from pilotage.images.parallel import gather
from pilotage.images.platforms import images_of
from pilotage.images.reference import Reference
from pilotage.images.source import ImageSource

__all__ = ["ExecutableCheck", "has_executable"]

_AT_ONCE = 4  # architectures of one payload


class ExecutableCheck(msgspec.Struct, frozen=True):
    """`present` and `missing` are architectures (`amd64`); `partial` counts as no, and deserves a warning."""

    digest: str
    path: str
    present: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def answer(self) -> Literal["yes", "no", "partial"]:
        if not self.present:
            return "no"
        return "partial" if self.missing else "yes"


async def has_executable(source: ImageSource, reference: Reference, path: str) -> ExecutableCheck:
    """Look for `path` in every image behind the reference. The answer holds for `digest` for ever. Raises ImageError."""
    top = await source.resolve(reference)
    manifest = await source.manifest(reference, top.digest)
    if manifest.is_index:
        children = [(each.digest, each.platform) for each in images_of(manifest.index().manifests)]
    else:
        children = [(manifest.digest, None)]
    turn = asyncio.Semaphore(_AT_ONCE)

    async def look(digest: str) -> bool:
        async with turn:
            image = manifest_of(await source.manifest(reference, digest), reference)
            found = await find_file(source, reference, image, path)
            return found is not None and found.is_executable

    carries = await gather(look(digest) for digest, _ in children)
    names = [
        platform.architecture if platform else await _architecture(source, reference, digest)
        for digest, platform in children
    ]
    return ExecutableCheck(
        top.digest,
        path,
        tuple(name for name, has in zip(names, carries, strict=True) if has),
        tuple(name for name, has in zip(names, carries, strict=True) if not has),
    )


async def _architecture(source: ImageSource, reference: Reference, digest: str) -> str:
    image = manifest_of(await source.manifest(reference, digest), reference)
    return (await read_config(source, reference, image.config)).architecture
