"""Which value a Kubernetes reader sees.

`cases/yaml_dialect.json` holds texts with what `sigs.k8s.io/yaml` 1.6.0 (`YAMLToJSONStrict`) made of each: JSON, or an error.
"""

import json
from pathlib import Path

import pytest

from pilotage.api.errors import InputError
from pilotage.api.yaml import Origin, load, read

CASES = json.loads((Path(__file__).parent / "cases" / "yaml_dialect.json").read_text())


def booleans(value):
    """The value with everything but booleans erased: Python holds 1 and true for equal, JSON does not."""
    if isinstance(value, dict):
        return {key: booleans(item) for key, item in value.items()}
    if isinstance(value, list):
        return [booleans(item) for item in value]
    return value if isinstance(value, bool) else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['section']}: {case['yaml'].strip()[:40]!r}")
def test_a_text_means_what_kubernetes_says_it_means(case):
    """The same JSON as the Go library gives, or an error where it gives one."""
    if "error" in case:
        with pytest.raises(InputError) as caught:
            load(case["yaml"], "in.yaml")
        assert "MalformedManifest" == caught.value.code
        assert caught.value.message.startswith("in.yaml: document 1, line ")
    else:
        value = load(case["yaml"])
        assert case["json"] == value
        assert booleans(case["json"]) == booleans(value)


@pytest.mark.parametrize(
    "text",
    ["1: a\n'1': b\n", "1.0: a\n1: b\n", "16777217.0: a\n16777216.0: b\n"],
)
def test_keys_that_become_the_same_text_are_refused(text):
    """Go keeps either value, by chance; here it is a repeated key."""
    with pytest.raises(InputError, match="is set twice in one map"):
        load(text)


def test_binary_that_is_no_text_is_refused():
    """Go replaces the bytes silently; nothing is lost here."""
    with pytest.raises(InputError, match="not UTF-8"):
        load("a: !!binary /w==\n")


def test_every_escape_of_json_is_read():
    """Slash escapes and surrogate pairs are JSON, so a JSON document may hold them."""
    assert {"a": "/😀"} == load('{"a": "\\/\\ud83d\\ude00"}')


def test_half_of_a_surrogate_pair_is_refused():
    """It is no character and could not be written again."""
    with pytest.raises(InputError):
        load('{"a": "\\ud83d"}')


def test_aliases_give_copies():
    """Changing the value of one place does not change the other."""
    value = load("a: &x {k: [1]}\nb: *x\n")
    value["a"]["k"].append(2)

    assert {"k": [1]} == value["b"]


ERRORS = [
    ("a: 1\nb: 2\na: 3\n", ['"a" is set twice', "line 3, column 1"]),
    ("a:\n  - x: 1\n    x: 2\n", ['"x" is set twice', "line 3, column 5"]),
    ("a: .inf\n", ["infinity or NaN", "line 1, column 4"]),
    ("null: 1\n", ["null cannot be a key", "line 1, column 1"]),
    ("a: !!int x\n", ["!!int", "line 1, column 4"]),
    ("a: *x\n", ['unknown anchor "x"', "line 1, column 4"]),
    ("a: &x [*x]\n", ['anchor "x" contains itself']),
    ("%YAML 1.2\n---\na: 1\n", ["%YAML"]),
    ("a: 1\n\tb: 2\n", ["line 2, column 1"]),
    ("a: 1\nb: \x07\n", ["control characters are not allowed", "line 2, column 4"]),
    ("é: 1\nü: \x07\n", ["line 2, column 4"]),
    ("a: 1\nb: [1, 2\nc: 3\n", ["line 3", "while parsing a flow sequence that begins at line 2"]),
    ('{"a": 1,\n "a": 2}', ['"a" is set twice', "line 2, column 2"]),
    ('{"a\\/": 1, "a\\/": 2, "b": "\\ud83d\\ude00"}', ['"a/" is set twice']),
    ("a: \udc80\n", ["surrogate", "line 1"]),
]


@pytest.mark.parametrize(("text", "fragments"), ERRORS)
def test_an_error_says_what_and_where(text, fragments):
    """File, document, line and column, and the problem in words."""
    with pytest.raises(InputError) as caught:
        load(text, "cluster.yaml")

    assert caught.value.message.startswith("cluster.yaml: document 1, line ")
    assert [] == [fragment for fragment in fragments if fragment not in caught.value.message]


def test_all_problems_of_a_document_are_listed():
    """A person with four mistakes hears of four."""
    with pytest.raises(InputError) as caught:
        load("a: 1\na: 2\nb: .nan\nc: !!bool 3\nnull: x\n")

    places = [message.split(":")[0] for message in caught.value.messages]
    assert [
        "document 1, line 2, column 1",
        "document 1, line 3, column 4",
        "document 1, line 4, column 4",
        "document 1, line 5, column 1",
    ] == places
    assert "(and 3 more)" in caught.value.message


def test_a_message_never_shows_a_value():
    """Values may be credentials; keys are not."""
    with pytest.raises(InputError) as caught:
        load("password: !!int hunter2\npassword: !!bool hunter3\n")

    assert "hunter" not in str(caught.value.messages)


def test_places_count_from_the_origin():
    """A document in the middle of a file reports lines of the file."""
    with pytest.raises(InputError, match=r"f\.yaml: document 3, line 12, column 1: "):
        read("a: 1\na: 2\n", Origin("f.yaml", document=3, line=11))


def test_numbers_that_json_spells_otherwise_are_remembered():
    """The reader of a version can warn that an unquoted 4.20 became 4.2."""
    reading = read(
        "spec:\n  versions:\n  - {version: 4.20, cpoImage: a}\n  - version: 4.2\n  mode: 0644\n  n: 5\n  q: '4.20'\n"
    )

    assert [("spec.versions[0].version", "4.20", 4.2, 3), ("spec.mode", "0644", 420, 5)] == [
        (item.path, item.text, item.value, item.line) for item in reading.respelled
    ]
