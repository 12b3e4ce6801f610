"""`pilotage release info` and `components`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta

import pytest

from pilotage.app.releaseinfo import short_age, sizes_of
from pilotage.images.disk.layout import OciLayout
from pilotage.images.inspect import inspect_image
from pilotage.images.layers.build import Entry, pack, push_image
from pilotage.images.payload.manifests import ComponentSource
from pilotage.images.payload.newrelease import NewRelease, build_release
from pilotage.images.payload.payload import load_payload
from pilotage.images.reference import parse
from pilotage.images.source import Platform

RELEASE = "quay.example.com/openshift/release"


def test_summary_has_the_sections_in_order(pilotage, release):
    """Name to Manifests, Pull From, Release Metadata, Component Versions, Images: as `oc adm release info` prints them."""
    ran = pilotage("release info", release("4.20.3-multi"))
    assert ran.code == 0
    heads = [line.partition(":")[0] for line in ran.out.splitlines() if line and not line.startswith(" ")]
    assert heads == [
        "Name", "Digest", "Created", "OS/Arch", "Manifests",
        "Pull From", "Release Metadata", "Component Versions", "Images",
    ]  # fmt: skip
    assert "OS/Arch:   multi (linux/amd64)" in ran.out
    assert "Upgrades: 4.19.7, 4.20.2" in ran.out
    assert f"Pull From: {RELEASE}@sha256:" in ran.out


def test_two_operating_systems_are_both_shown(pilotage, release):
    """`machine-os` can show one version only; a payload with two RHEL streams shows both with their components."""
    out = pilotage("release info", release("5.0.0-ec.0-multi")).out
    assert "  rhel-coreos      9.8.20260410-0    Red Hat Enterprise Linux CoreOS" in out
    assert "  rhel-coreos-10   10.2.20260412-0   Red Hat Enterprise Linux CoreOS" in out


def test_json_has_the_keys_of_oc(pilotage, release):
    """Scripts for `oc adm release info -o json` read ours: same keys, same meaning."""
    document = pilotage("release info -o json", release("4.20.3-multi")).json()
    assert {
        "image", "digest", "contentDigest", "listDigest", "config", "metadata", "references", "versions",
        "displayVersions", "versionsTags", "images", "warnings",
    } <= document.keys()  # fmt: skip
    assert document["references"]["metadata"]["name"] == "4.20.3"
    assert document["metadata"]["previous"] == ["4.19.7", "4.20.2"]
    assert document["versions"]["kubernetes"] == "1.33.5"
    assert document["displayVersions"]["machine-os"] == {
        "Version": "9.6.20251015-1",
        "DisplayName": "Red Hat Enterprise Linux CoreOS",
    }
    assert document["config"]["architecture"] == "amd64"
    assert document["digest"] != document["listDigest"] == document["pullSpec"].partition("@")[2]
    assert document["images"] is None


def test_platform_chooses_the_image_that_is_read(pilotage, release):
    """`--platform` reads the other image of the index; the digest to pin stays that of the index."""
    amd, arm = (
        pilotage("release info -o json", release("4.20.3-multi"), "--platform", platform).json()
        for platform in ("linux/amd64", "arm64")
    )
    assert (amd["config"]["architecture"], arm["config"]["architecture"]) == ("amd64", "arm64")
    assert amd["listDigest"] == arm["listDigest"]
    assert amd["digest"] != arm["digest"]


@pytest.mark.parametrize(
    ("option", "heading", "row"),
    [
        (
            "--pullspecs",
            "NAME                          PULL SPEC",
            "quay.example.com/openshift/art-dev@sha256:",
        ),
        ("--commits", "NAME                          REPO", "https://github.com/openshift/etcd "),
        ("--commit-urls", "NAME                          URL", "https://github.com/openshift/etcd/commit/"),
        ("--size", "NAME                           AGE   LAYERS", "13 layers, 13 different base images"),
    ],
)
def test_views_replace_the_table_of_images(pilotage, release, option, heading, row):
    """Each view has its own columns below the same head."""
    ran = pilotage("release info", option, release("4.20.3-multi"))
    assert ran.code == 0
    assert heading in ran.out
    assert row in ran.out
    assert ran.out.startswith("Name:      4.20.3\n")


def test_streams_list_boot_images(pilotage, release):
    """One line for each stream, architecture, platform and place; as JSON under `streams`."""
    ran = pilotage("release info --streams", release("5.0.0-ec.0-multi"))
    assert "\n  STREAM    ARCH" in ran.out
    rows = pilotage("release info --streams -o json", release("5.0.0-ec.0-multi")).json()["streams"]
    assert {row["stream"] for row in rows} == {"rhel-9", "rhel-10"}
    assert {"aws", "gcp", "kubevirt"} <= {row["platform"] for row in rows}


def test_boot_images_are_held_against_the_operating_system(pilotage, release):
    """For each stream and architecture: what the release runs, and what nodes boot from."""
    drift = pilotage("release info --streams -o json", release("5.0.0-ec.0-multi")).json()["bootImageDrift"]
    assert {(each["stream"], each["component"], each["osVersion"]) for each in drift} == {
        ("rhel-9", "rhel-coreos", "9.8.20260410-0"),
        ("rhel-10", "rhel-coreos-10", "10.2.20260412-0"),
    }
    assert {each["architecture"] for each in drift} == {"x86_64", "aarch64", "ppc64le", "s390x"}
    text = pilotage("release info --streams", release("5.0.0-ec.0-multi")).out
    assert "OS IMAGE" in text
    assert "differs" in text


async def test_a_single_arch_component_of_a_multi_arch_release_is_told(pilotage, tmp_path):
    """Nodes of the other architecture cannot run it."""
    layout = OciLayout(tmp_path, create=True)
    image = await push_image(layout, parse("quay.io/x/art"), [pack([Entry("a", b"a")])])
    sources = (ComponentSource("etcd", f"quay.io/x/art@{image.digest}"),)
    platforms = (Platform("amd64", "linux"), Platform("arm64", "linux"))
    await build_release(
        layout, parse("quay.io/x/release:1"), NewRelease("4.20.3", sources), platforms=platforms
    )
    ran = await asyncio.to_thread(pilotage, f"release components oci:{tmp_path}:quay.io/x/release:1")
    assert ran.out.splitlines()[1].endswith("no")
    assert "warning: the release is multi-arch, these components are not: etcd" in ran.err


def test_a_single_stream_is_the_default_one(pilotage, release):
    """Payloads before 5.0 have one stream without a name."""
    rows = pilotage("release info --streams -o json", release("4.19.7-multi")).json()["streams"]
    assert {row["stream"] for row in rows} == {"default"}


def test_contents_is_one_stream_of_documents(pilotage, release):
    """Every manifest is announced by a comment with its name and can be piped on."""
    out = pilotage("release info --contents", release("4.20.3-multi")).out
    head, body = out.split("\n", 2)[:2], out.split("\n", 2)[2]
    assert head == ["---", "# 0000_50_installer_coreos-bootimages.yaml"]
    assert json.loads(body)["metadata"]["name"] == "coreos-bootimages"


def test_image_for_prints_one_pull_spec(pilotage, release):
    """Nothing but the pull spec, so that a shell can use it."""
    ran = pilotage("release info --image-for etcd", release("4.20.3-multi"))
    assert ran.code == 0
    assert ran.out.startswith("quay.example.com/openshift/art-dev@sha256:")
    assert ran.out.count("\n") == 1


def test_image_for_an_unknown_component_names_it(pilotage, release):
    """The handmade payload has no operator: the error names the component and the payload."""
    ran = pilotage("release info --image-for hypershift", release("4.19.8-handmade"))
    assert ran.code == 2
    assert not ran.out
    assert "ComponentMissing" in ran.err
    assert "hypershift" in ran.err
    assert "4.19.8" in ran.err


@pytest.mark.parametrize("output", ["name", "digest", "pullspec"])
def test_lists_have_one_line_for_each_component_in_payload_order(pilotage, release, output):
    """`-o name`, `digest` and `pullspec` are for shells."""
    lines = pilotage("release info", release("4.20.3-multi"), "-o", output).out.splitlines()
    document = pilotage("release info -o json", release("4.20.3-multi")).json()
    tags = document["references"]["spec"]["tags"]
    expected = {
        "name": [tag["name"] for tag in tags],
        "pullspec": [tag["from"]["name"] for tag in tags],
        "digest": [tag["from"]["name"].partition("@")[2] for tag in tags],
    }
    assert lines == expected[output]


@pytest.mark.parametrize(
    "options",
    [
        "--commits --pullspecs",
        "--verify --size",
        "--image-for etcd --contents",
        "--commits -o name",
        "--verify -o json",
    ],
)
def test_views_exclude_each_other(pilotage, release, options):
    """Two views at once is wrong use, before anything is read."""
    ran = pilotage(f"release info {options}", release("4.20.3-multi"))
    assert ran.code == 2
    assert not ran.out


def test_a_release_is_needed(pilotage):
    """Without a release the command says how to name one."""
    ran = pilotage("release info")
    assert ran.code == 2
    assert "name a release" in ran.err


def test_a_failing_release_does_not_keep_the_others(pilotage, release):
    """Several releases: each is shown, the failing one is reported, and the exit code says so at the end."""
    ran = pilotage("release info", release("4.19.7-multi"), release("9.9.9"), release("4.20.3-multi"))
    assert ran.code == 3
    assert "Name:      4.19.7\n" in ran.out
    assert "Name:      4.20.3\n" in ran.out
    assert ran.err.count("error: ") == 1
    assert "release:9.9.9" in ran.err


def test_verify_prints_one_line_for_each_release(pilotage, release):
    """Digest, time and name of every release whose bytes are what their digests say."""
    ran = pilotage("release info --verify", release("4.19.7-multi"), release("4.20.3-multi"))
    assert ran.code == 0
    assert [line.split()[1:] for line in ran.out.splitlines()] == [
        ["2026-05-20T04:35:16Z", "4.19.7"],
        ["2026-05-20T04:35:16Z", "4.20.3"],
    ]


def test_verify_refuses_changed_bytes(pilotage, release, samples):
    """A component whose manifest was changed on disk is named, and the answer is no."""
    digest = (
        pilotage("release info --image-for etcd", release("4.20.3-multi"))
        .out.strip()
        .partition("@sha256:")[2]
    )
    path = samples / "blobs" / "sha256" / digest
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"amd64", b"amd65"))
    ran = pilotage("release info --verify", release("4.20.3-multi"))
    assert ran.code == 1
    assert not ran.out
    assert "ContentIntegrity: etcd:" in ran.err


def test_verify_cannot_vouch_for_what_it_cannot_read(pilotage, release, samples):
    """A component that is nowhere is not verified: the exit code tells it from tampering."""
    digest = (
        pilotage("release info --image-for etcd", release("4.20.3-multi"))
        .out.strip()
        .partition("@sha256:")[2]
    )
    (samples / "blobs" / "sha256" / digest).unlink()
    ran = pilotage("release info --verify --offline", release("4.20.3-multi"))
    assert ran.code == 3
    assert "etcd" in ran.err


def test_sizes_are_reported_with_images(pilotage, release):
    """`--size -o json` describes every image and sums up layers once."""
    document = pilotage("release info --size -o json", release("4.20.3-multi")).json()
    assert document["images"]["etcd"]["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert document["sizes"]["total"] == sum(
        layer["size"] for image in document["images"].values() for layer in image["layers"]
    )
    assert len(document["sizes"]["rows"]) == 13


async def test_a_shared_layer_counts_once(tmp_path):
    """UNIQUE is what only one image has; without any, the top layer counts for the first; BASE tells lowest layers apart."""
    layout = OciLayout(tmp_path, create=True)
    where = parse("quay.io/x/art")
    base, other = pack([Entry("base", b"b" * 5000)]), pack([Entry("other", b"o" * 100)])
    own = pack([Entry("own", b"own")])
    built = {
        "a": await push_image(layout, where, [base]),
        "b": await push_image(layout, where, [base, own]),
        "c": await push_image(layout, where, [other]),
    }
    sources = tuple(ComponentSource(name, f"{where}@{each.digest}") for name, each in built.items())
    await build_release(layout, parse("quay.io/x/release:1"), NewRelease("4.20.3", sources))
    payload = await load_payload(layout, parse("quay.io/x/release:1"))
    found = sizes_of(
        payload, {name: await inspect_image(layout, where.at(each.digest)) for name, each in built.items()}
    )
    shared, single, third = (each.descriptor.size for each in (base, own, other))
    assert [(row.name, row.size, row.unique, row.base) for row in found.rows] == [
        ("a", shared, shared, 1),
        ("b", shared + single, single, 1),
        ("c", third, third, 2),
    ]
    assert (found.total, found.layers, found.bases) == (shared + single + third, 3, 2)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (179 * 60, "179m"), (180 * 60, "3h"), (47 * 3600, "47h"),
        (48 * 3600, "2d"), (729 * 86400, "729d"), (730 * 86400, "2y"), (-5, "0s"),
    ],
)  # fmt: skip
def test_ages_are_in_one_unit(seconds, expected):
    """The unit grows with the age."""
    now = datetime(2026, 5, 20, 4, 35, 16, tzinfo=UTC)
    created = (
        (now - timedelta(seconds=seconds))
        .isoformat()
        .replace("+00:00", ".123456789Z" if seconds < 0 else "Z")
    )
    assert short_age(created, now) == expected


@pytest.mark.parametrize("created", ["", "yesterday", "2026-05-20"])
def test_an_unknown_age_is_empty(created):
    """What is no moment has no age."""
    assert short_age(created, datetime(2026, 5, 20, tzinfo=UTC)) == ""


# -- where a release may be ------------------------------------------------------------------------------------------


def test_every_kind_of_place_shows_the_same_release(pilotage, release, samples, tmp_path):
    """A layout, an archive of it, a directory of manifests: one release."""
    reference = release("4.20.3-multi")
    pilotage("image copy", reference, f"oci:{tmp_path / 'one'}:4.20.3")
    with tarfile.open(tmp_path / "one.tar", "w") as archive:
        archive.add(tmp_path / "one", ".")
    pilotage("release extract", reference, "--to", tmp_path / "files" / "release-manifests")
    names = pilotage("release info -o pullspec", reference).out
    for place in (f"oci:{tmp_path / 'one'}", f"oci-archive:{tmp_path / 'one.tar'}", str(tmp_path / "files")):
        assert pilotage("release info -o pullspec", place).out == names, place
    assert pilotage("release info -o pullspec --from-dir", tmp_path / "files").out == names


def test_a_directory_has_no_digest(pilotage, release, tmp_path):
    """What came out of an image is shown without what only an image has."""
    pilotage("release extract", release("4.20.3-multi"), "--to", tmp_path / "files")
    out = pilotage("release info", tmp_path / "files").out
    assert "Digest:" not in out
    assert "OS/Arch:" not in out
    assert "Created:   2026-05-20T04:35:16Z" in out


def test_the_short_form_is_a_release(pilotage, tmp_path):
    """Version and components in a small document are enough for everything that needs no files."""
    digest = "sha256:" + "a" * 64
    document = {
        "image": "quay.io/x/release:4.21.0",
        "digest": digest,
        "version": "4.21.0",
        "components": {"etcd": f"quay.io/x/art@{digest}"},
    }
    file = tmp_path / "payload.json"
    file.write_text(json.dumps(document))
    assert pilotage("release info -o name", file).out == "etcd\n"
    assert f"Pull From: quay.io/x/release@{digest}\n" in pilotage("release info", file).out
    assert pilotage("release info -o json", file).json()["references"]["metadata"]["name"] == "4.21.0"


def test_a_document_that_is_no_payload_is_named(pilotage, tmp_path):
    """The error begins with the file."""
    file = tmp_path / "payload.json"
    file.write_text('{"version": "4.21.0"}')
    ran = pilotage("release info", file)
    assert ran.code == 2
    assert str(file) in ran.err


def test_offline_names_what_is_missing(pilotage):
    """`--offline` fails instead of touching the network."""
    ran = pilotage("release info --offline quay.io/openshift-release-dev/ocp-release:4.20.3")
    assert ran.code == 3
    assert ran.err.startswith("error: Offline: failed to read")


def test_a_reference_without_tag_is_refused(pilotage):
    """`latest` is never assumed for a payload."""
    ran = pilotage("release info quay.io/openshift-release-dev/ocp-release --offline")
    assert ran.code in (2, 3)
    assert "quay.io/openshift-release-dev/ocp-release" in ran.err


# -- components -------------------------------------------------------------------------------------------------------


def test_components_say_version_commit_and_platforms(pilotage, release):
    """One line for each component, with what its image is."""
    ran = pilotage("release components", release("4.20.3-multi"))
    rows = {line.split()[0]: line.split() for line in ran.out.splitlines()}
    assert rows["hyperkube"][2] == "kubernetes=1.33.5"
    assert len(rows["etcd"][3]) == 12
    assert {row[-1] for name, row in rows.items() if name != "NAME"} == {"yes"}


def test_components_that_cannot_be_read_are_open(pilotage, release, tmp_path):
    """The list does not fail for an image that is not at hand: its mark is `?`, and one warning sums up."""
    pilotage("release extract", release("4.20.3-multi"), "--to", tmp_path / "files")
    ran = pilotage("release components --offline --from-dir", tmp_path / "files")
    assert ran.code == 0
    assert ran.out.splitlines()[1].endswith("?")
    assert "13 of 13 images could not be read" in ran.err
    items = pilotage("release components -o json --offline --from-dir", tmp_path / "files").json()["items"]
    assert {item["multiArch"] for item in items} == {None}


# -- find -------------------------------------------------------------------------------------------------------------


def test_find_tells_which_releases_ship_an_image(pilotage, release):
    """By digest, whatever stands before it; a component that two releases share is found in both."""
    tags = ("4.19.7-multi", "4.19.8-handmade", "4.20.3-multi")
    places = [release(tag) for tag in tags]
    spec = pilotage("release info --image-for etcd", places[2]).out.strip()
    digest = spec.partition("@")[2]
    for image in (digest, spec, f"mirror.example.com/x@{digest}"):
        ran = pilotage("release find -o json", image, *places)
        assert ran.code == 0
        assert [(item["version"], item["components"]) for item in ran.json()["items"]] == [
            ("4.20.3", ["etcd"])
        ]


def test_find_says_no(pilotage, release):
    """An image that is in none of them is answer no, not an error."""
    ran = pilotage("release find", "sha256:" + "0" * 64, release("4.20.3-multi"))
    assert (ran.code, ran.out) == (1, "")
    assert "none of 1 releases ships sha256:000" in ran.err


# -- as a process -----------------------------------------------------------------------------------------------------


def test_as_a_process_without_colours(release, home):
    """A subprocess with its output in a pipe prints plain text and ends with the exit code."""
    code = "import sys\nfrom pilotage.cli import program\nsys.exit(program.run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "release", "info", release("4.20.3-multi"), "--offline"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


def test_layouts_need_no_network_client(release, home):
    """Reading from disk does not load aiohttp: that alone would take longer than the command."""
    code = "import sys\nfrom pilotage.cli import program\nprogram.run(sys.argv[1:])\nassert 'aiohttp' not in sys.modules"
    command = [sys.executable, "-c", code, "release", "info", release("4.20.3-multi")]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""
