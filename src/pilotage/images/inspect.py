"""What is this image? Its digests, platforms, labels and layers, without pulling a layer.

Labels come from the config of the chosen image, `config.Labels`, or from `container_config.Labels` where the config has no
`config` at all, as old builders left it. No labels is an empty map. Follows the OCI image configuration and openshift/hypershift
`support/util/imagemetadata.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pilotage.images.errors import ImageError
from pilotage.images.parallel import gather
from pilotage.images.platforms import images_of, is_multi_arch, open_image
from pilotage.images.reference import Reference
from pilotage.images.source import Descriptor, ImageManifest, ImageSource, Manifest, Platform

__all__ = [
    "ImageConfig",
    "ImageInfo",
    "inspect_children",
    "inspect_image",
    "manifest_of",
    "read_config",
    "read_config_bytes",
]

_MAX_CONFIG = 32 << 20
_CONFIG_TYPES = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)


class _Inner(msgspec.Struct, frozen=True):
    labels: dict[str, str] | None = msgspec.field(default=None, name="Labels")
    entrypoint: list[str] | None = msgspec.field(default=None, name="Entrypoint")
    user: str | None = msgspec.field(default=None, name="User")


class _RootFS(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...] | None = None


class ImageConfig(msgspec.Struct, frozen=True):
    """The parts of an image's config that something here reads."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    created: str = ""
    config: _Inner | None = None
    container_config: _Inner | None = None
    rootfs: _RootFS | None = None

    @property
    def labels(self) -> dict[str, str]:
        inner = self.container_config if self.config is None else self.config
        return dict(inner.labels or {}) if inner else {}

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return (self.rootfs.diff_ids or ()) if self.rootfs else ()

    @property
    def platform(self) -> Platform:
        return Platform(self.architecture, self.os, self.variant)


class ImageInfo(msgspec.Struct, frozen=True):
    """`digest` is what the reference names (of the index, where there is one), `image_digest` the image that was read.

    `size` is the sum of all layers as they are stored, in bytes; `children` are the images of the index, with platforms.
    """

    reference: str
    digest: str
    image_digest: str
    media_type: str
    platform: Platform
    platforms: tuple[Platform, ...]
    is_multi_arch: bool
    created: str
    labels: Mapping[str, str]
    layers: tuple[Descriptor, ...]
    size: int
    children: tuple[Descriptor, ...] = ()

    @property
    def list_digest(self) -> str:
        """The digest of the index; empty for an image without one."""
        return self.digest if self.digest != self.image_digest else ""


async def inspect_image(
    source: ImageSource, reference: Reference, platform: Platform | None = None
) -> ImageInfo:
    """Read manifest and config. A platform that is given must be there. Raises ImageError."""
    chosen = await open_image(source, reference, platform, required=platform is not None)
    image = manifest_of(chosen.manifest, reference)
    config = await read_config(source, reference, image.config)
    children = images_of(chosen.index.index().manifests) if chosen.index else ()
    if (
        platform
        and not chosen.index
        and (config.os, config.architecture) != (platform.os, platform.architecture)
    ):
        raise ImageError(
            "NoMatchingPlatform",
            f"failed to choose an image of {reference}: wanted {platform}, available: {config.platform}",
            reference=str(reference),
        )
    return ImageInfo(
        str(reference),
        chosen.digest,
        chosen.manifest.digest,
        (chosen.index or chosen.manifest).media_type,
        config.platform,
        tuple(each.platform for each in children if each.platform) or (config.platform,),
        is_multi_arch(chosen.index) if chosen.index else False,
        config.created,
        config.labels,
        image.layers,
        sum(layer.size for layer in image.layers),
        children,
    )


async def read_config(source: ImageSource, reference: Reference, descriptor: Descriptor) -> ImageConfig:
    """The config of one image, verified. Raises ImageError `UnsupportedManifest` for what is no image config."""
    raw = await read_config_bytes(source, reference, descriptor)
    try:
        return _without_nulls(raw)
    except msgspec.DecodeError as error:
        raise ImageError(
            "UnsupportedManifest",
            f"failed to read the config of {reference}: the document does not parse: {error}",
            reference=str(reference),
        ) from error


async def read_config_bytes(source: ImageSource, reference: Reference, descriptor: Descriptor) -> bytes:
    """The config as it is stored. Raises ImageError `UnsupportedManifest` for artifacts that are no image."""
    cause = ""
    if descriptor.media_type not in _CONFIG_TYPES:
        cause = f"{descriptor.media_type} is no image config"
    elif descriptor.size > _MAX_CONFIG:
        cause = f"{descriptor.size} bytes are too many"
    if cause:
        raise ImageError(
            "UnsupportedManifest",
            f"failed to read the config of {reference}: {cause}",
            reference=str(reference),
        )
    return b"".join([chunk async for chunk in source.blob(reference, descriptor)])


async def inspect_children(source: ImageSource, reference: Reference, info: ImageInfo) -> Sequence[ImageInfo]:
    """The same about every image of the index, in index order."""
    return await gather(inspect_image(source, reference.at(child.digest)) for child in info.children)


def manifest_of(manifest: Manifest, reference: Reference) -> ImageManifest:
    """The decoded manifest. Raises ImageError `UnsupportedManifest` when it lacks what an image must have."""
    try:
        return manifest.image()
    except msgspec.DecodeError as error:
        raise ImageError(
            "UnsupportedManifest",
            f"failed to read {reference}: the manifest does not parse: {error}",
            reference=str(reference),
        ) from error


def _without_nulls(raw: bytes) -> ImageConfig:
    """Go writes empty texts as absent or null; null members are absent here."""
    document: Any = msgspec.json.decode(raw, type=dict[str, Any])
    return msgspec.convert({key: value for key, value in document.items() if value is not None}, ImageConfig)
