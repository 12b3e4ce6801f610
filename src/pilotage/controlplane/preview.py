"""What does a change do to the fleet, before it is made?

The change may be another operator image, another override table, or another release of one cluster: the caller gives the
facts of each cluster before and after, the same decision is made twice, and the difference is spelled out. A new image
restarts far more than one pod, so each effect is a class of its own that can be counted and that a pipeline can fail on.

Nothing here observes; what is not known (a label set, whether an image can be pulled) is said to be unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import msgspec

from pilotage.controlplane.facts import ImageFacts
from pilotage.controlplane.hosted import HostedCluster
from pilotage.controlplane.image import choose_image
from pilotage.controlplane.labels import PREFIX, LabelChange, label_changes
from pilotage.decision.facts import Fact, Known
from pilotage.decision.rules import Decision

__all__ = [
    "DEFAULT_FAIL_ON",
    "EFFECTS",
    "FAILED",
    "ClusterChange",
    "FleetChange",
    "Side",
    "compare",
    "summarise",
]

EFFECTS: Mapping[str, str] = {
    "cpo-restart": "control plane operator, hosted cluster config operator, ignition server and PKI operator restart",
    "control-plane-rollout": "nearly all control plane Deployments and kube-apiserver roll",
    "etcd-restart": "etcd members restart one by one",
    "worker-daemonset": "the DaemonSet for the global pull secret restarts on every worker",
    "node-rollout": "nodes are replaced or updated: the image stands in their ignition",
    "label-lost": "a capability label is lost, which changes the cluster",
    "label-gained": "a capability label is gained, which changes the cluster",
    "capi-restart": "the Cluster API provider restarts",
    "karpenter-restart": "the karpenter operator restarts",
    "not-pullable": "the new image cannot be pulled",
    "cell-not-proven": "this pair of versions was not proven with the new operator image",
    "becomes-error": "no image can be chosen any more; the running one stays",
    "becomes-resolvable": "an image can be chosen where there was an error",
}
"""Every effect class with what it means for the cluster."""

DEFAULT_FAIL_ON = ("node-rollout", "label-lost", "not-pullable")

FAILED = 2
"""The exit code of `cpo preview` when an effect that was named occurs: the one that was published for this command,
although elsewhere "the answer is no" is 1."""

_SUBCOMMANDS = PREFIX + "control-plane-operator-subcommands"


class Side(msgspec.Struct, frozen=True):
    """One side of the change for one cluster: its facts, and what is known of the image that they lead to.

    `pullable` is asked with the pull secret of the cluster; `cell` is the state of its skew cell, empty when not asked.
    """

    facts: ImageFacts
    labels: Fact[Mapping[str, str]] | None = None
    pullable: bool | None = None
    cell: str = ""


class ClusterChange(msgspec.Struct, frozen=True):
    """`node_pools` are those whose nodes roll. `unknown` names what could not be judged."""

    subject: str
    before: Decision[str]
    after: Decision[str]
    changed: bool
    effects: tuple[str, ...]
    labels: tuple[LabelChange, ...] = ()
    node_pools: tuple[str, ...] = ()
    why_nodes: str = ""
    unknown: tuple[str, ...] = ()


class FleetChange(msgspec.Struct, frozen=True):
    """All clusters, how many meet each effect, and the clusters with an effect that was named as a failure."""

    clusters: tuple[ClusterChange, ...]
    totals: Mapping[str, int]
    failing: tuple[str, ...]

    @property
    def fails(self) -> bool:
        return bool(self.failing)


def compare(
    cluster: HostedCluster,
    before: Side,
    after: Side,
    node_pools: Iterable[str] = (),
    *,
    global_pull_secret: bool | None = None,
) -> ClusterChange:
    """What the change means for one cluster; `node_pools` are the names of its NodePools."""
    old, new = choose_image(before.facts), choose_image(after.facts)
    operator_changed = before.facts.operator_image != after.facts.operator_image
    image_changed = old.value != new.value
    effects: list[str] = []
    unknown = ["decision"] if old.needs or new.needs else []
    labels: tuple[LabelChange, ...] = ()
    rolled: tuple[str, ...] = ()
    if new.error and old.value is not None:
        effects.append("becomes-error")
    elif image_changed and new.value is not None:
        if old.value is None:
            effects.append("becomes-resolvable")
        effects += ["cpo-restart", "control-plane-rollout"]
        effects += ["etcd-restart"] if cluster.managed_etcd else []
        effects += ["worker-daemonset"] if global_pull_secret else []
        rolled = tuple(sorted(node_pools)) if cluster.image_in_ignition else ()
        effects += ["node-rollout"] if rolled else []
        labels, label_effects, label_unknown = _labels(before, after)
        effects += label_effects
        unknown += label_unknown
        effects += ["not-pullable"] if after.pullable is False else []
        unknown += ["pullability"] if after.pullable is None else []
        effects += ["cell-not-proven"] if after.cell and after.cell not in ("proven", "inherited") else []
    if operator_changed or ("cpo-restart" in effects and _has_subcommands(after)):
        effects += ["capi-restart", "karpenter-restart"]
    return ClusterChange(
        cluster.subject,
        old,
        new,
        image_changed,
        tuple(effect for effect in EFFECTS if effect in effects),
        labels,
        rolled,
        "the HTTPS proxy of the cluster is not bypassed for its API server" if rolled else "",
        tuple(unknown),
    )


def summarise(clusters: Iterable[ClusterChange], fail_on: Collection[str] = DEFAULT_FAIL_ON) -> FleetChange:
    """Totals over the fleet. Raises ValueError when `fail_on` names a class that does not exist."""
    strangers = sorted(set(fail_on) - set(EFFECTS))
    if strangers:
        raise ValueError(f"no such effect: {', '.join(strangers)}; there are {', '.join(EFFECTS)}")
    changes = tuple(clusters)
    counts = Counter(effect for change in changes for effect in change.effects)
    failing = tuple(change.subject for change in changes if not set(fail_on).isdisjoint(change.effects))
    return FleetChange(changes, {effect: counts[effect] for effect in EFFECTS if counts[effect]}, failing)


def _labels(before: Side, after: Side) -> tuple[tuple[LabelChange, ...], list[str], list[str]]:
    if not (isinstance(before.labels, Known) and isinstance(after.labels, Known)):
        return (), [], ["labels"]
    changes = label_changes(before.labels.value, after.labels.value)
    return changes, [f"label-{change.change}" for change in changes], []


def _has_subcommands(side: Side) -> bool:
    """Utilities run from the new image when it can; where its labels are unknown they are taken to restart."""
    return not isinstance(side.labels, Known) or _SUBCOMMANDS in side.labels.value
