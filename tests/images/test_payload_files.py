"""The files of a payload as typed records: references, metadata, component versions, differences."""

from __future__ import annotations

import json

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.payload import componentversions, diff, imagereferences, metadata
from pilotage.images.payload.imagereferences import Component


def _payload(*tags: dict[str, object], version: str = "4.20.3") -> str:
    return json.dumps(
        {
            "kind": "ImageStream",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {
                "name": version,
                "creationTimestamp": "2026-05-20T04:35:16Z",
                "annotations": {"release.openshift.io/from-release": "4.20.3-0.nightly"},
            },
            "spec": {"tags": list(tags)},
        }
    )


def _tag(name: str, image: str, **annotations: str) -> dict[str, object]:
    return {
        "name": name,
        "from": {"kind": "DockerImage", "name": image},
        "annotations": {key.replace("_", "."): value for key, value in annotations.items()},
    }


def test_components_carry_what_their_build_left() -> None:
    """Pull spec, commit, source and override mark of a component are at hand."""
    found = imagereferences.parse(
        _payload(
            _tag(
                "etcd",
                "q.io/etcd@sha256:1",
                io_openshift_build_commit_id="c0ffee",
                io_openshift_release_override="true",
                io_openshift_build_versions="etcd=3.5.1",
            )
        )
    )
    etcd = found.components["etcd"]
    assert (etcd.image, etcd.commit, etcd.is_overridden) == ("q.io/etcd@sha256:1", "c0ffee", True)
    assert (found.created, found.from_release) == ("2026-05-20T04:35:16Z", "4.20.3-0.nightly")
    assert found.versions.versions["etcd"].version == "3.5.1"
    assert found.versions.versions["release"].version == "4.20.3"
    assert found.versions is found.versions


def test_a_missing_component_is_named_with_its_payload() -> None:
    """The error has the component's name and the release, not an empty image."""
    found = imagereferences.parse(_payload(_tag("etcd", "q.io/etcd@sha256:1")))
    assert found.image_of("etcd") == "q.io/etcd@sha256:1"
    with pytest.raises(ImageError, match="hypershift") as caught:
        found.image_of("hypershift")
    assert caught.value.code == "ComponentMissing"
    assert "4.20.3" in caught.value.message


def test_a_huge_broken_file_is_not_repeated() -> None:
    """An error quotes the first bytes at most."""
    with pytest.raises(ImageError) as caught:
        imagereferences.parse('{"kind": "' + "x" * 100_000)
    assert len(caught.value.message) < 500


def test_bytes_that_are_no_text() -> None:
    """A file that is not UTF-8 is malformed."""
    with pytest.raises(ImageError, match="UTF-8"):
        imagereferences.parse(b"\xff\xfe")


def test_problems_touch_their_key_only() -> None:
    """A caller that decides on one version is not held up by the problem of another."""
    found = componentversions.combine(
        [
            ("a", {componentversions.VERSIONS: "aa=1.0.0,kk=1.0.0"}),
            ("b", {componentversions.VERSIONS: "aa=2.0.0"}),
            ("c", {componentversions.VERSIONS: "broken"}),
        ]
    )
    assert [problem.code for problem in found.problems] == [
        "ComponentVersionInvalid",
        "ComponentVersionConflict",
    ]
    assert [problem.code for problem in found.problems_of("aa")] == ["ComponentVersionConflict"]
    assert found.problems_of("kk") == ()
    assert found.problems_of("missing") == found.problems


def test_the_conflict_lists_names_with_comma_and_two_spaces() -> None:
    """The text is the one that oc and HyperShift print."""
    found = componentversions.combine(
        [
            ("a", {componentversions.VERSIONS: "bb=1.0.0,aa=1.0.0"}),
            ("b", {componentversions.VERSIONS: "bb=2.0.0,aa=2.0.0"}),
        ]
    )
    assert found.problems[0].message.endswith("the following component(s): aa,  bb")


def test_many_versions_of_kubectl_are_noted() -> None:
    """More than two versions of kubectl over all tags are worth a remark, not a problem."""
    tags = [(f"t{n}", {componentversions.VERSIONS: f"kubectl=1.{n}.0"}) for n in range(3)]
    found = componentversions.combine(tags)
    assert [note.code for note in found.notes] == ["KubectlVersions"]
    assert not found.problems
    assert not found.versions


def test_metadata_is_read() -> None:
    """Known keys are at hand, and the display order is that of SemVer when every entry parses."""
    found = metadata.parse(
        json.dumps(
            {
                "kind": "cincinnati-metadata-v0",
                "version": "4.20.3",
                "previous": ["4.19.10", "4.19.9", "4.20.0-rc.1"],
                "metadata": {"url": "https://errata", "release.openshift.io/architecture": "multi"},
            }
        )
    )
    assert found.upgrades == ("4.19.9", "4.19.10", "4.20.0-rc.1")
    assert (found.url, found.is_multi, found.description) == ("https://errata", True, "")
    assert found.can_update_from("4.19.9")
    assert [warning.code for warning in found.warnings("4.20.4")] == ["VersionMismatch"]
    assert found.warnings("4.20.3") == ()


def test_metadata_with_a_strange_version_keeps_the_written_order() -> None:
    """One entry that is no version, and the list stays as written."""
    found = metadata.parse('{"previous": ["b", "4.19.9", "a"], "metadata": {"url": 5}}')
    assert found.upgrades == ("b", "4.19.9", "a")
    assert found.url == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"previous": "x"}'])
def test_broken_metadata(text: str) -> None:
    """What is no metadata document is malformed, and the file is named."""
    with pytest.raises(ImageError, match="release-metadata") as caught:
        metadata.parse(text)
    assert caught.value.code == "MalformedPayloadFile"


def _component(image: str, commit: str, source: str) -> Component:
    return Component("c", image, {imagereferences.COMMIT: commit, imagereferences.SOURCE_LOCATION: source})


def test_changes_link_to_their_commits() -> None:
    """A change within one GitHub repository links to the commits in between."""
    old = _component("q.io/c@sha256:1", "aaa", "https://github.com/openshift/etcd.git")
    new = _component("q.io/c@sha256:2", "bbb", "git@github.com:openshift/etcd.git")
    (change,) = diff.compare({"c": old}, {"c": new}).changed
    assert change.compare_url == "https://github.com/openshift/etcd/compare/aaa...bbb"
    assert change.commits == "aaa -> bbb"
    assert not change.is_same_digest
    assert diff.commit_url(old) == "https://github.com/openshift/etcd/commit/aaa"


def test_a_moved_source_is_shown_and_not_linked() -> None:
    """Two repositories have no commits in between; a missing annotation is `<unknown>`."""
    old = _component("q.io/c@sha256:1", "aaa", "https://github.com/openshift/old")
    new = _component("m.io/c@sha256:1", "", "https://git.example/new")
    (change,) = diff.compare({"c": old}, {"c": new}).rebuilt
    assert change.compare_url == ""
    assert change.repository == "https://github.com/openshift/old -> https://git.example/new"
    assert change.commits == "aaa -> <unknown>"
    assert change.is_same_digest
    assert diff.commit_url(_component("", "aaa", "https://git.example/new")) == "https://git.example/new aaa"
    assert diff.commit_url(_component("", "aaa", "https://[")) == "https://[ aaa"


def test_version_changes() -> None:
    """Component versions that differ are listed by name; a missing one is empty."""
    assert diff.version_changes({"b": "1", "a": "1", "same": "1"}, {"b": "2", "c": "1", "same": "1"}) == {
        "a": ("1", ""),
        "b": ("1", "2"),
        "c": ("", "1"),
    }
