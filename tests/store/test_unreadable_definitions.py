"""A definition in which a value has a type that the API does not know is the sender's fault, not ours."""

import pytest

from pilotage.api.core import CUSTOM_RESOURCE_DEFINITION
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import BadRequestError, WriteOptions
from pilotage.store.embedded.store import EmbeddedStore


async def test_a_value_of_another_type_is_a_bad_request() -> None:
    """The field is named, and nothing is written."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "additionalItems": 3}},
    }
    names = {"kind": "Foo", "plural": "foos"}
    manifest = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.ex.dev"},
        "spec": {"group": "ex.dev", "names": names, "scope": "Namespaced", "versions": [version]},
    }
    async with await EmbeddedStore.open(None, ManualClock(), is_strict=True) as store:
        with pytest.raises(BadRequestError, match="additionalItems"):
            await store.post(CUSTOM_RESOURCE_DEFINITION, "", manifest, WriteOptions(manager="me"))
        assert () == (await store.list(CUSTOM_RESOURCE_DEFINITION)).items
