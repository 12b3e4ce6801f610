"""Sets of characters: ranges, named classes, Unicode categories, with case folding and complement."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

__all__ = ["CATEGORIES", "NAMED", "PERL", "CharSet", "Range", "category", "is_word"]

Range = tuple[int, int]

_DIGITS: tuple[Range, ...] = ((0x30, 0x39),)
_UPPER: tuple[Range, ...] = ((0x41, 0x5A),)
_LOWER: tuple[Range, ...] = ((0x61, 0x7A),)
_WORD: tuple[Range, ...] = (*_DIGITS, *_UPPER, (0x5F, 0x5F), *_LOWER)

PERL: dict[str, tuple[Range, ...]] = {
    "d": _DIGITS,
    "w": _WORD,
    "s": ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)),
}
NAMED: dict[str, tuple[Range, ...]] = {
    "alnum": (*_DIGITS, *_UPPER, *_LOWER),
    "alpha": (*_UPPER, *_LOWER),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGITS,
    "graph": ((0x21, 0x7E),),
    "lower": _LOWER,
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": _UPPER,
    "word": _WORD,
    "xdigit": (*_DIGITS, (0x41, 0x46), (0x61, 0x66)),
}
CATEGORIES = frozenset(
    [
        "C",
        "Cc",
        "Cf",
        "Co",
        "Cs",
        "L",
        "Ll",
        "Lm",
        "Lo",
        "Lt",
        "Lu",
        "M",
        "Mc",
        "Me",
        "Mn",
        "N",
        "Nd",
        "Nl",
        "No",
        "P",
        "Pc",
        "Pd",
        "Pe",
        "Pf",
        "Pi",
        "Po",
        "Ps",
        "S",
        "Sc",
        "Sk",
        "Sm",
        "So",
        "Z",
        "Zl",
        "Zp",
        "Zs",
    ]
)


def category(name: str) -> Callable[[str], bool]:
    """Whether a character is in a general category such as `Lu`, or in one of a major class such as `L`."""
    return lambda character: unicodedata.category(character).startswith(name)


def is_word(character: str) -> bool:
    r"""ASCII word characters, which `\\b` looks at."""
    return character == "_" or (character < "\x80" and character.isalnum())


class CharSet:
    """Ranges and tests, each of which may be a complement; `fold` ignores case; `negated` turns all of it round."""

    __slots__ = ("fold", "negated", "ranges", "tests")

    def __init__(
        self,
        ranges: tuple[Range, ...] = (),
        tests: tuple[Callable[[str], bool], ...] = (),
        *,
        negated: bool = False,
        fold: bool = False,
    ) -> None:
        self.ranges = ranges
        self.tests = tests
        self.negated = negated
        self.fold = fold

    def __contains__(self, character: str) -> bool:
        found = self._has(character)
        if not found and self.fold:
            found = any(self._has(other) for other in _variants(character))
        return found != self.negated

    def _has(self, character: str) -> bool:
        point = ord(character)
        return any(low <= point <= high for low, high in self.ranges) or any(
            test(character) for test in self.tests
        )


# Characters that fold into ASCII letters without being their upper or lower case.
_SPECIAL_FOLDS = {"k": "K", "K": "k", "\u212a": "kK", "s": "\u017f", "S": "\u017f", "\u017f": "sS"}


def _variants(character: str) -> str:
    found = character.lower() + character.upper() + _SPECIAL_FOLDS.get(character, "")
    if character in "kK":
        found += "\u212a"
    return "".join(each for each in found if len(each) == 1)
