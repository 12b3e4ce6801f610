"""Laws of server-side apply: sets of fields, merges, ownership."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.store.base import ConflictError
from pilotage.store.embedded.apply import Writer, apply, entries_of, update
from pilotage.store.embedded.fieldsets import (
    difference,
    from_paths,
    intersection,
    is_field_set,
    members,
    union,
    value_step,
)
from pilotage.store.embedded.merging import compare, fields_of, merge
from pilotage.store.embedded.schema import Place

quick = settings(max_examples=60, deadline=None, derandomize=True)

# A schema with every way to merge: fields, a keyed list, a set, an atomic list and an atomic map.
ITEM = Place({"tags": Place(list_type="set")})
SHAPE = Place(
    {
        "metadata": Place({"finalizers": Place(list_type="set")}),
        "spec": Place(
            {
                "items": Place(list_type="map", list_keys=("name",), items=ITEM),
                "set": Place(list_type="set"),
                "selector": Place(atomic_map=True),
            }
        ),
    }
)

scalars = st.one_of(st.integers(0, 3), st.sampled_from(["a", "b"]), st.booleans())
words = st.sampled_from(["a", "b", "c"])


def _items(names: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(
        st.fixed_dictionaries(
            {"name": names}, optional={"size": scalars, "tags": st.lists(words, unique=True, min_size=1)}
        ),
        unique_by=lambda item: item["name"],
        min_size=1,
        max_size=3,
    )


def _specs(prefix: str = "") -> st.SearchStrategy[dict[str, Any]]:
    """Specs; those of different prefixes share no field, item or value.

    Lists that merge by item hold one at least: nobody can own an empty one, as in Kubernetes.
    """
    names = words.map(lambda word: prefix + word)
    return st.fixed_dictionaries(
        {},
        optional={
            "items": _items(names),
            "set": st.lists(names, unique=True, min_size=1, max_size=3),
            **(
                {
                    "selector": st.dictionaries(words, scalars, max_size=2),
                    "list": st.lists(scalars, max_size=2),
                }
                if not prefix
                else {}
            ),
            f"{prefix}nested": st.dictionaries(
                words, st.dictionaries(words, scalars, max_size=2), max_size=2
            ),
            f"{prefix}replicas": scalars,
        },
    )


specs = _specs()
labels = st.dictionaries(words, words, max_size=2)


@st.composite
def configs(draw: st.DrawFn, prefix: str = "") -> dict[str, Any]:
    config: dict[str, Any] = {"spec": draw(_specs(prefix))}
    if draw(st.booleans()):
        config["metadata"] = {"labels": {prefix + name: value for name, value in draw(labels).items()}}
    return config


def by(manager: str, now: str = "2026-05-20T04:35:16Z") -> Writer:
    return Writer(manager, "v1", now)


def bare(value: dict[str, Any]) -> dict[str, Any]:
    """The object without its managers, and without containers that hold nothing: who owns nothing leaves them behind."""
    rest = copy.deepcopy(value)
    rest.get("metadata", {}).pop("managedFields", None)
    return _squeezed(rest)


def _squeezed(value: Any) -> Any:
    if isinstance(value, dict):
        squeezed = {name: _squeezed(child) for name, child in value.items()}
        return {name: child for name, child in squeezed.items() if child not in ({}, [])}
    if isinstance(value, list):
        return sorted((_squeezed(item) for item in value), key=repr)
    return value


def start() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a", "uid": "1"}}


def owners(value: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(entry.manager, entry.operation): entry.fields for entry in entries_of(value)}


paths = st.lists(
    st.lists(
        st.one_of(words.map(lambda word: "f:" + word), scalars.map(value_step)), min_size=1, max_size=3
    ).map(tuple),
    max_size=6,
)


@quick
@given(paths)
def test_a_set_of_fields_survives_its_wire_form(some: list[tuple[str, ...]]):
    """Writing paths as fieldsV1 and reading them back gives the same paths."""
    fields = from_paths(some)
    assert is_field_set(fields)
    assert set(members(fields)) == set(some)
    assert from_paths(members(fields)) == fields


@quick
@given(paths, paths)
def test_set_operations_are_those_of_sets(left: list[tuple[str, ...]], right: list[tuple[str, ...]]):
    """Union, intersection and difference on the wire form do what they do on sets of paths."""
    a, b = from_paths(left), from_paths(right)
    assert set(members(union(a, b))) == set(left) | set(right)
    assert set(members(intersection(a, b))) == set(left) & set(right)
    assert set(members(difference(a, b))) == set(left) - set(right)


@quick
@given(configs(), configs())
def test_functions_leave_their_arguments_alone(first: dict[str, Any], second: dict[str, Any]):
    """Applying, merging and comparing never change what they were given."""
    live = apply(start(), first, SHAPE, by("one"), force=True).value
    before = copy.deepcopy((live, second))
    apply(live, second, SHAPE, by("two"), force=True)
    apply(live, second, SHAPE, by("one"), force=True)
    update(live, {**start(), **second}, SHAPE, by("three"))
    assert (live, second) == before


@quick
@given(configs(), configs())
def test_apply_is_idempotent(first: dict[str, Any], second: dict[str, Any]):
    """The same apply again, later, is no change: not of a field, an owner or a time."""
    live = apply(start(), first, SHAPE, by("one"), force=True).value
    once = apply(live, second, SHAPE, by("two"), force=True)
    again = apply(once.value, second, SHAPE, by("two", "2027-01-01T00:00:00Z"), force=False)
    assert not again.is_changed
    assert again.value is once.value


@quick
@given(configs("x"), configs("y"))
def test_disjoint_applies_commute(first: dict[str, Any], second: dict[str, Any]):
    """Two managers of different fields may come in either order."""
    one, two = by("one"), by("two")
    ab = apply(apply(start(), first, SHAPE, one, force=False).value, second, SHAPE, two, force=False)
    ba = apply(apply(start(), second, SHAPE, two, force=False).value, first, SHAPE, one, force=False)
    assert bare(ab.value) == bare(ba.value)
    assert owners(ab.value) == owners(ba.value)


@quick
@given(configs("x"), configs("y"))
def test_removing_all_of_a_managers_fields_restores(first: dict[str, Any], second: dict[str, Any]):
    """A manager that applies and then applies nothing leaves no trace."""
    alone = apply(start(), first, SHAPE, by("one"), force=False).value
    both = apply(alone, second, SHAPE, by("two"), force=False).value
    left = apply(both, {}, SHAPE, by("two"), force=False).value
    assert bare(left) == bare(alone)
    assert owners(left) == owners(alone)


@quick
@given(configs(), configs())
def test_conflicts_are_symmetric(first: dict[str, Any], second: dict[str, Any]):
    """When one cannot apply over the other, the other cannot apply over the one."""

    def clashes(base: dict[str, Any], over: dict[str, Any]) -> bool:
        live = apply(start(), base, SHAPE, by("one"), force=False).value
        try:
            apply(live, over, SHAPE, by("two"), force=False)
        except ConflictError:
            return True
        return False

    # A container that both hold, empty in one of them, is a leaf on one side only.
    if _squeezed(first) == first_ordered(first) and _squeezed(second) == first_ordered(second):
        assert clashes(first, second) == clashes(second, first)


def first_ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: first_ordered(child) for name, child in value.items()}
    if isinstance(value, list):
        return sorted((first_ordered(item) for item in value), key=repr)
    return value


@quick
@given(configs(), configs())
def test_a_forced_apply_wins(first: dict[str, Any], second: dict[str, Any]):
    """After a forced apply everything that it stated is there, and is owned by it."""
    live = apply(start(), first, SHAPE, by("one"), force=True).value
    after = apply(live, second, SHAPE, by("two"), force=True).value
    stated = fields_of(second, SHAPE)
    assert compare(after, merge(after, second, SHAPE), SHAPE).is_same
    assert owners(after).get(("two", "Apply"), {}) == stated


@quick
@given(configs(), configs())
def test_every_owner_owns_something_that_is_there(first: dict[str, Any], second: dict[str, Any]):
    """No manager is left with fields that the object does not have."""
    live = apply(start(), first, SHAPE, by("one"), force=True).value
    live = apply(live, second, SHAPE, by("two"), force=True).value
    live = update(live, {**start(), "spec": first["spec"]}, SHAPE, by("three")).value
    there = set(members(compare({}, live, SHAPE).added))
    for fields in owners(live).values():
        assert fields
        # An applied empty container stays owned while something stands in it.
        assert set(members(fields)) <= there


@quick
@given(specs, specs)
def test_comparing_with_a_merge_finds_only_what_the_config_states(
    live: dict[str, Any], config: dict[str, Any]
):
    """A merge adds and modifies, inside what was stated; what it drops are parts of values that merge as one."""
    shape = SHAPE.field("spec")
    merged = merge(live, config, shape)
    comparison = compare(live, merged, shape)
    assert comparison.removed == {}
    assert merge(merged, config, shape) == merged


def test_a_field_goes_when_its_last_owner_lets_go():
    """Two managers share a field; it stays after the first has left and goes with the second."""
    config = {"spec": {"nested": {"a": {"b": 1}}}}
    live = apply(start(), config, SHAPE, by("one"), force=False).value
    live = apply(live, config, SHAPE, by("two"), force=False).value
    live = apply(live, {}, SHAPE, by("one"), force=False).value
    assert live["spec"] == config["spec"]
    live = apply(live, {}, SHAPE, by("two"), force=False).value
    assert "spec" not in live


def test_a_conflict_names_manager_and_field():
    """One conflict is told in one line, as the API server words it."""
    live = apply(start(), {"spec": {"replicas": 1}}, SHAPE, by("boss"), force=False).value
    with pytest.raises(ConflictError) as caught:
        apply(live, {"spec": {"replicas": 2}}, SHAPE, by("intern"), force=False)
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "boss": .spec.replicas'


def test_conflicts_with_several_managers_are_listed_by_manager():
    """Several conflicts are grouped by manager; an updater is named with its version."""
    live = apply(
        start(), {"spec": {"items": [{"name": "a", "size": 1}]}}, SHAPE, by("boss"), force=False
    ).value
    live = update(live, {**live, "spec": {**live["spec"], "replicas": 1}}, SHAPE, by("editor")).value
    with pytest.raises(ConflictError) as caught:
        apply(
            live,
            {"spec": {"items": [{"name": "a", "size": 2}], "replicas": 2}},
            SHAPE,
            by("intern"),
            force=False,
        )
    assert str(caught.value) == (
        'Apply failed with 2 conflicts: conflicts with "boss":\n'
        '- .spec.items[name="a"].size\n'
        'conflicts with "editor" using v1:\n'
        "- .spec.replicas"
    )


def test_true_is_not_one():
    """JSON's true and 1 are different values although Python's are equal."""
    live = apply(start(), {"spec": {"replicas": 1}}, SHAPE, by("one"), force=False).value
    outcome = apply(live, {"spec": {"replicas": True}}, SHAPE, by("one"), force=False)
    assert outcome.is_changed
    assert outcome.value["spec"]["replicas"] is True


def test_fields_without_an_owner_are_given_one_before_the_first_apply():
    """An object that nobody manages conflicts with its first applier, who is told so."""
    live = {**start(), "spec": {"replicas": 1}}
    with pytest.raises(ConflictError, match="before-first-apply"):
        apply(live, {"spec": {"replicas": 2}}, SHAPE, by("one"), force=False)
    forced = apply(live, {"spec": {"replicas": 2}}, SHAPE, by("one"), force=True).value
    assert forced["spec"] == {"replicas": 2}
