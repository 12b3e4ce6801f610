"""A store as plain manifests, and back."""

from __future__ import annotations

from pilotage.api import kinds
from pilotage.api.core import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, NAMESPACE
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import WriteOptions
from pilotage.store.embedded import EmbeddedStore, plain_manifests

ME = WriteOptions(manager="me")
FOO = Kind("ex.dev", "v1", "Foo", "foos")
DEFINITION = {
    "metadata": {"name": "foos.ex.dev"},
    "spec": {
        "group": "ex.dev",
        "names": {"plural": "foos", "kind": "Foo"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": {"x": {"type": "integer"}}}},
                    }
                },
            }
        ],
    },
}


async def test_a_store_travels_as_manifests():
    """What one store exports another takes, in that order, and exports the same again."""
    async with await EmbeddedStore.open(None, ManualClock(), is_strict=True) as first:
        await first.post(CUSTOM_RESOURCE_DEFINITION, "", DEFINITION, ME)
        await first.post(NAMESPACE, "", {"metadata": {"name": "team"}}, ME)
        await first.post(FOO, "team", {"metadata": {"name": "a"}, "spec": {"x": 1}}, ME)
        await first.post(CONFIG_MAP, "team", {"metadata": {"name": "b"}, "data": {"k": "v"}}, ME)
        told = plain_manifests((await first.everything()).items)
    assert [manifest["kind"] for manifest in told[:2]] == ["CustomResourceDefinition", "Namespace"]
    assert told[-1] == {
        "apiVersion": "ex.dev/v1",
        "kind": "Foo",
        "metadata": {"name": "a", "namespace": "team"},
        "spec": {"x": 1},
    }
    async with await EmbeddedStore.open(None, ManualClock(), is_strict=True) as second:
        for manifest in told:
            item = Object.of(manifest)
            kind = FOO if item.kind == "Foo" else kinds.of_object(item)
            await second.apply(kind, ObjectKey(item.meta.namespace, item.meta.name), manifest, manager="me")
        assert plain_manifests((await second.everything()).items) == told
