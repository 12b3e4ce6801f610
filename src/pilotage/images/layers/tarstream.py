"""What entries does a tar archive hold? Read from bytes as they arrive, without a file and without unpacking.

Understands ustar, GNU long names and pax headers; contents are kept only of the files that `keep` asks for, everything
else is skipped by arithmetic. Paths are given relative to the root of the image: `./x`, `/x` and `x` are `x`. An entry
that points above the root makes the archive unsafe, wanted or not. POSIX.1-2017 (pax) and the GNU tar manual describe the format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from pilotage.images.layers.compression import ArchiveError

__all__ = ["TarEntry", "TarReader", "normal_path"]

Kind = Literal["file", "directory", "symlink", "hardlink", "other"]

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_MAX_HEADER = 1 << 20  # a long name or a set of pax records
_MAX_PATH = 4096  # PATH_MAX
_NO_TAR = "it is no tar archive, or a header is damaged"
_KINDS: Final[dict[bytes, Kind]] = {
    b"0": "file", b"\0": "file", b"7": "file", b"1": "hardlink", b"2": "symlink", b"5": "directory",
}  # fmt: skip
_WITHOUT_DATA = frozenset(
    b"123456"
)  # links, devices, directories and pipes, whatever size their header claims


class TarEntry(msgspec.Struct, frozen=True, gc=False):
    """`link` is the raw target of a symlink, or the normal path of a hard link. Devices and pipes are `other`."""

    path: str
    kind: Kind
    size: int = 0
    mode: int = 0
    link: str = ""


class TarReader:
    """Feed it plain bytes. Every entry is reported to `on_entry`; a wanted file once more, with its bytes, to `on_content`.

    `on_entry` answers whether the bytes are wanted; a file above `max_file` bytes is then refused. Raises ArchiveError.
    """

    def __init__(
        self,
        on_entry: Callable[[TarEntry], bool],
        on_content: Callable[[TarEntry, bytes], None],
        *,
        max_file: int,
    ) -> None:
        self._on_entry = on_entry
        self._on_content = on_content
        self._max_file = max_file
        self._header = bytearray()
        self._skip = 0
        self._body: bytearray | None = None
        self._missing = 0
        self._after: Callable[[bytes], None] = lambda _body: None
        self._sparse_map = False
        self._long: dict[str, str] = {}
        self._global: dict[str, str] = {}
        self.ended = False

    def feed(self, data: bytes) -> None:
        position, length = 0, len(data)
        while position < length and not self.ended:
            if self._skip:
                step = min(self._skip, length - position)
                self._skip -= step
                position += step
            elif self._body is not None:
                step = min(self._missing, length - position)
                self._body += data[position : position + step]
                self._missing -= step
                position += step
                self._finish_body()
            elif not self._header and length - position >= _BLOCK:
                self._take(data[position : position + _BLOCK])
                position += _BLOCK
            else:
                step = min(_BLOCK - len(self._header), length - position)
                self._header += data[position : position + step]
                position += step
                if len(self._header) == _BLOCK:
                    block, self._header = bytes(self._header), bytearray()
                    self._take(block)

    def finish(self) -> None:
        """A missing end marker is accepted, as by every other reader; an entry cut in two is not."""
        if not self.ended and (self._header or self._body is not None or self._skip):
            raise ArchiveError("the archive ends in the middle of an entry")

    def _take(self, block: bytes) -> None:
        if self._sparse_map:  # continuation of an old GNU sparse map: 21 pairs and a flag
            self._sparse_map = block[504] != 0
            return
        if block == _ZEROS:
            self.ended = True
            return
        if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * 0x20:
            raise ArchiveError(_NO_TAR)
        size = _number(block[124:136])
        flag = block[156:157]
        if flag in b"xgLK":
            self._take_extension(flag, size)
            return
        long, self._long = self._global | self._long, {}
        if long.get("size", "").isdecimal():
            size = int(long["size"])
        if flag[0] in _WITHOUT_DATA:
            size = 0
        self._sparse_map = flag == b"S" and block[482] != 0
        entry = _entry(block, flag, size, long)
        padding = -size % _BLOCK
        if not (self._on_entry(entry) and entry.kind == "file"):
            self._skip = size + padding
            return
        if size > self._max_file:
            raise ArchiveError(f'the file "{entry.path}" has {size} bytes, {self._max_file} are allowed')
        self._collect(size, lambda body: self._on_content(entry, body))

    def _take_extension(self, flag: bytes, size: int) -> None:
        if size > _MAX_HEADER:
            raise ArchiveError(f"an extended header of {size} bytes")
        after = {b"x": self._pax, b"g": self._pax_global, b"L": self._long_name, b"K": self._long_link}[flag]
        self._collect(size, after)

    def _collect(self, size: int, after: Callable[[bytes], None]) -> None:
        self._body, self._missing, self._after = bytearray(), size, after
        self._skip_behind = -size % _BLOCK
        if not size:
            self._finish_body()

    def _finish_body(self) -> None:
        if self._body is not None and not self._missing:
            body, self._body = bytes(self._body), None
            self._skip = self._skip_behind
            self._after(body)

    def _pax(self, body: bytes) -> None:
        self._long |= _pax_records(body)

    def _pax_global(self, body: bytes) -> None:
        self._global |= _pax_records(body)

    def _long_name(self, body: bytes) -> None:
        self._long["path"] = _text(body)

    def _long_link(self, body: bytes) -> None:
        self._long["linkpath"] = _text(body)


def normal_path(name: str) -> str:
    """`./a//b/`, `/a/b` and `a/b` are `a/b`; the root is the empty string. Raises ArchiveError for a path that climbs."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveError(f'the path "{name[:200]}" climbs out of its directory')
    path = "/".join(parts)
    if len(path) > _MAX_PATH:
        raise ArchiveError(f"a path of {len(path)} characters")
    return path


def _entry(block: bytes, flag: bytes, size: int, long: dict[str, str]) -> TarEntry:
    name = long.get("path") or _text(block[0:100])
    if "path" not in long and block[257:263] == b"ustar\0" and block[345]:
        name = f"{_text(block[345:500])}/{name}"
    kind = _KINDS.get(flag, "other")
    if kind == "file" and name.endswith("/"):
        kind = "directory"  # how archives from before POSIX write one
    if any(key.startswith("GNU.sparse.") for key in long):
        kind = "other"  # the data is a map of extents, not the file
    link = long.get("linkpath") or _text(block[157:257])
    if kind == "hardlink":
        link = normal_path(link)
    return TarEntry(
        normal_path(name),
        kind,
        size,
        _number(block[100:108]) & 0o7777,
        link if kind in ("symlink", "hardlink") else "",
    )


def _number(field: bytes) -> int:
    """Octal text, or base 256 behind a set high bit."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40 or value > 1 << 62:
            raise ArchiveError("a header with an impossible number")
        return value
    text = field.split(b"\0", 1)[0].strip()
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise ArchiveError(_NO_TAR) from None


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _pax_records(body: bytes) -> dict[str, str]:
    """Records of the form `length key=value` and a line end; the length counts the whole record."""
    records: dict[str, str] = {}
    while body:
        digits, space, _ = body.partition(b" ")
        if not space or not digits.isdigit() or not len(digits) + 2 < int(digits) <= len(body):
            raise ArchiveError("a damaged pax header")
        record, body = body[len(digits) + 1 : int(digits)], body[int(digits) :]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not equals:
            raise ArchiveError("a damaged pax header")
        records[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
    return records
