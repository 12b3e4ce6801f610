"""The events of one YAML document to plain JSON values, as `sigs.k8s.io/yaml` in strict mode composes them.

libyaml finds the events; what they mean is decided here, because its Python composer differs from Go's in ways that
matter: it refuses an anchor that is defined twice, keeps the last of two equal keys, shares the objects behind aliases,
and recurses until the process dies. This loop keeps its own stack, so that depth is a number to compare.

Stricter than Go in one place: when two keys of one map become the same text (`1:` and `"1":`), Go keeps either,
by chance; here that is an error as every repeated key is.

Problems that leave the rest readable are collected and raised together.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, NoReturn

from yaml import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    MarkedYAMLError,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    YAMLError,
)
from yaml._yaml import CParser
from yaml.reader import ReaderError

from pilotage.api import numbers
from pilotage.api.yaml.places import Limits, Origin, Reading, Respelled, malformed, shown
from pilotage.api.yaml.scalars import HINTS, MERGE_TAG, UnfitScalarError, key_text, resolve, resolve_tagged

__all__ = ["REPEATED", "Composer"]

REPEATED: Final = " is set twice in one map"
_NO_KEY: Final = object()
_MERGE: Final = object()
_BAD_KEY: Final = object()

# libyaml looks at every open flow bracket for each token, so time is their product. This much takes about two seconds.
_FLOW_WORK: Final = 1 << 29
# It also compares every %TAG directive with all others. Nobody writes even one.
_TAG_DIRECTIVE = re.compile(r"(?:\A|[\r\n\x85\u2028\u2029])%TAG")
_TAG_DIRECTIVES: Final = 64


class _StopError(Exception):
    """Nothing after this problem can be trusted."""


class _Anchor:
    """What `&name` stands for; `open` while the value is still being read, so that it cannot contain itself."""

    __slots__ = ("open", "value")

    def __init__(self, value: Any, *, open_: bool) -> None:
        self.value = value
        self.open = open_


class Composer:
    """Reads the first document of a text, once."""

    def __init__(self, text: str, origin: Origin, limits: Limits, *, alone: bool) -> None:
        self._text = text
        self._origin = origin
        self._limits = limits
        self._alone = alone
        self._problems: list[str] = []
        self._respelled: list[Respelled] = []
        self._anchors: dict[str, _Anchor] = {}
        self._nodes_left = limits.alias_nodes
        self._characters_left = limits.characters
        self._line = 0

    def read(self) -> Reading:
        """Raises InputError `MalformedManifest` with all problems found."""
        value = None
        try:
            self._check_text()
            value = self._compose(CParser(self._text))
        except _StopError:
            pass
        except ReaderError as error:
            # libyaml counts bytes; the text up to there is decodable by construction.
            before = self._text.encode()[: error.position].decode(errors="ignore")
            line = before.count("\n")
            column = len(before) - (before.rfind("\n") + 1) + 1
            self._problems.append(f"{self._origin.at(line, column)}: {error.reason}")
        except MarkedYAMLError as error:
            self._syntax(error)
        except YAMLError as error:
            self._problems.append(f"{self._origin.at(0)}: {error}")
        if self._problems:
            raise malformed(tuple(self._problems))
        return Reading(value, self._origin.line + self._line, tuple(self._respelled))

    def _check_text(self) -> None:
        size = len(self._text)
        if size > self._limits.characters:
            self._problems.append(
                f"{self._origin.at(0)}: the document has {size} characters, more than the limit of "
                f"{self._limits.characters}; split it, or give it as JSON"
            )
            raise _StopError
        if "%TAG" in self._text and len(_TAG_DIRECTIVE.findall(self._text)) > _TAG_DIRECTIVES:
            self._problems.append(f"{self._origin.at(0)}: more than {_TAG_DIRECTIVES} %TAG directives")
            raise _StopError
        if not self._text.isascii():
            try:
                self._text.encode()
            except UnicodeEncodeError as error:
                line = self._text.count("\n", 0, error.start)
                self._problems.append(f"{self._origin.at(line)}: half of a surrogate pair is no character")
                raise _StopError from None

    def _compose(self, parser: CParser) -> Any:  # noqa: PLR0915 the hot path of every manifest: flat, and one loop
        """Events to values, with an explicit stack."""
        next_event = parser.get_event
        deepest = self._limits.depth
        anchors = self._anchors
        hints = HINTS
        stack: list[tuple[Any, Any, Any, _Anchor | None]] = []
        container: Any = None  # the map or list being filled; None at the top
        key: Any = _NO_KEY
        key_event: Any = None
        root: Any = None
        flow = 0  # open flow brackets: inside one, everything is flow style
        value: Any
        while True:
            event: Any = next_event()
            kind = event.__class__
            if kind is ScalarEvent:
                value = event.value
                if event.tag is not None:
                    value = self._tagged(event)
                elif event.implicit[0] and (not value or value[0] in hints):
                    value = resolve(value)
                if event.anchor is not None:
                    anchors[event.anchor] = _Anchor(value, open_=False)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                if not stack:
                    self._line = event.start_mark.line
                flow = flow + 1 if event.flow_style else 0
                if len(stack) >= deepest or flow * len(self._text) > _FLOW_WORK:
                    self._stop(event, f"maps and lists are nested too deep (the limit is {deepest})")
                anchor = None
                child: Any = {} if kind is MappingStartEvent else []
                if event.anchor is not None:
                    anchors[event.anchor] = anchor = _Anchor(child, open_=True)
                stack.append((container, key, key_event, anchor))
                container, key = child, _NO_KEY
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                flow -= flow > 0
                value = container
                container, key, key_event, anchor = stack.pop()
                if anchor is not None:
                    anchor.open = False
            elif kind is AliasEvent:
                value = self._expanded(event, len(stack))
            elif kind is DocumentStartEvent:
                if event.version not in (None, (1, 1)):
                    self._stop(event, "Kubernetes reads YAML 1.1: remove the %YAML directive")
                continue
            elif kind is DocumentEndEvent:
                self._check_end(parser)
                return root
            elif kind is StreamEndEvent:
                return None
            else:
                continue

            if container.__class__ is list:
                if value.__class__ is float or value.__class__ is int:
                    value = self._number(event, value, stack, container, key)
                container.append(value)
            elif container is None:
                if value.__class__ is float or value.__class__ is int:
                    value = self._number(event, value, stack, container, key)
                if kind is ScalarEvent:
                    self._line = event.start_mark.line
                root = value
            elif key is _NO_KEY:
                key_event = event
                if value.__class__ is not str:
                    key = self._key(event, value)
                elif value == "<<" and _is_merge(event):
                    key = _MERGE
                else:
                    key = value
            else:
                if key is _MERGE:
                    self._merge(key_event, container, value, event)
                elif key in container:
                    self._problem(key_event, shown(key) + REPEATED)
                elif key is not _BAD_KEY:
                    if value.__class__ is float or value.__class__ is int:
                        value = self._number(event, value, stack, container, key)
                    container[key] = value
                key = _NO_KEY

    def _tagged(self, event: Any) -> Any:
        try:
            return resolve_tagged(event.tag, event.value)
        except UnfitScalarError as error:
            self._problem(event, str(error))
            return event.value

    def _key(self, event: Any, value: Any) -> Any:
        try:
            return key_text(value)
        except UnfitScalarError as error:
            self._problem(event, str(error))
            return _BAD_KEY

    def _number(self, event: Any, value: float, stack: list[Any], container: Any, key: Any) -> float:
        """The number as JSON has it, remembered when its spelling was another."""
        number: int | float = value
        if isinstance(value, float):
            number = numbers.whole_number(value)
            if not math.isfinite(number):
                self._problem(event, "an infinity or NaN is no JSON value")
                return 0
        if event.__class__ is ScalarEvent:
            spelled = str(number) if isinstance(number, int) else numbers.float_as_json(number)
            if spelled != event.value:
                path = _path([*stack, (container, key, None, None)])
                mark: Any = event.start_mark
                self._respelled.append(Respelled(path, event.value, number, self._origin.line + mark.line))
        return number

    def _merge(self, key_event: Any, container: dict[str, Any], value: Any, event: Any) -> None:
        """`<<`: as in Go, the merged keys must be new; a list that is merged is read from its end."""
        from_alias = event.__class__ is AliasEvent
        if isinstance(value, dict):
            parts = [value]
        elif isinstance(value, list) and not from_alias and all(isinstance(part, dict) for part in value):
            parts = value[::-1]
        else:
            self._stop(event, "a merge (<<) needs a map, or a list of maps, as its value")
        for part in parts:
            for key, item in part.items():
                if key in container:
                    self._problem(key_event, f"{shown(key)}{REPEATED} (one of them is merged)")
                else:
                    container[key] = item

    def _expanded(self, event: Any, depth: int) -> Any:
        """A copy of what the alias stands for: its own, so that a later change of one place stays in one place."""
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            self._stop(event, f"unknown anchor {shown(event.anchor)}")
        if anchor.open:
            self._stop(event, f"anchor {shown(event.anchor)} contains itself")
        result: list[Any] = []
        work: list[tuple[Any, Any, Any, int]] = [(result, None, anchor.value, depth)]
        while work:
            place, key, value, height = work.pop()
            self._nodes_left -= 1
            if isinstance(value, str):
                self._characters_left -= len(value)
            if self._nodes_left < 0 or self._characters_left < 0:
                self._stop(event, f"aliases expand to more than {self._limits.alias_nodes} values")
            copy = value
            if isinstance(value, dict):
                copy = dict.fromkeys(value)
                self._characters_left -= sum(map(len, value))
                work.extend((copy, name, item, height + 1) for name, item in value.items())
            elif isinstance(value, list):
                copy = [None] * len(value)
                work.extend((copy, index, item, height + 1) for index, item in enumerate(value))
            if height >= self._limits.depth and copy is not value:
                self._stop(event, f"maps and lists are nested too deep (the limit is {self._limits.depth})")
            if key is None:
                place.append(copy)
            else:
                place[key] = copy
        return result[0]

    def _check_end(self, parser: CParser) -> None:
        """With `alone`, text after the end of the document must not be lost in silence."""
        if not self._alone:
            return
        mark: Any
        try:
            event: Any = parser.get_event()
            if event.__class__ is StreamEndEvent:
                return
            mark = event.start_mark
        except MarkedYAMLError as error:
            mark = error.problem_mark
        place = self._origin.at(mark.line, mark.column + 1)
        self._problems.append(
            f"{place}: text after the end of the document: separate documents with a line ---"
        )

    def _syntax(self, error: MarkedYAMLError) -> None:
        mark: Any = error.problem_mark or error.context_mark
        begin: Any = error.context_mark
        line, column = (mark.line, mark.column + 1) if mark else (0, 1)
        context = f", {error.context}" if error.context else ""
        if context and begin and begin.line != line:
            context += f" that begins at line {self._origin.line + begin.line}"
        self._problems.append(f"{self._origin.at(line, column)}: {error.problem}{context}")

    def _problem(self, event: Any, text: str) -> None:
        mark = event.start_mark
        self._problems.append(f"{self._origin.at(mark.line, mark.column + 1)}: {text}")
        if len(self._problems) >= self._limits.problems:
            self._problems.append(
                f"{self._origin.at(mark.line, mark.column + 1)}: too many problems, the rest was not read"
            )
            raise _StopError

    def _stop(self, event: Any, text: str) -> NoReturn:
        mark = event.start_mark
        self._problems.append(f"{self._origin.at(mark.line, mark.column + 1)}: {text}")
        raise _StopError


def _is_merge(event: Any) -> bool:
    return event.__class__ is ScalarEvent and (event.implicit[0] or event.tag == MERGE_TAG)


def _path(frames: list[tuple[Any, Any, Any, Any]]) -> str:
    """`spec.versions[0]` for the open containers and the key, or the next index, at which each of them stands."""
    path = ""
    for container, key, *_ in frames:
        if isinstance(container, list):
            path += f"[{len(container)}]"
        elif isinstance(key, str):
            path += f".{key}" if path else key
    return path
