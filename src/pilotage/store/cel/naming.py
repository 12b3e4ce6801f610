"""Property names as identifiers of expressions, and back.

A name with dots, dashes or slashes, or one that is a keyword, is written with escapes: `foo-bar` is `self.foo__dash__bar`,
`namespace` is `self.__namespace__`. Names with other characters cannot be reached. See the Kubernetes documentation of
CRD validation rules, "Escaping".
"""

from __future__ import annotations

import re

__all__ = ["KEYWORDS", "escaped"]

KEYWORDS = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_REACHABLE = re.compile(r"[a-zA-Z_.\-/][a-zA-Z0-9_.\-/]*")
_SPECIAL = re.compile(r"__|[./-]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


def escaped(name: str) -> str | None:
    """The identifier for a property name, or None when there is none."""
    if name in KEYWORDS:
        return f"__{name}__"
    if not _REACHABLE.fullmatch(name):
        return None
    return _SPECIAL.sub(lambda match: _ESCAPES[match.group()], name)
