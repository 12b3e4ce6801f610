"""The simulated outside: the same on every machine, and each cluster there for a reason of its own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from pilotage.api import kinds
from pilotage.controlplane.image import RULES
from pilotage.controlplane.labels import CAPABILITIES
from pilotage.images.disk.layout import OciLayout
from pilotage.images.inspect import inspect_image
from pilotage.images.payload.payload import load_payload
from pilotage.images.reference import parse
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded import EmbeddedStore
from pilotage.world import fleet, payloads


def _nothing(_step: str) -> None:
    """Progress that nobody watches."""


async def built(directory: Path) -> OciLayout:
    layout = OciLayout(directory, create=True)
    await payloads.build(layout, _nothing)
    return layout


def content(directory: Path) -> tuple[set[str], list[str]]:
    """Every blob by digest, and every name with its digest."""
    blobs = {
        path.name for path in (directory / "blobs" / "sha256").iterdir() if not path.name.startswith(".")
    }
    index = json.loads((directory / "index.json").read_bytes())["manifests"]
    return blobs, sorted(json.dumps(each, sort_keys=True) for each in index)


async def test_images_are_built_the_same_everywhere(tmp_path: Path) -> None:
    """Two builds in two places have the same digests, all of them."""
    await built(tmp_path / "one")
    await built(tmp_path / "two")

    assert content(tmp_path / "one") == content(tmp_path / "two")


async def test_the_digests_are_those_of_the_documentation(world: Path) -> None:
    """They change only when somebody changes the samples on purpose: pages and tests name them."""
    layout = OciLayout(world / "registry")
    operator = await layout.resolve(parse(f"{payloads.OPERATOR}:v1.1.0"))

    assert "sha256:66f4304de99b483deb163479e3a6f2c9d8ba2f1b3d9dbc9a6af7bc83f87333a7" == operator.digest


async def test_what_is_there_is_not_built_again(tmp_path: Path) -> None:
    """A second build says nothing and writes nothing; one missing image is the only one that is built."""
    layout = await built(tmp_path / "one")
    before = content(tmp_path / "one")
    steps: list[str] = []
    await payloads.build(layout, steps.append)
    assert ([], before) == (steps, content(tmp_path / "one"))

    index = tmp_path / "one" / "index.json"
    value = json.loads(index.read_bytes())
    value["manifests"] = [each for each in value["manifests"] if "v1.1.0" not in json.dumps(each)]
    index.write_text(json.dumps(value))
    await payloads.build(OciLayout(tmp_path / "one", create=True), steps.append)
    assert ["building HyperShift operator v1.1.0"] == steps
    assert before == content(tmp_path / "one")


@pytest.mark.parametrize("sample", payloads.PAYLOADS, ids=lambda sample: sample.version)
async def test_a_sample_payload_is_a_whole_release(world: Path, sample: payloads.SamplePayload) -> None:
    """It is read as a real one: version, components that can all be read, and boot images for its OS streams."""
    layout = OciLayout(world / "registry")
    payload = await load_payload(layout, parse(f"{payloads.RELEASES}:{sample.tag}"))

    assert sample.version == payload.version
    assert sample.has_cpo == ("hypershift" in payload.components)
    for component in payload.components.values():
        info = await inspect_image(layout, parse(component.image))
        assert {"amd64", "arm64"} == {platform.architecture for platform in info.platforms}


@pytest.mark.parametrize(("tag", "is_whole"), [("v1.0.0", True), ("v1.1.0", True), ("v1.2.0", False)])
async def test_an_operator_forgot_a_label(world: Path, tag: str, is_whole: bool) -> None:
    """v1.2.0 lacks the one that the product image lacks too; all else is there."""
    layout = OciLayout(world / "registry")
    labels = (await inspect_image(layout, parse(f"{payloads.OPERATOR}:{tag}"))).labels
    lost = [each.label for each in CAPABILITIES if each.label not in labels]

    assert (
        [] if is_whole else ["io.openshift.hypershift.control-plane-operator-supports-kas-custom-kubeconfig"]
    ) == lost


def test_every_sample_cluster_is_there_for_a_reason(cli, world: Path) -> None:
    """All rules win somewhere, two errors are shown, and no two clusters show the same thing."""
    items = cli("explain", "cpo-image", "--data-dir", world, "-o", "json").json()["items"]
    rules = Counter(item["rule"] for item in items)

    assert {rule.name for rule in RULES if not rule.is_guard} | {None} == set(rules)
    assert 2 == rules[None]
    clusters = [item for item in fleet.manifests() if item.kind == "HostedCluster"]
    shown = [
        json.dumps(
            [found["rule"], found["version"], cluster.value()["spec"].get("configuration"), _reasons(found)]
        )
        for cluster, found in zip(sorted(clusters, key=lambda each: each.key), items, strict=True)
    ]
    assert [] == [each for each, count in Counter(shown).items() if count > 1]


def _reasons(item: dict) -> list[str]:
    """Why: the reasons of all rules, warnings, and the error."""
    return [entry["reason"] for entry in item["trail"]] + [each["code"] for each in item["warnings"]]


def test_every_image_that_a_sample_names_exists_but_for_the_mistyped_one(cli, world: Path) -> None:
    """The only release that cannot be read is the one that is there to show it."""
    layout = OciLayout(world / "registry")
    names = {
        json.dumps(each) for each in json.loads((layout.directory / "index.json").read_bytes())["manifests"]
    }
    texts = [text for item in fleet.manifests() for text in _images(item.value())]
    missing = {text for text in texts if not any(f'"{text}"' in name for name in names)}

    assert {f"{payloads.RELEASES}:4.20.33-multi"} == missing
    assert len(set(texts)) > 6


def _images(value: object) -> list[str]:
    """Every sample reference in a manifest."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in _images(item)]
    if isinstance(value, list):
        return [text for item in value for text in _images(item)]
    words = value.split() if isinstance(value, str) else []
    return [word for word in words if word.startswith(payloads.REGISTRY) and "@" not in word]


async def test_loading_is_begun_again_until_it_was_finished() -> None:
    """Cut off before the settings, the next load completes it; after them it leaves everything alone."""
    async with await EmbeddedStore.open(None, ManualClock()) as store:
        for item in fleet.manifests()[1:5]:
            await store.apply(kinds.of_object(item), item.key, item.value(), manager=fleet.MANAGER)
        await fleet.load(store)
        loaded = (await store.list(kinds.find("hc"))).items
        assert 10 == len(loaded)

        await store.delete(kinds.find("hc"), loaded[0].key)
        await fleet.load(store)
        assert loaded[1:] == (await store.list(kinds.find("hc"))).items
