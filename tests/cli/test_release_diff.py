"""`pilotage release diff` and `extract`."""

from __future__ import annotations

import json

import pytest

from pilotage.images.disk.layout import OciLayout
from pilotage.images.layers.build import Entry, pack, push_image
from pilotage.images.payload.manifests import ComponentSource
from pilotage.images.payload.newrelease import NewRelease, build_release
from pilotage.images.reference import parse

CREATED = "2026-05-20T04:35:16Z"
PREFIX = "io.openshift.hypershift."


def gates(feature_set="", profile="self-managed-high-availability", **states):
    status = {
        state: [{"name": name} for name, found in states.items() if found == state]
        for state in ("enabled", "disabled")
    }
    document = {
        "apiVersion": "config.openshift.io/v1",
        "kind": "FeatureGate",
        "metadata": {"name": "cluster", "annotations": {f"include.release.openshift.io/{profile}": "true"}},
        "spec": {"featureSet": feature_set},
        "status": {"featureGates": [status]},
    }
    return json.dumps(document).encode()


@pytest.fixture
def make_release(tmp_path):
    """Build a small release in a layout: components by name with labels, and extra manifests."""

    async def make(version, components, extra=None, annotations=None, **more):
        layout = OciLayout(tmp_path / "made", create=True)
        sources = []
        for name, labels in components.items():
            layer = pack([Entry(f"usr/share/{name}", f"{name} {labels}".encode())])
            image = await push_image(layout, parse("quay.io/x/art"), [layer], labels=labels)
            own = (annotations or {}).get(name, {})
            sources.append(ComponentSource(name, f"quay.io/x/art@{image.digest}", annotations=own))
        release = NewRelease(version, tuple(sources), CREATED, extra=extra or {}, **more)
        await build_release(layout, parse(f"quay.io/x/release:{version}"), release)
        return f"oci:{layout.directory}:quay.io/x/release:{version}"

    return make


@pytest.fixture
def made(make_release):
    """Make releases from a test that is no coroutine."""
    import asyncio

    return lambda *arguments, **more: asyncio.run(make_release(*arguments, **more))


# -- diff -------------------------------------------------------------------------------------------------------------


def test_header_says_who_may_update_to_whom(pilotage, release):
    """FROM and TO, both versions, and whether the old one is among `previous` of the new one."""
    lines = pilotage("release diff", release("4.20.3-multi"), release("5.0.0-ec.0-multi")).out.splitlines()
    assert lines[0].split() == ["FROM", "TO"]
    assert lines[1].split() == ["Name:", "4.20.3", "5.0.0-ec.0"]
    assert "Upgrade From:            Yes" in lines
    back = pilotage("release diff", release("5.0.0-ec.0-multi"), release("4.20.3-multi")).out.splitlines()
    assert [line.split() for line in back if line.startswith("Upgrade")] == [["Upgrade", "From:", "No"]]


def test_same_digest_is_identical(pilotage, release):
    """Nothing is compared when there is nothing to compare."""
    ran = pilotage("release diff", release("4.20.3-multi"), release("4.20.3-multi"))
    assert (ran.code, ran.out) == (0, "Releases are identical\n")


def test_changes_from_is_the_other_way_to_say_it(pilotage, release):
    """`NEW --changes-from OLD` as in oc, and `OLD NEW`: the same document."""
    old, new = release("4.19.7-multi"), release("4.20.3-multi")
    assert (
        pilotage("release diff -o json", old, new).out
        == pilotage("release diff -o json", new, "--changes-from", old).out
    )
    assert pilotage("release diff", old).code == 2
    assert pilotage("release diff", old, new, "--changes-from", old).code == 2


def test_json_has_the_keys_of_the_changelog(pilotage, release):
    """The keys of oc's changelog, and what it leaves out: manifests and boot images."""
    document = pilotage("release diff -o json", release("4.20.3-multi"), release("5.0.0-ec.0-multi")).json()
    assert (document["from"]["name"], document["to"]["name"]) == ("4.20.3", "5.0.0-ec.0")
    assert [image["name"] for image in document["newImages"]] == [
        "rhel-coreos-10",
        "rhel-coreos-10-extensions",
    ]
    assert document["removedImages"] == document["rebuiltImages"] == []
    etcd = next(image for image in document["updatedImages"] if image["name"] == "etcd")
    assert etcd["fullChangeLog"] == (
        f"https://github.com/openshift/etcd/compare/{etcd['fromCommit']}...{etcd['commit']}"
    )
    assert etcd["shortCommit"] == etcd["commit"][:8]
    assert {"name": "Kubernetes", "version": "1.36.0", "from": "1.33.5"} in document["components"]
    assert list(document["manifests"]["changed"]) == ["0000_50_installer_coreos-bootimages.yaml"]
    assert {"stream", "architecture", "platform", "where", "old", "new"} == document["bootImages"][0].keys()
    assert document["canUpdate"] is True


def test_commits_are_links(pilotage, release):
    """`--commits` shows the page with the commits in between."""
    out = pilotage("release diff --commits", release("4.20.3-multi"), release("5.0.0-ec.0-multi")).out
    assert "https://github.com/openshift/etcd/compare/" in out
    assert "sha256:" not in out.partition("Images Added")[0]


def test_boot_images_are_counted_or_listed(pilotage, release):
    """Hundreds of regions are a number at first, and a table for who asks."""
    pair = (release("4.20.3-multi"), release("5.0.0-ec.0-multi"))
    assert "  rhel-10   x86_64    85 added" in pilotage("release diff", *pair).out
    listed = pilotage("release diff --boot-images", *pair).out
    assert "rhel-10   x86_64    aws" in listed


def test_manifests_are_shown_line_by_line(pilotage, made):
    """`--manifests` is the diff itself; without it only what changed is named."""
    old = made("4.20.1", {"etcd": {}}, {"0000_10_a.yaml": b"a: 1\nb: 2\n", "0000_10_gone.yaml": b"x: 1\n"})
    new = made("4.20.2", {"etcd": {}}, {"0000_10_a.yaml": b"a: 1\nb: 3\n", "0000_10_new.yaml": b"x: 1\n"})
    short = pilotage("release diff", old, new).out
    assert "changed  0000_10_a.yaml" in short
    assert "added    0000_10_new.yaml" in short
    assert "removed  0000_10_gone.yaml" in short
    assert "b: 3" not in short
    full = pilotage("release diff --manifests", old, new).out
    assert "    -b: 2\n    +b: 3" in full


def test_feature_gates(pilotage, made):
    """What is newly on, newly off and gone, for each feature set and profile; `LatencySensitive` is not looked at."""
    name = "0000_50_cluster-config-api_featureGate-{}.yaml"
    old = made(
        "4.20.1",
        {"etcd": {}},
        {
            name.format("Default"): gates(A="enabled", B="disabled", C="enabled"),
            name.format("LatencySensitive"): gates("LatencySensitive", A="enabled"),
            name.format("TechPreviewNoUpgrade"): gates("TechPreviewNoUpgrade", A="enabled"),
        },
    )
    new = made(
        "4.20.2",
        {"etcd": {}},
        {
            name.format("Default"): gates(A="disabled", B="enabled", D="enabled"),
            name.format("LatencySensitive"): gates("LatencySensitive", A="disabled"),
            name.format("TechPreviewNoUpgrade"): gates("TechPreviewNoUpgrade", A="enabled"),
        },
    )
    assert pilotage("release diff -o json", old, new).json()["featureGates"] == [
        {
            "featureSet": "Default",
            "profile": "self-managed-high-availability",
            "enabled": ["B", "D"],
            "disabled": ["A"],
            "removed": ["C"],
        }
    ]
    assert (
        "Feature Gates (Default, self-managed-high-availability):" in pilotage("release diff", old, new).out
    )


def test_lost_capability_labels_are_told(pilotage, made):
    """A new control plane operator without a label of the old one changes hosted clusters: it says how."""
    label = f"{PREFIX}restricted-psa"
    old = made("4.20.1", {"hypershift": {label: "true"}})
    new = made("4.20.2", {"hypershift": {}})
    assert f"lost {label}: " in pilotage("release diff", old, new).out
    document = pilotage("release diff -o json", old, new).json()
    assert [(each["label"], each["change"]) for each in document["capabilityLabels"]] == [(label, "lost")]
    assert document["controlPlaneOperator"]["from"].startswith("quay.io/x/art@sha256:")


def test_labels_that_cannot_be_read_do_not_end_the_comparison(pilotage, release, tmp_path):
    """Directories have no component images: the rest is compared, and the reason stands there."""
    for tag in ("4.19.7-multi", "4.20.3-multi"):
        pilotage("release extract", release(tag), "--to", tmp_path / tag)
    ran = pilotage("release diff --offline", tmp_path / "4.19.7-multi", tmp_path / "4.20.3-multi")
    assert ran.code == 0
    assert "its labels could not be compared: failed to" in ran.out
    assert "Images Changed:" in ran.out


# -- extract ----------------------------------------------------------------------------------------------------------


def test_extract_writes_every_file(pilotage, release, tmp_path):
    """The directory is a release again."""
    ran = pilotage("release extract", release("4.20.3-multi"), "--to", tmp_path / "out")
    assert ran.code == 0
    assert ran.err == f"3 files of 4.20.3 written to {tmp_path / 'out'}\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "image-references", "release-metadata", "0000_50_installer_coreos-bootimages.yaml",
    }  # fmt: skip


def test_a_directory_that_cannot_be_written_is_outside_failure(pilotage, release, tmp_path):
    """Not the user's words and not our bug: exit code 3, the path in the message."""
    (tmp_path / "file").write_text("in the way")
    ran = pilotage("release extract", release("4.20.3-multi"), "--to", tmp_path / "file" / "out")
    assert ran.code == 3
    assert ran.err.startswith("error: FileSystem: ")
    assert str(tmp_path / "file") in ran.err


def test_extract_one_file_to_stdout(pilotage, release, tmp_path):
    """The bytes as they are."""
    pilotage("release extract", release("4.20.3-multi"), "--to", tmp_path)
    ran = pilotage("release extract --file release-metadata", release("4.20.3-multi"))
    assert ran.out == (tmp_path / "release-metadata").read_text()
    missing = pilotage("release extract --file nothing.yaml", release("4.20.3-multi"))
    assert missing.code == 2
    assert "MissingPayloadFile" in missing.err
    assert "nothing.yaml" in missing.err


def requests(kind):
    return (
        "apiVersion: cloudcredential.openshift.io/v1\nkind: CredentialsRequest\nmetadata:\n  name: x\n"
        f"spec:\n  providerSpec:\n    kind: {kind}\n"
    )


def test_extract_credential_requests_of_one_cloud(pilotage, made, tmp_path):
    """Of a file with several documents only those that ask for this cloud."""
    both = f"{requests('AWSProviderSpec')}---\n{requests('GCPProviderSpec')}".encode()
    place = made(
        "4.20.1", {"etcd": {}}, {"0000_30_cr.yaml": both, "0000_30_other.yaml": b"kind: ConfigMap\n"}
    )
    assert pilotage("release extract --cloud aws", place).out == f"---\n{requests('AWSProviderSpec')}"
    pilotage("release extract --credentials-requests", place, "--to", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0000_30_cr.yaml"]
    assert pilotage("release extract --cloud azure", place).code == 1
    wrong = pilotage("release extract --cloud moon", place)
    assert wrong.code == 2
    assert "vsphere" in wrong.err


def config_map(name, **annotations):
    metadata = {
        "name": name,
        "annotations": {key.replace("__", "/"): value for key, value in annotations.items()},
    }
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}).encode()


def test_extract_what_a_cluster_applies(pilotage, made):
    """Manifests of the cluster's profile, and of no feature set or the cluster's."""
    include = {"include.release.openshift.io/ibm-cloud-managed": "true"}
    tech = {"release.openshift.io/feature-set": "TechPreviewNoUpgrade,DevPreviewNoUpgrade"}
    place = made(
        "4.20.1",
        {"etcd": {}},
        {
            "0000_10_a.yaml": config_map("included", **include),
            "0000_10_b.yaml": config_map("tech", **include, **tech),
            "0000_10_c.yaml": config_map("foreign", **{"include.release.openshift.io/single-node": "true"}),
        },
    )
    plain = pilotage("release extract --profile ibm-cloud-managed", place).out
    assert "included" in plain
    assert '"tech"' not in plain
    assert "foreign" not in plain
    assert (
        '"tech"'
        in pilotage(
            "release extract --profile ibm-cloud-managed --feature-set TechPreviewNoUpgrade", place
        ).out
    )


@pytest.mark.parametrize("options", ["", "--file x --to y", "--file x --cloud aws"])
def test_extract_wants_one_destination(pilotage, release, options):
    """Nothing is written by accident."""
    assert pilotage(f"release extract {options}", release("4.20.3-multi")).code == 2
