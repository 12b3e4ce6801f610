"""How does a blob arrive whole, over connections that break?

Bytes are hashed as they pass and handed on at once; memory stays at one chunk. When the connection ends too early the rest
is asked for with a `Range`, hashing goes on where it stopped, and a server that ignores ranges is read from the start
with the known part dropped. Bytes that do not hash to the digest are an error of that source and are never asked for
twice from it.

Follows the OCI distribution specification (pulling blobs).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator

from pilotage.images.digests import Progress, contradicts
from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.registry.api import Call, RegistryApi, integrity_error
from pilotage.images.registry.exchange import BodyBrokenError, Response
from pilotage.images.registry.pacing import Pace, RetryPolicy
from pilotage.images.source import Descriptor

__all__ = ["Download"]

_ATTEMPT = "failed to read a blob of"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
# A connection that brought this much before it broke was worth it: the count of failures starts again.
_WORTHWHILE = 1 << 20


class Download:
    """One blob of one repository. `progress` is shared with the caller, who may go on elsewhere when this source fails."""

    def __init__(
        self,
        api: RegistryApi,
        reference: Reference,
        descriptor: Descriptor,
        progress: Progress,
        retry: RetryPolicy,
        pace: Pace,
    ) -> None:
        self._api = api
        self._reference = reference
        self._descriptor = descriptor
        self._progress = progress
        self._retry = retry
        self._pace = pace

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The bytes from `progress` on. Raises ImageError; `ContentIntegrity` instead of ending when they do not add up."""
        failures = 0
        while True:
            started = self._progress.offset
            call = self._call()
            try:
                async with (
                    await self._api.call(call) as response,
                    contextlib.aclosing(self._rest(response)) as rest,
                ):
                    async for chunk in rest:
                        yield chunk
                break
            except BodyBrokenError as error:
                if self._progress.offset == self._descriptor.size:
                    break  # all of it came; only the goodbye is missing
                failures = 0 if self._progress.offset - started >= _WORTHWHILE else failures
                wait = self._retry.wait(failures, 0, None, self._pace.jitter())
                if wait is None:
                    raise self._api.unreachable(call, error) from None
                failures += 1
            await self._pace.sleep(wait)
        if not self._progress.matches:
            raise integrity_error(_ATTEMPT, self._reference, self._progress.digest, self._progress.found)

    def _call(self) -> Call:
        offset = self._progress.offset
        return Call(
            _ATTEMPT,
            self._reference,
            "GET",
            f"blobs/{self._descriptor.digest}",
            {"Range": f"bytes={offset}-"} if offset else {},
            timeout=0.0,
        )

    async def _rest(self, response: Response) -> AsyncGenerator[bytes, None]:
        """The bytes of this answer that are new. Stops at the first byte more than the descriptor allows."""
        known = self._known_part(response)
        size = self._descriptor.size
        async with contextlib.aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                fresh = chunk
                if known:
                    fresh = chunk[known:]
                    known -= len(chunk) - len(fresh)
                if not fresh:
                    continue
                self._progress.add(fresh)
                if 0 <= size < self._progress.offset:
                    raise integrity_error(
                        _ATTEMPT,
                        self._reference,
                        self._progress.digest,
                        self._progress.found,
                        f"more than its {size} bytes came, and they begin as",
                    )
                yield fresh

    def _known_part(self, response: Response) -> int:
        """How many bytes of this answer were handed on before. Refuses an answer that cannot be the blob."""
        claimed = response.header("Docker-Content-Digest")
        if contradicts(claimed, self._descriptor.digest):
            raise integrity_error(
                _ATTEMPT, self._reference, self._descriptor.digest, claimed, "the registry answered with"
            )
        offset = self._progress.offset
        if response.status != 206:
            return offset
        match = _CONTENT_RANGE.fullmatch(response.header("Content-Range").strip())
        if match is None or int(match[1]) > offset:
            raise ImageError(
                "RegistryUnreachable",
                f"{_ATTEMPT} {self._reference}: {self._reference.host} answered another range than byte {offset} onwards",
                reference=str(self._reference),
            )
        return offset - int(match[1])
