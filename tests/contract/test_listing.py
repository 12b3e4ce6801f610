"""Lists and watches with selectors, pages and versions. Texts are those of kube-apiserver 1.36."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import (
    AheadError,
    BadRequestError,
    DeleteOptions,
    Event,
    ExpiredError,
    InvalidObjectError,
    ListOptions,
    WatchOptions,
    WriteOptions,
)
from pilotage.store.embedded import EmbeddedStore

CONFIG = Kind("", "v1", "ConfigMap", "configmaps")
ME = WriteOptions(manager="me")


async def fill(store: EmbeddedStore, count: int) -> None:
    for number in range(count):
        labels = {"n": str(number), "parity": "odd" if number % 2 else "even"}
        await store.post(CONFIG, "a", {"metadata": {"name": f"p{number}", "labels": labels}}, ME)


async def names(store: EmbeddedStore, **options: str) -> list[str]:
    page = await store.page(CONFIG, ListOptions(**options))  # type: ignore[arg-type]
    return [item.meta.name for item in page.items]


async def take(events: AsyncIterator[Event], count: int) -> list[tuple[str, str]]:
    taken: list[tuple[str, str]] = []
    async with asyncio.timeout(20):
        async for event in events:
            taken.append((event.type, event.object.meta.name))
            if len(taken) == count:
                break
    return taken


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("n=1", "1"),
        ("n==1", "1"),
        ("n!=1", "023"),
        ("parity=odd,n!=1", "3"),
        ("n in (1, 3)", "13"),
        ("n notin (1,3)", "02"),
        ("n", "0123"),
        ("!n", ""),
        ("nothing!=x", "0123"),
        ("nothing notin (x)", "0123"),
        ("n>1", "23"),
        ("n<1", "0"),
        (" ", "0123"),
        ("n in (x,,y)", ""),
    ],
)
async def test_label_selectors(store: EmbeddedStore, selector: str, found: str):
    """Equality, sets, presence and order select as `kubectl get -l` does."""
    await fill(store, 4)
    assert await names(store, labels=selector) == [f"p{number}" for number in found]


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a,", "found '', expected: identifier after ','"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        (
            "x>y",
            (
                "unable to parse requirement: values[0]: Invalid value: \"y\": for 'Gt', 'Lt' operators, the value"
                " must be an integer"
            ),
        ),
        ("(a)", "found '(', expected: !, identifier, or 'end of string'"),
        ("a in (x) b", "found 'b', expected: ',' or 'end of string'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a in x", "unable to parse requirement: found 'x' expected: '('"),
        ("a!b", "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
    ],
)
async def test_bad_label_selectors(store: EmbeddedStore, selector: str, problem: str):
    """What cannot be read is refused with what was found and what was expected."""
    with pytest.raises(BadRequestError) as caught:
        await store.page(CONFIG, ListOptions(labels=selector))
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("metadata.name=p1", "1"),
        ("metadata.name==p1", "1"),
        ("metadata.name!=p1", "023"),
        ("metadata.namespace=a", "0123"),
        ("metadata.name=p1,metadata.name!=p1", ""),
        (",", "0123"),
    ],
)
async def test_field_selectors(store: EmbeddedStore, selector: str, found: str):
    """Every kind is selected by name and namespace."""
    await fill(store, 4)
    assert await names(store, fields=selector) == [f"p{number}" for number in found]
    assert await names(store, fields=selector, namespace="a") == [f"p{number}" for number in found]


async def test_bad_field_selectors(store: EmbeddedStore):
    """Other fields are refused, unless the kind has them."""
    with pytest.raises(BadRequestError) as caught:
        await names(store, fields="data=x")
    assert str(caught.value) == (
        '"data" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )
    with pytest.raises(BadRequestError, match=r"^invalid selector: 'a'; can't understand 'a'$"):
        await names(store, fields="a")


async def test_events_are_selected_by_what_they_are_about(store: EmbeddedStore):
    """`kubectl describe` finds the events of an object."""
    event = Kind("", "v1", "Event", "events")
    for name in ("x", "y"):
        about = {"kind": "Pod", "name": name, "namespace": "a"}
        sent = {"metadata": {"name": name}, "involvedObject": about, "type": "Normal"}
        await store.post(event, "a", sent, ME)
    page = await store.page(event, ListOptions(fields="involvedObject.kind=Pod,involvedObject.name=y"))
    assert [item.meta.name for item in page.items] == ["y"]


async def test_pages_are_of_one_snapshot(store: EmbeddedStore):
    """What happens between two pages does not show: the second page belongs to the first."""
    await fill(store, 5)
    first = await store.page(CONFIG, ListOptions(limit=2))
    assert ([item.meta.name for item in first.items], first.remaining) == (["p0", "p1"], 3)
    await store.delete(CONFIG, ObjectKey("a", "p2"))
    await store.post(CONFIG, "a", {"metadata": {"name": "p1a"}}, ME)
    second = await store.page(CONFIG, ListOptions(limit=2, continuation=first.continuation))
    assert ([item.meta.name for item in second.items], second.remaining) == (["p2", "p3"], 1)
    third = await store.page(CONFIG, ListOptions(limit=2, continuation=second.continuation))
    assert ([item.meta.name for item in third.items], third.continuation) == (["p4"], "")
    assert {first.resource_version} == {second.resource_version, third.resource_version}


async def test_a_page_of_nobodys_list_is_expired(store: EmbeddedStore):
    """A token of before a change that nobody kept, or of no list at all, does not go on."""
    await fill(store, 3)
    first = await store.page(CONFIG, ListOptions(limit=1))
    async with await store.fork() as other:
        assert len((await other.page(CONFIG, ListOptions(continuation=first.continuation))).items) == 2
        await other.delete(CONFIG, ObjectKey("a", "p2"))
        with pytest.raises(ExpiredError):
            await other.page(CONFIG, ListOptions(continuation=first.continuation))
    with pytest.raises(BadRequestError, match=r"^invalid continue token: continue key is not valid"):
        await store.page(CONFIG, ListOptions(continuation="xx"))
    with pytest.raises(
        BadRequestError, match=r"^specifying resource version is not allowed when using continue$"
    ):
        await store.page(CONFIG, ListOptions(continuation=first.continuation, resource_version="5"))


async def test_versions_of_lists(store: EmbeddedStore):
    """Not older than, exactly, and yet to come."""
    await fill(store, 2)
    now = (await store.list(CONFIG)).resource_version
    assert (await store.page(CONFIG, ListOptions(resource_version="1"))).resource_version == now
    exact = ListOptions(resource_version=now, match="Exact")
    assert len((await store.page(CONFIG, exact)).items) == 2
    with pytest.raises(ExpiredError, match=r"^The resourceVersion for the provided list is too old\.$"):
        await store.page(CONFIG, ListOptions(resource_version="1", match="Exact"))
    with pytest.raises(AheadError, match=rf"^Timeout: Too large resource version: 99999, current: {now}$"):
        await store.page(CONFIG, ListOptions(resource_version="99999"))
    with pytest.raises(InvalidObjectError) as caught:
        await store.page(CONFIG, ListOptions(match="Exact"))
    assert str(caught.value) == (
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden'
        " unless resourceVersion is provided"
    )


async def test_watch_lists(store: EmbeddedStore):
    """A watch that begins with what is there says when that is told."""
    await fill(store, 2)
    options = WatchOptions(initial_events=True, match="NotOlderThan", has_bookmarks=True)
    events = store.follow(CONFIG, options)
    assert await take(events, 2) == [("ADDED", "p0"), ("ADDED", "p1")]
    bookmark = await anext(events)
    assert bookmark.type == "BOOKMARK"
    assert bookmark.object.annotations == {"k8s.io/initial-events-end": "true"}
    with pytest.raises(InvalidObjectError, match="sendInitialEvents requires setting resourceVersionMatch"):
        store.follow(CONFIG, WatchOptions(initial_events=True))


async def test_a_watch_tells_who_comes_and_goes(store: EmbeddedStore):
    """With a selector, an object that comes into the selection is added, one that leaves it deleted."""
    await fill(store, 3)
    start = (await store.list(CONFIG)).resource_version

    async def label(name: str, parity: str) -> None:
        patch = {"metadata": {"labels": {"parity": parity}}}
        await store.patch(CONFIG, ObjectKey("a", name), "merge", patch, ME)

    events = store.follow(CONFIG, WatchOptions(labels="parity=even", resource_version=start))
    await store.patch(CONFIG, ObjectKey("a", "p0"), "merge", {"data": {"x": "y"}}, ME)
    assert await take(events, 1) == [("MODIFIED", "p0")]
    await label("p2", "odd")
    assert await take(events, 1) == [("DELETED", "p2")]
    await label("p2", "even")
    assert await take(events, 1) == [("ADDED", "p2")]
    await store.delete(CONFIG, ObjectKey("a", "p1"))
    await store.delete(CONFIG, ObjectKey("a", "p0"))
    assert await take(events, 1) == [("DELETED", "p0")]


async def test_deleting_what_is_selected(store: EmbeddedStore):
    """A deletion of many answers with them as they were."""
    await fill(store, 4)
    page = await store.remove_all(CONFIG, ListOptions(namespace="a", labels="parity=odd"), DeleteOptions())
    assert [item.meta.name for item in page.items] == ["p1", "p3"]
    assert await names(store) == ["p0", "p2"]
