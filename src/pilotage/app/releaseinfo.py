"""What is in a release? The data behind `pilotage release info` and `release components`.

The document has the keys of `oc adm release info -o json` (openshift/oc `pkg/cli/admin/release/info.go`), so that scripts
port over: `digest` is the image that was read, `listDigest` its index. `pullSpec`, `isMultiArch` and `platforms` are ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from pilotage.app.releases import Release, look_at
from pilotage.images import reference as references
from pilotage.images.errors import ImageError
from pilotage.images.inspect import ImageInfo, inspect_image, manifest_of, read_config_bytes
from pilotage.images.payload import imagereferences, metadata
from pilotage.images.payload.bootimages import BootImages
from pilotage.images.payload.componentversions import VERSIONS
from pilotage.images.payload.imagereferences import Component
from pilotage.images.payload.payload import ReleasePayload
from pilotage.images.payload.streams import Stream
from pilotage.images.platforms import is_multi_arch, open_image
from pilotage.images.reference import Reference

__all__ = [
    "ComponentRow",
    "SizeRow",
    "Sizes",
    "Verified",
    "component_images",
    "component_rows",
    "digest_or_reference",
    "document",
    "files_stream",
    "short_age",
    "sizes_of",
    "stream_rows",
    "verify",
]

MIB = 1 << 20


class SizeRow(msgspec.Struct, frozen=True, rename="camel"):
    """One component: `size` and `unique` in bytes; `base` numbers its lowest layer, 0 when all share one."""

    name: str
    created: str = ""
    layers: int = 0
    size: int = 0
    unique: int = 0
    base: int = 0


class Sizes(msgspec.Struct, frozen=True):
    """`total` counts every layer once."""

    rows: tuple[SizeRow, ...]
    total: int
    layers: int
    bases: int


class ComponentRow(msgspec.Struct, frozen=True, rename="camel"):
    """`version` is what the component declares about itself; `multi_arch` is None when its image could not be read."""

    name: str
    digest: str
    image: str
    version: str = ""
    commit: str = ""
    multi_arch: bool | None = None


class Verified(msgspec.Struct, frozen=True):
    """`failed` by component: what could not be verified, and why."""

    failed: Mapping[str, ImageError]

    @property
    def is_tampered(self) -> bool:
        return any(error.code == "ContentIntegrity" for error in self.failed.values())


# -- the whole ------------------------------------------------------------------------------------------------------


async def document(release: Release, images: Mapping[str, ImageInfo] | None = None) -> dict[str, Any]:
    """The machine form. `images` is what `component_images` found, for those who asked for it."""
    payload = release.payload
    content = payload.content
    _, raw = await payload.source_files.read({imagereferences.FILE, metadata.FILE}.__contains__)
    versions = payload.component_versions
    return {
        "image": payload.reference,
        "digest": content.image_digest,
        "contentDigest": content.image_digest,
        "listDigest": content.digest if content.digest != content.image_digest else "",
        "pullSpec": payload.pull_spec,
        "isMultiArch": content.is_multi_arch,
        "platforms": [str(each) for each in content.platforms],
        "config": await _config(release),
        "metadata": _json(raw.get(metadata.FILE)),
        "references": _json(raw.get(imagereferences.FILE)) or _references(payload),
        "versions": {name: each.version for name, each in versions.versions.items()},
        "displayVersions": {
            name: {"Version": each.version, "DisplayName": each.display_name}
            for name, each in versions.versions.items()
        },
        "versionsTags": dict(versions.tag_of),
        "images": None if images is None else {name: _image(name, images[name]) for name in sorted(images)},
        "warnings": sorted(finding.message for finding in payload.warnings),
    }


async def component_images(
    release: Release, on_one: Callable[[str], None]
) -> tuple[dict[str, ImageInfo], dict[str, ImageError]]:
    """Manifest and config of every component, verified; and the failures."""
    return await look_at(
        _images(release.payload), lambda each: inspect_image(release.components, each), on_one=on_one
    )


async def verify(release: Release, on_one: Callable[[str], None]) -> Verified:
    """Hash everything the payload says: its own manifest, config and files, and every component's manifest and config."""
    _, failed = await component_images(release, on_one)
    await release.payload.manifests()
    return Verified(failed)


async def files_stream(payload: ReleasePayload) -> str:
    """All manifests as one stream of documents; each is announced by a comment with its file name."""
    found = await payload.manifests()
    return "".join(
        f"---\n# {name}\n{_without_mark(raw.decode(errors='replace'))}" for name, raw in found.items()
    )


# -- views ----------------------------------------------------------------------------------------------------------


def digest_or_reference(image: str) -> str:
    """The digest of a pull spec; the whole pull spec when it has none."""
    try:
        return references.parse(image).digest or image
    except ImageError:
        return image


def sizes_of(payload: ReleasePayload, images: Mapping[str, ImageInfo]) -> Sizes:
    """How much each component adds. A component all of whose layers are shared counts its top layer, once."""
    uses: dict[str, int] = {}
    bases: dict[str, int] = {}
    bytes_of: dict[str, int] = {}
    for name in payload.components:
        if (info := images.get(name)) is not None:
            for layer in info.layers:
                uses[layer.digest] = uses.get(layer.digest, 0) + 1
                bytes_of[layer.digest] = layer.size
            if info.layers:
                bases.setdefault(info.layers[0].digest, len(bases) + 1)
    covered: set[str] = set()
    rows = []
    for name in payload.components:
        info = images.get(name)
        if info is None or not info.layers:
            rows.append(SizeRow(name))
            continue
        unique = sum(layer.size for layer in info.layers if uses[layer.digest] == 1)
        top = info.layers[-1]
        if not unique and top.digest not in covered:
            covered.add(top.digest)
            unique = top.size
        base = bases[info.layers[0].digest] if len(bases) > 1 else 0
        rows.append(SizeRow(name, info.created, len(info.layers), info.size, unique, base))
    return Sizes(tuple(rows), sum(bytes_of.values()), len(uses), len(bases))


async def component_rows(
    release: Release, on_one: Callable[[str], None]
) -> tuple[tuple[ComponentRow, ...], dict[str, ImageError]]:
    """Every component in payload order; and why the images of some could not be read."""

    async def is_multi(reference: Reference) -> bool:
        top = await release.components.resolve(reference)
        return is_multi_arch(await release.components.manifest(reference, top.digest))

    multi, failed = await look_at(_images(release.payload), is_multi, on_one=on_one)
    rows = (
        ComponentRow(
            each.name,
            digest_or_reference(each.image),
            each.image,
            _declared(each),
            each.commit,
            multi.get(each.name),
        )
        for each in release.payload.components.values()
    )
    return tuple(rows), failed


def stream_rows(found: BootImages) -> tuple[dict[str, str], ...]:
    """Every boot image of every OS stream. The single stream of older payloads is called `default`."""
    named: dict[str, Stream] = {
        name: stream for name, stream in (found.streams or {}).items() if stream is not None
    }
    if found.default is not None and found.default not in named.values():
        named = {"default": found.default} | named
    return tuple(
        {"stream": name, "coreos": stream.stream, **msgspec.structs.asdict(image)}
        for name, stream in named.items()
        for image in stream.boot_images()
    )


def short_age(created: str, now: datetime) -> str:
    """How long ago, in one unit: `45s`, `12m`, `7h`, `30d`, `2y`. Empty when the time is unknown."""
    try:
        # Image configs have nanoseconds, datetime takes microseconds.
        then = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", created.replace("Z", "+00:00")))
        seconds = max(int((now - then).total_seconds()), 0)
    except (ValueError, TypeError):
        return ""
    for unit, size, until in (("s", 1, 120), ("m", 60, 180), ("h", 3600, 48), ("d", 86_400, 730)):
        if seconds // size < until:
            return f"{seconds // size}{unit}"
    return f"{seconds // 31_536_000}y"


def _images(payload: ReleasePayload) -> Iterator[tuple[str, str]]:
    return ((each.name, each.image) for each in payload.components.values())


def _declared(component: Component) -> str:
    return component.annotations.get(VERSIONS, "").strip()


async def _config(release: Release) -> dict[str, Any] | None:
    """The image config as it is stored."""
    if release.source is None or release.reference is None:
        return None
    pinned = release.reference.at(release.payload.content.image_digest)
    chosen = await open_image(release.source, pinned)
    image = manifest_of(chosen.manifest, pinned)
    return _json(await read_config_bytes(release.source, pinned, image.config))


def _json(raw: bytes | None) -> dict[str, Any] | None:
    """Documents that were accepted as YAML come as null: the machine form is for what `oc` writes."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any]) if raw else None
    except msgspec.DecodeError:
        return None


def _references(payload: ReleasePayload) -> dict[str, Any]:
    """The ImageStream of a payload that came without the file."""
    tags = [
        {"name": each.name, "from": {"kind": "DockerImage", "name": each.image}}
        for each in payload.components.values()
    ]
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": payload.version},
        "spec": {"tags": tags},
    }


def _image(name: str, info: ImageInfo) -> dict[str, Any]:
    return {
        "name": name,
        "digest": info.image_digest,
        "contentDigest": info.image_digest,
        "listDigest": info.list_digest,
        "mediaType": info.media_type,
        "layers": msgspec.to_builtins(info.layers),
        "created": info.created,
        "labels": dict(info.labels),
        "platforms": [str(each) for each in info.platforms],
    }


def _without_mark(text: str) -> str:
    """Without a leading `---`, and with a line end."""
    text = text.removeprefix("---\n").lstrip("\n")
    return text if text.endswith("\n") else f"{text}\n"
