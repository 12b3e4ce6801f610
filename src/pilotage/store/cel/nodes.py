"""The syntax tree of an expression.

A node has an `offset` (in code points of the source) for messages; the checker and the planner keep what they learn
about nodes in tables by identity. Macros (`all`, `exists`, `map`, ...) become `Comprehension`: a fold with an
accumulator, exactly as the language defines them, so that types and cost estimates follow from one rule. `macro` and
`body` remember the form it was written in, which lets the planner run it as a plain loop.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ACCUMULATOR",
    "Call",
    "Comprehension",
    "Entry",
    "Ident",
    "ListLiteral",
    "Literal",
    "MapLiteral",
    "Message",
    "Node",
    "Select",
]

ACCUMULATOR = "@result"


class Node:
    """Any expression."""

    __slots__ = ("offset",)

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def children(self) -> tuple[Node, ...]:
        return ()


class Literal(Node):
    """`value` is None, a bool, int, UInt, float, str or bytes."""

    __slots__ = ("value",)

    def __init__(self, offset: int, value: Any) -> None:
        super().__init__(offset)
        self.value = value


class Ident(Node):
    __slots__ = ("name",)

    def __init__(self, offset: int, name: str) -> None:
        super().__init__(offset)
        self.name = name


class Select(Node):
    """`operand.field`; with `test_only` the question whether it is there (`has`)."""

    __slots__ = ("field", "operand", "test_only")

    def __init__(self, offset: int, operand: Node, field: str, *, test_only: bool = False) -> None:
        super().__init__(offset)
        self.operand = operand
        self.field = field
        self.test_only = test_only

    def children(self) -> tuple[Node, ...]:
        return (self.operand,)


class Call(Node):
    """A function, an operator (`_+_`, `_?_:_`, `_[_]`, ...) or, with `target`, a method.

    `_&&_` and `_||_` have two arguments or more.
    """

    __slots__ = ("args", "function", "target")

    def __init__(self, offset: int, function: str, args: list[Node], target: Node | None = None) -> None:
        super().__init__(offset)
        self.function = function
        self.args = args
        self.target = target

    def children(self) -> tuple[Node, ...]:
        return tuple(self.args) if self.target is None else (self.target, *self.args)


class ListLiteral(Node):
    """`optional` holds the indexes of elements written `?element`."""

    __slots__ = ("elements", "optional")

    def __init__(self, offset: int, elements: list[Node], optional: frozenset[int] = frozenset()) -> None:
        super().__init__(offset)
        self.elements = elements
        self.optional = optional

    def children(self) -> tuple[Node, ...]:
        return tuple(self.elements)


class Entry(Node):
    """`key: value` in a map, `?key: optional` when `optional`."""

    __slots__ = ("key", "optional", "value")

    def __init__(self, offset: int, key: Node, value: Node, *, optional: bool) -> None:
        super().__init__(offset)
        self.key = key
        self.value = value
        self.optional = optional

    def children(self) -> tuple[Node, ...]:
        return (self.key, self.value)


class MapLiteral(Node):
    __slots__ = ("entries",)

    def __init__(self, offset: int, entries: list[Entry]) -> None:
        super().__init__(offset)
        self.entries = entries

    def children(self) -> tuple[Node, ...]:
        return tuple(self.entries)


class Message(Node):
    """`Name{field: value}`. No type of a Kubernetes rule can be written this way; it is parsed to be refused well."""

    __slots__ = ("fields", "name")

    def __init__(self, offset: int, name: str, fields: list[tuple[int, str, Node]]) -> None:
        super().__init__(offset)
        self.name = name
        self.fields = fields

    def children(self) -> tuple[Node, ...]:
        return tuple(value for _, _, value in self.fields)


class Comprehension(Node):
    """Fold `range` into `accumulator`; `variable2` when two are named (index and item, key and value)."""

    __slots__ = (
        "accumulator",
        "body",
        "condition",
        "init",
        "macro",
        "range",
        "result",
        "step",
        "variable",
        "variable2",
    )

    def __init__(
        self,
        offset: int,
        *,
        range_: Node,
        variable: str,
        variable2: str,
        accumulator: str,
        init: Node,
        condition: Node,
        step: Node,
        result: Node,
        macro: str,
        body: tuple[Node, ...],
    ) -> None:
        super().__init__(offset)
        self.range = range_
        self.variable = variable
        self.variable2 = variable2
        self.accumulator = accumulator
        self.init = init
        self.condition = condition
        self.step = step
        self.result = result
        self.macro = macro
        self.body = body

    def children(self) -> tuple[Node, ...]:
        return (self.range, self.init, self.condition, self.step, self.result)
