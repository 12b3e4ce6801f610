"""A change of operator image, override table, switch or release, seen on every hosted cluster before it is made.

Each cluster is observed twice, under the present settings and under those of the change, and the two sides are compared.
Nothing is written, and clusters whose manifest cannot be read are named instead of ending the preview.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.hypershift import HOSTED_CLUSTER, NODE_POOL, NodePool
from pilotage.api.meta import Object, ObjectKey
from pilotage.api.pilotage import ControlPlaneSettingsSpec
from pilotage.controlplane import hosted
from pilotage.controlplane.access import images_of
from pilotage.controlplane.facts import Switch
from pilotage.controlplane.hosted import HostedCluster
from pilotage.controlplane.image import choose_image
from pilotage.controlplane.labels import ImageLabels
from pilotage.controlplane.lookups import lookups_of
from pilotage.controlplane.observe import observe_with, read_settings
from pilotage.controlplane.observed import labels_of_choice
from pilotage.controlplane.overrides import OverrideTable
from pilotage.controlplane.preview import (
    DEFAULT_FAIL_ON,
    ClusterChange,
    FleetChange,
    Side,
    compare,
    summarise,
)
from pilotage.decision.facts import Known
from pilotage.room import Services

__all__ = ["Change", "Preview", "preview_fleet"]

_AT_ONCE = 16  # clusters that are observed at the same time


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What would be different; None keeps what is there.

    `operator_has_binary` states the binary of a new operator image instead of looking into it. `releases` gives some
    clusters another control plane release.
    """

    operator_image: str | None = None
    operator_has_binary: bool | None = None
    switch: Switch | None = None
    overrides: OverrideTable | None = None
    overrides_enabled: bool | None = None
    releases: Mapping[ObjectKey, str] = {}

    def settings(self, spec: ControlPlaneSettingsSpec) -> ControlPlaneSettingsSpec:
        """The settings afterwards. What was stated of the old operator image says nothing about a new one."""
        replaced = self.operator_image is not None and self.operator_image != spec.operator_image
        stated = self.operator_has_binary
        return msgspec.structs.replace(
            spec,
            operator_image=spec.operator_image if self.operator_image is None else self.operator_image,
            operator_has_binary=stated if replaced or stated is not None else spec.operator_has_binary,
            operator_image_for_cpo=self.switch or spec.operator_image_for_cpo,
            overrides_enabled=(
                spec.overrides_enabled if self.overrides_enabled is None else self.overrides_enabled
            ),
        )


class Preview(msgspec.Struct, frozen=True):
    """The change on the whole fleet, and by name the clusters that could not be read, with the reason."""

    fleet: FleetChange
    unreadable: Mapping[str, str] = {}


async def preview_fleet(
    services: Services,
    change: Change,
    fail_on: Collection[str] = DEFAULT_FAIL_ON,
    namespace: str = "",
    *,
    before: Change | None = None,
) -> Preview:
    """Compare every hosted cluster, of one namespace or of all, in the order of the store.

    `before` is what to compare with when that is not what is there: an operator that ran once, or never did. Both sides
    are changes of the present settings.

    Raises InputError when the settings cannot be read, ValueError when `fail_on` names a class that does not exist.
    """
    summarise((), fail_on)  # a typo is told before the fleet is observed
    spec = await read_settings(services.objects) or ControlPlaneSettingsSpec()
    start = before or Change()
    pools = await _pools_by_cluster(services, namespace)
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(found: Object) -> ClusterChange | InputError:
        async with turn:
            try:
                return await _compare(services, found, spec, (start, change), pools.get(found.key, ()))
            except InputError as error:
                return error

    clusters = (await services.objects.list(HOSTED_CLUSTER, namespace)).items
    changes = await asyncio.gather(*(one(found) for found in clusters))
    return Preview(
        summarise((found for found in changes if isinstance(found, ClusterChange)), fail_on),
        {
            str(found.key): outcome.message
            for found, outcome in zip(clusters, changes, strict=True)
            if isinstance(outcome, InputError)
        },
    )


async def _compare(
    services: Services,
    found: Object,
    spec: ControlPlaneSettingsSpec,
    changes: tuple[Change, Change],
    node_pools: tuple[str, ...],
) -> ClusterChange:
    cluster = hosted.read(found.value())
    before, after = [await _side(services, cluster, spec, change) for change in changes]
    return compare(cluster, before, after, node_pools)


async def _side(
    services: Services, cluster: HostedCluster, spec: ControlPlaneSettingsSpec, change: Change
) -> Side:
    release = change.releases.get(ObjectKey(cluster.namespace, cluster.name))
    changed = msgspec.structs.replace(cluster, release_image=release) if release else cluster
    observed = await observe_with(services, changed, change.settings(spec), change.overrides)
    chosen = choose_image(observed.facts).value
    lookups = lookups_of(await images_of(services, changed), services.clock)
    state = observed.facts.cell_state
    cell = "" if state is None else state.value if isinstance(state, Known) else "unproven"
    labels = labels_of_choice(observed, chosen) if chosen else None
    return Side(
        observed.facts,
        Known(labels.labels, labels.source) if isinstance(labels, ImageLabels) else None,
        await lookups.pullable(chosen) if chosen else None,
        cell,
    )


async def _pools_by_cluster(services: Services, namespace: str) -> dict[ObjectKey, tuple[str, ...]]:
    """The names of the NodePools of every cluster, read once for the whole fleet."""
    names: dict[ObjectKey, list[str]] = {}
    for found in (await services.objects.list(NODE_POOL, namespace)).items:
        owner = ObjectKey(found.meta.namespace, found.view(NodePool).cluster)
        names.setdefault(owner, []).append(found.meta.name)
    return {owner: tuple(sorted(found)) for owner, found in names.items()}
