"""Which bytes are at hand already? A cache on disk in front of any source, by digest and by nothing else.

Content under a digest never changes, so it may live for ever; the least recently used goes when the cache is full. What
a tag names is asked of the source every time, and errors are not kept. Several processes share one directory: a file is there
whole or not at all, whatever crashed. A file that this process did not write itself is hashed before its first use.

Readers of the same missing blob share one transfer and follow it while it arrives; when the last of them stops early, so does
the transfer. A hit does not prove that *this* pull secret may read the image: with `check_access` the source is asked once for
each (repository, digest, credential), and its yes is remembered for twelve hours.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from pilotage.images import reference as references
from pilotage.images.digests import digest_of
from pilotage.images.disk.durable import VerifiedDraft, locked, sweep
from pilotage.images.disk.layout import media_type_of
from pilotage.images.errors import ImageError
from pilotage.images.parallel import SingleFlight, closing, in_thread
from pilotage.images.reference import Reference
from pilotage.images.registry.pacing import Clock, Pace
from pilotage.images.source import Descriptor, ImageSource, Manifest

__all__ = ["CachedSource", "ContentCache"]

_CHUNK: Final = 1 << 20
_MAX_MANIFEST: Final = 32 << 20
_ACCESS_LIFE = 43_200.0  # 12 h: how long a registry's yes to a credential is trusted
_MAX_ACCESS_NOTES = 16_384
_TARGET_SHARE = 0.9  # an eviction goes on until the cache is this full


class ContentCache:
    """The files. `max_bytes` bounds their sum; content above half of that is not kept at all."""

    def __init__(self, directory: Path | str, *, max_bytes: int = 10 << 30) -> None:
        self.directory = Path(directory)
        self.max_bytes = max_bytes
        self._trusted: dict[str, tuple[int, int]] = {}
        self._room = 0  # bytes that may still be added before the sizes are summed up again
        self._downloads: dict[str, _Download] = {}

    def find(self, digest: str) -> Path | None:
        """The file of this content, verified; None when it is not there. Blocking."""
        path = self._path(digest)
        try:
            stat = path.stat()
            if self._trusted.get(digest) != (stat.st_ino, stat.st_size):
                if _digest_of_file(path, digest) != digest:
                    path.unlink(missing_ok=True)  # a disk that lies; the source has the truth
                    return None
                self._trusted[digest] = (stat.st_ino, stat.st_size)
            os.utime(path)
        except FileNotFoundError:
            return None  # never there, or evicted meanwhile
        return path

    def draft(self, descriptor: Descriptor, reference: Reference) -> VerifiedDraft:
        """Where to write content that is missing."""
        return VerifiedDraft(
            self._path(descriptor.digest), descriptor.digest, descriptor.size, reference=str(reference)
        )

    def added(self, digest: str, size: int) -> None:
        """New content was committed by this process: trust it, and make room when the cache is full. Blocking."""
        with contextlib.suppress(FileNotFoundError):
            stat = self._path(digest).stat()
            self._trusted[digest] = (stat.st_ino, stat.st_size)
        self._room -= size
        if self._room < 0:
            self._evict()

    def keeps(self, size: int) -> bool:
        return size <= self.max_bytes // 2

    async def chunks(
        self, descriptor: Descriptor, reference: Reference, fetch: Callable[[], AsyncIterator[bytes]]
    ) -> AsyncIterator[bytes]:
        """The bytes of content: from the file, from the transfer under way, or from a new one that fills the cache."""
        content: AsyncIterator[bytes] | None = None
        while content is None:
            if (download := self._downloads.get(descriptor.digest)) is not None:
                content = download.chunks()
            elif (path := await in_thread(self.find, descriptor.digest)) is not None:
                with contextlib.suppress(FileNotFoundError):  # evicted in between
                    content = _read(path.open("rb"))
            elif descriptor.digest not in self._downloads and not self._path(descriptor.digest).exists():
                # Nothing is awaited between this look and the entry, so one transfer is started and no more.
                download = _Download(self, descriptor, reference, fetch())
                self._downloads[descriptor.digest] = download
                content = download.chunks()
        async with closing(content):
            async for data in content:
                yield data

    def forget(self, digest: str, download: _Download) -> None:
        if self._downloads.get(digest) is download:
            del self._downloads[digest]

    def _evict(self) -> None:
        """Remove the least recently used files until there is room. Readers keep the files that they have open."""
        with locked(self.directory / ".lock", wait=False) as mine:
            files = sorted(self._files())
            total = sum(size for _, size, _ in files)
            if mine and total > self.max_bytes:
                for _, size, path in files:
                    if total <= self.max_bytes * _TARGET_SHARE:
                        break
                    path.unlink(missing_ok=True)
                    self._trusted.pop(f"{path.parent.name}:{path.name}", None)
                    total -= size
                sweep(self._path("sha256:" + "0" * 64).parent, time.time())
        # Other processes add as well: look again after half of the free room.
        self._room = max(self.max_bytes - total, 0) // 2

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self.directory.glob("blobs/*/*"):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                if not path.name.startswith("."):
                    found.append((stat.st_mtime, stat.st_size, path))
        return found

    def _path(self, digest: str) -> Path:
        if not references.is_digest(digest):
            raise ImageError(
                "InvalidReference", f'failed to read from the cache: "{digest[:80]}" is not a digest'
            )
        algorithm, _, encoded = digest.partition(":")
        return self.directory / "blobs" / algorithm / encoded


class _Download:
    """One transfer into the cache that any number of readers follow. Without readers it is broken off."""

    def __init__(
        self, cache: ContentCache, descriptor: Descriptor, reference: Reference, content: AsyncIterator[bytes]
    ) -> None:
        self._cache = cache
        self._descriptor = descriptor
        self._reference = reference
        self._content = content
        self._arrived = 0
        self._news = asyncio.Event()
        self._error: BaseException | None = None
        self._file = -1
        self._readers = 0
        self._task: asyncio.Task[None] | None = None
        self.is_over = False

    async def chunks(self) -> AsyncIterator[bytes]:
        self._readers += 1
        self._task = self._task or asyncio.create_task(self._run())
        offset = 0
        try:
            while True:
                news = self._news
                while offset < self._arrived:
                    data = await in_thread(os.pread, self._file, min(_CHUNK, self._arrived - offset), offset)
                    offset += len(data)
                    yield data
                if self.is_over:
                    break
                await news.wait()
            if self._error is not None:
                raise self._error
        finally:
            self._readers -= 1
            if not self._readers:
                await self._end()

    async def _run(self) -> None:
        try:
            draft = await in_thread(self._cache.draft, self._descriptor, self._reference)
            try:
                self._file = os.open(draft.part, os.O_RDONLY)
                async with closing(self._content):
                    async for data in self._content:
                        await in_thread(draft.write, data)
                        self._arrived = draft.written
                        self._tell()
                await in_thread(draft.commit)
                await in_thread(self._cache.added, self._descriptor.digest, self._descriptor.size)
            finally:
                draft.discard()
        except BaseException as error:  # noqa: BLE001 - every reader raises it
            self._error = error
        finally:
            self.is_over = True
            self._cache.forget(self._descriptor.digest, self)
            self._tell()

    async def _end(self) -> None:
        """The last reader is gone: nobody else may join, the transfer stops, the file is closed."""
        self.is_over = True
        self._cache.forget(self._descriptor.digest, self)
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class CachedSource:
    """`inner` with a cache in front (`source.ImageSource`). `credential_id` says whose access a reference is read with."""

    def __init__(
        self,
        inner: ImageSource,
        cache: ContentCache,
        *,
        credential_id: Callable[[Reference], str] = lambda _reference: "",
        check_access: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._inner = inner
        self._cache = cache
        self._credential_id = credential_id
        self._check_access = check_access
        self._clock = clock or Pace().clock
        self._allowed: dict[tuple[str, str, str], float] = {}
        self._flights = SingleFlight[tuple[str, str, str], Manifest]()

    async def resolve(self, reference: Reference) -> Descriptor:
        """A digest names itself when its manifest is at hand; a tag is always asked of the source."""
        if reference.digest:
            return (await self.manifest(reference, reference.digest)).descriptor()
        return await self._inner.resolve(reference)

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        key = (reference.name, digest, self._credential_id(reference))
        return await self._flights.run(key, lambda: self._manifest(reference, digest, key))

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        def fetch() -> AsyncIterator[bytes]:
            return self._inner.blob(reference, descriptor)

        keeps = self._cache.keeps(descriptor.size)
        content = self._cache.chunks(descriptor, reference, fetch) if keeps else fetch()
        async with closing(content):
            async for data in content:
                yield data

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        return await self._inner.referrers(reference, digest)

    async def tags(self, reference: Reference) -> Sequence[str]:
        return await self._inner.tags(reference)

    async def close(self) -> None:
        await self._inner.close()

    async def _manifest(self, reference: Reference, digest: str, key: tuple[str, str, str]) -> Manifest:
        raw = await in_thread(self._stored, digest)
        if raw is not None:
            await self._assert_access(reference, digest, key)
            return Manifest(media_type_of(raw, reference=str(reference)), digest, raw)
        manifest = await self._inner.manifest(reference, digest)
        self._allow(key)
        if self._cache.keeps(len(manifest.raw)) and media_type_of(manifest.raw) == manifest.media_type:
            await in_thread(self._store, manifest, reference)
        return manifest

    def _stored(self, digest: str) -> bytes | None:
        path = self._cache.find(digest)
        if path is None:
            return None
        try:
            raw = path.read_bytes() if path.stat().st_size <= _MAX_MANIFEST else b""
        except FileNotFoundError:
            return None
        return raw if digest_of(raw, digest) == digest else None

    def _store(self, manifest: Manifest, reference: Reference) -> None:
        draft = self._cache.draft(manifest.descriptor(), reference)
        try:
            draft.write(manifest.raw)
            draft.commit()
        finally:
            draft.discard()
        self._cache.added(manifest.digest, len(manifest.raw))

    async def _assert_access(self, reference: Reference, digest: str, key: tuple[str, str, str]) -> None:
        """Ask the source whether this credential may read what we have. Raises its ImageError."""
        if not self._check_access or self._allowed.get(key, 0.0) > self._clock.monotonic():
            return
        await self._inner.resolve(reference.at(digest))
        self._allow(key)

    def _allow(self, key: tuple[str, str, str]) -> None:
        self._allowed.pop(key, None)
        self._allowed[key] = self._clock.monotonic() + _ACCESS_LIFE
        if len(self._allowed) > _MAX_ACCESS_NOTES:
            del self._allowed[next(iter(self._allowed))]


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    """An open, verified file in chunks. An eviction meanwhile does not disturb the reader."""
    with file:
        while data := await in_thread(file.read, _CHUNK):
            yield data


def _digest_of_file(path: Path, like: str) -> str:
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"
