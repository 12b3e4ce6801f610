"""What if one layout on disk holds a payload, and its components too? Then nobody needs to be asked for them.

A layout answers for every digest it has, since bytes under a digest are the same everywhere, for the tags by which signatures
of those are found, and for the tags of every repository it names: there its "no such tag" is final. All else is read from the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from pilotage.app.companions import image_digest_of
from pilotage.images.disk.layout import OciLayout
from pilotage.images.parallel import closing
from pilotage.images.reference import Reference
from pilotage.images.source import Descriptor, ImageSource, Manifest

__all__ = ["Beside"]


class Beside:
    """A layout in front of other places (`source.ImageSource`). `rest` opens them when they are needed first."""

    def __init__(self, layout: OciLayout, rest: Callable[[], ImageSource]) -> None:
        self.layout = layout
        self._rest = rest

    async def holds(self, reference: Reference) -> bool:
        """Is this a reference that the layout answers for, with content or with a final no?"""
        if reference.digest:
            return await self.layout.has_manifest(reference, reference.digest)
        belongs_to = image_digest_of(reference)
        if belongs_to and await self.layout.has_manifest(reference, belongs_to):
            return True
        return bool(await self.layout.tags(reference))

    async def resolve(self, reference: Reference) -> Descriptor:
        return await (self.layout if await self.holds(reference) else self._rest()).resolve(reference)

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        is_here = await self.layout.has_manifest(reference, digest)
        return await (self.layout if is_here else self._rest()).manifest(reference, digest)

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        is_here = await self.layout.has_blob(reference, descriptor.digest)
        content = (self.layout if is_here else self._rest()).blob(reference, descriptor)
        async with closing(content):
            async for chunk in content:
                yield chunk

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        is_here = await self.layout.has_manifest(reference, digest)
        return await (self.layout if is_here else self._rest()).referrers(reference, digest)

    async def tags(self, reference: Reference) -> Sequence[str]:
        return await self.layout.tags(reference) or await self._rest().tags(reference)

    async def close(self) -> None:
        """Nothing was opened here: whoever made the rest closes it."""
