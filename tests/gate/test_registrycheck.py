"""The last word about a Release is the registry's: which digest the canonical tag names, and for which architectures."""

from __future__ import annotations

import pytest

from pilotage.api.errors import InputError
from pilotage.gate.promotion.registrycheck import TagCheck
from pilotage.gate.promotion.verifiedrepository import TagConflictError
from pilotage.images.errors import ImageError

from .promotionrig import push_operator

ALL = ("linux/amd64", "linux/arm64")


async def test_a_tag_that_names_the_digest_for_all_architectures_is_fine(misbehaving, open_client):
    """Nothing is wrong with it; an architecture that is not there is named."""
    client, place = open_client(misbehaving.host), misbehaving.reference("verified/operator")
    index = await push_operator(client, place, "tag")
    check = TagCheck(client)

    assert "" == await check.problem(place.name, "tag", index.digest, ALL)
    assert "linux/s390x" in await check.problem(place.name, "tag", index.digest, (*ALL, "linux/s390x"))
    assert "does not exist" in await check.problem(place.name, "other", index.digest, ())


async def test_a_tag_that_names_something_else_is_a_conflict(misbehaving, open_client):
    """Never overwritten, and never taken for a promotion."""
    client, place = open_client(misbehaving.host), misbehaving.reference("verified/operator")
    await push_operator(client, place, "tag")

    with pytest.raises(TagConflictError, match="should name"):
        await TagCheck(client).problem(place.name, "tag", f"sha256:{'0' * 64}", ())


async def test_a_registry_that_is_down_is_no_answer(misbehaving, open_client):
    """It is tried again: nobody knows yet."""
    client, place = open_client(misbehaving.host), misbehaving.reference("verified/operator")
    for method in ("HEAD", "GET"):
        misbehaving.fault(method, "/manifests/", 503, forever=True)

    with pytest.raises(ImageError):
        await TagCheck(client).problem(place.name, "tag", f"sha256:{'0' * 64}", ())


async def test_a_repository_that_is_none_is_told(misbehaving, open_client):
    """A Gate that names it with a tag."""
    with pytest.raises(InputError, match="without tag"):
        await TagCheck(open_client(misbehaving.host)).problem("quay.example.org/a/b:c", "tag", "sha256:0", ())
