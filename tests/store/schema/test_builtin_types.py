"""The types of the built-in kinds that come with the package."""

from collections.abc import Iterator
from typing import Any

import pytest

from pilotage.api.meta import Kind
from pilotage.store.embedded.builtin import BUILT_IN
from pilotage.store.schema import builtintypes


def texts_of(schema: Any, key: str) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, child in schema.items():
            if name == key and isinstance(child, str):
                yield child
            yield from texts_of(child, key)
    elif isinstance(schema, list):
        for child in schema:
            yield from texts_of(child, key)


@pytest.mark.parametrize(
    "kind",
    [builtin.kind for builtin in BUILT_IN.values()],
    ids=lambda kind: f"{kind.api_version} {kind.kind}",
)
def test_each_built_in_kind_has_a_type(kind: Kind):
    """The type of a kind has metadata and says which kind it is."""
    schema = builtintypes.definitions()[builtintypes.root(kind)]
    assert "metadata" in schema["properties"]
    assert {"group": kind.group, "version": kind.version, "kind": kind.kind} in schema[
        "x-kubernetes-group-version-kind"
    ]


def test_no_reference_leads_nowhere():
    """Every type that another one names is there."""
    found = {
        text.removeprefix(builtintypes.REFERENCE)
        for text in texts_of(dict(builtintypes.definitions()), "$ref")
    }
    assert found <= builtintypes.definitions().keys()


def test_no_sentence_came_along():
    """Types only: descriptions stay where they were written."""
    assert list(texts_of(dict(builtintypes.definitions()), "description")) == []


def test_a_kind_of_others_has_no_type():
    """Who asks for the type of a custom resource made a mistake."""
    with pytest.raises(KeyError):
        builtintypes.root(Kind("example.com", "v1", "Widget", "widgets"))
