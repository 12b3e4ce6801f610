"""Statements about an image, kept beside it in the registry: pushed once, found again by whoever has the image.

    image index  ◀── subject ──  artifact manifest  ──▶  layer: DSSE envelope  ──▶  in-toto statement

Each statement is an artifact of its own (OCI image manifest with `artifactType`, the empty config, one layer) that refers to the
promoted digest. The annotations say what it is, so that tools which list referrers can choose; nothing is decided by them, because
whoever may write to the repository may write annotations. Where a registry has no referrers API, the list under the tag
`sha256-<hex>` takes its place; the registry client sees to that.

Before one is pushed, one of the same content is looked for: after a crash there is still only one. What is found counts only when
our own key signed it.

Follows the OCI image specification (guidelines for artifact usage) and distribution specification (listing referrers), and for the
names of annotations BuildKit (`in-toto.io/predicate-type`) and cosign (`predicateType`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec

from pilotage.api.canonical import canonical_json
from pilotage.api.gate import PLATFORM_LABEL, RUN_LABEL
from pilotage.gate.promotion.dsse import ENVELOPE_TYPE, read_envelope, seal
from pilotage.gate.promotion.keys import PublicKey, SigningKey
from pilotage.gate.promotion.statements import PAYLOAD_TYPE, Statement, read_statement
from pilotage.images.digests import digest_of
from pilotage.images.errors import ImageError
from pilotage.images.parallel import closing
from pilotage.images.reference import Reference
from pilotage.images.source import OCI_MANIFEST, Descriptor, ImageSource, ImageTarget, Manifest

__all__ = ["ARTIFACT_TYPE", "Evidence", "attest", "find_signed", "opened_statement", "read_evidence"]

ARTIFACT_TYPE: Final = "application/vnd.in-toto+json"
EMPTY: Final = Descriptor(
    "application/vnd.oci.empty.v1+json",
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    2,
)
_EMPTY_BYTES: Final = b"{}"
_PREDICATE: Final = "in-toto.io/predicate-type"
_LAYER_PREDICATE: Final = "predicateType"
_CREATED: Final = "org.opencontainers.image.created"
_MAX_ENVELOPE: Final = 8 << 20
"""Bytes. A night with hundreds of jobs is a few hundred kilobytes; what is larger is no statement of a gate."""


class Evidence(msgspec.Struct, frozen=True):
    """One artifact that refers to an image: its own digest and the envelope in it. Nothing is verified yet."""

    digest: str
    envelope: bytes


async def attest(
    target: ImageTarget,
    image: Reference,
    statement: Statement,
    key: SigningKey,
    *,
    platform: str,
    run: str,
    created: str,
    is_same: Callable[[Statement], bool] | None = None,
) -> str:
    """Push a signed statement about `image`, which is a reference by digest; the digest of the artifact.

    It is there once, however often this is called: one that our key signed and that `is_same` (by default: says the same to the
    letter) is taken instead. `created` is RFC 3339. Raises ImageError.
    """
    payload = statement.encoded()
    present = await find_signed(
        target, image, key.public, is_same or (lambda each: each.encoded() == payload)
    )
    if present is not None:
        return present[0]
    envelope = seal(PAYLOAD_TYPE, payload, key)
    layer = Descriptor(
        ENVELOPE_TYPE,
        digest_of(envelope),
        len(envelope),
        annotations={_PREDICATE: statement.predicate_type, _LAYER_PREDICATE: statement.predicate_type},
    )
    manifest = _manifest(
        await target.resolve(image),
        layer,
        {
            _CREATED: created,
            _PREDICATE: statement.predicate_type,
            PLATFORM_LABEL: platform,
            **({RUN_LABEL: run} if run else {}),
        },
    )
    for descriptor, content in ((EMPTY, _EMPTY_BYTES), (layer, envelope)):
        if not await target.has_blob(image, descriptor.digest):
            await target.put_blob(image, descriptor, _stream(content))
    await target.put_manifest(image, manifest)
    return manifest.digest


async def find_signed(
    source: ImageSource, image: Reference, key: PublicKey, is_wanted: Callable[[Statement], bool]
) -> tuple[str, Statement] | None:
    """The first statement about `image` that the key signed and that is wanted, with the digest of its artifact."""
    async for evidence in read_evidence(source, image):
        statement = opened_statement(evidence, key)
        if statement is not None and statement.is_about(image.digest) and is_wanted(statement):
            return evidence.digest, statement
    return None


def opened_statement(evidence: Evidence, key: PublicKey) -> Statement | None:
    """The statement when the key signed it; None for all else."""
    sealed = read_envelope(evidence.envelope)
    opened = sealed.open(key) if sealed is not None else None
    if opened is None or opened.payload_type != PAYLOAD_TYPE:
        return None
    return read_statement(opened.payload)


async def read_evidence(source: ImageSource, image: Reference) -> AsyncIterator[Evidence]:
    """Every envelope that refers to `image`, a reference by digest. Artifacts of another make are left out.

    Raises ImageError, also for one of ours that is listed and cannot be read: it may be the one that takes the image back.
    """
    for descriptor in await source.referrers(image, image.digest):
        # Some registries keep lists without artifact types: then the manifest says what it is, if it can be read.
        if descriptor.artifact_type in (None, "", ARTIFACT_TYPE, EMPTY.media_type):
            try:
                found = await _evidence(source, image, descriptor)
            except ImageError as error:
                if descriptor.artifact_type == ARTIFACT_TYPE or error.code not in _UNREADABLE:
                    raise
                continue
            if found is not None:
                yield found


_UNREADABLE: Final = frozenset({"NotFound", "ContentIntegrity", "UnsupportedManifest", "InvalidReference"})


class _Artifact(msgspec.Struct, frozen=True, rename="camel"):
    layers: tuple[Descriptor, ...]
    artifact_type: str | None = None
    subject: Descriptor | None = None


async def _evidence(source: ImageSource, image: Reference, descriptor: Descriptor) -> Evidence | None:
    manifest = await source.manifest(image, descriptor.digest)
    try:
        artifact = msgspec.json.decode(manifest.raw, type=_Artifact)
    except msgspec.MsgspecError:
        return None
    if artifact.artifact_type != ARTIFACT_TYPE or len(artifact.layers) != 1:
        return None
    layer = artifact.layers[0]
    if layer.media_type != ENVELOPE_TYPE or layer.size > _MAX_ENVELOPE:
        return None
    parts: list[bytes] = []
    size = 0
    chunks = source.blob(image, layer)
    async with closing(chunks):
        async for chunk in chunks:
            size += len(chunk)
            if size > _MAX_ENVELOPE:
                return None
            parts.append(chunk)
    return Evidence(manifest.digest, b"".join(parts))


def _manifest(subject: Descriptor, layer: Descriptor, annotations: Mapping[str, str]) -> Manifest:
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": msgspec.to_builtins(EMPTY),
        "layers": [msgspec.to_builtins(layer)],
        "subject": msgspec.to_builtins(Descriptor(subject.media_type, subject.digest, subject.size)),
        "annotations": dict(annotations),
    }
    raw = canonical_json(document)
    return Manifest(OCI_MANIFEST, digest_of(raw), raw)


async def _stream(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
