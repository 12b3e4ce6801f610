"""Who may read: challenges, tokens, several credentials, and that no secret is ever shown."""

import asyncio
import logging
import traceback

import pytest

from pilotage.images.errors import ImageError
from pilotage.images.registry.challenge import Challenge, choose, parse_challenges, scope_union
from pilotage.images.registry.exchange import Request, Secret

SECRET = "correct-horse-battery"


async def collect(chunks):
    return b"".join([chunk async for chunk in chunks])


async def stream(raw):
    yield raw


# -- challenges, pure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], ()),
        (['Basic realm="here"'], (Challenge("basic", "here"),)),
        (
            ['Bearer realm="https://a/token",service="a",scope="repository:x:pull,push"'],
            (Challenge("bearer", "https://a/token", "a", "repository:x:pull,push"),),
        ),
        (['bearer realm = "https://a/token" , service=a'], (Challenge("bearer", "https://a/token", "a"),)),
        (
            ['Basic realm="one", Bearer realm="https://a/token",service="b"'],
            (Challenge("basic", "one"), Challenge("bearer", "https://a/token", "b")),
        ),
        (['Basic realm="one"', "Negotiate"], (Challenge("basic", "one"), Challenge("negotiate"))),
        ([r'Basic realm="a \"quoted\", realm"'], (Challenge("basic", 'a "quoted", realm'),)),
        (['Basic realm="one", Bearer realm="never closed'], (Challenge("basic", "one"), Challenge("bearer"))),
        (['=?!"', ""], ()),
    ],
)  # fmt: skip
def test_challenges_are_read(headers, expected):
    """All challenges of all headers are found; what is malformed ends a header without an error."""
    assert expected == parse_challenges(headers)


def test_bearer_is_preferred_and_unknown_schemes_are_not_answered():
    """Bearer before Basic, whatever their order; a bearer challenge without realm cannot be answered."""
    basic, bearer = Challenge("basic", "here"), Challenge("bearer", "https://a/token")

    assert bearer == choose([basic, bearer])
    assert bearer == choose([bearer, basic])
    assert basic == choose([Challenge("bearer"), basic])
    assert choose([Challenge("negotiate")]) is None


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["repository:a:pull", "repository:a:push,pull"], ("repository:a:pull,push",)),
        (["repository:b:pull repository:a:pull", ""], ("repository:a:pull", "repository:b:pull")),
        (["repository:host:5000/a:pull"], ("repository:host:5000/a:pull",)),
        ([""], ()),
    ],
)
def test_scopes_are_united(scopes, expected):
    """One scope for each resource with all its actions, in a fixed order."""
    assert expected == scope_union(*scopes)


# -- bearer ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bearer(misbehaving, sample):
    """A registry with a token service that knows one user."""
    misbehaving.auth, misbehaving.users = "bearer", {"pilot": SECRET}
    misbehaving.add("team/app", sample, "v1")
    return misbehaving


@pytest.fixture
def pilot(bearer, open_client, make_credentials):
    return open_client(bearer.host, credentials=make_credentials({bearer.host: ("pilot", SECRET)}))


async def test_one_token_serves_many_requests(bearer, pilot, sample):
    """A token is fetched once for a repository and used for everything in it."""
    reference = bearer.reference("team/app:v1")

    await asyncio.gather(*(pilot.resolve(reference) for _ in range(10)))
    await pilot.manifest(reference, sample.manifest.digest)

    assert [("pilot", ("repository:team/app:pull",))] == bearer.token_requests
    assert 10 == bearer.count("HEAD", "/manifests/")


async def test_expired_token_is_replaced_before_it_fails(bearer, pilot, time):
    """Ten seconds before its end a token counts as expired: no request is refused for it."""
    bearer.token_life = 60
    reference = bearer.reference("team/app:v1")
    await pilot.resolve(reference)
    time.elapsed += 49
    await pilot.resolve(reference)
    assert 1 == len(bearer.token_requests)

    time.elapsed += 2
    await pilot.resolve(reference)

    assert 2 == len(bearer.token_requests)
    assert 3 == bearer.count("HEAD", "/manifests/")


async def test_token_without_life_lives_a_minute(bearer, pilot, time):
    """A service that names no life means sixty seconds."""
    bearer.token_life = None
    for elapsed, fetched in ((0, 1), (49, 1), (2, 2)):
        time.elapsed += elapsed
        await pilot.resolve(bearer.reference("team/app:v1"))
        assert fetched == len(bearer.token_requests)


async def test_revoked_token_is_replaced(bearer, pilot):
    """A token that the registry no longer takes is fetched anew, once."""
    await pilot.resolve(bearer.reference("team/app:v1"))
    bearer.tokens.clear()

    await pilot.resolve(bearer.reference("team/app:v1"))

    assert 2 == len(bearer.token_requests)


async def test_writing_asks_for_both_actions_and_mounting_for_both_repositories(bearer, pilot, sample):
    """The scope names what the request needs, the other repository of a mount included."""
    descriptor = sample.manifest.image().layers[0]

    await pilot.put_blob(bearer.reference("team/new"), descriptor, stream(sample.blobs[descriptor.digest][1]))
    assert await pilot.mount_blob(bearer.reference("team/copy"), descriptor, bearer.reference("team/app"))

    scopes = [scopes for _, scopes in bearer.token_requests]
    assert ("repository:team/new:pull,push",) in scopes
    assert ("repository:team/app:pull", "repository:team/copy:pull,push") in scopes


async def test_wider_scope_of_a_challenge_is_honoured_and_remembered(bearer, pilot, sample):
    """A registry that wants more than we asked for gets it, and is not refused twice."""
    challenge = f'Bearer realm="http://{bearer.host}/token",service="test",scope="repository:base/os:pull"'
    bearer.fault("HEAD", "/manifests/", bearer.answering(401, {"WWW-Authenticate": challenge}))

    await pilot.resolve(bearer.reference("team/app:v1"))
    await pilot.resolve(bearer.reference("team/app:v1"))

    assert ("repository:base/os:pull", "repository:team/app:pull") == bearer.token_requests[-1][1]
    assert 2 == len(bearer.token_requests)


async def test_public_repository_is_read_without_credential(bearer, open_client):
    """Anonymous access takes a token as well, without a name."""
    bearer.grants[""] = {"team/app"}

    await open_client(bearer.host).resolve(bearer.reference("team/app:v1"))

    assert [("", ("repository:team/app:pull",))] == bearer.token_requests


async def test_identity_token_is_exchanged(bearer, open_client, make_credentials):
    """Docker's `<token>` user means that the password is an identity token: it is sent as refresh token."""
    credentials = make_credentials({bearer.host: ("<token>", SECRET)})

    await open_client(bearer.host, credentials=credentials).resolve(bearer.reference("team/app:v1"))

    assert 1 == bearer.count("POST", "/token")
    assert [("pilot", ("repository:team/app:pull",))] == bearer.token_requests


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (404, b"", "answered 404"),
        (200, b"<html>", "did not answer with a token document"),
        (200, b"{}", "answered without a token"),
        (200, b'{"token": "two\\nlines"}', "answered without a token"),
    ],
)
async def test_broken_token_service(bearer, pilot, status, body, cause):
    """A token service that gives no token makes the registry unreachable, and the message says which service."""
    bearer.fault("GET", "/token", bearer.answering(status, {}, body), forever=True)

    with pytest.raises(ImageError, match=cause) as caught:
        await pilot.resolve(bearer.reference("team/app:v1"))

    assert "RegistryUnreachable" == caught.value.code
    assert f"token service {bearer.host}" in caught.value.message


async def test_password_is_not_sent_to_a_plain_http_token_service(bearer, pilot):
    """A challenge cannot lure the password onto an unencrypted connection to a host that was not allowed."""
    challenge = 'Bearer realm="http://tokens.example.test/token",service="test"'
    bearer.fault("GET", "/v2/$", bearer.answering(401, {"WWW-Authenticate": challenge}))

    with pytest.raises(ImageError, match=r"tokens\.example\.test is not reached over HTTPS"):
        await pilot.resolve(bearer.reference("team/app:v1"))


# -- several credentials ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["basic", "bearer"])
async def test_next_credential_is_tried(misbehaving, sample, open_client, make_credentials, auth):
    """The more specific credential that is refused gives way to the next one, which is remembered."""
    misbehaving.auth, misbehaving.users = auth, {"pilot": SECRET}
    misbehaving.add("team/app", sample, "v1")
    credentials = make_credentials(
        {f"{misbehaving.host}/team": ("pilot", "outdated"), misbehaving.host: ("pilot", SECRET)}
    )
    client = open_client(misbehaving.host, credentials=credentials)
    reference = misbehaving.reference("team/app:v1")

    await client.resolve(reference)
    before = len(misbehaving.requests)
    await client.resolve(reference)

    assert 1 == len(misbehaving.requests) - before


async def test_anonymous_access_is_the_last_try(bearer, open_client, make_credentials):
    """A wrong pull secret does not keep anybody from a public repository."""
    bearer.grants[""] = {"team/app"}
    credentials = make_credentials({bearer.host: ("pilot", "wrong")})

    await open_client(bearer.host, credentials=credentials).resolve(bearer.reference("team/app:v1"))

    assert ["refused", ""] == [user for user, _ in bearer.token_requests]


@pytest.mark.parametrize("auth", ["basic", "bearer"])
async def test_unauthorized_names_repository_and_location(
    misbehaving, sample, open_client, make_credentials, auth
):
    """After all credentials the error names the repository and every key that was tried, never a password."""
    misbehaving.auth, misbehaving.users, misbehaving.grants = auth, {"pilot": SECRET}, {"pilot": set()}
    misbehaving.add("team/app", sample, "v1")
    location = f"{misbehaving.host}/team"
    client = open_client(misbehaving.host, credentials=make_credentials({location: ("pilot", SECRET)}))

    with pytest.raises(ImageError) as caught:
        await client.resolve(misbehaving.reference("team/app:v1"))

    assert "Unauthorized" == caught.value.code
    assert caught.value.message.startswith(f"failed to resolve {misbehaving.host}/team/app:v1: ")
    assert f'repository team/app with credential "{location}" and anonymous' in caught.value.message


async def test_forbidden_is_unauthorized(misbehaving, open_client):
    """403 is treated like 401."""
    misbehaving.fault("HEAD", "/manifests/", 403, forever=True)

    with pytest.raises(ImageError, match="with anonymous: 403") as caught:
        await open_client(misbehaving.host).resolve(misbehaving.reference("team/app:v1"))

    assert "Unauthorized" == caught.value.code


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["basic", "bearer"])
async def test_no_secret_is_ever_shown(misbehaving, sample, open_client, make_credentials, auth, caplog):
    """A registry that quotes what we sent in its error does not get it into our message, log or traceback."""
    caplog.set_level(logging.DEBUG)
    misbehaving.auth, misbehaving.users = auth, {"pilot": SECRET}
    sent = []

    async def answer(request):
        sent.append(request.headers["Authorization"].partition(" ")[2])
        quoted = f"no: {request.headers['Authorization']} {SECRET}"
        return misbehaving.refusal(400, "BAD", message=quoted)

    misbehaving.fault("GET", "/tags/", answer, forever=True)
    client = open_client(
        misbehaving.host, credentials=make_credentials({misbehaving.host: ("pilot", SECRET)})
    )

    with pytest.raises(ImageError) as caught:
        await client.tags(misbehaving.reference("team/app"))

    error = caught.value
    shown = [
        error.message, repr(error), error.hint, repr(error.resolved), repr(client), caplog.text,
        "".join(traceback.format_exception(error)),
    ]  # fmt: skip
    assert sent
    assert "<secret>" in error.message
    for secret in (SECRET, *sent):
        assert not [text for text in shown if secret in text]


def test_request_prints_neither_credential_nor_query_nor_body():
    """Requests go into logs; what is secret about them does not."""
    request = Request(
        "PUT",
        "https://user:word@registry.example.com/v2/a/blobs/uploads/1?signature=abc",
        {"X": "header"},
        Secret("Basic xyz"),
        b"refresh_token=t",
    )

    assert "PUT https://registry.example.com/v2/a/blobs/uploads/1" == repr(request)
    assert "<secret>" == f"{request.authorization}"
