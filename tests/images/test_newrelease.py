"""New releases: names, placeholders and pull specs in manifests, and the image that holds them."""

import json
import shutil
import subprocess
import tarfile

import pytest

from pilotage.images import reference as references
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.inspect import inspect_image
from pilotage.images.layers.build import Entry, pack, push_image, push_index
from pilotage.images.payload.manifests import ComponentSource, payload_manifests
from pilotage.images.payload.newrelease import Base, NewRelease, build_release, component_source
from pilotage.images.payload.payload import load_payload
from pilotage.images.source import DOCKER_MANIFEST, Platform

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
REPO = references.parse("quay.io/us/release")
CVO = references.parse("quay.io/us/cvo")
AMD64, ARM64 = Platform("amd64", "linux"), Platform("arm64", "linux")
BASE_LAYER = pack([Entry("usr/bin/cluster-version-operator", b"\x7fELF", 0o755)])


def component(name="etcd", manifests=None, versions="", digest=DIGEST):
    annotations = {"io.openshift.build.versions": versions} if versions else {}
    return ComponentSource(name, f"quay.io/us/{name}@{digest}", manifests or {}, annotations)


def release(*components, version="4.21.0", **more):
    return NewRelease(version, components or (component(),), **more)


def image_references(**images):
    tags = [{"name": name, "from": {"kind": "DockerImage", "name": image}} for name, image in images.items()]
    return json.dumps(
        {"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "spec": {"tags": tags}}
    ).encode()


@pytest.fixture
def layout(tmp_path):
    return OciLayout(tmp_path / "layout", create=True)


def test_names():
    """Files outside the global order are put into the component's own place; a taken name gets a number."""
    found = payload_manifests(
        "4.21.0",
        [
            component("b", {"x.yaml": b"3", "0000_10_a.yaml": b"4", "noext": b"5"}),
            component("a", {"0000_10_a.yaml": b"1", "0000_50_b_x.yaml": b"2", "0000_50_b_noext": b"0"}),
            component("c", {"0000_10_a.yaml": b"6"}),
        ],
    )
    assert found == {
        "0000_10_a.yaml": b"1",
        "0000_50_b_noext": b"0",
        "0000_50_b_x.yaml": b"2",
        "0000_10_a_2.yaml": b"4",
        "0000_50_b_noext_2": b"5",
        "0000_50_b_x_2.yaml": b"3",
        "0000_10_a_3.yaml": b"6",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 0.0.1-snapshot", "version: 4.21.0-rc.1"),
        ("0.0.1-snapshot", "4.21.0-rc.1"),
        ("'0.0.1-snapshot' 0.0.1-snapshot,0.0.1-snapshot", "'4.21.0-rc.1' 4.21.0-rc.1,4.21.0-rc.1"),
        ("0.0.1-snapshot-kubernetes", "1.34.1"),
        ('"0.0.1-snapshot-kubernetes"\n', '"1.34.1"\n'),
        ("10.0.1-snapshot", "10.0.1-snapshot"),
        ("0.0.1-snapshots", "0.0.1-snapshots"),
        ("0.0.1-snapshot_x", "0.0.1-snapshot_x"),
        ("v0.0.1-snapshot", "v0.0.1-snapshot"),
        ("x-0.0.1-snapshot", "x-4.21.0-rc.1"),
    ],
)
def test_version_placeholders(text, expected):
    """The placeholder stands alone; the build part of the release version is dropped."""
    parts = [
        component("hyperkube", versions="kubernetes=1.34.1+abc"),
        component("x", {"0000_m.yaml": text.encode()}),
    ]
    assert payload_manifests("4.21.0-rc.1+build.5", parts) == {"0000_m.yaml": expected.encode()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image: quay.io/openshift/etcd:latest\n", f"image: quay.io/us/etcd@{DIGEST}\n"),
        ("image: 'quay.io/openshift/etcd'", f"image: 'quay.io/us/etcd@{DIGEST}'"),
        (f"quay.io/openshift/etcd@{OTHER}", f"quay.io/us/etcd@{DIGEST}"),
        ("quay.io/openshift/etcd-operator:v1", "quay.io/openshift/etcd-operator:v1"),
        ("quay.io/openshift/etcd/sub", "quay.io/openshift/etcd/sub"),
        ("xquay.io/openshift/etcd:v1", "xquay.io/openshift/etcd:v1"),
        (
            "quay.io/openshift/etcd:v1 quay.io/openshift/etcd:v2",
            f"quay.io/us/etcd@{DIGEST} quay.io/us/etcd@{DIGEST}",
        ),
    ],
)
def test_image_placeholders(text, expected):
    """A component says by which pull spec its manifests mean which component; locators go with it."""
    local = image_references(etcd="quay.io/openshift/etcd")
    parts = [component("etcd"), component("op", {"0000_m.yaml": text.encode(), "image-references": local})]
    assert payload_manifests("4.21.0", parts) == {"0000_m.yaml": expected.encode()}


def test_every_problem_is_reported():
    """Unknown images, unknown, ambiguous and empty versions: one error that lists them all."""
    parts = [
        component("a", {"0000_1": b"0.0.1-snapshot-nope 0.0.1-snapshot-", "0000_2": b"0.0.1-snapshot-two"}),
        component("b", {"image-references": image_references(ghost="x/y")}),
        component("c", versions="two=1.0.0"),
        component("d", versions="two=2.0.0"),
    ]
    with pytest.raises(ImageError) as caught:
        payload_manifests("4.21.0", parts)
    assert caught.value.code == "MalformedPayloadFile"
    assert [any(text in message for message in caught.value.messages)
            for text in ('"nope"', "empty version", '"two" is not the same', "unknown component ghost")] == [True] * 4  # fmt: skip


async def test_release_from_nothing(layout):
    """One layer in payload order, 0444, readable by our own reader, with the release label."""
    made = await build_release(
        layout,
        REPO.tagged("4.21.0"),
        release(
            component("etcd", {"m.yaml": b"v: 0.0.1-snapshot"}),
            created="2026-05-20T04:35:16Z",
            previous=("4.20.9", "4.20.10"),
            from_release="quay.io/old@x",
        ),
    )
    payload = await load_payload(layout, REPO.tagged("4.21.0"))
    assert payload.digest == made.digest
    assert payload.version == "4.21.0"
    assert payload.content.references.from_release == "quay.io/old@x"
    assert payload.content.references.created == "2026-05-20T04:35:16Z"
    assert payload.metadata.previous == ("4.20.10", "4.20.9")
    assert await payload.manifests() == {"0000_50_etcd_m.yaml": b"v: 4.21.0"}
    assert payload.warnings == ()
    info = await inspect_image(layout, REPO.tagged("4.21.0"))
    assert info.labels == {"io.openshift.release": "4.21.0"}
    assert info.created == "2026-05-20T04:35:16Z"
    (descriptor,) = info.layers
    with tarfile.open(
        layout.directory / "blobs" / "sha256" / descriptor.digest.removeprefix("sha256:")
    ) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [
        "release-manifests",
        "release-manifests/image-references",
        "release-manifests/release-metadata",
        "release-manifests/0000_50_etcd_m.yaml",
    ]
    assert {oct(member.mode) for member in members[1:]} == {"0o444"}


async def test_same_input_same_digest(layout, tmp_path):
    """Nothing of the time, the machine or the order of components gets into the bytes."""
    parts = [component("b", {"x": b"1"}), component("a", {"x": b"2"})]
    one = await build_release(layout, REPO.tagged("1"), release(*parts))
    other = OciLayout(tmp_path / "other", create=True)
    two = await build_release(other, references.parse("elsewhere/x:2"), release(*reversed(parts)))
    assert one == two


async def push_base(layout, *platforms, flavour="docker"):
    images = []
    for platform in platforms:
        config = {
            "config": {"Entrypoint": ["/cvo"], "Labels": {"theirs": "x"}},
            "history": [{"created_by": "x"}],
            "rootfs": {"type": "layers", "diff_ids": [BASE_LAYER.diff_id]},
            "architecture": platform.architecture,
            "os": "linux",
        }
        raw = await push_image(layout, CVO, [], config=config, platform=platform)
        await layout.put_blob(CVO, BASE_LAYER.descriptor, chunks(BASE_LAYER.raw))
        raw = await push_image(
            layout,
            CVO,
            [],
            config=config,
            base_layers=[BASE_LAYER.descriptor],
            platform=platform,
            flavour=flavour,
            tag="base",
        )
        images.append((raw, platform))
    if len(images) > 1:
        return await push_index(layout, CVO, images, tag="base")
    return images[0][0]


async def chunks(raw):
    yield raw


async def test_release_on_a_base(layout, tmp_path):
    """The base's layers and entry point stay, its labels go, its digest is noted, its format is kept."""
    base = await push_base(layout, AMD64)
    target = OciLayout(tmp_path / "target", create=True)
    made = await build_release(target, REPO.tagged("1"), release(), base=Base(layout, CVO.tagged("base")))
    assert made.media_type == DOCKER_MANIFEST
    info = await inspect_image(target, REPO.tagged("1"))
    assert info.labels == {
        "io.openshift.release": "4.21.0",
        "io.openshift.release.base-image-digest": base.digest,
    }
    assert info.layers[0].digest == BASE_LAYER.descriptor.digest
    assert await target.has_blob(REPO, BASE_LAYER.descriptor.digest)
    config = json.loads(b"".join([c async for c in target.blob(REPO, made.image().config)]))
    assert config["config"]["Entrypoint"] == ["/cvo"]
    assert len(config["rootfs"]["diff_ids"]) == 2
    assert "history" not in config
    assert (await load_payload(target, REPO.tagged("1"))).version == "4.21.0"


@pytest.mark.parametrize("with_base", [True, False])
async def test_release_for_several_architectures(layout, with_base):
    """An index of one payload for each architecture; the metadata says multi."""
    base = None
    if with_base:
        await push_base(layout, AMD64, ARM64, flavour="oci")
        base = Base(layout, CVO.tagged("base"))
    platforms = () if with_base else (AMD64, ARM64)
    made = await build_release(layout, REPO.tagged("multi"), release(), base=base, platforms=platforms)
    payload = await load_payload(layout, REPO.tagged("multi"))
    assert payload.digest == made.digest
    assert payload.content.is_multi_arch
    assert payload.content.platforms == (AMD64, ARM64)
    assert payload.metadata.is_multi
    assert payload.warnings == ()


async def test_platform_that_the_base_lacks_is_refused(layout):
    """A release cannot be built for an architecture without a base."""
    await push_base(layout, AMD64)
    with pytest.raises(ImageError) as caught:
        await build_release(
            layout, REPO.tagged("1"), release(), base=Base(layout, CVO.tagged("base")), platforms=(ARM64,)
        )
    assert caught.value.code == "NoMatchingPlatform"


async def test_bad_input_is_listed_whole(layout):
    """Version, names and pull specs are all judged before anything is written."""
    parts = [
        component("a"),
        component("a"),
        ComponentSource("tagged", "quay.io/x/y:1"),
        ComponentSource("odd", "Quay/X@"),
    ]
    with pytest.raises(ImageError) as caught:
        await build_release(layout, REPO.tagged("1"), release(*parts, version="v4"))
    messages = caught.value.messages
    assert caught.value.code == "InvalidReleaseVersion"
    assert len(messages) == 4
    for text in (
        '"v4"',
        "a is given more than once",
        "quay.io/x/y:1 does not point to a digest",
        "component odd: failed to parse image reference",
    ):
        assert any(text in message for message in messages), text
    assert await layout.tags(REPO) == []


@pytest.mark.parametrize(("label", "found"), [("true", {"m.yaml": b"m"}), ("false", {}), (None, {})])
async def test_component_from_its_image(layout, label, found):
    """Only an image with the operator label is searched for manifests; build labels become annotations."""
    labels = {"io.openshift.build.commit.id": "abc", "other": "x"} | (
        {"io.openshift.release.operator": label} if label else {}
    )
    image = await push_image(
        layout,
        CVO,
        [pack([Entry("manifests/m.yaml", b"m"), Entry("manifests/sub/n.yaml", b"n")])],
        labels=labels,
        tag="op",
    )
    source = await component_source(layout, "op", CVO.tagged("op"))
    assert source == ComponentSource(
        "op", f"{CVO}@{image.digest}", found, {"io.openshift.build.commit.id": "abc"}
    )


@pytest.mark.registry
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
async def test_release_at_a_registry(real_registry, open_client):
    """A release built straight into a registry is what other tools see."""
    client = open_client(real_registry.host)
    there = real_registry.reference("us/release:4.21.0")
    made = await build_release(client, there, release(), platforms=(AMD64, ARM64))
    out = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{there}"],
        capture_output=True,
        check=True,
    )
    assert out.stdout == made.raw
    assert (await load_payload(client, there)).version == "4.21.0"
