"""Macros: calls that are rewritten before types are checked.

The expansions are those of the CEL language definition and of the two-variable comprehensions, optionals and lists
extensions. A macro is recognised by name, number of arguments and whether it has a target.
"""

from __future__ import annotations

from collections.abc import Callable

from pilotage.store.cel.nodes import (
    ACCUMULATOR,
    Call,
    Comprehension,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Node,
    Select,
)
from pilotage.store.cel.problems import Issue

__all__ = ["MacroError", "expand"]

_OLD_ACCUMULATOR = "__result__"
_UNUSED = "#unused"


class MacroError(Exception):
    """The macro was recognised and its arguments do not fit it."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.issue = Issue(offset, message)


def expand(offset: int, function: str, target: Node | None, args: list[Node]) -> Node | None:
    """The expansion, or None when this call is no macro. Raises MacroError."""
    macro = _MACROS.get((function, len(args), target is not None))
    return None if macro is None else macro(offset, target, args)


def _has(_offset: int, _target: Node | None, args: list[Node]) -> Node:
    tested = args[0]
    if not isinstance(tested, Select) or tested.test_only:
        raise MacroError(tested.offset, "invalid argument to has() macro")
    return Select(_offset, tested.operand, tested.field, test_only=True)


def _variable(node: Node, complaint: str) -> str:
    if not isinstance(node, Ident):
        raise MacroError(node.offset, complaint)
    if node.name in {ACCUMULATOR, _OLD_ACCUMULATOR}:
        raise MacroError(node.offset, "iteration variable overwrites accumulator variable")
    return node.name


def _two_variables(args: list[Node]) -> tuple[str, str]:
    names = [node.name if isinstance(node, Ident) else None for node in args[:2]]
    for node, name in zip(args, names, strict=False):
        if name is None:
            raise MacroError(node.offset, "argument must be a simple name")
    if names[0] == names[1]:
        raise MacroError(args[1].offset, f"duplicate variable name: {names[0]}")
    return (
        _variable(args[0], "argument must be a simple name"),
        _variable(args[1], "argument must be a simple name"),
    )


class _Fold:
    """Builds the pieces of one comprehension, all of them at the place of the call."""

    def __init__(
        self, offset: int, range_: Node | None, macro: str, variable: str, variable2: str = ""
    ) -> None:
        self.offset = offset
        self.range = range_ if range_ is not None else self.list()
        self.macro = macro
        self.variable = variable
        self.variable2 = variable2

    def accumulator(self) -> Node:
        return Ident(self.offset, ACCUMULATOR)

    def literal(self, value: bool | int) -> Node:
        return Literal(self.offset, value)

    def list(self, *elements: Node) -> Node:
        return ListLiteral(self.offset, list(elements))

    def call(self, function: str, *args: Node) -> Node:
        return Call(self.offset, function, list(args))

    def either(self, condition: Node | None, step: Node) -> Node:
        return step if condition is None else self.call("_?_:_", condition, step, self.accumulator())

    def made(
        self,
        init: Node,
        step: Node,
        body: tuple[Node, ...],
        condition: Node | None = None,
        result: Node | None = None,
    ) -> Node:
        return Comprehension(
            self.offset,
            range_=self.range,
            variable=self.variable,
            variable2=self.variable2,
            accumulator=ACCUMULATOR,
            init=init,
            condition=condition or self.literal(True),
            step=step,
            result=result or self.accumulator(),
            macro=self.macro,
            body=body,
        )

    def all(self, predicate: Node) -> Node:
        return self.made(
            self.literal(True),
            self.call("_&&_", self.accumulator(), predicate),
            (predicate,),
            condition=self.call("@not_strictly_false", self.accumulator()),
        )

    def exists(self, predicate: Node) -> Node:
        return self.made(
            self.literal(False),
            self.call("_||_", self.accumulator(), predicate),
            (predicate,),
            condition=self.call("@not_strictly_false", self.call("!_", self.accumulator())),
        )

    def exists_one(self, predicate: Node) -> Node:
        return self.made(
            self.literal(0),
            self.either(predicate, self.call("_+_", self.accumulator(), self.literal(1))),
            (predicate,),
            result=self.call("_==_", self.accumulator(), self.literal(1)),
        )

    def collect(self, element: Node, condition: Node | None) -> Node:
        step = self.call("_+_", self.accumulator(), self.list(element))
        body = (element,) if condition is None else (element, condition)
        return self.made(self.list(), self.either(condition, step), body)

    def insert(self, condition: Node | None, *entry: Node) -> Node:
        step = self.call("cel.@mapInsert", self.accumulator(), *entry)
        body = (entry[-1],) if condition is None else (entry[-1], condition)
        return self.made(MapLiteral(self.offset, []), self.either(condition, step), body)


def _all(offset: int, target: Node | None, args: list[Node]) -> Node:
    return _Fold(offset, target, "all", _variable(args[0], "argument must be a simple name")).all(args[1])


def _exists(offset: int, target: Node | None, args: list[Node]) -> Node:
    return _Fold(offset, target, "exists", _variable(args[0], "argument must be a simple name")).exists(
        args[1]
    )


def _exists_one(offset: int, target: Node | None, args: list[Node]) -> Node:
    name = _variable(args[0], "argument must be a simple name")
    return _Fold(offset, target, "exists_one", name).exists_one(args[1])


def _map(offset: int, target: Node | None, args: list[Node]) -> Node:
    fold = _Fold(offset, target, "collect", _variable(args[0], "argument is not an identifier"))
    return fold.collect(args[-1], args[1] if len(args) == 3 else None)


def _filter(offset: int, target: Node | None, args: list[Node]) -> Node:
    fold = _Fold(offset, target, "collect", _variable(args[0], "argument is not an identifier"))
    return fold.collect(args[0], args[1])


def _all2(offset: int, target: Node | None, args: list[Node]) -> Node:
    return _Fold(offset, target, "all", *_two_variables(args)).all(args[2])


def _exists2(offset: int, target: Node | None, args: list[Node]) -> Node:
    return _Fold(offset, target, "exists", *_two_variables(args)).exists(args[2])


def _exists_one2(offset: int, target: Node | None, args: list[Node]) -> Node:
    return _Fold(offset, target, "exists_one", *_two_variables(args)).exists_one(args[2])


def _transform_list(offset: int, target: Node | None, args: list[Node]) -> Node:
    fold = _Fold(offset, target, "collect", *_two_variables(args))
    return fold.collect(args[-1], args[2] if len(args) == 4 else None)


def _transform_map(offset: int, target: Node | None, args: list[Node]) -> Node:
    first, second = _two_variables(args)
    fold = _Fold(offset, target, "transform_map", first, second)
    return fold.insert(args[2] if len(args) == 4 else None, Ident(offset, first), args[-1])


def _transform_entry(offset: int, target: Node | None, args: list[Node]) -> Node:
    fold = _Fold(offset, target, "transform_entry", *_two_variables(args))
    return fold.insert(args[2] if len(args) == 4 else None, args[-1])


def _bound(offset: int, name: str, value: Node, body: Node) -> Node:
    """`body` with `name` standing for `value`: a fold over nothing whose accumulator is the variable."""
    return Comprehension(
        offset,
        range_=ListLiteral(offset, []),
        variable=_UNUSED,
        variable2="",
        accumulator=name,
        init=value,
        condition=Literal(offset, False),
        step=Ident(offset, name),
        result=body,
        macro="bind",
        body=(body,),
    )


def _optional_map(offset: int, target: Node | None, args: list[Node], *, flat: bool) -> Node:
    if not isinstance(args[0], Ident):
        macro = "optFlatMap" if flat else "optMap"
        raise MacroError(args[0].offset, f"{macro}() variable name must be a simple identifier")
    bound = _bound(offset, args[0].name, Call(offset, "value", [], target), args[1])
    return Call(
        offset,
        "_?_:_",
        [
            Call(offset, "hasValue", [], target),
            bound if flat else Call(offset, "optional.of", [bound]),
            Call(offset, "optional.none", []),
        ],
    )


def _opt_map(offset: int, target: Node | None, args: list[Node]) -> Node:
    return _optional_map(offset, target, args, flat=False)


def _opt_flat_map(offset: int, target: Node | None, args: list[Node]) -> Node:
    return _optional_map(offset, target, args, flat=True)


def _sort_by(offset: int, target: Node | None, args: list[Node]) -> Node:
    if target is None or isinstance(target, (Literal, MapLiteral)):
        raise MacroError(
            offset if target is None else target.offset,
            "sortBy can only be applied to a list, identifier, comprehension, call or select expression",
        )
    name = "@__sortBy_input__"
    keys = _map(offset, Ident(offset, name), args)
    return _bound(offset, name, target, Call(offset, "@sortByAssociatedKeys", [keys], Ident(offset, name)))


_MACROS: dict[tuple[str, int, bool], Callable[[int, Node | None, list[Node]], Node]] = {
    ("has", 1, False): _has,
    ("all", 2, True): _all,
    ("exists", 2, True): _exists,
    ("exists_one", 2, True): _exists_one,
    ("map", 2, True): _map,
    ("map", 3, True): _map,
    ("filter", 2, True): _filter,
    ("all", 3, True): _all2,
    ("exists", 3, True): _exists2,
    ("existsOne", 3, True): _exists_one2,
    ("exists_one", 3, True): _exists_one2,
    ("transformList", 3, True): _transform_list,
    ("transformList", 4, True): _transform_list,
    ("transformMap", 3, True): _transform_map,
    ("transformMap", 4, True): _transform_map,
    ("transformMapEntry", 3, True): _transform_entry,
    ("transformMapEntry", 4, True): _transform_entry,
    ("optMap", 2, True): _opt_map,
    ("optFlatMap", 2, True): _opt_flat_map,
    ("sortBy", 2, True): _sort_by,
}
