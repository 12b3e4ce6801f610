"""How does an image get from one place to another, whole and unchanged?

Everything that belongs to an image is copied by digest: the index, its images, their configs and layers, what refers to any of
them (signatures, attestations), and the tags `sha256-<hex>.sig`, `.att`, `.sbom` by which cosign finds its own. Manifests travel
byte for byte. What is there already is not sent again, so a copy that broke off goes on where it stopped.

Within one registry blobs are taken over instead of sent. Blobs travel in parallel; a manifest follows its blobs, an index its
images, and the tag comes last, behind the signatures: a reader of the destination never sees half an image, or an unsigned one.
Follows the OCI distribution specification (push) and the cosign signature storage convention.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from pilotage.images.errors import ImageError
from pilotage.images.inspect import manifest_of
from pilotage.images.parallel import SingleFlight, closing, gather
from pilotage.images.platforms import choose, images_of
from pilotage.images.reference import Reference
from pilotage.images.registry.referrers import entry_for, fallback_tag
from pilotage.images.source import Descriptor, ImageSource, ImageTarget, Manifest, Platform

__all__ = ["CopyResult", "Moved", "copy_blobs", "copy_image"]

Way = Literal["copied", "mounted", "existed"]
Kind = Literal["blob", "manifest"]

_AT_ONCE: Final = 6
_COSIGN: Final = (".sig", ".att", ".sbom")


class Moved(msgspec.Struct, frozen=True, gc=False):
    """One blob or manifest and how it came to be at the destination. `size` is in bytes."""

    kind: Kind
    digest: str
    size: int
    way: Way


class CopyResult(msgspec.Struct, frozen=True):
    """`digest` is what the destination names now; `moved` lists everything that belongs to it, in the order it was settled.

    `referrers` and `signatures` count what was found beside the image.
    """

    source: str
    destination: str
    digest: str
    media_type: str
    moved: tuple[Moved, ...]
    referrers: int = 0
    signatures: int = 0

    def count(self, way: Way) -> int:
        return sum(each.way == way for each in self.moved)

    def size(self, way: Way) -> int:
        """Bytes that were copied, mounted or there already."""
        return sum(each.size for each in self.moved if each.way == way)


async def copy_image(
    source: ImageSource,
    reference: Reference,
    target: ImageTarget,
    destination: Reference,
    *,
    platform: Platform | None = None,
    companions: bool = True,
    keeps_signatures: bool = False,
    progress: Callable[[Moved], None] | None = None,
    at_once: int = _AT_ONCE,
) -> CopyResult:
    """Copy what `reference` names. The tag of `destination`, when it has one, is set last.

    With a `platform` only that image is copied, and its digest differs from that of the index. `companions` are referrers and
    cosign tags. With `keeps_signatures` a cosign tag of the destination that holds what the source's has not stays as it is.
    Raises ImageError; what was copied until then stays and is not copied again.
    """
    copying = _Copying(source, reference, target, destination, progress or (lambda _moved: None), at_once)
    copying.keeps_signatures = keeps_signatures
    top = await source.resolve(reference)
    manifest = await source.manifest(reference, top.digest)
    if platform is not None and manifest.is_index:
        entries = manifest.index().manifests
        child = choose(entries, platform, required=True, reference=str(reference))
        manifest = await source.manifest(reference, child.digest)
    if destination.digest and destination.digest != manifest.digest:
        raise ImageError(
            "InvalidReference",
            f"failed to copy {reference} to {destination}: the destination names another digest than {manifest.digest}",
            reference=str(destination),
        )
    await gather([copying.below(manifest), *([copying.companions_of(manifest)] if companions else [])])
    await copying.store(manifest, destination.tag)
    return CopyResult(
        str(reference),
        str(destination),
        manifest.digest,
        manifest.media_type,
        tuple(copying.moved),
        copying.found["referrers"],
        copying.found["signatures"],
    )


async def copy_blobs(
    source: ImageSource,
    reference: Reference,
    target: ImageTarget,
    destination: Reference,
    blobs: Iterable[Descriptor],
) -> tuple[Moved, ...]:
    """Bring single blobs to the target, for an image that will be built on them. Raises ImageError."""
    copying = _Copying(source, reference, target, destination, lambda _moved: None, _AT_ONCE)
    await gather(copying.blob(each) for each in blobs)
    return tuple(copying.moved)


def _signature(layer: Descriptor) -> str:
    """The signature that cosign keeps at a layer: one payload may be signed by several keys."""
    return (layer.annotations or {}).get("dev.cosignproject.cosign/signature", "")


class _Copying:
    """One copy under way: nothing is moved twice, however many manifests name it."""

    def __init__(
        self,
        source: ImageSource,
        reference: Reference,
        target: ImageTarget,
        destination: Reference,
        progress: Callable[[Moved], None],
        at_once: int,
    ) -> None:
        self._source = source
        self._reference = reference
        self._target = target
        self._destination = destination
        self._progress = progress
        self._transfers = asyncio.Semaphore(at_once)
        self._same_registry = reference.api_host == destination.api_host
        self._work = SingleFlight[tuple[str, str], None]()
        self._settled: set[tuple[str, str]] = set()
        self._present: set[str] = set()
        self._asked: set[str] = set()
        self._recorded: set[str] = set()
        self.keeps_signatures = False
        self.moved: list[Moved] = []
        self.found = Counter[str]()

    async def tree(self, manifest: Manifest, tag: str = "") -> None:
        """A manifest with everything below it; the manifest itself last."""
        key = (manifest.digest, tag)
        if key not in self._settled:
            await self._work.run(key, lambda: self._tree(manifest, tag))
            self._settled.add(key)

    async def below(self, manifest: Manifest) -> None:
        """All that must be there before the manifest. A registry takes one only then: where it is, they are."""
        if manifest.is_index:
            await gather(self._child(each) for each in manifest.index().manifests)
        if await self._target.has_manifest(self._destination, manifest.digest):
            self._present.add(manifest.digest)
        elif not manifest.is_index:
            image = manifest_of(manifest, self._reference)
            blobs = {each.digest: each for each in (*image.layers, image.config)}
            largest_first = sorted(blobs.values(), key=lambda each: -each.size)
            await gather(self.blob(each) for each in largest_first)

    async def store(self, manifest: Manifest, tag: str = "") -> None:
        """The manifest itself. One that refers to another is stored again: the list of referrers may lack it."""
        exists = manifest.digest in self._present
        if tag or not exists or entry_for(manifest) is not None:
            await self._target.put_manifest(self._destination, manifest, tag)
        self._settle("manifest", manifest.digest, len(manifest.raw), "existed" if exists else "copied")

    async def companions_of(self, manifest: Manifest) -> None:
        """What refers to the manifest or to its images, and to that in turn. It is there before the tag that leads to them."""
        digests = [manifest.digest]
        if manifest.is_index:
            digests += [each.digest for each in images_of(manifest.index().manifests)]
        await gather(self._companions_of(digest) for digest in digests if not self._note(digest))

    async def _tree(self, manifest: Manifest, tag: str) -> None:
        await self.below(manifest)
        await self.store(manifest, tag)

    async def _child(self, descriptor: Descriptor) -> None:
        await self.tree(await self._source.manifest(self._reference, descriptor.digest))

    async def blob(self, descriptor: Descriptor) -> None:
        key = ("blob", descriptor.digest)
        if key not in self._settled:
            await self._work.run(key, lambda: self._move(descriptor))
            self._settled.add(key)

    async def _move(self, descriptor: Descriptor) -> None:
        async with self._transfers:
            way: Way = "copied"
            if await self._target.has_blob(self._destination, descriptor.digest):
                way = "existed"
            elif self._same_registry and await self._target.mount_blob(
                self._destination, descriptor, self._reference
            ):
                way = "mounted"
            else:
                content = self._source.blob(self._reference, descriptor)
                async with closing(content):
                    await self._target.put_blob(self._destination, descriptor, content)
        self._settle("blob", descriptor.digest, descriptor.size, way)

    async def _companions_of(self, digest: str) -> None:
        await gather([self._referrers_of(digest), *(self._cosign(digest, suffix) for suffix in _COSIGN)])

    async def _referrers_of(self, digest: str) -> None:
        for descriptor in await self._source.referrers(self._reference, digest):
            if not self._note(descriptor.digest):
                self.found["referrers"] += 1
                manifest = await self._source.manifest(self._reference, descriptor.digest)
                await self.tree(manifest)
                await self._referrers_of(descriptor.digest)

    async def _cosign(self, digest: str, suffix: str) -> None:
        tag = fallback_tag(digest) + suffix
        try:
            descriptor = await self._source.resolve(self._reference.tagged(tag))
        except ImageError as error:
            if error.code == "NotFound":
                return
            raise
        self.found["signatures"] += 1
        manifest = await self._source.manifest(self._reference, descriptor.digest)
        if not (self.keeps_signatures and await self._would_lose(manifest, tag)):
            await self.tree(manifest, tag)

    async def _would_lose(self, manifest: Manifest, tag: str) -> bool:
        """Does the destination hold signatures under the tag that are not in this manifest? Somebody signed there as well."""
        there = self._destination.tagged(tag)
        try:
            found = await self._target.resolve(there)
            before = manifest_of(await self._target.manifest(there, found.digest), there)
        except ImageError as error:
            if error.code in ("NotFound", "UnsupportedManifest"):
                return False
            raise
        arriving = {(each.digest, _signature(each)) for each in manifest_of(manifest, self._reference).layers}
        return any((each.digest, _signature(each)) not in arriving for each in before.layers)

    def _note(self, digest: str) -> bool:
        """Was this digest asked for companions before? Referrers may name one another in circles."""
        known = digest in self._asked
        self._asked.add(digest)
        return known

    def _settle(self, kind: Kind, digest: str, size: int, way: Way) -> None:
        if digest not in self._recorded:
            self._recorded.add(digest)
            moved = Moved(kind, digest, size, way)
            self.moved.append(moved)
            self._progress(moved)
