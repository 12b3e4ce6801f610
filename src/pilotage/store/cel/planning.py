"""From a checked expression to something that runs: closures over a frame.

Every node becomes a function of the frame, a list: place 0 holds the cost that may still be spent, then come the variables,
declared ones first. What types are known decides which function is chosen, so that `self.a == 'x'` compares two strings
and nothing else. Costs that do not depend on values are added up when the plan is made and charged once per block (the
whole expression, the right side of `&&`, a branch, a turn of a loop), which keeps counting cheap and bounds every loop.

An error is an exception; `&&`, `||`, `all` and `exists` absorb it as the language says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilotage.store.cel.calls import applied, bounded, certain, counted, dispatched
from pilotage.store.cel.checking import Checked
from pilotage.store.cel.declarations import Overload
from pilotage.store.cel.exposing import exposure
from pilotage.store.cel.fields import keyed, optional_field, plain_field, present
from pilotage.store.cel.library.conversions import CONVERSIONS
from pilotage.store.cel.library.costs import CREATE_LIST, tenth
from pilotage.store.cel.library.operators import GENERIC, index, index_present, smaller_tenth
from pilotage.store.cel.library.regexes import PATTERN_FUNCTIONS
from pilotage.store.cel.logic import any_of, either, gated
from pilotage.store.cel.loops import looped
from pilotage.store.cel.nodes import (
    Call,
    Comprehension,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Node,
    Select,
)
from pilotage.store.cel.problems import CostLimitError, EvaluationError, no_such_overload
from pilotage.store.cel.regex import PatternError, TooMuchWorkError, compile_pattern
from pilotage.store.cel.types import Type, is_dyn, unwrapped
from pilotage.store.cel.values import Optional, TypeValue, equal, kind_of, text_of, type_name

__all__ = ["Frame", "PlanError", "Run", "plan"]

Frame = list[Any]
Run = Callable[[Frame], Any]

_CREATE_MAP = 30
_KEYS = frozenset(["string", "int", "uint", "bool", "double"])
_PLAIN = frozenset(
    ["bool", "bytes", "duration", "int", "list", "map", "string", "struct", "timestamp", "type", "uint"]
)
_SIZED = frozenset(["string", "bytes", "list", "map", "struct"])


class PlanError(Exception):
    """A constant part of the expression has no value."""


class _Plan:
    """`cost` is what running certainly costs; `constant` has the value in `value`; `chain` begins with a variable."""

    __slots__ = ("chain", "constant", "cost", "run", "value")

    def __init__(self, run: Run, cost: int, *, chain: bool = False) -> None:
        self.run = run
        self.cost = cost
        self.chain = chain
        self.constant = False
        self.value: Any = None


def _constant(value: Any) -> _Plan:
    found = _Plan(lambda _frame: value, 0)
    found.constant = True
    found.value = value
    return found


def plan(checked: Checked, variables: Mapping[str, int]) -> tuple[Run, int]:
    """The function of a whole expression and the size of its frame. Raises PlanError."""
    planner = _Planner(checked, variables)
    try:
        found = planner.plan(checked.root)
    except EvaluationError as error:
        raise PlanError(str(error)) from None
    return gated(found.run, found.cost), planner.size


class _Planner:
    def __init__(self, checked: Checked, variables: Mapping[str, int]) -> None:
        self.checked = checked
        self.types = checked.types
        self.slots: list[dict[str, int]] = [dict(variables)]
        self.size = max(variables.values(), default=0) + 1
        self.planned: dict[Node, _Plan] = {}

    def slot(self, name: str) -> int:
        plain = name.removeprefix(".")
        if name != plain:
            return self.slots[0][plain]
        return next(scope[plain] for scope in reversed(self.slots) if plain in scope)

    def bound(self) -> int:
        self.size += 1
        return self.size - 1

    def type(self, node: Node) -> Type:
        return self.types[node]

    def plan(self, node: Node) -> _Plan:
        """A node that a macro uses twice is planned once."""
        found = self.planned.get(node)
        if found is None:
            found = self.planned[node] = self.make(node)
        return found

    def make(self, node: Node) -> _Plan:
        named = self.checked.type_names.get(node)
        if named is not None:
            if named.kind == "error":
                raise PlanError(f"reference to undefined type: {named.name}")
            return _constant(TypeValue(named.name))
        if isinstance(node, Literal):
            return _constant(node.value)
        if isinstance(node, Ident):
            slot = self.slot(node.name)
            return _Plan(lambda frame: frame[slot], 1, chain=True)
        if isinstance(node, Select):
            return self.presence(node) if node.test_only else self.select(node)
        if isinstance(node, Call):
            return self.call(node)
        if isinstance(node, ListLiteral):
            return self.list_literal(node)
        if isinstance(node, MapLiteral):
            return self.map_literal(node)
        if isinstance(node, Comprehension):
            return self.comprehension(node)
        raise PlanError("unsupported expression")

    # Fields and elements ------------------------------------------------------------------------------------------

    def base(self, node: Node) -> _Plan:
        """What is selected from; anything but a chain of selections costs one more."""
        found = self.plan(node)
        return found if found.chain else _Plan(found.run, found.cost + 1, chain=True)

    def select(self, node: Select) -> _Plan:
        operand = self.base(node.operand)
        target, optional = unwrapped(self.type(node.operand))
        run = (
            optional_field(operand.run, node.field, target)
            if optional
            else plain_field(operand.run, node.field, target)
        )
        return _Plan(run, operand.cost + 1, chain=True)

    def presence(self, node: Select) -> _Plan:
        operand = self.base(node.operand)
        target, _ = unwrapped(self.type(node.operand))
        return _Plan(present(operand.run, node.field, target), operand.cost)

    def optional_select(self, node: Call) -> _Plan:
        operand = self.base(node.args[0])
        field = node.args[1]
        name = field.value if isinstance(field, Literal) else ""
        target, _ = unwrapped(self.type(node.args[0]))
        return _Plan(optional_field(operand.run, name, target), operand.cost + 1, chain=True)

    def element(self, node: Call) -> _Plan:
        """`container[key]` and `container[?key]`."""
        operand, key = self.base(node.args[0]), self.plan(node.args[1])
        container, _ = unwrapped(self.type(node.args[0]))
        cost = operand.cost + (1 if key.constant else key.cost)
        if node.function == "_[?_]":
            return _Plan(applied(index_present, operand.run, key.run), cost, chain=True)
        if container.kind == "map" and self.type(node.args[0]).kind == "map" and key.constant:
            return _Plan(keyed(operand.run, key.value), cost, chain=True)
        return _Plan(applied(index, operand.run, key.run), cost, chain=True)

    # Calls --------------------------------------------------------------------------------------------------------

    def call(self, node: Call) -> _Plan:
        function = node.function
        if function in {"_&&_", "_||_"}:
            return self.logic(node)
        if function == "_?_:_":
            return self.conditional(node)
        if function == "_?._":
            return self.optional_select(node)
        if function in {"_[_]", "_[?_]"}:
            return self.element(node)
        if function in {"_==_", "_!=_"}:
            return self.equality(node)
        if function in {"or", "orValue"} and node.target is not None:
            return self.fallback(node)
        args = [self.plan(arg) for arg in node.children()]
        if function in CONVERSIONS and len(args) == 1 and args[0].constant:
            implementation, _ = self.implementation(node)
            return _constant(implementation(args[0].value))
        if function == "dyn":
            exposed = exposure(self.type(node.children()[0]))
            inner = args[0].run
            return _Plan((lambda frame: exposed(inner(frame))) if exposed else inner, args[0].cost + 1)
        if function == "@in":
            return self.membership(node, args)
        if function in PATTERN_FUNCTIONS and args[1].constant and isinstance(args[1].value, str):
            return self.pattern(node, args)
        return self.general(node, args)

    def implementation(self, node: Call) -> tuple[Callable[..., Any], Overload | None]:
        """The function to call; its overload when there is only one and the types are certain."""
        overloads = self.checked.overloads[node]
        given = [self.type(arg) for arg in node.children()]
        if len(overloads) == 1 and all(map(certain, given, overloads[0].args)):
            chosen = overloads[0]
            return bounded(node.function, chosen.impl or _unplanned), chosen
        generic = GENERIC.get(node.function)
        return (generic, None) if generic is not None else (dispatched(node.function, overloads), None)

    def general(self, node: Call, args: list[_Plan]) -> _Plan:
        implementation, overload = self.implementation(node)
        overloads = (overload,) if overload else self.checked.overloads[node]
        cost = sum(arg.cost for arg in args)
        runs = [arg.run for arg in args]
        counters = [each.cost for each in overloads]
        if all(counter is None for counter in counters):
            return _Plan(applied(implementation, *runs), cost + 1)
        kinds = None if overload else overloads
        return _Plan(counted(implementation, runs, counters[0], kinds), cost)

    def logic(self, node: Call) -> _Plan:
        terms = [self.plan(arg) for arg in node.args]
        decides = node.function == "_||_"
        first, rest = terms[0], [gated(term.run, term.cost) for term in terms[1:]]
        if len(rest) == 1:
            return _Plan(either(first.run, rest[0], decides=decides), first.cost)
        return _Plan(any_of([first.run, *rest], decides=decides), first.cost)

    def conditional(self, node: Call) -> _Plan:
        test, yes, no = (self.plan(arg) for arg in node.args)
        # The variable at the head of a branch is free in the cost model.
        taken = gated(yes.run, yes.cost - yes.chain)
        other = gated(no.run, no.cost - no.chain)
        condition = test.run

        def run(frame: Frame) -> Any:
            found = condition(frame)
            if found is True:
                return taken(frame)
            if found is False:
                return other(frame)
            raise no_such_overload()

        return _Plan(run, test.cost)

    def equality(self, node: Call) -> _Plan:
        one, two = (self.plan(arg) for arg in node.args)
        left, right = (self.type(arg) for arg in node.args)
        negated = node.function == "_!=_"
        cost = one.cost + two.cost
        compared = _equality(one, two, native=_native(left) and _native(right), negated=negated)
        sized = left.kind in _SIZED and right.kind in _SIZED
        if not (sized or is_dyn(left) or is_dyn(right) or "opaque" in {left.kind, right.kind}):
            return _Plan(compared, cost + 1)
        constant = one if one.constant else two
        if constant.constant and isinstance(constant.value, (str, bytes, list)):
            return _Plan(compared, cost + tenth(len(constant.value)))
        apply = _not_equal if negated else equal
        return _Plan(counted(apply, [one.run, two.run], smaller_tenth, None), cost)

    def fallback(self, node: Call) -> _Plan:
        target = self.plan(node.children()[0])
        other = self.plan(node.args[0])
        first, second = target.run, gated(other.run, other.cost)
        unwrap = node.function == "orValue"

        def run(frame: Frame) -> Any:
            found = first(frame)
            if not isinstance(found, Optional):
                return found
            if not found.present:
                return second(frame)
            return found.value if unwrap else found

        return _Plan(run, target.cost)

    def membership(self, node: Call, args: list[_Plan]) -> _Plan:
        value, container = args
        kind = self.type(node.args[0]).kind
        items = container.value if container.constant else None
        if not isinstance(items, list) or not all(kind_of(item) in _KEYS for item in items):
            return self.general(node, args)
        # A constant list is a set, and asking it is free.
        inner = value.run
        if kind in {"string", "int"} and all(kind_of(item) == kind for item in items):
            known = frozenset(items)
            return _Plan(lambda frame: inner(frame) in known, value.cost)
        implementation = GENERIC["@in"]
        return _Plan(lambda frame: implementation(inner(frame), items), value.cost)

    def pattern(self, node: Call, args: list[_Plan]) -> _Plan:
        """A constant pattern is compiled once; its cost grows with the text."""
        source = args[1].value
        try:
            compiled = compile_pattern(source)
        except PatternError as error:
            raise PlanError(str(error)) from None
        if node.function != "matches" or self.type(node.children()[0]).kind != "string":
            return self.general(node, args)
        text, per_tenth, matches = args[0].run, -(-len(source) // 4), compiled.matches

        def run(frame: Frame) -> bool:
            value = text(frame)
            left = frame[0] - (len(value) + 10) // 10 * per_tenth
            frame[0] = left
            if left < 0:
                raise CostLimitError
            try:
                return matches(value)
            except TooMuchWorkError:
                raise CostLimitError from None

        return _Plan(run, args[0].cost)

    # Literals and loops -------------------------------------------------------------------------------------------

    def list_literal(self, node: ListLiteral) -> _Plan:
        elements = [self.plan(element) for element in node.elements]
        if not node.optional and all(element.constant for element in elements):
            return _constant([element.value for element in elements])
        inner = self.type(node).params[0]
        runs = [
            _exposed(element.run, self.type(part)) if is_dyn(inner) else element.run
            for element, part in zip(elements, node.elements, strict=True)
        ]
        cost = sum(element.cost for element in elements) + CREATE_LIST
        if not node.optional:
            return _Plan(lambda frame: [run(frame) for run in runs], cost)
        marked = [(run, place in node.optional) for place, run in enumerate(runs)]
        return _Plan(lambda frame: _gathered(frame, marked), cost)

    def map_literal(self, node: MapLiteral) -> _Plan:
        entries = [(self.plan(entry.key), self.plan(entry.value), entry.optional) for entry in node.entries]
        if all(key.constant and value.constant and not optional for key, value, optional in entries):
            return _constant({key.value: value.value for key, value, _ in entries})
        cost = sum(key.cost + value.cost for key, value, _ in entries) + _CREATE_MAP
        runs = [(key.run, value.run, optional) for key, value, optional in entries]
        return _Plan(lambda frame: _mapped(frame, runs), cost)

    def comprehension(self, node: Comprehension) -> _Plan:
        if node.macro == "bind":
            return self.binding(node)
        range_ = self.plan(node.range)
        first = self.bound()
        scope = {node.variable: first}
        second = 0
        if node.variable2:
            second = self.bound()
            scope[node.variable2] = second
        self.slots.append(scope)
        body = [self.plan(part) for part in node.body]
        self.slots.pop()
        run, once = looped(
            node.macro, range_.run, first, second, [part.run for part in body], [part.cost for part in body]
        )
        return _Plan(run, range_.cost + once)

    def binding(self, node: Comprehension) -> _Plan:
        value = self.plan(node.init)
        slot = self.bound()
        self.slots.append({node.accumulator: slot})
        body = self.plan(node.body[0])
        self.slots.pop()
        compute, use = value.run, body.run

        def run(frame: Frame) -> Any:
            frame[slot] = compute(frame)
            return use(frame)

        return _Plan(run, value.cost + body.cost)


# Building blocks ----------------------------------------------------------------------------------------------------


def _native(type_: Type) -> bool:
    """Whether Python compares values of the type as CEL does: no dyn inside, where 1 == true might be asked."""
    if type_.kind in {"struct", "double"}:
        return True
    return type_.kind in _PLAIN and all(map(_native, type_.params))


def _equality(one: _Plan, two: _Plan, *, native: bool, negated: bool) -> Run:
    left, right = one.run, two.run
    if not native:
        return (
            (lambda frame: not equal(left(frame), right(frame)))
            if negated
            else (lambda frame: equal(left(frame), right(frame)))
        )
    if two.constant:
        value = two.value
        if negated:
            return lambda frame: left(frame) != value
        return lambda frame: left(frame) == value
    if negated:
        return lambda frame: left(frame) != right(frame)
    return lambda frame: left(frame) == right(frame)


def _not_equal(one: Any, two: Any) -> bool:
    return not equal(one, two)


def _unplanned(*_args: Any) -> Any:
    raise no_such_overload()


def _exposed(run: Run, type_: Type) -> Run:
    exposed = exposure(type_)
    return run if exposed is None else lambda frame: exposed(run(frame))


def _gathered(frame: Frame, runs: list[tuple[Run, bool]]) -> list[Any]:
    found: list[Any] = []
    for run, optional in runs:
        value = run(frame)
        if optional:
            if not isinstance(value, Optional):
                raise EvaluationError(
                    f"cannot initialize optional list element from non-optional value {text_of(value)}"
                )
            if not value.present:
                continue
            value = value.value
        found.append(value)
    return found


def _mapped(frame: Frame, runs: list[tuple[Run, Run, bool]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_run, value_run, optional in runs:
        key, value = key_run(frame), value_run(frame)
        if optional:
            if not isinstance(value, Optional):
                raise EvaluationError(
                    f"cannot initialize optional entry '{text_of(key)}' from non-optional value {text_of(value)}"
                )
            if not value.present:
                found.pop(key, None)
                continue
            value = value.value
        try:
            found[key] = value
        except TypeError:
            raise EvaluationError(f"unsupported key type: {type_name(key)}") from None
    return found
