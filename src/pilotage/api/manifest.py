"""Manifests: many documents in one text, and the objects in them.

A file, a pipe or a folder of a must-gather holds YAML documents between `---` lines, JSON objects one after the other, or
Lists of objects. Documents are split as `k8s.io/apimachinery/pkg/util/yaml` splits them, so that a line number is a line
of the file; each is read in the dialect of `api.yaml`, and becomes an `Object` whose JSON text keeps every field.

Nothing is half read: all problems of all documents are raised together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from pilotage.api import yaml
from pilotage.api.errors import InputError
from pilotage.api.meta import Object

__all__ = ["Document", "dump_objects", "load_documents", "load_objects"]


class Document(msgspec.Struct, frozen=True):
    """One document of a text; null documents, and those of comments only, are not among them.

    `number` counts from 1 as the separators do, `line` is where the content begins. `respelled` holds the plain numbers that
    JSON spells otherwise: whoever reads a version can warn that `4.20` without quotes became 4.2.
    """

    value: Any
    source: str
    number: int
    line: int
    respelled: tuple[yaml.Respelled, ...] = ()

    @property
    def place(self) -> str:
        return yaml.Origin(self.source, self.number, self.line).at(0).rpartition(",")[0]


def load_documents(
    text: str | bytes, source: str = "", limits: yaml.Limits = yaml.DEFAULT_LIMITS
) -> list[Document]:
    """Every document of `text` that is not null.

    Raises InputError `MalformedManifest` with the problems of all documents.
    """
    problems: list[str] = []
    documents = list(_documents(text, source, limits, problems))
    if problems:
        raise yaml.malformed(tuple(problems))
    return documents


def load_objects(
    text: str | bytes, source: str = "", limits: yaml.Limits = yaml.DEFAULT_LIMITS
) -> list[Object]:
    """Every Kubernetes object of `text`, in order; a List gives its items.

    Raises InputError `MalformedManifest` with the problems of all documents: what cannot be read, what is no object, and what
    lacks `apiVersion` or `kind`.
    """
    problems: list[str] = []
    objects: list[Object] = []
    for document in _documents(text, source, limits, problems):
        for path, value in _items(document.value):
            problem = _fault(value)
            if problem:
                problems.append(f"{document.place}: {path}{problem}")
                continue
            try:
                objects.append(Object.parse(msgspec.json.encode(value)))
            except InputError as error:
                problems.append(f"{document.place}: {path}{_named(value)}: {error.message}")
    if problems:
        raise yaml.malformed(tuple(problems))
    return objects


def dump_objects(objects: Iterable[Object]) -> str:
    """The objects as YAML documents, in order, with `---` between them."""
    return yaml.dump_all(item.value() for item in objects)


# What may stand behind the dashes is checked apart, as Go does.
_SEPARATOR: Final = re.compile(r"^---(.*)$", re.MULTILINE)
_LIST_SUFFIX: Final = "List"


def _documents(
    text: str | bytes, source: str, limits: yaml.Limits, problems: list[str]
) -> Iterator[Document]:
    """The documents; what is wrong with the others is added to `problems`."""
    decoded = _decode(text, source, problems) if isinstance(text, bytes) else text
    for number, line, part in _split(decoded.removeprefix("\ufeff"), source, problems):
        try:
            readings = yaml.read_all(part, yaml.Origin(source, number, line), limits)
        except InputError as error:
            problems.extend(error.messages or (error.message,))
            continue
        for reading in readings:
            if reading.value is not None:
                yield Document(reading.value, source, number, reading.line, reading.respelled)


def _decode(text: bytes, source: str, problems: list[str]) -> str:
    """UTF-8, or UTF-16 with its mark, which is what a PowerShell redirection writes."""
    encoding = "utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return text.decode(encoding)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        problems.append(f"{source + ': ' if source else ''}line {line}: the text is not {encoding.upper()}")
        return ""


def _split(text: str, source: str, problems: list[str]) -> Iterator[tuple[int, int, str]]:
    """Number, first line and text of each part between separators; empty parts are none."""
    number = 0
    line = 1
    start = 0
    for separator in _SEPARATOR.finditer(text):
        if separator.start() > start:
            number += 1
            yield number, line, text[start : separator.start()]
        line += text.count("\n", start, separator.start()) + 1
        start = min(separator.end() + 1, len(text))
        rest = separator[1].strip()
        if rest and not rest.startswith("#"):
            place = yaml.Origin(source, number + 1, line - 1).at(0, 4)
            problems.append(f"{place}: invalid Yaml document separator: only a comment may follow ---")
    if start < len(text):
        yield number + 1, line, text[start:]


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """The object itself, or the items of a List, each with its path for messages.

    Items of a typed list (`HostedClusterList`) may lack what the list says for all of them, as answers of an API server do.
    """
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, item = pending.pop()
        items = _list_items(item)
        if items is None:
            yield path, item
            continue
        kind = item["kind"].removesuffix(_LIST_SUFFIX)
        defaults = {"apiVersion": item.get("apiVersion"), "kind": kind} if kind else {}
        children = [
            (f"{path}items[{index}]: ", {**defaults, **child} if isinstance(child, dict) else child)
            for index, child in enumerate(items)
        ]
        pending.extend(reversed(children))


def _list_items(value: Any) -> list[Any] | None:
    if not isinstance(value, dict) or not str(value.get("kind")).endswith(_LIST_SUFFIX):
        return None
    items = value.get("items")
    # An empty List of Go has null items; a kind that merely ends in "List" has none.
    return items if isinstance(items, list) else [] if items is None and "items" in value else None


def _fault(value: Any) -> str:
    """Why this is no Kubernetes object; empty when it is one."""
    if not isinstance(value, dict):
        names = {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
        return f"expected an object, found {names.get(type(value), 'null')}"
    missing = [key for key in ("apiVersion", "kind") if not value.get(key)]
    if missing:
        return f"{_named(value)}: {' and '.join(missing)} not set"
    wrong = [key for key in ("apiVersion", "kind") if not isinstance(value[key], str)]
    return f"{' and '.join(wrong)} must be text" if wrong else ""


def _named(value: dict[str, Any]) -> str:
    """`HostedCluster clusters/a`, as far as the object says it."""
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = "/".join(str(part) for part in (metadata.get("namespace"), metadata.get("name")) if part)
    return " ".join(part for part in (str(value.get("kind") or "object"), name) if part)
