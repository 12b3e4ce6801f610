"""`pilotage release mirror`, `mirror-check`, `explain` and `new`, on the real registry where there is one."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from pilotage.api import yaml
from pilotage.images.disk.layout import OciLayout

RELEASE = "quay.example.com/openshift/release"
ART = "quay.example.com/openshift/art-dev"
SKIP = "--skip 'kubevirt-*'"


@pytest.fixture
def registry(real_registry):
    """The host of the real registry, and the option to reach it."""
    return real_registry.host


@pytest.fixture
def mirrored(pilotage, release, registry, tmp_path):
    """4.20.3 in the registry; the path of the ImageDigestMirrorSet that was printed."""
    ran = pilotage(
        f"release mirror {SKIP} -o json --insecure-registry {registry} --to {registry}/ocp/release",
        release("4.20.3-multi"),
    )
    assert ran.code == 0, ran.err
    file = tmp_path / "idms.yaml"
    file.write_text(yaml.dump(ran.json()["instructions"]))
    return file


# -- plan -------------------------------------------------------------------------------------------------------------


def test_dry_run_lists_pairs_and_touches_nothing(pilotage, release):
    """Source by digest, destination by a tag that says release, architecture and component."""
    ran = pilotage("release mirror --dry-run --offline --to m.example.com/ocp", release("4.20.3-multi"))
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0][1] == "m.example.com/ocp:4.20.3-multi"
    assert lines[0][0].startswith(f"{RELEASE}@sha256:")
    assert {f"m.example.com/ocp:4.20.3-multi-{name}" for name in ("etcd", "hypershift")} <= {
        line[1] for line in lines
    }


def test_dry_run_lists_the_boot_image_that_gets_forgotten(pilotage, release):
    """The container disk of KubeVirt is no component, and is listed all the same; `--skip` takes it out."""
    document = pilotage(
        "release mirror --dry-run -o json --to m.example.com/ocp", release("4.20.3-multi")
    ).json()
    names = [step["name"] for step in document["steps"]]
    assert any(name.startswith("kubevirt-") for name in names)
    skipped = pilotage(
        f"release mirror --dry-run -o json {SKIP} --to m.example.com/ocp", release("4.20.3-multi")
    ).json()
    assert [step["name"] for step in skipped["steps"]] == [
        name for name in names if not name.startswith("kubevirt-")
    ]


def test_a_pattern_that_fits_nothing_is_refused(pilotage, release):
    """A typo in `--skip` would be found after hours."""
    ran = pilotage(
        "release mirror --dry-run --to m.example.com/ocp --skip kubvirt-*", release("4.20.3-multi")
    )
    assert ran.code == 2
    assert "kubvirt-*" in ran.err


@pytest.mark.parametrize(
    ("kind", "expected", "key"),
    [
        ("idms", "ImageDigestMirrorSet", "imageDigestMirrors"),
        ("itms", "ImageTagMirrorSet", "imageTagMirrors"),
    ],
)
def test_instructions_name_every_source(pilotage, release, kind, expected, key):
    """The object that a cluster needs: for digests by default, for tags on demand."""
    document = pilotage(
        f"release mirror --dry-run -o json {SKIP} --to m.example.com/ocp --print-mirror-instructions {kind}",
        release("4.20.3-multi"),
    ).json()["instructions"]
    assert document["kind"] == expected
    assert [entry["source"] for entry in document["spec"][key]] == [ART, RELEASE]


@pytest.mark.parametrize("to", ["oci-archive:x.tar", "./directory", "oci:dir:name"])
def test_places_that_hold_no_mirror_are_refused(pilotage, release, to):
    """A release goes to a repository or a layout."""
    ran = pilotage("release mirror", release("4.20.3-multi"), "--to", to)
    assert ran.code == 2
    assert to in ran.err


# -- to a layout ------------------------------------------------------------------------------------------------------


def test_mirror_to_disk_is_whole(pilotage, release, tmp_path):
    """Everything keeps its name, so the layout is read like the registry was; a second run sends nothing."""
    ran = pilotage(f"release mirror {SKIP} --to oci:{tmp_path / 'disk'}", release("4.20.3-multi"))
    assert ran.code == 0
    assert "Mirrored 4.20.3: 14 images" in ran.out
    place = f"oci:{tmp_path / 'disk'}:{RELEASE}:4.20.3-multi"
    assert pilotage("release info --verify --offline", place).code == 0
    assert (
        pilotage("release info -o name --offline", f"oci:{tmp_path / 'disk'}").code == 0
    )  # the only one with a tag
    again = pilotage(
        f"release mirror -o json {SKIP} --to oci:{tmp_path / 'disk'}", release("4.20.3-multi")
    ).json()
    assert again["copied"]["count"] == again["mounted"]["count"] == 0


def test_an_incomplete_release_is_not_published(pilotage, release, samples, tmp_path):
    """A component that is missing is named, the others are copied, and the payload is not: exit code 3."""
    digest = (
        pilotage("release info --image-for etcd", release("4.20.3-multi"))
        .out.strip()
        .partition("@sha256:")[2]
    )
    (samples / "blobs" / "sha256" / digest).unlink()
    ran = pilotage(f"release mirror {SKIP} --offline --to oci:{tmp_path / 'disk'}", release("4.20.3-multi"))
    assert ran.code == 3
    assert ran.err.count("error: ") == 1
    assert ": etcd: " in ran.err
    assert pilotage("release info", f"oci:{tmp_path / 'disk'}:{RELEASE}:4.20.3-multi").code == 3


# -- to a registry ----------------------------------------------------------------------------------------------------


@pytest.mark.registry
def test_mirror_to_a_registry(pilotage, release, mirrored, registry):
    """The payload and its components are read from the mirror by the names of their source."""
    direct = pilotage(
        f"release info --insecure-registry {registry} {registry}/ocp/release:4.20.3-multi --verify"
    )
    assert direct.code == 3  # its components are named by their source, which is nowhere
    through = pilotage(
        f"release info --insecure-registry {registry} {registry}/ocp/release:4.20.3-multi --verify --mirrors {mirrored}"
    )
    assert through.code == 0, through.err
    source = pilotage("release info -o json", release("4.20.3-multi")).json()["pullSpec"]
    assert (
        pilotage(f"release info -o name --insecure-registry {registry} {source} --mirrors {mirrored}").code
        == 0
    )


@pytest.mark.registry
def test_mirror_goes_on_where_it_stopped(pilotage, release, mirrored, registry):
    """What is there is not sent again."""
    again = pilotage(
        f"release mirror {SKIP} -o json --insecure-registry {registry} --to {registry}/ocp/release",
        release("4.20.3-multi"),
    ).json()
    assert again["copied"]["bytes"] == 0
    assert again["existed"]["count"] > 0


@pytest.mark.registry
def test_layers_that_pass_through_are_not_kept(pilotage, mirrored, registry, home, tmp_path):
    """What is read is kept for the next time, what is only copied is not."""
    tag = f"{registry}/ocp/release:4.20.3-multi"
    options = f"--insecure-registry {registry} --mirrors {mirrored} {SKIP} --to oci:{tmp_path / 'disk'}"
    assert pilotage(f"release mirror {options} {tag}").code == 0
    kept = {path.name for path in (home / "cache").rglob("blobs/*/*")}
    on_disk = {path.name for path in (tmp_path / "disk").rglob("blobs/*/*")}
    assert kept
    assert len(kept) < len(on_disk) / 4


@pytest.mark.registry
def test_what_was_read_once_is_there_offline(pilotage, mirrored, registry):
    """A payload that was read by digest is shown without the network; a tag never is."""
    tag = f"{registry}/ocp/release:4.20.3-multi"
    document = pilotage(f"release info -o json --insecure-registry {registry} {tag}").json()
    pinned = document["pullSpec"]
    assert pilotage(f"release info --offline {pinned}").code == 0
    assert pilotage(f"release info --offline {tag}").code == 3


@pytest.mark.registry
def test_credentials_are_used_and_never_shown(pilotage, release, start_registry, tmp_path):
    """A registry with a password takes the right one; the wrong one is an error that names the key, not the content."""
    registry = start_registry(password=True)
    reference = f"{registry.host}/a/operator:1"
    source = release("4.20.3-multi").replace(
        "openshift/release:4.20.3-multi", "hypershift/hypershift-operator:v1.1.0"
    )
    for password, expected in ((registry.password, 0), ("wrong-horse", 3)):
        pair = base64.b64encode(f"{registry.username}:{password}".encode()).decode()
        authfile = tmp_path / "auth.json"
        authfile.write_text(json.dumps({"auths": {registry.host: {"auth": pair}}}))
        options = f"--insecure-registry {registry.host} --authfile {authfile}"
        ran = pilotage(f"image copy {options}", source, reference)
        assert ran.code == expected, ran.err
        said = ran.out + ran.err + pilotage(f"release explain --for direct-fetch {options} {reference}").out
        assert password not in said
        assert pair not in said
        assert f"the credential for {registry.host}" in said


# -- mirror-check -----------------------------------------------------------------------------------------------------


@pytest.mark.registry
def test_mirror_check_says_yes(pilotage, release, mirrored, registry):
    """Everything is in the mirror, so it does not matter that the source is gone."""
    ran = pilotage(
        f"release mirror-check {SKIP} --deep --insecure-registry {registry} --mirrors {mirrored}",
        release("4.20.3-multi"),
    )
    assert ran.code == 0, ran.out
    assert ran.out.endswith("all 14 images can be read\n")


@pytest.mark.registry
def test_mirror_check_names_what_is_missing(pilotage, release, mirrored, registry):
    """Another release is not in the mirror: each image with each place and its state, and exit code 1."""
    document = pilotage(
        f"release mirror-check {SKIP} -o json --insecure-registry {registry} --mirrors {mirrored}",
        release("4.19.7-multi"),
    )
    assert document.code == 1
    found = document.json()
    etcd = next(image for image in found["images"] if image["name"] == "etcd")
    assert [(place["role"], place["state"]) for place in etcd["places"]] == [
        ("mirror", "missing"),
        ("source", "unreachable"),
    ]
    assert found["reachable"] is False


@pytest.mark.registry
def test_mirror_check_finds_holes_below_the_manifest(
    pilotage, release, samples, mirrored, registry, real_registry
):
    """An image whose layer is gone looks present; `--deep` asks for the layer."""
    image = pilotage("release info --image-for etcd", release("4.20.3-multi")).out.strip()
    inspected = pilotage("image inspect -o json", f"oci:{samples}:{image}").json()
    layer = inspected["layers"][0]["digest"].partition(":")[2]
    link = real_registry.root / f"docker/registry/v2/repositories/ocp/release/_layers/sha256/{layer}/link"
    link.unlink()
    command = f"release mirror-check {SKIP} --insecure-registry {registry} --mirrors {mirrored}"
    assert pilotage(command, release("4.20.3-multi")).code == 0
    deep = pilotage(f"{command} --deep", release("4.20.3-multi"))
    assert deep.code == 1
    assert "incomplete" in deep.out
    assert layer in deep.out


def test_mirror_check_respects_the_policy(pilotage, release, tmp_path):
    """A source that must not be contacted is not: there is no mirror either, so nothing can be read."""
    rules = [
        {
            "source": "quay.example.com",
            "mirrors": ["127.0.0.1:1/none"],
            "mirrorSourcePolicy": "NeverContactSource",
        }
    ]
    file = tmp_path / "idms.yaml"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "config.openshift.io/v1",
                "kind": "ImageDigestMirrorSet",
                "metadata": {"name": "x"},
                "spec": {"imageDigestMirrors": rules},
            }
        )
    )
    ran = pilotage(f"release mirror-check {SKIP} --mirrors {file}", release("4.20.3-multi"))
    assert ran.code == 1
    assert "not contacted" in ran.out
    assert "14 of 14 images cannot be read anywhere" in ran.out


def test_mirror_check_gives_each_reason_once(pilotage, release, tmp_path):
    """A host that is gone is one line, however many images were looked for there."""
    rules = idms(tmp_path, ("quay.example.com", ["127.0.0.1:1/none"]))
    ran = pilotage(f"release mirror-check {SKIP} --mirrors {rules}", release("4.20.3-multi"))
    assert ran.code == 1
    assert ran.out.count("127.0.0.1:1 did not answer") == 1
    assert ran.out.count("unreachable") == 28


def test_mirror_check_wants_rules(pilotage, release, tmp_path):
    """Without rules there is nothing to check; a file without rules is an error, not a yes."""
    assert pilotage("release mirror-check", release("4.20.3-multi")).code == 2
    file = tmp_path / "other.yaml"
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    ran = pilotage(f"release mirror-check --mirrors {file}", release("4.20.3-multi"))
    assert ran.code == 2
    assert "NoMirrors" in ran.err


# -- explain ----------------------------------------------------------------------------------------------------------


def idms(tmp_path, *pairs):
    file = tmp_path / "rules.yaml"
    entries = [{"source": source, "mirrors": list(mirrors)} for source, mirrors in pairs]
    document = {
        "apiVersion": "config.openshift.io/v1",
        "kind": "ImageDigestMirrorSet",
        "metadata": {"name": "x"},
        "spec": {"imageDigestMirrors": entries},
    }
    file.write_text(json.dumps(document))
    return file


DIGEST = "sha256:" + "a" * 64


def test_explain_direct_fetch_lists_candidates_in_order(pilotage, tmp_path):
    """Override first, then the mirrors of what it became, then that itself; exit code 1 when none delivers."""
    rules = idms(tmp_path, ("b.example.com", ["m1.example.com/b", "m2.example.com/b"]))
    ran = pilotage(
        f"release explain a.example.com/x/y@{DIGEST} --for direct-fetch --offline -o json"
        f" --overrides a.example.com=b.example.com --mirrors {rules}"
    )
    assert ran.code == 1
    document = ran.json()
    assert document["override"] == "a.example.com"
    assert document["mirrorSource"] == "b.example.com"
    assert [each["candidate"] for each in document["candidates"]] == [
        f"{host}/x/y@{DIGEST}" for host in ("m1.example.com/b", "m2.example.com/b", "b.example.com")
    ]
    assert document["digest"] is None


@pytest.mark.registry
def test_explain_follows_the_first_that_delivers(pilotage, release, mirrored, registry):
    """The mirror delivers, so the source is not tried; the digest is the answer."""
    source = pilotage("release info -o json", release("4.20.3-multi")).json()["pullSpec"]
    ran = pilotage(
        f"release explain {source} --for direct-fetch --insecure-registry {registry} --mirrors {mirrored} -o json"
    )
    assert ran.code == 0
    document = ran.json()
    assert [each["outcome"] for each in document["candidates"]] == ["delivered", None]
    assert document["digest"] == source.partition("@")[2]


def test_explain_pod_spec_leaves_mirrors_to_the_runtime(pilotage):
    """Overrides apply, nothing is read."""
    ran = pilotage(
        f"release explain a.example.com/x@{DIGEST} --for pod-spec --overrides a.example.com=b.example.com -o json"
    )
    assert ran.code == 0
    assert ran.json()["image"] == f"b.example.com/x@{DIGEST}"
    assert ran.json()["candidates"] == []


@pytest.mark.parametrize("option", ["overrides", "mirrors"])
def test_explain_data_plane_takes_nothing(pilotage, tmp_path, option):
    """What belongs to the management cluster must not reach nodes: giving it is refused."""
    rules = idms(tmp_path, ("a.example.com", ["m.example.com"]))
    value = {"overrides": "a.example.com=b.example.com", "mirrors": rules}[option]
    ran = pilotage(f"release explain a.example.com/x@{DIGEST} --for data-plane --{option} {value}")
    assert ran.code == 2
    assert "ForbiddenRewrite" in ran.err
    assert option in ran.err


def test_a_malformed_override_is_refused(pilotage):
    """A skipped pair would silently read elsewhere."""
    ran = pilotage(f"release explain a.example.com/x@{DIGEST} --for pod-spec --overrides a.example.com")
    assert ran.code == 2
    assert "OverrideInvalid" in ran.err


# -- an instance ------------------------------------------------------------------------------------------------------


def test_an_instance_answers_for_its_images(pilotage, samples, tmp_path):
    """With `--data-dir` the layout of an instance is read by the names of its repositories, without the network."""
    data_dir = tmp_path / "instance"
    data_dir.mkdir()
    (data_dir / "store.sqlite").touch()
    samples.rename(data_dir / "registry")
    ran = pilotage(f"release info --verify --offline {RELEASE}:4.20.3-multi --data-dir {data_dir}")
    assert ran.code == 0, ran.err
    missing = pilotage(f"release info {RELEASE}:9 --data-dir {data_dir}")
    assert missing.code == 3
    assert str(data_dir) in missing.err
    place = pilotage(
        f"release explain {RELEASE}:4.20.3-multi --for direct-fetch -o json --data-dir {data_dir}"
    ).json()
    assert place["candidates"][0]["place"] == f"oci:{data_dir / 'registry'}"


def test_a_data_dir_without_a_store_is_refused(pilotage, tmp_path):
    """A directory that was named must be an instance."""
    ran = pilotage(f"release info {RELEASE}:4.20.3-multi --data-dir {tmp_path}")
    assert ran.code == 2
    assert "NoInstance" in ran.err


# -- new --------------------------------------------------------------------------------------------------------------

HOTFIX = "quay.example.com/hypershift/control-plane-operator:4.20.3-hotfix"


def new(pilotage, release, to, *more):
    line = "release new --version 4.20.4-0.hotfix --created 2026-06-01T00:00:00Z -o json"
    return pilotage(
        line,
        "--from-release",
        release("4.20.3-multi"),
        "--component",
        f"hypershift={HOTFIX}",
        "--to",
        to,
        *more,
    )


def test_new_replaces_a_component(pilotage, release, tmp_path):
    """One component is another, marked as overridden; all else is as it was, boot images included."""
    place = f"oci:{tmp_path / 'new'}:hotfix"
    ran = new(pilotage, release, place, "--previous", "4.20.3", "--metadata", "url=https://example.com/x")
    assert ran.code == 0, ran.err
    assert ran.json()["replaced"] == ["hypershift"]
    assert ran.json()["isMultiArch"] is True
    difference = pilotage("release diff -o json", release("4.20.3-multi"), place).json()
    changed = [image["name"] for image in (*difference["rebuiltImages"], *difference["updatedImages"])]
    assert changed == ["hypershift"]
    assert difference["canUpdate"] is True
    assert difference["manifests"] == {"added": [], "removed": [], "changed": {}}
    tags = pilotage("release info -o json", place).json()["references"]["spec"]["tags"]
    operator = next(tag for tag in tags if tag["name"] == "hypershift")
    assert operator["annotations"]["io.openshift.release.override"] == "true"
    assert operator["from"]["name"].startswith(HOTFIX.partition(":")[0] + "@sha256:")


def test_new_is_repeatable(pilotage, release, tmp_path):
    """The same order gives the same digest."""
    digests = {new(pilotage, release, f"oci:{tmp_path / name}:x").json()["digest"] for name in ("one", "two")}
    assert len(digests) == 1


def test_new_with_manifests_of_a_directory(pilotage, release, tmp_path):
    """Manifests of a component get its prefix and the version of the release."""
    directory = tmp_path / "manifests"
    directory.mkdir()
    (directory / "deployment.yaml").write_text("version: 0.0.1-snapshot\n")
    place = f"oci:{tmp_path / 'new'}:x"
    ran = new(pilotage, release, place, "--manifests", f"hypershift={directory}")
    assert ran.code == 0, ran.err
    printed = pilotage("release extract --file 0000_50_hypershift_deployment.yaml", place)
    assert printed.out == "version: 4.20.4-0.hotfix\n"


def test_new_from_components_alone(pilotage, release, samples, tmp_path):
    """A release without a parent and without a base: its components and nothing else."""
    image = pilotage("release info --image-for etcd", release("4.20.3-multi")).out.strip()
    place = f"oci:{tmp_path / 'new'}:x"
    ran = pilotage(
        f"release new --version 4.99.0 --base scratch --component etcd=oci:{samples}:{image} --to {place}"
    )
    assert ran.code == 0, ran.err
    assert pilotage("release info -o pullspec", place).out == f"{image}\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--component hypershift", "--component hypershift: write NAME=VALUE"),
        ("--component a=b --component a=c", "--component a: given twice"),
        ("--manifests nothing=/tmp", "nothing: the release has no such component"),
        ("--version four", "is not MAJOR.MINOR.PATCH"),
    ],
)
def test_new_says_what_does_not_fit(pilotage, release, tmp_path, options, said):
    """A wrong order is refused before anything is stored."""
    version = "" if "--version" in options else "--version 4.20.4"
    ran = pilotage(
        f"release new {version} {options} --from-release",
        release("4.20.3-multi"),
        f"--to=oci:{tmp_path / 'new'}:x",
    )
    assert ran.code == 2
    assert said in ran.err
    if (tmp_path / "new").exists():
        assert not OciLayout(tmp_path / "new").has_names


@pytest.mark.registry
def test_new_in_a_registry(pilotage, release, registry):
    """A payload can be built straight into a registry; a place without a tag gets the version."""
    ran = new(pilotage, release, f"{registry}/a/release", "--insecure-registry", registry)
    assert ran.code == 0, ran.err
    shown = pilotage(
        f"release info -o json --insecure-registry {registry} {registry}/a/release:4.20.4-0.hotfix"
    ).json()
    assert shown["listDigest"] == ran.json()["digest"]


# -- a registry that misbehaves ---------------------------------------------------------------------------------------


async def test_a_mirror_with_wrong_bytes_is_reported(pilotage, misbehaving, make_image, tmp_path):
    """The next candidate is read, and the mirror that served other bytes is named on stderr."""
    sample = make_image()
    misbehaving.add("good/app", sample, "v1")
    misbehaving.add("bad/app", sample)
    name = ("bad/app", sample.manifest.digest)
    misbehaving.manifests[name] = (sample.manifest.media_type, sample.manifest.raw + b" ")
    misbehaving.sends_digest = False
    host = misbehaving.host
    rules = idms(tmp_path, (f"{host}/good", [f"{host}/bad"]))
    line = f"image inspect --insecure-registry {host} --mirrors {rules} {host}/good/app@{sample.manifest.digest} -o json"
    ran = await asyncio.to_thread(pilotage, line)
    assert ran.code == 0, ran.err
    assert ran.json()["digest"] == sample.manifest.digest
    assert "ContentIntegrity" in ran.err
    assert f"{host}/bad/app" in ran.err
