"""What is checked after types: constant arguments, literals of one type, constant formats.

API servers refuse `duration('x')`, `matches('[')`, `[1, 'a']` and `'%d'.format(['a'])` when the definition is written,
not when a value comes along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilotage.store.cel.checking import Checked
from pilotage.store.cel.library.formatting import ClauseError, accepts, clauses, refusal
from pilotage.store.cel.library.times import duration_from, timestamp_from
from pilotage.store.cel.nodes import Call, ListLiteral, Literal, MapLiteral, Node
from pilotage.store.cel.problems import EvaluationError, Issue
from pilotage.store.cel.regex import PatternError, compile_pattern
from pilotage.store.cel.types import Type, is_dyn, unwrapped
from pilotage.store.cel.values import Timestamp

__all__ = ["validate"]


def validate(checked: Checked) -> list[Issue]:
    """Every problem found."""
    literals: list[Issue] = []
    mixed: list[Issue] = []
    formats: list[Issue] = []
    for node, exempt in _walk(checked.root):
        if isinstance(node, Call):
            literals.extend(_constants(node))
            if node.function == "format" and node.target is not None:
                formats.extend(_format(checked, node))
        elif not exempt and isinstance(node, (ListLiteral, MapLiteral)):
            mixed.extend(_mixed(checked, node))
    return [*literals, *mixed, *formats]


def _walk(root: Node) -> Iterator[tuple[Node, bool]]:
    """Every node once, and whether it stands inside a call of `format`."""
    stack: list[tuple[Node, bool]] = [(root, False)]
    seen: set[int] = set()
    while stack:
        node, exempt = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node, exempt
        inside = exempt or (isinstance(node, Call) and node.function == "format")
        stack.extend((child, inside) for child in node.children())


def _constants(node: Call) -> Iterator[Issue]:
    argument = node.args[0] if node.args else None
    if not isinstance(argument, Literal) or node.function not in {"duration", "timestamp", "matches"}:
        return
    if not _valid(node.function, argument.value):
        yield Issue(argument.offset, f"invalid {node.function} argument")


def _valid(function: str, value: Any) -> bool:
    if function == "matches":
        try:
            compile_pattern(value if isinstance(value, str) else "")
        except PatternError:
            return False
        return True
    if isinstance(value, str):
        return (duration_from(value) if function == "duration" else timestamp_from(value)) is not None
    if function == "duration":
        return False
    try:
        Timestamp(int(value) * 1_000_000_000)
    except (EvaluationError, TypeError, ValueError):
        return False
    return True


def _alike(one: Type, two: Type) -> bool:
    """Equal up to what is inside type parameters that turned into dyn."""
    if one.kind != two.kind or len(one.params) != len(two.params):
        return False
    if one.kind in {"struct", "opaque", "param"} and one.name != two.name:
        return False
    return all(map(_alike, one.params, two.params))


def _mixed(checked: Checked, node: ListLiteral | MapLiteral) -> Iterator[Issue]:
    if isinstance(node, ListLiteral):
        elements = [(element, place in node.optional) for place, element in enumerate(node.elements)]
        yield from _first_mismatch(checked, elements, every=False)
        return
    yield from _first_mismatch(checked, [(entry.key, False) for entry in node.entries], every=True)
    yield from _first_mismatch(checked, [(entry.value, entry.optional) for entry in node.entries], every=True)


def _first_mismatch(checked: Checked, elements: list[tuple[Node, bool]], *, every: bool) -> Iterator[Issue]:
    wanted: Type | None = None
    for element, optional in elements:
        found = checked.types[element]
        if optional:
            found = unwrapped(found)[0]
        if wanted is None:
            wanted = found
        elif not _alike(wanted, found):
            yield Issue(element.offset, f"expected type '{wanted}' but found '{found}'")
            if not every:
                return


def _format(checked: Checked, node: Call) -> Iterator[Issue]:
    text, args = node.target, node.args[0]
    if not isinstance(text, Literal) or not isinstance(text.value, str) or not isinstance(args, ListLiteral):
        return
    position = 0
    try:
        for clause in clauses(text.value, len(args.elements)):
            if clause.letter:
                bad = _unfit(checked, args.elements[position], clause.letter)
                if bad is not None:
                    message = refusal(clause.letter, checked.types[bad].name)
                    yield Issue(bad.offset, f"error during formatting: {message}")
                    return
                position += 1
    except ClauseError as error:
        yield Issue(node.offset, str(error))
        return
    if len(args.elements) > position:
        message = (
            f"too many arguments supplied to string.format (expected {position}, got {len(args.elements)})"
        )
        yield Issue(node.offset, message)


def _unfit(checked: Checked, node: Node, letter: str) -> Node | None:
    """The first part of an argument that a clause cannot show."""
    found = checked.types[node]
    fits = is_dyn(found) or accepts(letter, found.kind) or (letter in "fe" and found.kind == "string")
    if not fits:
        return node
    if letter != "s" or not isinstance(node, (ListLiteral, MapLiteral)):
        return None
    parts = (
        node.elements
        if isinstance(node, ListLiteral)
        else [part for entry in node.entries for part in entry.children()]
    )
    return next((bad for part in parts if (bad := _unfit(checked, part, letter)) is not None), None)
