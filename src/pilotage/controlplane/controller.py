"""The controller: for each hosted cluster, observe, decide, and say what to write.

It is woken by the HostedCluster, by its own record, and by what is common to all clusters: the settings and the override
table. A change of those looks at every cluster that was seen so far; a restart sees all of them again. What a registry
could not answer is asked again later, without holding anything up.
"""

from __future__ import annotations

from collections.abc import Iterable

from pilotage.api.core import CONFIG_MAP
from pilotage.api.hypershift import HOSTED_CLUSTER
from pilotage.api.meta import Object, ObjectKey
from pilotage.api.pilotage import CONTROL_PLANE_IMAGE, CONTROL_PLANE_SETTINGS, ControlPlaneSettings
from pilotage.controlplane.access import images_of
from pilotage.controlplane.lookups import lookups_of
from pilotage.controlplane.observe import SETTINGS_KEY, observe
from pilotage.controlplane.observed import Observed, decide
from pilotage.controlplane.plan import plan
from pilotage.decision.facts import NotSeen
from pilotage.room import Services
from pilotage.runtime.controller import Controller, Naming, Result, Watch
from pilotage.store.base import NotFoundError

__all__ = ["controllers"]

_RESYNC = 600.0  # seconds: a tag may have moved, a hold may have expired
_LOOK_AGAIN = 30.0  # seconds, after a registry could not answer


def controllers(services: Services) -> tuple[Controller, ...]:
    return (_ImageController(services).declaration(),)


class _ImageController:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._clusters: set[ObjectKey] = set()

    def declaration(self) -> Controller:
        return Controller(
            name="controlplane-image",
            kind=HOSTED_CLUSTER,
            reconcile=self.reconcile,
            watches=(
                Watch(CONTROL_PLANE_IMAGE, lambda record: (record.key,)),
                Watch(CONTROL_PLANE_SETTINGS, self._all_clusters),
                Watch(CONFIG_MAP, self._all_clusters, Naming(CONTROL_PLANE_SETTINGS, _tables)),
            ),
            workers=8,
            resync=_RESYNC,
        )

    async def reconcile(self, key: ObjectKey) -> Result:
        self._clusters.add(key)
        try:
            observed = await observe(self._services, key, with_node_pools=False)
        except NotFoundError:
            self._clusters.discard(key)
            return Result()
        if observed.cluster.is_deleted:
            return Result()
        return Result(plan(observed, decide(observed)), resync_after=await self._look_again(observed))

    def _all_clusters(self, _common: Object) -> Iterable[ObjectKey]:
        return tuple(self._clusters)

    async def _look_again(self, observed: Observed) -> float | None:
        """Sooner than the resync when a fact that matters could not be seen."""
        facts = observed.facts
        failed = (facts.release, facts.binary, facts.operator_labels, facts.payload_labels)
        if not any(isinstance(fact, NotSeen) for fact in (*failed, observed.image_labels)):
            return None
        images = await images_of(self._services, observed.cluster)
        pause = lookups_of(images, self._services.clock).retry_in(facts.operator_image)
        return max(pause, 1.0) if pause is not None else _LOOK_AGAIN


def _tables(settings: Object) -> Iterable[ObjectKey]:
    """The one ConfigMap that matters: a fleet has thousands of others."""
    where = settings.view(ControlPlaneSettings).spec.overrides_config_map
    return (ObjectKey(where.namespace, where.name),) if where and settings.key == SETTINGS_KEY else ()
