"""What a registry knows of an image: its platforms, its signatures, and statements of how it was built.

cosign keeps signatures under the tag `sha256-<hex>.sig` and attestations under `.att`; newer tools refer to the image instead
(`subject`), and the two may stand side by side. A signature counts only when its key signed a payload that names this very digest.
Where a signature should be and something unreadable is, there is none.

Follows sigstore/cosign (signature specification, simple signing payload) and in-toto/attestation.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from pilotage.gate.promotion.dsse import ENVELOPE_TYPE, pae
from pilotage.gate.promotion.keys import PublicKey
from pilotage.gate.promotion.policy import ImageFacts
from pilotage.gate.promotion.statements import Statement
from pilotage.images.errors import ImageError
from pilotage.images.inspect import manifest_of, read_config
from pilotage.images.parallel import closing
from pilotage.images.platforms import images_of
from pilotage.images.reference import Reference
from pilotage.images.registry.referrers import fallback_tag
from pilotage.images.source import Descriptor, ImageSource, Manifest

__all__ = ["observe_image", "platforms_of"]

_SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_STATEMENTS: Final = "https://in-toto.io/Statement/v"
_PROVENANCE: Final = "https://slsa.dev/provenance/"
_MAX_DOCUMENT: Final = 16 << 20
_NONE_THERE: Final = frozenset({"NotFound", "ContentIntegrity", "UnsupportedManifest", "InvalidReference"})


async def observe_image(
    source: ImageSource, image: Reference, *, key: PublicKey | None, reads_provenance: bool
) -> ImageFacts:
    """What is known of `image`, a reference by digest. Signatures are looked for only with a key. Raises ImageError."""
    manifest = await source.manifest(image, image.digest)
    platforms = await platforms_of(source, image, manifest)
    found = verified = provenance = 0
    if key is not None or reads_provenance:
        async for layer, raw in _documents(source, image):
            if layer.media_type == _SIMPLE_SIGNING:
                found += 1
                verified += key is not None and _is_signed(layer, raw, image.digest, key)
            elif reads_provenance and layer.media_type == ENVELOPE_TYPE:
                provenance += _is_provenance(raw, image.digest, key)
    return ImageFacts(platforms=platforms, signatures=found, verified=verified, provenance=provenance)


async def platforms_of(source: ImageSource, image: Reference, manifest: Manifest) -> tuple[str, ...]:
    """The platforms of an index as it lists them, or of the one image as its config says. Raises ImageError."""
    if manifest.is_index:
        images = images_of(manifest.index().manifests)
        return tuple(str(each.platform) for each in images if each.platform is not None)
    config = await read_config(source, image, manifest_of(manifest, image).config)
    return (str(config.platform),) if config.architecture else ()


async def _documents(source: ImageSource, image: Reference) -> AsyncIterator[tuple[Descriptor, bytes]]:
    """The layers of everything that signs or attests the image, by tag and by reference."""
    for suffix in (".sig", ".att"):
        try:
            top = await source.resolve(image.tagged(fallback_tag(image.digest) + suffix))
        except ImageError as error:
            if error.code == "NotFound":
                continue
            raise
        async for each in _layers(source, image, top):
            yield each
    for descriptor in await source.referrers(image, image.digest):
        async for each in _layers(source, image, descriptor):
            yield each


async def _layers(
    source: ImageSource, image: Reference, top: Descriptor
) -> AsyncIterator[tuple[Descriptor, bytes]]:
    try:
        manifest = await source.manifest(image, top.digest)
        layers = () if manifest.is_index else manifest.image().layers
    except (ImageError, msgspec.MsgspecError) as error:
        if isinstance(error, ImageError) and error.code not in _NONE_THERE:
            raise
        return
    for layer in layers:
        if layer.media_type in (_SIMPLE_SIGNING, ENVELOPE_TYPE) and layer.size <= _MAX_DOCUMENT:
            try:
                raw = await _read(source, image, layer)
            except ImageError as error:
                if error.code not in _NONE_THERE:
                    raise
                continue
            yield layer, raw


async def _read(source: ImageSource, image: Reference, layer: Descriptor) -> bytes:
    chunks = source.blob(image, layer)
    parts, size = [], 0
    async with closing(chunks):
        async for chunk in chunks:
            size += len(chunk)
            if size > layer.size:
                return b""
            parts.append(chunk)
    return b"".join(parts)


class _Manifest(msgspec.Struct, frozen=True):
    digest: str = msgspec.field(name="docker-manifest-digest")


class _Critical(msgspec.Struct, frozen=True):
    image: _Manifest


class _SimpleSigning(msgspec.Struct, frozen=True):
    critical: _Critical


def _is_signed(layer: Descriptor, payload: bytes, digest: str, key: PublicKey) -> bool:
    """Is this payload signed by the key, and about this digest? Only then did anybody sign the image."""
    try:
        signature = base64.b64decode((layer.annotations or {}).get(_SIGNATURE, ""), validate=True)
        named = msgspec.json.decode(payload, type=_SimpleSigning).critical.image.digest
    except (ValueError, msgspec.MsgspecError):
        return False
    return named == digest and key.verifies(signature, payload)


class _ForeignSignature(msgspec.Struct, frozen=True):
    sig: str


class _ForeignEnvelope(msgspec.Struct, frozen=True, rename="camel"):
    """An envelope as any tool writes it: with certificates and other fields of its own."""

    payload: str
    payload_type: str
    signatures: tuple[_ForeignSignature, ...] = ()


def _is_provenance(raw: bytes, digest: str, key: PublicKey | None) -> bool:
    """Does it say how this digest was built, and did the key sign it where there is one?"""
    try:
        envelope = msgspec.json.decode(raw, type=_ForeignEnvelope)
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [base64.b64decode(each.sig, validate=True) for each in envelope.signatures]
        statement = msgspec.json.decode(payload, type=Statement)
    except (ValueError, msgspec.MsgspecError):
        return False
    # Builders write version 0.1 and version 1 of the statement; what matters here is alike in both.
    if not statement.kind.startswith(_STATEMENTS) or not statement.predicate_type.startswith(_PROVENANCE):
        return False
    message = pae(envelope.payload_type, payload)
    return statement.is_about(digest) and (
        key is None or any(key.verifies(signature, message) for signature in signatures)
    )
