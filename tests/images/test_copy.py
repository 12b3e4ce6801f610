"""Copies: whole, unchanged, in a safe order, and never twice."""

import json
import shutil
import subprocess

import pytest

from pilotage.images import reference as references
from pilotage.images.copy import copy_image
from pilotage.images.digests import digest_of
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import Entry, pack, push_image, push_index
from pilotage.images.source import OCI_MANIFEST, Manifest, Platform

HERE = references.parse("quay.io/team/image")
THERE = references.parse("mirror.example.com:5000/deep/er/image")
AMD64, ARM64 = Platform("amd64", "linux"), Platform("arm64", "linux")
SHARED = pack([Entry("etc/shared", b"shared")])


def layer(name):
    return pack([Entry(f"usr/{name}", name.encode() * 100)])


async def push_multi(target, reference, tag="1"):
    amd = await push_image(target, reference, [SHARED, layer("amd")], platform=AMD64)
    arm = await push_image(target, reference, [SHARED, layer("arm")], platform=ARM64)
    return await push_index(target, reference, [(amd, AMD64), (arm, ARM64)], tag=tag)


async def push_note(target, reference, subject, name):
    extra = {"subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": len(subject.raw)}}
    return await push_image(target, reference, [layer(name)], extra=extra)


class Recorder(OciLayout):
    """A layout that remembers the order of writes, and can fail at one of them."""

    def __init__(self, directory, fail_at=None):
        super().__init__(directory, create=True)
        self.writes = []
        self.attempts = 0
        self.fail_at = fail_at

    def _attempt(self):
        self.attempts += 1
        if self.fail_at is not None and self.attempts > self.fail_at:
            raise ImageError("RegistryUnreachable", "the disk is gone")

    async def put_blob(self, reference, descriptor, content):
        self._attempt()
        await super().put_blob(reference, descriptor, content)
        self.writes.append(("blob", descriptor.digest))

    async def put_manifest(self, reference, manifest, tag=""):
        self._attempt()
        await super().put_manifest(reference, manifest, tag)
        self.writes.append(("manifest", manifest.digest, tag))


@pytest.fixture
def source(tmp_path):
    return OciLayout(tmp_path / "source", create=True)


@pytest.fixture
def target(tmp_path):
    return Recorder(tmp_path / "target")


async def test_index_arrives_whole_and_unchanged(source, target):
    """Every manifest, config and layer arrives, byte for byte; what two images share is sent once."""
    index = await push_multi(source, HERE)
    result = await copy_image(source, HERE.tagged("1"), target, THERE.tagged("2"))
    assert result.digest == index.digest
    assert await target.resolve(THERE.tagged("2")) == index.descriptor()
    for blob in (source.directory / "blobs" / "sha256").iterdir():
        assert (target.directory / "blobs" / "sha256" / blob.name).read_bytes() == blob.read_bytes()
    assert (result.count("copied"), result.count("existed"), result.count("mounted")) == (8, 0, 0)
    assert len({each.digest for each in result.moved}) == len(result.moved)


async def test_order_is_safe(source, target):
    """A manifest follows its blobs, an index its images, and the tag is last."""
    index = await push_multi(source, HERE)
    await push_note(source, HERE, index, "note")
    await copy_image(source, HERE.tagged("1"), target, THERE.tagged("2"))
    position = {write[1]: number for number, write in enumerate(target.writes)}
    for write in target.writes:
        if write[0] == "manifest":
            document = json.loads((await source.manifest(HERE, write[1])).raw)
            below = [
                *document.get("manifests", []),
                *document.get("layers", []),
                *filter(None, [document.get("config")]),
            ]
            assert all(position[each["digest"]] < position[write[1]] for each in below)
    assert target.writes[-1] == ("manifest", index.digest, "2")


async def test_copy_again_moves_nothing(source, target):
    """A second copy finds everything in place."""
    await push_multi(source, HERE)
    await copy_image(source, HERE.tagged("1"), target, THERE.tagged("2"))
    del target.writes[:]
    again = await copy_image(source, HERE.tagged("1"), target, THERE.tagged("2"))
    assert [write[0] for write in target.writes] == ["manifest"]  # only the tag is set
    assert again.count("copied") == again.count("mounted") == 0


@pytest.mark.parametrize("fail_at", range(9))
async def test_broken_copy_goes_on(source, tmp_path, fail_at):
    """Wherever a copy breaks off, no tag is set, and the next one does the rest."""
    index = await push_multi(source, HERE)
    await push_note(source, HERE, index, "note")
    broken = Recorder(tmp_path / "target", fail_at=fail_at)
    with pytest.raises(ImageError, match="the disk is gone"):
        await copy_image(source, HERE.tagged("1"), broken, THERE.tagged("2"))
    assert await broken.tags(THERE) == []
    whole = Recorder(tmp_path / "target")
    await copy_image(source, HERE.tagged("1"), whole, THERE.tagged("2"))
    assert (await whole.resolve(THERE.tagged("2"))).digest == index.digest
    assert len(await whole.referrers(THERE, index.digest)) == 1
    assert not {write for write in broken.writes if write[0] == "blob"} & set(whole.writes)


async def test_one_platform(source, target):
    """With a platform only that image travels, and the result names its own digest."""
    index = await push_multi(source, HERE)
    result = await copy_image(source, HERE.tagged("1"), target, THERE.tagged("arm"), platform=ARM64)
    assert result.digest == index.index().manifests[1].digest
    assert result.count("copied") == 4
    with pytest.raises(ImageError, match="wanted linux/s390x, available: linux/amd64, linux/arm64"):
        await copy_image(source, HERE.tagged("1"), target, THERE, platform=Platform("s390x", "linux"))


async def test_companions_travel(source, target):
    """Referrers of the index and of its images, referrers of those, and cosign tags come along."""
    index = await push_multi(source, HERE)
    child = await source.manifest(HERE, index.index().manifests[0].digest)
    note = await push_note(source, HERE, index, "note")
    of_note = await push_note(source, HERE, note, "note of a note")
    of_child = await push_note(source, HERE, child, "note of a child")
    tags = [f"{digest.replace(':', '-')}{suffix}" for digest, suffix in
            [(index.digest, ".sig"), (index.digest, ".att"), (child.digest, ".sbom")]]  # fmt: skip
    for tag in tags:
        await push_image(source, HERE, [layer(tag)], tag=tag)
    await push_image(source, HERE, [layer("other")], tag="unrelated")
    result = await copy_image(source, HERE.tagged("1"), target, THERE.tagged("1"))
    assert (result.referrers, result.signatures) == (3, 3)
    assert await target.tags(THERE) == sorted([*tags, "1"])
    for subject, referrer in ((index, note), (note, of_note), (child, of_child)):
        assert [each.digest for each in await target.referrers(THERE, subject.digest)] == [referrer.digest]
    bare = OciLayout(target.directory.parent / "bare", create=True)
    alone = await copy_image(source, HERE.tagged("1"), bare, THERE.tagged("1"), companions=False)
    assert (alone.referrers, alone.signatures, await bare.tags(THERE)) == (0, 0, ["1"])


async def test_one_manifest_may_have_several_roles(source, target):
    """A manifest that is both a referrer and a cosign tag is stored once and named."""
    image = await push_image(source, HERE, [SHARED], tag="1")
    note = await push_note(source, HERE, image, "note")
    tag = image.digest.replace(":", "-") + ".att"
    await source.put_manifest(HERE, note, tag)
    await copy_image(source, HERE.tagged("1"), target, THERE.tagged("1"))
    assert (await target.resolve(THERE.tagged(tag))).digest == note.digest
    assert [each.digest for each in await target.referrers(THERE, image.digest)] == [note.digest]


async def test_copy_by_digest_needs_no_tag(source, target):
    """A digest names source and destination; a destination of another digest is refused."""
    index = await push_multi(source, HERE, tag="")
    result = await copy_image(source, HERE.at(index.digest), target, THERE.at(index.digest))
    assert result.digest == index.digest
    assert await target.tags(THERE) == []
    assert await target.has_manifest(THERE, index.digest)
    with pytest.raises(ImageError, match="names another digest"):
        await copy_image(source, HERE.at(index.digest), target, THERE.at("sha256:" + "0" * 64))


async def test_odd_white_space_survives(source, target):
    """Manifests are never serialised again."""
    image = await push_image(source, HERE, [SHARED])
    raw = json.dumps(json.loads(image.raw), indent=7).encode() + b"\n\n"
    spaced = Manifest(OCI_MANIFEST, digest_of(raw), raw)
    await source.put_manifest(HERE, spaced, "spaced")
    await copy_image(source, HERE.tagged("spaced"), target, THERE.tagged("1"))
    assert (await target.manifest(THERE, spaced.digest)).raw == raw


async def test_progress_tells_every_step(source, target):
    """Progress and result list the same things, once each."""
    await push_multi(source, HERE)
    seen = []
    result = await copy_image(source, HERE.tagged("1"), target, THERE.tagged("2"), progress=seen.append)
    assert tuple(seen) == result.moved
    assert result.size("copied") == sum(each.size for each in seen)


async def test_damaged_layer_stops_the_copy(source, target):
    """Bytes that do not hash to their digest reach no destination."""
    image = await push_image(source, HERE, [layer("x")], tag="1")
    path = source.directory / "blobs" / "sha256" / image.image().layers[0].digest.removeprefix("sha256:")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ImageError) as caught:
        await copy_image(source, HERE.tagged("1"), target, THERE.tagged("1"))
    assert caught.value.code == "ContentIntegrity"
    assert await target.tags(THERE) == []


@pytest.mark.registry
async def test_registry_takes_blobs_over_from_its_own(real_registry, open_client):
    """Inside one registry nothing is sent: blobs are mounted."""
    client = open_client(real_registry.host)
    here, there = real_registry.reference("team/image"), real_registry.reference("other/image")
    index = await push_multi(client, here)
    result = await copy_image(client, here.tagged("1"), client, there.tagged("1"))
    assert {each.way for each in result.moved if each.kind == "blob"} == {"mounted"}
    assert (await client.resolve(there.tagged("1"))).digest == index.digest


@pytest.mark.registry
async def test_layout_to_registry_and_back(real_registry, open_client, source, tmp_path):
    """An image and its companions survive the way through a registry that has no referrers API."""
    client = open_client(real_registry.host)
    index = await push_multi(source, HERE)
    note = await push_note(source, HERE, index, "note")
    await push_image(source, HERE, [layer("sig")], tag=index.digest.replace(":", "-") + ".sig")
    there = real_registry.reference("team/image")
    first = await copy_image(source, HERE.tagged("1"), client, there.tagged("1"))
    back = OciLayout(tmp_path / "back", create=True)
    second = await copy_image(client, there.tagged("1"), back, HERE.tagged("1"))
    assert (first.referrers, first.signatures) == (second.referrers, second.signatures) == (1, 1)
    assert [each.digest for each in await back.referrers(HERE, index.digest)] == [note.digest]
    originals = {path.name: path.read_bytes() for path in (source.directory / "blobs" / "sha256").iterdir()}
    returned = {path.name: path.read_bytes() for path in (back.directory / "blobs" / "sha256").iterdir()}
    assert originals == returned


@pytest.mark.registry
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
async def test_other_tools_see_the_same_image(real_registry, open_client, source, tmp_path):
    """What we push, skopeo pulls, with the digest that we promised."""
    client = open_client(real_registry.host)
    index = await push_multi(source, HERE)
    await copy_image(source, HERE.tagged("1"), client, real_registry.reference("team/image:1"))
    name = f"docker://{real_registry.host}/team/image:1"
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", name], capture_output=True, check=True
    )
    assert raw.stdout == index.raw
    command = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false", name, f"oci:{tmp_path / 'theirs'}:1"]  # fmt: skip
    subprocess.run(command, check=True)
    theirs = OciLayout(tmp_path / "theirs")
    assert (await theirs.resolve(theirs.reference())).digest == index.digest
