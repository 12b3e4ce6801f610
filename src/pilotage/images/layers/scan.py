"""What does one layer of an image say? Its entries, its whiteouts, and the bytes of the files that are wanted.

A scan takes the layer as it arrives: unpacked piece by piece, parsed, and forgotten but for names and wanted bytes. What a
layer may cost is bounded by `Limits`, since layers come from strangers. Follows the OCI image specification (layers, whiteouts).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import msgspec

from pilotage.images.layers.compression import ArchiveError, Unpacker
from pilotage.images.layers.tarstream import TarEntry, TarReader
from pilotage.images.parallel import closing, in_thread

__all__ = ["DEFAULT", "Layer", "Limits", "parents", "scan"]

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_INLINE = 16 << 10  # a smaller chunk is unpacked faster than it is handed to a thread


class Limits(msgspec.Struct, frozen=True):
    """What a layer may cost. Sizes in bytes."""

    file: int = 64 << 20
    """One file that is read into memory."""
    directory: int = 512 << 20
    """All files of one directory together."""
    layer: int = 64 << 30
    """One layer, unpacked. Model and OS layers reach some tens of GiB; memory does not grow with it."""
    ratio: int = 500
    """Unpacked size over packed size, beyond 64 MiB. Real layers stay below 20; a gzip of nothing but zeros reaches 1032."""
    names: int = 128 << 20
    """All paths of one layer together."""


DEFAULT: Final = Limits()


class Layer:
    """What a scan of one layer found out. `complete` is false when the scan stopped early."""

    def __init__(self) -> None:
        self.entries: dict[str, TarEntry] = {}
        self.directories: set[str] = set()  # also those that only their files give away
        self.whiteouts: set[str] = set()
        self.opaque: set[str] = set()
        self.contents: dict[str, bytes] = {}
        self.names = 0
        self.complete = False

    def add(self, entry: TarEntry) -> bool:
        """Take an entry; False when the path was there before or is a whiteout. The first occurrence wins."""
        parent, _, name = entry.path.rpartition("/")
        self.names += len(entry.path) + len(entry.link)
        above = parent
        while above and above not in self.directories:  # a whiteout, too, stands in a directory
            self.directories.add(above)
            above = above.rpartition("/")[0]
        if name.startswith(_WHITEOUT):
            if name == _OPAQUE:
                self.opaque.add(parent)
            elif not name.startswith(".wh..wh."):  # aufs bookkeeping, not a file that is hidden
                hidden = name.removeprefix(_WHITEOUT)
                self.whiteouts.add(f"{parent}/{hidden}" if parent else hidden)
            return False
        if entry.path in self.entries:
            return False
        self.entries[entry.path] = entry
        if entry.kind == "directory":
            self.directories.add(entry.path)
        return True

    def add_all(self, other: Layer) -> None:
        """Take over what another scan of the same layer found."""
        self.entries |= other.entries
        self.directories |= other.directories
        self.whiteouts |= other.whiteouts
        self.opaque |= other.opaque
        self.contents |= other.contents
        self.complete = self.complete or other.complete

    def has_file(self, path: str) -> bool:
        entry = self.entries.get(path)
        return entry is not None and entry.kind == "file"

    def hides(self, path: str) -> bool:
        """Is `path` in layers below removed by this one?"""
        if path in self.whiteouts:
            return True
        return any(parent in self.whiteouts or parent in self.opaque for parent in parents(path))


async def scan(
    chunks: AsyncIterator[bytes],
    accept: Callable[[str], bool],
    stop: frozenset[str] = frozenset(),
    *,
    limits: Limits,
    verify: bool = True,
) -> Layer:
    """Read a layer: the bytes of every first file whose path `accept` takes, and all other names.

    When `stop` is not empty, the search ends with the last of its names. The chunks are then still drawn to the end, so that
    the source compares the digest, unless `verify` is false. Raises ArchiveError.
    """
    layer = Layer()
    reading = _Reading(layer, accept, stop, limits)
    async with closing(chunks):
        async for chunk in chunks:
            if reading.satisfied and not verify:
                return layer
            if reading.satisfied or reading.tar.ended:
                continue  # only the digest is of interest now
            if len(chunk) < _INLINE:
                reading.feed(chunk)
            else:
                await in_thread(reading.feed, chunk)
    if not reading.satisfied:
        reading.finish()
        layer.complete = True
    return layer


class _Reading:
    """Bytes of one layer in, a filled `Layer` out. `satisfied` when all names in `stop` were met, with their bytes."""

    def __init__(
        self, layer: Layer, accept: Callable[[str], bool], stop: frozenset[str], limits: Limits
    ) -> None:
        self._layer = layer
        self._accept = accept
        self._open = set(stop)
        self._has_stop = bool(stop)
        self._limits = limits
        self._kept = 0
        self._plain = Unpacker(max_bytes=limits.layer, max_ratio=limits.ratio)
        self.tar = TarReader(self._entry, self._content, max_file=limits.file)

    @property
    def satisfied(self) -> bool:
        return self._has_stop and not self._open

    def feed(self, chunk: bytes) -> None:
        for piece in self._plain.feed(chunk):
            self.tar.feed(piece)
            if self.satisfied or self.tar.ended:
                return

    def finish(self) -> None:
        if self.tar.ended:
            return
        for piece in self._plain.finish():
            self.tar.feed(piece)
        self.tar.finish()

    def _entry(self, entry: TarEntry) -> bool:
        is_first = self._layer.add(entry)
        if self._layer.names > self._limits.names:
            raise ArchiveError(f"its paths take more than {self._limits.names} bytes")
        wanted = is_first and entry.kind == "file" and self._accept(entry.path)
        if not wanted:
            self._open.discard(entry.path)
        return wanted

    def _content(self, entry: TarEntry, body: bytes) -> None:
        self._kept += len(body)
        if self._kept > self._limits.directory:
            raise ArchiveError(f"the wanted files hold more than {self._limits.directory} bytes")
        self._layer.contents[entry.path] = body
        self._open.discard(entry.path)


def parents(path: str) -> Iterator[str]:
    """`""`, `a`, `a/b` for `a/b/c`."""
    yield ""
    position = path.find("/")
    while position >= 0:
        yield path[:position]
        position = path.find("/", position + 1)
