"""What is this manifest? The headers of an answer say it, the document says it, and both have to agree.

Follows the OCI image specification (media types; a document that is both an image and an index is refused).
"""

from __future__ import annotations

from typing import Final

from pilotage.images.digests import contradicts
from pilotage.images.disk.layout import media_type_of
from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference, is_digest
from pilotage.images.registry.api import integrity_error
from pilotage.images.registry.exchange import Response
from pilotage.images.source import INDEX_TYPES, MANIFEST_TYPES, Descriptor

__all__ = ["checked_type", "described", "media_type"]

_KNOWN_TYPES: Final = MANIFEST_TYPES | INDEX_TYPES
# What a registry or a proxy says that does not know what it stores.
_VAGUE_TYPES: Final = frozenset({"", "application/json", "text/plain", "application/octet-stream"})


def media_type(response: Response) -> str:
    return response.header("Content-Type").partition(";")[0].strip().lower()


def described(response: Response, reference: Reference) -> Descriptor | None:
    """What the headers of HEAD say; None when one is missing and the body has to be read."""
    claimed = response.header("Docker-Content-Digest")
    if reference.digest and contradicts(claimed, reference.digest):
        raise integrity_error(
            "failed to resolve", reference, reference.digest, claimed, "the registry answered with"
        )
    digest = reference.digest or claimed
    kind = media_type(response)
    length = response.header("Content-Length")
    if not is_digest(digest) or kind in _VAGUE_TYPES or not length.isdigit() or int(length) == 0:
        return None
    if kind not in _KNOWN_TYPES:
        raise _unsupported("failed to resolve", reference, kind)
    return Descriptor(kind, digest, int(length))


def checked_type(kind: str, raw: bytes, reference: Reference) -> str:
    """The media type of a manifest, on which header and document must agree.

    Bytes that are an image under one type and an index under another would be two things with one digest.
    """
    if kind not in _KNOWN_TYPES | _VAGUE_TYPES:
        raise _unsupported("failed to read the manifest of", reference, kind)
    shape = media_type_of(raw, reference=str(reference))
    if kind in _VAGUE_TYPES:
        return shape
    if (kind in INDEX_TYPES) != (shape in INDEX_TYPES):
        raise _unsupported(
            "failed to read the manifest of", reference, f"{kind}, and the document is {shape}"
        )
    return kind


def _unsupported(attempt: str, reference: Reference, kind: str) -> ImageError:
    return ImageError(
        "UnsupportedManifest",
        f"{attempt} {reference}: media type {kind} is no image",
        reference=str(reference),
    )
