"""`pilotage image inspect` and `copy`."""

from __future__ import annotations

import asyncio
import json
import tarfile

import pytest

from pilotage.images.disk.layout import OciLayout
from pilotage.images.layers.build import push_image
from pilotage.images.reference import parse
from pilotage.images.registry.referrers import fallback_tag

OPERATOR = "quay.example.com/hypershift/hypershift-operator"


@pytest.fixture
def operator(samples):
    """The location of a multi-arch image."""
    return f"oci:{samples}:{OPERATOR}:v1.1.0"


def test_inspect_shows_digests_platforms_labels_and_layers(pilotage, operator):
    """Everything that is known without a layer."""
    ran = pilotage("image inspect", operator)
    assert ran.code == 0
    heads = [line.partition(":")[0] for line in ran.out.splitlines() if line and not line.startswith(" ")]
    assert heads == [
        "Name", "Digest", "Image read", "Media type", "Created", "Platforms", "Size", "Images", "Labels", "Layers",
    ]  # fmt: skip
    assert "Platforms:  linux/amd64, linux/arm64" in ran.out
    assert "  vcs-ref=v1.1.0" in ran.out


def test_inspect_as_json(pilotage, operator):
    """The same for programs, versioned."""
    document = pilotage("image inspect -o json", operator).json()
    assert (document["apiVersion"], document["kind"]) == ("pilotage.dev/v1", "ImageInfo")
    assert document["digest"] == document["listDigest"] != document["imageDigest"]
    assert [child["platform"] for child in document["children"]] == document["platforms"]
    assert document["labels"]["vcs-ref"] == "v1.1.0"
    assert document["size"] == sum(layer["size"] for layer in document["layers"])


def test_inspect_one_platform(pilotage, operator):
    """`--platform` reads that image; one that is not there is an error with those that are."""
    arm = pilotage("image inspect -o json --platform arm64", operator).json()
    assert arm["platform"] == "linux/arm64"
    ran = pilotage("image inspect --platform linux/s390x", operator)
    assert ran.code == 2
    assert "linux/amd64, linux/arm64" in ran.err


def test_inspect_of_something_that_is_not_there(pilotage, samples):
    """The error names the layout and the reference."""
    ran = pilotage("image inspect", f"oci:{samples}:{OPERATOR}:v9")
    assert ran.code == 3
    assert f"{OPERATOR}:v9" in ran.err


def test_inspect_of_a_bad_reference(pilotage):
    """Nothing is asked for what no reference can be."""
    ran = pilotage("image inspect", "quay.io/UPPER/case:x")
    assert ran.code == 2
    assert "InvalidReference" in ran.err


def test_copy_to_a_layout_keeps_the_digest(pilotage, operator, tmp_path):
    """All platforms, byte for byte; the second run sends nothing; without a tag the destination takes the source's."""
    wanted = pilotage("image inspect -o json", operator).json()["digest"]
    ran = pilotage("image copy -o json", operator, f"oci:{tmp_path / 'x'}")
    assert ran.code == 0
    assert ran.json()["digest"] == wanted
    copied = pilotage("image inspect -o json", f"oci:{tmp_path / 'x'}:v1.1.0").json()
    assert (copied["digest"], copied["platforms"]) == (wanted, ["linux/amd64", "linux/arm64"])
    again = pilotage("image copy -o json", operator, f"oci:{tmp_path / 'x'}").json()
    assert again["copied"]["count"] == 0
    assert again["existed"]["count"] > 0


def test_copy_one_platform(pilotage, operator, tmp_path):
    """`--platform` takes one image out of the index; `--all` with it is a contradiction."""
    child = pilotage("image inspect -o json --platform arm64", operator).json()["imageDigest"]
    ran = pilotage("image copy -o json --platform arm64", operator, f"oci:{tmp_path / 'x'}:arm")
    assert ran.json()["digest"] == child
    assert pilotage("image copy --all --platform arm64", operator, f"oci:{tmp_path / 'y'}").code == 2
    assert not (tmp_path / "y").exists()


def test_copy_takes_signatures_along(pilotage, operator, samples, tmp_path):
    """What refers to the image travels with it, by subject and by cosign tag, unless told not to."""
    wanted = pilotage("image inspect -o json", operator).json()

    async def sign():
        layout = OciLayout(samples)
        where = parse(OPERATOR)
        top = await layout.resolve(where.tagged("v1.1.0"))
        subject = {"mediaType": top.media_type, "digest": top.digest, "size": top.size}
        await push_image(layout, where, [], extra={"subject": subject, "artifactType": "application/x-note"})
        await push_image(layout, where, [], tag=f"{fallback_tag(top.digest)}.sig")

    asyncio.run(sign())
    ran = pilotage("image copy -o json", operator, f"oci:{tmp_path / 'with'}:x").json()
    assert (ran["digest"], ran["referrers"], ran["signatures"]) == (wanted["digest"], 1, 1)
    without = pilotage("image copy -o json --no-referrers", operator, f"oci:{tmp_path / 'without'}:x").json()
    assert (without["referrers"], without["signatures"]) == (0, 0)


def test_copy_text_says_what_moved(pilotage, operator, tmp_path):
    """From, to, digest, and how much."""
    out = pilotage("image copy", operator, f"oci:{tmp_path / 'x'}:y").out
    assert out.splitlines()[0] == f"{operator} -> oci:{tmp_path / 'x'}:y"
    assert "digest  sha256:" in out
    assert " copied (" in out


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_archives_are_read_and_not_written(pilotage, operator, tmp_path, kind):
    """An archive is a source; as a destination it is refused with what would do."""
    pilotage("image copy", operator, f"oci:{tmp_path / 'x'}:y")
    if kind == "oci-archive":
        with tarfile.open(tmp_path / "x.tar", "w") as archive:
            archive.add(tmp_path / "x", ".")
        assert (
            pilotage("image inspect -o json", f"{kind}:{tmp_path / 'x.tar'}").json()["labels"]["vcs-ref"]
            == "v1.1.0"
        )
    ran = pilotage("image copy", operator, f"{kind}:{tmp_path / 'new.tar'}")
    assert ran.code == 2
    assert "oci:DIR" in ran.err


@pytest.mark.registry
def test_copy_through_a_registry_and_back(pilotage, operator, real_registry, tmp_path):
    """Layout to registry, between repositories of it, and to a layout again: the same digest everywhere."""
    wanted = pilotage("image inspect -o json", operator).json()["digest"]
    option = f"--insecure-registry {real_registry.host} -o json"
    there = pilotage(f"image copy {option}", operator, f"{real_registry.host}/a/b:1").json()
    across = pilotage(f"image copy {option} {real_registry.host}/a/b:1 {real_registry.host}/c/d:2").json()
    back = pilotage(
        f"image copy {option} docker://{real_registry.host}/c/d:2 oci:{tmp_path / 'back'}:x"
    ).json()
    assert {each["digest"] for each in (there, across, back)} == {wanted}
    assert across["mounted"]["count"] > 0
    assert across["copied"]["bytes"] < there["copied"]["bytes"]


def test_writing_to_a_registry_offline_is_refused(pilotage, operator):
    """`--offline` forbids writing as well."""
    ran = pilotage("image copy --offline", operator, "127.0.0.1:1/a/b:1")
    assert ran.code == 3
    assert ran.err.startswith("error: Offline:")


async def test_an_unreachable_registry_is_outside_failure(pilotage, home):
    """Exit code 3, the host in the message, and nothing on stdout."""
    ran = await asyncio.to_thread(pilotage, "image inspect --insecure-registry 127.0.0.1:1 127.0.0.1:1/a/b:1")
    assert (ran.code, ran.out) == (3, "")
    assert "RegistryUnreachable" in ran.err
    assert "127.0.0.1:1" in ran.err


def test_every_verb_has_an_example_and_exit_codes(pilotage):
    """The help of every verb shows how it is used and what its exit codes mean."""
    verbs = [
        *(f"release {verb}" for verb in ("info", "components", "diff", "extract", "mirror", "mirror-check", "explain", "new", "find")),
        "image inspect",
        "image copy",
    ]  # fmt: skip
    for verb in verbs:
        ran = pilotage(f"{verb} --help")
        assert ran.code == 0, verb
        assert f"Example: pilotage {verb} " in " ".join(ran.out.split()), verb
        assert "Exit codes:" in ran.out, verb
        assert "--authfile" in ran.out, verb


def test_yaml_is_the_same_document(pilotage, operator):
    """`-o yaml` says what `-o json` says."""
    from pilotage.api import yaml

    assert yaml.load(pilotage("image inspect -o yaml", operator).out) == json.loads(
        pilotage("image inspect -o json", operator).out
    )
