"""How is an image made out of files? Layers, a config, a manifest and an index, with the same bytes for the same input.

Nothing here depends on the time, the user or the machine: entries keep their given order, times are zero, owners are root.
The result is written to any target, children first. Follows the OCI image specification (config, manifest, index).
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import zstandard

from pilotage.images.digests import digest_of
from pilotage.images.reference import Reference
from pilotage.images.source import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    ImageTarget,
    Manifest,
    Platform,
)

__all__ = ["Entry", "PackedLayer", "manifest_of", "pack", "push_image", "push_index"]

Flavour = Literal["oci", "docker"]
Compression = Literal["gzip", "zstd", "none"]

_CONFIG: Final = {
    "oci": "application/vnd.oci.image.config.v1+json",
    "docker": "application/vnd.docker.container.image.v1+json",
}
_LAYER: Final = {
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    "none": "application/vnd.oci.image.layer.v1.tar",
}
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_TYPES: Final = {"directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}


class Entry(msgspec.Struct, frozen=True):
    """One line of a layer. `link` is the target of a symlink or hard link."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    kind: Literal["file", "directory", "symlink", "hardlink"] = "file"
    link: str = ""


class PackedLayer(msgspec.Struct, frozen=True):
    """A layer as it is stored, and the digest of its plain form, which the config lists."""

    descriptor: Descriptor
    diff_id: str
    raw: bytes


def pack(entries: Iterable[Entry], *, compression: Compression = "gzip") -> PackedLayer:
    """A layer of these entries, in this order."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.mode = entry.mode
            info.type = _TYPES.get(entry.kind, tarfile.REGTYPE)
            info.linkname = entry.link
            info.size = len(entry.content) if entry.kind == "file" else 0
            archive.addfile(info, io.BytesIO(entry.content))
    raw = _compressed(plain.getvalue(), compression)
    descriptor = Descriptor(_LAYER[compression], digest_of(raw), len(raw))
    return PackedLayer(descriptor, digest_of(plain.getvalue()), raw)


def manifest_of(document: Mapping[str, Any]) -> Manifest:
    """A manifest document as the bytes that will be stored."""
    raw = msgspec.json.encode(document)
    return Manifest(document["mediaType"], digest_of(raw), raw)


async def push_image(
    target: ImageTarget,
    reference: Reference,
    layers: Sequence[PackedLayer],
    *,
    config: Mapping[str, Any] | None = None,
    base_layers: Sequence[Descriptor] = (),
    platform: Platform | None = None,
    labels: Mapping[str, str] | None = None,
    flavour: Flavour = "oci",
    extra: Mapping[str, Any] | None = None,
    tag: str = "",
) -> Manifest:
    """Store one image: `base_layers` are at the target already, `config` is theirs and gets the new diff ids and labels.

    `extra` adds members to the manifest, for example `subject` or `artifactType`.
    """
    platform = platform or Platform("amd64", "linux")
    document = _config(config or {}, layers, platform, labels or {})
    raw = msgspec.json.encode(document)
    config_descriptor = Descriptor(_CONFIG[flavour], digest_of(raw), len(raw))
    for layer in layers:
        await target.put_blob(reference, layer.descriptor, _once(layer.raw))
    await target.put_blob(reference, config_descriptor, _once(raw))
    own = [layer.descriptor for layer in layers]
    if flavour == "docker":
        own = [Descriptor(_DOCKER_LAYER, each.digest, each.size) for each in own]
    manifest = manifest_of(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if flavour == "docker" else OCI_MANIFEST,
            "config": msgspec.to_builtins(config_descriptor),
            "layers": msgspec.to_builtins([*base_layers, *own]),
        }
        | dict(extra or {})
    )
    await target.put_manifest(reference, manifest, tag)
    return manifest


async def push_index(
    target: ImageTarget,
    reference: Reference,
    children: Sequence[tuple[Manifest, Platform]],
    *,
    flavour: Flavour = "oci",
    annotations: Mapping[str, str] | None = None,
    tag: str = "",
) -> Manifest:
    """Store an index over images that are at the target already."""
    descriptors = [
        Descriptor(child.media_type, child.digest, len(child.raw), platform=platform)
        for child, platform in children
    ]
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST if flavour == "docker" else OCI_INDEX,
        "manifests": msgspec.to_builtins(descriptors),
    }
    if annotations:
        document["annotations"] = dict(annotations)
    manifest = manifest_of(document)
    await target.put_manifest(reference, manifest, tag)
    return manifest


def _config(
    base: Mapping[str, Any], layers: Sequence[PackedLayer], platform: Platform, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The config of the base with the new layers, which leave one line of history each where there is a history."""
    document = {"architecture": platform.architecture, "os": platform.os} | dict(base)
    if platform.variant:
        document["variant"] = platform.variant
    inner = dict(document.get("config") or {})
    known = inner.get("Labels") or {}
    if known or labels:
        inner["Labels"] = dict(sorted((known | dict(labels)).items()))
    document["config"] = inner
    below = (document.get("rootfs") or {}).get("diff_ids") or []
    document["rootfs"] = {"type": "layers", "diff_ids": [*below, *(layer.diff_id for layer in layers)]}
    if document.get("history"):
        document["history"] = [*document["history"], *({"created_by": "pilotage"} for _ in layers)]
    return document


def _compressed(plain: bytes, compression: Compression) -> bytes:
    if compression == "gzip":
        squeezer = zlib.compressobj(6, zlib.DEFLATED, 31)  # its header holds no time and no name
        return squeezer.compress(plain) + squeezer.flush()
    if compression == "zstd":
        return zstandard.ZstdCompressor().compress(plain)
    return plain


async def _once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
