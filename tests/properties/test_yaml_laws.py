"""Laws of the YAML reader and writer."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilotage.api.yaml import dump, dump_all, load
from pilotage.api.yaml.scalars import resolve

LAWS = settings(max_examples=300, derandomize=True, deadline=None)

# Characters with a meaning for some YAML reader, and words that some reader takes for something else.
TRICKY = st.sampled_from(
    [" ", "\n", "\t", "\r", ":", "-", "#", "'", '"', "\\", "{", "[", "&", "*", "!", "|", ">", "%", "@", "`", "~", "=", "<<",
     "\u0085", "\u2028", "\u2029", "\ufeff", "\x00", "\x7f", "\u00a0", "\U0001f600", "y", "No", "on", "null", "0o17", "08",
     "1e3", "1_0", "0x1F", "12:30:45", "2026-05-20", ".5", ".inf", "a", "word word", "x" * 90]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.lists(TRICKY, max_size=6).map("".join)
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4))
)


@LAWS
@given(VALUES)
@example({"<<": {"a": 1}, "y": "no", "=": "<<"})
@example("\n leading")
@example(["trailing \n", "a\n\n", "\n", " ", ""])
def test_what_is_written_reads_back_unchanged(value):
    """The round trip holds for every JSON value, however its texts look."""
    assert value == load(dump(value))


@LAWS
@given(VALUES)
def test_key_order_does_not_change_the_value(value):
    """Sorted or not, the same value is read back."""
    assert value == load(dump(value, sort_keys=False))


@LAWS
@given(VALUES)
def test_json_is_read_as_what_it_says(value):
    """JSON objects and arrays are accepted wherever YAML is."""
    assert [value] == load(json.dumps([value]))
    assert [value] == load(json.dumps([value], ensure_ascii=False))


@LAWS
@given(TEXTS)
def test_a_plain_scalar_is_resolved_without_fail(text):
    """Any text resolves; what resolves to text is itself."""
    value = resolve(text)

    assert not isinstance(value, str) or value == text


@LAWS
@given(st.lists(VALUES, min_size=1, max_size=3))
def test_documents_are_separated_by_one_line(values):
    """`dump_all` is `dump` with `---` between."""
    assert "---\n".join(map(dump, values)) == dump_all(values)
