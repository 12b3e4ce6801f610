"""Label and field selectors, as clients write them: `tier in (gold, iron),!old` and `metadata.name=web`.

Follows `k8s.io/apimachinery/pkg/labels` and `pkg/fields`, errors included. A selector is a tuple of requirements that all must
hold; equality of labels is answered by the label table, the rest by looking at each object's header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import msgspec

from pilotage.store.base import BadRequestError
from pilotage.store.schema.gotext import json_text
from pilotage.store.schema.names import label_value, qualified_name

__all__ = ["FieldRequirement", "LabelRequirement", "parse_fields", "parse_labels"]

Operator = Literal["=", "!=", "in", "notin", "exists", "!", "gt", "lt"]


class LabelRequirement(msgspec.Struct, frozen=True):
    """What one label must be."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        present = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return present is not None and present in self.values
            case "!=" | "notin":
                return present is None or present not in self.values
            case "exists":
                return present is not None
            case "!":
                return present is None
            case "gt" | "lt":
                if present is None or not re.fullmatch(r"[+-]?[0-9]+", present):
                    return False
                limit = int(self.values[0])
                return int(present) > limit if self.operator == "gt" else int(present) < limit


class FieldRequirement(msgspec.Struct, frozen=True):
    """What one field, by its path, must be, or must not be."""

    path: str
    value: str
    is_equal: bool = True


_SYMBOL = re.compile(r"==|!=|[=!,()<>]")
_WORD = re.compile(r"[^=!,()<>\s]+")
_COMPARISONS: Mapping[str, Operator] = {"=": "=", "==": "=", "!=": "!=", ">": "gt", "<": "lt"}
_SETS: Mapping[str, Operator] = {"in": "in", "notin": "notin"}
_OPERATORS = "in, notin, =, ==, !=, gt, lt"
_REQUIREMENT = "unable to parse requirement: "


class _Tokens:
    """The text as symbols and words; the empty one is its end."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0

    def look(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def take(self) -> str:
        word = self.look()
        self._next += 1
        return word


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = _SYMBOL.match(text, position) or _WORD.match(text, position)
        if found is not None:  # one of the two always matches
            yield found.group()
            position = found.end()


def _is_word(word: str) -> bool:
    return bool(word) and _WORD.fullmatch(word) is not None


def parse_labels(text: str) -> tuple[LabelRequirement, ...]:
    """Raises BadRequestError in the words of the API server."""
    tokens = _Tokens(text)
    found: list[LabelRequirement] = []
    while word := tokens.look():
        if word != "!" and not _is_word(word):
            raise BadRequestError(f"found '{word}', expected: !, identifier, or 'end of string'")
        found.append(_requirement(tokens))
        word = tokens.take()
        if not word:
            break
        if word != ",":
            raise BadRequestError(f"found '{word}', expected: ',' or 'end of string'")
        following = tokens.look()
        if following != "!" and not _is_word(following):
            raise BadRequestError(f"found '{following}', expected: identifier after ','")
    return tuple(sorted(found, key=lambda requirement: requirement.key))


def _requirement(tokens: _Tokens) -> LabelRequirement:
    key = tokens.take()
    is_absent = key == "!"
    if is_absent:
        key = tokens.take()
    if not _is_word(key):
        raise BadRequestError(f"{_REQUIREMENT}found '{key}', expected: identifier")
    for fault in qualified_name(key):
        raise BadRequestError(f"{_REQUIREMENT}<nil>: Invalid value: {json_text(key)}: {fault}")
    if is_absent:
        return LabelRequirement(key, "!")
    if tokens.look() in {"", ","}:
        return LabelRequirement(key, "exists")
    sign = tokens.take()
    operator = _COMPARISONS.get(sign) or _SETS.get(sign)
    if operator is None:
        raise BadRequestError(f"{_REQUIREMENT}found '{sign}', expected: {_OPERATORS}")
    values = _set_of_values(tokens) if sign in _SETS else (_value(tokens),)
    for index, value in enumerate(values):
        if operator in {"gt", "lt"} and not re.fullmatch(r"[+-]?[0-9]+", value):
            raise BadRequestError(
                f"{_REQUIREMENT}values[{index}]: Invalid value: {json_text(value)}: for 'Gt', 'Lt' operators, the"
                " value must be an integer"
            )
        for fault in label_value(value):
            raise BadRequestError(
                f"{_REQUIREMENT}values[{index}][{key}]: Invalid value: {json_text(value)}: {fault}"
            )
    return LabelRequirement(key, operator, values)


def _value(tokens: _Tokens) -> str:
    """The value of a comparison; nothing is the empty one."""
    if tokens.look() in {"", ","}:
        return ""
    word = tokens.take()
    if not _is_word(word):
        raise BadRequestError(f"{_REQUIREMENT}found '{word}', expected: identifier")
    return word


def _set_of_values(tokens: _Tokens) -> tuple[str, ...]:
    word = tokens.take()
    if word != "(":
        raise BadRequestError(f"{_REQUIREMENT}found '{word}' expected: '('")
    values = []
    expects_value = True
    while True:
        word = tokens.take()
        if word == ")":
            if expects_value:
                values.append("")
            return tuple(sorted(set(values)))
        if word == ",":
            if expects_value:
                values.append("")
            expects_value = True
        elif _is_word(word) and expects_value:
            values.append(word)
            expects_value = False
        else:
            raise BadRequestError(f"{_REQUIREMENT}found '{word}', expected: ',' or ')'")


def parse_fields(text: str, check: Callable[[str], None]) -> tuple[FieldRequirement, ...]:
    """`check` raises for a path that cannot be selected by. Raises BadRequestError."""
    found = []
    for part in re.findall(r"(?:[^\\,]|\\.)+", text):
        split = re.match(r"((?:[^\\=!]|\\.)*?)(!=|==|=)(.*)", part, re.DOTALL)
        if split is None:
            raise BadRequestError(f"invalid selector: '{text}'; can't understand '{part}'")
        path, sign, value = split.groups()
        check(path)
        found.append(FieldRequirement(path, re.sub(r"\\([\\,=])", r"\1", value), sign != "!="))
    return tuple(found)
