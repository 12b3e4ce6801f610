"""Which image of an index is meant, and is an index multi-arch at all?

An index names one image for each platform, and often attestations beside them, which are never what a reader wants. A
platform that is asked for comes first, then `linux/amd64`, then the first `linux` image in index order: the images of a
release payload all carry the same references. Whoever must have one platform and no other says `required`.

Follows openshift/hypershift `support/releaseinfo` and the OCI image index specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.source import MANIFEST_TYPES, Descriptor, ImageManifest, ImageSource, Manifest, Platform

__all__ = [
    "ARCHITECTURES",
    "ChosenImage",
    "choose",
    "images_of",
    "is_multi_arch",
    "open_image",
    "parse_platform",
]

ARCHITECTURES: Final = frozenset({"amd64", "arm64", "s390x", "ppc64le"})
DEFAULT: Final = Platform("amd64", "linux")
_ATTESTATION = "vnd.docker.reference.type"


class ChosenImage(msgspec.Struct, frozen=True):
    """One image: its manifest, and the index it was chosen from. `descriptor` is None for an image without an index."""

    manifest: Manifest
    index: Manifest | None = None
    descriptor: Descriptor | None = None

    @property
    def image(self) -> ImageManifest:
        return self.manifest.image()

    @property
    def digest(self) -> str:
        """The digest to report and to pin: that of the index, where there is one."""
        return self.index.digest if self.index else self.manifest.digest


def parse_platform(text: str) -> Platform:
    """`linux/arm64/v8`, `linux/arm64`, or `arm64` alone, which means Linux. Raises ImageError `InvalidReference`."""
    parts = text.split("/")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise ImageError(
            "InvalidReference",
            f'failed to parse platform "{text}": it reads os/architecture, such as linux/arm64',
        )
    if len(parts) == 1:
        return Platform(parts[0], "linux")
    return Platform(parts[1], parts[0], parts[2] if len(parts) == 3 else "")


def images_of(descriptors: Sequence[Descriptor]) -> tuple[Descriptor, ...]:
    """The entries of an index that are images of a platform, in index order: no attestations, no other artifacts."""
    return tuple(each for each in descriptors if _is_image(each))


def is_multi_arch(manifest: Manifest) -> bool:
    """An index with images for more than one of the architectures that OpenShift runs on."""
    if not manifest.is_index:
        return False
    known = [
        each
        for each in _entries(manifest, None)
        if each.platform and each.platform.architecture in ARCHITECTURES
    ]
    return len(known) > 1


def choose(
    descriptors: Sequence[Descriptor],
    platform: Platform | None = None,
    *,
    required: bool = False,
    reference: str = "",
) -> Descriptor:
    """The entry of an index to read.

    Raises ImageError `NoMatchingPlatform` with the wanted and the available platforms when `required` and absent, or when
    the index holds no Linux image.
    """
    candidates = images_of(descriptors)
    wanted = [platform] if platform else []
    for each in wanted if required and wanted else [*wanted, DEFAULT]:
        for candidate in candidates:
            if candidate.platform and _fits(candidate.platform, each):
                return candidate
    for candidate in () if required and wanted else candidates:
        # An entry without platform is taken as the one image it is: indexes made by hand look so.
        if candidate.platform is None or candidate.platform.os == "linux":
            return candidate
    available = ", ".join(str(each.platform) for each in candidates if each.platform) or "none"
    raise ImageError(
        "NoMatchingPlatform",
        f"failed to choose an image of {reference or 'the index'}: wanted {platform or 'linux'}, available: {available}",
        reference=reference,
    )


async def open_image(
    source: ImageSource, reference: Reference, platform: Platform | None = None, *, required: bool = False
) -> ChosenImage:
    """Resolve the reference and read one image manifest behind it.

    Raises ImageError; an index inside an index is `UnsupportedManifest`.
    """
    top = await source.resolve(reference)
    manifest = await source.manifest(reference, top.digest)
    if not manifest.is_index:
        return ChosenImage(manifest)
    descriptor = choose(_entries(manifest, reference), platform, required=required, reference=str(reference))
    child = await source.manifest(reference, descriptor.digest)
    if child.media_type not in MANIFEST_TYPES:
        raise ImageError(
            "UnsupportedManifest",
            f"failed to read {reference}: {descriptor.digest} is {child.media_type}, expected an image",
            reference=str(reference),
        )
    return ChosenImage(child, manifest, descriptor)


def _entries(manifest: Manifest, reference: Reference | None) -> Sequence[Descriptor]:
    try:
        return manifest.index().manifests
    except msgspec.DecodeError as error:
        raise ImageError(
            "UnsupportedManifest",
            f"failed to read {reference or manifest.digest}: the index does not parse: {error}",
            reference=str(reference or ""),
        ) from error


def _is_image(descriptor: Descriptor) -> bool:
    if descriptor.media_type not in MANIFEST_TYPES or descriptor.artifact_type:
        return False
    if _ATTESTATION in (descriptor.annotations or {}):
        return False
    platform = descriptor.platform
    return platform is None or "unknown" not in (platform.os, platform.architecture)


def _fits(offered: Platform, wanted: Platform) -> bool:
    return (offered.os, offered.architecture) == (wanted.os, wanted.architecture) and (
        not wanted.variant or wanted.variant == offered.variant
    )
