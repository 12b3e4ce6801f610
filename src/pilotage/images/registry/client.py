"""A registry as source and target of images (`source.ImageTarget`), over the OCI distribution API.

Reading: a tag is resolved to a digest once, everything after that is asked for by digest and verified. Writing: children
first, bytes as they are, the tag last. What can be retried is; what does not hash to its digest never is.

    registryapi   one request with the right credential      auth, challenge   tokens
    download      blobs in, verified and resumable           transport         connections, retries, rate
    upload        blobs out                                  referrers         what refers to an image
    mirrored      several candidates for one reference
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from pilotage import __version__
from pilotage.images.credentials import Credentials
from pilotage.images.digests import Progress, checked_digest, contradicts, digest_of
from pilotage.images.errors import ImageError
from pilotage.images.reference import Reference
from pilotage.images.registry import referrers, upload
from pilotage.images.registry.api import Call, RegistryApi, integrity_error
from pilotage.images.registry.auth import CredentialSource
from pilotage.images.registry.download import Download
from pilotage.images.registry.exchange import BodyBrokenError, Exchange, Response
from pilotage.images.registry.manifesttype import checked_type, described, media_type
from pilotage.images.registry.pacing import Pace, RetryPolicy
from pilotage.images.source import (
    MANIFEST_ACCEPT,
    OCI_INDEX,
    Descriptor,
    Manifest,
)

__all__ = ["RegistryClient", "RegistrySettings"]

_MAX_MANIFEST: Final = 32 << 20
_MAX_LIST_PAGE: Final = 32 << 20
_MAX_PAGES: Final = 10_000
_READ: Final = "failed to read the manifest of"
_NO_REFERRERS_API: Final = (400, 404, 405, 501)


class RegistrySettings(msgspec.Struct, frozen=True):
    """How to reach registries. One client serves any number of them; times are in seconds.

    `insecure_hosts` (each `host[:port]` as in references) are spoken to over plain HTTP, all others over verified TLS.
    `ca_file` and `ca_data` (PEM) name authorities to trust besides those of the system. `rate` is requests per second
    to one host, with `burst` at once; 0 means no limit, and loopback hosts have none. A connection that stays silent for
    `stall_timeout` counts as broken, and a host whose first answer takes longer than `probe_timeout` as gone.
    """

    insecure_hosts: frozenset[str] = frozenset()
    ca_file: str = ""
    ca_data: str = ""
    retry: RetryPolicy = RetryPolicy()
    rate: float = 50.0
    burst: int = 100
    probe_timeout: float = 15.0
    connect_timeout: float = 15.0
    stall_timeout: float = 30.0


class RegistryClient:
    """Reads and writes images at registries, with one pull secret. Close it when done; one client, one event loop."""

    def __init__(
        self,
        credentials: CredentialSource | None = None,
        settings: RegistrySettings | None = None,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._settings = settings or RegistrySettings()
        self._pace = pace or Pace()
        self._api = RegistryApi(
            self._open_transport,
            credentials or Credentials(),
            self._pace,
            self._settings.insecure_hosts,
            self._settings.probe_timeout,
        )
        self._fallback_locks: WeakValueDictionary[Reference, asyncio.Lock] = WeakValueDictionary()

    # -- reading ---------------------------------------------------------------------------------------------------

    async def resolve(self, reference: Reference) -> Descriptor:
        """What the reference names now. HEAD is asked first; a registry that leaves something out is asked with GET."""
        wanted = reference.digest or reference.tag
        if not wanted:
            raise ImageError(
                "InvalidReference",
                f'failed to resolve "{reference}": no tag or digest specified',
                reference=str(reference),
                hint="name the image by digest, or by a tag",
            )
        call = Call(
            "failed to resolve",
            reference,
            "HEAD",
            f"manifests/{wanted}",
            {"Accept": MANIFEST_ACCEPT},
            accept=(400, 405, 501),
        )
        async with await self._api.call(call) as response:
            found = described(response, reference) if response.status == 200 else None
        return found if found is not None else (await self._fetch(reference, wanted)).descriptor()

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        """The verified manifest. Raises ImageError, `ContentIntegrity` with both digests when the bytes are others."""
        return await self._fetch(reference, checked_digest(digest))

    def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """The bytes of a blob, verified at the end; stopping early closes the transfer."""
        return self.resume_blob(reference, descriptor, Progress(descriptor.digest))

    def resume_blob(
        self, reference: Reference, descriptor: Descriptor, progress: Progress
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a blob behind those that `progress` has seen already, be it from another registry."""
        return Download(self._api, reference, descriptor, progress, self._settings.retry, self._pace).chunks()

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        """What refers to `digest`: asked from the referrers API, else read from the index under the fallback tag."""
        path: str | None = f"referrers/{checked_digest(digest)}"
        found: list[Descriptor] = []
        for _ in range(_MAX_PAGES):
            call = Call(
                "failed to list the referrers of",
                reference,
                "GET",
                path or "",
                {"Accept": OCI_INDEX},
                accept=_NO_REFERRERS_API,
            )
            response, raw = await self._read(call, _MAX_LIST_PAGE)
            entries = referrers.parse_index(raw) if media_type(response) == OCI_INDEX else None
            if response.status != 200 or entries is None:
                return (await self._fallback(reference, digest))[1]
            found += entries
            path = _next_page(self._api, response)
            if path is None:
                return tuple(found)
        raise _endless(reference, "list of referrers")

    async def tags(self, reference: Reference) -> Sequence[str]:
        """All tags of the repository, sorted: registries disagree about their order."""
        path: str | None = "tags/list?n=1000"
        found: list[str] = []
        seen: set[str] = set()
        while path is not None:
            if path in seen or len(seen) > _MAX_PAGES:
                raise _endless(reference, "list of tags")
            seen.add(path)
            call = Call("failed to list the tags of", reference, "GET", path)
            response, raw = await self._read(call, _MAX_LIST_PAGE)
            path = _next_page(self._api, response)
            try:
                found += msgspec.json.decode(raw, type=_TagList).tags or ()
            except msgspec.MsgspecError:
                raise _odd(call, "answered with something that is no list of tags") from None
        return tuple(sorted(set(found)))

    def credential_id(self, reference: Reference) -> str:
        """The short hash of the credential that is used for this repository, or `anonymous`."""
        return self._api.credential_id(reference)

    # -- writing ---------------------------------------------------------------------------------------------------

    async def has_blob(self, reference: Reference, digest: str) -> bool:
        return await upload.has_blob(self._api, reference, digest)

    async def has_manifest(self, reference: Reference, digest: str) -> bool:
        call = Call(
            "failed to look for the manifest of",
            reference,
            "HEAD",
            f"manifests/{checked_digest(digest)}",
            {"Accept": MANIFEST_ACCEPT},
            accept=(404,),
        )
        async with await self._api.call(call) as response:
            return response.status != 404

    async def mount_blob(self, reference: Reference, descriptor: Descriptor, source: Reference) -> bool:
        return await upload.mount_blob(self._api, reference, descriptor, source)

    async def put_blob(
        self, reference: Reference, descriptor: Descriptor, content: AsyncIterator[bytes]
    ) -> None:
        await upload.put_blob(self._api, reference, descriptor, content)

    async def put_manifest(self, reference: Reference, manifest: Manifest, tag: str = "") -> None:
        """Store the bytes as they are. A manifest with a `subject` is listed under the fallback tag where the registry
        does not keep that list itself; the tag is set after that.
        """
        found = digest_of(manifest.raw, checked_digest(manifest.digest))
        if found != manifest.digest:
            raise integrity_error(
                "failed to write the manifest of", reference, manifest.digest, found, "the content hashes to"
            )
        entry = referrers.entry_for(manifest)
        # A tag names sha256 content at every registry; one PUT does both then.
        by_tag_alone = tag and entry is None and manifest.digest.startswith("sha256:")
        if not by_tag_alone:
            keeps_list = await self._put(reference, manifest, manifest.digest)
            if entry is not None and not keeps_list:
                await self._list_under_fallback(reference, *entry)
        if tag:
            await self._put(reference, manifest, tag)

    async def close(self) -> None:
        await self._api.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _fetch(self, reference: Reference, wanted: str) -> Manifest:
        """The manifest under a digest or a tag, verified against every digest that is known for it."""
        call = Call(_READ, reference, "GET", f"manifests/{wanted}", {"Accept": MANIFEST_ACCEPT})
        response, raw = await self._read(call, _MAX_MANIFEST)
        claimed = response.header("Docker-Content-Digest")
        digest = wanted if ":" in wanted else claimed or digest_of(raw)
        found = digest_of(raw, digest)
        if found != digest:
            raise integrity_error(_READ, reference, digest, found)
        if contradicts(claimed, digest):
            raise integrity_error(_READ, reference, digest, claimed, "the registry answered with")
        return Manifest(checked_type(media_type(response), raw, reference), digest, raw)

    async def _read(self, call: Call, limit: int) -> tuple[Response, bytes]:
        """The answer and its whole body. A body that breaks off is asked for again: it is short and changes nothing."""
        attempt = 0
        while True:
            try:
                async with await self._api.call(call) as response:
                    raw = await response.read(limit)
                    break
            except BodyBrokenError as error:
                wait = self._settings.retry.wait(attempt, 0, None, self._pace.jitter())
                if wait is None:
                    raise self._api.unreachable(call, error) from None
                attempt += 1
            await self._pace.sleep(wait)
        if len(raw) > limit:
            raise ImageError(
                "UnsupportedManifest",
                f"{call.attempt} {call.reference}: the document is longer than {limit >> 20} MiB",
                reference=str(call.reference),
            )
        return response, raw

    async def _put(self, reference: Reference, manifest: Manifest, name: str) -> bool:
        """PUT under a digest or a tag. True when the registry keeps the list of referrers itself."""
        attempt = "failed to write the manifest of"
        call = Call(
            attempt,
            reference,
            "PUT",
            f"manifests/{name}",
            {"Content-Type": manifest.media_type},
            manifest.raw,
            pushes=True,
        )
        async with await self._api.call(call) as response:
            claimed = response.header("Docker-Content-Digest")
            keeps_list = bool(response.header("OCI-Subject"))
        if contradicts(claimed, manifest.digest):
            raise integrity_error(attempt, reference, manifest.digest, claimed, "the registry stored")
        return keeps_list

    async def _fallback(self, reference: Reference, digest: str) -> tuple[Reference, tuple[Descriptor, ...]]:
        """The fallback tag of a digest and what is listed there."""
        tagged = reference.tagged(referrers.fallback_tag(digest))
        try:
            index = await self._fetch(tagged, tagged.tag)
        except ImageError as error:
            if error.code == "NotFound":
                return tagged, ()
            raise
        return tagged, referrers.parse_index(index.raw) or ()

    async def _list_under_fallback(self, reference: Reference, subject: str, entry: Descriptor) -> None:
        """Add `entry` to the list. Two tasks of this client take turns; registries offer no way to exclude others."""
        lock = self._fallback_locks.setdefault(reference.at(subject), asyncio.Lock())
        async with lock:
            tagged, listed = await self._fallback(reference, subject)
            if all(item.digest != entry.digest for item in listed):
                await self._put(tagged, referrers.index_of((*listed, entry)), tagged.tag)

    def _open_transport(self) -> Exchange:
        from pilotage.images.registry.transport import (  # noqa: PLC0415 - the HTTP library takes 0.25 s to import
            HttpTransport,
        )

        settings = self._settings
        return HttpTransport(
            pace=self._pace,
            retry=settings.retry,
            rate=settings.rate,
            burst=settings.burst,
            connect_timeout=settings.connect_timeout,
            stall_timeout=settings.stall_timeout,
            tls=_trust(settings),
            user_agent=f"pilotage/{__version__}",
        )


class _TagList(msgspec.Struct):
    tags: tuple[str, ...] | None = None


def _trust(settings: RegistrySettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if settings.ca_file:
            context.load_verify_locations(cafile=settings.ca_file)
        if settings.ca_data:
            context.load_verify_locations(cadata=settings.ca_data)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "it holds no certificate in PEM form"
        raise ImageError(
            "RegistryUnreachable",
            f"failed to load the certificate authorities of {settings.ca_file or 'the CA data'}: {cause}",
            hint="give a file with PEM certificates",
        ) from None
    return context


def _next_page(api: RegistryApi, response: Response) -> str | None:
    """The address of the next page, from `Link: <…>; rel="next"`."""
    for link in response.headers("Link"):
        target, _, parameters = link.partition(">")
        if target.lstrip().startswith("<") and 'rel="next"' in parameters.replace("rel=next", 'rel="next"'):
            return api.resolve_location(response, target.lstrip()[1:])
    return None


def _endless(reference: Reference, what: str) -> ImageError:
    return ImageError(
        "RegistryUnreachable",
        f"failed to read the {what} of {reference}: {reference.host} sends the same page again and again",
        reference=str(reference),
    )


def _odd(call: Call, what: str) -> ImageError:
    return ImageError(
        "RegistryUnreachable",
        f"{call.attempt} {call.reference}: {call.reference.host} {what}",
        reference=str(call.reference),
    )
