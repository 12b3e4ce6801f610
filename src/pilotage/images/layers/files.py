"""Which files does an image hold? Single files and directories, read from the top layer down, without pulling the rest.

A path is looked for in the last layer first, and the first layer that says anything about it decides: the file itself, a
whiteout (`.wh.name`, or `.wh..wh..opq` for a whole directory), or something that is no directory where one of its parents
would be. Hard links resolve inside their layer, symlinks inside the image, sixteen deep; a link that leaves the image is refused.

Layers below the one with the last wanted file are never asked for. The layer that holds it is still read to its end, since
bytes may be used only once their digest was verified; `verify=False` stops in the middle instead, for callers who accept that.
Reading a directory needs all layers until one hides the rest, unless `until` names files whose layer completes it: release
payloads keep `release-manifests/` in one layer, the last, so their reader stops behind the layer with `image-references`.

Follows the OCI image specification (layer media types, whiteouts). Nothing is written to a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Literal

import msgspec

from pilotage.images.errors import ImageError
from pilotage.images.layers.compression import ArchiveError
from pilotage.images.layers.scan import DEFAULT, Layer, Limits, parents, scan
from pilotage.images.layers.tarstream import TarEntry, normal_path
from pilotage.images.reference import Reference
from pilotage.images.source import ImageManifest, ImageSource

__all__ = ["Directory", "FileInfo", "Limits", "find_file", "open_directory", "read_directory", "read_files"]

_MAX_LINKS = 16


class FileInfo(msgspec.Struct, frozen=True):
    """A regular file. `path` is where it was found behind all links, `layer_index` counts from the lowest layer, 0."""

    path: str
    size: int
    mode: int
    layer_index: int

    @property
    def is_executable(self) -> bool:
        """Some execute bit is set, and there is something to execute."""
        return bool(self.mode & 0o111) and self.size > 0


class Directory(msgspec.Struct, frozen=True):
    """The regular files under a directory by their whole path; `contents` holds those that were asked for."""

    files: dict[str, FileInfo]
    contents: dict[str, bytes]


async def read_files(
    source: ImageSource,
    reference: Reference,
    image: ImageManifest,
    paths: Iterable[str],
    *,
    limits: Limits = DEFAULT,
    verify: bool = True,
) -> dict[str, bytes]:
    """The bytes of those `paths` that are regular files, keyed as they were asked for. An empty file is found.

    Raises ImageError `UnsafeLayer` for a layer that must not be trusted, `ContentIntegrity` for one with a wrong digest.
    """
    files = _ImageFiles(source, reference, image, limits, verify=verify)
    asked = {path: files.wanted(path) for path in paths}
    found = await files.find(set(asked.values()), contents=True)
    return {path: files.content(hit) for path, name in asked.items() if (hit := found.get(name)) is not None}


async def find_file(
    source: ImageSource,
    reference: Reference,
    image: ImageManifest,
    path: str,
    *,
    limits: Limits = DEFAULT,
    verify: bool = True,
) -> FileInfo | None:
    """What `path` is when all links are followed: a regular file, or None for nothing and for anything else."""
    files = _ImageFiles(source, reference, image, limits, verify=verify)
    hit = (await files.find({files.wanted(path)}, contents=False)).get(files.wanted(path))
    return None if hit is None else files.info(hit)


async def read_directory(
    source: ImageSource,
    reference: Reference,
    image: ImageManifest,
    directory: str,
    *,
    until: Collection[str] = (),
    limits: Limits = DEFAULT,
) -> dict[str, bytes]:
    """All regular files under `directory`, by their whole path. `until` as in `open_directory`."""
    opened = await open_directory(source, reference, image, directory, until=until, limits=limits)
    return opened.contents


async def open_directory(
    source: ImageSource,
    reference: Reference,
    image: ImageManifest,
    directory: str,
    *,
    keep: Callable[[str], bool] = lambda _path: True,
    until: Collection[str] = (),
    limits: Limits = DEFAULT,
) -> Directory:
    """The regular files under `directory`, with the bytes of those whose path `keep` accepts.

    When `until` names files (whole paths), layers below the one that brought the last of them are not read.
    """
    files = _ImageFiles(source, reference, image, limits, verify=True)
    hits = await files.directory(files.wanted(directory), keep, {files.wanted(path) for path in until})
    infos = {path: files.info(hit) for path, hit in hits.items()}
    return Directory(infos, {path: files.content(hit) for path, hit in hits.items() if keep(path)})


class _Hit(msgspec.Struct, frozen=True):
    """A regular file at `depth` layers below the top."""

    depth: int
    entry: TarEntry


class _Link(msgspec.Struct, frozen=True):
    """The search goes on elsewhere in the image, from the top layer again."""

    path: str


_Verdict = TarEntry | _Link | Literal["below", "hidden"]


class _ImageFiles:
    """One image, one question. Layers are scanned at most once per name that turns up, and remembered meanwhile."""

    def __init__(
        self, source: ImageSource, reference: Reference, image: ImageManifest, limits: Limits, *, verify: bool
    ) -> None:
        self._source = source
        self._reference = reference
        self._descriptors = tuple(reversed(image.layers))
        self._limits = limits
        self._verify = verify
        self._layers: dict[int, Layer] = {}

    def wanted(self, path: str) -> str:
        try:
            return normal_path(path)
        except ArchiveError as error:
            raise self._unsafe(str(error)) from None

    def info(self, hit: _Hit) -> FileInfo:
        return FileInfo(
            hit.entry.path, hit.entry.size, hit.entry.mode, len(self._descriptors) - 1 - hit.depth
        )

    def content(self, hit: _Hit) -> bytes:
        return self._layers[hit.depth].contents[hit.entry.path]

    async def find(self, paths: set[str], *, contents: bool) -> dict[str, _Hit]:
        """Every path that is a regular file behind all links. One round from top to bottom per depth of links."""
        found: dict[str, _Hit] = {}
        origins = {path: {path} for path in paths}  # where to look now -> who asked
        for _ in range(_MAX_LINKS + 1):
            hits, redirects = await self._round(set(origins), contents=contents)
            for path, hit in hits.items():
                found |= dict.fromkeys(origins[path], hit)
            following: dict[str, set[str]] = {}
            for path, target in redirects.items():
                following.setdefault(target, set()).update(origins[path])
            if not following:
                return found
            origins = following
        raise self._unsafe(f'"{min(origins)}" is behind more than {_MAX_LINKS} symbolic links')

    async def _round(self, paths: set[str], *, contents: bool) -> tuple[dict[str, _Hit], dict[str, str]]:
        """Look for names as they are: files that were found, and links with the path they lead to."""
        hits: dict[str, _Hit] = {}
        redirects: dict[str, str] = {}
        above: dict[str, set[str]] = {path: set() for path in paths}  # parents that are directories above
        pending = set(paths)
        for depth in range(len(self._descriptors)):
            if not pending:
                break
            layer = await self._layer(depth, pending if contents else frozenset(), stop=pending)
            for path in sorted(pending):
                verdict = self._judge(layer, path, above[path])
                if verdict == "below":
                    continue
                pending.discard(path)
                if isinstance(verdict, TarEntry):
                    entry = self._file(layer, verdict)
                    if entry is not None and contents:
                        await self._layer(depth, {entry.path}, stop={entry.path})
                    if entry is not None:
                        hits[path] = _Hit(depth, entry)
                elif isinstance(verdict, _Link):
                    redirects[path] = verdict.path
        return hits, redirects

    async def directory(self, base: str, keep: Callable[[str], bool], until: set[str]) -> dict[str, _Hit]:
        for _ in range(_MAX_LINKS + 1):
            moved, links, hits = await self._directory_round(base, keep, until)
            if moved is None:
                linked = await self.find(set(links.values()), contents=True)
                return hits | {path: linked[target] for path, target in links.items() if target in linked}
            base = moved
        raise self._unsafe(f'"{base}" is behind more than {_MAX_LINKS} symbolic links')

    async def _directory_round(
        self, base: str, keep: Callable[[str], bool], until: set[str]
    ) -> tuple[str | None, dict[str, str], dict[str, _Hit]]:
        """The merged view of one directory: where it moved to, its symlinks with their targets, its files."""
        prefix = f"{base}/" if base else ""
        seen: set[str] = set()
        hits: dict[str, _Hit] = {}
        links: dict[str, str] = {}
        above: set[str] = set()
        upper: list[Layer] = []
        for depth in range(len(self._descriptors)):
            layer = await self._layer(depth, keep=lambda path: path.startswith(prefix) and keep(path))
            verdict = self._judge(layer, base, above)
            if isinstance(verdict, _Link):
                return verdict.path, {}, {}
            if isinstance(verdict, TarEntry):
                if verdict.kind != "directory":
                    break
                above.add(base)
            fresh = [
                entry
                for path, entry in layer.entries.items()
                if path.startswith(prefix) and path not in seen and not _covered(path, prefix, upper)
            ]
            for entry in fresh:
                seen.add(entry.path)
                if entry.kind == "symlink":
                    links[entry.path] = self._target(entry)
                elif (file := self._file(layer, entry)) is not None:
                    if keep(entry.path):
                        await self._layer(depth, {file.path}, stop={file.path})
                    hits[entry.path] = _Hit(depth, file)
            if sum(hit.entry.size for path, hit in hits.items() if keep(path)) > self._limits.directory:
                raise self._unsafe(f'the directory "{base}" holds more than {self._limits.directory} bytes')
            upper.append(layer)
            if verdict == "hidden" or base in layer.opaque or layer.hides(base):
                break
            if until and until <= hits.keys() | links.keys():
                break
        return None, links, hits

    def _judge(self, layer: Layer, path: str, above: set[str]) -> _Verdict:
        """What one layer says: the entry, a link to follow, nothing ("below"), or that there is no such path ("hidden").

        `above` collects the parents of the path that upper layers have as directories: a link or file of that name is covered.
        """
        entry = layer.entries.get(path)
        if entry is not None and entry.kind != "directory":
            if path in above:
                return "hidden"
            return _Link(self._target(entry)) if entry.kind == "symlink" else entry
        for parent in parents(path):
            found = layer.entries.get(parent)
            if found is not None and found.kind != "directory":
                if found.kind == "symlink" and parent not in above:
                    return _Link(f"{self._target(found)}/{path.removeprefix(parent + '/')}".removeprefix("/"))
                return "hidden"
            if parent in layer.directories:
                above.add(parent)
        if path in layer.directories:
            return TarEntry(path, "directory")
        return "hidden" if layer.hides(path) else "below"

    def _file(self, layer: Layer, entry: TarEntry) -> TarEntry | None:
        """The regular file behind an entry: itself, or what it is a hard link to. None for everything else."""
        for _ in range(_MAX_LINKS):
            if entry.kind != "hardlink":
                return entry if entry.kind == "file" else None
            target = layer.entries.get(entry.link)
            if target is None:
                raise self._unsafe(
                    f'"{entry.path}" is a hard link to "{entry.link}", which its layer does not hold'
                )
            entry = target
        raise self._unsafe(f'"{entry.path}" is behind more than {_MAX_LINKS} hard links')

    def _target(self, entry: TarEntry) -> str:
        """Where a symlink leads, from the root of the image. Raises `UnsafeLayer` when that is outside."""
        parts = [] if entry.link.startswith("/") else entry.path.split("/")[:-1]
        for part in entry.link.split("/"):
            if part == "..":
                if not parts:
                    raise self._unsafe(f'the link "{entry.path}" leads out of the image')
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return "/".join(parts)

    async def _layer(
        self,
        depth: int,
        contents: Collection[str] = frozenset(),
        *,
        stop: Collection[str] = frozenset(),
        keep: Callable[[str], bool] | None = None,
    ) -> Layer:
        """What the layer says about all names in `stop`, with the bytes of `contents` (or of what `keep` accepts).

        Without `stop` it is read as a whole. What earlier scans found out is kept.
        """
        known = self._layers.get(depth, Layer())
        wanted = {path for path in contents if path not in known.contents and known.has_file(path)}
        if keep is None and not wanted and (known.complete or all(path in known.entries for path in stop)):
            return known
        descriptor = self._descriptors[depth]
        try:
            layer = await scan(
                self._source.blob(self._reference, descriptor),
                keep or frozenset(contents).__contains__,
                frozenset(wanted if known.complete and keep is None else stop),
                limits=self._limits,
                verify=self._verify,
            )
        except ArchiveError as error:
            raise self._unsafe(f"layer {descriptor.digest}: {error}") from error
        known.add_all(layer)
        self._layers[depth] = known
        return known

    def _unsafe(self, cause: str) -> ImageError:
        return ImageError(
            "UnsafeLayer",
            f"failed to read files of {self._reference}: {cause}",
            reference=str(self._reference),
        )


def _covered(path: str, prefix: str, upper: list[Layer]) -> bool:
    """Do upper layers hide this file of a directory, by a whiteout or by something else where it or a parent was?"""
    inside = [parent for parent in parents(path) if parent.startswith(prefix)]
    return any(
        layer.hides(path)
        or path in layer.directories
        or any(parent in layer.entries and layer.entries[parent].kind != "directory" for parent in inside)
        for layer in upper
    )
