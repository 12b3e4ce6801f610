"""Patches that a client sends: JSON patch (RFC 6902), JSON merge patch (RFC 7386), strategic merge patch. Pure.

A strategic merge patch knows how the lists of built-in kinds merge: `strategic.py`. No function changes its arguments.
"""

from __future__ import annotations

import copy
from typing import Any

import orjson

from pilotage.store.base import BadRequestError, InvalidObjectError

__all__ = ["go_name", "json_patch", "merge_patch"]

MOST_COPIED = 3 << 20
"""Bytes that the copies of one JSON patch may add up to, as the server has it: copies of copies double with each operation."""
_MOST_DIGITS = 18
_GO_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}


def go_name(value: Any) -> str:
    """A JSON type as Go's decoder calls it."""
    return _GO_NAMES.get(type(value), "null")


def merge_patch(value: Any, patch: Any) -> Any:
    """`value` with what `patch` says; null removes. Raises BadRequestError when the patch is no object."""
    if not isinstance(patch, dict):
        raise BadRequestError(
            f"error decoding patch: json: cannot unmarshal {go_name(patch)} into Go value of type"
            " map[string]interface {}"
        )
    return _merged(value, patch)


def _merged(value: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, wanted in patch.items():
        if wanted is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), wanted)
    return merged


class _MissingError(Exception):
    """An operation that cannot be done: the place is not there, or a test failed."""


def json_patch(value: Any, patch: Any) -> Any:
    """`value` after the operations, all of them or none.

    Raises BadRequestError for what is no patch, InvalidObjectError for one that does not fit the object. The text says no more
    than the API server's.
    """
    if not isinstance(patch, list):
        raise BadRequestError(
            f"error decoding patch: json: cannot unmarshal {go_name(patch)} into Go value of type"
            " []handlers.jsonPatchOp"
        )
    result = copy.deepcopy(value)
    room = MOST_COPIED
    try:
        for operation in patch:
            if isinstance(operation, dict) and operation.get("op") == "copy":
                room = _left(room, _copied(result, _source(operation)))
            result = _performed(result, operation)
        _size(result)
    except _MissingError:
        raise InvalidObjectError(
            "the server rejected our request due to an error in our request", details={"causes": ()}
        ) from None
    return result


def _left(room: int, copied: Any) -> int:
    """Of the bytes that may be copied, after one more copy."""
    left = room - _size(copied)
    if left < 0:
        raise _MissingError
    return left


def _size(value: Any) -> int:
    """In JSON. Raises what means a value that is too deep to be written."""
    try:
        return len(orjson.dumps(value))
    except TypeError:
        raise _MissingError from None


def _performed(value: Any, operation: Any) -> Any:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise _MissingError
    path = _steps(operation["path"])
    match operation.get("op"):
        case "add":
            return _added(value, path, _operand(operation))
        case "remove":
            return _removed(value, path)[0]
        case "replace":
            replacement = _operand(operation)
            if not path:
                return replacement
            _at(value, path)
            return _set(value, path, replacement)
        case "move":
            rest, moved = _removed(value, _source(operation))
            return _added(rest, path, moved)
        case "copy":
            return _added(value, path, copy.deepcopy(_copied(value, _source(operation))))
        case "test":
            try:
                present = _at(value, path)
            except _MissingError:
                present = None
            if not _equal(present, operation.get("value")):
                raise _MissingError
            return value
    raise _MissingError


def _operand(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise _MissingError
    return copy.deepcopy(operation["value"])


def _source(operation: dict[str, Any]) -> list[str]:
    source = operation.get("from")
    if not isinstance(source, str):
        raise _MissingError
    return _steps(source)


def _steps(pointer: str) -> list[str]:
    """RFC 6901: `~1` is a slash, `~0` a tilde."""
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise _MissingError
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def _index(items: list[Any], step: str, *, may_append: bool = False) -> int:
    if may_append and step == "-":
        return len(items)
    number = step.removeprefix("-")
    if not number.isascii() or not number.isdigit() or len(number) > _MOST_DIGITS:
        raise _MissingError
    index = int(step) + (len(items) if step.startswith("-") else 0)
    if not 0 <= index < len(items) + may_append:
        raise _MissingError
    return index


def _at(value: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list):
            value = value[_index(value, step)]
        else:
            raise _MissingError
    return value


def _copied(value: Any, path: list[str]) -> Any:
    """What to copy: null for a field that is not there, as the server's library has it; a missing item is an error."""
    holder = _at(value, path[:-1])
    return holder.get(path[-1]) if path and isinstance(holder, dict) else _at(value, path)


def _set(value: Any, path: list[str], new: Any) -> Any:
    holder = _at(value, path[:-1])
    if isinstance(holder, dict):
        holder[path[-1]] = new
    elif isinstance(holder, list):
        holder[_index(holder, path[-1])] = new
    else:
        raise _MissingError
    return value


def _added(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        # The server's library adds to something.
        raise _MissingError
    holder = _at(value, path[:-1])
    if isinstance(holder, list):
        holder.insert(_index(holder, path[-1], may_append=True), new)
        return value
    return _set(value, path, new)


def _removed(value: Any, path: list[str]) -> tuple[Any, Any]:
    """What is left, and what was taken out."""
    if not path:
        raise _MissingError
    holder = _at(value, path[:-1])
    taken = _at(holder, path[-1:])
    if isinstance(holder, list):
        del holder[_index(holder, path[-1])]
    else:
        del holder[path[-1]]
    return value, taken


def _equal(left: Any, right: Any) -> bool:
    """Equal as JSON: 1 is not true."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)
