r"""The syntax of RE2 (https://github.com/google/re2/wiki/Syntax), read into the shapes of `regexes.py`.

What RE2 refuses is refused here, in the words of Go's `regexp/syntax`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from pilotage.store.schema.regexes import (
    MAX_CODE,
    Alternatives,
    Assertion,
    Characters,
    Node,
    Place,
    Ranges,
    Repeat,
    Sequence,
    inverted,
)

__all__ = ["PatternError", "parse_pattern"]

_MAX_REPEAT = 1000
_PERL = {
    "d": ((48, 57),),
    "s": ((9, 10), (12, 13), (32, 32)),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
}
_POSIX = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": ((48, 57),),
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _PERL["w"],
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_PLACES: dict[str, Place] = {"A": "start", "z": "end", "b": "boundary", "B": "inside"}
_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


class PatternError(ValueError):
    """RE2 refuses the pattern; the text is Go's."""


def _refused(what: str, where: str) -> PatternError:
    return PatternError(f"error parsing regexp: {what}: `{where}`")


class _Flags(NamedTuple):
    fold: bool = False
    lines: bool = False
    dot_all: bool = False


class _Parser:
    """Recursive descent over the pattern; `at` is the next character."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.flags = _Flags()

    def parse(self) -> Node:
        node = self._alternatives(depth=0)
        if self.at < len(self.pattern):
            raise _refused("unexpected )", self.pattern)
        return node

    def _rest(self) -> str:
        return self.pattern[self.at :]

    def _alternatives(self, depth: int) -> Node:
        if depth > _MAX_REPEAT:
            raise _refused("expression nests too deeply", self.pattern)
        options = [self._sequence(depth)]
        while self._rest()[:1] == "|":
            self.at += 1
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Alternatives(tuple(options))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        last_repeat = -1
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            start = self.at
            bounds = self._repeat_operator()
            if bounds is None:
                parts += self._atom(depth)
                last_repeat = -1
                continue
            if self._rest()[:1] == "?":
                self.at += 1
            if last_repeat >= 0:
                raise _refused("invalid nested repetition operator", self.pattern[last_repeat : self.at])
            if not parts:
                raise _refused("missing argument to repetition operator", self.pattern[start : self.at])
            low, high = bounds
            too_many = low > _MAX_REPEAT or (high is not None and (high > _MAX_REPEAT or high < low))
            repeat = Repeat(parts[-1], low, high)
            if too_many or not _repeat_fits(repeat, _MAX_REPEAT):
                raise _refused("invalid repeat count", self.pattern[start : self.at])
            parts[-1] = repeat
            last_repeat = start
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeat_operator(self) -> tuple[int, int | None] | None:
        character = self.pattern[self.at]
        if character in "*+?":
            self.at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
        found = re.match(r"\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}", self._rest())
        if found is None:
            return None
        self.at += found.end()
        low = int(found[1])
        if not found[2]:
            return low, low
        return low, int(found[3]) if found[3] else None

    def _atom(self, depth: int) -> list[Node]:
        character = self.pattern[self.at]
        if character == "(":
            return self._group(depth)
        if character == "[":
            return [self._class()]
        if character == "\\":
            return self._escape()
        self.at += 1
        if character == "^":
            return [Assertion("line start" if self.flags.lines else "start")]
        if character == "$":
            return [Assertion("line end" if self.flags.lines else "end")]
        if character == ".":
            return [Characters(((0, MAX_CODE),) if self.flags.dot_all else inverted(((10, 10),)))]
        return [self._literal(ord(character))]

    def _literal(self, code: int) -> Characters:
        return Characters(_folded(((code, code),)) if self.flags.fold else ((code, code),))

    def _group(self, depth: int) -> list[Node]:
        outer = self.flags
        if self._rest().startswith("(?"):
            if not self._group_head():
                return []
        else:
            self.at += 1
        inner = self._alternatives(depth + 1)
        if self._rest()[:1] != ")":
            raise _refused("missing closing )", self.pattern)
        self.at += 1
        self.flags = outer
        return [inner]

    def _group_head(self) -> bool:
        """What stands after `(?`; False for `(?i)`, which opens no group."""
        rest = self._rest()
        if (rest.startswith("(?P<") and len(rest) > 4) or (rest.startswith("(?<") and len(rest) > 3):
            end = rest.find(">")
            name = rest[rest.index("<") + 1 : end]
            if end < 0 or not re.fullmatch(r"[A-Za-z0-9_]+", name):
                raise _refused("invalid named capture", rest if end < 0 else rest[: end + 1])
            self.at += end + 1
            return True
        end = 2
        setting, seen, values = True, False, self.flags._asdict()
        while end < len(rest):
            character = rest[end]
            end += 1
            if character in "imsU":
                seen = True
                name = {"i": "fold", "m": "lines", "s": "dot_all"}.get(character, "")
                if name:
                    values[name] = setting
            elif character == "-" and setting:
                setting, seen = False, False
            elif character in ":)" and (setting or seen):
                self.flags = _Flags(**values)
                self.at += end
                return character == ":"
            else:
                break
        raise _refused("invalid or unsupported Perl syntax", rest[:end])

    def _escape(self) -> list[Node]:
        rest = self._rest()
        letter = rest[1:2]
        if letter in _PLACES:
            self.at += 2
            return [Assertion(_PLACES[letter])]
        if letter == "C":
            raise _refused("invalid escape sequence", rest[:2])
        if letter == "Q":
            text, _, _ = rest[2:].partition("\\E")
            self.at += 2 + len(text) + (2 if "\\E" in rest[2:] else 0)
            return [self._literal(ord(character)) for character in text]
        group = self._group_escape()
        return [Characters(group)] if group is not None else [self._literal(self._code())]

    def _group_escape(self) -> Ranges | None:
        r"""`\d`, `\W`, `\pL`, `\p{Lu}` at this place."""
        rest = self._rest()
        letter = rest[1:2]
        if letter and letter.lower() in _PERL:
            self.at += 2
            ranges: Ranges = _PERL[letter.lower()]
            return ranges if letter.islower() else inverted(ranges)
        if letter not in {"p", "P"}:
            return None
        found = re.match(r"\\[pP](?:\{(\^?)([^}]*)\}|([^{]))", rest)
        if found is None:
            raise _refused("invalid character class range", rest)
        self.at += found.end()
        ranges = _category(found[2] or found[3])
        if not ranges:
            raise _refused("invalid character class range", found[0])
        return inverted(ranges) if (letter == "P") != bool(found[1]) else ranges

    def _code(self) -> int:
        """One escaped character."""
        rest = self._rest()
        if len(rest) < 2:
            raise _refused("trailing backslash at end of expression", "")
        letter = rest[1]
        found = re.match(r"\\x\{([0-9A-Fa-f]+)\}|\\x([0-9A-Fa-f]{2})|\\(0[0-7]{0,2}|[1-7][0-7]{1,2})", rest)
        if found is not None:
            code = int(found[1] or found[2], 16) if found[3] is None else int(found[3], 8)
            if code <= MAX_CODE:
                self.at += found.end()
                return code
        elif letter in _CONTROL:
            self.at += 2
            return _CONTROL[letter]
        elif letter.isascii() and not letter.isalnum():
            self.at += 2
            return ord(letter)
        raise _refused("invalid escape sequence", rest[: 4 if letter == "x" else 2])

    def _class(self) -> Characters:
        whole = self._rest()
        self.at += 1
        negated = self._rest()[:1] == "^"
        self.at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self._rest()[:1] != "]":
            if self.at >= len(self.pattern):
                raise _refused("missing closing ]", whole)
            first = False
            group = self._class_group()
            if group is not None:
                ranges += group
                continue
            start = self.at
            low = high = self._class_character(whole)
            if re.match(r"-[^\]]", self._rest(), re.DOTALL):
                self.at += 1
                high = self._class_character(whole)
                if high < low:
                    raise _refused("invalid character class range", self.pattern[start : self.at])
            ranges.append((low, high))
        self.at += 1
        merged = _merged(ranges)
        if self.flags.fold:
            merged = _folded(merged)
        return Characters(inverted(merged) if negated else merged)

    def _class_group(self) -> Ranges | None:
        rest = self._rest()
        if rest.startswith("[:") and ":]" in rest:
            text = rest[: rest.index(":]") + 2]
            name = text[2:-2].removeprefix("^")
            if name not in _POSIX:
                raise _refused("invalid character class range", text)
            self.at += len(text)
            return inverted(_POSIX[name]) if text[2] == "^" else _POSIX[name]
        return self._group_escape() if rest.startswith("\\") else None

    def _class_character(self, whole: str) -> int:
        rest = self._rest()
        if not rest:
            raise _refused("missing closing ]", whole)
        if rest[0] == "\\":
            return self._code()
        self.at += 1
        return ord(rest[0])


def _repeat_fits(node: Node, budget: int) -> bool:
    """Nested counts multiply, and RE2 allows a thousand in all."""
    if isinstance(node, Repeat):
        if node.high == 0:
            return True
        count = node.low if node.high is None else node.high
        if (node.low, node.high) not in {(0, None), (1, None), (0, 1)}:
            if count > budget:
                return False
            budget = budget // count if count > 0 else budget
        return _repeat_fits(node.item, budget)
    if isinstance(node, Sequence):
        return all(_repeat_fits(part, budget) for part in node.parts)
    if isinstance(node, Alternatives):
        return all(_repeat_fits(option, budget) for option in node.options)
    return True


def _merged(ranges: list[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _folded(ranges: Ranges) -> Ranges:
    """The ranges with the other cases of their letters; very large ranges have them already."""
    extra: list[tuple[int, int]] = []
    for low, high in ranges:
        for code in range(low, min(high, low + 0x3000) + 1):
            character = chr(code)
            others = {character.lower(), character.upper(), character.casefold()}
            extra += [(ord(other), ord(other)) for other in others if len(other) == 1]
    return _merged([*ranges, *extra])


@lru_cache(maxsize=64)
def _category(name: str) -> Ranges:
    """The characters of a general category such as `L` or `Lu`; `Any` is all; empty for what we do not know."""
    if name == "Any":
        return ((0, MAX_CODE),)
    ranges: list[tuple[int, int]] = []
    for code in range(MAX_CODE + 1):
        if unicodedata.category(chr(code)).startswith(name):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1] = (ranges[-1][0], code)
            else:
                ranges.append((code, code))
    return tuple(ranges)


def parse_pattern(pattern: str) -> Node:
    """Raises PatternError."""
    return _Parser(pattern).parse()
