"""How do bytes get onto a disk so that a crash leaves the old file or the new one, never half of one?

A draft is written beside its final place, flushed to the disk, renamed over it, and the directory is flushed as well.
Whoever lists the directory sees whole files only; drafts begin with a dot and end in `.part`, and those that a crash left
behind are swept later. Processes that change one file together take its lock first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pilotage.images.errors import ImageError

__all__ = ["Draft", "VerifiedDraft", "locked", "sweep", "write_file"]

_PART = ".part"
_ABANDONED_SECONDS = 86_400.0  # no transfer of a single file is expected to take a day


class Draft:
    """A file that does not exist until `commit`. What was written so far can be read through `fileno`."""

    def __init__(self, path: Path, *, mode: int = 0o644) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_PART)
        self.part = Path(name)
        os.fchmod(descriptor, mode)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def commit(self) -> None:
        """Make the bytes durable, then visible."""
        os.fsync(self._file.fileno())
        self._file.close()
        self.part.replace(self.path)
        _flush_directory(self.path.parent)

    def discard(self) -> None:
        """Leave nothing behind. Harmless after `commit`."""
        self._file.close()
        self.part.unlink(missing_ok=True)


class VerifiedDraft(Draft):
    """A draft of content that is named by its digest: `commit` refuses bytes that do not add up to it."""

    def __init__(self, path: Path, digest: str, size: int, *, reference: str = "") -> None:
        super().__init__(path)
        self.digest = digest
        self.size = size
        self.written = 0
        self._reference = reference
        self._hash = hashlib.new(digest.partition(":")[0])

    def write(self, data: bytes) -> None:
        """Raises ImageError `ContentIntegrity` as soon as more bytes arrive than were announced."""
        if self.written + len(data) > self.size:
            raise self._broken(f"more than the announced {self.size} bytes arrived")
        super().write(data)
        self._hash.update(data)
        self.written += len(data)

    def commit(self) -> None:
        found = f"{self.digest.partition(':')[0]}:{self._hash.hexdigest()}"
        if self.written != self.size:
            raise self._broken(f"{self.written} of {self.size} bytes arrived")
        if found != self.digest:
            raise self._broken(f"the bytes hash to {found}")
        super().commit()

    def _broken(self, cause: str) -> ImageError:
        return ImageError(
            "ContentIntegrity", f"failed to store {self.digest}: {cause}", reference=self._reference
        )


def write_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace the file at `path`, whole or not at all."""
    draft = Draft(path, mode=mode)
    try:
        draft.write(data)
        draft.commit()
    finally:
        draft.discard()


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file at `path` against other processes and threads; False when it is taken and `wait` is false."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True  # closing the file gives the lock back, also when the process is killed


def sweep(directory: Path, now: float) -> None:
    """Remove drafts that nobody can still be writing. `now` is in seconds since the epoch."""
    with contextlib.suppress(FileNotFoundError):
        for part in directory.glob(f".*{_PART}"):
            with contextlib.suppress(FileNotFoundError):
                if now - part.stat().st_mtime > _ABANDONED_SECONDS:
                    part.unlink()


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
