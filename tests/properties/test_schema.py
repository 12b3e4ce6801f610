"""Laws of the schema gate: admitting twice is admitting once, what is unchanged is never refused, nothing is altered by judging."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.store.schema.automaton import Automaton
from pilotage.store.schema.compiled import compile_schema
from pilotage.store.schema.gotext import float_text, json_text
from pilotage.store.schema.patterns import rewritten
from pilotage.store.schema.props import SchemaProps
from pilotage.store.schema.regexsyntax import parse_pattern
from pilotage.store.schema.resource import ResourceKind, admit, convert, create_problems, update_problems
from pilotage.store.schema.validation import validate, validate_update

QUICK = settings(max_examples=60, derandomize=True, deadline=None)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(-2, 2)
    | st.sampled_from(["", "a", "ab", "b-c"])
)
names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def typed(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in fields.items()})


leaves = st.one_of(
    typed(nullable=True, maxLength=1, pattern="^a", default="a").map(
        lambda extra: {"type": "string", **extra}
    ),
    typed(minimum=0, default=3).map(lambda extra: {"type": "integer", **extra}),
    st.just({"x-kubernetes-int-or-string": True}),
    st.just({"x-kubernetes-preserve-unknown-fields": True}),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda properties, needed: {"type": "object", "properties": properties, "required": needed},
            st.dictionaries(names, inner, max_size=3),
            st.lists(names, max_size=1),
        ),
        inner.map(lambda items: {"type": "array", "items": items}),
        inner.map(lambda child: {"type": "object", "additionalProperties": child}),
        inner.map(
            lambda child: {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
                "items": {
                    "type": "object",
                    "required": ["k"],
                    "properties": {"k": {"type": "string"}, "a": child},
                },
            }
        ),
    ),
    max_leaves=6,
)


def kind_of(schema: dict[str, Any]) -> ResourceKind:
    root = {"type": "object", "properties": {"spec": schema}}
    return ResourceKind(
        "example.com", "v1", "Thing", False, compile_schema(msgspec.convert(root, SchemaProps))
    )


def thing(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec}


@QUICK
@given(schemas, values)
def test_admitting_again_changes_nothing(schema, spec):
    """What was cleaned and filled once is clean and full."""
    kind, value = kind_of(schema), thing(copy.deepcopy(spec))
    admit(kind, value)
    once = copy.deepcopy(value)
    assert admit(kind, value).complaints == ()
    assert once == value


@QUICK
@given(schemas, values)
def test_judging_alters_nothing(schema, spec):
    """Validation reads; it never writes."""
    kind, value = kind_of(schema), thing(spec)
    before = copy.deepcopy(value)
    create_problems(kind, value)
    assert before == value


@QUICK
@given(schemas, values)
def test_what_did_not_change_is_never_refused(schema, spec):
    """With ratcheting, an update that changes nothing passes whatever the schema became."""
    node = compile_schema(msgspec.convert(schema, SchemaProps))
    if validate_update(node, spec, copy.deepcopy(spec)):
        # Only values that the schema does not know are not followed.
        pytest.fail("an unchanged value was refused") if _is_known(node, spec) else None


def _is_known(node: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return all(
            (place := node.properties.get(name) or node.additional) is not None and _is_known(place, child)
            for name, child in value.items()
        )
    return not (isinstance(value, list) and node.list_type == "map")


@QUICK
@given(schemas, values, values)
def test_ratcheting_only_ever_forgives(schema, spec, old):
    """An update never has a problem that the same object would not have when it was new."""
    node = compile_schema(msgspec.convert(schema, SchemaProps))
    assert set(validate_update(node, spec, old)) <= set(validate(node, spec))


@QUICK
@given(schemas, values)
def test_a_valid_object_stays_valid_when_it_is_stored_again(schema, spec):
    """Admit, judge, admit, judge: the second answer is the first."""
    kind, value = kind_of(schema), thing(copy.deepcopy(spec))
    admit(kind, value)
    if not create_problems(kind, value):
        convert(value, kind)
        admit(kind, value)
        assert create_problems(kind, value) == []
        again = copy.deepcopy(value)
        value["metadata"]["resourceVersion"] = "1"
        assert update_problems(kind, value, again) == []


parts = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "^", "$", r"\b"]),
    lambda inner: st.one_of(
        st.builds("({})*".format, inner),
        st.builds("({})+".format, inner),
        st.builds("({}){{1,2}}".format, inner),
        st.builds("({}|{})".format, inner, inner),
        st.builds("{}{}".format, inner, inner),
    ),
    max_leaves=5,
)


@QUICK
@given(parts, st.text("ab\n ", max_size=6))
def test_the_automaton_agrees_with_backtracking(pattern, text):
    """Both ways of matching know the same language."""
    import re

    node = parse_pattern(pattern)
    assert (re.search(rewritten(node), text) is not None) == Automaton(node).matches(text)


@QUICK
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_in_a_message_is_the_number(value):
    """What is printed reads back as the same float, in both notations."""
    assert float(float_text(value)) == value
    assert float(json_text(value)) == value
