"""Everything that must be known to speak to one cluster: where it is, whom to believe, who we are.

`kubeconfig` and `incluster` make an `Access`, `transport` uses it. What is secret is wrapped the moment it is read and
unwrapped the moment it is sent, so no `repr`, log line or traceback in between can show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

import msgspec

__all__ = ["Access", "Clock", "Impersonation", "KeyPair", "Login", "Proof", "Secret", "Trust"]


class Clock(Protocol):
    """What this adapter needs of a clock; `runtime.clock.SystemClock` is one."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, delay: float) -> None: ...


class Secret:
    """Bytes that are sent and never shown. Two are equal when their bytes are."""

    __slots__ = ("_content",)

    def __init__(self, content: str | bytes) -> None:
        self._content = content.encode() if isinstance(content, str) else content

    def reveal(self) -> bytes:
        return self._content

    def reveal_text(self) -> str:
        return self._content.decode()

    def __bool__(self) -> bool:
        return bool(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__


class KeyPair(msgspec.Struct, frozen=True):
    """A client certificate with its chain, and its key; both PEM."""

    certificate: bytes
    key: Secret


class Proof(msgspec.Struct, frozen=True):
    """What shows who we are: an `Authorization` header, a client certificate, both, or nothing.

    `expires` is when it ends, as far as it says so.
    """

    authorization: Secret | None = None
    key_pair: KeyPair | None = None
    expires: datetime | None = None

    def has_expired(self, clock: Clock) -> bool:
        return self.expires is not None and self.expires.astimezone(UTC) <= clock.now()


class Login(Protocol):
    """Where proofs come from. They change: tokens are rotated, certificates renewed."""

    async def proof(self) -> Proof:
        """The proof to send now. Raises InputError or RemoteError when there is none to be had."""
        ...

    async def renew(self, refused: Proof) -> Proof | None:
        """Another proof, after the server refused this one with 401; None when there is no other."""
        ...


class Trust(msgspec.Struct, frozen=True):
    """Whom we believe to be the server.

    `authorities` are PEM certificates, empty for those of the system. `server_name` is the name that its certificate must
    have, empty for the host of the address.
    """

    authorities: bytes = b""
    is_verified: bool = True
    server_name: str = ""


class Impersonation(msgspec.Struct, frozen=True):
    """Whom we act for, where the server allows it."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = {}


class Access(msgspec.Struct, frozen=True):
    """One cluster, as one user.

    `server` is its address, `/` at the end aside; it may have a path. `proxy` is a proxy's address that overrides the
    environment's, and may hold a password. `source` says for messages where all this was read.
    """

    server: str
    login: Login
    source: str
    trust: Trust = Trust()
    proxy: Secret | None = None
    impersonation: Impersonation | None = None
    namespace: str = "default"
    is_compressed: bool = False
