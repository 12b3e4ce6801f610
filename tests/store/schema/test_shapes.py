"""How places merge: built-in kinds from their published types, custom resources from their schema."""

import json
from pathlib import Path

import pytest

from pilotage.api.meta import Kind
from pilotage.store.schema.builtinshapes import TypePlace, place_of
from pilotage.store.schema.compiled import compile_schema
from pilotage.store.schema.definition import read_definition
from pilotage.store.schema.listtypes import CustomShape
from pilotage.store.schema.places import METADATA, OBJECT

RECORDED = json.loads((Path(__file__).parent / "cases" / "builtin_shapes.json").read_text())


def _defaults(place: TypePlace) -> dict[str, object]:
    """The record leaves out that a text which must be there is empty when it is not."""
    return {name: value for name, value in place.key_defaults.items() if value != ""}


def told(place: TypePlace, path: str = "") -> list[list[object]]:
    """Every place that is more than a plain map or list; schemas, which contain themselves, are left out."""
    if place.atomic_map:
        return [[path, "atomic", [], {}]]
    if path.endswith("openAPIV3Schema"):
        return []
    rows: list[list[object]] = []
    if place.list_type != "atomic":
        rows.append([path, place.list_type, list(place.list_keys), _defaults(place)])
        rows += told(place.items, f"{path}[]") if place.items is not None else []
    for name, child in place.properties.items():
        rows += told(child, f"{path}.{name}")
    return sorted(rows, key=lambda row: str(row[0]))


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_places_say_what_the_openapi_documents_of_the_api_server_say(name):
    """Keyed lists, their keys and defaults, sets and atomic maps of each built-in kind."""
    group_version, kind = name.split()
    group = "" if group_version == "api/v1" else group_version.split("/")[1]
    assert sorted(RECORDED[name], key=lambda row: row[0]) == told(
        place_of(Kind(group, group_version.rpartition("/")[2], kind, ""))
    )


def test_any_kind_has_metadata_that_merges():
    """Finalizers are a set and owners keyed by uid, also for kinds that nobody knows."""
    metadata = OBJECT.field("metadata")
    assert metadata.field("finalizers").list_type == "set"
    assert metadata.field("ownerReferences").list_keys == ("uid",)
    assert metadata.field("ownerReferences").item().atomic_map


def test_a_schema_says_how_its_places_merge():
    """List types, keys with defaults, atomic maps; embedded objects have metadata of their own."""
    schema = {
        "type": "object",
        "properties": {
            "ports": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["port", "protocol"],
                "items": {
                    "type": "object",
                    "required": ["port"],
                    "properties": {
                        "port": {"type": "integer"},
                        "protocol": {"type": "string", "default": "TCP"},
                    },
                },
            },
            "selector": {"type": "object", "x-kubernetes-map-type": "atomic"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "template": {
                "type": "object",
                "x-kubernetes-embedded-resource": True,
                "x-kubernetes-preserve-unknown-fields": True,
            },
        },
    }
    value = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}
    props = read_definition(value).spec.versions[0].props
    assert props is not None
    shape = CustomShape(compile_schema(props))
    ports = shape.field("ports")
    assert (ports.list_type, ports.list_keys, ports.key_defaults) == (
        "map",
        ("port", "protocol"),
        {"protocol": "TCP"},
    )
    assert ports.item().field("port").list_type == "atomic"
    assert shape.field("selector").atomic_map
    assert not shape.field("labels").atomic_map
    assert shape.field("metadata") is METADATA
    assert shape.field("template").field("metadata") is METADATA
    assert shape.field("unknown").field("deeper").list_type == "atomic"
