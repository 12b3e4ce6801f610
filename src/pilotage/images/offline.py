"""What if the network may not be used? A source that has nothing and says so; a cache or layout in front of it may have it all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.source import Descriptor, Manifest

__all__ = ["OfflineSource"]

_NOTHING: Sequence[bytes] = ()


class OfflineSource:
    """Every question is an ImageError `Offline` that names what was missing."""

    async def resolve(self, reference: Reference) -> Descriptor:
        raise _offline(reference, "resolving it")

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        raise _offline(reference, f"the manifest {digest}")

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        for chunk in _NOTHING:  # the port wants a generator
            yield chunk
        raise _offline(reference, f"the blob {descriptor.digest}")

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        raise _offline(reference, f"what refers to {digest}")

    async def tags(self, reference: Reference) -> Sequence[str]:
        raise _offline(reference, "the list of its tags")

    async def close(self) -> None:
        """There is nothing to close."""


def _offline(reference: Reference, what: str) -> ImageError:
    return ImageError(
        "Offline",
        f"failed to read {reference}: {what} needs the network, which may not be used",
        reference=str(reference),
        hint="Copy the image into a layout with `pilotage image copy`, or leave out --offline.",
    )
