"""Laws of manifests: nothing of an object is lost between reading and writing."""

import contextlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.api.errors import InputError
from pilotage.api.manifest import dump_objects, load_documents, load_objects

LAWS = settings(max_examples=150, derandomize=True, deadline=None)

NAMES = st.text(st.sampled_from("abcxyz019.-/ \u00e9\u2028"), min_size=1, max_size=6)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), NAMES, st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
)  # fmt: skip
OBJECTS = st.fixed_dictionaries(
    {"apiVersion": st.just("example.com/v1"), "kind": st.sampled_from(["A", "B"]), "spec": VALUES},
    optional={"unknown": VALUES},
)


@LAWS
@given(st.lists(OBJECTS, max_size=4))
def test_objects_survive_reading_and_writing(values):
    """As JSON stream, as List, and as YAML documents, in order and with every field."""
    stream = load_objects("\n".join(map(json.dumps, values)))
    listed = load_objects(json.dumps({"apiVersion": "v1", "kind": "List", "items": values}))
    written = load_objects(dump_objects(stream))

    assert values == [item.value() for item in stream]
    assert values == [item.value() for item in listed]
    assert values == [item.value() for item in written]


@LAWS
@given(
    st.lists(OBJECTS, min_size=1, max_size=4),
    st.lists(st.sampled_from(["---\n", "# c\n", "\n", "--- # c\n"]), max_size=5),
)
def test_empty_documents_do_not_matter(values, noise):
    """Comments and separators around documents change numbers, not values."""
    between = "---\n" + "".join(noise) + "---\n"
    text = between + between.join(
        dump_objects([item]) for item in load_objects("\n".join(map(json.dumps, values)))
    )

    assert values == [document.value for document in load_documents(text)]


@LAWS
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw):
    """Nothing but an InputError ever comes out of a text that somebody sends."""
    with contextlib.suppress(InputError):
        load_documents(raw)
