"""What to copy to mirror a release."""

import json

import pytest

from pilotage.images import reference as references
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.payload.bootimages import FILE as BOOT_IMAGES
from pilotage.images.payload.manifests import ComponentSource
from pilotage.images.payload.mirrorlist import mirror_list, mirror_set
from pilotage.images.payload.newrelease import NewRelease, build_release
from pilotage.images.payload.payload import ReleasePayload, load_payload
from pilotage.images.source import Platform

DIGEST = "sha256:" + "a" * 64
REPO = references.parse("quay.io/openshift-release-dev/ocp-release")
COMPONENTS = tuple(
    ComponentSource(name, f"quay.io/openshift-release-dev/art@{DIGEST}") for name in ("cli", "etcd")
)


def container_disk(reference):
    stream = {
        "stream": "rhcos-4.21",
        "architectures": {"x86_64": {"images": {"kubevirt": {"digest-ref": reference}}}},
    }
    return json.dumps({"kind": "ConfigMap", "data": {"stream": json.dumps(stream)}}).encode()


async def build(tmp_path, *architectures, version="4.21.0", **more) -> ReleasePayload:
    layout = OciLayout(tmp_path / "layout", create=True)
    platforms = tuple(Platform(each, "linux") for each in architectures)
    await build_release(
        layout, REPO.tagged("x"), NewRelease(version, COMPONENTS, **more), platforms=platforms
    )
    return await load_payload(layout, REPO.tagged("x"))


@pytest.mark.parametrize(
    ("architectures", "version", "label"),
    [
        (["amd64"], "4.21.0", "4.21.0-x86_64"),
        (["arm64"], "4.21.0", "4.21.0-aarch64"),
        (["s390x"], "4.21.0", "4.21.0-s390x"),
        (["amd64", "arm64"], "4.21.0", "4.21.0-multi"),
        (["amd64"], "4.21.0+x", "4.21.0_x-x86_64"),
    ],
)
async def test_one_repository(tmp_path, architectures, version, label):
    """Sources by digest, destinations by a tag that says release, architecture and component."""
    payload = await build(tmp_path, *architectures, version=version)
    assert [str(step) for step in mirror_list(payload, "mirror.example.com:5000/ocp/release")] == [
        f"{payload.pull_spec} mirror.example.com:5000/ocp/release:{label}",
        f"quay.io/openshift-release-dev/art@{DIGEST} mirror.example.com:5000/ocp/release:{label}-cli",
        f"quay.io/openshift-release-dev/art@{DIGEST} mirror.example.com:5000/ocp/release:{label}-etcd",
    ]


async def test_pattern(tmp_path):
    """`${component}` and `${version}` place each image."""
    payload = await build(tmp_path, "amd64")
    steps = mirror_list(payload, "mirror.example.com/ocp-${component}:${version}")
    assert [str(step.destination) for step in steps] == [
        f"mirror.example.com/ocp-{name}:4.21.0" for name in ("release", "cli", "etcd")
    ]


async def test_container_disks_are_not_forgotten(tmp_path):
    """The KubeVirt boot image is no component, and is mirrored all the same; one that is a component is listed once."""
    disk = f"quay.io/openshift-release-dev/disk@{DIGEST}"
    payload = await build(tmp_path, "amd64", extra={BOOT_IMAGES: container_disk(disk)})
    step = mirror_list(payload, "mirror.example.com/x")[-1]
    assert (step.name, str(step.source)) == ("kubevirt-rhcos-4.21-x86_64", disk)
    again = await build(tmp_path, "amd64", extra={BOOT_IMAGES: container_disk(COMPONENTS[0].image)})
    assert len(mirror_list(again, "mirror.example.com/x")) == 3


@pytest.mark.parametrize("to", ["mirror.example.com/x:tag", f"mirror.example.com/x@{DIGEST}", "Mirror/X", ""])
async def test_destination_must_be_a_repository(tmp_path, to):
    """A destination with a tag, or that does not parse, is refused once."""
    payload = await build(tmp_path, "amd64")
    with pytest.raises(ImageError) as caught:
        mirror_list(payload, to)
    assert caught.value.code == "InvalidReference"


async def test_mirror_set(tmp_path):
    """Every source repository once, for nodes of the cluster."""
    payload = await build(tmp_path, "amd64")
    document = mirror_set(mirror_list(payload, "mirror.example.com/x"))
    assert document["kind"] == "ImageDigestMirrorSet"
    assert document["spec"]["imageDigestMirrors"] == [
        {"source": "quay.io/openshift-release-dev/art", "mirrors": ["mirror.example.com/x"]},
        {"source": "quay.io/openshift-release-dev/ocp-release", "mirrors": ["mirror.example.com/x"]},
    ]
