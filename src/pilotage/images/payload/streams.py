"""Which boot images does a CoreOS stream offer, on which platform and where?

Stream metadata is the JSON that CoreOS publishes for each stream: for each architecture (`x86_64`, `aarch64`, `ppc64le`,
`s390x`) *artifacts* to download and *images* that are in a cloud already. Where an image is found differs by platform:
AWS, IBM Cloud and PowerVS by region, GCP by project and name, KubeVirt by digest, Azure by a disk or a marketplace plan.
Unknown fields are ignored, and null means absent.

Follows github.com/coreos/stream-metadata-go, with the RHEL extensions (`rhel-coreos-extensions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

__all__ = [
    "Architecture",
    "Artifact",
    "AzureDisk",
    "BootImage",
    "ContainerDisk",
    "Download",
    "Extensions",
    "GCPImage",
    "Images",
    "MarketplaceImage",
    "ObjectImage",
    "RegionImage",
    "Stream",
    "StreamMetadata",
    "decode",
]

T = TypeVar("T")


class Download(msgspec.Struct, frozen=True, gc=False, rename="kebab"):
    """A file to download; `sha256` is of the file as it is served."""

    location: str = ""
    sha256: str = ""
    uncompressed_sha256: str = ""
    signature: str = ""


class Artifact(msgspec.Struct, frozen=True):
    """What one platform boots from. Formats are like `qcow2.gz`; parts `disk`, `kernel`, `initramfs`, `rootfs`."""

    release: str = ""
    formats: dict[str, dict[str, Download]] = {}


class RegionImage(msgspec.Struct, frozen=True, gc=False):
    """An AWS image (`ami-…`), or an Aliyun one."""

    release: str = ""
    image: str = ""


class ObjectImage(msgspec.Struct, frozen=True, gc=False):
    """An image in the object store of IBM Cloud or PowerVS."""

    release: str = ""
    object: str = ""
    bucket: str = ""
    url: str = ""


class GCPImage(msgspec.Struct, frozen=True, gc=False):
    release: str = ""
    project: str = ""
    family: str = ""
    name: str = ""


class ContainerDisk(msgspec.Struct, frozen=True, gc=False, rename="kebab"):
    """KubeVirt's container disk. `digest_ref` is not among the payload's tags: the mirror lists forget it."""

    release: str = ""
    image: str = ""
    digest_ref: str = ""


class _Regions(msgspec.Struct, frozen=True):
    regions: dict[str, RegionImage] = {}


class _ObjectRegions(msgspec.Struct, frozen=True):
    regions: dict[str, ObjectImage] = {}


class Images(msgspec.Struct, frozen=True):
    """Images that are in a cloud already."""

    aws: _Regions | None = None
    aliyun: _Regions | None = None
    ibmcloud: _ObjectRegions | None = None
    powervs: _ObjectRegions | None = None
    gcp: GCPImage | None = None
    kubevirt: ContainerDisk | None = None


class AzureDisk(msgspec.Struct, frozen=True, gc=False):
    release: str = ""
    url: str = ""


class MarketplaceImage(msgspec.Struct, frozen=True, gc=False):
    """A marketplace image as Azure names it."""

    publisher: str = ""
    offer: str = ""
    sku: str = ""
    version: str = ""

    @property
    def urn(self) -> str:
        return ":".join((self.publisher, self.offer, self.sku, self.version))


class _Marketplace(msgspec.Struct, frozen=True):
    """Plan (`ocp`, `no-purchase-plan`, …) to generation (`hyperVGen1`, `hyperVGen2`)."""

    azure: dict[str, dict[str, MarketplaceImage]] = {}


class Extensions(msgspec.Struct, frozen=True, rename="kebab"):
    azure_disk: AzureDisk | None = None
    marketplace: _Marketplace | None = None
    aws_winli: _Regions | None = None


class Architecture(msgspec.Struct, frozen=True, rename={"extensions": "rhel-coreos-extensions"}):
    artifacts: dict[str, Artifact] = {}
    images: Images = Images()
    extensions: Extensions = Extensions()

    def aws(self, region: str) -> str:
        """The AMI of a region; empty when there is none."""
        return _region(self.images.aws, region)

    def powervs(self, region: str) -> ObjectImage | None:
        return self.images.powervs.regions.get(region) if self.images.powervs else None

    def ibmcloud(self, region: str) -> ObjectImage | None:
        return self.images.ibmcloud.regions.get(region) if self.images.ibmcloud else None

    def marketplace(self, plan: str, generation: str) -> MarketplaceImage | None:
        """An Azure marketplace image, for example of the plan `ocp` and the generation `hyperVGen2`."""
        offers = self.extensions.marketplace
        return offers.azure.get(plan, {}).get(generation) if offers else None


class StreamMetadata(msgspec.Struct, frozen=True, rename="kebab"):
    last_modified: str = ""


class BootImage(msgspec.Struct, frozen=True, gc=False, order=True):
    """One line of `release info --stream`: `where` is a region, plan or project, `image` what to boot from."""

    architecture: str
    platform: str
    where: str
    release: str
    image: str


class Stream(msgspec.Struct, frozen=True):
    """One stream, such as `rhcos-4.21`."""

    stream: str = ""
    metadata: StreamMetadata = StreamMetadata()
    architectures: dict[str, Architecture] = {}

    def boot_images(self) -> tuple[BootImage, ...]:
        """Every image of every architecture, sorted by architecture, platform and place."""
        return tuple(
            sorted(
                BootImage(name, *fields)
                for name, architecture in self.architectures.items()
                for fields in _listed(architecture)
            )
        )


def decode(value: Any) -> Stream:
    """A stream from decoded JSON. Raises msgspec.ValidationError naming the field that has another type."""
    return _convert(value, Stream)


def _convert(value: Any, kind: type[T]) -> T:
    """Null means absent, as for the Go reader; the walk that drops nulls is taken only when there are some."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        try:
            return msgspec.convert(_without_nulls(value), kind)
        except RecursionError:
            raise msgspec.ValidationError("it is nested too deeply") from None


def _without_nulls(value: Any, within: str = "") -> Any:
    """An architecture that is null keeps its name: it offers nothing, but it is there."""
    if isinstance(value, dict):
        kept = {key: _without_nulls(item, key) for key, item in value.items() if item is not None}
        return {key: kept.get(key, {}) for key in value} if within == "architectures" else kept
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _region(found: _Regions | None, region: str) -> str:
    image = found.regions.get(region) if found else None
    return image.image if image else ""


def _listed(architecture: Architecture) -> Iterator[tuple[str, str, str, str]]:
    """Platform, place, release and image of everything that one architecture offers."""
    yield from _listed_clouds(architecture.images)
    yield from _listed_extensions(architecture.extensions)
    for platform, artifact in architecture.artifacts.items():
        for form, parts in artifact.formats.items():
            for part, download in parts.items():
                yield platform, f"{form} {part}", artifact.release, download.location


def _listed_clouds(images: Images) -> Iterator[tuple[str, str, str, str]]:
    for platform, regions in (("aws", images.aws), ("aliyun", images.aliyun)):
        for region, image in (regions.regions if regions else {}).items():
            yield platform, region, image.release, image.image
    for platform, stores in (("ibmcloud", images.ibmcloud), ("powervs", images.powervs)):
        for region, stored in (stores.regions if stores else {}).items():
            yield platform, region, stored.release, stored.url or f"{stored.bucket}/{stored.object}"
    if images.gcp:
        yield "gcp", images.gcp.project, images.gcp.release, images.gcp.name or images.gcp.family
    if images.kubevirt:
        disk = images.kubevirt
        yield "kubevirt", "", disk.release, disk.digest_ref or disk.image


def _listed_extensions(extensions: Extensions) -> Iterator[tuple[str, str, str, str]]:
    if extensions.azure_disk:
        yield "azure", "disk", extensions.azure_disk.release, extensions.azure_disk.url
    for plan, generations in (extensions.marketplace.azure if extensions.marketplace else {}).items():
        for generation, offer in generations.items():
            yield "azure", f"{plan} {generation}", offer.version, offer.urn
    for region, image in (extensions.aws_winli.regions if extensions.aws_winli else {}).items():
        yield "aws-winli", region, image.release, image.image
