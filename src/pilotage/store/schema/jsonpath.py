"""JSONPath as `kubectl` and printer columns know it: `.spec.items[?(@.name=="x")].value`, `..image`, `[0:2]`, `['a','b']`.

Parsing gives a tuple of steps, each of which turns the values found so far into the next ones. Missing fields find nothing;
an index beyond a list, or an index into something else, is a PathError, as in `k8s.io/client-go/util/jsonpath`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from pilotage.store.schema.gotext import json_type

__all__ = ["Path", "PathError", "parse_path"]


class PathError(ValueError):
    """The path cannot be read, or cannot be walked on this value."""


class _Step(Protocol):
    def walk(self, values: list[Any]) -> list[Any]: ...


class Path(msgspec.Struct, frozen=True):
    steps: tuple[_Step, ...]

    def find(self, value: Any) -> list[Any]:
        """Everything the path leads to, in order. Raises PathError."""
        values = [value]
        for step in self.steps:
            values = step.walk(values)
        return values


class _Field(msgspec.Struct, frozen=True):
    name: str

    def walk(self, values: list[Any]) -> list[Any]:
        return [value[self.name] for value in values if isinstance(value, Mapping) and self.name in value]


class _Wildcard(msgspec.Struct, frozen=True):
    def walk(self, values: list[Any]) -> list[Any]:
        return [child for value in values for child in _children(value)]


class _Descent(msgspec.Struct, frozen=True):
    def walk(self, values: list[Any]) -> list[Any]:
        return [found for value in values for found in _containers(value)]


def _children(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _containers(value: Any) -> Iterator[Any]:
    """The value and everything below it that holds something."""
    children = _children(value)
    if children:
        yield value
        for child in children:
            yield from _containers(child)


class _Slice(msgspec.Struct, frozen=True):
    """`[start:stop:step]`; a single index is a slice of one (`single`)."""

    start: int | None
    stop: int | None
    step: int | None
    single: bool = False

    def walk(self, values: list[Any]) -> list[Any]:
        return [item for value in values if value is not None for item in self._of(value)]

    def _of(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise PathError(f"{json_type(value)} is not array or slice")
        size = len(value)
        start = (self.start or 0) + (size if (self.start or 0) < 0 else 0)
        if self.single:
            stop = start + 1
        else:
            stop = size if self.stop is None else self.stop + (size if self.stop < 0 else 0)
        if start == stop:
            return []
        if not 0 <= start < size:
            raise PathError(f"array index out of bounds: index {start}, length {size}")
        if not 0 <= stop <= size:
            raise PathError(f"array index out of bounds: index {stop - 1}, length {size}")
        if start > stop:
            raise PathError(f"starting index {start} is greater than ending index {stop}")
        if self.step is not None and self.step <= 0:
            raise PathError("step must be > 0")
        return value[start : stop : self.step or 1]


class _Union(msgspec.Struct, frozen=True):
    paths: tuple[Path, ...]

    def walk(self, values: list[Any]) -> list[Any]:
        found = []
        for path in self.paths:
            current = values
            for step in path.steps:
                current = step.walk(current)
            found += current
        return found


class _Literal(msgspec.Struct, frozen=True):
    value: Any

    def walk(self, values: list[Any]) -> list[Any]:
        return [self.value for _ in values]


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


class _Filter(msgspec.Struct, frozen=True):
    left: Path
    operator: str = ""
    right: Path | None = None

    def walk(self, values: list[Any]) -> list[Any]:
        found = []
        for value in values:
            if not isinstance(value, list):
                raise PathError(f"{json_type(value)} is not array or slice and cannot be filtered")
            found += [item for item in value if self._keeps(item)]
        return found

    def _keeps(self, item: Any) -> bool:
        try:
            lefts = self.left.find(item)
        except PathError:
            if self.right is None:
                return False
            raise
        if self.right is None:
            return bool(lefts)
        rights = self.right.find(item) if lefts else []
        if len(lefts) > 1 or len(rights) > 1:
            raise PathError("can only compare one element at a time")
        if not rights:
            return False
        left, right = lefts[0], rights[0]
        if _class_of(left) != _class_of(right) or _class_of(left) == "":
            raise PathError("incompatible types for comparison")
        return _COMPARISONS[self.operator](left, right)


def _class_of(value: Any) -> str:
    """What may be compared with one another."""
    return {"string": "text", "boolean": "boolean", "integer": "integer", "number": "number"}.get(
        json_type(value), ""
    )


_IDENTIFIER = re.compile(r"(?:\\.|[^\s.,\[\]$@{}\\])+", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9][0-9.]*")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?")
_FILTER = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


def parse_path(text: str) -> Path:
    """Read a path as a column has it, without the braces of a template.

    Raises PathError.
    """
    if "{" in text or "}" in text:
        raise PathError(f"unrecognized character in action: {text}")
    return Path(tuple(_steps(text)))


def _steps(text: str) -> Iterator[_Step]:
    at = 0
    while at < len(text):
        character = text[at]
        if text.startswith("[?(", at):
            inner, at = _filter_text(text, at)
            yield _parse_filter(inner)
        elif text.startswith("..", at):
            at += 2
            yield _Descent()
            found = _IDENTIFIER.match(text, at)
            if found:
                at = found.end()
                yield _field(found[0])
        elif character in " @$":
            at += 1
        elif character == "[":
            end = text.find("]", at)
            if end < 0:
                raise PathError("unterminated array")
            yield from _bracket(text[at + 1 : end])
            at = end + 1
        elif character in "'\"":
            found = _QUOTED.match(text, at)
            if found is None:
                raise PathError("unterminated quoted string")
            at = found.end()
            yield _Literal(re.sub(r"\\(.)", r"\1", found[0][1:-1]))
        elif character == ".":
            found = _IDENTIFIER.match(text, at + 1)
            at = found.end() if found else at + 1
            yield _field(found[0] if found else "")
        else:
            step, at = _word(text, at)
            yield step


def _field(name: str) -> _Step:
    return _Wildcard() if name == "*" else _Field(name.replace("\\", ""))


def _word(text: str, at: int) -> tuple[_Step, int]:
    found = _NUMBER.match(text, at)
    if found:
        number = found[0]
        try:
            return _Literal(float(number) if "." in number else int(number)), found.end()
        except ValueError:
            raise PathError(f"cannot parse number {number}") from None
    found = _IDENTIFIER.match(text, at)
    if found and found[0] in {"true", "false"}:
        return _Literal(found[0] == "true"), found.end()
    raise PathError(f"unrecognized identifier {text[at:]}")


def _bracket(inner: str) -> Iterator[_Step]:
    if "," in inner:
        yield _Union(tuple(Path(tuple(_bracket(part.strip(" ")))) for part in inner.split(",")))
        return
    if len(inner) >= 2 and inner[0] == inner[-1] == "'" and "'" not in inner[1:-1]:
        yield from _steps(f".{inner[1:-1]}")
        return
    found = _SLICE.fullmatch(":" if inner == "*" else inner)
    if found is None:
        raise PathError(f"invalid array index {inner}")
    start, stop, step = (part.removeprefix(":") if part is not None else None for part in found.groups())
    try:
        yield _Slice(
            start=int(start) if start else None,
            stop=int(stop) if stop else None,
            step=int(step) if step else None,
            single=found[2] is None,
        )
    except ValueError:
        raise PathError(f"array index {inner} is not a number") from None


def _filter_text(text: str, at: int) -> tuple[str, int]:
    """What stands between `[?(` and `)]`; a quoted text may hold brackets."""
    start = at = at + len("[?(")
    while at < len(text) and text[at] != ")":
        found = _QUOTED.match(text, at)
        at = found.end() if found else at + 1
    if not text.startswith(")]", at):
        raise PathError("unterminated filter" if at >= len(text) else "unclosed array expect ]")
    return text[start:at], at + 2


def _parse_filter(inner: str) -> _Step:
    found = _FILTER.fullmatch(inner)
    if found is None:
        return _Filter(Path(tuple(_steps(inner))))
    if found[2] not in _COMPARISONS:
        raise PathError(f"unrecognized filter operator {found[2]}")
    return _Filter(Path(tuple(_steps(found[1]))), found[2], Path(tuple(_steps(found[3]))))
