"""Names on the command line, and images that come as one file."""

import io
import json
import shutil
import subprocess
import tarfile

import pytest

from pilotage.images import reference as references
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.inspect import inspect_image
from pilotage.images.layers.build import Entry, pack, push_image
from pilotage.images.layers.files import read_files
from pilotage.images.locations import Location, load_release, open_source, open_target, parse_location
from pilotage.images.offline import OfflineSource
from pilotage.images.payload.newrelease import NewRelease, build_release

DIGEST = "sha256:" + "a" * 64
LAYER = pack([Entry("etc/hello", b"world")])


@pytest.mark.parametrize(
    ("text", "kind", "path", "name"),
    [
        ("quay.io/org/repo:1", "registry", "", "quay.io/org/repo:1"),
        ("docker://quay.io/org/repo:1", "registry", "", "quay.io/org/repo:1"),
        ("localhost:5000/x", "registry", "", "localhost:5000/x"),
        ("oci:dir", "oci", "dir", ""),
        ("oci:/a/dir:1.0", "oci", "/a/dir", "1.0"),
        ("oci:dir:quay.io/org/repo:1.0", "oci", "dir", "quay.io/org/repo:1.0"),
        (f"oci:dir:quay.io/org/repo@{DIGEST}", "oci", "dir", f"quay.io/org/repo@{DIGEST}"),
        (f"oci:dir@{DIGEST}", "oci", "dir", DIGEST),
        ("oci-archive:a/b.tar:x", "oci-archive", "a/b.tar", "x"),
        ("docker-archive:b.tar", "docker-archive", "b.tar", ""),
        ("./dump", "directory", "dump", ""),
        ("/abs/dump", "directory", "/abs/dump", ""),
        ("../dump", "directory", "../dump", ""),
        (".", "directory", ".", ""),
    ],
)
def test_locations(text, kind, path, name):
    """Prefixes as other tools have them; a path says that it is one."""
    assert parse_location(text) == Location(kind, path, name)


@pytest.mark.parametrize("text", ["oci:", "oci::tag", "docker-archive:"])
def test_path_must_be_given(text):
    """A prefix without a path is refused."""
    with pytest.raises(ImageError, match="the path is missing"):
        parse_location(text)


async def test_release_from_anywhere(tmp_path):
    """The same payload, from a layout, an archive and a directory."""
    layout = OciLayout(tmp_path / "layout", create=True)
    made = await build_release(layout, layout.own.tagged("4.21.0"), NewRelease("4.21.0", ()))
    with tarfile.open(tmp_path / "release.tar", "w") as archive:
        archive.add(layout.directory, ".")
    dump = tmp_path / "dump" / "release-manifests"
    dump.mkdir(parents=True)
    first = await load_release(f"oci:{layout.directory}:4.21.0", OfflineSource)
    for name in ("image-references", "release-metadata"):
        (dump / name).write_bytes(await first.read(name))
    assert (first.version, first.digest) == ("4.21.0", made.digest)
    assert (
        await load_release(f"oci-archive:{tmp_path / 'release.tar'}", OfflineSource)
    ).digest == made.digest
    assert (await load_release(str(tmp_path / "dump"), OfflineSource)).version == "4.21.0"
    with pytest.raises(ImageError) as caught:
        await load_release("quay.io/org/release:4.21.0", OfflineSource)
    assert caught.value.code == "Offline"


async def test_targets(tmp_path):
    """A layout is made when it is not there; an archive is not written."""
    target, reference = open_target(parse_location(f"oci:{tmp_path / 'new'}:quay.io/x/y:1"), OfflineSource)
    assert (tmp_path / "new" / "oci-layout").exists()
    assert str(reference) == "quay.io/x/y:1"
    await push_image(target, reference, [LAYER], tag=reference.tag)
    assert await target.tags(reference) == ["1"]
    with pytest.raises(ImageError, match="to a registry or to oci:DIR"):
        open_target(parse_location("oci-archive:x.tar"), OfflineSource)
    with pytest.raises(ImageError, match="a release payload, not an image"):
        await open_source(parse_location("./x"), OfflineSource)


def docker_archive(path, *, tags=("quay.io/x/y:1",), links=False, name="layer.tar"):
    """What `docker save` writes, by hand: a list, a config, plain layers."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"a": "b"}}}).encode()
    plain = pack([Entry("etc/hello", b"world")], compression="none").raw
    listed = json.dumps(
        [{"Config": "config.json", "RepoTags": list(tags) or None, "Layers": ["one/" + name]}]
    ).encode()
    with tarfile.open(path, "w") as archive:
        stored = {
            "manifest.json": listed,
            "config.json": config,
            ("real.tar" if links else "one/layer.tar"): plain,
        }
        for each, raw in stored.items():
            info = tarfile.TarInfo(each)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
        if links:
            info = tarfile.TarInfo("one/layer.tar")
            info.type, info.linkname = tarfile.SYMTYPE, "../real.tar"
            archive.addfile(info)


@pytest.mark.parametrize("links", [True, False])
async def test_docker_archive(tmp_path, links):
    """Config, labels and files of an image that was saved, links between layers included."""
    docker_archive(tmp_path / "saved.tar", links=links)
    source, reference = await open_source(
        parse_location(f"docker-archive:{tmp_path / 'saved.tar'}"), OfflineSource
    )
    info = await inspect_image(source, reference)
    assert (str(reference), info.labels) == ("quay.io/x/y:1", {"a": "b"})
    image = (await source.manifest(reference, info.image_digest)).image()
    assert await read_files(source, reference, image, ["etc/hello"]) == {"etc/hello": b"world"}
    directory = source.directory
    await source.close()
    assert not directory.exists()


async def test_docker_archive_without_tags(tmp_path):
    """An image that was saved by its identifier has no name and is found as the only one."""
    docker_archive(tmp_path / "saved.tar", tags=())
    source, reference = await open_source(
        parse_location(f"docker-archive:{tmp_path / 'saved.tar'}"), OfflineSource
    )
    assert (await inspect_image(source, reference)).labels == {"a": "b"}
    await source.close()


async def test_broken_archives_are_refused(tmp_path):
    """A missing file, no archive, a climbing path, a missing layer: errors that name the archive."""
    (tmp_path / "text.tar").write_text("no archive")
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../evil"))
    docker_archive(tmp_path / "gap.tar", name="absent.tar")
    docker_archive(tmp_path / "climb.tar", name="../../../etc/passwd")
    for name, code in [
        ("none", "NotFound"),
        ("text", "UnsafeLayer"),
        ("evil", "UnsafeLayer"),
        ("gap", "UnsafeLayer"),
        ("climb", "UnsafeLayer"),
    ]:
        with pytest.raises(ImageError, match=f"{name}\\.tar") as caught:
            await open_source(parse_location(f"docker-archive:{tmp_path / name}.tar"), OfflineSource)
        assert caught.value.code == code
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
async def test_archives_of_other_tools(tmp_path, kind):
    """What skopeo packs, we open."""
    layout = OciLayout(tmp_path / "layout", create=True)
    await push_image(layout, layout.own, [LAYER], labels={"a": "b"}, tag="1")
    place = f"{kind}:{tmp_path / 'packed.tar'}:quay.io/x/y:2"
    subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout.directory}:1", place], check=True)
    source, reference = await open_source(parse_location(place), OfflineSource)
    assert references.parse("quay.io/x/y:2") == reference
    info = await inspect_image(source, reference)
    assert info.labels == {"a": "b"}
    image = (await source.manifest(reference, info.image_digest)).image()
    assert await read_files(source, reference, image, ["etc/hello"]) == {"etc/hello": b"world"}
    await source.close()
