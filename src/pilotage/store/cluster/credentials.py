"""What proves who we are, when it stands in a kubeconfig or in files beside it.

A token file is read again every minute: the token of a service account is replaced under a running process, at about
80 % of its life. Certificate files are treated the same. A file that cannot be read just now leaves the last proof in place,
because it may be in the middle of being replaced; the server decides whether it still holds.
"""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import msgspec

from pilotage.api.errors import InputError
from pilotage.store.cluster.access import Clock, KeyPair, Proof, Secret

__all__ = ["FileLogin", "Files", "FixedLogin", "basic", "bearer", "read_bytes"]

logger = logging.getLogger(__name__)

_READ_AGAIN = 60.0
_HINT = "correct the file that is named, or log in again"


def bearer(token: str, subject: str) -> Secret:
    """The header for a token. Raises InputError when it cannot stand in one."""
    token = token.strip()
    if not token or not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError("KubeconfigInvalid", f"{subject}: holds no token", hint=_HINT)
    return Secret(f"Bearer {token}")


def basic(username: str, password: Secret) -> Secret:
    return Secret(b"Basic " + base64.b64encode(username.encode() + b":" + password.reveal()))


class FixedLogin:
    """A proof that was written down."""

    def __init__(self, proof: Proof) -> None:
        self._proof = proof

    async def proof(self) -> Proof:
        return self._proof

    async def renew(self, refused: Proof) -> Proof | None:  # noqa: ARG002 -- there is only the one
        return None


class Files(msgspec.Struct, frozen=True):
    """Where a proof stands. A path of None means that `fixed` has that part."""

    token: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class FileLogin:
    """A proof in files. `fixed` gives what is in none, and the token to begin with should its file be unreadable."""

    def __init__(self, files: Files, fixed: Proof, subject: str, clock: Clock) -> None:
        self._files = files
        self._fixed = fixed
        self._subject = subject
        self._clock = clock
        self._proof: Proof | None = None
        self._read_at = 0.0

    async def proof(self) -> Proof:
        if self._proof is None or self._clock.monotonic() - self._read_at >= _READ_AGAIN:
            self._refresh()
        return self._proof or self._fixed

    async def renew(self, refused: Proof) -> Proof | None:
        self._refresh()
        return self._proof if self._proof != refused else None

    def _refresh(self) -> None:
        try:
            self._proof = self._read()
        except InputError as error:
            if self._proof is None and not self._fixed.authorization:
                raise
            logger.warning("%s; going on with what was read before", error)
        self._read_at = self._clock.monotonic()

    def _read(self) -> Proof:
        files, fixed = self._files, self._fixed
        authorization = fixed.authorization
        if files.token is not None:
            where = f"{self._subject}: {files.token}"
            authorization = bearer(read_bytes(files.token, self._subject).decode(errors="replace"), where)
        pair = fixed.key_pair
        if files.certificate is not None or files.key is not None:
            certificate = pair.certificate if pair else b""
            key = pair.key if pair else Secret("")
            if files.certificate is not None:
                certificate = read_bytes(files.certificate, self._subject)
            if files.key is not None:
                key = Secret(read_bytes(files.key, self._subject))
            pair = KeyPair(certificate, key)
        return Proof(authorization, pair)


def read_bytes(path: Path, subject: str) -> bytes:
    """A small file. Raises InputError naming it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("KubeconfigInvalid", f"{subject}: {path}: {error.strerror}", hint=_HINT) from None
