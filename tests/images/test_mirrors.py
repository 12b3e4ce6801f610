"""Mirror rules as values: merging, text form, plain maps. Most cases stand in `cases/mirror-candidates.yaml`."""

from __future__ import annotations

import pytest

from pilotage.images.mirrors import Mirrors, format_mirrors, merge_lists, parse_mirrors
from pilotage.images.reference import parse

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("lists", "merged", "contradictory"),
    [
        (["abc", "cde"], "abcde", False),
        (["bc", "ab"], "abc", False),
        (["ab", "ba"], "ab", True),
        (["abc", "xyz"], "abcxyz", False),
        (["ac", "bc"], "abc", False),
        (["bc", "ac"], "bac", False),
        (["ab", "bc", "ca"], "abc", True),
        (["xa", "ab", "xb"], "xab", False),
        (["aba"], "ab", False),
        (["dz", "az", "bd"], "abdz", False),
    ],
)
def test_merge(lists: list[str], merged: str, contradictory: bool) -> None:
    """Every order is kept, open choices go by first appearance, contradictions are told."""
    assert (tuple(merged), contradictory) == merge_lists(lists)


def test_a_plain_map_serves_tags_and_digests() -> None:
    """`OPENSHIFT_IMG_OVERRIDES` makes no difference between tags and digests, and keeps its order."""
    mirrors = Mirrors.of_map(
        parse_mirrors("quay.io/org=b.example,quay.io/org=a.example,quay.io/org=b.example")
    )
    for suffix in (":1", f"@{DIGEST}"):
        expected = (f"b.example/r{suffix}", f"a.example/r{suffix}", f"quay.io/org/r{suffix}")
        assert expected == mirrors.candidates(parse(f"quay.io/org/r{suffix}")).references
    assert ["quay.io/org"] == [source.source for source in mirrors.sources]


def test_text_form_keeps_the_preference() -> None:
    """Sources are sorted, mirrors are not: the order is the administrator's."""
    assert format_mirrors({"z": ["b", "a"], "a": ["c"]}) == "a=c,z=b,z=a"
    assert format_mirrors({}) == "="


def test_no_rules() -> None:
    """Without rules the source is the only candidate."""
    assert Mirrors().candidates(parse("quay.io/r:1")).references == ("quay.io/r:1",)
    assert not Mirrors()


def test_a_mirror_that_is_the_source() -> None:
    """The source is tried once, where the list has it, and not at all when it is forbidden."""
    entry = {"source": "quay.io", "mirrors": ["quay.io", "m.example/"]}
    allowed = Mirrors.of_objects([_tags(entry)])
    never = Mirrors.of_objects([_tags({**entry, "mirrorSourcePolicy": "NeverContactSource"})])
    reference = parse("quay.io/r:1")
    assert allowed.candidates(reference).references == ("quay.io/r:1", "m.example/r:1")
    assert never.candidates(reference).references == ("m.example/r:1",)


def test_what_matched_is_told() -> None:
    """The answer carries the source with the objects that name it."""
    found = Mirrors.of_objects([_tags({"source": "quay.io", "mirrors": ["m.example"]})]).candidates(
        parse("quay.io/r:1")
    )
    assert found.matched is not None
    assert found.matched.origins == ("ImageTagMirrorSet a",)
    assert found.matched.contact_source


def test_the_whole_repository_as_source() -> None:
    """A source may be the repository itself; nothing but the suffix remains."""
    mirrors = Mirrors.of_objects([_tags({"source": "quay.io/o/r", "mirrors": ["m.example/x"]})])
    assert mirrors.candidates(parse("quay.io/o/r:1")).references[0] == "m.example/x:1"


def _tags(*entries: dict[str, object]) -> dict[str, object]:
    return {
        "kind": "ImageTagMirrorSet",
        "metadata": {"name": "a"},
        "spec": {"imageTagMirrors": list(entries)},
    }
