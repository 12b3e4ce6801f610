"""Walks over objects along their shapes: which fields are there, merge, remove, compare.

The four questions of server-side apply, each one function over plain JSON values. The semantics are those of
`sigs.k8s.io/structured-merge-diff` (package `typed`). No function changes its arguments; results share every part that
did not change, so that comparing an object with its own merge touches only what the merge touched.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from pilotage.store.embedded.fieldsets import (
    FieldSet,
    field_step,
    item_step,
    node,
    path_text,
    value_step,
)
from pilotage.store.embedded.schema import Shape

__all__ = ["Comparison", "UnmergeableError", "compare", "fields_of", "merge", "remove", "unkeyed"]


class UnmergeableError(ValueError):
    """A list cannot be merged: an item lacks its key, or two items have the same. The text names the place."""


class Comparison(msgspec.Struct, frozen=True):
    """What became different between two objects. Containers that came or went are members beside their content."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def is_same(self) -> bool:
        return not (self.added or self.modified or self.removed)


def fields_of(value: dict[str, Any], shape: Shape) -> FieldSet:
    """The fields that somebody who writes `value` wants to own: its leaves, and the items of its keyed lists.

    Raises UnmergeableError.
    """
    return _map_leaves(value, shape, None)


_Trail = tuple["_Trail | None", str] | None
"""The way down to a place, innermost step last: cheap to make at every place, unrolled only for an error."""


def _map_leaves(value: dict[str, Any], shape: Shape, trail: _Trail) -> FieldSet:
    fields: FieldSet = {}
    for name, child in value.items():
        step = field_step(name)
        if isinstance(child, (dict, list)):
            found = _leaves(child, shape.field(name), (trail, step))
            if found is not None:
                # An entry of an open map is somebody's beside what it holds; a declared field is only what it holds.
                fields[step] = found if shape.declares(name) or not found else {".": {}, **found}
        else:
            fields[step] = {}
    return fields


def _leaves(value: Any, shape: Shape, trail: _Trail) -> FieldSet | None:
    if isinstance(value, dict):
        if not value or shape.atomic_map:
            return {}
        return _map_leaves(value, shape, trail) or None
    if isinstance(value, list) and shape.list_type != "atomic":
        item = shape.item()
        return {
            step: node(_leaves(child, item, (trail, step)), member=True)
            for step, child in _strictly_keyed(value, shape, trail).items()
        } or None
    return {}


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """`live` with everything that `config` says. Keyed items keep their place; new ones stand where `config` has them."""
    if isinstance(live, dict) and isinstance(config, dict) and not shape.atomic_map:
        merged = dict(live)
        for name, wanted in config.items():
            merged[name] = merge(live[name], wanted, shape.field(name)) if name in live else wanted
        return merged
    if isinstance(live, list) and isinstance(config, list) and shape.list_type != "atomic":
        theirs = _keyed(live, shape)
        if theirs is not None:
            return _merge_items(theirs, _strictly_keyed(config, shape, None), shape)
    return config


def _merge_items(live: dict[str, Any], config: dict[str, Any], shape: Shape) -> list[Any]:
    """Shared items in the order of `config`; an item that only `live` has keeps its place among them."""
    before: dict[str | None, list[str]] = {}
    anchor: str | None = None
    shared = [step for step in config if step in live]
    placed = iter(shared)
    upcoming = next(placed, None)
    for step in live:
        if step == upcoming:
            anchor, upcoming = step, next(placed, None)
        elif step not in config:
            before.setdefault(anchor, []).append(step)
    merged = [live[step] for step in before.get(None, ())]
    for step, wanted in config.items():
        merged.append(merge(live[step], wanted, shape.item()) if step in live else wanted)
        merged.extend(live[only] for only in before.get(step, ()))
    return merged


def remove(value: Any, gone: FieldSet, shape: Shape) -> Any:
    """`value` without the members of `gone` and all that is below them."""
    if isinstance(value, dict) and not shape.atomic_map:
        kept = {}
        for name, child in value.items():
            place = gone.get(field_step(name))
            if place is None:
                kept[name] = child
            elif place and "." not in place:
                kept[name] = remove(child, place, shape.field(name))
        return kept
    if isinstance(value, list) and shape.list_type != "atomic":
        items = _keyed(value, shape)
        if items is not None:
            return [
                item if (place := gone.get(step)) is None else remove(item, place, shape.item())
                for step, item in items.items()
                if (place := gone.get(step)) is None or (place and "." not in place)
            ]
    return value


def compare(old: dict[str, Any], new: dict[str, Any], shape: Shape) -> Comparison:
    """Every place where `new` differs from `old`."""
    return Comparison(*_compare_maps(old, new, shape))


_Changes = tuple[FieldSet, FieldSet, FieldSet]
"""Added, modified, removed."""


def _compare_maps(old: dict[str, Any], new: dict[str, Any], shape: Shape) -> _Changes:
    changes: _Changes = ({}, {}, {})
    for name, before in old.items():
        if name not in new:
            changes[2][field_step(name)] = _everything(before, shape.field(name))
        elif before is not (after := new[name]):
            _enter(changes, field_step(name), before, after, shape.field(name))
    for name, after in new.items():
        if name not in old:
            changes[0][field_step(name)] = _everything(after, shape.field(name))
    return changes


def _compare_items(old: dict[str, Any], new: dict[str, Any], shape: Shape) -> _Changes:
    changes: _Changes = ({}, {}, {})
    for step, before in old.items():
        if step not in new:
            changes[2][step] = _everything(before, shape)
        elif before is not (after := new[step]):
            _enter(changes, step, before, after, shape)
    for step, after in new.items():
        if step not in old:
            changes[0][step] = _everything(after, shape)
    return changes


def _enter(changes: _Changes, step: str, old: Any, new: Any, shape: Shape) -> None:
    """Compare two values at `step` and enter what differs. Two empty containers are leaves, as are unlike values."""
    found = _compare_parts(old, new, shape) if old or new else None
    if found is None:
        if _same(old, new):
            return
        changes[1][step] = {}
        found = _below(new, shape), {}, _below(old, shape)
    for entered, below in zip(changes, found, strict=True):
        if below:
            entered[step] = below


def _compare_parts(old: Any, new: Any, shape: Shape) -> _Changes | None:
    """What differs below two containers that merge part by part; None when they do not."""
    if isinstance(old, dict) and isinstance(new, dict) and not shape.atomic_map:
        return _compare_maps(old, new, shape)
    if isinstance(old, list) and isinstance(new, list) and shape.list_type != "atomic":
        before, after = _keyed(old, shape), _keyed(new, shape)
        if before is not None and after is not None:
            return _compare_items(before, after, shape.item())
    return None


def _everything(value: Any, shape: Shape) -> FieldSet:
    """A place and all places below it."""
    below = _below(value, shape)
    return {".": {}, **below} if below else {}


def _below(value: Any, shape: Shape) -> FieldSet:
    if isinstance(value, dict) and not shape.atomic_map:
        return {
            field_step(name): (
                _everything(child, shape.field(name)) if isinstance(child, (dict, list)) else {}
            )
            for name, child in value.items()
        }
    if isinstance(value, list) and shape.list_type != "atomic":
        items = _keyed(value, shape) or {}
        return {step: _everything(item, shape.item()) for step, item in items.items()}
    return {}


def _same(old: Any, new: Any) -> bool:
    """Equal as JSON values: 1 and 1.0 are, 1 and true are not."""
    if isinstance(old, (dict, list)) or isinstance(new, (dict, list)):
        return orjson.dumps(old, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
            new, option=orjson.OPT_SORT_KEYS
        )
    return isinstance(old, bool) == isinstance(new, bool) and bool(old == new)


def _keyed(items: list[Any], shape: Shape) -> dict[str, Any] | None:
    """The items by step, the first of equal ones; None when an item has no key, so that the list is one value.

    For lists that are already stored, which may have been written before anybody knew their keys.
    """
    keyed: dict[str, Any] = {}
    for item in items:
        step = _step_of(item, shape)
        if step is None:
            return None
        keyed.setdefault(step, item)
    return keyed


def _strictly_keyed(items: list[Any], shape: Shape, trail: _Trail) -> dict[str, Any]:
    keyed: dict[str, Any] = {}
    for index, item in enumerate(items):
        step = _step_of(item, shape)
        if step is None:
            raise UnmergeableError(f"{_where(trail)}: element {index}: {unkeyed(item, shape)}")
        if step in keyed:
            raise UnmergeableError(f"{_where(trail)}: duplicate entries for key {path_text((step,))}")
        keyed[step] = item
    return keyed


def unkeyed(item: Any, shape: Shape) -> str:
    """Why an item has no place of its own in a set or a keyed list; empty when it has one."""
    if shape.list_type == "set":
        if item is None:
            return "associative list without keys has an element that's an explicit null"
        if isinstance(item, dict):
            return "associative list without keys has an element that's a map type"
        if isinstance(item, list):
            return "not supported: associative list with lists as elements"
        return ""
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    if any(key in item or key in shape.key_defaults for key in shape.list_keys):
        return ""
    needed = " ".join(f'"{key}"' for key in shape.list_keys)
    return (
        f"associative list with keys has an element that omits all key fields [{needed}] (and doesn't have default"
        " values for any key fields)"
    )


def _where(trail: _Trail) -> str:
    steps = []
    while trail is not None:
        trail, step = trail
        steps.append(step)
    return path_text(tuple(reversed(steps)))


def _step_of(item: Any, shape: Shape) -> str | None:
    if unkeyed(item, shape):
        return None
    if shape.list_type == "set":
        return value_step(item)
    return item_step(
        {
            key: item.get(key, shape.key_defaults.get(key))
            for key in shape.list_keys
            if key in item or key in shape.key_defaults
        }
    )
