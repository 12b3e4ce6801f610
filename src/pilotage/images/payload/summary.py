"""What is the least that describes a payload offline? A small JSON document with its digest, version and components.

    {"image": "quay.io/…", "digest": "sha256:…", "version": "4.21.0", "components": {"etcd": "quay.io/…@sha256:…"}}

`labels` and `platforms` may tell more about single images. Instead of `version` and `components` the document may carry the raw
`image-references` (as text or object), so that a dump can be made with a copy command. This is what plans and decisions take
when no registry may be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pilotage.images.payload import documents, imagereferences
from pilotage.images.payload.payload import ReleasePayload

__all__ = ["PayloadSummary", "parse_summary", "summary_of"]

_NAME = "payload summary"


class PayloadSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """`components` is name to pull spec. `labels` and `platforms` are by pull spec; absent means unknown, not none."""

    image: str = ""
    digest: str = ""
    version: str = ""
    components: Mapping[str, str] = {}
    labels: Mapping[str, Mapping[str, str]] | None = None
    platforms: Mapping[str, tuple[str, ...]] | None = None


class _Document(msgspec.Struct, frozen=True):
    image: str = ""
    digest: str = ""
    version: str = ""
    components: dict[str, str] | None = None
    labels: dict[str, dict[str, str]] | None = None
    platforms: dict[str, tuple[str, ...]] | None = None
    references: Any = msgspec.field(default=None, name="image-references")


def summary_of(payload: ReleasePayload) -> PayloadSummary:
    """The short form of a payload that was read."""
    return PayloadSummary(
        payload.pull_spec,
        payload.digest,
        payload.version,
        payload.content.references.images(),
    )


def parse_summary(text: str | bytes) -> PayloadSummary:
    """Read a summary, JSON or YAML. Raises ImageError `MalformedPayloadFile`, or `NotAReleasePayload` for foreign references."""
    value = documents.load(text, _NAME)
    try:
        document = msgspec.convert(value, _Document)
    except msgspec.ValidationError as error:
        raise documents.malformed(_NAME, str(error)) from None
    version, components = document.version, document.components
    if document.references is not None:
        raw = document.references
        found = imagereferences.parse(raw if isinstance(raw, str) else msgspec.json.encode(raw))
        version = version or found.version
        components = found.images() if components is None else components
    if components is None:
        raise documents.malformed(_NAME, "it has neither components nor image-references")
    return PayloadSummary(
        document.image, document.digest, version, components, document.labels, document.platforms
    )
