"""Many documents in one text: how they are split, read, and reported."""

import json
from pathlib import Path

import pytest

from pilotage.api.errors import InputError
from pilotage.api.manifest import dump_objects, load_documents, load_objects
from pilotage.api.yaml import Limits

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: ns}\n"


def problems(text, read=load_objects, source="in.yaml"):
    with pytest.raises(InputError) as caught:
        read(text, source)
    assert "MalformedManifest" == caught.value.code
    return list(caught.value.messages or (caught.value.message,))


# Text, and number, first line and value of each document that is not null.
SPLITS = [
    ("", []),
    ("---\n", []),
    ("a: 1\n", [(1, 1, {"a": 1})]),
    ("---\na: 1\n---\n", [(1, 2, {"a": 1})]),
    ("a: 1\n---\nb: 2\n", [(1, 1, {"a": 1}), (2, 3, {"b": 2})]),
    ("---\n---\na: 1\n", [(1, 3, {"a": 1})]),
    ("# only a comment\n---\na: 1\n", [(2, 3, {"a": 1})]),
    ("a: 1\n---   # why\n# what\n\nb: 2\n", [(1, 1, {"a": 1}), (2, 5, {"b": 2})]),
    ("a: |\n  x\n  ---\n  y\n---\nb: 2\n", [(1, 1, {"a": "x\n---\ny\n"}), (2, 6, {"b": 2})]),
    ("null\n---\n~\n---\n{}\n", [(3, 5, {})]),
    ("a: 1\r\n---\r\nb: 2\r\n", [(1, 1, {"a": 1}), (2, 3, {"b": 2})]),
    ("\ufeffa: 1\n", [(1, 1, {"a": 1})]),
    ("a: 1\n---", [(1, 1, {"a": 1})]),
    ("a: 1\n...\n", [(1, 1, {"a": 1})]),
    ('{"a": 1}\n{"b": 2}\n\n[3]', [(1, 1, {"a": 1}), (1, 2, {"b": 2}), (1, 4, [3])]),
    ('{"a": 1}{"b": 2}', [(1, 1, {"a": 1}), (1, 1, {"b": 2})]),
    ('{"a": 1}\n---\nb: 2\n---\n{c: 3}', [(1, 1, {"a": 1}), (2, 3, {"b": 2}), (3, 5, {"c": 3})]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SPLITS)
def test_documents_are_split_as_kubernetes_splits_them(text, expected):
    """Separators may carry a comment; null documents are counted and left out; JSON needs no separator."""
    documents = load_documents(text)

    assert expected == [(document.number, document.line, document.value) for document in documents]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_bytes_are_decoded_by_their_mark(encoding):
    """UTF-8 with or without a mark, and what PowerShell redirects."""
    assert [{"é": "ü"}] == [document.value for document in load_documents("é: ü\n".encode(encoding))]


def test_bytes_that_are_no_text_are_refused():
    """The line of the first wrong byte is named."""
    assert ["in.yaml: line 2: the text is not UTF-8"] == problems(b"a: 1\nb: \xff\n", load_documents)


@pytest.mark.parametrize("separator", ["----", "--- a: 1", "---x"])
def test_a_separator_with_content_is_refused(separator):
    """Kubernetes tools refuse it, so content there would be lost."""
    (problem,) = problems(f"a: 1\n{separator}\nb: 2\n", load_documents)

    assert "in.yaml: document 2, line 2, column 4: invalid Yaml document separator" in problem


def test_a_second_document_without_separator_is_refused():
    """After the end mark `...` a document would silently not be read."""
    (problem,) = problems("a: 1\n...\nb: 2\n", load_documents)

    assert "document 1, line 3, column 1: text after the end of the document" in problem


def test_broken_json_after_a_complete_object_is_reported_as_json():
    """Two objects in a row are no YAML, so the message is about JSON."""
    (problem,) = problems('{"a": 1}\n{"b": \n', load_documents)

    assert "document 1, line 3, column 1: Expecting value" in problem


def test_the_problems_of_all_documents_are_raised_together():
    """Each with its document and its line in the file; nothing is returned."""
    text = "a: 1\na: 2\n---\nb: 1\n---\nc: [\n---\nd: .nan\n"

    assert [
        'in.yaml: document 1, line 2, column 1: "a" is set twice in one map',
        "in.yaml: document 3, line 7, column 1: did not find expected node content, while parsing a flow node",
        "in.yaml: document 4, line 8, column 4: an infinity or NaN is no JSON value",
    ] == problems(text, load_documents)


def test_objects_keep_every_field():
    """What our types do not know is in the bytes."""
    text = CONFIG_MAP % "a" + "data: {k: v}\nunknown: {deep: [1, 2.5, {x: null}]}\n"

    (item,) = load_objects(text)

    assert ("ConfigMap", "ns/a") == (item.kind, str(item.key))
    assert {"deep": [1, 2.5, {"x": None}]} == item.value()["unknown"]


def test_a_list_gives_its_items():
    """`kind: List` of mixed kinds, nested lists, and empty ones."""
    text = json.dumps(
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
                {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret"}]},
                {"apiVersion": "v1", "kind": "SecretList", "items": None},
            ],
        }
    )

    assert ["ConfigMap", "Secret"] == [item.kind for item in load_objects(text)]


def test_items_of_a_typed_list_take_its_kind():
    """An API server leaves apiVersion and kind out of the items."""
    text = "apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedClusterList\nitems:\n- metadata: {name: a}\n"

    (item,) = load_objects(text)

    assert ("hypershift.openshift.io/v1beta1", "HostedCluster") == (item.header.api_version, item.kind)


def test_a_kind_that_ends_in_list_without_items_is_an_object():
    """The name alone does not make a list."""
    assert ["AllowList"] == [
        item.kind for item in load_objects("apiVersion: v1\nkind: AllowList\nspec: {}\n")
    ]


FAULTS = [
    ("- a\n", "document 1, line 1: expected an object, found a list"),
    ("just text\n", "expected an object, found text"),
    ("kind: Secret\nmetadata: {name: s, namespace: prod}\n", "Secret prod/s: apiVersion not set"),
    ("apiVersion: v1\nmetadata: {name: s}\n", "object s: kind not set"),
    ("a: 1\n", "object: apiVersion and kind not set"),
    ("apiVersion: 1\nkind: Secret\n", "apiVersion must be text"),
    ("apiVersion: v1\nkind: List\nitems:\n- kind: A\n  apiVersion: v1\n- 5\n", "items[1]: expected an object, found a number"),
    ("apiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {a: 1}}\n", "Secret s: object: Expected `str"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fragment"), FAULTS)
def test_what_is_no_object_is_refused_with_its_place(text, fragment):
    """The message names the document, the line, and the object as far as it names itself."""
    (problem,) = problems("# one\n---\n" + text)

    assert problem.startswith("in.yaml: document 2, line 3: ")
    assert fragment.removeprefix("document 1, line 1: ") in problem


def test_all_bad_objects_are_reported_together():
    """Good documents between bad ones do not hide them."""
    text = "a: 1\n---\n" + CONFIG_MAP % "good" + "---\n- x\n"

    assert [
        "in.yaml: document 1, line 1: object: apiVersion and kind not set",
        "in.yaml: document 3, line 7: expected an object, found a list",
    ] == problems(text)


def test_respelled_numbers_keep_their_place_in_the_file():
    """Whoever reads a version can warn about `4.20` without quotes."""
    (_, document) = load_documents("a: 1\n---\nspec:\n  version: 4.20\n")

    assert [("spec.version", "4.20", 4.2, 4)] == [
        (item.path, item.text, item.value, item.line) for item in document.respelled
    ]


def test_the_limits_can_be_set():
    """A dump may be larger than a manifest."""
    text = "a: " + "x" * 100

    assert load_documents(text)
    with pytest.raises(InputError, match="more than the limit of 50"):
        load_documents(text, limits=Limits(characters=50))


def test_an_object_nested_to_the_limit_is_read_and_written():
    """The JSON side is as deep as the YAML side."""
    text = "apiVersion: v1\nkind: A\nspec: " + "[" * 500 + "1" + "]" * 500 + "\n"

    (item,) = load_objects(text)

    assert [item] == load_objects(dump_objects([item]))


def test_objects_are_written_as_documents():
    """In order, keys sorted, with a separator between."""
    objects = load_objects("kind: B\napiVersion: v1\n---\nkind: A\napiVersion: v1\nz: {'y': 'on'}\n")

    assert 'apiVersion: v1\nkind: B\n---\napiVersion: v1\nkind: A\nz:\n  "y": "on"\n' == dump_objects(objects)


@pytest.mark.shared_data
def test_real_manifest_streams_are_read_whole():
    """Every object of the public provider manifests survives reading and writing."""
    files = sorted(SHARED.glob("capi-providers/*/input/stream.yaml"))
    if not files:
        pytest.skip(f"no public data in {SHARED}")
    for file in files:
        objects = load_objects(file.read_bytes(), file.name)
        assert objects, file
        written = load_objects(dump_objects(objects))
        assert [item.value() for item in objects] == [item.value() for item in written], file
