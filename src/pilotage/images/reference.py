"""What an image reference means: `[registry/]repository[:tag][@digest]`.

The grammar is that of the distribution project (`distribution/reference`) with the digests that OCI registers: the first
path element is a registry only if it contains `.` or `:` or is `localhost`; without one, Docker Hub applies. A reference
prints exactly as it was written; `host`, `path` and `api_host` give what it resolves to. With both tag and digest, the
digest decides.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from pilotage.images.errors import ImageError

__all__ = ["DOCKER_HUB", "Reference", "is_digest", "parse"]

DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"
_MAX_REPOSITORY = 255
_MAX_QUOTED = 200  # characters of a refused reference that a message repeats: enough to recognise it

_PATH_ELEMENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_HOST_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_REPOSITORY = re.compile(rf"{_PATH_ELEMENT}(?:/{_PATH_ELEMENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")


class Reference(msgspec.Struct, frozen=True, gc=False, order=True):
    """A parsed reference. `registry` is empty when none was written; `tag` and `digest` are empty when absent."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.suffix}"

    @property
    def name(self) -> str:
        """Registry and repository as written, without tag and digest."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    @property
    def host(self) -> str:
        """The registry that is meant: `docker.io` when none was written."""
        return DOCKER_HUB if self.registry in ("", "index.docker.io") else self.registry

    @property
    def api_host(self) -> str:
        """The host that answers the registry API."""
        return _DOCKER_HUB_API if self.host == DOCKER_HUB else self.host

    @property
    def path(self) -> str:
        """The repository at the registry: Docker Hub's one-element names live under `library`."""
        return (
            f"library/{self.repository}"
            if self.host == DOCKER_HUB and "/" not in self.repository
            else self.repository
        )

    @property
    def location(self) -> str:
        """Host and path that are meant, without tag and digest: what mirror rules and credentials are matched with."""
        return f"{self.host}/{self.path}"

    @property
    def suffix(self) -> str:
        """Tag and digest as written, with their separators."""
        return f"{f':{self.tag}' if self.tag else ''}{f'@{self.digest}' if self.digest else ''}"

    @property
    def is_pinned(self) -> bool:
        return bool(self.digest)

    def at(self, digest: str) -> Reference:
        """The same repository at `digest`, without a tag."""
        return Reference(self.registry, self.repository, "", digest)

    def tagged(self, tag: str) -> Reference:
        return Reference(self.registry, self.repository, tag, "")


@lru_cache(maxsize=65536)
def parse(text: str) -> Reference:
    """Read a reference.

    Raises ImageError `InvalidReference` with the reference in quotes and the part that is wrong.
    """
    if _IDENTIFIER.fullmatch(text):
        raise _invalid(text, "64 hexadecimal digits are an image identifier, not a name")
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _invalid(
            text, "the digest must be sha256, sha384 or sha512 and lower-case hexadecimal of full length"
        )
    registry, repository, tag = _split_name(name)
    if len(repository) > _MAX_REPOSITORY:
        raise _invalid(text, f"a repository name is at most {_MAX_REPOSITORY} characters long")
    if registry and not _REGISTRY.fullmatch(registry):
        raise _invalid(text, f'"{_shorten(registry)}" is not a registry host')
    if tag is not None and not _TAG.fullmatch(tag):
        raise _invalid(text, f'"{_shorten(tag)}" is not a tag')
    if not _REPOSITORY.fullmatch(repository):
        lower = " (a repository must be lower case)" if _REPOSITORY.fullmatch(repository.lower()) else ""
        raise _invalid(text, f'"{repository}" is not a repository name{lower}')
    return Reference(registry, repository, tag or "", digest)


def is_digest(text: str) -> bool:
    """Is this a whole digest of a supported algorithm?"""
    return _DIGEST.fullmatch(text) is not None


def _split_name(name: str) -> tuple[str, str, str | None]:
    """Registry (may be empty), repository, tag (None when there is no colon behind the last slash)."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, remainder = first, rest
    else:
        registry, remainder = "", name
    repository, colon, tag = remainder.rpartition(":")
    return (registry, repository, tag) if colon else (registry, remainder, None)


def _invalid(text: str, why: str) -> ImageError:
    return ImageError(
        "InvalidReference",
        f'failed to parse image reference "{_shorten(text)}": {why}',
        reference=_shorten(text),
    )


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…"
