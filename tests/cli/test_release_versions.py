"""Versions in place of pull specs: from a map, from an instance, from an update graph on loopback."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from pilotage.api.hypershift import HOSTED_CLUSTER
from pilotage.api.meta import ObjectKey
from pilotage.runtime.clock import SystemClock
from pilotage.store.embedded import EmbeddedStore

RELEASE = "quay.example.com/openshift/release"
CHANNELS = "io.openshift.upgrades.graph.release.channels"


@pytest.fixture
async def graph():
    """An update graph that answers by channel; `asked` holds every query, `status` can be another than 200."""

    class Graph:
        def __init__(self):
            self.channels = {}
            self.asked = []
            self.status = 200
            self.url = ""

        async def answer(self, request):
            self.asked.append((request.query["channel"], request.query["arch"], request.headers["Accept"]))
            body = {"nodes": self.channels.get(request.query["channel"], []), "edges": []}
            return web.json_response(body, status=self.status)

    found = Graph()
    app = web.Application()
    app.router.add_get("/graph", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = "http://{}:{}/graph".format(*site._server.sockets[0].getsockname()[:2])
    yield found
    await runner.cleanup()


@pytest.fixture
def instance(samples, tmp_path):
    """The directory of an instance that has the sample images."""
    directory = tmp_path / "instance"
    directory.mkdir()
    (directory / "store.sqlite").touch()
    samples.rename(directory / "registry")
    return directory


def node(version, *channels, payload=None):
    metadata = {CHANNELS: ",".join(channels)} if channels else {}
    return {"version": version, "payload": payload or f"{RELEASE}:{version}-multi", "metadata": metadata}


def test_a_map_comes_first(pilotage, instance, tmp_path):
    """Offline a version is what the map says."""
    file = tmp_path / "versions.yaml"
    file.write_text(f"4.20.3: {RELEASE}:4.20.3-multi\n")
    ran = pilotage(f"release info -o json --offline 4.20.3 --versions {file} --data-dir {instance}")
    assert ran.code == 0, ran.err
    assert ran.json()["image"] == f"{RELEASE}:4.20.3-multi"


@pytest.mark.parametrize("text", ["- 4.20.3\n", "4.20.3: 7\n", "{"])
def test_a_map_that_is_none_is_refused(pilotage, tmp_path, text):
    """The file is named."""
    file = tmp_path / "versions.yaml"
    file.write_text(text)
    ran = pilotage(f"release info --offline 4.20.3 --versions {file}")
    assert ran.code == 2
    assert f"VersionsUnreadable: {file}" in ran.err


def test_offline_an_unknown_version_says_what_to_do(pilotage):
    """No network, no map: name a pull spec."""
    ran = pilotage("release info --offline 4.20.3")
    assert ran.code == 2
    assert "VersionNotFound" in ran.err
    assert "--versions FILE" in ran.err


def test_an_instance_knows_what_its_clusters_ran(pilotage, samples, tmp_path):
    """The history of a hosted cluster names the payload of a version."""
    directory = tmp_path / "instance"
    directory.mkdir()
    samples.rename(directory / "registry")
    status = {
        "version": {
            "history": [{"state": "Completed", "version": "4.19.7", "image": f"{RELEASE}:4.19.7-multi"}]
        }
    }
    cluster = {
        "apiVersion": HOSTED_CLUSTER.api_version,
        "kind": "HostedCluster",
        "metadata": {"name": "a", "namespace": "clusters"},
        "spec": {"release": {"image": f"{RELEASE}:4.20.3-multi"}},
    }

    async def fill():
        async with await EmbeddedStore.open(directory / "store.sqlite", SystemClock()) as store:
            await store.create(HOSTED_CLUSTER, cluster, manager="test")
            await store.patch_status(HOSTED_CLUSTER, ObjectKey("clusters", "a"), status, manager="test")

    asyncio.run(fill())
    ran = pilotage(f"release info -o json --offline 4.19.7 --data-dir {directory}")
    assert ran.code == 0, ran.err
    assert ran.json()["references"]["metadata"]["name"] == "4.19.7"


async def test_the_graph_is_asked_channel_by_channel(pilotage, graph):
    """Without a channel: fast, then stable, then candidate of the minor; a major above 4 is no obstacle."""
    graph.channels["stable-5.0"] = [node("5.0.0-ec.0", "stable-5.0")]
    ran = await asyncio.to_thread(pilotage, f"release info 5.0.0-ec.0 --update-graph {graph.url}")
    assert graph.asked == [
        (channel, "multi", "application/vnd.redhat.cincinnati.v1+json")
        for channel in ("fast-5.0", "stable-5.0")
    ]
    assert ran.code == 3  # found; the sample registry itself is nowhere
    assert f"{RELEASE}:5.0.0-ec.0-multi" in ran.err


async def test_a_channel_that_has_it_not_names_those_that_have(pilotage, graph):
    """The graph knows the release from other channels."""
    graph.channels["stable-4.20"] = [node("4.20.3", "candidate-4.20", "fast-4.20")]
    ran = await asyncio.to_thread(
        pilotage, f"release info 4.20.3 --channel stable-4.20 --arch amd64 --update-graph {graph.url}"
    )
    assert ran.code == 2
    assert "candidate-4.20, fast-4.20" in ran.err
    assert graph.asked[0][:2] == ("stable-4.20", "amd64")


async def test_a_version_that_is_nowhere(pilotage, graph):
    """The error names version and channels."""
    ran = await asyncio.to_thread(pilotage, f"release info 4.20.99 --update-graph {graph.url}")
    assert ran.code == 2
    assert "4.20.99" in ran.err
    assert "fast-4.20, stable-4.20, candidate-4.20" in ran.err


async def test_a_node_without_payload_is_an_error(pilotage, graph):
    """An empty pull spec is not passed on."""
    graph.channels["fast-4.20"] = [{"version": "4.20.3", "payload": "", "metadata": {}}]
    ran = await asyncio.to_thread(pilotage, f"release info 4.20.3 --update-graph {graph.url}")
    assert ran.code == 2
    assert "VersionWithoutPayload" in ran.err


async def test_a_graph_that_fails_is_outside_failure(pilotage, graph):
    """Exit code 3 with the address and the status."""
    graph.status = 404
    ran = await asyncio.to_thread(pilotage, f"release info 4.20.3 --update-graph {graph.url}")
    assert ran.code == 3
    assert f"{graph.url}: it answered 404" in ran.err


async def test_the_environment_names_the_graph(pilotage, graph, monkeypatch):
    """`$PILOTAGE_UPDATE_GRAPH` stands in for the option, for those with an update service of their own."""
    monkeypatch.setenv("PILOTAGE_UPDATE_GRAPH", graph.url)
    await asyncio.to_thread(pilotage, "release diff 4.20.1 4.20.3")
    assert {asked[0] for asked in graph.asked} == {"fast-4.20", "stable-4.20", "candidate-4.20"}


def test_json_map(pilotage, instance, tmp_path):
    """A map may be JSON."""
    file = tmp_path / "versions.json"
    file.write_text(json.dumps({"4.19.7": f"{RELEASE}:4.19.7-multi"}))
    assert pilotage(f"release components --offline 4.19.7 --versions {file} --data-dir {instance}").code == 0
