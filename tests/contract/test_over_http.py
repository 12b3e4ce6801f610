"""The same contract, kept by the embedded API over HTTPS: what is promised of stores holds for clients in other processes, too.

`ClusterStore` talks to a served, strict store as it talks to a real cluster. `DIFFERENCES` and `NOT_HERE` as for that one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilotage.api.meta import ObjectKey
from pilotage.apiserver import kubeconfig
from pilotage.apiserver.server import serving
from pilotage.runtime.clock import ManualClock
from pilotage.store.cluster import ClusterSettings, ClusterStore, read_kubeconfig
from pilotage.store.embedded import EmbeddedStore

from .test_real_cluster import DEFINITION, NAMESPACE, NAMESPACES, NODE_POOL, Secluded, contract, definition

DIFFERENCES = {
    "test_versions_are_global_and_grow": "the namespace is there already, and applying nothing writes nothing",
}
NOT_HERE: dict[str, str] = {
    "test_ten_thousand_objects": "a request for each object: what HTTP costs is measured elsewhere",
}


class Remote(Secluded):
    """The client, and what only the one who serves can do."""

    def __init__(self, store: ClusterStore, served: EmbeddedStore) -> None:
        super().__init__(store)
        self.compact = served.compact


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Remote]:
    name = request.node.name
    if name in NOT_HERE:
        pytest.skip(NOT_HERE[name])
    if name in DIFFERENCES:
        request.applymarker(pytest.mark.xfail(reason=DIFFERENCES[name], strict=True))
    path = tmp_path / "kubeconfig"
    async with (
        await EmbeddedStore.open(None, clock, is_strict=True, bookmark_seconds=0.05) as embedded,
        serving(embedded) as api,
    ):
        kubeconfig.write(path, api.address, api.identity)
        for each in NAMESPACES:
            await embedded.apply(NAMESPACE, ObjectKey("", each), {}, manager="set-up")
        await embedded.apply(DEFINITION, ObjectKey("", NODE_POOL.resource), definition(), manager="set-up")
        async with ClusterStore(read_kubeconfig(path), ClusterSettings(rate=0)) as client:
            remote = Remote(client, embedded)
            await remote.hide_present()
            yield remote


globals().update(contract())
