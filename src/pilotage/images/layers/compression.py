"""How is a layer unpacked while it arrives? Compression is told by the first bytes; media types are often wrong.

gzip (also in many members, as eStargz writes it), zstd, bzip2, xz and plain bytes are read. Output comes in pieces of
bounded size whatever the input claims, and a layer that unpacks to absurd amounts is refused. Bytes behind the end of the
compressed data are not looked at; the digest of the layer covers them anyway.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Final, Protocol

import zstandard

__all__ = ["ArchiveError", "Unpacker"]

_GZIP: Final = b"\x1f\x8b"
_MAGIC_LENGTH = 6
_PIECE_IN = (
    32 << 10
)  # a small slice keeps the copy of unused input cheap when a layer has thousands of gzip members
_PIECE_OUT = 1 << 20
_ZSTD_PIECE_IN = 1 << 10  # one block of four bytes may yield 128 KiB: this slice bounds the output at 32 MiB
_ZSTD_WINDOW = 128 << 20
_RATIO_GRACE = 64 << 20


class ArchiveError(ValueError):
    """The bytes are no archive, end too early, or unpack to more than is allowed. The caller adds which layer it is."""


class _Stage(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> None: ...


class Unpacker:
    """Give it the chunks of a layer, take plain pieces. `max_bytes` bounds the output, `max_ratio` its growth over the input."""

    def __init__(self, *, max_bytes: int, max_ratio: int) -> None:
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self._taken = 0
        self._given = 0
        self._head = b""
        self._stage: _Stage | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._taken += len(data)
        if self._stage is None:
            self._head += data
            if len(self._head) < _MAGIC_LENGTH:
                return
            data, self._head = self._head, b""
            self._stage = _stage_for(data)
        yield from self._bounded(self._stage.feed(data))

    def finish(self) -> Iterator[bytes]:
        """Raises ArchiveError when the input ended in the middle."""
        if self._stage is None:
            self._stage = _stage_for(self._head)
            yield from self._bounded(self._stage.feed(self._head))
        self._stage.finish()

    def _bounded(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for piece in pieces:
                self._given += len(piece)
                if self._given > self._max_bytes:
                    raise ArchiveError(f"it unpacks to more than {self._max_bytes} bytes")
                if self._given > _RATIO_GRACE and self._given > self._max_ratio * self._taken:
                    raise ArchiveError(f"it unpacks to more than {self._max_ratio} times its size")
                yield piece
        except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError) as error:
            raise ArchiveError(f"its compressed data is broken: {error}") from error


def _stage_for(head: bytes) -> _Stage:
    if head.startswith(_GZIP):
        return _Gzip()
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[:1] in _SKIPPABLE):
        return _Zstd()
    if head.startswith(b"BZh"):
        return _Stdlib(bz2.BZ2Decompressor)
    if head.startswith(b"\xfd7zXZ\x00"):
        return _Stdlib(lzma.LZMADecompressor)
    return _Plain()


_SKIPPABLE = frozenset(
    bytes([value]) for value in range(0x50, 0x60)
)  # zstd frames without content may come first


class _Plain:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        return


class _Gzip:
    def __init__(self) -> None:
        self._member: Any = zlib.decompressobj(wbits=31)
        self._ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _PIECE_IN):
            piece = data[start : start + _PIECE_IN]
            while piece and not self._ended:
                if self._member is None:
                    if not piece.startswith(_GZIP[:1]):
                        self._ended = True  # padding or garbage behind the last member
                        break
                    self._member = zlib.decompressobj(wbits=31)
                if plain := self._member.decompress(piece, _PIECE_OUT):
                    yield plain
                if self._member.eof:
                    piece = self._member.unused_data
                    self._member = None
                else:
                    piece = self._member.unconsumed_tail

    def finish(self) -> None:
        if self._member is not None:
            raise ArchiveError("its compressed data ends too early")


class _Zstd:
    def __init__(self) -> None:
        self._frame: Any = None
        self._ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_PIECE_IN):
            piece = data[start : start + _ZSTD_PIECE_IN]
            while piece and not self._ended:
                if self._frame is None:
                    self._frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
                plain = self._frame.decompress(piece)
                piece = self._frame.unused_data if self._frame.eof else b""
                if self._frame.eof:
                    self._frame = None
                for offset in range(0, len(plain), _PIECE_OUT):
                    yield plain[offset : offset + _PIECE_OUT]

    def finish(self) -> None:
        if self._frame is not None:
            raise ArchiveError("its compressed data ends too early")


class _Stdlib:
    """bzip2 and xz share one interface in the standard library."""

    def __init__(self, make: type[bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        self._stream = make()

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self._stream.eof:
            if plain := self._stream.decompress(data, _PIECE_OUT):
                yield plain
            data = b""
            if self._stream.needs_input:
                return

    def finish(self) -> None:
        if not self._stream.eof:
            raise ArchiveError("its compressed data ends too early")
