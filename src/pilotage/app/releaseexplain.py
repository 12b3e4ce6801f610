"""Where would this reference be read, and by which name handed on? What `pilotage release explain` calls.

For direct fetches every candidate is tried, in order, until one delivers, each with the credential that would be used: its location
key is told, never its content. For the other purposes nothing is read: the answer is a name. Follows
openshift/enhancements `enhancements/hypershift/unified-image-resolution.md`.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

from pilotage.app.beside import Beside
from pilotage.app.images import Images, open_cache, read_mirrors, read_overrides
from pilotage.decision.findings import Finding
from pilotage.decision.render import finding_json
from pilotage.images.errors import ImageError
from pilotage.images.parallel import in_thread
from pilotage.images.reference import Reference
from pilotage.images.resolver import Purpose, Resolution, Resolver
from pilotage.images.source import ImageSource

__all__ = ["Explained", "Tried", "document", "explain"]


class Tried(msgspec.Struct, frozen=True):
    """One candidate. `credential` is a location key, empty for anonymous access; `outcome` empty when it was not tried.

    `place` says who answered: the instance's layout, or a registry.
    """

    candidate: str
    credential: str = ""
    outcome: str = ""
    digest: str = ""
    place: str = ""
    is_cached: bool = False


class Explained(msgspec.Struct, frozen=True):
    """`digest` is what the reference names now; empty when no candidate delivered, or nothing was to be read."""

    purpose: Purpose
    resolution: Resolution
    tried: tuple[Tried, ...]
    digest: str = ""

    @property
    def is_answered(self) -> bool:
        return self.purpose != "direct-fetch" or bool(self.digest)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return self.resolution.warnings


async def explain(images: Images, text: str, purpose: Purpose) -> Explained:
    """Trace one reference. Raises ImageError `InvalidReference`, `ForbiddenRewrite` for rules the purpose forbids."""
    resolver = Resolver(
        purpose,
        overrides=read_overrides(images.access.overrides),
        mirrors=read_mirrors(images.access.mirror_files),
    )
    resolution = resolver.resolve(text.removeprefix("docker://"))
    if purpose != "direct-fetch":
        return Explained(purpose, resolution, ())
    tried: list[Tried] = []
    digest = ""
    for candidate in resolution.candidates:
        if digest:
            tried.append(Tried(str(candidate), _credential(images, candidate)))
            continue
        outcome = await _try(images, candidate)
        digest = outcome.digest
        tried.append(outcome)
    return Explained(purpose, resolution, tuple(tried), digest)


def document(found: Explained) -> dict[str, Any]:
    """The machine form."""
    resolution = found.resolution
    return {
        "apiVersion": "pilotage.dev/v1",
        "kind": "ImageResolution",
        "reference": resolution.given,
        "purpose": found.purpose,
        "image": resolution.image,
        "override": resolution.override or None,
        "mirrorSource": resolution.mirrored or None,
        "candidates": [
            {
                "candidate": each.candidate,
                "credential": each.credential or None,
                "outcome": each.outcome or None,
                "digest": each.digest or None,
                "place": each.place or None,
                "cached": each.is_cached,
            }
            for each in found.tried
        ],
        "digest": found.digest or None,
        "warnings": [finding_json(each) for each in found.warnings],
    }


async def _try(images: Images, candidate: Reference) -> Tried:
    credential = _credential(images, candidate)
    layout = images.layout
    source: ImageSource
    if layout is not None and await Beside(layout, lambda: layout).holds(candidate):
        place, source = f"oci:{layout.directory}", layout
    elif images.access.is_offline:
        return Tried(
            str(candidate), credential, "not tried: the network may not be used", place=candidate.host
        )
    else:
        place, source = candidate.host, images.registry
    try:
        descriptor = await source.resolve(candidate)
    except ImageError as error:
        return Tried(str(candidate), credential, f"{error.code}: {error.message}", place=place)
    return Tried(
        str(candidate), credential, "delivered", descriptor.digest, place, await _is_cached(descriptor.digest)
    )


def _credential(images: Images, candidate: Reference) -> str:
    matching = images.credentials.matching(candidate)
    return matching[0].location if matching else ""


async def _is_cached(digest: str) -> bool:
    cache = open_cache(os.environ)
    return cache is not None and await in_thread(cache.find, digest) is not None
