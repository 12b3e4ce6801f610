"""Which credential opens a repository, and what is never shown. Most cases stand in `cases/pull-credential.yaml`."""

from __future__ import annotations

import base64
import json

import pytest

from pilotage.images.credentials import Credential, Credentials
from pilotage.images.errors import ImageError
from pilotage.images.reference import parse


def _entry(user: str, password: str = "hunter2") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_several_credentials_in_order() -> None:
    """All credentials that fit are given, the best first, for the retry after a refusal."""
    found = Credentials.of(
        {"auths": {"quay.io": _entry("host"), "quay.io/org": _entry("org"), "*.io": _entry("glob")}}
    ).matching(parse("quay.io/org/repo"))
    assert ["org", "host", "glob"] == [credential.username for credential in found]


def test_entries_of_one_key_are_all_tried() -> None:
    """Two spellings of one location are two credentials of one key, in the order of their spelling."""
    found = Credentials.of(
        {"auths": {"quay.io": _entry("second"), "https://quay.io": _entry("first")}}
    ).matching(parse("quay.io/org/repo"))
    assert [("first", "quay.io"), ("second", "quay.io")] == [(c.username, c.location) for c in found]


def test_empty_entries_are_no_credentials() -> None:
    """An entry that holds nothing decides for anonymous access and gives nothing to send."""
    credentials = Credentials.of({"auths": {"quay.io/org": {}, "quay.io": _entry("host")}})
    reference = parse("quay.io/org/repo")
    first = credentials.first(reference)
    assert first is not None
    assert first.is_anonymous
    assert ["host"] == [credential.username for credential in credentials.matching(reference)]


def test_identity_tokens_are_passwords_of_a_marked_user() -> None:
    """An identity token without a password becomes the password of the user that marks it."""
    (found,) = Credentials.of({"auths": {"quay.io": {"identitytoken": "t"}}}).matching(parse("quay.io/a"))
    assert ("<token>", "t") == (found.username, found.password)


def test_a_password_is_never_printed() -> None:
    """Neither `repr` nor `str` of a credential, nor of all of them, shows user data."""
    credentials = Credentials.of({"auths": {"quay.io": _entry("user")}})
    (found,) = credentials.matching(parse("quay.io/a"))
    for text in (repr(found), str(found), repr(credentials), f"{found}", f"{[found]}"):
        assert "hunter2" not in text
        assert "quay.io" in text


def test_ids_tell_credentials_apart() -> None:
    """The id depends on everything that decides access, and on nothing else."""
    one = Credential("quay.io", "user", "a")
    assert one.id == Credential("quay.io", "user", "a").id
    assert 3 == len({one.id, Credential("quay.io", "user", "b").id, Credential("quay.io", "", "usera").id})
    assert 12 == len(one.id)


def test_broken_text_names_the_position_only() -> None:
    """A document that is no JSON is refused with the position and none of its content."""
    with pytest.raises(ImageError) as caught:
        Credentials.parse(b'{"auths": {"quay.io": {"auth": hunter2}}}')
    assert caught.value.code == "PullSecretInvalid"
    assert "hunter2" not in caught.value.message
    assert "line 1" in caught.value.message


def test_all_broken_entries_are_listed() -> None:
    """A user with several broken entries hears of all of them."""
    with pytest.raises(ImageError) as caught:
        Credentials.of({"auths": {"b.io": 5, "a.io": {"auth": "?"}, "c.io": {"username": 1}}})
    assert 3 == len(caught.value.messages)
    assert all(key in caught.value.message for key in ("a.io", "b.io", "c.io"))


@pytest.mark.parametrize("document", [None, [], "x", 5, {"auths": 5}])
def test_a_document_of_another_shape(document: object) -> None:
    """What is no object of locations is refused."""
    with pytest.raises(ImageError) as caught:
        Credentials.of(document)
    assert caught.value.code == "PullSecretInvalid"


def test_an_empty_document_is_anonymous() -> None:
    """No entries: nothing matches."""
    assert not Credentials.parse(json.dumps({"auths": None}))
    assert () == Credentials.parse("{}").matching(parse("quay.io/a"))


@pytest.mark.parametrize(
    ("location", "reference", "fits"),
    [
        ("[::1]:5000", "[::1]:5000/x", True),
        ("[::1]", "[::1]:5000/x", False),
        ("user@quay.io", "quay.io/x", True),
        ("quay.io/?query", "quay.io/x", True),
        ("quay.io/a%20b", "quay.io/x", False),
        ("quay.io/%zz", "quay.io/x", False),
        ("quay.io/v1/x", "quay.io/x/y", True),
        ("quay.io/v1", "quay.io/x/y", False),
        ("http://quay.io:80", "quay.io:80/x", True),
        ("qu[ay.io", "quay.io/x", False),
        ("qu[z-a]y.io", "quay.io/x", False),
        ("q[s-w&&~~]ay.io", "quay.io/x", True),
        ("q[t--w]ay.io", "quay.io/x", False),
        ("reg-[a-c]*.io", "reg-bbb.io/x", True),
        ("quay.io/org/", "quay.io/org/x", True),
        ("*", "localhost/x", True),
        ("", "quay.io/x", False),
        ("https://", "quay.io/x", False),
    ],
)
def test_locations(location: str, reference: str, fits: bool) -> None:
    """Odd locations match what they say, or nothing; they never fail the document."""
    credentials = Credentials.of({"auths": {location: _entry("u")}})
    assert fits is bool(credentials.matching(parse(reference)))


def test_many_stars_stay_cheap() -> None:
    """A key full of stars is judged at once, whatever the host looks like."""
    credentials = Credentials.of({"auths": {"a*" * 40 + "b": _entry("u"), "*a" * 5 + "*": _entry("v")}})
    found = credentials.matching(parse(f"{'a' * 200}:5000/x"))
    assert () == found
    assert not Credentials.of({"auths": {"a*" * 40 + "b.io": _entry("u")}}).matching(
        parse(f"{'a' * 200}.io/x")
    )
    assert Credentials.of({"auths": {"*a*b*": _entry("u")}}).matching(parse("localhost/x")) == ()
    assert Credentials.of({"auths": {"*a*b*.io": _entry("u")}}).matching(parse("xxaxbxx.io/x"))
