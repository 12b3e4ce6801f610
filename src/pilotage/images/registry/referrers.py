"""What refers to an image, at registries that keep count and at those that do not.

Where the referrers API is missing, an index under the tag `<algorithm>-<hex>` lists what refers to that digest; whoever
stores a manifest with a `subject` adds it there. This module is the pure part: the tag, the entry, the list.

Follows the OCI distribution specification (listing referrers, referrers tag schema).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pilotage.images.digests import digest_of
from pilotage.images.source import OCI_INDEX, Descriptor, ImageIndex, Manifest

__all__ = ["entry_for", "fallback_tag", "index_of", "parse_index"]


class _Referring(msgspec.Struct, rename="camel"):
    """The parts of a manifest that its entry repeats."""

    artifact_type: str | None = None
    config: Descriptor | None = None
    annotations: dict[str, str] | None = None
    subject: Descriptor | None = None


def fallback_tag(digest: str) -> str:
    """`sha256-<hex>`, each part cut to the length that a tag allows."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def entry_for(manifest: Manifest) -> tuple[str, Descriptor] | None:
    """The digest that this manifest refers to and its entry in the list; None when it refers to nothing."""
    try:
        referring = msgspec.json.decode(manifest.raw, type=_Referring)
    except msgspec.MsgspecError:
        return None
    if referring.subject is None:
        return None
    kind = referring.artifact_type or (referring.config.media_type if referring.config else None)
    entry = msgspec.structs.replace(
        manifest.descriptor(), artifact_type=kind, annotations=referring.annotations
    )
    return referring.subject.digest, entry


def parse_index(raw: bytes) -> tuple[Descriptor, ...] | None:
    """The entries of a referrers list; None when the document is none."""
    try:
        return msgspec.json.decode(raw, type=ImageIndex).manifests
    except msgspec.MsgspecError:
        return None


def index_of(entries: Sequence[Descriptor]) -> Manifest:
    """The list as a manifest to store under the fallback tag."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    raw = msgspec.json.encode(document)
    return Manifest(OCI_INDEX, digest_of(raw), raw)
