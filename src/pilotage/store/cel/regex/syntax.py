"""The syntax of patterns: Go's `regexp/syntax` with Perl flags.

Parsed into a small tree of tuples (see `Tree`). Errors carry the wording of the Go package, because API servers print it:
``error parsing regexp: missing closing ]: `[a` ``.
"""

from __future__ import annotations

from typing import Any

from pilotage.store.cel.regex.charsets import CATEGORIES, NAMED, PERL, CharSet, Range, category

__all__ = ["PatternError", "Tree", "parse"]

Tree = tuple[Any, ...]
"""("empty",) ("set", CharSet) ("any", with_newline) ("assert", kind) ("cat", [..]) ("alt", [..]) ("repeat", tree, min, max, greedy)

The maximum of a repeat is -1 when there is none; kinds of assertions are `text^ text$ line^ line$ b B`.
"""

_MOST_REPEATS = 1000
_DEEPEST = 200
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ESCAPES = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class PatternError(ValueError):
    """The pattern is not valid; the text says why, as Go does."""

    def __init__(self, problem: str, text: str) -> None:
        super().__init__(f"error parsing regexp: {problem}: `{text}`")


def parse(pattern: str) -> Tree:
    """Raises PatternError."""
    return _Parser(pattern).whole()


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.fold = False
        self.dot_all = False
        self.multi_line = False
        self.ungreedy = False
        self.names: set[str] = set()

    def whole(self) -> Tree:
        tree = self.alternatives()
        if self.at < len(self.pattern):
            raise PatternError("unexpected )", self.pattern)
        return tree

    def alternatives(self) -> Tree:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise PatternError("expression nests too deeply", self.pattern)
        branches = [self.sequence()]
        while self.pattern.startswith("|", self.at):
            self.at += 1
            branches.append(self.sequence())
        self.depth -= 1
        return branches[0] if len(branches) == 1 else ("alt", branches)

    def sequence(self) -> Tree:
        items: list[Tree] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            if self.pattern.startswith("\\Q", self.at):
                items.extend(self.quoted())
                continue
            start = self.at
            if self.pattern[self.at] in "*+?":
                raise PatternError("missing argument to repetition operator", self.pattern[self.at])
            if self.pattern[self.at] == "{" and (counts := self.counts()) is not None:
                raise PatternError(
                    "missing argument to repetition operator", self.pattern[self.at : counts[2]]
                )
            item = self.atom()
            items.append(self.repeated(item, start) if item is not None else ("empty",))
        if len(items) == 1:
            return items[0]
        return ("cat", items) if items else ("empty",)

    def quoted(self) -> list[Tree]:
        end = self.pattern.find("\\E", self.at)
        text = self.pattern[self.at + 2 :] if end < 0 else self.pattern[self.at + 2 : end]
        self.at = len(self.pattern) if end < 0 else end + 2
        items = [self.literal(character) for character in text]
        if items:
            items[-1] = self.repeated(items[-1], self.at)
        return items

    def repeated(self, item: Tree, _start: int) -> Tree:
        previous = ""
        while self.at < len(self.pattern):
            start = self.at
            operator = self.pattern[start]
            if operator in "*+?":
                low, high = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}[operator]
                self.at += 1
            elif operator == "{":
                counts = self.counts()
                if counts is None:
                    return item
                low, high, self.at = counts
                if low > _MOST_REPEATS or high > _MOST_REPEATS or (high >= 0 and low > high):
                    raise PatternError("invalid repeat count", self.pattern[start : self.at])
            else:
                return item
            greedy = not self.ungreedy
            if self.pattern.startswith("?", self.at):
                self.at += 1
                greedy = self.ungreedy
            if previous:
                raise PatternError(
                    "invalid nested repetition operator", previous + self.pattern[start : self.at]
                )
            previous = self.pattern[start : self.at]
            item = ("repeat", item, low, high, greedy)
            if operator == "{" and (low > 1 or high > 1) and not _fits(item, _MOST_REPEATS):
                raise PatternError("invalid repeat count", previous)
        return item

    def counts(self) -> tuple[int, int, int] | None:
        """Minimum, maximum and end of `{n}`, `{n,}` or `{n,m}`; None when the brace stands for itself."""
        end = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at + 1 : max(end, self.at)].partition(",")
        for number in (low, high):
            if number and (
                not number.isascii() or not number.isdigit() or (len(number) > 1 and number[0] == "0")
            ):
                return None
        if end < 0 or not low:
            return None
        if len(low) > 8 or len(high) > 8:
            return _MOST_REPEATS + 1, -1, end + 1
        return int(low), (int(high) if high else -1 if comma else int(low)), end + 1

    def atom(self) -> Tree | None:
        character = self.pattern[self.at]
        if character == "(":
            return self.group()
        if character == "[":
            return ("set", self.bracket())
        if character == "\\":
            return self.escape()
        self.at += 1
        if character == ".":
            return ("any", self.dot_all)
        if character == "^":
            return ("assert", "line^" if self.multi_line else "text^")
        if character == "$":
            return ("assert", "line$" if self.multi_line else "text$")
        return self.literal(character)

    def literal(self, character: str) -> Tree:
        point = ord(character)
        return ("set", CharSet(((point, point),), fold=self.fold))

    def group(self) -> Tree | None:
        start = self.at
        flags = (self.fold, self.dot_all, self.multi_line, self.ungreedy)
        if self.pattern.startswith("(?", self.at):
            if self.pattern.startswith(("(?P<", "(?<"), self.at) and not self.pattern.startswith(
                ("(?<=", "(?<!"), self.at
            ):
                self.name()
            elif not self.flags():
                return None  # `(?i)` holds until the enclosing group ends
        else:
            self.at += 1
        tree = self.alternatives()
        if not self.pattern.startswith(")", self.at):
            raise PatternError("missing closing )", self.pattern)
        self.at += 1
        self.fold, self.dot_all, self.multi_line, self.ungreedy = flags
        del start
        return ("group", tree)

    def name(self) -> None:
        opened = self.pattern.index("<", self.at)
        end = self.pattern.find(">", opened)
        if end < 0:
            raise PatternError("invalid named capture", self.pattern[self.at :])
        name = self.pattern[opened + 1 : end]
        if not name or not all(each == "_" or each.isalnum() for each in name):
            raise PatternError("invalid named capture", self.pattern[self.at : end + 1])
        if name in self.names:
            raise PatternError("duplicate capture group name", name)
        self.names.add(name)
        self.at = end + 1

    def flags(self) -> bool:
        """Read `(?flags)` or `(?flags:`; whether a group follows."""
        start = self.at
        at = start + 2
        value = True
        seen = False
        while at < len(self.pattern):
            character = self.pattern[at]
            at += 1
            if character in "imsU":
                attribute = {"i": "fold", "m": "multi_line", "s": "dot_all", "U": "ungreedy"}[character]
                setattr(self, attribute, value)
                seen = True
            elif character == "-" and value:
                value = False
                seen = False
            elif character in ":)" and (value or seen):
                self.at = at
                return character == ":"
            else:
                raise PatternError("invalid or unsupported Perl syntax", self.pattern[start:at])
        raise PatternError("invalid or unsupported Perl syntax", self.pattern[start:])

    def escape(self) -> Tree:
        following = self.pattern[self.at + 1 : self.at + 2]
        if following in {"A", "z", "b", "B"} and following:
            self.at += 2
            return ("assert", {"A": "text^", "z": "text$"}.get(following, following))
        named = self.named_class()
        if named is not None:
            return ("set", CharSet(tests=(named.__contains__,), fold=False))
        return self.literal(self.escaped_character())

    def named_class(self) -> CharSet | None:
        r"""`\d`, `\W`, `\pL`, `\P{Lu}` at this place, if there is one."""
        following = self.pattern[self.at + 1 : self.at + 2]
        if following and following.lower() in PERL and following in "dDwWsS":
            self.at += 2
            return CharSet(PERL[following.lower()], negated=following.isupper(), fold=self.fold)
        if following not in {"p", "P"} or not following:
            return None
        start = self.at
        self.at += 2
        if self.pattern.startswith("{", self.at):
            end = self.pattern.find("}", self.at)
            if end < 0:
                raise PatternError("invalid character class range", self.pattern[start:])
            name = self.pattern[self.at + 1 : end]
            self.at = end + 1
        else:
            name = self.pattern[self.at : self.at + 1]
            self.at += 1
        negated = (following == "P") != name.startswith("^")
        name = name.removeprefix("^")
        if name == "Any":
            return CharSet(((0, 0x10FFFF),), negated=negated)
        if name not in CATEGORIES:
            raise PatternError("invalid character class range", self.pattern[start : self.at])
        return CharSet(tests=(category(name),), negated=negated, fold=self.fold)

    def escaped_character(self) -> str:
        start = self.at
        if start + 1 >= len(self.pattern):
            raise PatternError("trailing backslash at end of expression", "")
        character = self.pattern[start + 1]
        self.at = start + 2
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character in _PUNCTUATION:
            return character
        if character in "1234567" and not (
            character != "0" and (self.at >= len(self.pattern) or self.pattern[self.at] not in "01234567")
        ):
            return chr(int(character + self.taken("01234567", 2), 8))
        if character == "0":
            return chr(int("0" + self.taken("01234567", 2), 8))
        if character == "x":
            return self.hexadecimal(start)
        raise PatternError("invalid escape sequence", self.pattern[start : self.at])

    def taken(self, allowed: str, most: int) -> str:
        start = self.at
        while self.at < len(self.pattern) and self.at - start < most and self.pattern[self.at] in allowed:
            self.at += 1
        return self.pattern[start : self.at]

    def hexadecimal(self, start: int) -> str:
        digits = "0123456789abcdefABCDEF"
        if self.pattern.startswith("{", self.at):
            self.at += 1
            number = self.taken(digits, 8)
            if number and self.pattern.startswith("}", self.at) and int(number, 16) <= 0x10FFFF:
                self.at += 1
                return chr(int(number, 16))
            raise PatternError("invalid escape sequence", self.pattern[start : self.at])
        number = self.taken(digits, 2)
        if len(number) < 2:
            raise PatternError("invalid escape sequence", self.pattern[start : self.at + 1])
        return chr(int(number, 16))

    def bracket(self) -> CharSet:
        start = self.at
        self.at += 1
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        ranges: list[Range] = []
        tests: list[Any] = []
        first = True
        while first or not self.pattern.startswith("]", self.at):
            if self.at >= len(self.pattern):
                raise PatternError("missing closing ]", self.pattern[start:])
            first = False
            if self.pattern.startswith("[:", self.at) and (end := self.pattern.find(":]", self.at + 2)) >= 0:
                name = self.pattern[self.at + 2 : end]
                known = NAMED.get(name.removeprefix("^"))
                if known is None:
                    raise PatternError("invalid character class range", self.pattern[self.at : end + 2])
                tests.append(CharSet(known, negated=name.startswith("^"), fold=self.fold).__contains__)
                self.at = end + 2
                continue
            if self.pattern.startswith("\\", self.at):
                named = self.named_class()
                if named is not None:
                    tests.append(named.__contains__)
                    continue
            ranges.append(self.range(start))
        self.at += 1
        return CharSet(tuple(ranges), tuple(tests), negated=negated, fold=self.fold)

    def range(self, opened: int) -> Range:
        start = self.at
        low = ord(self.class_character(opened))
        high = low
        if (
            self.pattern.startswith("-", self.at)
            and self.at + 1 < len(self.pattern)
            and self.pattern[self.at + 1] != "]"
        ):
            self.at += 1
            high = ord(self.class_character(opened))
            if high < low:
                raise PatternError("invalid character class range", self.pattern[start : self.at])
        return low, high

    def class_character(self, opened: int) -> str:
        if self.at >= len(self.pattern):
            raise PatternError("missing closing ]", self.pattern[opened:])
        if self.pattern[self.at] == "\\":
            return self.escaped_character()
        self.at += 1
        return self.pattern[self.at - 1]


def _fits(tree: Tree, most: int) -> bool:
    """Whether nested counted repeats multiply to no more than `most`."""
    kind = tree[0]
    if kind == "repeat":
        times = tree[3] if tree[3] >= 0 else tree[2]
        if times == 0:
            return True
        if times > most:
            return False
        return _fits(tree[1], most // times if times > 0 else most)
    if kind in {"cat", "alt"}:
        return all(_fits(each, most) for each in tree[1])
    return _fits(tree[1], most) if kind == "group" else True
