"""How do we prove to a registry who we are?

A registry that wants to know answers 401 with a challenge: Basic (send name and password) or Bearer (fetch a token from its
token service, which may ask for name and password). The credentials that match a repository are tried in their order,
then anonymous access; `Authorizer` turns one of them into the `Authorization` header for one scope.

Tokens are kept by (realm, service, scope, credential) until ten seconds before they expire, and fetched once however
many requests wait for the same one. Name, password and token leave this module only inside `Secret`.

Follows the token authentication specification of the distribution project; an identity token is exchanged as OAuth 2
refresh token, as Docker does.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit
from weakref import WeakValueDictionary

import msgspec

from pilotage.images.credentials import Credential
from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.registry.challenge import Challenge, choose, parse_challenges, scope_union
from pilotage.images.registry.exchange import Exchange, Request, Response, Secret, TransportError
from pilotage.images.registry.pacing import Clock

__all__ = ["ANONYMOUS", "Authorizer", "CredentialSource", "RefusedError"]

ANONYMOUS: Final = "anonymous"
_IDENTITY_USER = "<token>"
"""Docker's sign that the password of a credential is an identity token."""
_MARGIN = 10.0
_DEFAULT_LIFE = 60.0
_MAX_TOKEN_ANSWER = 1 << 20
_TOKEN_TIMEOUT = 30.0


class CredentialSource(Protocol):
    def matching(self, reference: Reference) -> Sequence[Credential]:
        """The credentials for this repository, the best match first; empty means anonymous access."""
        ...


class RefusedError(Exception):
    """The token service refused this credential; another one may still do."""

    def __init__(self, status: int, host: str) -> None:
        super().__init__(f"its token service {host} answered {status}")


class _Token(msgspec.Struct):
    header: Secret
    expires: float
    """On the monotonic clock: the service's idea of the date does not matter."""


class _TokenAnswer(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None
    expires_in: float | None = None


class Authorizer:
    """What each host asked for, and the tokens that answer it."""

    def __init__(self, exchange: Exchange, clock: Clock, allows_plain_http: Callable[[str], bool]) -> None:
        self._exchange = exchange
        self._clock = clock
        self._allows_plain_http = allows_plain_http
        self._challenges: dict[str, Challenge | None] = {}
        self._widened: dict[tuple[str, str], str] = {}
        self._tokens: dict[tuple[str, str, str, str], _Token] = {}
        self._locks: WeakValueDictionary[tuple[str, str, str, str], asyncio.Lock] = WeakValueDictionary()

    def knows(self, host: str) -> bool:
        """Has this host said already what it asks for?"""
        return host in self._challenges

    def learn(self, host: str, response: Response, scope: str = "") -> None:
        """Remember the challenge of an answer, and the wider scope it asks for besides `scope`."""
        challenge = choose(parse_challenges(response.headers("WWW-Authenticate")))
        if challenge is not None or host not in self._challenges:
            self._challenges[host] = challenge
        if challenge is not None and challenge.scope and scope:
            self._widened[host, scope] = " ".join(
                scope_union(self._widened.get((host, scope), scope), challenge.scope)
            )

    async def header(self, host: str, scope: str, credential: Credential | None) -> Secret | None:
        """The `Authorization` header for `scope`, or None when the host asks for none or we have none to give.

        Raises RefusedError when the token service says no, ImageError `RegistryUnreachable` when it does not answer.
        """
        challenge = self._challenges.get(host)
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            return None if credential is None else _basic(credential)
        scope = self._widened.get((host, scope), scope)
        key = (challenge.realm, challenge.service, scope, credential.id if credential else ANONYMOUS)
        # One fetch for each key: the first request of a copy of two hundred images is two hundred requests.
        async with self._locks.setdefault(key, asyncio.Lock()):
            token = self._tokens.get(key)
            if token is None or token.expires <= self._clock.monotonic():
                self._drop_expired()
                token = self._tokens[key] = await self._fetch(host, challenge, scope, credential)
        return token.header

    def forget(self, header: Secret | None) -> None:
        """Drop the token behind a header that was refused: it may have been revoked before it expired."""
        for key in [key for key, token in self._tokens.items() if token.header is header]:
            del self._tokens[key]

    def _drop_expired(self) -> None:
        """A client that lives for months meets many repositories."""
        now = self._clock.monotonic()
        for key in [key for key, token in self._tokens.items() if token.expires <= now]:
            del self._tokens[key]

    async def _fetch(
        self, host: str, challenge: Challenge, scope: str, credential: Credential | None
    ) -> _Token:
        service = self._service_host(host, challenge.realm)
        started = self._clock.monotonic()
        try:
            async with await self._exchange.send(_token_request(challenge, scope, credential)) as response:
                raw = await response.read(_MAX_TOKEN_ANSWER)
                status = response.status
        except TransportError as error:
            raise _unreachable(host, error.host, error.cause) from None
        if status in (400, 401, 403):
            raise RefusedError(status, service)
        if status != 200:
            raise _unreachable(host, service, f"answered {status}")
        try:
            answer = msgspec.json.decode(raw, type=_TokenAnswer)
        except msgspec.MsgspecError:
            raise _unreachable(host, service, "did not answer with a token document") from None
        token = answer.token or answer.access_token
        if not token or not token.isprintable():
            raise _unreachable(host, service, "answered without a token")
        life = answer.expires_in if answer.expires_in and answer.expires_in > 0 else _DEFAULT_LIFE
        return _Token(Secret(f"Bearer {token}"), started + life - _MARGIN)

    def _service_host(self, host: str, realm: str) -> str:
        """The token service's host. A password goes there, so it must be HTTPS unless plain HTTP was allowed."""
        parts = urlsplit(realm)
        if parts.scheme == "https" or (parts.scheme == "http" and self._allows_plain_http(parts.netloc)):
            return parts.netloc
        raise _unreachable(host, parts.netloc or realm[:100], "is not reached over HTTPS")


def _token_request(challenge: Challenge, scope: str, credential: Credential | None) -> Request:
    scopes = scope.split()
    if credential is not None and credential.username == _IDENTITY_USER:
        form = {
            "grant_type": "refresh_token",
            "service": challenge.service,
            "client_id": "pilotage",
            "scope": " ".join(scopes),
            "refresh_token": credential.password,
        }
        return Request(
            "POST",
            challenge.realm,
            {"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            timeout=_TOKEN_TIMEOUT,
            # A redirected POST would carry the identity token to another host.
            follow=False,
        )
    query = urlencode(
        [*((("service", challenge.service),) if challenge.service else ()), *_pairs("scope", scopes)],
        safe=":,/",
    )
    joint = "&" if "?" in challenge.realm else "?"
    url = f"{challenge.realm}{joint}{query}" if query else challenge.realm
    return Request(
        "GET", url, authorization=_basic(credential) if credential else None, timeout=_TOKEN_TIMEOUT
    )


def _pairs(name: str, values: Iterable[str]) -> Iterable[tuple[str, str]]:
    return ((name, value) for value in values)


def _basic(credential: Credential) -> Secret:
    pair = f"{credential.username}:{credential.password}".encode()
    return Secret(f"Basic {base64.b64encode(pair).decode()}")


def _unreachable(host: str, service: str, cause: str) -> ImageError:
    return ImageError("RegistryUnreachable", f"{host}: its token service {service} {cause}")
