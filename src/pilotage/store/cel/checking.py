"""The type of every part of an expression, before it is ever evaluated.

Names and functions are looked up, overloads chosen, type parameters solved, as API servers do it: an error here is an
error that refuses a definition (`found no matching overload for '_==_' applied to '(int, string)'`). The result keeps
type and overloads per node; the planner reads them.
"""

from __future__ import annotations

from collections.abc import Mapping

from pilotage.store.cel.declarations import Functions, Overload
from pilotage.store.cel.nodes import (
    Call,
    Comprehension,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Message,
    Node,
    Select,
)
from pilotage.store.cel.problems import CompileError, Issue
from pilotage.store.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    UINT,
    Bindings,
    Type,
    function_text,
    is_dyn,
    less_specific,
    list_of,
    map_of,
    optional_of,
    type_of,
    unwrapped,
)
from pilotage.store.cel.values import UInt

__all__ = ["Checked", "check", "qualified_name"]


_MOST_ISSUES = 100


class Checked:
    """A checked expression: `types` and `overloads` by node, `names` the variables and types that it mentions."""

    __slots__ = ("names", "overloads", "root", "source", "type_names", "types")

    def __init__(self, source: str, root: Node) -> None:
        self.source = source
        self.root = root
        self.types: dict[Node, Type] = {}
        self.overloads: dict[Node, tuple[Overload, ...]] = {}
        self.type_names: dict[Node, Type] = {}
        """Identifiers that name a type, with that type."""
        self.names: set[str] = set()

    @property
    def type(self) -> Type:
        return self.types[self.root]

    def forget(self, variable: str) -> None:
        """Take the variable's type as unknown from here on."""
        for node in self.types:
            if isinstance(node, Ident) and node.name == variable:
                self.types[node] = DYN


def check(
    source: str, root: Node, variables: Mapping[str, Type], types: Mapping[str, Type], functions: Functions
) -> Checked:
    """Types for every node. Raises CompileError with every problem found."""
    checker = _Checker(source, root, variables, types, functions)
    checker.check(root)
    if checker.issues:
        raise CompileError(source, checker.issues)
    checked = checker.checked
    for node, found in checked.types.items():
        checked.types[node] = checker.bindings.resolved(found, unknown_as_dyn=True)
    return checked


def qualified_name(node: Node) -> str:
    """`a.b.c` when the node is nothing but names and selections, else nothing."""
    parts: list[str] = []
    while isinstance(node, Select) and not node.test_only:
        parts.append(node.field)
        node = node.operand
    if not isinstance(node, Ident):
        return ""
    parts.append(node.name)
    return ".".join(reversed(parts))


class _Checker:
    def __init__(
        self,
        source: str,
        root: Node,
        variables: Mapping[str, Type],
        types: Mapping[str, Type],
        functions: Functions,
    ) -> None:
        self.checked = Checked(source, root)
        self.types = self.checked.types
        self.scopes: list[dict[str, Type]] = [dict(variables)]
        self.named_types = types
        self.functions = functions
        self.bindings = Bindings()
        self.issues: list[Issue] = []
        self.problems: dict[Node, list[Issue]] = {}

    def report(self, node: Node, message: str) -> None:
        if len(self.issues) < _MOST_ISSUES:
            self.issues.append(Issue(node.offset, message))

    def check(self, node: Node) -> Type:
        known = self.types.get(node)
        if known is not None:
            # A macro uses the node twice, and so is told twice about its problems.
            self.issues.extend(self.problems.get(node, ())[: _MOST_ISSUES - len(self.issues)])
            return known
        before = len(self.issues)
        found = self.types[node] = self.find(node)
        if len(self.issues) > before:
            self.problems[node] = self.issues[before:]
        return found

    def find(self, node: Node) -> Type:
        if isinstance(node, Literal):
            found = _literal_type(node.value)
        elif isinstance(node, Ident):
            found = self.ident(node)
        elif isinstance(node, Select):
            found = self.select(node)
        elif isinstance(node, Call):
            found = self.call(node)
        elif isinstance(node, ListLiteral):
            found = self.list_literal(node)
        elif isinstance(node, MapLiteral):
            found = self.map_literal(node)
        elif isinstance(node, Comprehension):
            found = self.comprehension(node)
        else:
            found = self.message(node)
        return found

    def lookup(self, name: str, node: Node) -> Type | None:
        """The type of a variable, or of a type's name (which is a value of type `type`)."""
        plain = name.removeprefix(".")
        if name == plain:
            for scope in reversed(self.scopes):
                if plain in scope:
                    if scope is self.scopes[0]:
                        self.checked.names.add(plain)
                    return scope[plain]
        elif plain in self.scopes[0]:
            self.checked.names.add(plain)
            return self.scopes[0][plain]
        named = self.named_types.get(plain)
        if named is None:
            return None
        self.checked.type_names[node] = named
        return type_of(named)

    def ident(self, node: Ident) -> Type:
        found = self.lookup(node.name, node)
        if found is None:
            self.report(node, f"undeclared reference to '{node.name}' (in container '')")
            return ERROR
        return found

    def select(self, node: Select) -> Type:
        qualified = "" if node.test_only else qualified_name(node)
        found = self.lookup(qualified, node) if qualified else None
        if found is not None:
            return found
        result = self.field(node, node.operand, node.field, optional=False)
        return BOOL if node.test_only else self.bindings.resolved(result)

    def field(self, node: Node, operand: Node, field: str, *, optional: bool) -> Type:
        target, was_optional = unwrapped(self.bindings.resolved(self.check(operand)))
        result = DYN
        if target.kind == "map":
            result = target.params[1]
        elif target.kind == "struct":
            declared = (target.fields or {}).get(field)
            if declared is None:
                self.report(node, f"undefined field '{field}'")
                result = ERROR
            else:
                result = declared.type
        elif target.kind == "param":
            self.bindings.assign(DYN, target)
        elif not is_dyn(target) and target.kind != "error":
            self.report(node, f"type '{target}' does not support field selection")
        return optional_of(result) if was_optional or optional else result

    def call(self, node: Call) -> Type:
        if node.function == "_?._":
            field = node.args[1]
            self.types[field] = STRING
            name = field.value if isinstance(field, Literal) else ""
            return self.bindings.resolved(self.field(node, node.args[0], name, optional=True))
        for arg in node.args:
            self.check(arg)
        if node.target is not None:
            qualified = qualified_name(node.target)
            name = f"{qualified}.{node.function}".removeprefix(".")
            if qualified and name in self.functions:
                node.function = name
                node.target = None
            else:
                self.check(node.target)
        else:
            node.function = node.function.removeprefix(".")
        overloads = self.functions.get(node.function)
        if overloads is None:
            self.report(node, f"undeclared reference to '{node.function}' (in container '')")
            return ERROR
        return self.resolve(node, overloads)

    def resolve(self, node: Call, overloads: tuple[Overload, ...]) -> Type:
        """The first matching overload decides the type; further ones that match make it dyn unless they agree."""
        if node.function in {"_&&_", "_||_"}:
            return self.logic(node, overloads)
        args = [self.types[arg] for arg in node.children()]
        member = node.target is not None
        matching: list[Overload] = []
        result: Type | None = None
        for overload in overloads:
            if overload.member != member:
                continue
            wanted, gives = self.instance(overload)
            if not self.bindings.assign_all(args, list(wanted)):
                continue
            matching.append(overload)
            gives = self.bindings.resolved(gives)
            if result is None:
                result = gives
            elif not is_dyn(result) and gives != result:
                result = DYN
        if result is None:
            shown = [self.bindings.resolved(arg, unknown_as_dyn=True) for arg in args]
            text = function_text(shown, member=member)
            self.report(node, f"found no matching overload for '{node.function}' applied to '{text}'")
            return ERROR
        self.checked.overloads[node] = tuple(matching)
        return result

    def logic(self, node: Call, overloads: tuple[Overload, ...]) -> Type:
        fine = True
        for arg in node.args:
            found = self.types[arg]
            if not self.bindings.assign(found, BOOL):
                self.report(arg, f"expected type 'bool' but found '{found}'")
                fine = False
        self.checked.overloads[node] = overloads
        return BOOL if fine else ERROR

    def instance(self, overload: Overload) -> tuple[tuple[Type, ...], Type]:
        """Arguments and result with fresh type parameters."""
        if not overload.variables:
            return overload.args, overload.result
        fresh = {variable: self.bindings.fresh() for variable in overload.variables}
        return tuple(_substituted(arg, fresh) for arg in overload.args), _substituted(overload.result, fresh)

    def element(self, node: Node, *, optional: bool) -> Type:
        """The type of an element of a literal; what an optional element holds."""
        found = self.check(node)
        if not optional:
            return found
        inner, was_optional = unwrapped(found)
        if not was_optional and not is_dyn(inner):
            self.report(node, f"expected type '{optional_of(inner)}' but found '{inner}'")
        return inner

    def joined(self, previous: Type | None, current: Type) -> Type:
        if previous is None:
            return current
        if self.bindings.assign(previous, current):
            return previous if less_specific(previous, current) else current
        return DYN

    def list_literal(self, node: ListLiteral) -> Type:
        found: Type | None = None
        for index, element in enumerate(node.elements):
            found = self.joined(found, self.element(element, optional=index in node.optional))
        return list_of(self.bindings.fresh() if found is None else found)

    def map_literal(self, node: MapLiteral) -> Type:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            key = self.joined(key, self.check(entry.key))
            value = self.joined(value, self.element(entry.value, optional=entry.optional))
        if key is None or value is None:
            return map_of(self.bindings.fresh(), self.bindings.fresh())
        return map_of(key, value)

    def message(self, node: Node) -> Type:
        name = node.name if isinstance(node, Message) else ""
        for child in node.children():
            self.check(child)
        if name.removeprefix(".") in self.named_types:
            self.report(node, f"'{name}' is not a message type")
        else:
            self.report(node, f"undeclared reference to '{name}' (in container '')")
        return ERROR

    def comprehension(self, node: Comprehension) -> Type:
        range_ = self.bindings.resolved(self.check(node.range))
        accumulator = self.check(node.init)
        first, second = self.iteration(node, range_)
        self.scopes.append({node.accumulator: accumulator})
        self.scopes.append({node.variable: first})
        if node.variable2:
            self.scopes[-1][node.variable2] = second
        self.expected(node.condition, BOOL)
        self.expected(node.step, accumulator)
        self.scopes.pop()
        result = self.check(node.result)
        self.scopes.pop()
        return self.bindings.resolved(result)

    def expected(self, node: Node, wanted: Type) -> None:
        found = self.check(node)
        if not self.bindings.assign(wanted, found):
            self.report(node, f"expected type '{wanted}' but found '{found}'")

    def iteration(self, node: Comprehension, range_: Type) -> tuple[Type, Type]:
        """The types of one or two variables that run over `range_`."""
        if range_.kind == "list":
            return (INT, range_.params[0]) if node.variable2 else (range_.params[0], ERROR)
        if range_.kind == "map":
            return range_.params[0], range_.params[1]
        if is_dyn(range_) or range_.kind in {"error", "param"}:
            self.bindings.assign(DYN, range_)
            return DYN, DYN
        self.report(
            node.range,
            f"expression of type '{range_}' cannot be range of a comprehension (must be list, map, or dynamic)",
        )
        return ERROR, ERROR


def _literal_type(value: object) -> Type:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, UInt):
        return UINT
    if isinstance(value, int):
        return INT
    if isinstance(value, float):
        return DOUBLE
    return STRING if isinstance(value, str) else BYTES


def _substituted(type_: Type, by: Mapping[Type, Type]) -> Type:
    found = by.get(type_)
    if found is not None:
        return found
    if not type_.params:
        return type_
    return Type(type_.kind, type_.name, tuple(_substituted(each, by) for each in type_.params))
