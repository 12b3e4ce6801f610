"""Sets of field paths, in the form in which managed fields store them.

Kubernetes writes the fields of a manager as `fieldsV1`: nested JSON maps whose keys are the steps of a path.

    f:<name>    a field of a map
    k:<json>    the item of a list with these key fields, keys sorted
    v:<json>    the item of a set with this value
    i:<index>   an item by position (read, never written)
    .           this place itself is a member, besides the places below it

A place without anything below it is a member, so `{"f:a": {}}` holds `a` while `{"f:a": {"f:b": {}}}` holds only `a.b`.
We work on that form directly: nothing is converted when an object is read or written. The functions never change
their arguments and may share parts with them. At the root an empty map is the empty set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

__all__ = [
    "FieldSet",
    "Path",
    "difference",
    "field_step",
    "from_paths",
    "intersection",
    "is_field_set",
    "item_step",
    "members",
    "node",
    "path_text",
    "union",
    "value_step",
    "with_named_fields",
]

FieldSet = dict[str, Any]
Path = tuple[str, ...]

_SELF = "."
_STEPS = ("f:", "k:", "v:", "i:")


def field_step(name: str) -> str:
    return "f:" + name


def item_step(keys: Mapping[str, Any]) -> str:
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def value_step(value: Any) -> str:
    return "v:" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def node(children: FieldSet | None, *, member: bool) -> FieldSet | None:
    """One place below the root: a member or not, with what is below it; None when it holds nothing."""
    if not children:
        return {} if member else None
    if member:
        return {_SELF: {}, **children}
    return children


def _is_member(place: FieldSet) -> bool:
    return not place or _SELF in place


def _below(place: FieldSet) -> FieldSet:
    if _SELF in place:
        return {step: child for step, child in place.items() if step != _SELF}
    return place


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in either."""
    merged = dict(left)
    for step, theirs in right.items():
        mine = merged.get(step)
        if mine is None:
            merged[step] = theirs
        elif mine or theirs:
            member = _is_member(mine) or _is_member(theirs)
            merged[step] = node(union(_below(mine), _below(theirs)), member=member)
    return merged


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in `left` and not in `right`. Member by member: losing `a` does not lose `a.b`."""
    if not right:
        return left
    rest = {}
    for step, mine in left.items():
        theirs = right.get(step)
        if theirs is None:
            rest[step] = mine
            continue
        member = _is_member(mine) and not _is_member(theirs)
        kept = node(difference(_below(mine), _below(theirs)), member=member)
        if kept is not None:
            rest[step] = kept
    return rest


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in both."""
    shared = {}
    for step, mine in left.items():
        theirs = right.get(step)
        if theirs is None:
            continue
        member = _is_member(mine) and _is_member(theirs)
        both = node(intersection(_below(mine), _below(theirs)), member=member)
        if both is not None:
            shared[step] = both
    return shared


def with_named_fields(fields: FieldSet) -> FieldSet:
    """The set with every field on the way to a member: who owns `spec.replicas` keeps `spec` in place."""
    named = {}
    for step, place in fields.items():
        member = _is_member(place) or step.startswith("f:")
        named[step] = node(with_named_fields(_below(place)), member=member)
    return named


def members(fields: FieldSet) -> Iterator[Path]:
    """Every member as a path, a place before those below it."""
    for step, place in fields.items():
        if _is_member(place):
            yield (step,)
        for path in members(_below(place)):
            yield (step, *path)


def from_paths(paths: Iterable[Path]) -> FieldSet:
    """The set of these paths: the inverse of `members`."""
    fields: FieldSet = {}
    for path in paths:
        single: FieldSet = {}
        for step in reversed(path):
            single = {step: single}
        fields = union(fields, single)
    return fields


def is_field_set(value: Any) -> bool:
    """Is it well-formed `fieldsV1`? For text that somebody else wrote."""
    if not isinstance(value, dict):
        return False
    return all(
        place == {} if step == _SELF else step.startswith(_STEPS) and is_field_set(place)
        for step, place in value.items()
    )


def path_text(path: Path) -> str:
    """As the API server prints it: `.spec.containers[name="app"].image`."""
    return "".join(_step_text(step) for step in path)


def _step_text(step: str) -> str:
    form, rest = step[:2], step[2:]
    if form == "f:":
        return "." + rest
    if form == "k:":
        keys = orjson.loads(rest)
        return "[" + ",".join(f"{name}={_json(keys[name])}" for name in sorted(keys)) + "]"
    if form == "v:":
        return f"[={_json(orjson.loads(rest))}]"
    return f"[{rest}]"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
