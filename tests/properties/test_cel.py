"""Laws of the expression language: what is written is what is computed, patterns agree with Python's, nothing escapes."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.store.cel import (
    CompileError,
    CostLimitError,
    Environment,
    EvaluationError,
    PlanError,
    compile_rules,
)
from pilotage.store.cel.naming import escaped
from pilotage.store.cel.regex import PatternError, compile_pattern
from pilotage.store.cel.types import DYN
from pilotage.store.cel.values import compare, equal

LAW = settings(derandomize=True, max_examples=150, deadline=None)

INTS = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.none() | st.booleans() | INTS | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def evaluate(source: str, **variables: Any) -> Any:
    return Environment(dict.fromkeys(variables, DYN)).compile(source).evaluate(variables)[0]


@LAW
@given(VALUES, VALUES)
def test_equality_is_an_equivalence(one: Any, two: Any) -> None:
    """Every value equals itself; equality has no direction; `!=` is its opposite."""
    assert equal(one, one)
    assert equal(one, two) == equal(two, one)
    assert evaluate("a == b", a=one, b=two) is equal(one, two)
    assert evaluate("a != b", a=one, b=two) is not equal(one, two)


@LAW
@given(
    st.one_of(
        st.tuples(INTS | st.floats(allow_nan=False), INTS | st.floats(allow_nan=False)),
        st.tuples(st.text(), st.text()),
    )
)
def test_order_agrees_with_equality(pair: tuple[Any, Any]) -> None:
    """Of two values with an order, exactly one of less, equal and greater holds."""
    one, two = pair
    assert (compare(one, two) == 0) == equal(one, two)
    assert compare(one, two) == -compare(two, one)


@LAW
@given(INTS, INTS)
def test_integers_compute_like_64_bits_or_fail(one: int, two: int) -> None:
    """The exact result when it fits, an error otherwise; division rounds towards zero."""
    quotient = abs(one) // abs(two) * (1 if (one < 0) == (two < 0) else -1) if two else 0
    expected = {"+": one + two, "-": one - two, "*": one * two, "/": quotient, "%": one - quotient * two}
    for operator, exact in expected.items():
        overflows = not -(2**63) <= exact < 2**63 or (operator == "%" and (one, two) == (-(2**63), -1))
        if overflows or (two == 0 and operator in "/%"):
            with pytest.raises(EvaluationError, match=r"overflow|by zero"):
                evaluate(f"a {operator} b", a=one, b=two)
        else:
            assert evaluate(f"a {operator} b", a=one, b=two) == exact


@LAW
@given(st.text(max_size=30))
def test_quoted_text_means_itself(text: str) -> None:
    """`strings.quote` gives back source that stands for the same text."""
    quoted = evaluate("strings.quote(t)", t=text)
    assert evaluate(quoted) == text


@LAW
@given(st.lists(INTS, max_size=12))
def test_macros_agree_with_each_other(items: list[int]) -> None:
    """all, exists, exists_one, filter and map tell one story."""
    even = "x % 2 == 0"
    assert evaluate(f"n.all(x, {even}) == !n.exists(x, !({even}))", n=items)
    assert evaluate(f"n.filter(x, {even}).size() == 1", n=items) == evaluate(
        f"n.exists_one(x, {even})", n=items
    )
    assert evaluate("n.map(x, x) == n && n.transformList(i, x, x) == n", n=items)
    assert evaluate("n.all(i, x, n[i] == x)", n=items)
    assert evaluate("n.sort().isSorted() && n.sort() == n.reverse().sort()", n=items)


ATOMS = st.sampled_from(["a", "b", "ab", ".", "[ab]", "[^a]", "(?:a|b)", "(?:ab|a)", "^", "$", r"\b", "x"])
PATTERNS = st.lists(
    st.tuples(ATOMS, st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "*?"])), min_size=1, max_size=5
).map(lambda parts: "".join(atom + (times if atom not in {"^", "$", r"\b"} else "") for atom, times in parts))


@LAW
@given(PATTERNS, st.text("ab x", max_size=10))
def test_patterns_agree_with_python_where_both_mean_the_same(pattern: str, text: str) -> None:
    """Same answer, same place: leftmost, and the alternative that stands first."""
    theirs = re.search(pattern.replace("$", r"\Z"), text)
    ours = compile_pattern(pattern)

    assert ours.matches(text) is (theirs is not None)
    assert ours.find(text) == (theirs.span() if theirs else None)


@LAW
@given(st.text("()[]{}*+?|\\^$.ab-,:<>P1i", max_size=14), st.text("ab-", max_size=6))
def test_any_pattern_is_answered_or_refused(pattern: str, text: str) -> None:
    """No pattern breaks the engine."""
    with contextlib.suppress(PatternError):
        assert all(match in text for match in compile_pattern(pattern).find_all(text))


PIECES = st.sampled_from(
    [
        "self",
        "a",
        ".",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        "?",
        ":",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "&&",
        "||",
        "==",
        "!=",
        "<",
        "in",
        "1",
        "1.5",
        "2u",
        "'x'",
        "b'y'",
        "true",
        "null",
        "size",
        "has",
        "all",
        "map",
        "x",
        ".?a",
        ".orValue(1)",
        ".all(x,x)",
        ".map(x,x)",
        ".matches('a')",
        "[0]",
        "{'a':1}",
        "dyn(",
        "int(",
        "string(",
        "timestamp(",
        "optional.of(",
    ]
)


@settings(LAW, max_examples=400)
@given(st.lists(PIECES, max_size=14).map(" ".join), VALUES)
def test_any_source_is_evaluated_or_refused(source: str, value: Any) -> None:
    """Whatever is written and whatever comes: a value, or one of our errors."""
    with contextlib.suppress(CompileError, PlanError, EvaluationError, CostLimitError):
        _, cost = Environment({"self": DYN}).compile(source).evaluate({"self": value})
        assert cost >= 0


@LAW
@given(st.text("ab_./-9", min_size=1, max_size=8) | st.sampled_from(["namespace", "if", "true", "in"]))
def test_every_reachable_property_has_a_name_of_its_own(name: str) -> None:
    """A property is found under its escaped name, and only under that."""
    identifier = escaped(name)
    if identifier is None:
        assert name[0].isdigit()
        return
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"}},
        "x-kubernetes-validations": [{"rule": f"self.{identifier} == 'x'", "message": "no"}],
    }
    rules = compile_rules(schema, resource=False)
    assert rules.check({name: "x"}) == []
    assert [str(fault) for fault in rules.check({name: "y"})] == ["<nil>: Invalid value: no"]


@LAW
@given(VALUES)
def test_an_unchanged_object_is_never_refused_by_a_rule_about_itself(value: Any) -> None:
    """`self == oldSelf` holds for a copy, whatever the value holds that no schema describes."""
    schema = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "immutable"}],
    }
    spec = {"type": "object", "properties": {"spec": schema}}
    copy = json.loads(json.dumps(value))
    assert compile_rules(spec).check({"spec": {"any": value}}, {"spec": {"any": copy}}) == []
