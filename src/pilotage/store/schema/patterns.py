r"""Regular expressions as the API server reads them: RE2 syntax, found anywhere in the text, in linear time.

Python's `re` differs where it hurts: `$` also matches before a final newline, `\d` knows all digits of Unicode,
look-around and back-references exist, and nested repeats can take exponential time. A pattern is therefore parsed
(`regexsyntax.py`) and rewritten for `re`; one whose repeats could run away goes to the automaton in `automaton.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pilotage.store.schema.automaton import Automaton
from pilotage.store.schema.regexes import Alternatives, Assertion, Characters, Node, Repeat, Sequence
from pilotage.store.schema.regexsyntax import PatternError, parse_pattern

__all__ = ["Matcher", "PatternError", "matcher", "rewritten"]

Matcher = Callable[[str], bool]

_FEW = 8
"""A repeat with at most so many different lengths is cheap to try in all of them."""


def _runs_away(node: Node) -> bool:
    """Could backtracking take more than quadratic time?

    It does when a repeat holds a choice or another repeat, or when several open repeats follow one another; a pattern that
    may start anywhere counts as one more.
    """
    degree = _degree(node)
    return degree is None or degree + (not _starts_fixed(node)) > 2


def _degree(node: Node) -> int | None:
    """How many open repeats a match may pass one after the other; None when they stand inside one another."""
    if isinstance(node, Sequence | Alternatives):
        parts = [_degree(part) for part in (node.parts if isinstance(node, Sequence) else node.options)]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return sum(known) if isinstance(node, Sequence) else max(known)
    if not isinstance(node, Repeat):
        return 0
    inside = _degree(node.item)
    if node.high is not None and node.high <= 1:
        return inside
    if inside != 0 or _chooses(node.item):
        return None
    return 1 if node.high is None or node.high - node.low > _FEW else 0


def _chooses(node: Node) -> bool:
    if isinstance(node, Sequence):
        return any(map(_chooses, node.parts))
    return isinstance(node, Alternatives) or (isinstance(node, Repeat) and node.high != node.low)


def _starts_fixed(node: Node) -> bool:
    if isinstance(node, Sequence):
        return bool(node.parts) and _starts_fixed(node.parts[0])
    return isinstance(node, Assertion) and node.kind == "start"


_ASSERTIONS = {
    "start": r"\A",
    "end": r"\Z",
    "line start": "(?m:^)",
    "line end": "(?m:$)",
    "boundary": r"(?a:\b)",
    "inside": r"(?a:\B)",
}


def rewritten(node: Node) -> str:
    """The same language in Python's syntax."""
    if isinstance(node, Characters):
        if len(node.ranges) == 1 and node.ranges[0][0] == node.ranges[0][1]:
            return re.escape(chr(node.ranges[0][0]))
        members = "".join(
            _escaped(low) if low == high else f"{_escaped(low)}-{_escaped(high)}" for low, high in node.ranges
        )
        return f"[{members}]" if members else r"(?!)"
    if isinstance(node, Assertion):
        return _ASSERTIONS[node.kind]
    if isinstance(node, Sequence):
        return "".join(
            f"(?:{rewritten(part)})" if isinstance(part, Alternatives) else rewritten(part)
            for part in node.parts
        )
    if isinstance(node, Alternatives):
        return "|".join(rewritten(option) for option in node.options)
    return f"(?:{rewritten(node.item)}){{{node.low},{'' if node.high is None else node.high}}}"


def _escaped(code: int) -> str:
    return f"\\U{code:08x}"


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> Matcher:
    """Does the text contain a match?

    Raises PatternError with Go's words when RE2 would refuse the pattern.
    """
    node = parse_pattern(pattern)
    if _runs_away(node):
        return Automaton(node).matches
    search = re.compile(rewritten(node)).search
    return lambda text: search(text) is not None
