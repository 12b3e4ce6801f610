"""With whose pull secret are the images of a hosted cluster read?"""

from __future__ import annotations

import base64

import msgspec
import pytest

from pilotage.api.core import SECRET
from pilotage.api.meta import ObjectKey
from pilotage.controlplane.image import choose_image
from pilotage.controlplane.observe import observe
from pilotage.images.credentials import Credentials
from pilotage.images.offline import RefusingSource

DEMO = ObjectKey("clusters", "demo")
DOCUMENT = b'{"auths": {"quay.example.com": {"auth": "dXNlcjpzM2NyM3Q="}}}'


@pytest.fixture
async def demo(fleet):
    """A cluster of release 4.19 whose payload brings the component, with `pullSecret: pull-secret`."""
    component = await fleet.component("cpo-4.19")
    release = await fleet.release("4.19.7", component)
    await fleet.settings()
    await fleet.cluster(release=release)
    return fleet


async def put_secret(fleet, **data):
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull-secret", "namespace": "clusters"},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }
    await fleet.store.apply(
        SECRET, ObjectKey("clusters", "pull-secret"), manifest, manager="test", force=True
    )


def with_secrets(fleet, asked):
    """Services whose default source refuses everything: only a pull secret opens the images."""

    def images_with(document):
        Credentials.parse(document)
        asked.append(document)
        return fleet.source

    return msgspec.structs.replace(
        fleet.services, images=RefusingSource("Unauthorized", "anonymous"), images_with=images_with
    )


async def test_images_are_read_with_the_clusters_own_pull_secret(demo):
    """The Secret that the HostedCluster names opens its payload; this process's own access is not used."""
    await put_secret(demo, **{".dockerconfigjson": DOCUMENT})
    asked = []

    decision = choose_image((await observe(with_secrets(demo, asked), DEMO)).facts)

    assert "payload" == decision.rule
    assert {DOCUMENT} == set(asked)


async def test_without_the_secret_this_process_reads(demo):
    """A dump need not hold Secrets; then the user's own access counts."""
    services = msgspec.structs.replace(
        demo.services, images_with=lambda _document: RefusingSource("Unauthorized", "x")
    )

    assert "payload" == choose_image((await observe(services, DEMO)).facts).rule


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"other": b"{}"}, "Secret clusters/pull-secret has no key .dockerconfigjson"),
        (
            {".dockerconfigjson": b'{"auths": {"quay.example.com": {"auth": "bm9jb2xvbg=="}}}'},
            "quay.example.com",
        ),
    ],
)
async def test_a_broken_secret_is_named_and_its_content_is_not(demo, data, expected):
    """Nothing is read as somebody else, and the message says which Secret to mend."""
    await put_secret(demo, **data)

    decision = choose_image((await observe(with_secrets(demo, []), DEMO)).facts)

    assert decision.error is not None
    assert "ReleaseLookupFailed" == decision.error.code
    assert "Secret clusters/pull-secret" in decision.error.message
    assert expected in decision.error.message
    assert "nocolon" not in decision.error.message
