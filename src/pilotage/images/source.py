"""The port behind which images are read and written: a registry, an OCI layout on disk, a cache in front of either.

A source hands out verified bytes only: `manifest` checks the hash before it returns, `blob` hashes while it streams and
raises `ContentIntegrity` instead of ending normally when the bytes do not add up. A target is written children first,
the tag last, so a reader never sees an index without its images.

Follows the OCI image and distribution specifications.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

import msgspec

from pilotage.images.reference import Reference

__all__ = [
    "DOCKER_LIST", "DOCKER_MANIFEST", "INDEX_TYPES", "MANIFEST_ACCEPT", "MANIFEST_TYPES", "OCI_INDEX", "OCI_MANIFEST",
    "Descriptor", "ImageIndex", "ImageManifest", "ImageSource", "ImageTarget", "Manifest", "Platform",
]  # fmt: skip

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPES: Final = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
INDEX_TYPES: Final = frozenset({DOCKER_LIST, OCI_INDEX})
MANIFEST_ACCEPT: Final = ", ".join((DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX))


class Platform(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """`os` and `architecture` are Go's names (`linux`, `amd64`); `unknown/unknown` marks an attestation."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """Names content: media type, digest, size in bytes."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] | None = None
    artifact_type: str | None = None


class ImageManifest(msgspec.Struct, frozen=True, rename="camel"):
    """One image: its config and its layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] | None = None
    subject: Descriptor | None = None


class ImageIndex(msgspec.Struct, frozen=True, rename="camel"):
    """Several images behind one digest, normally one for each architecture."""

    manifests: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] | None = None
    subject: Descriptor | None = None


class Manifest(msgspec.Struct, frozen=True):
    """Verified manifest bytes. They are copied as they are and never serialised again."""

    media_type: str
    digest: str
    raw: bytes

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEX_TYPES

    def image(self) -> ImageManifest:
        return msgspec.json.decode(self.raw, type=ImageManifest)

    def index(self) -> ImageIndex:
        return msgspec.json.decode(self.raw, type=ImageIndex)

    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))


class ImageSource(Protocol):
    """Reads images. Every method raises ImageError."""

    async def resolve(self, reference: Reference) -> Descriptor:
        """What the tag or digest names now: media type, digest, size. A reference without both is refused."""
        ...

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        """The manifest of `digest` in the repository of `reference`."""
        ...

    def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """The bytes of a blob, in chunks; the caller may stop early, and then less is transferred."""
        ...

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        """What refers to `digest`: signatures, attestations. Empty when there is none."""
        ...

    async def tags(self, reference: Reference) -> Sequence[str]: ...

    async def close(self) -> None: ...


class ImageTarget(ImageSource, Protocol):
    """Writes images as well."""

    async def has_blob(self, reference: Reference, digest: str) -> bool: ...

    async def has_manifest(self, reference: Reference, digest: str) -> bool: ...

    async def mount_blob(self, reference: Reference, descriptor: Descriptor, source: Reference) -> bool:
        """Take the blob over from another repository of the same target; False when that is not possible."""
        ...

    async def put_blob(
        self, reference: Reference, descriptor: Descriptor, content: AsyncIterator[bytes]
    ) -> None:
        """Store a blob. Nothing is visible under its digest until all bytes arrived and were verified."""
        ...

    async def put_manifest(self, reference: Reference, manifest: Manifest, tag: str = "") -> None:
        """Store a manifest by digest, and under `tag` when one is given. Its children must be there already."""
        ...
