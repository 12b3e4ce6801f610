"""`ClusterStore`: the client port over one cluster.

A list is read in pages of one snapshot. When that snapshot is compacted away between two pages the list starts anew, at
last without pages: a mixture of two snapshots would be no version to watch from. A watch is one stream; when it
breaks, that is the informer's business, which knows the last version. Nothing here is cached.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pilotage import __version__
from pilotage.api.errors import PilotageError, RemoteError
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.store.base import Event, InvalidObjectError, Listing, Version
from pilotage.store.cluster import bodies, requests
from pilotage.store.cluster.access import Access, Clock
from pilotage.store.cluster.discovery import Discovered, discover
from pilotage.store.cluster.pacing import RetryPolicy, SystemClock
from pilotage.store.cluster.requests import Request
from pilotage.store.cluster.status import read_status, refusal

if TYPE_CHECKING:
    from pilotage.store.cluster.transport import Transport

__all__ = ["ClusterSettings", "ClusterStore", "ServerVersion"]

_PAGED_ATTEMPTS = 3


class ClusterSettings(msgspec.Struct, frozen=True):
    """How to use a cluster; times in seconds.

    `rate` is requests per second on average with `burst` at once, and 0 means no limit. A connection that stays silent for
    `stall_timeout` within an answer counts as broken. A watch is renewed after a time between the two of `watch_seconds`, so that
    watches do not pile up on one API server for ever.
    """

    page: int = 500
    rate: float = 50.0
    burst: int = 100
    retry: RetryPolicy = RetryPolicy()
    connect_timeout: float = 15.0
    stall_timeout: float = 60.0
    watch_seconds: tuple[int, int] = (300, 600)
    field_validation: str = "Strict"
    user_agent: str = f"pilotage/{__version__}"


class ServerVersion(msgspec.Struct, frozen=True, rename="camel"):
    """What `kubectl version` says of the server: `v1.36.2`, and its platform."""

    major: str = ""
    minor: str = ""
    git_version: str = ""
    platform: str = ""


class ClusterStore:
    """A cluster as a store (`store.base.Store`). Close it, or use it as a context; one store, one event loop.

    `proxy_for` gives the environment's proxy for an address, empty for none; a kubeconfig's `proxy-url` goes before it.
    """

    def __init__(
        self,
        access: Access,
        settings: ClusterSettings | None = None,
        *,
        clock: Clock | None = None,
        proxy_for: Callable[[str], str] = lambda _address: "",
    ) -> None:
        self.access = access
        self._settings = settings or ClusterSettings()
        self._clock = clock or SystemClock()
        self._proxy_for = proxy_for
        self._opened: Transport | None = None
        self._is_closed = False

    async def close(self) -> None:
        """End every watch, quietly, and give the connections back."""
        self._is_closed = True
        if self._opened is not None:
            await self._opened.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def server_version(self) -> ServerVersion:
        """Raises RemoteError when the server does not answer, or not as an API server does."""
        body = await self._send(requests.server_version())
        try:
            return msgspec.json.decode(body, type=ServerVersion)
        except msgspec.MsgspecError:
            raise RemoteError(
                "MalformedAnswer",
                f"{self.access.server} is no Kubernetes API server",
                hint="see `server` of the cluster in the kubeconfig",
            ) from None

    async def kinds(self) -> tuple[Discovered, ...]:
        """Every kind that is served, in each of its versions; the preferred one of a group first. Raises RemoteError."""
        return await discover(lambda path: self._send(requests.discovery(path)))

    # Reader

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        return bodies.read_object(kind, await self._send(requests.get(kind, key)))

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None, *, name: str = ""
    ) -> Listing:
        """The newest state, read from the quorum. Raises RemoteError `KindNotServed` when the cluster has no such kind."""
        for _ in range(_PAGED_ATTEMPTS):
            listing = await self._list(kind, namespace, labels, name, self._settings.page)
            if listing is not None:
                return listing
        listing = await self._list(kind, namespace, labels, name, 0)
        if listing is None:
            raise RemoteError(
                "ServerError", f"list {kind.resource}: a list without pages expired", hint="try again"
            )
        return listing

    async def _list(
        self, kind: Kind, namespace: str, labels: Mapping[str, str] | None, name: str, limit: int
    ) -> Listing | None:
        """All pages of one snapshot; None when it was gone before the last page."""
        items: list[Object] = []
        continuation = ""
        while True:
            request = requests.list_page(kind, namespace, labels, limit, continuation, name)
            code, body, asked = await self._exchange(request)
            if code == 410:
                return None
            if code >= 300:
                raise refusal(request, self.access.server, code, body, asked)
            page = bodies.read_page(kind, body)
            items.extend(page.items)
            if not page.continuation:
                return Listing(_in_order(items), page.resource_version)
            continuation = page.continuation

    # Watcher

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str = "", *, name: str = ""
    ) -> AsyncGenerator[Event, None]:
        """One stream. Ends when the server ends it, after some minutes, or the store is closed.

        From `0` or an empty version, the objects that are there come first, as ADDED. Raises ExpiredError, and RemoteError when
        the stream breaks; every event that was yielded is whole.
        """
        first, last = self._settings.watch_seconds
        seconds = random.randint(first, last)  # noqa: S311 -- spreads load, protects nothing
        request = requests.watch(kind, namespace, resource_version, seconds, name)
        transport = self._transport()
        try:
            async with await transport.send(
                request, stall_timeout=seconds + self._settings.stall_timeout
            ) as answer:
                if answer.status >= 300:
                    body = await answer.read()
                    raise refusal(request, self.access.server, answer.status, body, answer.retry_after)
                async with (
                    aclosing(answer.chunks()) as chunks,
                    aclosing(bodies.watch_lines(kind, chunks)) as batches,
                ):
                    async for lines in batches:
                        for event in bodies.watch_events(kind, lines):
                            if isinstance(event, bodies.WatchFailure):
                                raise self._given_up(request, event.status)
                            yield event
        except RemoteError:
            if not self._is_closed:
                raise

    def _given_up(self, request: Request, raw: bytes) -> PilotageError:
        status = read_status(raw)
        return refusal(request, self.access.server, status.code or 500, raw)

    # Writer

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:
        request = requests.create(kind, manifest, manager, self._settings.field_validation)
        return bodies.read_object(kind, await self._send(request))

    async def apply(
        self,
        kind: Kind,
        key: ObjectKey,
        manifest: Mapping[str, Any],
        *,
        manager: str,
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """Fields that the kind's schema does not know are refused. A `resourceVersion` or `uid` is a precondition."""
        request = requests.apply(
            kind, key, manifest, manager, self._settings.field_validation, force=force, dry_run=dry_run
        )
        return bodies.read_object(kind, await self._send(request))

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: Version = "",
    ) -> Object:
        request = requests.apply_status(
            kind, key, status, manager, self._settings.field_validation, resource_version
        )
        try:
            return bodies.read_object(kind, await self._send(request))
        except RemoteError as error:
            if error.code != "KindNotServed":
                raise
        # The path is unknown to the server: for want of the object, of its kind, or of its status?
        await self.get(kind, key)
        raise InvalidObjectError(
            f'{kind.resource} "{key.name}": status: Forbidden: this kind has no status subresource'
        )

    async def delete(self, kind: Kind, key: ObjectKey) -> None:
        """Dependents follow in the background."""
        await self._send(requests.delete(kind, key))

    # One request

    async def _send(self, request: Request) -> bytes:
        code, body, asked = await self._exchange(request)
        if code >= 300:
            raise refusal(request, self.access.server, code, body, asked)
        return body

    async def _exchange(self, request: Request) -> tuple[int, bytes, float | None]:
        """Status, body, and what `Retry-After` said."""
        transport = self._transport()
        async with await transport.send(request, stall_timeout=self._settings.stall_timeout) as answer:
            return answer.status, await answer.read(), answer.retry_after

    def _transport(self) -> Transport:
        if self._is_closed:
            raise RemoteError(
                "StoreClosed", f"{self.access.server}: the store was closed", hint="open another store"
            )
        if self._opened is None:
            # Start-up time: the HTTP library costs a quarter of a second, so it comes with the first request.
            from pilotage.store.cluster.transport import Limits, Transport  # noqa: PLC0415

            settings = self._settings
            limits = Limits(settings.rate, settings.burst, settings.retry, settings.connect_timeout)
            self._opened = Transport(self.access, limits, self._clock, self._proxy_for, settings.user_agent)
        return self._opened


def _in_order(items: list[Object]) -> tuple[Object, ...]:
    """By namespace and name: etcd's order is that of `namespace/name` as one text, where `a-b/` comes before `a/`."""
    return tuple(sorted(items, key=lambda item: (item.meta.namespace, item.meta.name)))
