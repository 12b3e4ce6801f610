"""Where do images live on a disk? An OCI image layout, read and written through the same port as a registry.

`oci-layout` marks the directory, `blobs/<algorithm>/<hex>` holds all content once, `index.json` says what it is called.
One layout holds many repositories: the annotation `org.opencontainers.image.ref.name` carries the whole reference
(`quay.io/org/repo:tag`, or `…@sha256:…` for an image without a tag). A layout written by other tools names images by tag
alone; those are found under the layout's own repository, `layout.own`.

A manifest enters `index.json` after its bytes are durable, so a reader never meets a name without content. An index takes
its children off the list again: they are reachable through it. What refers to an image is found by its `subject`, or through
the tag `sha256-<hex>` of registries that have no referrers API. Follows the OCI image specification (image layout).
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pilotage.images import reference as references
from pilotage.images.digests import Progress, digest_of
from pilotage.images.disk.durable import VerifiedDraft, locked, sweep, write_file
from pilotage.images.disk.names import REF_NAME, Entry, Names, is_whole, name_of, with_entry
from pilotage.images.errors import ImageError
from pilotage.images.parallel import in_thread
from pilotage.images.reference import Reference
from pilotage.images.registry.referrers import entry_for, fallback_tag, parse_index
from pilotage.images.source import (
    DOCKER_MANIFEST,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
)

__all__ = ["OciLayout", "media_type_of"]

_CHUNK = 1 << 20
_MAX_MANIFEST = 32 << 20  # a document above this is no manifest; registries stop at 4 MiB
_EMPTY: Mapping[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


class _Header(msgspec.Struct, rename="camel"):
    """The parts of a manifest that say what it is and what it needs."""

    media_type: str = ""
    config: Descriptor | None = None
    manifests: tuple[Descriptor, ...] | None = None


class OciLayout:
    """An image layout directory as source and target. `create` makes an empty one where there is none."""

    def __init__(self, directory: Path | str, *, create: bool = False) -> None:
        self.directory = Path(directory)
        self._index_file = self.directory / "index.json"
        self._names = Names(b"", ())
        self._referring: dict[str, tuple[str, Descriptor] | None] = {}
        if create and not (self.directory / "oci-layout").exists():
            with locked(self._lock_file):
                if not self._index_file.exists():
                    write_file(self._index_file, msgspec.json.encode(_EMPTY))
                write_file(self.directory / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        if not (self.directory / "oci-layout").is_file():
            raise ImageError(
                "NotFound",
                f"failed to open {self.directory}: it is no OCI image layout, the file oci-layout is missing",
                reference=f"oci:{self.directory}",
                hint="Name a directory that `image copy` or another OCI tool wrote.",
            )
        if create:
            sweep(self.directory / "blobs" / "sha256", time.time())

    @property
    def own(self) -> Reference:
        """The repository of images that the layout names by tag alone."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.directory.resolve().name.lower()).strip("-")
        return Reference("localhost", slug or "layout")

    def reference(self, name: str = "") -> Reference:
        """What `oci:DIR:name` means: a whole reference, a tag, a digest, or the only image that has a tag, or that there is.

        Raises ImageError `NotFound` when the name is empty and the layout holds none or several images.
        """
        if references.is_digest(name.removeprefix("@")):
            return self.own.at(name.removeprefix("@"))
        if name and not is_whole(name):
            return self.own.tagged(name)
        if name:
            return references.parse(name)
        entries = self._read_names().entries
        # A mirrored release is one image with a tag, and its components by digest.
        entries = [entry for entry in entries if "@" not in (name_of(entry) or "@")] or entries
        if len({entry["digest"] for entry in entries}) != 1:
            what = "no image" if not entries else f"{len(entries)} images"
            raise ImageError(
                "NotFound",
                f"failed to choose an image of oci:{self.directory}: it holds {what}",
                reference=f"oci:{self.directory}",
                messages=tuple(sorted(name_of(entry) or entry["digest"] for entry in entries)),
                hint="Add the name behind a colon: oci:DIR:NAME.",
            )
        written = name_of(entries[0])
        if written and is_whole(written):
            return references.parse(written)
        return self.own.tagged(written) if written else self.own.at(entries[0]["digest"])

    @property
    def has_names(self) -> bool:
        """Does it list any image?"""
        return bool(self._read_names().entries)

    async def resolve(self, reference: Reference) -> Descriptor:
        if reference.digest:
            return (await self.manifest(reference, reference.digest)).descriptor()
        if not reference.tag:
            raise ImageError(
                "InvalidReference",
                f'failed to resolve "{reference}": no tag or digest specified',
                reference=str(reference),
            )
        names = await in_thread(self._read_names)
        entry = names.find(reference, self.own)
        if entry is None:
            raise self._missing(reference, "no image has this name")
        return (await self.manifest(reference, entry["digest"])).descriptor()

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        path = self._blob_path(reference, digest)

        def read() -> bytes:
            with path.open("rb") as file:
                return file.read(_MAX_MANIFEST + 1)

        try:
            raw = await in_thread(read)
        except FileNotFoundError:
            raise self._missing(reference, f"{digest} is not there") from None
        if len(raw) > _MAX_MANIFEST:
            raise ImageError(
                "UnsupportedManifest", f"failed to read {reference}: {digest} is too large for a manifest"
            )
        found = digest_of(raw, digest)
        if found != digest:
            raise ImageError(
                "ContentIntegrity",
                f"failed to read {reference} from oci:{self.directory}: {digest} was asked for, the bytes hash to {found}",
                reference=str(reference),
            )
        return Manifest(media_type_of(raw, reference=str(reference)), digest, raw)

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        path = self._blob_path(reference, descriptor.digest)
        progress = Progress(descriptor.digest)

        file: BinaryIO | None = None

        def read() -> bytes:
            nonlocal file
            file = file or path.open("rb")
            data = file.read(_CHUNK)
            progress.add(data)
            return data

        try:
            while data := await in_thread(read):
                yield data
        except FileNotFoundError:
            raise self._missing(reference, f"the blob {descriptor.digest} is not there") from None
        finally:
            if file is not None:
                file.close()
        if not progress.matches:
            raise ImageError(
                "ContentIntegrity",
                f"failed to read {reference} from oci:{self.directory}: {descriptor.digest} was asked for, the bytes hash to {progress.found}",
                reference=str(reference),
            )

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        return await in_thread(self._referrers, reference, digest)

    async def tags(self, reference: Reference) -> Sequence[str]:
        names = await in_thread(self._read_names)
        return names.tags(reference, self.own)

    async def close(self) -> None:
        """Nothing is held open between calls."""

    async def has_blob(self, reference: Reference, digest: str) -> bool:
        return await in_thread(self._blob_path(reference, digest).is_file)

    async def has_manifest(self, reference: Reference, digest: str) -> bool:
        return await self.has_blob(reference, digest)

    async def mount_blob(self, reference: Reference, descriptor: Descriptor, source: Reference) -> bool:  # noqa: ARG002 - all repositories of a layout share their blobs
        return await self.has_blob(reference, descriptor.digest)

    async def put_blob(
        self, reference: Reference, descriptor: Descriptor, content: AsyncIterator[bytes]
    ) -> None:
        path = self._blob_path(reference, descriptor.digest)
        if await in_thread(path.is_file):
            return
        draft = VerifiedDraft(path, descriptor.digest, descriptor.size, reference=str(reference))
        try:
            async for data in content:
                await in_thread(draft.write, data)
            await in_thread(draft.commit)
        finally:
            draft.discard()

    async def put_manifest(self, reference: Reference, manifest: Manifest, tag: str = "") -> None:
        await in_thread(self._put_manifest, reference, manifest, tag)

    def _put_manifest(self, reference: Reference, manifest: Manifest, tag: str) -> None:
        header = _header(manifest.raw, str(reference))
        for child in header.manifests or ():
            if not self._blob_path(reference, child.digest).is_file():
                raise self._missing(reference, f"the index names {child.digest}, which was not stored")
        path = self._blob_path(reference, manifest.digest)
        if not path.is_file():
            draft = VerifiedDraft(path, manifest.digest, len(manifest.raw), reference=str(reference))
            try:
                draft.write(manifest.raw)
                draft.commit()
            finally:
                draft.discard()
        own = (reference.host, reference.path) == (self.own.host, self.own.path)
        if tag:
            name = tag if own else str(reference.tagged(tag))
        else:
            name = "" if own else str(reference.at(manifest.digest))
        entry: Entry = msgspec.to_builtins(manifest.descriptor())
        if name:
            entry["annotations"] = {REF_NAME: name}
        children = frozenset(child.digest for child in header.manifests or ())
        self._change(lambda entries: with_entry(entries, entry, children))

    def _change(self, change: Callable[[Sequence[Entry]], list[Entry]]) -> None:
        """Replace the list of names under the lock; a list that stays equal is not written."""
        with locked(self._lock_file):
            raw = self._index_file.read_bytes()
            document = msgspec.json.decode(raw, type=dict[str, Any])
            before = document.get("manifests") or []
            after = change(before)
            if after != before:
                write_file(self._index_file, msgspec.json.encode(document | {"manifests": after}))

    def _read_names(self) -> Names:
        """The current names. The file is compared byte for byte: other processes may have replaced it."""
        try:
            raw = self._index_file.read_bytes()
            if raw != self._names.raw:
                entries = msgspec.json.decode(raw, type=dict[str, Any]).get("manifests") or ()
                if not all(isinstance(entry, dict) and "digest" in entry for entry in entries):
                    raise msgspec.ValidationError("an entry without a digest")
                self._names = Names(raw, entries)
        except (FileNotFoundError, msgspec.DecodeError) as error:
            raise ImageError(
                "UnsupportedManifest",
                f"failed to read oci:{self.directory}: index.json: {error}",
                reference=f"oci:{self.directory}",
            ) from error
        return self._names

    def _referrers(self, reference: Reference, digest: str) -> list[Descriptor]:
        names = self._read_names()
        found: dict[str, Descriptor] = {}
        fallback = names.find(reference.tagged(fallback_tag(digest)), self.own)
        if fallback is not None:
            raw = self._blob_path(reference, fallback["digest"]).read_bytes()
            found |= {entry.digest: entry for entry in parse_index(raw) or ()}
        for candidate in {entry["digest"] for entry in names.entries}:
            referring = self._referring_of(reference, candidate)
            if referring is not None and referring[0] == digest:
                found[candidate] = referring[1]
        return sorted(found.values(), key=lambda descriptor: descriptor.digest)

    def _referring_of(self, reference: Reference, digest: str) -> tuple[str, Descriptor] | None:
        """What the manifest refers to, and as what; read once, since bytes under a digest never change."""
        if digest not in self._referring:
            try:
                raw = self._blob_path(reference, digest).read_bytes()
                self._referring[digest] = entry_for(Manifest(media_type_of(raw), digest, raw))
            except (FileNotFoundError, ImageError):
                return None  # another tool's list may name what was not copied, or what is no image
        return self._referring[digest]

    def _blob_path(self, reference: Reference, digest: str) -> Path:
        """Digests come out of foreign documents: only a well-formed one becomes a path."""
        if not references.is_digest(digest):
            raise ImageError(
                "InvalidReference",
                f'failed to read {reference}: "{digest[:80]}" is not a digest',
                reference=str(reference),
            )
        algorithm, _, encoded = digest.partition(":")
        return self.directory / "blobs" / algorithm / encoded

    @property
    def _lock_file(self) -> Path:
        return self.directory / ".index.json.lock"

    def _missing(self, reference: Reference, cause: str) -> ImageError:
        return ImageError(
            "NotFound",
            f"failed to read {reference} from oci:{self.directory}: {cause}",
            reference=str(reference),
        )


def media_type_of(raw: bytes, *, reference: str = "") -> str:
    """The media type of manifest bytes that are kept without one: as they declare it, else by their shape.

    Raises ImageError `UnsupportedManifest` for what is neither an image nor an index.
    """
    header = _header(raw, reference)
    if header.media_type in MANIFEST_TYPES | INDEX_TYPES:
        return header.media_type
    if not header.media_type and header.manifests is not None:
        return OCI_INDEX
    if not header.media_type and header.config is not None:
        # Docker always writes a media type, yet hand-made documents exist that only their config gives away.
        return DOCKER_MANIFEST if ".docker." in header.config.media_type else OCI_MANIFEST
    raise ImageError(
        "UnsupportedManifest",
        f"failed to read {reference or 'a manifest'}: {header.media_type or 'a document without media type'} is no image",
        reference=reference,
    )


def _header(raw: bytes, reference: str) -> _Header:
    try:
        return msgspec.json.decode(raw, type=_Header)
    except msgspec.DecodeError as error:
        raise ImageError(
            "UnsupportedManifest",
            f"failed to read {reference or 'a manifest'}: it is no manifest: {error}",
            reference=reference,
        ) from error
