"""Where are the signatures of an image that comes from a mirror? At the same mirror, under a tag made of the image's digest.

Mirror rules tell digests from tags, and `sha256-<hex>.sig` is a tag; yet who pulls an image by digest from a mirror looks for its
signatures at that mirror and nowhere else (github.com/containers/image, `docker/docker_image_src.go`). So does this.
"""

from __future__ import annotations

import re

from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.registry.mirrored import MirroredSource
from pilotage.images.source import Descriptor

__all__ = ["SignedMirrors", "image_digest_of"]

_COMPANION = re.compile(r"(sha256-[0-9a-f]{64}|sha384-[0-9a-f]{96}|sha512-[0-9a-f]{128})(?:\.\w+)?")


def image_digest_of(reference: Reference) -> str:
    """The digest of the image whose signatures or referrers this tag names; empty for any other reference."""
    found = None if reference.digest else _COMPANION.fullmatch(reference.tag)
    return found[1].replace("-", ":", 1) if found else ""


class SignedMirrors(MirroredSource):
    """Mirrors that are asked for the signatures of the images they have."""

    async def resolve(self, reference: Reference) -> Descriptor:
        """As for any source. The tag of a signature is asked of the first candidate that has the image, whatever it answers."""
        digest = image_digest_of(reference)
        candidates = self._resolver.resolve(str(reference.at(digest))).candidates if digest else ()
        for candidate in candidates:
            try:
                await self._source.resolve(candidate)
            except ImageError:
                continue  # this one does not have the image: no news of its signatures either
            return await self._source.resolve(candidate.tagged(reference.tag))
        return await super().resolve(reference)
