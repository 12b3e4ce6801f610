"""How often are images asked for, and what comes of it? A source that counts, in front of one that reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar
from weakref import WeakKeyDictionary

from pilotage.images.errors import ImageError
from pilotage.images.parallel import closing
from pilotage.images.reference import Reference
from pilotage.images.source import Descriptor, ImageSource, Manifest

__all__ = ["CountedSource", "ImageCounts"]

T = TypeVar("T")


class ImageCounts:
    """Requests by (what was asked for, `ok` or the code of the error), over all sources that count here."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self._sources: WeakKeyDictionary[ImageSource, CountedSource] = WeakKeyDictionary()

    def of(self, source: ImageSource) -> CountedSource:
        """The one counting source in front of `source`: what is kept for a source is kept for it."""
        found = self._sources.get(source)
        if found is None:
            found = self._sources[source] = CountedSource(source, self.requests)
        return found


class CountedSource:
    def __init__(self, source: ImageSource, requests: Counter[tuple[str, str]]) -> None:
        self._source = source
        self._requests = requests

    async def resolve(self, reference: Reference) -> Descriptor:
        return await self._counted("resolve", self._source.resolve(reference))

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        return await self._counted("manifest", self._source.manifest(reference, digest))

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """One that was left before its end is counted as read."""
        result = "ok"
        content = self._source.blob(reference, descriptor)
        try:
            async with closing(content):
                async for chunk in content:
                    yield chunk
        except ImageError as error:
            result = error.code
            raise
        finally:
            self._requests["blob", result] += 1

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        return await self._counted("referrers", self._source.referrers(reference, digest))

    async def tags(self, reference: Reference) -> Sequence[str]:
        return await self._counted("tags", self._source.tags(reference))

    async def close(self) -> None:
        await self._source.close()

    async def _counted(self, what: str, answer: Awaitable[T]) -> T:
        try:
            found = await answer
        except ImageError as error:
            self._requests[what, error.code] += 1
            raise
        self._requests[what, "ok"] += 1
        return found
