"""Strategic merge patch: a merge patch that knows how the lists of built-in kinds merge. Pure.

Lists of maps merge by the key that Kubernetes' types name in `patchMergeKey`; lists of plain items with the strategy `merge`
unite; other lists are replaced. Directives in the patch: `$patch: delete|replace|merge`,
`$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`, `$retainKeys`. Follows
`k8s.io/apimachinery/pkg/util/strategicpatch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pilotage.store.base import BadRequestError
from pilotage.store.embedded.patching import go_name
from pilotage.store.embedded.schema import Shape

__all__ = ["strategic_merge_patch"]

_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"


def strategic_merge_patch(value: Any, patch: Any, shape: Shape) -> Any:
    """`value` with what `patch` says. Raises BadRequestError."""
    if not isinstance(patch, dict):
        raise BadRequestError(
            f"error decoding patch: json: cannot unmarshal {go_name(patch)} into Go value of type"
            " map[string]interface {}"
        )
    return _map(value if isinstance(value, dict) else {}, patch, shape)


def _map(value: Mapping[str, Any], patch: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    directive = patch.get("$patch")
    if directive == "replace":
        plain: dict[str, Any] = _plain(patch)
        return plain
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise BadRequestError(f"Unknown patch type found: {directive}")
    merged = dict(value)
    if _RETAIN in patch:
        retained = patch[_RETAIN]
        merged = {name: child for name, child in merged.items() if name in retained}
    for name, wanted in patch.items():
        if name.startswith("$"):
            continue
        if wanted is None:
            merged.pop(name, None)
        elif isinstance(wanted, dict):
            present = merged.get(name)
            merged[name] = _map(present if isinstance(present, dict) else {}, wanted, shape.field(name))
        elif isinstance(wanted, list):
            merged[name] = _list(merged.get(name), wanted, shape.field(name))
        else:
            merged[name] = wanted
    for directive_name, listed in patch.items():
        if directive_name.startswith(_DELETE_FROM):
            field = directive_name.removeprefix(_DELETE_FROM)
            if isinstance(merged.get(field), list):
                merged[field] = [item for item in merged[field] if item not in listed]
    for directive_name, order in patch.items():
        if directive_name.startswith(_ORDER):
            field = directive_name.removeprefix(_ORDER)
            if isinstance(merged.get(field), list):
                present = value.get(field)
                before = present if isinstance(present, list) else []
                merged[field] = _ordered(merged[field], order, before, shape.field(field))
    return merged


def _list(present: Any, patch: list[Any], shape: Shape) -> list[Any]:
    before = present if isinstance(present, list) else []
    key = shape.patch_key
    if key == "":
        united = [*before]
        for item in patch:
            if item not in united:
                united.append(item)
        return _ordered(united, patch, before, shape)
    if key is None:
        return [_plain(item) for item in patch]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [_plain(item) for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    merged = list(before)
    for item in patch:
        _merge_item(merged, item, key, shape)
    return _ordered(merged, patch, before, shape)


def _merge_item(merged: list[Any], item: Any, key: str, shape: Shape) -> None:
    if not isinstance(item, dict) or item.get(key) is None:
        raise BadRequestError(f"map: {item} does not contain declared merge key: {key}")
    position = next(
        (
            index
            for index, present in enumerate(merged)
            if isinstance(present, dict) and present.get(key) == item[key]
        ),
        None,
    )
    if item.get("$patch") == "delete":
        if position is not None:
            del merged[position]
    elif position is None:
        merged.append(_map({}, item, shape.item()))
    else:
        merged[position] = _map(merged[position], item, shape.item())


def _ordered(items: list[Any], order: list[Any], before: list[Any], shape: Shape) -> list[Any]:
    """The items that `order` names in its order; of the others, those that stood in front of the next of them `before` come first."""
    key = shape.patch_key

    def identity(item: Any) -> bytes:
        return orjson.dumps(item.get(key) if key and isinstance(item, dict) else item)

    wanted = {identity(item): number for number, item in enumerate(order)}
    place = {identity(item): number for number, item in enumerate(before)}
    named = sorted(
        (item for item in items if identity(item) in wanted), key=lambda item: wanted[identity(item)]
    )
    others = [item for item in items if identity(item) not in wanted]
    result: list[Any] = []
    for item in named:
        here = place.get(identity(item))
        while others and here is not None and place.get(identity(others[0]), here) < here:
            result.append(others.pop(0))
        result.append(item)
    return result + others


def _plain(value: Any) -> Any:
    """A value that stands for itself: nulls of maps say nothing, directives are no fields."""
    if isinstance(value, dict):
        return {
            name: _plain(child)
            for name, child in value.items()
            if child is not None and not name.startswith("$")
        }
    return value
