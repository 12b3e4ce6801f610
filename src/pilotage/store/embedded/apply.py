"""Server-side apply: who owns which field, and what follows when somebody writes.

`metadata.managedFields` names for each manager the fields that it set. An *apply* states all fields that a manager
cares about: stated fields are merged in, fields that it stated before and states no longer go away unless somebody
else owns them, and a field whose value would change under another owner is a conflict, or with `force` changes hands.
An *update* replaces the object: the writer owns what became different.

Pure: objects in, objects out, the time is an argument. Follows `sigs.k8s.io/structured-merge-diff` (package `merge`) and
`k8s.io/apimachinery/pkg/util/managedfields`; the shape of lists comes in as `schema.Shape`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
import orjson

from pilotage.store.base import Cause, ConflictError
from pilotage.store.embedded.fieldsets import (
    FieldSet,
    difference,
    field_step,
    intersection,
    is_field_set,
    members,
    path_text,
    union,
    with_named_fields,
)
from pilotage.store.embedded.merging import Comparison, compare, fields_of, merge, remove
from pilotage.store.embedded.schema import Shape

__all__ = [
    "ANCIENT",
    "BEFORE_FIRST_APPLY",
    "MOST_UPDATERS",
    "Entry",
    "Outcome",
    "Writer",
    "apply",
    "differ_in_times_only",
    "entries_of",
    "sent_entries",
    "update",
]

BEFORE_FIRST_APPLY = "before-first-apply"
"""The manager of fields that were there, owned by nobody, when the first apply came."""

ANCIENT = "ancient-changes"
"""The manager that stands for the oldest updaters once there are too many."""
MOST_UPDATERS = 10

_UNOWNED = frozenset(
    field_step(name)
    for name in (
        "creationTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    )
)
"""Metadata that nobody owns: the API writes it."""


class Writer(msgspec.Struct, frozen=True):
    """Who writes: `manager` through `api_version`, on the object or on a subresource, at `now` (RFC 3339)."""

    manager: str
    api_version: str
    now: str
    subresource: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One entry of `metadata.managedFields`."""

    manager: str
    operation: Literal["Apply", "Update"]
    api_version: str
    fields: FieldSet
    time: str = ""
    subresource: str = ""

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Entry:
        return cls(
            entry.get("manager", ""),
            entry.get("operation", "Update"),
            entry.get("apiVersion", ""),
            entry.get("fieldsV1") or {},
            entry.get("time", ""),
            entry.get("subresource", ""),
        )

    def value(self) -> dict[str, Any]:
        entry = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields,
        }
        if self.time:
            entry["time"] = self.time
        if self.subresource:
            entry["subresource"] = self.subresource
        return entry

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """An applier is itself in every version of the API; an updater is another one in each."""
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, self.subresource, version)

    def with_fields(self, fields: FieldSet) -> Entry:
        return msgspec.structs.replace(self, fields=fields)


class Outcome(msgspec.Struct, frozen=True):
    """The object after the write, managed fields included; `is_changed` is false when it is the one that was there."""

    value: dict[str, Any]
    is_changed: bool


def entries_of(value: Mapping[str, Any]) -> tuple[Entry, ...]:
    return tuple(map(Entry.parse, value.get("metadata", {}).get("managedFields") or ()))


def apply(
    live: dict[str, Any],
    config: dict[str, Any],
    shape: Shape,
    writer: Writer,
    *,
    force: bool,
    blank: Mapping[str, Any] | None = None,
) -> Outcome:
    """Merge `config`, all that `writer` wants of the object, into `live`. `blank` as for `update`.

    An apply that changes neither the object nor who owns what returns `live` itself, times included.
    Raises ConflictError, which names managers and fields, and UnmergeableError.
    """
    stored = entries_of(live)
    bare = _without_entries(live)
    others = list(stored) or _before_first_apply(bare, shape, writer, blank)
    mine = Entry(
        writer.manager,
        "Apply",
        writer.api_version,
        _ownable(fields_of(config, shape)),
        writer.now,
        writer.subresource,
    )
    last = next((entry for entry in others if entry.identity == mine.identity), None)
    others = [entry for entry in others if entry is not last]

    merged = merge(bare, config, shape)
    if last is not None and last.fields != mine.fields:
        merged = _prune(merged, last, (*others, mine), shape)
    comparison = compare(bare, merged, shape)
    if not force:
        _refuse_conflicts(others, comparison)
    kept = _yielded(others, comparison)
    if comparison.is_same and last is not None and _owns_the_same(last, mine) and kept == others:
        return Outcome(live, is_changed=False)
    if comparison.is_same and last is None and not mine.fields:
        return Outcome(live, is_changed=False)
    if comparison.is_same:
        # Who only came to own what was there did nothing at this time.
        mine = msgspec.structs.replace(mine, time=last.time if last is not None else "")
    return Outcome(_with_entries(merged, (*kept, mine)), is_changed=True)


def update(
    live: dict[str, Any],
    wanted: dict[str, Any],
    shape: Shape,
    writer: Writer,
    entries: tuple[Entry, ...] | None = None,
    blank: Mapping[str, Any] | None = None,
) -> Outcome:
    """`wanted` instead of `live` (empty for a create): the writer owns what became different.

    `entries` are the managed fields to go on from, when they are not those of `live`. `blank` holds the maps that every object
    of the kind has, said or not, so that nobody comes to own them. An object whose fields nobody manages
    stays so until somebody applies.
    """
    before = entries_of(live)
    stored = before if entries is None else entries
    bare, new = _without_entries(live), _without_entries(wanted)
    comparison = compare(_on(blank, bare), _on(blank, new), shape) if blank else compare(bare, new, shape)
    if live and comparison.is_same and stored == before:
        return Outcome(live, is_changed=False)
    if live and not stored:
        return Outcome(new, is_changed=True)
    taken = _ownable(union(comparison.added, comparison.modified))
    mine = Entry(writer.manager, "Update", writer.api_version, taken, writer.now, writer.subresource)
    last = next((entry for entry in stored if entry.identity == mine.identity), None)
    others = [entry for entry in stored if entry is not last]
    if last is not None:
        mine = mine.with_fields(union(difference(last.fields, comparison.removed), taken))
        if not taken:
            mine = msgspec.structs.replace(mine, time=last.time)
    owners = [*_yielded(others, comparison), *([mine] if mine.fields else ())]
    return Outcome(_with_entries(new, _capped(owners)), is_changed=True)


def _on(blank: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """The object, with the maps of `blank` where it has none."""
    filled = dict(value)
    for name, below in blank.items():
        present = filled.get(name)
        if present is None:
            filled[name] = below
        elif below and isinstance(present, dict):
            filled[name] = _on(below, present)
    return filled


def sent_entries(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Entry, ...]:
    """The managed fields that an update goes on from: those in `wanted` when they make sense, else those of `live`.

    So a client that knows nothing of managers does not erase them; one entry that says nothing erases all.
    """
    sent = wanted.get("metadata", {}).get("managedFields")
    if not sent:
        return entries_of(live)
    if sent == [{}]:
        return ()
    if not all(map(_is_sound, sent)):
        return entries_of(live)
    return tuple(map(Entry.parse, sent))


def _is_sound(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("operation") in {"Apply", "Update"}
        and bool(entry.get("apiVersion"))
        and entry.get("fieldsType") == "FieldsV1"
        and is_field_set(entry.get("fieldsV1") or {})
    )


def differ_in_times_only(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Is a write no change, but for when its manager wrote?"""
    return _timeless(old) == _timeless(new)


def _timeless(value: Mapping[str, Any]) -> bytes:
    metadata = value["metadata"]
    entries = [
        {name: part for name, part in entry.items() if name != "time"}
        for entry in metadata.get("managedFields") or ()
    ]
    return orjson.dumps(
        {**value, "metadata": {**metadata, "managedFields": entries}}, option=orjson.OPT_SORT_KEYS
    )


def _capped(entries: list[Entry]) -> list[Entry]:
    """At most ten updaters: the oldest of each API version share one entry."""
    updaters = [entry for entry in entries if entry.operation == "Update"]
    excess = len(updaters) - MOST_UPDATERS
    if excess <= 0:
        return entries
    first: dict[str, Entry] = {}
    buckets: dict[str, Entry] = {}
    merged: list[Entry] = []
    for entry in sorted(updaters, key=lambda entry: (entry.time, entry.manager)):
        if excess <= 0:
            break
        version = entry.api_version
        if version not in first:
            first[version] = entry
            continue
        bucket = buckets.get(version)
        if bucket is None:
            bucket = msgspec.structs.replace(first[version], manager=ANCIENT, subresource="")
            merged.append(first[version])
        buckets[version] = msgspec.structs.replace(
            bucket, fields=union(bucket.fields, entry.fields), time=entry.time
        )
        merged.append(entry)
        excess -= 1
    return [*(entry for entry in entries if entry not in merged), *buckets.values()]


def _before_first_apply(
    bare: dict[str, Any], shape: Shape, writer: Writer, blank: Mapping[str, Any] | None
) -> list[Entry]:
    """Fields that are there without an owner get one, so that the first applier is told what it would overwrite."""
    fields = _ownable(compare(_on(blank or {}, {}), bare, shape).added)
    if not fields:
        return []
    return [Entry(BEFORE_FIRST_APPLY, "Update", writer.api_version, fields, writer.now)]


def _prune(merged: Any, last: Entry, owners: Iterable[Entry], shape: Shape) -> Any:
    """Remove what the manager applied last time and nobody owns now."""
    owned: FieldSet = {}
    for entry in owners:
        owned = union(owned, entry.fields)
    gone = difference(with_named_fields(last.fields), with_named_fields(owned))
    # Nobody owns these, and every object keeps them.
    for system in ("f:apiVersion", "f:kind"):
        gone.pop(system, None)
    if gone.get("f:metadata") is not None:
        gone = {
            **gone,
            "f:metadata": {step: place for step, place in gone["f:metadata"].items() if step != "."},
        }
        if not gone["f:metadata"]:
            del gone["f:metadata"]
    return remove(merged, gone, shape) if gone else merged


def _refuse_conflicts(others: Iterable[Entry], comparison: Comparison) -> None:
    touched = union(comparison.modified, comparison.added)
    conflicts: dict[str, list[str]] = {}
    for entry in others:
        paths = [path_text(path) for path in members(intersection(entry.fields, touched))]
        if paths:
            conflicts.setdefault(_printed(entry), []).extend(paths)
    count = sum(map(len, conflicts.values()))
    if not count:
        return
    causes = tuple(
        Cause("FieldManagerConflict", f"conflict with {manager}", path)
        for manager in sorted(conflicts)
        for path in conflicts[manager]
    )
    if count == 1:
        text = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
        raise ConflictError(text, {"causes": causes})
    lines = []
    for manager in sorted(conflicts):
        lines.append(f"conflicts with {manager}:")
        lines.extend(f"- {path}" for path in conflicts[manager])
    raise ConflictError(f"Apply failed with {count} conflicts: " + "\n".join(lines), {"causes": causes})


def _printed(entry: Entry) -> str:
    text = f'"{entry.manager}"'
    if entry.subresource:
        text += f' with subresource "{entry.subresource}"'
    return f"{text} using {entry.api_version}" if entry.operation == "Update" else text


def _yielded(others: Iterable[Entry], comparison: Comparison) -> list[Entry]:
    """What is left to the others once the write is done; who owns nothing is no manager any more."""
    lost = union(union(comparison.modified, comparison.added), comparison.removed)
    if not lost:
        return list(others)
    kept = (entry.with_fields(difference(entry.fields, lost)) for entry in others)
    return [entry for entry in kept if entry.fields]


def _owns_the_same(last: Entry, mine: Entry) -> bool:
    return last.fields == mine.fields and last.api_version == mine.api_version


def _ownable(fields: FieldSet) -> FieldSet:
    """Without what the API itself writes: type, name, version, times."""
    owned = {step: place for step, place in fields.items() if step not in {"f:apiVersion", "f:kind"}}
    metadata = owned.pop("f:metadata", None)
    if metadata:
        kept = {step: place for step, place in metadata.items() if step not in _UNOWNED and step != "."}
        if kept:
            owned["f:metadata"] = kept
    return owned


def _without_entries(value: dict[str, Any]) -> dict[str, Any]:
    metadata = value.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return value
    bare = {name: child for name, child in metadata.items() if name != "managedFields"}
    return {**value, "metadata": bare}


def _with_entries(value: dict[str, Any], entries: Iterable[Entry]) -> dict[str, Any]:
    """The object with its managed fields, appliers first, then by time, as the API server sorts them."""
    ordered = sorted(
        (entry for entry in entries if entry.fields),
        key=lambda entry: (entry.operation, entry.time, entry.manager, entry.api_version, entry.subresource),
    )
    metadata = {name: child for name, child in value.get("metadata", {}).items() if name != "managedFields"}
    if ordered:
        metadata["managedFields"] = [entry.value() for entry in ordered]
    return {**value, "metadata": metadata}
