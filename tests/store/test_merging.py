"""Merging along shapes: order of lists, kinds of lists and maps, what is owned and what is said about mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.api.meta import Kind
from pilotage.store.embedded.fieldsets import difference, is_field_set, members, path_text, with_named_fields
from pilotage.store.embedded.merging import UnmergeableError, compare, fields_of, merge, remove
from pilotage.store.embedded.schema import ANYTHING, Place, well_known

KEYED = Place({"list": Place(list_type="map", list_keys=("name",))})
SET = Place({"list": Place(list_type="set")})
DEPLOYMENT = well_known(Kind("apps", "v1", "Deployment", "deployments"))


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        pytest.param("abc", "ca", "bca", id="shared items take the order of the config"),
        pytest.param("ab", "ax", "abx", id="new items come last"),
        pytest.param("abc", "axc", "abxc", id="new items stand where the config has them"),
        pytest.param("aby", "ba", "bya", id="an item that only the live list has stays behind its neighbour"),
        pytest.param("xab", "ba", "xba", id="or in front of all"),
        pytest.param("", "ab", "ab", id="nothing there"),
        pytest.param("ab", "", "ab", id="nothing stated"),
    ],
)
@pytest.mark.parametrize("shape", [KEYED, SET], ids=["keyed", "set"])
def test_lists_merge_item_by_item(shape: Place, live: str, config: str, merged: str):
    """Keyed lists and sets keep items of others, in an order that both sides recognise."""

    def items(names: str) -> list[Any]:
        return [{"name": name} for name in names] if shape is KEYED else list(names)

    assert merge({"list": items(live)}, {"list": items(config)}, shape) == {"list": items(merged)}


def test_other_lists_are_one_value():
    """Without knowledge a list is replaced as a whole, and owned as a whole."""
    assert merge({"list": [1, 2]}, {"list": [3]}, ANYTHING) == {"list": [3]}
    assert fields_of({"list": [{"a": 1}]}, ANYTHING) == {"f:list": {}}


def test_an_atomic_map_is_one_value():
    """A map that the schema calls atomic is replaced and owned as a whole."""
    shape = Place({"map": Place(atomic_map=True)})
    assert merge({"map": {"a": 1}}, {"map": {"b": 2}}, shape) == {"map": {"b": 2}}
    assert fields_of({"map": {"b": 2}}, shape) == {"f:map": {}}


def test_fields_of_a_deployment():
    """Ownership of a real shape: containers by name, ports by number and protocol, which is TCP unless said."""
    config = {
        "metadata": {"finalizers": ["pilotage.dev/x"], "labels": {"app": "a"}},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "main",
                            "image": "quay.io/a/b",
                            "ports": [{"containerPort": 80}],
                            "args": ["-v"],
                        }
                    ]
                }
            }
        },
        "status": {},
    }
    assert fields_of(config, DEPLOYMENT) == {
        "f:metadata": {"f:finalizers": {'v:"pilotage.dev/x"': {}}, "f:labels": {"f:app": {}}},
        "f:spec": {
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"main"}': {
                            ".": {},
                            "f:name": {},
                            "f:image": {},
                            "f:args": {},
                            "f:ports": {
                                'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
                            },
                        }
                    }
                }
            }
        },
        "f:status": {},
    }


def test_paths_read_as_the_api_server_prints_them():
    """Fields with dots, items with keys, values with brackets."""
    path = ("f:spec", "f:containers", 'k:{"name":"main","port":80}', "f:args", 'v:"-v"', "i:0")
    assert path_text(path) == '.spec.containers[name="main",port=80].args[="-v"][0]'


NO_KEY = (
    '.list: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn\'t have'
    " default values for any key fields)"
)
NO_MAP = ".list: element 0: associative list with keys may not have non-map elements"
NO_SCALAR = ".list: element 0: associative list without keys has an element that's a map type"


@pytest.mark.parametrize(
    ("shape", "items", "problem"),
    [
        pytest.param(KEYED, [{"size": 1}], NO_KEY, id="no key"),
        pytest.param(KEYED, ["a"], NO_MAP, id="no map"),
        pytest.param(KEYED, [{"name": "a"}] * 2, '.list: duplicate entries for key [name="a"]', id="twice"),
        pytest.param(SET, ["a", "a"], '.list: duplicate entries for key [="a"]', id="twice in a set"),
        pytest.param(SET, [{}], NO_SCALAR, id="a map in a set"),
    ],
)
def test_mistakes_in_lists_are_told_by_place(shape: Place, items: list[Any], problem: str):
    """A list that cannot be merged is refused with the path and the item."""
    with pytest.raises(UnmergeableError) as caught:
        fields_of({"list": items}, shape)
    assert str(caught.value) == problem


def test_a_stored_list_without_keys_is_one_value():
    """What was stored before anybody knew its keys gives way to the first list that has them."""
    live: dict[str, Any] = {"list": [{"size": 1}, {"size": 2}]}
    assert merge(live, {"list": [{"name": "a"}]}, KEYED) == {"list": [{"name": "a"}]}
    assert compare(live, {"list": [{"name": "a"}]}, KEYED).modified


def test_compare_tells_containers_that_come_and_go():
    """What appears or disappears is told with its containers; what changed, by its leaves."""
    old: dict[str, Any] = {"a": {"b": 1}, "list": [{"name": "x", "size": 1}, {"name": "y"}], "same": [1]}
    new: dict[str, Any] = {"c": {"d": {}}, "list": [{"name": "x", "size": 2}], "same": [1]}
    comparison = compare(old, new, KEYED)
    assert comparison.added == {"f:c": {".": {}, "f:d": {}}}
    assert comparison.modified == {"f:list": {'k:{"name":"x"}': {"f:size": {}}}}
    assert comparison.removed == {
        "f:a": {".": {}, "f:b": {}},
        "f:list": {'k:{"name":"y"}': {".": {}, "f:name": {}}},
    }


def test_a_value_of_another_type_is_modified_and_its_parts_come_and_go():
    """A map that becomes a number takes its fields along."""
    comparison = compare({"a": {"b": 1}}, {"a": 1}, ANYTHING)
    assert comparison.modified == {"f:a": {}}
    assert comparison.removed == {"f:a": {"f:b": {}}}


def test_remove_takes_members_and_all_below_them():
    """Removing a member removes its content; a place that is only on the way stays."""
    value: dict[str, Any] = {
        "a": {"b": 1, "c": 2},
        "list": [{"name": "x", "size": 1}, {"name": "y", "size": 2}],
    }
    gone = {"f:a": {"f:b": {}}, "f:list": {'k:{"name":"x"}': {}, 'k:{"name":"y"}': {"f:size": {}}}}
    assert remove(value, gone, KEYED) == {"a": {"c": 2}, "list": [{"name": "y"}]}


def test_named_fields_hold_their_parents():
    """Who owns a field keeps the fields on the way; items of lists are kept only by who owns them."""
    fields = {"f:a": {"f:list": {'k:{"name":"x"}': {"f:b": {}}}}}
    assert set(members(with_named_fields(fields))) == {
        ("f:a",),
        ("f:a", "f:list"),
        ("f:a", "f:list", 'k:{"name":"x"}', "f:b"),
    }
    assert difference(with_named_fields(fields), fields) == {"f:a": {".": {}, "f:list": {}}}


@pytest.mark.parametrize("value", [None, [], {"a": {}}, {"f:a": 1}, {".": {"f:a": {}}}, {"f:a": {"x:b": {}}}])
def test_what_is_no_field_set(value: Any):
    """Text of others is checked before it is worked with."""
    assert not is_field_set(value)
