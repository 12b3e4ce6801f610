"""What if an image may not be read at all? A source that has nothing and says why; a cache in front of it may have it all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.source import Descriptor, Manifest

__all__ = ["OfflineSource", "RefusingSource"]

_NOTHING: Sequence[bytes] = ()


class RefusingSource:
    """Every question is an ImageError of `code` that names the image, what was asked of it, and `cause`."""

    def __init__(self, code: str, cause: str, hint: str = "") -> None:
        self._code = code
        self._cause = cause
        self._hint = hint

    async def resolve(self, reference: Reference) -> Descriptor:
        raise self._refusal(reference, "its digest")

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        raise self._refusal(reference, f"the manifest {digest}")

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        for chunk in _NOTHING:  # the port wants a generator
            yield chunk
        raise self._refusal(reference, f"the blob {descriptor.digest}")

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        raise self._refusal(reference, f"what refers to {digest}")

    async def tags(self, reference: Reference) -> Sequence[str]:
        raise self._refusal(reference, "the list of its tags")

    async def close(self) -> None:
        """There is nothing to close."""

    def _refusal(self, reference: Reference, what: str) -> ImageError:
        return ImageError(
            self._code,
            f"failed to read {reference}: {self._cause} ({what} was asked for)",
            reference=str(reference),
            hint=self._hint,
        )


class OfflineSource(RefusingSource):
    """The network may not be used."""

    def __init__(self) -> None:
        super().__init__(
            "Offline",
            "that needs the network, which may not be used",
            "Copy the image into a layout with `pilotage image copy`, or leave out --offline.",
        )
