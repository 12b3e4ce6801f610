"""How is one request put to a registry, and what does a refusal mean?

`RegistryApi.call` is the only door: it greets a host once to learn what it asks for, tries the credentials that match the
repository in their order and then anonymous access, and turns whatever is no success into one ImageError that begins with
what was attempted. What a registry says about a failure is quoted by code and first words, never as a document, and
never with a credential that it may have echoed.

Follows the OCI distribution specification (errors, API version check).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec

from pilotage.images.credentials import Credential
from pilotage.images.errors import Attempt, ImageError
from pilotage.images.reference import Reference
from pilotage.images.registry.auth import ANONYMOUS, Authorizer, CredentialSource, RefusedError
from pilotage.images.registry.challenge import scope_union
from pilotage.images.registry.exchange import (
    BodyBrokenError,
    Exchange,
    Request,
    Response,
    Secret,
    TransportError,
    origin,
)
from pilotage.images.registry.pacing import Pace

__all__ = ["Call", "RegistryApi", "integrity_error"]

_MAX_ERROR_DOCUMENT = 64 << 10
_MAX_QUOTE = 200
_DENIED: Final = frozenset({401, 403})


class Call(msgspec.Struct, frozen=True):
    """`attempt` begins every error message ("failed to read the manifest of"). `path` is relative to the repository, or
    a whole address. `accept` lists the statuses besides 2xx that the caller understands; `pushes` and `also` (another
    repository that must be readable) widen the scope.
    """

    attempt: str
    reference: Reference
    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes | AsyncIterator[bytes] | None = None
    accept: Collection[int] = ()
    pushes: bool = False
    also: str = ""
    timeout: float = 60.0
    follow: bool = True

    def __repr__(self) -> str:
        return f"Call({self.method} for {self.reference})"

    @property
    def scope(self) -> str:
        own = f"repository:{self.reference.path}:{'pull,push' if self.pushes else 'pull'}"
        return " ".join(scope_union(own, f"repository:{self.also}:pull" if self.also else ""))


class RegistryApi:
    """Requests with the right credential. `exchange` makes the HTTP client when the first request needs it."""

    def __init__(
        self,
        exchange: Callable[[], Exchange],
        credentials: CredentialSource,
        pace: Pace,
        insecure_hosts: Collection[str],
        probe_timeout: float,
    ) -> None:
        self._make_exchange = exchange
        self._exchange: Exchange | None = None
        self._authorizer: Authorizer | None = None
        self._credentials = credentials
        self._pace = pace
        self._insecure_hosts = frozenset(insecure_hosts)
        self._probe_timeout = probe_timeout
        self._greetings: dict[str, asyncio.Lock] = {}
        self._worked: dict[str, str] = {}

    async def call(self, call: Call) -> Response:
        """The answer, when it is 2xx or one that the caller accepts. Use it as a context manager.

        Raises ImageError: `Unauthorized`, `NotFound` (404), `RegistryUnreachable` (everything else; `RegistryRefused`
        when something was to be written).
        """
        try:
            return await self._answer(call)
        except TransportError as error:
            raise self.unreachable(call, error) from None

    def credential_id(self, reference: Reference) -> str:
        """The short hash of the credential that is tried first for this repository, or `anonymous`."""
        return next((item.id for item in self._ordered(reference) if item is not None), ANONYMOUS)

    def url(self, reference: Reference, path: str) -> str:
        host = reference.api_host
        return f"{self._scheme(host)}://{host}/v2/{reference.path}/{path}"

    def resolve_location(self, response: Response, location: str) -> str:
        """The address that a `Location` or `Link` of `response` means.

        A registry behind a TLS proxy often believes to be plain HTTP and says so: on the same host we stay with HTTPS.
        """
        target = urlsplit(urljoin(response.url, location))
        here = urlsplit(response.url)
        if here.scheme == "https" and target.scheme == "http" and target.hostname == here.hostname:
            target = target._replace(scheme="https", netloc=here.netloc)
        return urlunsplit(target)

    def unreachable(self, call: Call, error: TransportError) -> ImageError:
        how = "broke off" if isinstance(error, BodyBrokenError) else "did not answer"
        return _failure(
            "RegistryUnreachable", call, f"{error.host} {how}: {error.cause}", _HINTS.get(error.kind, "")
        )

    async def close(self) -> None:
        exchange, self._exchange, self._authorizer = self._exchange, None, None
        if exchange is not None:
            await exchange.close()

    async def _answer(self, call: Call) -> Response:
        authorizer = await self._greeted(call)
        refusals: list[str] = []
        tried = []
        for credential in self._ordered(call.reference):
            tried.append(f'credential "{credential.location}"' if credential else ANONYMOUS)
            try:
                response, sent = await self._send(call, authorizer, credential)
            except RefusedError as refused:
                refusals.append(str(refused))
                continue
            if response.status not in _DENIED:
                self._worked[call.reference.name] = credential.id if credential else ANONYMOUS
                return await self._checked(call, response, sent, credential)
            refusals.append(await _quote(response, sent, credential))
            if call.body is not None and not isinstance(call.body, bytes):
                break
        with_what = " and ".join(filter(None, [", ".join(tried[:-1]), tried[-1]]))
        cause = f"{call.reference.host} refused access to repository {call.reference.path} with {with_what}: {'; '.join(dict.fromkeys(refusals))}"
        hint = f"check the pull secret's entry for {call.reference.name}"
        raise _failure("Unauthorized", call, cause, hint)

    async def _send(
        self, call: Call, authorizer: Authorizer, credential: Credential | None
    ) -> tuple[Response, Secret | None]:
        """One credential's try; a second one with a new token when the challenge asks for more than we brought."""
        host = call.reference.api_host
        url = call.path if "://" in call.path else self.url(call.reference, call.path)
        # An upload may be sent to another host by its location: that address speaks for itself.
        is_ours = origin(url) == origin(self.url(call.reference, ""))
        header = await self._header(authorizer, call, credential) if is_ours else None
        response = await self._transport().send(_request(call, url, header))
        replayable = call.body is None or isinstance(call.body, bytes)
        if response.status != 401 or not is_ours or not replayable:
            return response, header
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(response)
            authorizer.learn(host, response, call.scope)
            authorizer.forget(header)
            renewed = await self._header(authorizer, call, credential)
            if renewed is None or (header is not None and renewed.reveal() == header.reveal()):
                stack.pop_all()
                return response, header
        return await self._transport().send(_request(call, url, renewed)), renewed

    async def _header(
        self, authorizer: Authorizer, call: Call, credential: Credential | None
    ) -> Secret | None:
        try:
            return await authorizer.header(call.reference.api_host, call.scope, credential)
        except ImageError as error:
            raise _failure(error.code, call, error.message) from None

    async def _checked(
        self, call: Call, response: Response, sent: Secret | None, credential: Credential | None
    ) -> Response:
        status = response.status
        if 200 <= status < 300 or status in call.accept:
            return response
        quote = await _quote(response, sent, credential)
        cause = f"{call.reference.host} answered {quote}"
        if status == 404:
            raise _failure("NotFound", call, cause)
        if call.pushes and 400 <= status < 500 and status != 429:
            raise _failure("RegistryRefused", call, cause)
        raise _failure("RegistryUnreachable", call, cause, _STATUS_HINTS.get(status, ""))

    async def _greeted(self, call: Call) -> Authorizer:
        """Learn once for each host what it asks for.

        The greeting is sent once and not retried: a dead mirror must cost one time-out, not three. An odd answer says
        nothing, and after a dropped connection neither: the real request is patient and will tell.
        """
        if self._authorizer is None:
            self._authorizer = Authorizer(self._transport(), self._pace.clock, self._allows_plain_http)
        authorizer = self._authorizer
        host = call.reference.api_host
        if authorizer.knows(host):
            return authorizer
        async with self._greetings.setdefault(host, asyncio.Lock()):
            if not authorizer.knows(host):
                url = f"{self._scheme(host)}://{host}/v2/"
                try:
                    ping = Request("GET", url, timeout=self._probe_timeout, retry=False)
                    async with await self._transport().send(ping) as response:
                        authorizer.learn(host, response)
                except TransportError as error:
                    if error.kind != "reset":
                        raise
        return authorizer

    def _ordered(self, reference: Reference) -> Sequence[Credential | None]:
        """The credentials to try, anonymous last, but first of all the one that worked before."""
        matching = [item for item in self._credentials.matching(reference) if not item.is_anonymous]
        worked = self._worked.get(reference.name)
        ordered: list[Credential | None] = [*matching, None]
        return sorted(ordered, key=lambda item: (item.id if item else ANONYMOUS) != worked)

    def _transport(self) -> Exchange:
        if self._exchange is None:
            self._exchange = self._make_exchange()
        return self._exchange

    def _scheme(self, host: str) -> str:
        return "http" if host in self._insecure_hosts else "https"

    def _allows_plain_http(self, host: str) -> bool:
        return host in self._insecure_hosts


def integrity_error(
    attempt: str, reference: Reference, wanted: str, found: str, note: str = ""
) -> ImageError:
    """Bytes that are not what they were asked for as; both digests stand in the message."""
    cause = f"{reference.host}: {wanted} was asked for, {note or 'the bytes hash to'} {found}"
    return ImageError(
        "ContentIntegrity",
        f"{attempt} {reference}: {cause}",
        reference=str(reference),
        resolved=(Attempt(str(reference), cause),),
        hint="the registry, a proxy or the disk behind it changed the content; do not use it",
    )


_HINTS: Mapping[str, str] = {
    "tls": "give the certificate authority of the registry with a CA file, or fix the registry's certificate",
    "connection": "check the host name, the network and the proxy settings",
    "timeout": "the registry is slow or unreachable; try again later",
}
_STATUS_HINTS: Mapping[int, str] = {
    429: "the registry limits how often it may be asked; log in, or try again later",
}


class _ErrorItem(msgspec.Struct):
    code: str = ""
    message: str | None = None


class _ErrorDocument(msgspec.Struct):
    errors: tuple[_ErrorItem, ...] = ()


def _request(call: Call, url: str, authorization: Secret | None) -> Request:
    return Request(call.method, url, call.headers, authorization, call.body, call.timeout, call.follow)


def _failure(code: str, call: Call, cause: str, hint: str = "") -> ImageError:
    return ImageError(
        code,
        f"{call.attempt} {call.reference}: {cause}",
        reference=str(call.reference),
        resolved=(Attempt(str(call.reference), cause),),
        hint=hint,
    )


async def _quote(response: Response, sent: Secret | None, credential: Credential | None) -> str:
    """`404 (MANIFEST_UNKNOWN: manifest unknown)`: the status and the first error of the answer; closes the answer."""
    async with response:
        try:
            document = msgspec.json.decode(await response.read(_MAX_ERROR_DOCUMENT), type=_ErrorDocument)
        except (TransportError, msgspec.MsgspecError):
            return str(response.status)
    for item in document.errors[:1]:
        text = f"{item.code}: {item.message}" if item.message else item.code
        for secret in _secrets(sent, credential):
            text = text.replace(secret, "<secret>")
        text = "".join(char if char.isprintable() else " " for char in text)
        return f"{response.status} ({text[:_MAX_QUOTE]})" if text else str(response.status)
    return str(response.status)


def _secrets(sent: Secret | None, credential: Credential | None) -> Sequence[str]:
    """Everything of ours that a registry could quote back, the longest first."""
    header = sent.reveal().partition(" ")[2] if sent else ""
    texts = (header, credential.password if credential else "")
    return sorted((text for text in texts if text), key=len, reverse=True)
