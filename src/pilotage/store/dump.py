"""A dump: objects that somebody saved, read like a store and never written.

What people have at hand: a folder of manifests, a must-gather (`namespaces/<namespace>/<group>/<resource>.yaml` with Lists,
`cluster-scoped-resources/…`), one file with many documents, or what a pipe says. Folders are walked down; `.yaml`, `.yml` and
`.json` files count, hidden ones do not. Where the same object stands twice, the higher `resourceVersion` wins, else the later file,
and a finding says so.

By default one bad file fails the dump, and the error lists all bad files. A must-gather always has some (cut off, not
permitted): `is_tolerant` turns them into findings and reads the rest. A dump that shall change is loaded into an embedded store.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

import msgspec

from pilotage.api import manifest, yaml
from pilotage.api.errors import InputError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.decision import findings
from pilotage.decision.findings import Finding
from pilotage.store.base import Event, Listing, NotFoundError, ReadOnlyError

__all__ = ["DumpStore", "Restorer", "Text"]

_SUFFIXES = frozenset({".json", ".yaml", ".yml"})
_DEFAULT_NAMESPACE = "default"

_Type = tuple[str, str]
"""Group and kind: an object is the same in every version of its API."""


class Restorer(Protocol):
    """A store that takes objects as they were elsewhere, such as the embedded one."""

    async def restore(self, objects: Iterable[Object]) -> None: ...


class Text(msgspec.Struct, frozen=True):
    """A text that came from elsewhere than a file; `source` is its name in messages."""

    source: str
    content: bytes | str


class DumpStore:
    """Read with `DumpStore.read` or `DumpStore.parse`. `findings` tell what was left out and what stood there twice."""

    def __init__(self, name: str, objects: Iterable[Object], found: tuple[Finding, ...] = ()) -> None:
        self.name = name
        self.findings = found
        self._objects: dict[_Type, dict[ObjectKey, Object]] = {}
        newest = 1
        for item in sorted(objects, key=lambda item: item.key):
            self._objects.setdefault(_type_of(item), {})[item.key] = item
            newest = max(newest, _version(item))
        self._resource_version = str(newest)

    @classmethod
    def read(
        cls,
        path: Path,
        *,
        kinds: Iterable[Kind] = (),
        is_tolerant: bool = False,
        limits: yaml.Limits = yaml.DEFAULT_LIMITS,
    ) -> DumpStore:
        """Read a file or a folder; see `collect`."""
        return cls.collect((path,), kinds=kinds, is_tolerant=is_tolerant, limits=limits)

    @classmethod
    def parse(
        cls,
        text: bytes | str,
        source: str = "stdin",
        *,
        kinds: Iterable[Kind] = (),
        is_tolerant: bool = False,
        limits: yaml.Limits = yaml.DEFAULT_LIMITS,
    ) -> DumpStore:
        """Read documents from a text, such as what a pipe said; see `collect`."""
        return cls.collect((Text(source, text),), kinds=kinds, is_tolerant=is_tolerant, limits=limits)

    @classmethod
    def collect(
        cls,
        sources: Iterable[Path | Text],
        *,
        kinds: Iterable[Kind] = (),
        is_tolerant: bool = False,
        limits: yaml.Limits = yaml.DEFAULT_LIMITS,
    ) -> DumpStore:
        """Read files, folders and texts into one dump, in order.

        `kinds` say which kinds live in a namespace: `default` when a manifest names none. Raises InputError
        `UnreadableDump` with the problems of all sources; a path that is not there is one, tolerant or not.
        """
        reading = _Reading(kinds, limits)
        names = []
        for source in sources:
            names.append(source.source if isinstance(source, Text) else str(source))
            reading.read(source)
        return reading.finish(", ".join(names), is_tolerant=is_tolerant)

    def objects(self) -> tuple[Object, ...]:
        """Every object of every kind, by type, namespace and name."""
        return tuple(item for type_ in sorted(self._objects) for item in self._objects[type_].values())

    async def everything(self) -> Listing:
        """`objects`, as a store answers."""
        return Listing(self.objects(), self._resource_version)

    async def load_into(self, store: Restorer) -> None:
        """Copy every object, as it was, into a store that can change: the beginning of a rehearsal."""
        await store.restore(self.objects())

    # Reader

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        item = self._objects.get((kind.group, kind.kind), {}).get(key)
        if item is None:
            raise NotFoundError(kind, key)
        return item

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, name: str = ""
    ) -> Listing:
        wanted = (labels or {}).items()
        items = tuple(
            item
            for key, item in self._objects.get((kind.group, kind.kind), {}).items()
            if namespace in ("", key.namespace) and name in ("", key.name) and wanted <= item.labels.items()
        )
        return Listing(items, self._resource_version)

    # Watcher

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str = "", *, name: str = ""
    ) -> AsyncIterator[Event]:
        """Nothing ever happens in a dump; from `0` or an empty version, what is there is told first."""
        if resource_version in {"", "0"}:
            for item in (await self.list(kind, namespace, name=name)).items:
                yield Event("ADDED", item)
        await asyncio.Event().wait()

    # Writer: refused, in every verb.

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:  # noqa: ARG002
        self._refuse()

    async def apply(
        self,
        kind: Kind,  # noqa: ARG002
        key: ObjectKey,  # noqa: ARG002
        manifest: Mapping[str, Any],  # noqa: ARG002
        *,
        manager: str,  # noqa: ARG002
        force: bool = False,  # noqa: ARG002
        dry_run: bool = False,  # noqa: ARG002
    ) -> Object:
        self._refuse()

    async def patch_status(
        self,
        kind: Kind,  # noqa: ARG002
        key: ObjectKey,  # noqa: ARG002
        status: Mapping[str, Any],  # noqa: ARG002
        *,
        manager: str,  # noqa: ARG002
        resource_version: str = "",  # noqa: ARG002
    ) -> Object:
        self._refuse()

    async def delete(self, kind: Kind, key: ObjectKey) -> None:  # noqa: ARG002
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(f"the dump {self.name}")


class _Reading:
    """One pass over the sources: objects found, the source of each, and what went wrong."""

    def __init__(self, kinds: Iterable[Kind], limits: yaml.Limits) -> None:
        self._namespaced = {(kind.group, kind.kind): kind.namespaced for kind in kinds}
        self._limits = limits
        self._objects: dict[tuple[_Type, ObjectKey], tuple[Object, str]] = {}
        self._missing: list[str] = []
        self._problems: list[Finding] = []
        self._findings: list[Finding] = []

    def read(self, source: Path | Text) -> None:
        if isinstance(source, Text):
            self.read_text(source)
        elif source.is_dir():
            self.read_folder(source)
        elif source.exists():
            self.read_file(source)
        else:
            self._missing.append(f"{source}: no such file or folder")

    def read_folder(self, path: Path) -> None:
        """Every manifest below a folder, in a stable order. Links to folders are not followed."""
        for folder, folders, files in os.walk(path, onerror=self._fail_by_system):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith(".") and Path(name).suffix.lower() in _SUFFIXES:
                    self.read_file(Path(folder, name))

    def read_file(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            self._fail_by_system(error)
            return
        self.read_text(Text(str(path), content))

    def read_text(self, text: Text) -> None:
        try:
            objects = manifest.load_objects(text.content, text.source, self._limits)
        except InputError as error:
            self._fail(text.source, error.messages or (error.message,))
            return
        for item in objects:
            self._add(item, text.source)

    def _add(self, item: Object, source: str) -> None:
        if not item.meta.name:
            self._fail(source, (f"{source}: {item.kind} has no metadata.name",))
            return
        placed = self._placed(item)
        identity = (_type_of(placed), placed.key)
        known = self._objects.get(identity)
        if known is not None:
            placed, source = self._prefer(known, (placed, source))
        self._objects[identity] = (placed, source)

    def _placed(self, item: Object) -> Object:
        """The object in the namespace where `kubectl apply` would put it."""
        is_namespaced = self._namespaced.get(_type_of(item))
        if is_namespaced is None or is_namespaced == bool(item.meta.namespace):
            return item
        value = item.value()
        if is_namespaced:
            value["metadata"]["namespace"] = _DEFAULT_NAMESPACE
        else:
            del value["metadata"]["namespace"]
        return Object.of(value)

    def _prefer(self, first: tuple[Object, str], second: tuple[Object, str]) -> tuple[Object, str]:
        """The newer of two of the same object; a must-gather holds many twice, and equal ones need no word."""
        (old, _), (new, _) = first, second
        if old.raw == new.raw or (_version(old) and _version(old) == _version(new)):
            return second
        kept, dropped = (first, second) if _version(old) > _version(new) else (second, first)
        reason = "its resourceVersion is higher" if _version(old) != _version(new) else "it was read last"
        self._findings.append(
            findings.warning(
                "DuplicateObject",
                f"{new} stands in {first[1]} and in {second[1]}; the one in {kept[1]} counts: {reason}",
                subject=str(new),
                hint=f"remove the one in {dropped[1]}",
            )
        )
        return kept

    def _fail(self, source: str, messages: Iterable[str]) -> None:
        self._problems.extend(
            findings.warning(
                "UnreadableFile",
                message,
                subject=source,
                hint="what this file holds is not seen; correct it or collect it again",
            )
            for message in messages
        )

    def _fail_by_system(self, error: OSError) -> None:
        self._fail(str(error.filename), (f"{error.filename}: {error.strerror}",))

    def finish(self, name: str, *, is_tolerant: bool) -> DumpStore:
        messages = tuple(self._missing)
        if not is_tolerant:
            messages += tuple(problem.message for problem in self._problems)
        if messages:
            raise InputError(
                "UnreadableDump",
                messages[0]
                if len(messages) == 1
                else f"{name}: {len(messages)} problems: " + "; ".join(messages),
                hint="correct what the messages name, or read the dump tolerantly to go on without",
                messages=messages,
            )
        objects = (item for item, _ in self._objects.values())
        return DumpStore(name, objects, (*self._problems, *self._findings))


def _type_of(item: Object) -> _Type:
    return item.header.api_version.rpartition("/")[0], item.kind


def _version(item: Object) -> int:
    """The version as a number, which it is on every real server; 0 when there is none."""
    text = item.meta.resource_version
    return int(text) if text.isdecimal() else 0
