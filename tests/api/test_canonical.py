"""JSON as Go writes it; every expected text is what `encoding/json` of Go 1.26 gives."""

import math

import orjson
import pytest

from pilotage.api.canonical import canonical_json

TEXTS = [
    ({"b": 1, "a": [True, None, "x"], "B": {}}, '{"B":{},"a":[true,null,"x"],"b":1}'),
    ("<a href='x'>&</a>", '"\\u003ca href=\'x\'\\u003e\\u0026\\u003c/a\\u003e"'),
    ("\u2028\u2029", '"\\u2028\\u2029"'),
    ("é😀\x7f/", '"é😀\x7f/"'),
    ('\x00\b\f\n\r\t\x1f"\\', '"\\u0000\\b\\f\\n\\r\\t\\u001f\\"\\\\"'),
    ({"&<": "\u2028"}, '{"\\u0026\\u003c":"\\u2028"}'),
    ([1.0, -0.0, 4.2, 1e20, 1e21, 1e-6, 9.9e-7, 1e-7, 1.25e-9, 1e16, 123456789012345680000.0],
     "[1,-0,4.2,100000000000000000000,1e+21,0.000001,9.9e-7,1e-7,1.25e-9,10000000000000000,123456789012345680000]"),
    ([5e-324, 1.7976931348623157e308, -2.5e-9], "[5e-324,1.7976931348623157e+308,-2.5e-9]"),
    ([[], {}, [[]], [{}]], "[[],{},[[]],[{}]]"),
    (18446744073709551615, "18446744073709551615"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), TEXTS)
def test_json_is_byte_for_byte_what_go_writes(value, text):
    """Sorted keys, HTML escapes, Go's numbers."""
    assert text.encode() == canonical_json(value)


def test_depth_does_not_matter():
    """What the YAML reader accepts can be hashed."""
    value = []
    for _ in range(511):
        value = [value, 1.0]

    assert canonical_json(value).count(b"[") == 512


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_infinities_are_refused(value):
    """JSON cannot say them."""
    with pytest.raises(ValueError, match="no infinity"):
        canonical_json({"a": value})


@pytest.mark.parametrize("value", [b"x", {1: 2}, {"a": object()}])
def test_what_is_not_json_is_our_bug(value):
    """Bytes in particular are not taken for text that was written already."""
    with pytest.raises(TypeError):
        canonical_json(value)


def test_it_reads_back():
    """Canonical JSON is JSON."""
    value = {"a": ["<&>", "\u2029", {"b": 1.5}]}

    assert value == orjson.loads(canonical_json(value))
