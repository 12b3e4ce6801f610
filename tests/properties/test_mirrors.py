"""Laws of mirrors: the listing order never matters, and merging keeps every declared order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.images.mirrors import Mirrors, merge_lists
from pilotage.images.reference import parse

LAW = settings(derandomize=True, max_examples=150, deadline=None)

MIRROR = st.sampled_from([f"m{n}.example" for n in range(6)])
LISTS = st.lists(st.lists(MIRROR, min_size=1, max_size=5, unique=True), min_size=1, max_size=5)
SOURCE = st.sampled_from(["quay.io", "quay.io/org", "quay.io/org/repo", "*.io", "other.io"])
ENTRY = st.fixed_dictionaries(
    {"source": SOURCE, "mirrors": st.lists(MIRROR, max_size=4)},
    optional={"mirrorSourcePolicy": st.sampled_from(["NeverContactSource", "AllowContactingSource"])},
)
FIELDS = {
    "ImageDigestMirrorSet": "imageDigestMirrors",
    "ImageTagMirrorSet": "imageTagMirrors",
    "ImageContentSourcePolicy": "repositoryDigestMirrors",
}
OBJECT = st.builds(
    lambda kind, name, entries: {"kind": kind, "metadata": {"name": name}, "spec": {FIELDS[kind]: entries}},
    st.sampled_from(sorted(FIELDS)),
    st.sampled_from("abc"),
    st.lists(ENTRY, max_size=3),
)


@LAW
@given(st.lists(OBJECT, max_size=5), st.randoms(use_true_random=False), st.booleans())
def test_the_listing_order_never_matters(objects: list[dict[str, Any]], random: Any, pinned: bool) -> None:
    """Shuffled objects give the same candidates and the same warnings, even when names repeat."""
    reference = parse(f"quay.io/org/repo{'@sha256:' + 'a' * 64 if pinned else ':1'}")
    shuffled = list(objects)
    random.shuffle(shuffled)
    assert Mirrors.of_objects(objects).candidates(reference) == Mirrors.of_objects(shuffled).candidates(
        reference
    )


@LAW
@given(LISTS)
def test_a_merge_keeps_every_order(lists: list[list[str]]) -> None:
    """Unless the lists contradict each other, whatever stands before something stays before it."""
    merged, contradictory = merge_lists(lists)
    assert sorted(merged) == sorted({mirror for listed in lists for mirror in listed})
    rank = {mirror: index for index, mirror in enumerate(merged)}
    kept = all(rank[earlier] < rank[later] for listed in lists for earlier, later in pairwise(listed))
    assert kept or contradictory


@LAW
@given(LISTS)
def test_a_merge_of_one_order_is_that_order(lists: list[list[str]]) -> None:
    """Lists that are parts of one order merge into it when each neighbouring pair is declared somewhere."""
    whole = lists[0]
    parts = [list(pair) for pair in pairwise(whole)] or [whole]
    assert merge_lists(list(reversed(parts))) == (tuple(whole), False)


@LAW
@given(LISTS)
def test_a_contradiction_is_real(lists: list[list[str]]) -> None:
    """Lists are called contradictory only when no order can keep them all: some cycle of declared pairs exists."""
    _, contradictory = merge_lists(lists)
    pairs = {pair for listed in lists for pair in pairwise(listed)}
    reachable = set(pairs)
    while True:
        longer = {(a, d) for a, b in reachable for c, d in pairs if b == c} - reachable
        if not longer:
            break
        reachable |= longer
    assert contradictory is any(a == b for a, b in reachable)
