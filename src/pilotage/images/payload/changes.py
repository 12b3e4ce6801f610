"""What changed between two payloads besides their components: manifests, boot images, component versions?

Manifests are compared by file; of a changed one the difference is shown line by line, not left to the reader to produce. Boot
images are compared by stream, architecture, platform and place. Together with `payloaddiff`, which compares components, this is
`release diff`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

import msgspec

from pilotage.images.errors import ImageError
from pilotage.images.payload import diff as payloaddiff
from pilotage.images.payload.diff import PayloadDiff
from pilotage.images.payload.payload import ReleasePayload

__all__ = ["BootImageChange", "ManifestChanges", "PayloadChanges", "compare_manifests", "compare_payloads"]

_MAX_DIFFED = (
    4 << 20
)  # lines are matched in quadratic time at worst; a generated file of this size is not read by people

_DEFAULT_STREAM = "rhel-9"
_Place = tuple[str, str, str, str]


class ManifestChanges(msgspec.Struct, frozen=True):
    """Names are sorted. `changed` maps each name to a unified diff, which is empty for files too large or not text."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class BootImageChange(msgspec.Struct, frozen=True, order=True):
    """One boot image. `old` or `new` is empty when the image was added or removed."""

    stream: str
    architecture: str
    platform: str
    where: str
    old: str
    new: str


class PayloadChanges(msgspec.Struct, frozen=True):
    """Everything that differs. `can_update` says whether the old version may update to the new one, None when unknown."""

    identical: bool
    components: PayloadDiff
    manifests: ManifestChanges = ManifestChanges()
    boot_images: tuple[BootImageChange, ...] = ()
    versions: Mapping[str, tuple[str, str]] = {}
    can_update: bool | None = None


async def compare_payloads(old: ReleasePayload, new: ReleasePayload) -> PayloadChanges:
    """Compare two payloads. Equal digests are identical without a further look. Raises ImageError."""
    can_update = new.metadata.can_update_from(old.version) if new.metadata is not None else None
    if old.digest and old.digest == new.digest:
        return PayloadChanges(identical=True, components=PayloadDiff(), can_update=can_update)
    return PayloadChanges(
        identical=False,
        components=payloaddiff.compare(old.components, new.components),
        manifests=compare_manifests(await old.manifests(), await new.manifests()),
        boot_images=tuple(_boot_image_changes(_boot_images(old), _boot_images(new))),
        versions=payloaddiff.version_changes(_versions(old), _versions(new)),
        can_update=can_update,
    )


def compare_manifests(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> ManifestChanges:
    """Compare files by name and bytes."""
    return ManifestChanges(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        {
            name: _unified(name, old[name], new[name])
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]
        },
    )


def _unified(name: str, old: bytes, new: bytes) -> str:
    if len(old) + len(new) > _MAX_DIFFED:
        return ""
    try:
        before, after = old.decode().splitlines(keepends=True), new.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return ""
    lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _versions(payload: ReleasePayload) -> dict[str, str]:
    return {name: found.version for name, found in payload.component_versions.versions.items()}


def _boot_images(payload: ReleasePayload) -> dict[_Place, str]:
    """Images by stream and place. A file that does not parse is a warning of the payload, not the end of the comparison."""
    try:
        found = payload.content.boot_images
    except ImageError:
        return {}
    if found is None:
        return {}
    streams = {name: stream for name, stream in (found.streams or {}).items() if stream is not None}
    if found.default is not None:
        # A payload of one stream has no names: its default is the stream that later payloads call rhel-9.
        streams.setdefault(_DEFAULT_STREAM, found.default)
    return {
        (name, image.architecture, image.platform, image.where): image.image
        for name, stream in streams.items()
        for image in stream.boot_images()
    }


def _boot_image_changes(old: Mapping[_Place, str], new: Mapping[_Place, str]) -> Iterator[BootImageChange]:
    for place in sorted(old.keys() | new.keys()):
        before, after = old.get(place, ""), new.get(place, "")
        if before != after:
            yield BootImageChange(*place, before, after)
