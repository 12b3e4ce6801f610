"""What does the verified repository name, after Konflux said that it released?

The registry has the last word: the canonical tag must name the digest that was tested, and the index must list every architecture that
the gate asks for. Reads only.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilotage.gate.promotion.imagefacts import platforms_of
from pilotage.gate.promotion.verifiedrepository import TagConflictError, named_by, refusing, repository_of
from pilotage.images.reference import Reference
from pilotage.images.source import ImageSource, Manifest

__all__ = ["TagCheck"]


class TagCheck:
    """`releasing.RegistryCheck` over a registry."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source

    async def problem(self, repository: str, tag: str, digest: str, architectures: Sequence[str]) -> str:
        """Raises TagConflictError, InputError; RemoteError, ImageError when the registry does not answer."""
        reference = repository_of(repository).tagged(tag)
        with refusing():
            found = await named_by(self._source, reference)
            if not found:
                return f"{reference} does not exist"
            if found != digest:
                raise TagConflictError(reference, digest, found)
            if not architectures:
                return ""
            return await self._missing(reference, digest, architectures)

    async def _missing(self, reference: Reference, digest: str, architectures: Sequence[str]) -> str:
        manifest: Manifest = await self._source.manifest(reference, digest)
        missing = sorted(set(architectures) - set(await platforms_of(self._source, reference, manifest)))
        return f"{reference} lacks {', '.join(missing)}" if missing else ""
