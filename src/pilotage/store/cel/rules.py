"""`x-kubernetes-validations`: the rules of a definition, compiled once, checked against every value.

A rule stands at a node of the schema and sees the value of that node as `self`; on updates, the value that was there before
as `oldSelf`. A rule that uses `oldSelf` is left out where there is no old value, unless `optionalOldSelf` makes it an
optional. Rules of a node run in the order they are written, before those of its children; children run in the order of the
value. What a whole object may cost is bounded, and so is every single rule.

Messages and paths are those of the 1.36 API server.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from pilotage.store.cel.compiled import CompiledRule, compile_rule
from pilotage.store.cel.correlation import Pair, by_keys, identity
from pilotage.store.cel.faults import FORBIDDEN, INVALID, OMITTED, REQUIRED, Fault, fault
from pilotage.store.cel.problems import CostLimitError, EvaluationError
from pilotage.store.cel.schemas import Adapt, Schema, adaptation, below, declared_type, resource_schema
from pilotage.store.cel.values import NONE, Optional

__all__ = ["COST_PER_OBJECT", "Rules", "compile_rules", "has_rules"]

COST_PER_OBJECT = 10_000_000
"""The most that all rules may cost for one object."""

_LONGEST_MESSAGE = 5 * 1024
_OUT_OF_BUDGET = (
    "validation failed due to running out of cost budget, no further validation rules will be run"
)
_DUPLICATE = "FieldValueDuplicate"


class _StoppedError(Exception):
    """No further rules are run."""


class _Run:
    """One check of one object."""

    __slots__ = ("budget", "faults", "warnings")

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.faults: list[Fault] = []
        self.warnings: list[str] = []

    def stop(self, found: Fault) -> None:
        self.faults.append(found)
        raise _StoppedError


class _Node:
    """A place of the schema with rules at it or below it."""

    __slots__ = ("adapt", "items", "kind", "properties", "rules", "schema", "uses_old", "values")

    def __init__(self, schema: Schema, rules: list[CompiledRule], adapt: Adapt | None) -> None:
        self.schema = schema
        self.kind: str = schema.get("type") or ""
        self.rules = rules
        self.adapt = adapt
        self.uses_old = any(rule.uses_old for rule in rules)
        self.properties: dict[str, _Node] = {}
        self.values: _Node | None = None
        self.items: _Node | None = None

    @property
    def empty(self) -> bool:
        return not (self.rules or self.properties or self.values or self.items)


class Rules:
    """The rules of one schema. Safe for threads; `check` keeps nothing."""

    __slots__ = ("_root",)

    def __init__(self, root: _Node | None) -> None:
        self._root = root

    def __bool__(self) -> bool:
        return self._root is not None

    def check(
        self,
        value: Any,
        old_value: Any = None,
        path: str = "",
        *,
        warnings: list[str] | None = None,
        budget: int = COST_PER_OBJECT,
    ) -> list[Fault]:
        """Every rule that the value breaks; `old_value` is None on create.

        Both must have the types of the schema, with defaults filled in: rules come after everything else is valid.
        `warnings` collects what unchanged values break, which is tolerated.
        """
        if self._root is None:
            return []
        run = _Run(budget)
        pair = None if old_value is None else Pair(value, old_value, self._root.schema)
        with suppress(_StoppedError):
            _check(self._root, path, value, old_value, pair, None, run)
        if warnings is not None:
            warnings.extend(run.warnings)
        return run.faults


def has_rules(schema: Any) -> bool:
    """Whether there is any rule in a schema, so that this package need not be used without one."""
    if isinstance(schema, Mapping):
        if schema.get("x-kubernetes-validations"):
            return True
        inner = (schema.get("items"), schema.get("additionalProperties"))
        return any(map(has_rules, (*inner, *(schema.get("properties") or {}).values())))
    return False


def compile_rules(schema: Schema, *, resource: bool = True) -> Rules:
    """Compile all rules of an `openAPIV3Schema`; `resource` when it describes whole objects.

    Rules that do not compile are found by `check_definition`; here they fail every value, as in an API server. Equal
    schemas share their rules, for threads as well.
    """
    if not has_rules(schema):
        return Rules(None)
    key = (hashlib.sha256(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)).digest(), resource)
    with _lock:
        known = _compiled.get(key)
    if known is not None:
        return known
    root = _compile(resource_schema(schema) if resource else schema)
    found = Rules(None if root.empty else root)
    with _lock:
        while len(_compiled) >= _MOST_COMPILED:
            _compiled.pop(next(iter(_compiled)))
        _compiled[key] = found
    return found


_MOST_COMPILED = 256
_compiled: dict[tuple[bytes, bool], Rules] = {}
"""The rules of schemas seen lately, oldest first: a definition is read again for every version and at every start of a watch."""
_lock = threading.Lock()


def _compile(schema: Schema) -> _Node:
    if schema.get("x-kubernetes-embedded-resource"):
        schema = resource_schema(schema)
    written = schema.get("x-kubernetes-validations") or []
    type_ = declared_type(schema) if written else None
    rules = [compile_rule(rule, type_, schema) for rule in written] if type_ is not None else []
    node = _Node(schema, rules, adaptation(schema) if rules else None)
    for child in below(schema):
        if not has_rules(child.schema):
            continue
        found = _compile(child.schema)
        if found.empty:
            continue
        if child.step == "property":
            node.properties[child.name] = found
        elif child.step == "values":
            node.values = found
        else:
            node.items = found
    return node


# Checking -----------------------------------------------------------------------------------------------------------


def _check(
    node: _Node, path: str, value: Any, old: Any, pair: Pair | None, nearest: Pair | None, run: _Run
) -> None:
    if value is None:
        return
    if node.rules:
        _check_rules(node, path, value, old, pair or nearest, run)
    if isinstance(value, list):
        if node.items is not None:
            _check_items(node, node.items, path, value, old, pair, nearest, run)
    elif isinstance(value, dict):
        _check_entries(node, path, value, old, pair, nearest, run)


def _check_items(
    node: _Node,
    items: _Node,
    path: str,
    value: list[Any],
    old: Any,
    pair: Pair | None,
    nearest: Pair | None,
    run: _Run,
) -> None:
    before = by_keys(node.schema, old)
    keys = tuple(node.schema.get("x-kubernetes-list-map-keys") or ())
    for position, item in enumerate(value):
        key = identity(item, keys) if before else None
        old_item = before.get(key) if key is not None else None
        child = pair.item(position) if pair is not None else None
        _check(items, f"{path}[{position}]", item, old_item, child, pair or nearest, run)


def _check_entries(
    node: _Node,
    path: str,
    value: dict[str, Any],
    old: Any,
    pair: Pair | None,
    nearest: Pair | None,
    run: _Run,
) -> None:
    before = old if isinstance(old, dict) else {}
    root = nearest is None
    for name, item in value.items():
        child = node.values
        shown = f"{path}[{name}]"
        if name in node.properties:
            child = node.properties[name]
            shown = f"{path}.{name}" if path else name
        if child is None:
            continue
        if root and name in {"apiVersion", "kind"}:
            # Both sides are converted to one version: a change cannot be seen.
            _check(child, shown, item, before.get(name), None, None, run)
            continue
        inner = pair.key(name) if pair is not None else None
        _check(child, shown, item, before.get(name), inner, pair or nearest, run)


def _check_rules(node: _Node, path: str, value: Any, old: Any, correlated: Pair | None, run: _Run) -> None:
    if run.budget <= 0:
        run.stop(fault(path, INVALID, node.kind, _OUT_OF_BUDGET))
    adapt = node.adapt
    try:
        current = value if adapt is None else adapt(value)
        previous = None
        if old is not None and node.uses_old:
            previous = old if adapt is None else adapt(old)
    except EvaluationError as error:
        run.faults.append(fault(path, INVALID, node.kind, str(error)))
        return
    for rule in node.rules:
        if rule.error:
            run.faults.append(fault(path, INVALID, node.kind, f"rule compile error: {rule.error}"))
        elif rule.program is not None and not (rule.uses_old and old is None and not rule.optional_old):
            _check_rule(node, rule, path, value, (current, previous, old is not None), correlated, run)


def _check_rule(
    node: _Node,
    rule: CompiledRule,
    path: str,
    value: Any,
    values: tuple[Any, Any, bool],
    correlated: Pair | None,
    run: _Run,
) -> None:
    current, previous, had = values
    before: Any = previous
    if rule.optional_old:
        before = Optional(previous) if had else NONE
    try:
        holds, cost = rule.evaluate(current, before)
    except CostLimitError as error:
        _charge(run, rule.limit, path, node)
        message = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {rule.shown}"
        run.stop(fault(path, INVALID, node.kind, message))
        return
    except EvaluationError as error:
        _charge(run, error.cost, path, node)
        run.faults.append(fault(path, INVALID, node.kind, _evaluation_problem(error, rule)))
        return
    _charge(run, cost, path, node)
    if holds is True:
        return
    where = path
    if rule.field_path:
        where = f"{path}.{rule.field_path}" if path else rule.field_path
    detail = rule.message
    if rule.message_program is not None:
        detail = _message(node, rule, current, previous if had else None, where, run) or detail
    shown = OMITTED if node.kind in {"object", "array"} else value
    found = _reported(where, rule.reason, shown, detail)
    if not rule.uses_old and correlated is not None and correlated.unchanged:
        run.warnings.append(str(found))
    else:
        run.faults.append(found)


def _charge(run: _Run, cost: int, path: str, node: _Node) -> None:
    if cost > run.budget:
        run.stop(fault(path, INVALID, node.kind, _OUT_OF_BUDGET))
    run.budget -= cost


def _evaluation_problem(error: EvaluationError, rule: CompiledRule) -> str:
    if str(error).startswith("no such overload"):
        return (
            f"'{error}': call arguments did not match a supported operator, function or macro signature "
            f"for rule: {rule.shown}"
        )
    return f"{error} evaluating rule: {rule.shown}"


def _reported(path: str, reason: str, value: Any, detail: str) -> Fault:
    if reason in {FORBIDDEN, REQUIRED}:
        return fault(path, reason, OMITTED, detail)
    if reason == _DUPLICATE:
        return fault(path, reason, value, "")
    return fault(path, INVALID, value, detail)


def _message(node: _Node, rule: CompiledRule, current: Any, previous: Any, path: str, run: _Run) -> str:
    """The evaluated message, or nothing when it cannot be used."""
    program = rule.message_program
    if program is None or (program.mentions("oldSelf") and previous is None):
        return ""
    try:
        text, cost = program.evaluate({"self": current, "oldSelf": previous})
    except CostLimitError:
        message = (
            "no further validation rules will be run due to call cost exceeds limit for messageExpression: "
            f'"{rule.message_expression}"'
        )
        run.stop(fault(path, INVALID, node.kind, message))
        return ""
    except EvaluationError as error:
        run.budget -= error.cost
        return ""
    if cost > run.budget:
        message = (
            "messageExpression evaluation failed due to running out of cost budget, "
            "no further validation rules will be run"
        )
        run.stop(fault(path, INVALID, node.kind, message))
    run.budget -= cost
    text = text.strip() if isinstance(text, str) else ""
    if len(text.encode()) > _LONGEST_MESSAGE or re.search(r"\n", text):
        return ""
    return str(text)
