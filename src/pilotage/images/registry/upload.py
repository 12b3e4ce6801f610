"""How does a blob get into a registry, completely or not at all?

An upload is a session: POST opens it, bytes are sent, PUT with the digest closes it, and only then the blob exists. A small
blob travels in the PUT and can be sent again when the registry is busy; a large one is one streamed PATCH, the way that
every registry understands (several refuse uploads in pieces). `Location` is where the session goes on: relative or
absolute, with a query of its own that must be kept to the byte.

Follows the OCI distribution specification (pushing blobs, mounting a blob from another repository).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from pilotage.images.digests import Progress, checked_digest, contradicts
from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.registry.api import Call, RegistryApi, integrity_error
from pilotage.images.registry.exchange import Response
from pilotage.images.source import Descriptor

__all__ = ["has_blob", "mount_blob", "put_blob"]

_ATTEMPT = "failed to write a blob of"
_SMALL = 4 << 20
_OCTETS = {"Content-Type": "application/octet-stream"}
# An upload that is slower than this on average hangs rather than crawls.
_SLOWEST = 32 << 10
_PATIENCE = 300.0


async def has_blob(api: RegistryApi, reference: Reference, digest: str) -> bool:
    """A redirect counts as yes: the registry knows where the bytes are, and some stores refuse HEAD at that address."""
    call = Call(
        "failed to look for a blob of",
        reference,
        "HEAD",
        f"blobs/{checked_digest(digest)}",
        accept=(301, 302, 303, 307, 308, 404),
        follow=False,
    )
    async with await api.call(call) as response:
        return response.status != 404


async def mount_blob(
    api: RegistryApi, reference: Reference, descriptor: Descriptor, source: Reference
) -> bool:
    """Ask for the blob of another repository. Registries may decline at will, so a refusal is an answer, not an error."""
    if source.api_host != reference.api_host:
        return False
    query = f"mount={checked_digest(descriptor.digest)}&from={quote(source.path, safe='/')}"
    call = Call(
        "failed to mount a blob into",
        reference,
        "POST",
        f"blobs/uploads/?{query}",
        body=b"",
        pushes=True,
        also=source.path,
    )
    try:
        async with await api.call(call) as response:
            if response.status == 201:
                return True
            session = _location(api, response)
    except ImageError as error:
        if error.code in ("Unauthorized", "NotFound", "RegistryRefused"):
            return False
        raise
    await _cancel(api, reference, session)
    return False


async def put_blob(
    api: RegistryApi, reference: Reference, descriptor: Descriptor, content: AsyncIterator[bytes]
) -> None:
    """Store `content`. Raises ContentIntegrity when it is not what the descriptor says; the session is dropped then."""
    sent = _Counted(reference, descriptor, content)
    small = b"".join([chunk async for chunk in sent]) if descriptor.size <= _SMALL else None
    async with await api.call(
        Call(_ATTEMPT, reference, "POST", "blobs/uploads/", body=b"", pushes=True)
    ) as response:
        session = _location(api, response)
    try:
        if small is None:
            session = await _stream(api, reference, descriptor, session, sent)
        await _commit(api, reference, descriptor, session, small or b"")
    except ImageError as error:
        # A registry that does not answer would not answer this either.
        if error.code != "RegistryUnreachable":
            await _cancel(api, reference, session)
        raise


class _Counted:
    """The content on its way out, counted and hashed; it raises at the end when it is not what it should be.

    The HTTP library wraps what a body raises, so the first error is kept here to be raised again as it was.
    """

    def __init__(self, reference: Reference, descriptor: Descriptor, content: AsyncIterator[bytes]) -> None:
        self._reference = reference
        self._descriptor = descriptor
        self._content = content
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        progress = Progress(self._descriptor.digest)
        try:
            async for chunk in self._content:
                progress.add(chunk)
                if progress.offset > self._descriptor.size:
                    break
                # The last bytes leave only after all were verified: then the session cannot be closed by mistake.
                if progress.offset < self._descriptor.size or progress.matches:
                    yield chunk
            self._verify(progress)
        except Exception as error:
            self.error = error
            raise

    def _verify(self, progress: Progress) -> None:
        if not progress.matches:
            raise integrity_error(
                _ATTEMPT, self._reference, self._descriptor.digest, progress.found, "the content hashes to"
            )


async def _stream(
    api: RegistryApi, reference: Reference, descriptor: Descriptor, session: str, sent: _Counted
) -> str:
    call = Call(
        _ATTEMPT,
        reference,
        "PATCH",
        session,
        {**_OCTETS, "Content-Length": str(descriptor.size)},
        aiter(sent),
        pushes=True,
        timeout=_PATIENCE + descriptor.size / _SLOWEST,
        follow=False,
    )
    try:
        async with await api.call(call) as response:
            return _location(api, response)
    except ImageError:
        if sent.error is not None:
            raise sent.error from None
        raise


async def _commit(
    api: RegistryApi, reference: Reference, descriptor: Descriptor, session: str, body: bytes
) -> None:
    joint = "&" if "?" in session else "?"
    call = Call(
        _ATTEMPT,
        reference,
        "PUT",
        f"{session}{joint}digest={descriptor.digest}",
        _OCTETS,
        body,
        pushes=True,
        timeout=_PATIENCE,
        follow=False,
    )
    try:
        async with await api.call(call) as response:
            claimed = response.header("Docker-Content-Digest")
    except ImageError as error:
        # A PUT whose answer got lost was repeated, and found its session closed: the blob is there.
        if error.code in ("NotFound", "RegistryRefused") and await has_blob(
            api, reference, descriptor.digest
        ):
            return
        raise
    if contradicts(claimed, descriptor.digest):
        raise integrity_error(_ATTEMPT, reference, descriptor.digest, claimed, "the registry stored")


def _location(api: RegistryApi, response: Response) -> str:
    location = response.header("Location")
    return api.resolve_location(response, location) if location else response.url


async def _cancel(api: RegistryApi, reference: Reference, session: str) -> None:
    """Give the session back. A registry that does not care forgets it by itself."""
    call = Call(_ATTEMPT, reference, "DELETE", session, accept=(404, 405), pushes=True, timeout=15.0)
    with contextlib.suppress(ImageError):
        async with await api.call(call):
            pass
