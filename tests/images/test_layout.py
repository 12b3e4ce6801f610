"""The image layout on disk: names, digests, referrers, other tools' layouts, several writers at once."""

import asyncio
import json
import shutil
import subprocess
import sys
from contextlib import aclosing

import pytest

from pilotage.images import reference as references
from pilotage.images.digests import digest_of
from pilotage.images.disk.layout import OciLayout, media_type_of
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import Entry, pack, push_image, push_index
from pilotage.images.source import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    Platform,
)

REPO = references.parse("quay.io/team/image")
LAYER = pack([Entry("hello", b"world")])


@pytest.fixture
def layout(tmp_path):
    return OciLayout(tmp_path / "My Layout", create=True)


def entries(layout):
    return json.loads((layout.directory / "index.json").read_text())["manifests"]


def names(layout):
    return [each.get("annotations", {}).get("org.opencontainers.image.ref.name") for each in entries(layout)]


async def chunks(*parts):
    for part in parts:
        yield part


def code_of(caught):
    return caught.value.code


async def test_image_is_found_by_tag_and_by_digest(layout):
    """What was stored under a tag resolves by that tag and by its digest, byte for byte."""
    stored = await push_image(layout, REPO, [LAYER], tag="1.0")
    assert await layout.resolve(REPO.tagged("1.0")) == stored.descriptor()
    assert await layout.resolve(REPO.at(stored.digest)) == stored.descriptor()
    assert (
        await layout.resolve(references.parse(f"quay.io/team/image:gone@{stored.digest}"))
        == stored.descriptor()
    )
    assert await layout.manifest(REPO, stored.digest) == stored
    assert names(layout) == ["quay.io/team/image:1.0"]


async def test_repositories_do_not_see_each_others_tags(layout):
    """One layout holds many repositories; a tag belongs to one of them."""
    await push_image(layout, REPO, [LAYER], tag="1.0")
    other = references.parse("quay.io/team/other")
    await push_image(layout, other, [LAYER], tag="2.0")
    assert await layout.tags(REPO) == ["1.0"]
    assert await layout.tags(other) == ["2.0"]
    for missing in (other.tagged("1.0"), REPO.tagged("2.0"), references.parse("docker.io/team/image:1.0")):
        with pytest.raises(ImageError) as caught:
            await layout.resolve(missing)
        assert code_of(caught) == "NotFound"
        assert str(missing) in caught.value.message


async def test_spelling_of_a_repository_does_not_matter(layout):
    """`ubuntu`, `library/ubuntu` and `docker.io/library/ubuntu` are one repository."""
    stored = await push_image(layout, references.parse("ubuntu"), [LAYER], tag="22.04")
    for text in ("ubuntu:22.04", "docker.io/ubuntu:22.04", "index.docker.io/library/ubuntu:22.04"):
        assert (await layout.resolve(references.parse(text))).digest == stored.digest


async def test_reference_without_tag_and_digest_is_refused(layout):
    """No tag is assumed."""
    with pytest.raises(ImageError, match="no tag or digest specified") as caught:
        await layout.resolve(REPO)
    assert code_of(caught) == "InvalidReference"


async def test_tag_moves(layout):
    """A tag names what was stored under it last; what it named before stays readable by digest."""
    first = await push_image(layout, REPO, [LAYER], labels={"n": "1"}, tag="latest")
    second = await push_image(layout, REPO, [LAYER], labels={"n": "2"}, tag="latest")
    assert (await layout.resolve(REPO.tagged("latest"))).digest == second.digest
    assert (await layout.resolve(REPO.at(first.digest))).digest == first.digest
    assert names(layout) == ["quay.io/team/image:latest"]


async def test_two_tags_of_one_image_are_both_kept(layout):
    """An image may have several names, and storing it again changes nothing."""
    image = await push_image(layout, REPO, [LAYER], tag="a")
    await layout.put_manifest(REPO, image, "b")
    before = (layout.directory / "index.json").stat().st_mtime_ns
    await layout.put_manifest(REPO, image)
    await layout.put_manifest(REPO, image, "b")
    assert sorted(names(layout)) == ["quay.io/team/image:a", "quay.io/team/image:b"]
    assert (layout.directory / "index.json").stat().st_mtime_ns == before


async def test_index_takes_its_children_off_the_list(layout):
    """Children of an index are reachable through it and are no images of their own on the list; tagged ones stay."""
    amd64 = await push_image(layout, REPO, [LAYER], platform=Platform("amd64", "linux"))
    arm64 = await push_image(layout, REPO, [LAYER], platform=Platform("arm64", "linux"), tag="arm")
    assert names(layout) == [f"quay.io/team/image@{amd64.digest}", "quay.io/team/image:arm"]
    children = [(amd64, Platform("amd64", "linux")), (arm64, Platform("arm64", "linux"))]
    index = await push_index(layout, REPO, children)
    assert names(layout) == ["quay.io/team/image:arm", f"quay.io/team/image@{index.digest}"]
    assert (await layout.manifest(REPO, amd64.digest)).index is not None


async def test_index_without_its_children_is_refused(layout):
    """An index is stored after what it names."""
    ghost = Manifest(OCI_MANIFEST, "sha256:" + "1" * 64, b"{}")
    with pytest.raises(ImageError, match="which was not stored"):
        await push_index(layout, REPO, [(ghost, Platform("amd64", "linux"))], tag="broken")
    assert entries(layout) == []


@pytest.mark.parametrize(
    ("size", "parts", "cause"),
    [
        (5, [b"he", b"llo!"], "more than the announced 5 bytes"),
        (5, [b"hell"], "4 of 5 bytes"),
        (5, [b"hellO"], "hash to sha256:"),
    ],
)
async def test_blob_that_does_not_add_up_leaves_nothing(layout, size, parts, cause):
    """A blob is visible whole and verified, or not at all."""
    descriptor = Descriptor("any", digest_of(b"hello"), size)
    with pytest.raises(ImageError, match=cause) as caught:
        await layout.put_blob(REPO, descriptor, chunks(*parts))
    assert code_of(caught) == "ContentIntegrity"
    assert not await layout.has_blob(REPO, descriptor.digest)
    assert list((layout.directory / "blobs" / "sha256").iterdir()) == []


async def test_interrupted_upload_leaves_nothing(layout):
    """An upload that fails in the middle leaves no part behind."""

    async def failing():
        yield b"hel"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await layout.put_blob(REPO, Descriptor("any", digest_of(b"hello"), 5), failing())
    assert list((layout.directory / "blobs" / "sha256").iterdir()) == []


async def test_damaged_content_is_not_handed_out(layout):
    """Bytes that were changed on the disk are recognised, in manifests and at the end of blobs."""
    stored = await push_image(layout, REPO, [LAYER], tag="1")
    blobs = layout.directory / "blobs" / "sha256"
    for digest in (stored.digest, LAYER.descriptor.digest):
        path = blobs / digest.removeprefix("sha256:")
        path.write_bytes(path.read_bytes().replace(b"1", b"2", 1) + b" ")
    with pytest.raises(ImageError) as caught:
        await layout.resolve(REPO.tagged("1"))
    assert code_of(caught) == "ContentIntegrity"
    with pytest.raises(ImageError) as caught:
        _ = [chunk async for chunk in layout.blob(REPO, LAYER.descriptor)]
    assert code_of(caught) == "ContentIntegrity"


async def test_blob_may_be_left_early(layout):
    """A reader that stops in the middle gets no complaint about the rest."""
    big = pack([Entry("big", bytes(3 << 20))], compression="none")
    await push_image(layout, REPO, [big], tag="big")
    async with aclosing(layout.blob(REPO, big.descriptor)) as content:
        assert len(await anext(content)) == 1 << 20


async def test_digests_never_become_paths_outside(layout):
    """A digest out of a foreign document is checked before it names a file."""
    for digest in ("sha256:../../../oci-layout", "sha256:ABC", "../x", ""):
        with pytest.raises(ImageError) as caught:
            await layout.manifest(REPO, digest)
        assert code_of(caught) == "InvalidReference"


async def test_referrers_are_found_by_subject(layout):
    """What names an image as its subject refers to it; other images do not."""
    image = await push_image(layout, REPO, [LAYER], tag="1")
    extra = {"subject": {"mediaType": image.media_type, "digest": image.digest, "size": len(image.raw)}, "artifactType": "application/x-note", "annotations": {"by": "us"}}  # fmt: skip
    note = await push_image(layout, REPO, [LAYER], extra=extra)
    assert await layout.referrers(REPO, image.digest) == [
        Descriptor(OCI_MANIFEST, note.digest, len(note.raw), annotations={"by": "us"}, artifact_type="application/x-note")
    ]  # fmt: skip
    assert await layout.referrers(REPO, note.digest) == []


async def test_referrers_are_found_by_fallback_tag(layout):
    """A registry without referrers API keeps them under the tag `sha256-<hex>`; a copy of that tag counts."""
    image = await push_image(layout, REPO, [LAYER], tag="1")
    note = await push_image(layout, REPO, [LAYER], labels={"note": "x"})
    await push_index(layout, REPO, [(note, Platform())], tag=image.digest.replace(":", "-"))
    found = await layout.referrers(REPO, image.digest)
    assert [each.digest for each in found] == [note.digest]


async def test_names_of_the_layout_itself(layout):
    """`oci:DIR:NAME` takes a tag, a whole reference or a digest; without a name the only image is meant."""
    assert str(layout.reference("1.0")) == "localhost/my-layout:1.0"
    assert layout.reference("quay.io/team/image:1.0") == REPO.tagged("1.0")
    digest = "sha256:" + "a" * 64
    assert layout.reference(digest) == layout.reference("@" + digest) == layout.own.at(digest)
    with pytest.raises(ImageError, match="it holds no image"):
        layout.reference()
    image = await push_image(layout, layout.own, [LAYER], tag="1.0")
    assert names(layout) == ["1.0"]
    assert layout.reference() == layout.own.tagged("1.0")
    assert (await layout.resolve(layout.reference("1.0"))).digest == image.digest
    assert await layout.tags(layout.own) == ["1.0"]
    await push_image(layout, REPO, [LAYER], labels={"x": "y"}, tag="2")
    with pytest.raises(ImageError, match="it holds 2 images") as caught:
        layout.reference()
    assert caught.value.messages == ("1.0", "quay.io/team/image:2")


def test_directory_that_is_no_layout_is_refused(tmp_path):
    """A directory without `oci-layout` is not read, and not turned into one unless asked."""
    with pytest.raises(ImageError, match="no OCI image layout") as caught:
        OciLayout(tmp_path)
    assert code_of(caught) == "NotFound"


async def test_damaged_index_is_an_error_and_not_an_empty_layout(layout):
    """Names that cannot be read are reported with the file."""
    for text in ("{", "[]", '{"manifests": [1]}', '{"manifests": [{"size": 1}]}'):
        (layout.directory / "index.json").write_text(text)
        with pytest.raises(ImageError, match=r"index\.json") as caught:
            await layout.resolve(REPO.tagged("1"))
        assert code_of(caught) == "UnsupportedManifest"


async def test_unknown_members_of_the_index_are_kept(layout):
    """What other tools wrote into `index.json` survives our writes."""
    foreign = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "e" * 64, "size": 1, "annotations": {"org.opencontainers.image.ref.name": "theirs", "x": "y"}, "data": "QQ=="}  # fmt: skip
    document = {"schemaVersion": 2, "manifests": [foreign], "annotations": {"note": "kept"}}
    (layout.directory / "index.json").write_text(json.dumps(document))
    await push_image(layout, REPO, [LAYER], tag="1")
    written = json.loads((layout.directory / "index.json").read_text())
    assert written["annotations"] == {"note": "kept"}
    assert written["manifests"][0] == foreign
    assert len(written["manifests"]) == 2


async def test_changes_of_other_processes_are_seen(layout):
    """A second opener's writes are visible at once."""
    reader = OciLayout(layout.directory)
    for label in ("1", "2", "3"):
        image = await push_image(layout, REPO, [LAYER], labels={"n": label}, tag="moving")
        assert (await reader.resolve(REPO.tagged("moving"))).digest == image.digest


WRITER = """
import asyncio, sys
from pilotage.images import reference
from pilotage.images.layers.build import Entry, pack, push_image
from pilotage.images.disk.layout import OciLayout

async def push(directory, worker):
    layout = OciLayout(directory, create=True)
    for number in range(10):
        name = f"{worker}-{number}"
        repository = reference.parse("quay.io/team/image")
        await push_image(layout, repository, [pack([Entry("hello", b"world")])], labels={"n": name}, tag=name)

asyncio.run(push(*sys.argv[1:]))
"""


async def test_processes_share_one_layout(tmp_path):
    """Three processes that write at the same time lose no name."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "shared")]
    writers = [await asyncio.create_subprocess_exec(*command, str(number)) for number in range(3)]
    assert [await asyncio.wait_for(writer.wait(), 60) for writer in writers] == [0, 0, 0]
    assert len(await OciLayout(tmp_path / "shared").tags(REPO)) == 30


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        ({"mediaType": DOCKER_LIST, "manifests": []}, DOCKER_LIST),
        ({"mediaType": OCI_MANIFEST, "config": {"mediaType": "x", "digest": "y", "size": 1}}, OCI_MANIFEST),
        ({"manifests": []}, OCI_INDEX),
        ({"config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "y", "size": 1}}, OCI_MANIFEST),
        ({"config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": "y", "size": 1}}, DOCKER_MANIFEST),
    ],
)  # fmt: skip
def test_media_type_is_told_by_the_document(document, media_type):
    """A manifest kept without its media type still says what it is."""
    assert media_type_of(json.dumps(document).encode()) == media_type


@pytest.mark.parametrize(
    "raw",
    [b"{}", b"not json", b"[]", b'{"mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"}', b'{"layers": []}'],
)  # fmt: skip
def test_what_is_no_image_has_no_media_type(raw):
    """Old schemas and other documents are refused by their media type."""
    with pytest.raises(ImageError) as caught:
        media_type_of(raw)
    assert code_of(caught) == "UnsupportedManifest"


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
async def test_other_tools_read_and_write_the_same_layout(layout, tmp_path):
    """Skopeo reads what we write and we read what it writes."""
    image = await push_image(layout, layout.own, [LAYER], labels={"io.example": "yes"}, tag="1.0")
    out = subprocess.run(
        ["skopeo", "inspect", f"oci:{layout.directory}:1.0"], capture_output=True, check=True, text=True
    )
    assert json.loads(out.stdout)["Digest"] == image.digest
    copy = tmp_path / "copy"
    subprocess.run(
        ["skopeo", "copy", "--quiet", f"oci:{layout.directory}:1.0", f"oci:{copy}:2.0"], check=True
    )
    theirs = OciLayout(copy)
    assert (await theirs.resolve(theirs.reference("2.0"))).digest == image.digest
    assert theirs.reference() == theirs.own.tagged("2.0")
