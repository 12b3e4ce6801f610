"""Which kinds a cluster serves: the two ways in which servers say it come to the same."""

from __future__ import annotations

import msgspec
import pytest

from pilotage.api.errors import RemoteError
from pilotage.store.cluster import ClusterSettings, ClusterStore, read_kubeconfig, requests
from pilotage.store.cluster.discovery import discover


async def test_both_ways_of_discovery_come_to_the_same(real_api) -> None:
    """All at once, as servers since 1.27 say it, or group by group, as older ones do."""
    async with ClusterStore(read_kubeconfig(real_api.kubeconfig), ClusterSettings(rate=0)) as store:
        asked: list[str] = []

        async def ask(path: str) -> bytes:
            asked.append(path)
            request = msgspec.structs.replace(requests.discovery(path), accept="application/json")
            return await store._send(request)

        at_once = await store.kinds()
        one_by_one = await discover(ask)
    assert len(asked) > 10
    assert sorted(map(repr, at_once)) == sorted(map(repr, one_by_one))
    names = {each.kind.resource: each for each in at_once}
    assert ("cm",) == names["configmaps"].kind.short_names
    assert "clusterrole" == names["clusterroles.rbac.authorization.k8s.io"].singular
    assert not names["clusterroles.rbac.authorization.k8s.io"].kind.namespaced
    assert "tokenreviews.authentication.k8s.io" not in names  # cannot be listed


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"groups": 1}'])
async def test_what_is_no_api_server_is_said_so(answer: bytes) -> None:
    """A proxy's page is not taken for an empty cluster."""

    async def ask(_path: str) -> bytes:
        return answer

    with pytest.raises(RemoteError) as told:
        await discover(ask)
    assert told.value.code == "MalformedAnswer"
