"""Which of these releases ship this image? What `pilotage release find` calls.

Answers "which z-streams have this control plane operator": by digest, wherever the pull specs of the releases point.
"""

from __future__ import annotations

import msgspec

from pilotage.app.images import Images
from pilotage.app.releaseinfo import digest_or_reference
from pilotage.app.releases import open_release
from pilotage.images import reference as references

__all__ = ["Found", "find"]


class Found(msgspec.Struct, frozen=True, rename="camel"):
    """One release that ships the image, as `components`."""

    release: str
    version: str
    pull_spec: str
    components: tuple[str, ...]


async def find(images: Images, image: str, releases: tuple[str, ...]) -> tuple[str, tuple[Found, ...]]:
    """The digest that was looked for, and the releases that name it, in the order given. Raises ImageError."""
    digest = image if references.is_digest(image) else await _digest_of(images, image)
    found = []
    for text in releases:
        payload = (await open_release(images, text)).payload
        names = tuple(
            name for name, each in payload.components.items() if digest_or_reference(each.image) == digest
        )
        if names:
            found.append(Found(text, payload.display_version, payload.pull_spec, names))
    return digest, tuple(found)


async def _digest_of(images: Images, image: str) -> str:
    """A pull spec with a digest names itself; a tag or a place on disk is looked up."""
    if "@" in image:
        return digest_or_reference(image)
    source, reference = await images.open(image, cached=True)
    return (await source.resolve(reference)).digest
