"""One HTTP exchange with a registry, as values: what is asked, what came back, what broke.

Everything that speaks to a registry is written against these; `transport` is the one place that knows the HTTP library.
A request never prints its credential, its body or its query (signed URLs carry secrets there).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self
from urllib.parse import urlsplit

import msgspec

__all__ = [
    "BodyBrokenError",
    "Exchange",
    "FailureKind",
    "Request",
    "Response",
    "Secret",
    "TransportError",
    "origin",
]

FailureKind = Literal["timeout", "connection", "reset", "tls", "redirect", "protocol"]


class Secret:
    """A text that is sent and never shown."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__


class Request(msgspec.Struct, frozen=True):
    """`url` is sent as it is: upload locations and signed addresses must not be encoded anew.

    `body` as bytes can be sent again, as an iterator it cannot, so it is tried once. `timeout` limits the whole exchange
    in seconds; 0 leaves only the limits for connecting and for a silent connection. `retry` off means: one try.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    authorization: Secret | None = None
    body: bytes | AsyncIterator[bytes] | None = None
    timeout: float = 0.0
    follow: bool = True
    retry: bool = True

    def __repr__(self) -> str:
        parts = urlsplit(self.url)
        return f"{self.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Response(Protocol):
    """An answer whose body was not read yet. Leaving it closes the connection unless the body was read to the end."""

    @property
    def status(self) -> int: ...

    @property
    def url(self) -> str:
        """The address that answered: behind redirects, another one than was asked."""
        ...

    def header(self, name: str) -> str:
        """The first header of this name, or an empty text."""
        ...

    def headers(self, name: str) -> Sequence[str]: ...

    async def read(self, limit: int) -> bytes:
        """The whole body; one byte more than `limit` at most, so the caller sees that it is too long.

        Raises TransportError.
        """
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises BodyBrokenError when the connection ends before the body does."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Exchange(Protocol):
    """Sends requests; owns connections, retries, rate limits."""

    async def send(self, request: Request) -> Response:
        """The final answer, whatever its status. Raises TransportError when there is none."""
        ...

    async def close(self) -> None: ...


class TransportError(Exception):
    """No answer. `host` did not do what was asked for reason `cause`, a text for people without secrets."""

    def __init__(self, host: str, cause: str, kind: FailureKind) -> None:
        super().__init__(f"{host}: {cause}")
        self.host = host
        self.cause = cause
        self.kind = kind


class BodyBrokenError(TransportError):
    """The answer began and its body did not end."""


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address: a credential meant for one origin is never sent to another."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (80 if parts.scheme == "http" else 443)
