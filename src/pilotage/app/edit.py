"""Objects of an instance: find them, apply manifests, delete them. What `pilotage get`, `apply` and `delete` call."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pilotage.api import core, kinds
from pilotage.api.errors import InputError, PilotageError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.app import instance
from pilotage.app.objects import open_store, read_dump
from pilotage.decision.findings import Finding
from pilotage.decision.render import table
from pilotage.runtime.clock import SystemClock
from pilotage.store.base import ConflictError, NotFoundError, Reader, Store
from pilotage.store.cluster import ClusterStore
from pilotage.store.embedded import EmbeddedStore
from pilotage.store.schema.columns import CompiledColumn, cells, compile_columns
from pilotage.store.schema.definition import Column

__all__ = ["MANAGER", "apply", "delete_files", "delete_named", "listing", "select"]

MANAGER = "pilotage-cli"
"""The field manager of what a person applies, apart from the controllers' own."""


async def select(reader: Reader, kind: Kind, name: str, namespace: str) -> tuple[Object, ...]:
    """All objects of a kind, or the one that is named. Raises NotFoundError, InputError `Ambiguous`."""
    namespace = namespace if kind.namespaced else ""
    if not name:
        return (await reader.list(kind, namespace)).items
    in_namespace, _, wanted = name.rpartition("/")
    fitting = (await reader.list(kind, in_namespace or namespace, name=wanted)).items
    if not fitting:
        raise NotFoundError(kind, ObjectKey(in_namespace or namespace, wanted))
    if len(fitting) > 1:
        where = ", ".join(str(item.key) for item in fitting)
        raise InputError(
            "Ambiguous",
            f"{kind.kind} {name} stands in several namespaces: {where}",
            hint="say NAMESPACE/NAME",
        )
    return fitting


def listing(kind: Kind, objects: Sequence[Object]) -> str:
    """Objects as a table: where they are, and what their kind shows of them; empty when there are none.

    A kind of ours shows the columns of its definition, as kubectl does; of others the conditions are shown.
    """
    if not objects:
        return ""
    place = ["NAMESPACE"] if kind.namespaced else []
    columns = _columns_of(kind)
    if not columns:
        return table([*place, "NAME", "CREATED", "CONDITIONS"], (_row(kind, item) for item in objects))
    compiled = compile_columns(columns)
    rows = ((*_place(kind, item), *_cells(compiled, item)) for item in objects)
    return table([*place, "NAME", *(_heading(column) for column in columns)], rows)


async def apply(
    files: tuple[str, ...],
    data_dir: Path | None,
    namespace: str,
    *,
    dry_run: bool,
    force: bool,
    with_status: bool = False,
    report: Callable[[Finding], None],
) -> list[str]:
    """Apply every object of the files, namespaces and definitions first. Says for each what became of it.

    `with_status` writes the status that stands in a manifest as well, to bring objects over from another cluster.

    All objects are tried on a copy of the store in memory before the first is written: an object whose definition stands in
    the same files is judged by it there. `report` is told of objects that stand in the files twice. Raises
    InputError `NotApplied` listing every object that would be refused, and `NoObjects` for files that hold none; then
    nothing was changed.
    """
    items = sorted(_objects_of(files, report), key=lambda item: _FIRST.get(item.kind, len(_FIRST)))
    async with _opened(data_dir) as store:
        async with _copied(store, items, namespace) as copy:
            tried = await _apply_all(copy, items, namespace, force=force, with_status=with_status)
        problems = tuple(outcome for outcome in tried if isinstance(outcome, PilotageError))
        if problems:
            has_conflict = any(problem.code == "Conflict" for problem in problems)
            raise InputError(
                "NotApplied",
                f"{len(problems)} of {len(items)} objects are refused",
                messages=tuple(
                    f"{_named(*_placed(item, namespace))}: {outcome.message}"
                    for item, outcome in zip(items, tried, strict=True)
                    if isinstance(outcome, PilotageError)
                ),
                hint="nothing was changed"
                + ("; --force-conflicts takes over fields of another manager" if has_conflict else ""),
            )
        outcomes = (
            tried
            if dry_run
            else await _apply_all(store, items, namespace, force=force, with_status=with_status)
        )
    changed_meanwhile = next((outcome for outcome in outcomes if isinstance(outcome, PilotageError)), None)
    if changed_meanwhile is not None:
        raise changed_meanwhile
    suffix = " (dry run)" if dry_run else ""
    return [f"{outcome}{suffix}" for outcome in outcomes]


async def _apply_all(
    store: Store, items: Sequence[Object], namespace: str, *, force: bool, with_status: bool
) -> list[str | PilotageError]:
    """For each object what became of it, or why it is refused."""
    outcomes: list[str | PilotageError] = []
    for item in items:
        kind, key = _placed(item, namespace)
        before = await _present(store, kind, key)
        try:
            manifest = _manifest(item, key)
            after = await store.apply(kind, key, manifest, manager=MANAGER, force=force)
            if with_status and isinstance(manifest.get("status"), dict):
                after = await store.patch_status(kind, key, manifest["status"], manager=MANAGER)
        except PilotageError as problem:
            outcomes.append(problem)
            continue
        changed = "configured" if before and before.raw != after.raw else "unchanged"
        outcomes.append(f"{_named(kind, key)} {changed if before else 'created'}")
    return outcomes


def _columns_of(kind: Kind) -> list[Column]:
    """The columns of a kind that Pilotage serves itself, but for those of a wide table."""
    for definition in kinds.DEFINITIONS:
        if definition.kind.resource == kind.resource:
            return [
                Column(name=each.name, type=each.type, json_path=each.path)
                for each in definition.columns
                if not each.priority
            ]
    return []


def _heading(column: Column) -> str:
    """An age is shown as the time itself: what a script reads must not change while it looks."""
    return "CREATED" if column.name == "Age" else column.name.upper()


def _place(kind: Kind, item: Object) -> tuple[str, ...]:
    return (item.key.namespace, item.key.name) if kind.namespaced else (item.key.name,)


def _cells(columns: Sequence[CompiledColumn], item: Object) -> list[str]:
    return ["" if cell is None else str(cell) for cell in cells(columns, item.value())]


async def delete_named(kind_name: str, name: str, data_dir: Path | None, namespace: str) -> list[str]:
    """Delete one object. Raises NotFoundError."""
    kind = kinds.find(kind_name)
    in_namespace, _, wanted = name.rpartition("/")
    key = ObjectKey((in_namespace or namespace) if kind.namespaced else "", wanted)
    async with _opened(data_dir) as store:
        await store.delete(kind, key)
    return [f"{_named(kind, key)} deleted"]


async def delete_files(
    files: tuple[str, ...], data_dir: Path | None, namespace: str, report: Callable[[Finding], None]
) -> list[str]:
    """Delete every object that the files name, last first; one that is gone already is said so.

    Raises InputError `NoObjects` for files that hold none.
    """
    lines = []
    items = _objects_of(files, report)
    async with _opened(data_dir) as store:
        for item in reversed(items):
            kind, key = _placed(item, namespace)
            try:
                await store.delete(kind, key)
            except NotFoundError:
                lines.append(f"{_named(kind, key)} was not there")
            else:
                lines.append(f"{_named(kind, key)} deleted")
    return lines


def _objects_of(files: tuple[str, ...], report: Callable[[Finding], None]) -> tuple[Object, ...]:
    dump = read_dump(files)
    for finding in dump.findings:
        report(finding)
    objects = tuple(dump.objects())
    if not objects:
        raise InputError("NoObjects", f"{dump.name}: there is no object in there")
    return objects


def _named(kind: Kind, key: ObjectKey) -> str:
    return f"{kind.resource}/{key.name}"


@asynccontextmanager
async def _opened(data_dir: Path | None) -> AsyncIterator[EmbeddedStore | ClusterStore]:
    async with open_store(instance.find(data_dir, os.environ)) as store:
        yield store


@asynccontextmanager
async def _copied(
    store: EmbeddedStore | ClusterStore, items: Sequence[Object], namespace: str
) -> AsyncIterator[EmbeddedStore]:
    """A copy in memory to try things on: of a running instance, as much as the items have to do with."""
    if isinstance(store, EmbeddedStore):
        async with await store.fork() as copy:
            yield copy
        return
    present = [item for kind in _JUDGES for item in (await store.list(kind)).items]
    known = {(item.kind, item.key) for item in present}
    for item in items:
        kind, key = _placed(item, namespace)
        if (kind.kind, key) not in known:
            found = await _present(store, kind, key)
            present += [found] if found is not None else []
    async with await EmbeddedStore.open(None, SystemClock(), is_strict=True) as copy:
        await copy.restore(present)
        yield copy


def _placed(item: Object, namespace: str) -> tuple[Kind, ObjectKey]:
    kind = kinds.of_object(item)
    return kind, ObjectKey((item.key.namespace or namespace) if kind.namespaced else "", item.key.name)


def _manifest(item: Object, key: ObjectKey) -> dict[str, Any]:
    """What the user wrote, without what only a server says."""
    value = item.value()
    metadata = {name: field for name, field in value["metadata"].items() if name not in _SERVER_FIELDS}
    if key.namespace:
        metadata["namespace"] = key.namespace
    return {**value, "metadata": metadata}


def _is_conflict(problem: PilotageError) -> bool:
    return isinstance(problem, ConflictError)


_FORCE = "; take over fields of another manager with --force-conflicts"

_JUDGES = (core.NAMESPACE, core.CUSTOM_RESOURCE_DEFINITION)
"""Kinds that decide what other objects may be."""

_FIRST = {"Namespace": 0, "CustomResourceDefinition": 1}
"""What others need to be there already."""

_SERVER_FIELDS = frozenset(
    {"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}
)


async def _present(store: Reader, kind: Kind, key: ObjectKey) -> Object | None:
    try:
        return await store.get(kind, key)
    except NotFoundError:
        return None


def _row(kind: Kind, item: Object) -> list[str]:
    place = [item.key.namespace] if kind.namespaced else []
    return [*place, item.key.name, item.meta.creation_timestamp or "", _conditions(item)]


def _conditions(item: Object) -> str:
    """`Type=Status(Reason)` of each condition."""
    conditions = item.value().get("status", {}).get("conditions") or []
    return ", ".join(
        f"{each.get('type')}={each.get('status')}({each.get('reason', '')})" for each in conditions
    )
