"""What does a release payload say? Read once, understood once, the same for everyone who asks about this digest.

Three files are read with the payload: `image-references` (which must be there), `release-metadata` and the boot image ConfigMap
(which may be missing). All other manifests stay where they are until someone wants them. What decisions need is judged
strictly; what is only displayed becomes a warning. A boot image ConfigMap that does not parse is an error for those who ask
for boot images, and a warning for everybody else.

Follows openshift/oc `pkg/cli/admin/release/info.go` and openshift/hypershift `support/releaseinfo`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.versions import OCPVersion
from pilotage.decision.findings import Finding, warning
from pilotage.images.errors import ImageError
from pilotage.images.inspect import ImageConfig, manifest_of, read_config
from pilotage.images.parallel import SingleFlight
from pilotage.images.payload import bootimages, imagereferences
from pilotage.images.payload import metadata as releasemetadata
from pilotage.images.payload.bootimages import BootImages
from pilotage.images.payload.componentversions import ComponentVersions
from pilotage.images.payload.files import DIRECTORY, DirectoryFiles, ImageFiles, PayloadFile, PayloadFiles
from pilotage.images.payload.imagereferences import Component, ImageReferences
from pilotage.images.payload.metadata import ReleaseMetadata
from pilotage.images.platforms import ChosenImage, images_of, is_multi_arch, open_image
from pilotage.images.reference import Reference
from pilotage.images.source import ImageSource, Platform

__all__ = ["PayloadCache", "PayloadContent", "ReleasePayload", "load_directory", "load_payload"]

_READ_AT_ONCE = frozenset({imagereferences.FILE, releasemetadata.FILE, bootimages.FILE})
_ATTEMPT = "failed to read release payload"


class PayloadContent(msgspec.Struct, frozen=True, dict=True):
    """What belongs to a digest and not to a question. `digest` is that of the index, where there is one.

    `image_digest` is the image that was read; both are empty for a directory. `platforms` are those of the index.
    """

    references: ImageReferences
    metadata: ReleaseMetadata | None
    files: tuple[PayloadFile, ...]
    boot_images_text: bytes | None = None
    digest: str = ""
    image_digest: str = ""
    is_multi_arch: bool = False
    platforms: tuple[Platform, ...] = ()
    config: ImageConfig = ImageConfig()

    @cached_property
    def boot_images(self) -> BootImages | None:
        """None when the payload has no such file. Raises ImageError `MalformedPayloadFile`."""
        return None if self.boot_images_text is None else bootimages.parse(self.boot_images_text)

    @cached_property
    def warnings(self) -> tuple[Finding, ...]:
        """Everything odd about the payload that does not make it unusable, each once."""
        version = self.references.version
        found = [
            *self.references.warnings,
            *self.references.versions.problems,
            *self.references.versions.notes,
        ]
        if self.metadata is not None:
            found += self.metadata.warnings(version)
        try:
            found += self.boot_images.warnings(version) if self.boot_images is not None else ()
        except ImageError as error:
            found.append(warning(error.code, error.message, field=bootimages.FILE))
        if self.metadata is not None and self.metadata.is_multi and self.digest and not self.is_multi_arch:
            message = f"{releasemetadata.FILE} says multi, the image has one architecture"
            found.append(warning("ArchitectureMismatch", message))
        return tuple(dict.fromkeys(found))


class ReleasePayload(msgspec.Struct, frozen=True):
    """One payload as someone asked for it: `reference` as given, `content` shared by all who ask for the same digest."""

    reference: str
    content: PayloadContent
    source_files: PayloadFiles
    repository: str = ""
    """Registry and repository; empty for a directory."""

    @property
    def version(self) -> str:
        """The name of the release; decisions use this one and no other."""
        return self.content.references.version

    @property
    def digest(self) -> str:
        return self.content.digest

    @property
    def pull_spec(self) -> str:
        """Repository at digest: what pins this payload. The reference as given for a directory."""
        return f"{self.repository}@{self.digest}" if self.digest else self.reference

    @property
    def components(self) -> Mapping[str, Component]:
        return self.content.references.components

    @property
    def component_versions(self) -> ComponentVersions:
        return self.content.references.versions

    @property
    def metadata(self) -> ReleaseMetadata | None:
        return self.content.metadata

    @property
    def files(self) -> tuple[PayloadFile, ...]:
        return self.content.files

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return self.content.warnings

    @property
    def display_version(self) -> str:
        """The version of `release-metadata` where there is one: what people are shown."""
        return (self.metadata.version if self.metadata else "") or self.version

    def semantic_version(self) -> OCPVersion:
        """The version for decisions. Raises ImageError `InvalidReleaseVersion`."""
        try:
            return OCPVersion.parse(self.version)
        except InputError as error:
            raise ImageError(
                "InvalidReleaseVersion",
                f"{_ATTEMPT} {self.reference}: {error.message}",
                reference=self.reference,
                hint=error.hint,
            ) from None

    def image_of(self, component: str) -> str:
        """The pull spec of a component. Raises ImageError `ComponentMissing` naming component and payload."""
        try:
            return self.content.references.image_of(component)
        except ImageError as error:
            raise _in_context(self.reference, error) from None

    def boot_images(self) -> BootImages:
        """Raises ImageError `MissingPayloadFile` or `MalformedPayloadFile`."""
        try:
            found = self.content.boot_images
        except ImageError as error:
            raise _in_context(self.reference, error) from None
        if found is None:
            raise _missing(bootimages.FILE, self.reference)
        return found

    async def read(self, name: str) -> bytes:
        """One file. Raises ImageError `MissingPayloadFile`."""
        _, contents = await self.source_files.read(lambda each: each == name)
        if name not in contents:
            raise _missing(name, self.reference)
        return contents[name]

    async def manifests(self) -> dict[str, bytes]:
        """All manifests by name, sorted."""
        names = {file.name for file in self.files if file.kind == "manifest"}
        _, contents = await self.source_files.read(names.__contains__)
        return dict(sorted(contents.items()))


class PayloadCache:
    """Parsed payloads by digest, the `limit` most recently used; tags are resolved every time, errors are not kept."""

    def __init__(self, limit: int = 32) -> None:
        self._limit = limit
        self._contents: OrderedDict[tuple[str, Platform | None], PayloadContent] = OrderedDict()
        self._flights = SingleFlight[tuple[str, Platform | None], PayloadContent]()

    async def load(
        self, source: ImageSource, reference: Reference, platform: Platform | None = None
    ) -> ReleasePayload:
        """As `load_payload`. The asker's own access to the image is checked by its source on every call."""
        chosen = await open_image(source, reference, platform)
        files = ImageFiles(source, reference, chosen)
        key = (chosen.digest, chosen.descriptor.platform if chosen.descriptor else None)
        content = self._contents.get(key)
        if content is None:
            content = await self._flights.run(key, lambda: _content(source, reference, chosen, files))
            self._contents[key] = content
        self._contents.move_to_end(key)
        while len(self._contents) > self._limit:
            self._contents.popitem(last=False)
        return ReleasePayload(str(reference), content, files, reference.name)


async def load_payload(
    source: ImageSource, reference: Reference, platform: Platform | None = None
) -> ReleasePayload:
    """Read a payload. Of an index the image for `platform` is read when there is one, since all carry the same references.

    Raises ImageError: `MissingPayloadFile`, `NotAReleasePayload`, `MalformedPayloadFile`, and those of the source.
    """
    chosen = await open_image(source, reference, platform)
    files = ImageFiles(source, reference, chosen)
    content = await _content(source, reference, chosen, files)
    return ReleasePayload(str(reference), content, files, reference.name)


async def load_directory(directory: Path | str) -> ReleasePayload:
    """Read a payload from a directory that is, or holds, `release-manifests/`. Raises ImageError."""
    files = DirectoryFiles(Path(directory))
    return ReleasePayload(str(directory), await _parsed(str(directory), files), files)


async def _content(
    source: ImageSource, reference: Reference, chosen: ChosenImage, files: ImageFiles
) -> PayloadContent:
    parsed = await _parsed(str(reference), files)
    image = manifest_of(chosen.manifest, reference)
    children = images_of(chosen.index.index().manifests) if chosen.index else ()
    config = await read_config(source, reference, image.config)
    return msgspec.structs.replace(
        parsed,
        digest=chosen.digest,
        image_digest=chosen.manifest.digest,
        is_multi_arch=chosen.index is not None and is_multi_arch(chosen.index),
        platforms=tuple(each.platform for each in children if each.platform) or (config.platform,),
        config=config,
    )


async def _parsed(reference: str, source_files: PayloadFiles) -> PayloadContent:
    files, contents = await source_files.read(_READ_AT_ONCE.__contains__)
    if imagereferences.FILE not in contents:
        raise _missing(imagereferences.FILE, reference)
    try:
        references = imagereferences.parse(contents[imagereferences.FILE])
        metadata = None
        if releasemetadata.FILE in contents:
            metadata = releasemetadata.parse(contents[releasemetadata.FILE])
    except ImageError as error:
        raise _in_context(reference, error) from None
    return PayloadContent(references, metadata, files, contents.get(bootimages.FILE))


def _missing(name: str, reference: str) -> ImageError:
    return ImageError(
        "MissingPayloadFile",
        f"{_ATTEMPT} {reference}: no layer holds the file {DIRECTORY}/{name}",
        reference=reference,
        hint="Is this a release image? Component images have no such directory.",
    )


def _in_context(reference: str, error: ImageError) -> ImageError:
    return ImageError(
        error.code,
        f"{_ATTEMPT} {reference}: {error.message}",
        reference=reference,
        hint=error.hint,
        messages=error.messages,
    )
