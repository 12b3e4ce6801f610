"""Hashing content while it passes, and saying what it turned out to be."""

from __future__ import annotations

import hashlib

from pilotage.images.errors import ImageError
from pilotage.images.reference import is_digest

__all__ = ["Progress", "checked_digest", "contradicts", "digest_of"]


class Progress:
    """How far a blob came: the bytes that were handed on, hashed. Another connection can go on from here.

    Raises ImageError `InvalidReference` when `digest` is none.
    """

    __slots__ = ("_algorithm", "_hash", "digest", "offset")

    def __init__(self, digest: str) -> None:
        self.digest = checked_digest(digest)
        self.offset = 0
        self._algorithm = digest.partition(":")[0]
        self._hash = hashlib.new(self._algorithm)

    def add(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.offset += len(chunk)

    @property
    def found(self) -> str:
        """The digest of the bytes so far."""
        return f"{self._algorithm}:{self._hash.hexdigest()}"

    @property
    def matches(self) -> bool:
        return self.found == self.digest


def digest_of(raw: bytes, like: str = "sha256") -> str:
    """The digest of `raw`, by the algorithm of the digest `like` (or by that name)."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}"


def checked_digest(digest: str) -> str:
    """The digest as it is, when it is one: what a manifest names becomes part of an address, so it is not trusted.

    Raises ImageError `InvalidReference`.
    """
    if not is_digest(digest):
        raise ImageError("InvalidReference", f'"{digest[:100]}" is not a digest', reference=digest[:100])
    return digest


def contradicts(claimed: str, wanted: str) -> bool:
    """Two digests of one algorithm that differ; a registry may name content by another algorithm than we do."""
    return claimed.partition(":")[0] == wanted.partition(":")[0] and claimed != wanted
