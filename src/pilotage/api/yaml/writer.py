"""JSON values to the YAML that Kubernetes tools write: two spaces, lists not indented under their key, keys sorted.

The bytes are those of `sigs.k8s.io/yaml` for what manifests hold. Every text that a Kubernetes reader would take for
something else is quoted; what is unsure is decided by the reader's own `scalars.resolve`. libyaml emits; the walk here
keeps its own stack, and writes no anchors.
"""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import yaml
from yaml._yaml import CEmitter

from pilotage.api import numbers
from pilotage.api.yaml.scalars import HINTS, is_timestamp, resolve

__all__ = ["dump", "dump_all"]

_WIDTH: Final = 80
# Line breaks that only YAML 1.1 knows, and what libyaml would not bring back from a block: escapes keep them.
_ESCAPED = re.compile("[\r\x85\u2028\u2029\ufeff]")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
# Texts longer than this are rarely repeated; shorter ones are mostly keys.
_REMEMBERED: Final = 40


def dump(value: Any, *, sort_keys: bool = True) -> str:
    """One YAML document, ending in a line break, that a Kubernetes reader reads back as `value`.

    `value` is made of what JSON has, with text as keys. Keys are in the order of Kubernetes tools (`v1beta2` before
    `v1beta10`), or as they are with `sort_keys=False`. Raises TypeError for anything else, ValueError for NaN and infinity.
    """
    out = io.StringIO()
    emitter = CEmitter(out, width=_WIDTH, allow_unicode=True)
    emitter.emit(yaml.StreamStartEvent())
    emitter.emit(yaml.DocumentStartEvent(explicit=False))
    for event in _events(value, sort_keys):
        emitter.emit(event)
    emitter.emit(yaml.DocumentEndEvent(explicit=False))
    emitter.emit(yaml.StreamEndEvent())
    text = out.getvalue()
    # libyaml closes a document that ends in a bare scalar; Kubernetes tools do not.
    return text.removesuffix("...\n") if text.endswith("\n...\n") else text


def dump_all(values: Iterable[Any], *, sort_keys: bool = True) -> str:
    """Several documents with a line `---` between them."""
    return "---\n".join(dump(value, sort_keys=sort_keys) for value in values)


_MAP = yaml.MappingStartEvent(None, None, implicit=True, flow_style=False)
_MAP_END = yaml.MappingEndEvent()
_LIST = yaml.SequenceStartEvent(None, None, implicit=True, flow_style=False)
_LIST_END = yaml.SequenceEndEvent()


def _events(value: Any, sort_keys: bool) -> Iterator[Any]:
    texts: dict[str, Any] = {}
    stack: list[Iterator[Any]] = [iter((value,))]
    ends: list[Any] = []
    while stack:
        for item in stack[-1]:
            kind = item.__class__
            if kind is str:
                event = texts.get(item)
                if event is None:
                    event = _scalar(item, _style(item))
                    if len(item) <= _REMEMBERED:
                        texts[item] = event
                yield event
            elif kind is dict:
                yield _MAP
                stack.append(_pairs(item, sort_keys))
                ends.append(_MAP_END)
                break
            elif kind is list or kind is tuple:
                yield _LIST
                stack.append(iter(item))
                ends.append(_LIST_END)
                break
            else:
                yield _scalar(_plain(item))
        else:
            stack.pop()
            if ends:
                yield ends.pop()


def _pairs(value: dict[str, Any], sort_keys: bool) -> Iterator[Any]:
    for key in _sorted_keys(value) if sort_keys else value:
        if key.__class__ is not str:
            raise TypeError(f"a key must be text, not {type(key).__name__}")
        yield key
        yield value[key]


def _scalar(text: str, style: str | None = None) -> Any:
    return yaml.ScalarEvent(None, None, (True, True), text, style=style)


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        value = numbers.bounded_integer(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("JSON has no infinity and no NaN")
        value = numbers.whole_number(value)
        return numbers.float_as_g(value) if isinstance(value, float) else str(value)
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"JSON has no {type(value).__name__}")


def _style(text: str) -> str | None:
    """How the text must be written: `"`, a block `|`, or None, and then libyaml quotes what syntax makes it quote."""
    if "\n" in text or not text.isascii() or "\r" in text:
        if _ESCAPED.search(text):
            return '"'
        if "\n" in text:
            return "|"
    if not text or text[0] in HINTS or text == "<<":
        reads_otherwise = resolve(text) is not text or is_timestamp(text) or _BASE_60.fullmatch(text)
        return '"' if reads_otherwise or text == "<<" else None
    return None


def _sorted_keys(value: dict[str, Any]) -> list[str]:
    """The keys in the order of Go's YAML library: letters after other characters, runs of digits as numbers."""
    if all(map(str.isalpha, value)):
        return sorted(value)
    return sorted(value, key=_by_nature)


def _compare(one: str, other: str) -> int:
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return -1 if _comes_before(one, other, index) else 1
    return len(one) - len(other)


_by_nature = functools.cmp_to_key(_compare)


def _comes_before(one: str, other: str, index: int) -> bool:
    """Which of two texts is first, that differ at `index` and not before."""
    a, b = one[index], other[index]
    if a.isalpha() or b.isalpha():
        return a < b if a.isalpha() and b.isalpha() else b.isalpha()
    # A zero that differs inside a longer number is a digit like the others, not padding.
    carried = 0
    if "0" in (a, b):
        before = one[:index]
        run = before[len(before.rstrip("0123456789")) :]
        carried = 1 if run.strip("0") else 0
    number, length = _digits(one, index, carried)
    other_number, other_length = _digits(other, index, carried)
    return (number, length, a) < (other_number, other_length, b)


def _digits(text: str, start: int, carried: int) -> tuple[int, int]:
    end = start
    while end < len(text) and text[end] in "0123456789":
        end += 1
    return int(f"{carried}{text[start:end]}"), end - start
