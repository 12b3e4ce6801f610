"""The CustomResourceDefinitions of our own kinds, as `pilotage crds` prints them."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from pilotage.api import crd, kinds, yaml
from pilotage.api.meta import Kind

GOLDEN = Path(__file__).parent / "cases" / "crds.yaml"


def test_the_definitions_are_those_on_record():
    """A change of a type shows up as a change of the recorded file, to be looked at in review."""
    assert GOLDEN.read_text() == yaml.dump_all(crd.manifest(definition) for definition in kinds.DEFINITIONS)


def places(schema):
    yield schema
    for child in (
        *schema.get("properties", {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ):
        if isinstance(child, dict):
            yield from places(child)


@pytest.mark.parametrize("definition", kinds.DEFINITIONS, ids=lambda definition: definition.kind.kind)
def test_schemas_are_structural(definition):
    """One type for each place, no references and no alternatives, and map keys that every item must have."""
    root = crd.manifest(definition)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    for place in places(root):
        assert isinstance(place.get("type"), str)
        assert not {"$ref", "anyOf", "oneOf", "allOf", "$defs", "definitions"} & place.keys()
        for key in place.get("x-kubernetes-list-map-keys", ()):
            assert key in place["items"]["required"]


class Inner(msgspec.Struct):
    """An item,
    in two lines.

    And a `second` paragraph.
    """

    key: str
    number: float = 0.5


class Sample(msgspec.Struct, rename="camel"):
    metadata: dict[str, Any]
    some_text: Annotated[str, msgspec.Meta(min_length=1, max_length=9, pattern="^a", description="text")] = (
        "abc"
    )
    some_count: Annotated[int, msgspec.Meta(ge=1, le=3)] = 1
    maybe: bool | None = None
    inner: Inner | None = None
    items: Annotated[list[Inner], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=list)
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    anything: Any = None


def test_every_shape_of_a_type_has_its_schema():
    """Bounds, defaults, descriptions, nullable values, lists, maps, and what is not looked into."""
    inner = {
        "type": "object",
        "description": "An item, in two lines.\n\nAnd a second paragraph.",
        "properties": {"key": {"type": "string"}, "number": {"type": "number", "default": 0.5}},
        "required": ["key"],
    }

    assert {
        "metadata": {"type": "object", "additionalProperties": {"x-kubernetes-preserve-unknown-fields": True}},
        "someText": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a", "description": "text", "default": "abc"},
        "someCount": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 3, "default": 1},
        "maybe": {"type": "boolean", "nullable": True},
        "inner": {**inner, "nullable": True},
        "items": {"type": "array", "minItems": 1, "items": inner, "x-kubernetes-list-type": "atomic"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "anything": {"x-kubernetes-preserve-unknown-fields": True},
    } == crd.schema(Sample)["properties"]  # fmt: skip


def test_a_view_without_status_has_no_subresource():
    """And without columns no columns."""
    definition = crd.Definition(Kind("example.com", "v1", "Sample", "samples", namespaced=False), Sample)
    manifest = crd.manifest(definition)

    assert "Cluster" == manifest["spec"]["scope"]
    assert {"name", "served", "storage", "schema"} == manifest["spec"]["versions"][0].keys()
    assert {"type": "object"} == manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][
        "metadata"
    ]


class Ambiguous(msgspec.Struct):
    value: int | str = 0


class Unsayable(msgspec.Struct):
    inner: dict[str, bytes] = msgspec.field(default_factory=dict)


@pytest.mark.parametrize(
    ("view", "path"), [(Ambiguous, "Ambiguous.value"), (Unsayable, r"Unsayable.inner\{\}")]
)
def test_what_a_structural_schema_cannot_say_is_refused(view, path):
    """When the manifest is made, with the path, and not by a cluster."""
    with pytest.raises(TypeError, match=path):
        crd.schema(view)
