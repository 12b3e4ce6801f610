"""`pilotage explain` reads the images of a cluster with the pull secret that its dump holds."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from pilotage.api import yaml
from pilotage.images.copy import copy_image
from pilotage.images.disk.layout import OciLayout
from pilotage.images.reference import parse
from pilotage.images.registry.client import RegistryClient, RegistrySettings

pytestmark = pytest.mark.registry
SAMPLE = "quay.example.com/openshift/release:4.19.7-multi"


def dump(release: str, document: dict) -> str:
    """One cluster of the release, and the Secret that it names."""
    cluster = {
        "apiVersion": "hypershift.openshift.io/v1beta1",
        "kind": "HostedCluster",
        "metadata": {"name": "private", "namespace": "clusters"},
        "spec": {
            "platform": {"type": "AWS"},
            "release": {"image": release},
            "pullSecret": {"name": "pull-secret"},
        },
    }
    content = base64.b64encode(json.dumps(document).encode()).decode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull-secret", "namespace": "clusters"},
        "data": {".dockerconfigjson": content},
    }
    return yaml.dump_all([cluster, secret])


@pytest.fixture
def private(start_registry, samples: Path):
    """A registry that asks for a password, with a release payload in it: the registry, and the payload's name there."""
    registry = start_registry(password=True)
    destination = registry.reference("ocp/release:4.19.7")

    async def push() -> None:
        settings = RegistrySettings(insecure_hosts=frozenset({registry.host}))
        client = RegistryClient(registry.credentials(), settings)
        await copy_image(OciLayout(samples), parse(SAMPLE), client, destination)
        await client.close()

    asyncio.run(push())
    return registry, str(destination)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_the_secret_of_the_dump_opens_the_registry(pilotage, tmp_path: Path, private, password) -> None:
    """With the right secret the release is read; with a wrong one the decision says that it was refused, not with what."""
    registry, release = private
    pair = base64.b64encode(f"{registry.username}:{password or registry.password}".encode()).decode()
    file = tmp_path / "dump.yaml"
    file.write_text(dump(release, {"auths": {registry.host: {"auth": pair}}}))

    ran = pilotage(f"explain cpo-image -f {file} --insecure-registry {registry.host} -o json")

    (answer,) = json.loads(ran.out)["items"]
    if password:
        assert "ReleaseLookupFailed" == answer["error"]["code"]
        assert registry.host in answer["error"]["message"]
        assert pair not in ran.out + ran.err
    else:
        assert ("payload", "4.19.7") == (answer["rule"], answer["version"])
