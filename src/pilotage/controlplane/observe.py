"""Observing one hosted cluster: objects from the store, images from the registry, and no more than the decision asks for.

The facts that objects hold are read first; then the decision is asked, and what it *needs* is looked at, until it needs
nothing. A cluster with an annotation therefore costs no request. Once the decision stands, what the rules behind the winner
would still like to know is looked at too, so that `explain` can say what they would have given; an annotated cluster is
spared that as well. Nothing here raises for a registry that is down: that is a fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import msgspec

from pilotage.api.core import CONFIG_MAP, ConfigMap
from pilotage.api.errors import InputError
from pilotage.api.hypershift import HOSTED_CLUSTER, NODE_POOL, NodePool
from pilotage.api.meta import ObjectKey
from pilotage.api.pilotage import (
    CONTROL_PLANE_IMAGE,
    CONTROL_PLANE_SETTINGS,
    SETTINGS_NAME,
    ControlPlaneImage,
    ControlPlaneImageStatus,
    ControlPlaneSettings,
    ControlPlaneSettingsSpec,
)
from pilotage.controlplane import eligibility, hosted, overrides
from pilotage.controlplane.access import images_of
from pilotage.controlplane.facts import HYPERSHIFT_COMPONENT, Attestation, ImageFacts, Recorded, Release
from pilotage.controlplane.hosted import HostedCluster
from pilotage.controlplane.image import choose_image, wanted
from pilotage.controlplane.lookups import Lookups, lookups_of
from pilotage.controlplane.observed import Observed
from pilotage.controlplane.overrides import OverrideTable
from pilotage.decision.facts import Absent, Fact, Known, NotSeen
from pilotage.images.overrides import Overrides
from pilotage.room import Services
from pilotage.store.base import NotFoundError, Reader

__all__ = ["OVERRIDES_KEY", "SETTINGS_KEY", "observe", "observe_with", "read_overrides", "read_settings"]

SETTINGS_KEY = ObjectKey("", SETTINGS_NAME)
OVERRIDES_KEY = "overrides.yaml"
"""The key of the ConfigMap under which the override table stands."""

_SETTINGS_SOURCE = f"ControlPlaneSettings {SETTINGS_NAME}"


async def observe(services: Services, key: ObjectKey, *, with_node_pools: bool = True) -> Observed:
    """Everything that counts for one hosted cluster.

    Node pools are listed where the image stands in their ignition, and only when asked for: nothing is decided by them.
    Raises NotFoundError without the HostedCluster, InputError when it or the settings cannot be read.
    """
    cluster = hosted.read((await services.objects.get(HOSTED_CLUSTER, key)).value())
    settings = await read_settings(services.objects)
    observed = await observe_with(services, cluster, settings or ControlPlaneSettingsSpec())
    pools = await _node_pools(services.objects, cluster) if with_node_pools else ()
    return msgspec.structs.replace(observed, node_pools=pools, settings_seen=settings is not None)


async def observe_with(
    services: Services,
    cluster: HostedCluster,
    spec: ControlPlaneSettingsSpec,
    table: OverrideTable | None = None,
) -> Observed:
    """The same under settings, and with an override table, that the caller chooses: how a preview sees the other side."""
    key = ObjectKey(cluster.namespace, cluster.name)
    record = await _record(services.objects, key)
    lookups = lookups_of(await images_of(services, cluster), services.clock)
    facts = _known_facts(cluster, spec, record, services.clock.now())
    if table is None:
        facts = await _with_overrides(services.objects, spec, facts)
    else:
        facts = msgspec.structs.replace(facts, overrides_enabled=spec.overrides_enabled, overrides=table)
    facts = await _until_decided(facts, spec, lookups)
    labels = await _labels_of_choice(cluster, facts, lookups)
    return Observed(cluster, facts, spec.operator_image, labels, record=record)


async def read_settings(objects: Reader) -> ControlPlaneSettingsSpec | None:
    """The settings of this management cluster; None when there is no such object, and then the defaults hold.

    Raises InputError `MalformedObject`.
    """
    try:
        found = await objects.get(CONTROL_PLANE_SETTINGS, SETTINGS_KEY)
    except NotFoundError:
        return None
    return found.view(ControlPlaneSettings).spec


async def read_overrides(objects: Reader, spec: ControlPlaneSettingsSpec) -> OverrideTable:
    """The override table that the settings name, empty when they name none.

    Raises InputError when the ConfigMap is not there, lacks the key, or holds no table: going on without a table would
    move every cluster off its pin.
    """
    where = spec.overrides_config_map
    if where is None:
        return overrides.EMPTY
    source = f"ConfigMap {where.namespace}/{where.name}"
    found = await objects.get(CONFIG_MAP, ObjectKey(where.namespace, where.name))
    text = found.view(ConfigMap).read(OVERRIDES_KEY)
    if text is None:
        raise InputError("InvalidOverrideTable", f"{source} has no key {OVERRIDES_KEY}")
    return _table(text, source).over(overrides.EMPTY)


@lru_cache(maxsize=16)
def _table(text: str, source: str) -> OverrideTable:
    """Parsed once for all clusters, and again only when the text changes."""
    return overrides.load_text(text, source=source).table


def _known_facts(
    cluster: HostedCluster,
    spec: ControlPlaneSettingsSpec,
    record: ControlPlaneImageStatus | None,
    now: datetime,
) -> ImageFacts:
    """What objects say; everything that costs a request is left for later."""
    facts = cluster.facts()
    recorded = Recorded(record.image, record.rule, record.operator_image) if record and record.image else None
    return msgspec.structs.replace(
        facts,
        operator_image=spec.operator_image,
        switch=spec.operator_image_for_cpo,
        in_canary=eligibility.in_canary(cluster.uid, spec.canary_percent),
        recorded=recorded,
        hold_expiry_reported=bool(
            record and facts.hold_until and record.hold_expiry_reported == facts.hold_until
        ),
        now=now,
        attestation_mode=spec.attestation_mode,
        attestation_max_age_days=spec.attestation_max_age_days,
        cell_mode=spec.require_proven_cell,
    )


async def _with_overrides(objects: Reader, spec: ControlPlaneSettingsSpec, facts: ImageFacts) -> ImageFacts:
    """The override table, or what is wrong with it: then no cluster is decided without it, but for annotated ones."""
    if not spec.overrides_enabled:
        return facts
    try:
        table = await read_overrides(objects, spec)
    except InputError as problem:
        return msgspec.structs.replace(facts, overrides_enabled=True, overrides_problem=problem.message)
    return msgspec.structs.replace(facts, overrides_enabled=True, overrides=table)


async def _until_decided(facts: ImageFacts, spec: ControlPlaneSettingsSpec, lookups: Lookups) -> ImageFacts:
    """Look at what the decision needs until it stands, then at what the other rules would like to know.

    Ends because every look fills the fact that was asked for.
    """
    while needs := choose_image(facts).needs:
        facts = await _look(needs.fact, facts, spec, lookups)
    if choose_image(facts).rule == "annotation":
        return facts
    while missing := wanted(facts):
        before = facts
        facts = await _look(missing[0], facts, spec, lookups)
        if facts == before:
            break
    return facts


async def _look(fact: str, facts: ImageFacts, spec: ControlPlaneSettingsSpec, lookups: Lookups) -> ImageFacts:
    match fact:
        case "release" if facts.release is None:
            seen = await lookups.release(facts.release_image)
            return msgspec.structs.replace(facts, release=_rewritten(seen, spec.registry_overrides))
        case "binary":
            return await _look_at_operator(facts, spec, lookups)
        case "attestation":
            return msgspec.structs.replace(facts, attestation=_attestation(facts, spec))
        case "labels":
            return await _compare_labels(facts, lookups)
        case "cell":
            return msgspec.structs.replace(facts, cell_state=NotSeen("no test results are recorded"))
        case _:
            return facts


async def _look_at_operator(
    facts: ImageFacts, spec: ControlPlaneSettingsSpec, lookups: Lookups
) -> ImageFacts:
    """The operator image by digest, and whether it carries the binary. What is chosen is the digest, never the tag.

    Settings may state the binary; then an image whose digest cannot be found out is still taken as it is written.
    """
    stated = spec.operator_has_binary
    pinned = await lookups.pinned(facts.operator_image)
    name = pinned.value if isinstance(pinned, Known) else facts.operator_image
    if stated is not None:
        return msgspec.structs.replace(facts, operator_image=name, binary=Known(stated, _SETTINGS_SOURCE))
    if isinstance(pinned, Known):
        return msgspec.structs.replace(facts, operator_image=name, binary=await lookups.binary(name))
    return msgspec.structs.replace(facts, binary=pinned)


async def _compare_labels(facts: ImageFacts, lookups: Lookups) -> ImageFacts:
    component = (
        facts.release.value.components.get(HYPERSHIFT_COMPONENT) if isinstance(facts.release, Known) else None
    )
    payload: Fact[Mapping[str, str]] = Absent("the payload has no such component")
    if component:
        payload = await lookups.labels(component)
    operator = await lookups.labels(facts.operator_image)
    return msgspec.structs.replace(facts, operator_labels=operator, payload_labels=payload)


def _rewritten(seen: Fact[Release], registry_overrides: Mapping[str, str]) -> Fact[Release]:
    """Registry overrides of the management cluster apply to components of a payload, and to nothing else."""
    if not (registry_overrides and isinstance(seen, Known)):
        return seen
    rewrite = Overrides(registry_overrides)
    release = seen.value
    components = {name: rewrite.apply(spec).image for name, spec in release.components.items()}
    return Known(Release(release.version, components), seen.source)


def _attestation(facts: ImageFacts, spec: ControlPlaneSettingsSpec) -> Fact[Attestation]:
    """The newest attestation of this operator image for the platform of the cluster, as the settings list them."""
    digest = facts.operator_image.partition("@")[2]
    platform = eligibility.gate_platform(facts.platform)
    mine = [each for each in spec.attestations if each.digest == digest and each.platform == platform]
    if not mine:
        return Absent(f"{_SETTINGS_SOURCE} lists none")
    newest = max(mine, key=lambda each: each.at)
    return Known(Attestation(newest.platform, _moment(newest.at), newest.guest_minors), _SETTINGS_SOURCE)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


async def _labels_of_choice(
    cluster: HostedCluster, facts: ImageFacts, lookups: Lookups
) -> Fact[Mapping[str, str]]:
    """Labels of the chosen image. An annotation that states them spares the request."""
    chosen = choose_image(facts).value
    if chosen is None:
        return Absent("no image was chosen")
    if cluster.labels_annotation is not None:
        return Absent("the annotation states them")
    return await lookups.labels(chosen)


async def _record(objects: Reader, key: ObjectKey) -> ControlPlaneImageStatus | None:
    try:
        return (await objects.get(CONTROL_PLANE_IMAGE, key)).view(ControlPlaneImage).status
    except NotFoundError:
        return None


async def _node_pools(objects: Reader, cluster: HostedCluster) -> tuple[str, ...]:
    if not cluster.image_in_ignition:
        return ()
    pools = (await objects.list(NODE_POOL, cluster.namespace)).items
    return tuple(pool.meta.name for pool in pools if pool.view(NodePool).cluster == cluster.name)
