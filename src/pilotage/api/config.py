"""Mirror objects of OpenShift: where images are fetched from instead of their source.

ImageDigestMirrorSet and ImageTagMirrorSet (`config.openshift.io/v1`), and the older ImageContentSourcePolicy
(`operator.openshift.io/v1alpha1`), which clusters still have beside them. What they mean together is `images.mirrors`.
Follows openshift/api `config/v1/types_image_digest_mirror_set.go` and its neighbours.
"""

from __future__ import annotations

from typing import Final

import msgspec

from pilotage.api.meta import Kind, Meta

__all__ = [
    "IMAGE_CONTENT_SOURCE_POLICY",
    "IMAGE_DIGEST_MIRROR_SET",
    "IMAGE_TAG_MIRROR_SET",
    "KINDS",
    "ImageContentSourcePolicy",
    "ImageDigestMirrorSet",
    "ImageTagMirrorSet",
    "MirrorEntry",
]

IMAGE_DIGEST_MIRROR_SET: Final = Kind(
    "config.openshift.io",
    "v1",
    "ImageDigestMirrorSet",
    "imagedigestmirrorsets",
    namespaced=False,
    short_names=("idms",),
)
IMAGE_TAG_MIRROR_SET: Final = Kind(
    "config.openshift.io",
    "v1",
    "ImageTagMirrorSet",
    "imagetagmirrorsets",
    namespaced=False,
    short_names=("itms",),
)
IMAGE_CONTENT_SOURCE_POLICY: Final = Kind(
    "operator.openshift.io",
    "v1alpha1",
    "ImageContentSourcePolicy",
    "imagecontentsourcepolicies",
    namespaced=False,
    short_names=("icsp",),
)
KINDS: Final = (IMAGE_DIGEST_MIRROR_SET, IMAGE_TAG_MIRROR_SET, IMAGE_CONTENT_SOURCE_POLICY)


class MirrorEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One source and its mirrors, best first. `mirror_source_policy` is empty where the kind has none."""

    source: str = ""
    mirrors: tuple[str, ...] | None = None
    mirror_source_policy: str = ""


class _DigestMirrors(msgspec.Struct, frozen=True, rename="camel"):
    image_digest_mirrors: tuple[MirrorEntry, ...] | None = None


class _TagMirrors(msgspec.Struct, frozen=True, rename="camel"):
    image_tag_mirrors: tuple[MirrorEntry, ...] | None = None


class _RepositoryMirrors(msgspec.Struct, frozen=True, rename="camel"):
    repository_digest_mirrors: tuple[MirrorEntry, ...] | None = None


class ImageDigestMirrorSet(msgspec.Struct, frozen=True, rename="camel"):
    """For references with a digest."""

    metadata: Meta = Meta()
    spec: _DigestMirrors = _DigestMirrors()

    @property
    def entries(self) -> tuple[MirrorEntry, ...]:
        return self.spec.image_digest_mirrors or ()


class ImageTagMirrorSet(msgspec.Struct, frozen=True, rename="camel"):
    """For references with a tag."""

    metadata: Meta = Meta()
    spec: _TagMirrors = _TagMirrors()

    @property
    def entries(self) -> tuple[MirrorEntry, ...]:
        return self.spec.image_tag_mirrors or ()


class ImageContentSourcePolicy(msgspec.Struct, frozen=True, rename="camel"):
    """For references with a digest; the source is always the last resort."""

    metadata: Meta = Meta()
    spec: _RepositoryMirrors = _RepositoryMirrors()

    @property
    def entries(self) -> tuple[MirrorEntry, ...]:
        return self.spec.repository_digest_mirrors or ()
