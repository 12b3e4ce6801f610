"""Release payloads: read from images and directories, cached by digest, told in short, and compared."""

import json

import pytest

from pilotage.images import reference as references
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import Entry, pack, push_image, push_index
from pilotage.images.payload.bootimages import FILE as BOOT_IMAGES
from pilotage.images.payload.changes import compare_manifests, compare_payloads
from pilotage.images.payload.files import kind_of
from pilotage.images.payload.payload import PayloadCache, load_directory, load_payload
from pilotage.images.payload.summary import parse_summary, summary_of
from pilotage.images.source import Platform

REPO = references.parse("quay.io/openshift-release-dev/ocp-release")
DIGEST = "sha256:" + "a" * 64
AMD64, ARM64 = Platform("amd64", "linux"), Platform("arm64", "linux")
BASE = pack([Entry("usr/bin/cluster-version-operator", bytes(range(256)) * 400)])


def image_references(version="4.21.0", **components):
    components = components or {"etcd": f"quay.io/x/etcd@{DIGEST}"}
    tags = [
        {"name": name, "from": {"kind": "DockerImage", "name": image}} for name, image in components.items()
    ]
    document = {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": version},
        "spec": {"tags": tags},
    }
    return json.dumps(document).encode()


def metadata(version="4.21.0", previous=(), **more):
    return json.dumps(
        {"kind": "cincinnati-metadata-v0", "version": version, "previous": list(previous), "metadata": more}
    ).encode()


def boot_images(release, version="4.21.0"):
    stream = {
        "stream": "rhcos-4.21",
        "architectures": {
            "x86_64": {
                "images": {"aws": {"regions": {"us-east-1": {"release": release, "image": f"ami-{release}"}}}}
            }
        },
    }
    data = {"stream": json.dumps(stream), "releaseVersion": version}
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coreos-bootimages"}, "data": data}
    ).encode()


def files(**changes):
    found = {
        "image-references": image_references(),
        "release-metadata": metadata(),
        BOOT_IMAGES: boot_images("9.8"),
        "0000_10_etcd.yaml": b"kind: A\n",
        "0000_20_x.json": b"{}",
        "mystery": b"?",
    } | changes
    return {name: raw for name, raw in found.items() if raw is not None}


def layer_of(found):
    return pack(
        [
            Entry("release-manifests", kind="directory", mode=0o755),
            *(Entry(f"release-manifests/{name}", raw, 0o444) for name, raw in found.items()),
        ]
    )


class Counted(OciLayout):
    """A layout that counts what is read from it."""

    def __init__(self, directory):
        super().__init__(directory, create=True)
        self.blobs = []

    async def blob(self, reference, descriptor):
        self.blobs.append(descriptor.digest)
        async for chunk in super().blob(reference, descriptor):
            yield chunk


@pytest.fixture
def layout(tmp_path):
    return Counted(tmp_path / "layout")


async def push(layout, found, tag="4.21.0", platform=AMD64):
    return await push_image(layout, REPO, [BASE, layer_of(found)], platform=platform, tag=tag)


async def load(layout, **changes):
    await push(layout, files(**changes))
    return await load_payload(layout, REPO.tagged("4.21.0"))


async def test_payload_of_an_image(layout):
    """Version, components, metadata, boot images and files of one payload; the base layer is not read."""
    image = await push(layout, files())
    layout.blobs.clear()
    payload = await load_payload(layout, REPO.tagged("4.21.0"))
    assert BASE.descriptor.digest not in layout.blobs
    assert (payload.version, payload.display_version) == ("4.21.0", "4.21.0")
    assert payload.pull_spec == f"{REPO}@{image.digest}"
    assert payload.image_of("etcd") == f"quay.io/x/etcd@{DIGEST}"
    assert payload.boot_images().stream_for().stream.architectures["x86_64"].aws("us-east-1") == "ami-9.8"
    assert [(file.name, file.kind) for file in payload.files if file.kind == "unknown"] == [
        ("mystery", "unknown")
    ]
    assert payload.warnings == ()
    assert str(payload.semantic_version()) == "4.21.0"


async def test_manifests_are_read_when_they_are_wanted(layout):
    """The list of files is known at once, their bytes are fetched on demand."""
    payload = await load(layout)
    assert await payload.manifests() == {
        "0000_10_etcd.yaml": b"kind: A\n",
        "0000_20_x.json": b"{}",
        BOOT_IMAGES: boot_images("9.8"),
    }
    assert await payload.read("mystery") == b"?"
    with pytest.raises(ImageError, match="release-manifests/absent"):
        await payload.read("absent")


async def test_index_is_reported_by_its_own_digest(layout):
    """A multi payload is pinned by the digest of its index; any of its images tells the rest."""
    multi = files(**{"release-metadata": metadata(**{"release.openshift.io/architecture": "multi"})})
    images = [(await push(layout, multi, "", platform), platform) for platform in (ARM64, AMD64)]
    index = await push_index(layout, REPO, images, flavour="docker", tag="multi")
    payload = await load_payload(layout, REPO.tagged("multi"))
    assert (payload.digest, payload.content.image_digest) == (index.digest, images[1][0].digest)
    assert payload.content.is_multi_arch
    assert payload.content.platforms == (ARM64, AMD64)
    chosen = await load_payload(layout, REPO.tagged("multi"), ARM64)
    assert chosen.content.image_digest == images[0][0].digest
    assert chosen.digest == index.digest


@pytest.mark.parametrize(
    ("changes", "code", "fragments"),
    [
        ({"image-references": None}, "MissingPayloadFile", ["image-references", "ocp-release:4.21.0"]),
        (
            {"image-references": b"{}"},
            "NotAReleasePayload",
            ["unrecognized image-references", "ocp-release:4.21.0"],
        ),
        (
            {"image-references": b'{"kind": "ImageStream"'},
            "MalformedPayloadFile",
            ["image-references", "line 1"],
        ),
        ({"image-references": b""}, "NotAReleasePayload MalformedPayloadFile", ["image-references"]),
        ({"release-metadata": b"{"}, "MalformedPayloadFile", ["release-metadata", "ocp-release:4.21.0"]),
    ],
)
async def test_unusable_payload(layout, changes, code, fragments):
    """What decisions need is judged when the payload is read; the error names file and reference."""
    with pytest.raises(ImageError) as caught:
        await load(layout, **changes)
    assert caught.value.code in code.split()
    for fragment in fragments:
        assert fragment in caught.value.message


async def test_component_image_is_no_payload(layout):
    """An image without the directory is refused by the missing file."""
    await push_image(layout, REPO, [BASE], tag="component")
    with pytest.raises(ImageError, match="image-references") as caught:
        await load_payload(layout, REPO.tagged("component"))
    assert caught.value.code == "MissingPayloadFile"


async def test_optional_files(layout):
    """Without metadata and boot images a payload is usable; asking for boot images is an error then."""
    payload = await load(layout, **{"release-metadata": None, BOOT_IMAGES: None})
    assert payload.metadata is None
    assert payload.display_version == "4.21.0"
    with pytest.raises(ImageError) as caught:
        payload.boot_images()
    assert caught.value.code == "MissingPayloadFile"
    assert BOOT_IMAGES in caught.value.message


async def test_broken_boot_images_are_a_warning_for_others(layout):
    """A boot image file that does not parse hurts only who asks for boot images."""
    payload = await load(layout, **{BOOT_IMAGES: b"data: [1]"})
    assert [warning.code for warning in payload.warnings] == ["MalformedPayloadFile"]
    with pytest.raises(ImageError, match="ConfigMap"):
        payload.boot_images()


async def test_versions_that_differ_are_warned_of(layout):
    """The ImageStream decides, the metadata is shown."""
    payload = await load(layout, **{"release-metadata": metadata("4.21.1")})
    assert (payload.version, payload.display_version) == ("4.21.0", "4.21.1")
    assert "VersionMismatch" in {warning.code for warning in payload.warnings}


async def test_missing_component_and_odd_version(layout):
    """Errors name the component, the version and the payload."""
    payload = await load(layout, **{"image-references": image_references("nightly")})
    with pytest.raises(ImageError) as caught:
        payload.image_of("hypershift")
    assert caught.value.code == "ComponentMissing"
    assert "hypershift" in caught.value.message
    assert "ocp-release:4.21.0" in caught.value.message
    with pytest.raises(ImageError, match='failed to parse version "nightly"') as caught:
        payload.semantic_version()
    assert caught.value.code == "InvalidReleaseVersion"


@pytest.mark.parametrize("nested", [True, False])
async def test_payload_of_a_directory(tmp_path, nested):
    """A directory that is, or holds, `release-manifests/` is a payload without digest."""
    directory = tmp_path / "dump" / "release-manifests"
    directory.mkdir(parents=True)
    for name, raw in files().items():
        (directory / name).write_bytes(raw)
    payload = await load_directory(directory.parent if nested else directory)
    assert (payload.version, payload.digest) == ("4.21.0", "")
    assert "0000_10_etcd.yaml" in await payload.manifests()
    with pytest.raises(ImageError) as caught:
        await load_directory(tmp_path)
    assert caught.value.code == "MissingPayloadFile"
    with pytest.raises(ImageError) as caught:
        await load_directory(tmp_path / "absent")
    assert caught.value.code == "NotFound"


async def test_cache_parses_once_by_digest(layout):
    """The same digest is parsed once, also for askers at the same time; a tag that moved is seen; callers keep their own names."""
    import asyncio

    await push(layout, files())
    cache = PayloadCache(limit=1)
    layout.blobs.clear()
    found = await asyncio.gather(*(cache.load(layout, REPO.tagged("4.21.0")) for _ in range(16)))
    assert len({id(payload.content) for payload in found}) == 1
    assert len(layout.blobs) == 2  # the top layer and the config
    by_digest = await cache.load(layout, REPO.at(found[0].digest))
    assert by_digest.content is found[0].content
    assert by_digest.reference != found[0].reference
    await push(layout, files(**{"image-references": image_references("4.21.1")}))
    assert (await cache.load(layout, REPO.tagged("4.21.0"))).version == "4.21.1"
    again = await cache.load(layout, REPO.at(found[0].digest))
    assert again.content is not found[0].content  # the limit is one


async def test_cache_does_not_keep_errors(layout):
    """A payload that could not be read is read again."""
    image = await push(layout, files())
    path = layout.directory / "blobs" / "sha256" / image.image().layers[1].digest.removeprefix("sha256:")
    raw = path.read_bytes()
    path.unlink()
    cache = PayloadCache()
    with pytest.raises(ImageError):
        await cache.load(layout, REPO.tagged("4.21.0"))
    path.write_bytes(raw)
    assert (await cache.load(layout, REPO.tagged("4.21.0"))).version == "4.21.0"


async def test_summary_goes_there_and_back(layout):
    """The short form holds what decisions offline need, and is read back as it was written."""
    import msgspec

    payload = await load(layout)
    summary = summary_of(payload)
    assert summary.components == {"etcd": f"quay.io/x/etcd@{DIGEST}"}
    assert (summary.image, summary.digest, summary.version) == (payload.pull_spec, payload.digest, "4.21.0")
    assert parse_summary(msgspec.json.encode(summary)) == summary


def test_summary_takes_raw_references():
    """A dump may carry `image-references` as it is, as text or as an object."""
    for raw in (image_references().decode(), json.loads(image_references())):
        summary = parse_summary(json.dumps({"image": "quay.io/x/y:1", "image-references": raw}))
        assert (summary.version, list(summary.components)) == ("4.21.0", ["etcd"])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"components": {"a": 1}}', '{"image": 5, "components": {}}']
)
def test_odd_summaries_are_refused(text):
    """A document without components is none."""
    with pytest.raises(ImageError) as caught:
        parse_summary(text)
    assert caught.value.code == "MalformedPayloadFile"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("image-references", "references"), ("release-metadata", "metadata"), ("a.yaml", "manifest"), ("a.yml", "manifest"), ("a.json", "manifest"), ("a.txt", "unknown"), ("sub/a.yaml", "unknown")],
)  # fmt: skip
def test_files_are_told_by_name(name, kind):
    """Manifests are counted, unknown files are listed apart."""
    assert kind_of(name) == kind


async def test_changes_between_two_payloads(tmp_path):
    """Manifests with their differences, boot images by place, component versions, and the update edge."""
    old_layout, new_layout = (
        OciLayout(tmp_path / "old", create=True),
        OciLayout(tmp_path / "new", create=True),
    )
    await push(old_layout, files(**{"gone.yaml": b"x\n"}))
    changed = {
        "image-references": image_references("4.21.1", etcd=f"quay.io/x/etcd@{DIGEST[:-1]}b", new=f"quay.io/x/new@{DIGEST}"),
        "release-metadata": metadata("4.21.1", ["4.21.0"]),
        BOOT_IMAGES: boot_images("9.9", "4.21.1"),
        "0000_10_etcd.yaml": b"kind: B\n",
        "fresh.yaml": b"y\n",
    }  # fmt: skip
    await push(new_layout, files(**changed))
    old = await load_payload(old_layout, REPO.tagged("4.21.0"))
    new = await load_payload(new_layout, REPO.tagged("4.21.0"))
    changes = await compare_payloads(old, new)
    assert not changes.identical
    assert [each.name for each in changes.components.rebuilt] == ["etcd"]
    assert [each.name for each in changes.components.added] == ["new"]
    assert (changes.manifests.added, changes.manifests.removed) == (("fresh.yaml",), ("gone.yaml",))
    assert "-kind: A\n+kind: B\n" in changes.manifests.changed["0000_10_etcd.yaml"]
    assert [(each.where, each.old, each.new) for each in changes.boot_images] == [
        ("us-east-1", "ami-9.8", "ami-9.9")
    ]
    assert changes.versions == {"release": ("4.21.0", "4.21.1")}
    assert changes.can_update is True
    assert (await compare_payloads(new, new)).identical


def test_difference_says_where_a_line_end_is_missing():
    """A diff can be read and applied, whatever the last line looks like."""
    changed = compare_manifests({"a": b"x"}, {"a": b"y"}).changed["a"]
    assert changed.endswith("-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\n")
    assert compare_manifests({"a": b"\xff"}, {"a": b"\xfe"}).changed == {"a": ""}
