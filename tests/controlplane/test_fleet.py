"""A change seen on the whole fleet before it is made, on a real store and real images."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.api.hypershift import HOSTED_CLUSTER, NODE_POOL
from pilotage.api.meta import Object, ObjectKey
from pilotage.controlplane.fleet import Change, preview_fleet
from pilotage.controlplane.overrides import load

DEMO = ObjectKey("clusters", "demo")
Fleet = Any  # the fixture of conftest: a store, images, a clock, and the controller over them


async def proxied(fleet: Fleet, name: str) -> None:
    """Put the nodes of a cluster behind a proxy, and give it a NodePool."""
    key = ObjectKey("clusters", name)
    proxy = {"configuration": {"proxy": {"httpsProxy": "http://proxy:3128"}}}
    await fleet.store.apply(
        HOSTED_CLUSTER, key, fleet.manifest(HOSTED_CLUSTER, key, spec=proxy), manager="proxy"
    )
    pool = ObjectKey("clusters", f"{name}-workers")
    manifest = fleet.manifest(NODE_POOL, pool, spec={"clusterName": name})
    await fleet.store.apply(NODE_POOL, pool, manifest, manager="test")


async def test_an_operator_upgrade_is_previewed_and_writes_nothing(fleet: Fleet) -> None:
    """Clusters from 4.20 on move, a 4.19 stays; behind a proxy the node rollout fails the preview."""
    old, new = await fleet.operator("v1"), await fleet.operator("v2")
    component = await fleet.component("a")
    await fleet.settings(operatorImage=old, operatorImageForCPO="on")
    await fleet.cluster(await fleet.release("4.20.3", component), "moves")
    await fleet.cluster(await fleet.release("4.20.4", component), "rolls")
    await fleet.cluster(await fleet.release("4.19.7", component), "stays")
    await proxied(fleet, "rolls")
    before = await fleet.everything()
    preview = await preview_fleet(fleet.services, Change(operator_image=new))
    changes = {change.subject: change for change in preview.fleet.clusters}
    assert changes["clusters/moves"].after.value == new
    assert changes["clusters/moves"].unknown == ()
    assert not changes["clusters/stays"].changed
    assert changes["clusters/rolls"].node_pools == ("rolls-workers",)
    assert (preview.fleet.failing, preview.fleet.totals["cpo-restart"]) == (("clusters/rolls",), 2)
    assert await fleet.everything() == before


async def test_a_new_operator_that_lacks_labels_fails_the_preview(fleet: Fleet) -> None:
    """Labels are compared between the images that run before and after."""
    old, poor = await fleet.operator("v1"), await fleet.operator("poor", labels={})
    await fleet.settings(operatorImage=old, operatorImageForCPO="on")
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")))
    preview = await preview_fleet(fleet.services, Change(operator_image=poor))
    assert "label-lost" in preview.fleet.clusters[0].effects
    assert preview.fleet.fails


async def test_an_image_that_no_registry_has_fails_the_preview(fleet: Fleet) -> None:
    """A pin of an image that is not there: not pullable, which is known; a dead registry is not known."""
    gone = f"quay.example.com/hypershift/cpo@sha256:{'f' * 64}"
    table = load({"platforms": {"aws": {"overrides": [{"version": "4.19.7", "cpoImage": gone}]}}}).table
    await fleet.cluster(await fleet.release("4.19.7", await fleet.component("a")))
    change = Change(overrides=table, overrides_enabled=True)
    found = (await preview_fleet(fleet.services, change)).fleet
    assert ("not-pullable" in found.clusters[0].effects, found.failing) == (True, ("clusters/demo",))
    fleet.source.unreadable = {gone.partition("@")[2]}
    unsure = (await preview_fleet(fleet.services, change)).fleet
    assert ("pullability" in unsure.clusters[0].unknown, unsure.fails) == (True, False)


async def test_a_release_of_one_cluster_is_previewed(fleet: Fleet) -> None:
    """An upgrade of one cluster to 4.20 brings it the operator image; its neighbour stays."""
    operator, component = await fleet.operator("v1"), await fleet.component("a")
    await fleet.settings(operatorImage=operator, operatorImageForCPO="on")
    release = await fleet.release("4.19.7", component)
    await fleet.cluster(release)
    await fleet.cluster(release, "other")
    target = await fleet.release("4.20.3", component)
    found = (await preview_fleet(fleet.services, Change(releases={DEMO: target}))).fleet
    assert [change.subject for change in found.clusters if change.changed] == ["clusters/demo"]
    assert found.clusters[0].after.rule == "operator-image"


async def test_switching_the_feature_on_is_a_change_like_any_other(fleet: Fleet) -> None:
    """The switch is part of the change, and a stated binary is believed without a look into the image."""
    operator = await fleet.operator("v1", binary_in=())
    await fleet.settings(operatorImage=operator)
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")))
    change = Change(switch="on")
    assert not (await preview_fleet(fleet.services, change)).fleet.clusters[0].changed
    stated = Change(switch="on", operator_has_binary=True)
    assert (await preview_fleet(fleet.services, stated)).fleet.clusters[0].after.rule == "operator-image"


async def test_two_operators_are_compared_whatever_runs(fleet: Fleet) -> None:
    """Both sides may be given: neither needs to be what the settings say."""
    one, two = await fleet.operator("v1"), await fleet.operator("v2")
    await fleet.settings(operatorImageForCPO="on")
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")))
    before, after = Change(operator_image=one), Change(operator_image=two)
    change = (await preview_fleet(fleet.services, after, before=before)).fleet.clusters[0]
    assert (change.before.value, change.after.value) == (one, two)


async def test_a_cluster_that_cannot_be_read_is_named(fleet: Fleet) -> None:
    """One broken manifest ends nothing; a class that does not exist is refused before anything is observed."""
    await fleet.cluster(await fleet.release("4.19.7", await fleet.component("a")))
    broken = Object.of(fleet.manifest(HOSTED_CLUSTER, ObjectKey("clusters", "broken"), spec=[]))
    await fleet.store.restore([broken])
    preview = await preview_fleet(fleet.services, Change())
    assert [change.subject for change in preview.fleet.clusters] == ["clusters/demo"]
    assert "spec" in preview.unreadable["clusters/broken"]
    with pytest.raises(ValueError, match="no such effect"):
        await preview_fleet(fleet.services, Change(), fail_on=["nothing"])
