"""What if an image comes as one tar file? It is unpacked into an image layout of its own, with every byte verified.

`oci-archive:` is a layout in a tar file. `docker-archive:` is what `docker save` and `podman save` write: a `manifest.json` that
lists a config and plain layers, from which a manifest is made (newer ones are layouts as well and are read as such). Only
regular files are written, links are followed inside the archive, and paths that climb are refused. The layout lives in a
temporary directory that goes with the source. Follows the OCI image layout and the Docker image specification v1.2.
"""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

from pilotage.images import reference as references
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import manifest_of
from pilotage.images.layers.compression import ArchiveError
from pilotage.images.layers.tarstream import normal_path
from pilotage.images.parallel import in_thread
from pilotage.images.reference import Reference
from pilotage.images.source import DOCKER_MANIFEST, Descriptor

__all__ = ["ArchiveLayout", "open_archive"]

_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
_GZIPPED: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CHUNK = 1 << 20
_MAX_LINKS = 16


class _Listed(msgspec.Struct, frozen=True):
    """One image of `manifest.json`."""

    config: str = msgspec.field(name="Config")
    layers: tuple[str, ...] = msgspec.field(name="Layers")
    tags: tuple[str, ...] | None = msgspec.field(default=None, name="RepoTags")


class ArchiveLayout(OciLayout):
    """A layout that was unpacked from an archive; it is removed by `close`, and at the latest when nobody holds it."""

    def __init__(self, home: Path, name: str) -> None:
        super().__init__(home / name, create=True)
        self._remove = weakref.finalize(self, shutil.rmtree, home, ignore_errors=True)

    async def close(self) -> None:
        await in_thread(self._remove)


async def open_archive(path: Path, name: str = "") -> tuple[ArchiveLayout, Reference]:
    """Unpack an archive of either kind and choose an image of it. Raises ImageError; close the layout when done."""
    home = Path(await in_thread(tempfile.mkdtemp, prefix="pilotage-archive-"))
    inner = path.name.split(".")[0]
    try:
        links = await in_thread(_unpack, path, home / inner)
        layout = ArchiveLayout(home, inner)
        if not layout.has_names and "manifest.json" in links:
            await _adopt(_Archive(path, layout, home / inner, links))
        return layout, layout.reference(name)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _unpack(path: Path, directory: Path) -> dict[str, str]:
    """Write regular files at their own paths. Links are not made: the answer says for every name what it leads to."""
    links: dict[str, str] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = normal_path(member.name)
                if member.isreg():
                    _write(archive, member, directory / name)
                    links[name] = name
                elif member.issym():
                    links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                elif member.islnk():
                    links[name] = normal_path(member.linkname)
    except FileNotFoundError:
        raise ImageError(
            "NotFound", f"failed to open {path}: there is no such file", reference=str(path)
        ) from None
    except (ArchiveError, tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ImageError("UnsafeLayer", f"failed to open {path}: {error}", reference=str(path)) from error
    return links


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member)
    with target.open("wb") as file:
        while content is not None and (data := content.read(_CHUNK)):
            file.write(data)


class _Archive(msgspec.Struct, frozen=True):
    """An archive that is being turned into a layout."""

    path: Path
    layout: OciLayout
    directory: Path
    links: dict[str, str]


async def _adopt(archive: _Archive) -> None:
    """Make manifests for what `manifest.json` lists: the digests are ours, since the archive never had them."""
    try:
        raw = await in_thread((archive.directory / "manifest.json").read_bytes)
        listed = msgspec.json.decode(raw, type=tuple[_Listed, ...])
    except msgspec.DecodeError as error:
        raise ImageError(
            "UnsupportedManifest", f"failed to open {archive.path}: manifest.json: {error}"
        ) from error
    for image in listed:
        config = await _store(archive, image.config, _CONFIG)
        layers = [await _store(archive, layer, _LAYER) for layer in image.layers]
        document: dict[str, Any] = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST}
        document |= {"config": msgspec.to_builtins(config), "layers": msgspec.to_builtins(layers)}
        manifest = manifest_of(document)
        for tag in image.tags or ("",):
            reference = references.parse(tag) if tag else archive.layout.own
            await archive.layout.put_manifest(reference, manifest, reference.tag)


async def _store(archive: _Archive, name: str, media_type: str) -> Descriptor:
    """Take a file of the archive into the layout, under the digest that its bytes have."""
    try:
        file = archive.directory / normal_path(_behind_links(archive.links, name))
        descriptor = await in_thread(_describe, file, media_type)
    except (ArchiveError, OSError) as error:
        raise ImageError("UnsafeLayer", f"failed to open {archive.path}: {name}: {error}") from error
    await archive.layout.put_blob(archive.layout.own, descriptor, _chunks(file))
    return descriptor


def _behind_links(links: dict[str, str], name: str) -> str:
    for _ in range(_MAX_LINKS):
        if links.get(name, name) == name:
            return name
        name = links[name]
    raise ArchiveError(f"more than {_MAX_LINKS} links")


def _describe(file: Path, media_type: str) -> Descriptor:
    with file.open("rb") as opened:
        digest = f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
        opened.seek(0)
        is_gzip = opened.read(2) == b"\x1f\x8b"
    if media_type == _LAYER and is_gzip:
        media_type = _GZIPPED
    return Descriptor(media_type, digest, file.stat().st_size)


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while data := await in_thread(opened.read, _CHUNK):
            yield data
