"""What an image says about itself, and which executables it carries."""

import pytest

from pilotage.images import reference as references
from pilotage.images.digests import digest_of
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.inspect import inspect_children, inspect_image
from pilotage.images.layers.build import Entry, manifest_of, pack, push_image, push_index
from pilotage.images.layers.executables import has_executable
from pilotage.images.source import DOCKER_LIST, OCI_MANIFEST, Descriptor, Platform

REPO = references.parse("quay.io/team/image")
AMD64, ARM64 = Platform("amd64", "linux"), Platform("arm64", "linux")
BINARY = "usr/bin/control-plane-operator"
TOOL = pack([Entry(BINARY, b"\x7fELF", 0o755)])
PLAIN = pack([Entry("etc/os-release", b"NAME=x")])


@pytest.fixture
def layout(tmp_path):
    return OciLayout(tmp_path / "layout", create=True)


async def push_raw_config(layout, config, media_type="application/vnd.oci.image.config.v1+json"):
    async def content():
        yield config

    descriptor = Descriptor(media_type, digest_of(config), len(config))
    await layout.put_blob(REPO, descriptor, content())
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}
    config_entry = {"mediaType": media_type, "digest": descriptor.digest, "size": descriptor.size}
    await layout.put_manifest(REPO, manifest_of(document | {"config": config_entry}), "raw")


async def test_single_image(layout):
    """Digest, platform, labels, layers and size of an image without an index."""
    image = await push_image(
        layout, REPO, [PLAIN, TOOL], labels={"b": "2", "a": "1"}, platform=ARM64, tag="1"
    )
    info = await inspect_image(layout, REPO.tagged("1"))
    assert (info.digest, info.image_digest, info.list_digest) == (image.digest, image.digest, "")
    assert info.labels == {"a": "1", "b": "2"}
    assert info.platforms == (ARM64,)
    assert info.layers == (PLAIN.descriptor, TOOL.descriptor)
    assert info.size == PLAIN.descriptor.size + TOOL.descriptor.size
    assert not info.is_multi_arch


async def test_index(layout):
    """The digest of an index is the one to report; labels are those of the image that was chosen."""
    arm = await push_image(layout, REPO, [PLAIN], labels={"arch": "arm"}, platform=ARM64)
    amd = await push_image(layout, REPO, [PLAIN], labels={"arch": "amd"}, platform=AMD64)
    index = await push_index(layout, REPO, [(arm, ARM64), (amd, AMD64)], flavour="docker", tag="1")
    info = await inspect_image(layout, REPO.tagged("1"))
    assert (info.digest, info.list_digest, info.image_digest) == (index.digest, index.digest, amd.digest)
    assert info.media_type == DOCKER_LIST
    assert info.labels == {"arch": "amd"}
    assert info.platforms == (ARM64, AMD64)
    assert info.is_multi_arch
    assert (await inspect_image(layout, REPO.tagged("1"), ARM64)).labels == {"arch": "arm"}
    assert [child.labels["arch"] for child in await inspect_children(layout, REPO, info)] == ["arm", "amd"]


@pytest.mark.parametrize("multi", [True, False])
async def test_platform_that_is_asked_for_must_be_there(layout, multi):
    """Asking for an architecture that the image lacks is an error, with and without an index."""
    image = await push_image(layout, REPO, [PLAIN], platform=AMD64, tag="1")
    if multi:
        await push_index(layout, REPO, [(image, AMD64)], tag="1")
    with pytest.raises(ImageError, match=r"wanted linux/s390x, available: linux/amd64") as caught:
        await inspect_image(layout, REPO.tagged("1"), Platform("s390x", "linux"))
    assert caught.value.code == "NoMatchingPlatform"


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        (b'{"config": {"Labels": {"a": "1"}}, "container_config": {"Labels": {"a": "2"}}}', {"a": "1"}),
        (b'{"container_config": {"Labels": {"a": "2"}}}', {"a": "2"}),
        (b'{"config": null, "container_config": {"Labels": {"a": "2"}}}', {"a": "2"}),
        (b'{"config": {}, "container_config": {"Labels": {"a": "2"}}}', {}),
        (b'{"config": {"Labels": null}}', {}),
        (b"{}", {}),
    ],
)
async def test_labels(layout, config, labels):
    """Labels stand in `config`, or in `container_config` when there is no `config`; none is an empty map."""
    await push_raw_config(layout, config)
    assert (await inspect_image(layout, REPO.tagged("raw"))).labels == labels


@pytest.mark.parametrize(
    ("config", "media_type"),
    [(b"{", "application/vnd.oci.image.config.v1+json"), (b"{}", "application/vnd.cncf.helm.config.v1+json")],
)
async def test_what_is_no_image_is_refused(layout, config, media_type):
    """A broken config and a chart are no images."""
    await push_raw_config(layout, config, media_type)
    with pytest.raises(ImageError) as caught:
        await inspect_image(layout, REPO.tagged("raw"))
    assert caught.value.code == "UnsupportedManifest"


async def push_multi(layout, *layers_of):
    children = []
    for platform, layers in zip((AMD64, ARM64), layers_of, strict=True):
        children.append((await push_image(layout, REPO, layers, platform=platform), platform))
    return await push_index(layout, REPO, children, tag="multi")


@pytest.mark.parametrize(
    ("amd", "arm", "answer", "missing"),
    [
        pytest.param([PLAIN, TOOL], [TOOL], "yes", (), id="both"),
        pytest.param([PLAIN], [PLAIN], "no", ("amd64", "arm64"), id="none"),
        pytest.param([TOOL], [PLAIN], "partial", ("arm64",), id="one"),
        pytest.param([TOOL, pack([Entry("usr/bin/.wh.control-plane-operator")])], [TOOL], "partial", ("amd64",), id="hidden by a whiteout"),
        pytest.param([TOOL, pack([Entry("usr/.wh..wh..opq")])], [TOOL], "partial", ("amd64",), id="hidden by an opaque directory"),
        pytest.param([pack([Entry(BINARY, b"x", 0o644)])], [TOOL], "partial", ("amd64",), id="not executable"),
        pytest.param([pack([Entry(BINARY, b"", 0o755)])], [TOOL], "partial", ("amd64",), id="empty"),
        pytest.param([pack([Entry(BINARY, kind="directory", mode=0o755)])], [TOOL], "partial", ("amd64",), id="a directory"),
        pytest.param([pack([Entry("bin/x", b"!", 0o711)]), pack([Entry(BINARY, kind="symlink", link="/bin/x")])], [TOOL], "yes", (), id="behind a symlink"),
    ],
)  # fmt: skip
async def test_binary_for_every_architecture(layout, amd, arm, answer, missing):
    """An image carries a binary when every architecture does."""
    index = await push_multi(layout, amd, arm)
    found = await has_executable(layout, REPO.tagged("multi"), "/" + BINARY)
    assert (found.answer, found.missing, found.digest) == (answer, missing, index.digest)


async def test_binary_of_a_single_image(layout):
    """Without an index the architecture comes from the config."""
    await push_image(layout, REPO, [TOOL], platform=ARM64, tag="1")
    found = await has_executable(layout, REPO.tagged("1"), BINARY)
    assert (found.answer, found.present) == ("yes", ("arm64",))


async def test_unreadable_layer_is_an_error_and_not_a_no(layout):
    """What could not be looked at is not absent."""
    await push_image(layout, REPO, [TOOL], tag="1")
    (layout.directory / "blobs" / "sha256" / TOOL.descriptor.digest.removeprefix("sha256:")).unlink()
    with pytest.raises(ImageError) as caught:
        await has_executable(layout, REPO.tagged("1"), BINARY)
    assert caught.value.code == "NotFound"
