"""What a change does to a fleet: effect by effect, and when it fails a pipeline."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pilotage.controlplane import hosted
from pilotage.controlplane.labels import PREFIX
from pilotage.controlplane.preview import EFFECTS, ClusterChange, Side, compare, summarise
from pilotage.decision.facts import Known

PROXY = {"configuration": {"proxy": {"httpsProxy": "http://proxy:3128"}}}
ALWAYS = ("cpo-restart", "control-plane-rollout", "etcd-restart")
OTHER = "quay.io/ho@sha256:9…"


def cluster(**spec: Any) -> hosted.HostedCluster:
    return hosted.read({"metadata": {"namespace": "clusters", "name": "demo"}, "spec": spec})


def side(given: SimpleNamespace, labels: list[str] | None = None, **facts: Any) -> Side:
    known = None if labels is None else Known({PREFIX + name: "true" for name in labels})
    return Side(given.facts(**facts), known, pullable=True)


def test_an_image_that_stays_has_no_effect(given: SimpleNamespace) -> None:
    """The same facts on both sides: nothing changes, nothing is unknown."""
    change = compare(cluster(), side(given), side(given), ["workers"])
    assert (change.changed, change.effects, change.unknown) == (False, (), ())


def test_a_new_operator_image_rolls_the_control_plane(given: SimpleNamespace) -> None:
    """Pods, Deployments, etcd and the Cluster API provider; nodes stay without a proxy."""
    change = compare(cluster(), side(given, []), side(given, [], operator_image=OTHER), ["workers"])
    assert change.effects == (*ALWAYS, "capi-restart", "karpenter-restart")
    assert change.node_pools == ()


def test_behind_a_proxy_the_nodes_roll_and_are_named(given: SimpleNamespace) -> None:
    """The image stands in node ignition: every NodePool is listed, with the reason."""
    change = compare(cluster(**PROXY), side(given), side(given, operator_image=OTHER), ["b", "a"])
    assert "node-rollout" in change.effects
    assert (change.node_pools, "HTTPS proxy" in change.why_nodes) == (("a", "b"), True)


def test_unmanaged_etcd_does_not_restart(given: SimpleNamespace) -> None:
    """An etcd of the user's own has no init container of ours."""
    change = compare(
        cluster(etcd={"managementType": "Unmanaged"}), side(given), side(given, operator_image=OTHER)
    )
    assert "etcd-restart" not in change.effects


def test_a_lost_label_is_an_effect_with_what_it_does(given: SimpleNamespace) -> None:
    """Lost and gained capability labels are told apart, with what holds afterwards."""
    change = compare(
        cluster(),
        side(given, ["restricted-psa"]),
        side(given, ["control-plane-operator-creates-aws-sg"], operator_image=OTHER),
    )
    assert {"label-lost", "label-gained"} <= set(change.effects)
    lost = next(label for label in change.labels if label.change == "lost")
    assert (lost.label, "privileged" in lost.effect) == (PREFIX + "restricted-psa", True)


def test_labels_that_nobody_read_are_unknown(given: SimpleNamespace) -> None:
    """What was not looked at is named and not guessed."""
    change = compare(cluster(), side(given), side(given, operator_image=OTHER))
    assert change.unknown == ("labels",)


def test_an_override_restarts_capi_only_with_subcommands(given: SimpleNamespace) -> None:
    """The operator stays; utilities move to the new image where it can run them."""
    pin = {"azure": {"4.20.3": "quay.io/pin@sha256:b…"}}
    without = compare(cluster(), side(given, []), side(given, [], overrides=pin))
    having = compare(
        cluster(), side(given, []), side(given, ["control-plane-operator-subcommands"], overrides=pin)
    )
    assert "capi-restart" not in without.effects
    assert "capi-restart" in having.effects


def test_an_operator_that_loses_the_binary_sends_clusters_to_the_payload(given: SimpleNamespace) -> None:
    """The rule changes with the image, and both are shown."""
    change = compare(cluster(), side(given), side(given, operator_image=OTHER, binary=False))
    assert (change.before.rule, change.after.rule, change.changed) == ("operator-image", "payload", True)


def test_a_cluster_that_cannot_be_resolved_any_more_keeps_running(given: SimpleNamespace) -> None:
    """An error afterwards is an effect of its own and restarts nothing of the control plane."""
    change = compare(cluster(), side(given, hypershift=None), side(given, hypershift=None, binary=False))
    assert change.effects == ("becomes-error",)


def test_a_cluster_that_becomes_resolvable_is_told(given: SimpleNamespace) -> None:
    """The other way round: an image where there was an error."""
    change = compare(cluster(), side(given, hypershift=None, binary=False), side(given, hypershift=None))
    assert change.effects[-1] == "becomes-resolvable"
    assert "cpo-restart" in change.effects


def test_an_image_that_cannot_be_pulled_and_an_unproven_cell_are_told(given: SimpleNamespace) -> None:
    """Both are judged for the new image only."""
    after = msgspec.structs.replace(side(given, operator_image=OTHER), pullable=False, cell="unproven")
    change = compare(cluster(), side(given), after)
    assert {"not-pullable", "cell-not-proven"} <= set(change.effects)


def test_a_new_release_is_previewed_the_same_way(given: SimpleNamespace) -> None:
    """An upgrade from 4.19 to 4.20 moves the cluster from the payload to the operator image."""
    change = compare(cluster(), side(given, version="4.19.9"), side(given, version="4.20.1"))
    assert (change.before.rule, change.after.rule) == ("payload", "operator-image")


def changes(given: SimpleNamespace) -> list[ClusterChange]:
    return [
        compare(cluster(), side(given), side(given)),
        compare(cluster(), side(given, []), side(given, [], operator_image=OTHER)),
        compare(cluster(**PROXY), side(given, []), side(given, [], operator_image=OTHER), ["workers"]),
    ]


def test_totals_count_clusters_per_effect(given: SimpleNamespace) -> None:
    """A fleet is summed up by effect, and node rollouts fail it unless told otherwise."""
    fleet = summarise(changes(given))
    assert (fleet.totals["cpo-restart"], fleet.totals["node-rollout"]) == (2, 1)
    assert (fleet.fails, len(fleet.failing)) == (True, 1)
    assert not summarise(changes(given), fail_on=["label-lost"]).fails


def test_an_effect_that_does_not_exist_cannot_be_failed_on(given: SimpleNamespace) -> None:
    """A typo in --fail-on must not let a change through."""
    with pytest.raises(ValueError, match="no such effect: node-rolout"):
        summarise(changes(given), fail_on=["node-rolout"])
    assert not summarise(changes(given), fail_on=[]).fails
    assert set(EFFECTS) >= set(ALWAYS)
