"""How manifests look when we write them: as Kubernetes tools write them."""

import math
from pathlib import Path

import pytest

from pilotage.api.yaml import dump, load

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

# Value and text; each text is what `sigs.k8s.io/yaml` 1.6.0 writes.
TEXTS = [
    ({"b": [{"x": 1, "a": [1, 2]}, "c"], "a": {}}, "a: {}\nb:\n- a:\n  - 1\n  - 2\n  x: 1\n- c\n"),
    ({"v1beta10": 1, "v1beta2": 2, "a_b": 3, "aZ": 4, "a-b": 5}, "a-b: 5\na_b: 3\naZ: 4\nv1beta2: 2\nv1beta10: 1\n"),
    ({"x007": 1, "x07": 2, "x10": 3, "x9": 4}, "x07: 2\nx007: 1\nx9: 4\nx10: 3\n"),
    ({"a": "one\ntwo\n"}, "a: |\n  one\n  two\n"),
    ({"a": "one\ntwo"}, "a: |-\n  one\n  two\n"),
    ({"a": "one\n\n"}, "a: |+\n  one\n\n"),
    ({"a": "trailing \nspace"}, 'a: "trailing \\nspace"\n'),
    ({"a": "tab\there"}, 'a: "tab\\there"\n'),
    ({"a": "word " * 20}, "a: 'word word word word word word word word word word word word word word word word\n  word word word word '\n"),
    (["y", "no", "On", "~", "null", "", "08", "017", "0o17", "1_000", "0x1F", "1e3", ".5", ".inf", "12:30:45", "2026-05-20"],
     ('- "y"\n- "no"\n- "On"\n- "~"\n- "null"\n- ""\n- "08"\n- "017"\n- "0o17"\n- "1_000"\n- "0x1F"\n- "1e3"\n- ".5"\n- ".inf"\n'
     '- "12:30:45"\n- "2026-05-20"\n')),
    (["*a", "{b", "!c", "%d", "@e", "- f", "g: h", "i #j", "k:", "'l", "yes!", "4.20.1", "v1"],
     "- '*a'\n- '{b'\n- '!c'\n- '%d'\n- '@e'\n- '- f'\n- 'g: h'\n- 'i #j'\n- 'k:'\n- '''l'\n- yes!\n- 4.20.1\n- v1\n"),
    ([None, True, 1, 1.0, 4.2, 1e21, 1234567.5, 1e-7, -3], "- null\n- true\n- 1\n- 1\n- 4.2\n- 1e+21\n- 1.2345675e+06\n- 1e-07\n- -3\n"),
    ("é", "é\n"),
    (12, "12\n"),
    (None, "null\n"),
    ([], "[]\n"),
    ({"": ""}, '"": ""\n'),
    ({"a\nb": 1}, "? |-\n  a\n  b\n: 1\n"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), TEXTS)
def test_values_are_written_as_kubernetes_tools_write_them(value, text):
    """Byte for byte, and they read back."""
    assert text == dump(value)
    assert value == load(text)


@pytest.mark.parametrize("text", ["<<", "a\u2028b", "a\u0085b", "a\rb", "\ufeffa"])
def test_texts_that_go_itself_would_misread_are_quoted(text):
    """Merge marks and the line breaks of YAML 1.1 keep their meaning, as keys and as values."""
    assert {text: text} == load(dump({text: text}))
    assert dump(text).startswith('"')


@pytest.mark.parametrize("value", [math.inf, math.nan, [-math.inf]])
def test_what_json_cannot_say_is_refused(value):
    """An infinity would be refused by every reader."""
    with pytest.raises(ValueError, match="JSON has no"):
        dump(value)


@pytest.mark.parametrize("value", [{1: 2}, b"x", {"a": object()}])
def test_what_is_not_a_json_value_is_our_bug(value):
    """Keys are text, values are JSON values."""
    with pytest.raises(TypeError):
        dump(value)


def test_keys_can_keep_their_order():
    """For texts that people read top to bottom."""
    assert "b: 1\na: 2\n" == dump({"b": 1, "a": 2}, sort_keys=False)


@pytest.mark.shared_data
def test_real_manifests_survive_the_round_trip():
    """Every public CRD and provider manifest reads back as it was."""
    files = sorted(SHARED.glob("crds/*.yaml")) + sorted(SHARED.glob("coreos-stream/*.yaml"))
    if not files:
        pytest.skip(f"no public data in {SHARED}")
    for file in files:
        value = load(file.read_text(), file.name)
        assert value
        assert value == load(dump(value)), file.name


@pytest.mark.shared_data
def test_provider_manifests_are_reproduced_byte_for_byte():
    """What upstream's generator committed is what we write from the values it holds."""
    files = sorted(SHARED.glob("capi-providers/*/expected/manifests.yaml"))
    if not files:
        pytest.skip(f"no public data in {SHARED}")
    for file in files:
        text = file.read_text()
        assert text == "---\n".join(dump(load(part)) for part in text.split("\n---\n")), file.parent
