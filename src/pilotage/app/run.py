"""`pilotage run`: all controllers on a real cluster, in one of several processes at a time.

    cluster ──▶ elector ──▶ a term ──▶ runner (informers, queues, workers) behind the term's fence
                  ▲                         │
                  └── lost: cancelled ◀─────┘  stopped: work in flight is finished, then the Lease is released

Each term begins with new informers and controllers, so nothing that was remembered under an earlier one can be acted on. What
was read of images is immutable and stays. A stand-by holds no cache and no watch: it looks at the Lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import uuid
from collections.abc import AsyncIterator, Callable

import msgspec

from pilotage.api.errors import RemoteError
from pilotage.api.meta import ObjectKey
from pilotage.app import images, rooms
from pilotage.app.clusters import ClusterChoice, open_cluster
from pilotage.app.counted import ImageCounts
from pilotage.app.images import ImageAccess, Images
from pilotage.room import Services
from pilotage.runtime.cache import Informers
from pilotage.runtime.clock import SystemClock
from pilotage.runtime.fence import Fenced
from pilotage.runtime.lease import Elector, LeaseSettings, Term
from pilotage.runtime.perform import Change
from pilotage.runtime.runner import Runner
from pilotage.runtime.tasks import cancel_all
from pilotage.store.cluster import ClusterStore

__all__ = ["LEASE_NAME", "Controllers", "RunSettings", "opened"]

logger = logging.getLogger(__name__)

LEASE_NAME = "pilotage"
_FOREVER = float("inf")
_OURS = ".pilotage.dev"


class RunSettings(msgspec.Struct, frozen=True):
    """`namespace` empty: all of them. `lease` None: act without asking anybody, which only one process may do.

    `lease_namespace` empty: that of the kubeconfig's context, or of the pod. `identity` empty: one that is unique. Without
    `reads_pull_secrets` the images of every cluster are read with this process's own credentials.
    """

    cluster: ClusterChoice = ClusterChoice()
    namespace: str = ""
    lease: LeaseSettings | None = LeaseSettings()
    lease_name: str = LEASE_NAME
    lease_namespace: str = ""
    identity: str = ""
    reads_pull_secrets: bool = True


class Controllers:
    """The controllers of one process, leading or standing by."""

    def __init__(
        self,
        store: ClusterStore,
        places: Images,
        settings: RunSettings,
        on_change: Callable[[Change], None],
    ) -> None:
        self.settings = settings
        self.image_counts = ImageCounts()
        self.runner: Runner | None = None
        self._store = store
        self._places = places
        self._on_change = on_change
        self._clock = SystemClock()
        self._stopping = asyncio.Event()
        self.elector = self._elector()

    def _elector(self) -> Elector | None:
        settings = self.settings
        if settings.lease is None:
            return None
        key = ObjectKey(settings.lease_namespace or self._store.access.namespace, settings.lease_name)
        identity = settings.identity or f"{socket.gethostname()}_{uuid.uuid4()}"
        return Elector(self._store, key, identity, self._clock, settings.lease)

    @property
    def is_leading(self) -> bool:
        return self.elector.is_leading if self.elector is not None else True

    def stop(self) -> None:
        """Finish what is in flight, release the Lease, and let `run` return."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`, or until one of our own tasks breaks down, whose error is raised."""
        if self.elector is not None:
            await self.elector.run(self._work, self._stopping)
        elif not self._stopping.is_set():
            await self._work(Term("none", self._clock, _FOREVER))

    async def _work(self, term: Term) -> None:
        """One term, with caches of its own."""
        runner = self._runner(term)
        helpers = [
            asyncio.ensure_future(self._stop_with(runner)),
            asyncio.ensure_future(_tell_what_is_missing(runner.informers)),
        ]
        self.runner = runner
        try:
            await runner.run()
        finally:
            self.runner = None
            await cancel_all(helpers)

    def _runner(self, term: Term) -> Runner:
        informers = Informers(self._store, self._clock, self.settings.namespace)
        counted = self.image_counts
        services = Services(
            informers.reader(),
            counted.of(self._places.cached),
            self._clock,
            (lambda document: counted.of(self._places.with_pull_secret(document)))
            if self.settings.reads_pull_secrets
            else None,
        )
        controllers = tuple(controller for room in rooms.rooms() for controller in room.controllers(services))
        return Runner(
            Fenced(self._store, term),
            controllers,
            self._clock,
            informers=informers,
            on_change=self._on_change,
            freeze_heap=True,
        )

    async def _stop_with(self, runner: Runner) -> None:
        await self._stopping.wait()
        runner.stop()

    # -- how it goes ----------------------------------------------------------------------------------------------

    def obstacles(self) -> dict[str, str]:
        """What keeps this process from doing its part now, by what it is about; empty when it is ready."""
        found = {}
        if self.elector is not None and self.elector.trouble:
            found["lease"] = self.elector.trouble
        for informer in self.runner.informers.single() if self.runner is not None else ():
            if informer.last_error is not None:
                found[informer.kind.resource] = str(informer.last_error)
            elif not informer.has_synced:
                found[informer.kind.resource] = "not listed yet"
        return found


@contextlib.asynccontextmanager
async def opened(
    settings: RunSettings, access: ImageAccess, on_change: Callable[[Change], None]
) -> AsyncIterator[Controllers]:
    """Everything open and the cluster reached; nothing runs yet.

    Raises InputError for a kubeconfig or credentials that cannot be used, RemoteError when the cluster does not answer.
    """
    cluster = settings.cluster.access()
    # A sample world that happens to run on the same machine must not answer for a real cluster, unless it is named.
    real = msgspec.structs.replace(access, finds_instance=False)
    async with open_cluster(cluster) as store, images.opened(real) as places:
        version = await store.server_version()
        logger.info("cluster %s (%s), known from %s", cluster.server, version.git_version, cluster.source)
        yield Controllers(store, places, settings, on_change)


async def _tell_what_is_missing(informers: Informers) -> None:
    """Once: which kinds the cluster does not serve, and how to install them. The informers go on trying meanwhile."""
    missing = []
    for informer in informers.single():
        await informer.tried()
        if isinstance(informer.last_error, RemoteError) and informer.last_error.code == "KindNotServed":
            missing.append(informer.kind)
    ours = [kind.resource for kind in missing if kind.group.endswith(_OURS)]
    others = [kind.resource for kind in missing if not kind.group.endswith(_OURS)]
    if ours:
        logger.error(
            "KindNotServed: %s: install with `pilotage crds | kubectl apply -f -`; the controllers begin when they are there",
            ", ".join(ours),
        )
    if others:
        logger.error(
            "KindNotServed: %s: the cluster lacks their definitions (HyperShift brings them); the controllers begin when"
            " they are there",
            ", ".join(others),
        )
