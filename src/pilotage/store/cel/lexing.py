"""From text to tokens, and from quoted text to what it means.

Follows the lexical grammar of the CEL language definition: identifiers, numbers (decimal, `0x`, `u` suffix, floats),
strings and bytes in four quotings with an optional raw prefix, comments, operators.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pilotage.store.cel.problems import Issue

__all__ = ["Token", "tokens", "unquoted"]


class Token(NamedTuple):
    """`kind` is `end`, `name`, `escaped`, `int`, `uint`, `float`, `string`, `bytes`, or the operator itself."""

    kind: str
    text: str
    offset: int


_ESCAPE = r"\\(?:[abfnrtv\"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_STRING = (
    r"(?:[rR](?:\"\"\"(?s:.*?)\"\"\"|'''(?s:.*?)'''|\"[^\"\n\r]*\"|'[^'\n\r]*')"
    rf"|\"\"\"(?:{_ESCAPE}|[^\\])*?\"\"\"|'''(?:{_ESCAPE}|[^\\])*?'''"
    rf"|\"(?:{_ESCAPE}|[^\\\"\n\r])*\"|'(?:{_ESCAPE}|[^\\'\n\r])*')"
)
_TOKEN = re.compile(
    r"(?P<space>[\t \r\n\f]+|//[^\n]*)"
    rf"|(?P<bytes>[bB]{_STRING})"
    rf"|(?P<string>{_STRING})"
    r"|(?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])"
    r"|(?P<int>0x[0-9a-fA-F]+|[0-9]+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<escaped>`[A-Za-z0-9_.\-/ ]+`)"
    r"|(?P<operator>&&|\|\||[=!<>]=|[<>+\-*/%!?:.,()\[\]{}])"
)
_SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    '"': '"',
    "'": "'",
    "\\": "\\",
    "?": "?",
    "`": "`",
}
_ESCAPED = re.compile(_ESCAPE)


def tokens(source: str) -> tuple[list[Token], list[Issue]]:
    """All tokens, an `end` token last; text that is no token is reported and skipped."""
    found: list[Token] = []
    issues: list[Issue] = []
    offset = 0
    while offset < len(source):
        match = _TOKEN.match(source, offset)
        if match is None:
            issues.append(
                Issue(offset, f"Syntax error: token recognition error at: {_shown(source, offset)}")
            )
            offset += len(_unrecognized(source, offset))
            continue
        kind = match.lastgroup or ""
        if kind == "operator" or (kind == "name" and match.group() in {"in", "true", "false", "null"}):
            found.append(Token(match.group(), match.group(), offset))
        elif kind != "space":
            found.append(Token(kind, match.group(), offset))
        offset = match.end()
    found.append(Token("end", "<EOF>", len(source)))
    return found, issues


def unquoted(text: str, *, as_bytes: bool) -> str | bytes:
    """What a string token (with `as_bytes` one without its `b`) stands for. Raises ValueError for a code point that is none."""
    raw = text[0] in "rR"
    if raw:
        text = text[1:]
    width = 3 if text[:3] in {'"""', "'''"} and len(text) >= 6 else 1
    body = text[width:-width].replace("\r\n", "\n").replace("\r", "\n")
    if raw or "\\" not in body:
        return body.encode() if as_bytes else body
    if as_bytes:
        return _bytes_of(body)
    return _ESCAPED.sub(lambda match: _character(match.group()[1:]), body)


def _character(escape: str) -> str:
    if escape in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[escape]
    point = int(escape[1:], 16) if escape[0] in "xXuU" else int(escape, 8)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        raise ValueError("invalid unicode code point")
    return chr(point)


def _bytes_of(body: str) -> bytes:
    out = bytearray()
    last = 0
    for match in _ESCAPED.finditer(body):
        out += body[last : match.start()].encode()
        escape = match.group()[1:]
        if escape in _SIMPLE_ESCAPES:
            out += _SIMPLE_ESCAPES[escape].encode()
        elif escape[0] in "uU":
            raise ValueError("unable to unescape string")
        else:
            out.append(int(escape[1:], 16) if escape[0] in "xX" else int(escape, 8))
        last = match.end()
    out += body[last:].encode()
    return bytes(out)


def _unrecognized(source: str, offset: int) -> str:
    """What a lexer has read when it gives up, with the character that made it."""
    first = source[offset]
    if first in "=&|":
        return source[offset : offset + 2]
    if first not in "\"'":
        return first
    at = offset + 1
    while at < len(source) and source[at] not in "\n\r":
        escape = _ESCAPED.match(source, at)
        if source[at] == "\\" and escape is None:
            return source[offset : _last_of_escape(source, at) + 1]
        at = escape.end() if escape else at + 1
    return source[offset : at + 1]


def _last_of_escape(source: str, at: int) -> int:
    """Where a broken escape stops making sense."""
    kind = source[at + 1 : at + 2]
    digits = {"x": 2, "X": 2, "u": 4, "U": 8}.get(kind)
    if digits is None:
        return at + 2 if kind in set("0123") and source[at + 2 : at + 3] in set("01234567") else at + 1
    place = at + 2
    while place < len(source) and source[place] in "0123456789abcdefABCDEF":
        place += 1
    return place


def _shown(source: str, offset: int) -> str:
    text = _unrecognized(source, offset)
    return "'" + text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + "'"
