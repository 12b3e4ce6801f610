"""What Go's JSON decoder says of a text that is no JSON: clients show it, and people search for it.

Only asked once a text was found to be bad, so it reads character by character. Follows `encoding/json/scanner.go`.
"""

from __future__ import annotations

import re

from pilotage.store.schema.gotext import json_text

__all__ = ["syntax_fault"]

END = "unexpected end of JSON input"
_BLANK = re.compile(r"[ \t\r\n]*")
_DIGITS = frozenset("0123456789")
_WORDS = {"t": "true", "f": "false", "n": "null"}
_DEEPEST = 10_000


class _FoundError(Exception):
    """The problem, in Go's words."""


def syntax_fault(text: str) -> str:
    """The problem of a text; empty when it has none."""
    scanner = _Scanner(text)
    try:
        scanner.document()
    except _FoundError as found:
        return str(found)
    return ""


class _Scanner:
    """Walks over one text, with a stack instead of recursion."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _look(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _skip_blank(self) -> str:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._look()

    def _refuse(self, context: str) -> _FoundError:
        character = self._look()
        if not character:
            return _FoundError(END)
        shown = {"'": r"'\''", '"': "'\"'"}.get(character) or f"'{json_text(character)[1:-1]}'"
        return _FoundError(f"invalid character {shown} {context}")

    def document(self) -> None:
        closings: list[str] = []
        self._value(closings)
        while closings:
            self._after_value(closings)
        if self._skip_blank():
            raise self._refuse("after top-level value")

    def _value(self, closings: list[str]) -> None:
        """Up to the end of one scalar or empty container; what opened on the way there is on the stack."""
        while (character := self._skip_blank()) in {"{", "["}:
            closing = "}" if character == "{" else "]"
            self._at += 1
            if self._skip_blank() == closing:
                self._at += 1
                return
            if closing == "}":
                self._key()
            closings.append(closing)
            if len(closings) > _DEEPEST:
                raise _FoundError("exceeded max depth")
        if character == '"':
            self._string()
        elif character in _WORDS:
            self._word(_WORDS[character])
        elif character == "-" or character in _DIGITS:
            self._number()
        else:
            raise self._refuse("looking for beginning of value")

    def _after_value(self, closings: list[str]) -> None:
        character = self._skip_blank()
        if character == closings[-1]:
            self._at += 1
            closings.pop()
        elif character == ",":
            self._at += 1
            if closings[-1] == "}":
                self._key()
            self._value(closings)
        else:
            raise self._refuse(
                "after object key:value pair" if closings[-1] == "}" else "after array element"
            )

    def _key(self) -> None:
        if self._skip_blank() != '"':
            raise self._refuse("looking for beginning of object key string")
        self._string()
        if self._skip_blank() != ":":
            raise self._refuse("after object key")
        self._at += 1

    def _string(self) -> None:
        self._at += 1
        while (character := self._look()) != '"':
            if character < " ":  # also the end of the text
                raise self._refuse("in string literal")
            self._at += 1
            if character != "\\":
                continue
            escape = self._look()
            if not escape or escape not in '"\\/bfnrtu':
                raise self._refuse("in string escape code")
            self._at += 1
            if escape == "u":
                for _ in range(4):
                    if not self._look() or self._look() not in "0123456789abcdefABCDEF":
                        raise self._refuse("in \\u hexadecimal character escape")
                    self._at += 1
        self._at += 1

    def _word(self, word: str) -> None:
        for expected in word:
            if self._look() != expected:
                raise self._refuse(f"in literal {word} (expecting '{expected}')")
            self._at += 1

    def _number(self) -> None:
        self._at += self._look() == "-"
        if self._look() == "0":
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._look() == ".":
            self._at += 1
            self._digits("after decimal point in numeric literal")
        if self._look() in {"e", "E"}:
            self._at += 1
            self._at += self._look() in {"+", "-"}
            self._digits("in exponent of numeric literal")

    def _digits(self, context: str) -> None:
        """At least one."""
        if self._look() not in _DIGITS:
            raise self._refuse(context)
        while self._look() in _DIGITS:
            self._at += 1
