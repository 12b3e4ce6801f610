"""The whole way, on a real store and real images: observe, decide, write; and nothing when nothing changed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import orjson
import pytest

from pilotage.api.errors import InputError
from pilotage.api.hypershift import HOSTED_CLUSTER, NODE_POOL
from pilotage.api.meta import Object, ObjectKey
from pilotage.api.pilotage import (
    CONTROL_PLANE_IMAGE,
    CONTROL_PLANE_SETTINGS,
)
from pilotage.controlplane.labels import CAPABILITIES
from pilotage.controlplane.room import IMAGE_TOPIC, ROOM
from pilotage.runtime.clock import rfc3339

HO = "quay.example.com/hypershift/operator"
LABELS = {capability.label: "true" for capability in CAPABILITIES}
DEMO = ObjectKey("clusters", "demo")
Fleet = Any  # the fixture of conftest: a store, images, a clock, and the controller over them


async def test_a_4_20_cluster_gets_the_operator_image(fleet: Fleet) -> None:
    """The record, the condition and the event all say which image by which rule; the record belongs to the cluster."""
    operator = await fleet.operator("v1")
    await fleet.settings(operatorImage=f"{HO}:v1", operatorImageForCPO="on")
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")))
    await fleet.play()
    status = await fleet.status()
    assert (status.image, status.rule, status.version) == (operator, "operator-image", "4.20.3")
    assert (status.operator_image, status.operator_digest) == (f"{HO}:v1", operator.partition("@")[2])
    assert (status.digest, status.resolved_at) == (operator.partition("@")[2], rfc3339(fleet.clock.now()))
    assert await fleet.condition() == ("True", "OperatorImage")
    assert [reason for reason, _ in await fleet.events()] == ["CPOImageChanged"]
    record = await fleet.store.get(CONTROL_PLANE_IMAGE, DEMO)
    owner = (record.meta.owner_references or ())[0]
    cluster = await fleet.store.get(HOSTED_CLUSTER, DEMO)
    assert (owner.kind, owner.name, owner.uid, owner.controller) == (
        "HostedCluster",
        "demo",
        cluster.meta.uid,
        True,
    )


async def test_a_fleet_at_rest_writes_nothing(fleet: Fleet) -> None:
    """A restart an hour later finds the same answer and leaves every object as it is, times included."""
    await fleet.operator("v1")
    await fleet.settings(operatorImage=f"{HO}:v1", operatorImageForCPO="on")
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")))
    await fleet.play()
    before = await fleet.everything()
    fleet.clock.advance(3600)
    await fleet.play()
    assert await fleet.everything() == before


async def test_a_new_operator_image_moves_the_clusters_and_is_told(fleet: Fleet) -> None:
    """The tag moves: the next look gives the new digest, `resolvedAt` moves, and the event names both images."""
    old = await fleet.operator("v1")
    await fleet.settings(operatorImage=f"{HO}:v1", operatorImageForCPO="on")
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")))
    await fleet.play()
    new = await fleet.operator("v2")
    await fleet.settings(operatorImage=f"{HO}:v2", operatorImageForCPO="on")
    fleet.clock.advance(60)
    await fleet.play()
    status = await fleet.status()
    assert (status.image, status.resolved_at) == (new, rfc3339(fleet.clock.now()))
    assert any(old in message and new in message for _, message in await fleet.events())


async def test_an_error_keeps_the_record_and_says_why(fleet: Fleet) -> None:
    """An empty annotation changes nothing but condition and event; correcting it needs no restart."""
    image = await fleet.component("a")
    release = await fleet.release("4.19.7", image)
    await fleet.cluster(release)
    await fleet.play()
    before = await fleet.status()
    async with fleet.runner() as runner:
        await fleet.cluster(release, image="")
        await runner.settled()
        after = await fleet.status()
        assert (after.image, after.rule, after.resolved_at) == (before.image, before.rule, before.resolved_at)
        assert after.reason == "EmptyImageAnnotation"
        assert await fleet.condition() == ("False", "EmptyImageAnnotation")
        assert "EmptyImageAnnotation" in [reason for reason, _ in await fleet.events()]
        await fleet.cluster(release)
        await runner.settled()
        assert await fleet.condition() == ("True", "PayloadImage")


async def test_an_annotation_with_labels_costs_no_request(fleet: Fleet) -> None:
    """Air-gapped development: image and labels are stated, and no registry is asked, up or down."""
    fleet.source.is_down = True
    await fleet.settings(operatorImage=f"{HO}:v1", operatorImageForCPO="on", attestationMode="enforce")
    await fleet.cluster("quay.example.com/gone:1", image="registry.local/cpo:dev", labels="a=b")
    await fleet.play()
    assert fleet.source.requests == []
    assert (await fleet.status()).image == "registry.local/cpo:dev"
    assert await fleet.condition() == ("True", "AnnotationOverride")


async def test_labels_that_cannot_be_read_block_the_choice(fleet: Fleet) -> None:
    """An annotation names an image that no registry has: nothing may act on it, and the condition says so."""
    await fleet.cluster("quay.example.com/gone:1", image="registry.local/cpo:dev")
    await fleet.play()
    assert await fleet.condition() == ("False", "LabelLookupFailed")
    assert (await fleet.status()).image == ""


async def test_a_hiccup_of_the_registry_moves_no_cluster(fleet: Fleet) -> None:
    """The binary check fails after a restart: a cluster on this operator image keeps it, the condition is Unknown."""
    operator = await fleet.operator("v1")
    release = await fleet.release("4.20.3", await fleet.component("a"))
    await fleet.settings(operatorImage=operator, operatorImageForCPO="on")
    await fleet.cluster(release, labels="a=b")
    await fleet.play()
    restarted = fleet.restarted()
    restarted.source.unreadable = {operator.partition("@")[2]}
    await restarted.play()
    status = await restarted.status()
    assert (status.image, status.rule) == (operator, "operator-image")
    assert await restarted.condition() == ("Unknown", "BinaryCheckFailed")
    assert [warning.code for warning in status.warnings] == ["BinaryCheckFailed"]


async def test_a_failed_check_is_tried_again_and_then_believed(fleet: Fleet) -> None:
    """A failure is not kept as "no": when the registry is back, the cluster moves to the operator image by itself."""
    operator = await fleet.operator("v1")
    release = await fleet.release("4.20.3", await fleet.component("a"))
    fleet.source.unreadable = {operator.partition("@")[2]}
    await fleet.settings(operatorImage=operator, operatorImageForCPO="on")
    await fleet.cluster(release, labels="a=b")
    async with fleet.runner() as runner:
        await runner.settled()
        assert (await fleet.status()).rule == "payload"
        fleet.source.unreadable.clear()
        fleet.clock.advance(400)
        await runner.settled()
        assert (await fleet.status()).rule == "operator-image"


async def test_the_override_table_is_followed(fleet: Fleet) -> None:
    """A pin appears, is changed by an edit of the ConfigMap, and its source stands in the explanation."""
    pins = [await fleet.component(tag) for tag in ("p1", "p2")]
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")), platform="Azure")
    await fleet.overrides(_table(pins[0]))
    await fleet.settings(
        overridesEnabled=True, overridesConfigMap={"namespace": "hypershift", "name": "cpo-overrides"}
    )
    async with fleet.runner() as runner:
        await runner.settled()
        assert (await fleet.status()).image == pins[0]
        await fleet.overrides(_table(pins[1]))
        await runner.settled()
        assert (await fleet.status()).image == pins[1]
    observed = await IMAGE_TOPIC.observe(fleet.services, DEMO)
    assert "ConfigMap hypershift/cpo-overrides" in IMAGE_TOPIC.decide(observed).reason


def _table(image: str) -> str:
    return f"platforms:\n  azure:\n    overrides:\n    - version: 4.20.3\n      cpoImage: {image}\n"


async def test_a_table_that_is_missing_moves_nobody(fleet: Fleet) -> None:
    """Overrides are on and the ConfigMap is gone: no cluster loses its pin, annotated clusters are not concerned."""
    release = await fleet.release("4.20.3", await fleet.component("a"))
    await fleet.cluster(release)
    await fleet.cluster(release, "pinned", image="registry.local/cpo:dev", labels="a=b")
    await fleet.settings(
        overridesEnabled=True, overridesConfigMap={"namespace": "hypershift", "name": "cpo-overrides"}
    )
    await fleet.play()
    assert await fleet.condition() == ("False", "InvalidOverrideTable")
    assert await fleet.condition("pinned") == ("True", "AnnotationOverride")


async def test_a_change_of_the_settings_looks_at_every_cluster(fleet: Fleet) -> None:
    """Switching the feature on moves all 4.20 clusters, and switching it off moves them back."""
    await fleet.operator("v1")
    release = await fleet.release("4.20.3", await fleet.component("a"))
    names = ("one", "two", "three")
    for name in names:
        await fleet.cluster(release, name)
    async with fleet.runner() as runner:
        for switch, rule in (("off", "payload"), ("on", "operator-image"), ("off", "payload")):
            await fleet.settings(operatorImage=f"{HO}:v1", operatorImageForCPO=switch)
            await runner.settled()
            assert [(await fleet.status(name)).rule for name in names] == [rule] * 3


async def test_a_hold_keeps_the_image_is_reported_and_then_released(fleet: Fleet) -> None:
    """While it lasts a new operator image passes by; when its time is over an event says so before it is released."""
    old = await fleet.operator("v1")
    release = await fleet.release("4.20.3", await fleet.component("a"))
    await fleet.settings(operatorImage=old, operatorImageForCPO="on")
    await fleet.cluster(release)
    await fleet.play()
    until = rfc3339(fleet.clock.now() + timedelta(hours=1))
    await fleet.cluster(release, source="hold", until=until)
    new = await fleet.operator("v2")
    await fleet.settings(operatorImage=new, operatorImageForCPO="on")
    await fleet.play()
    status = await fleet.status()
    assert (status.image, status.rule, await fleet.condition()) == (old, "operator-image", ("True", "Held"))
    fleet.clock.advance(3601)
    await fleet.play()
    assert "HoldExpired" in [reason for reason, _ in await fleet.events()]
    assert ((await fleet.status()).image, await fleet.condition()) == (new, ("True", "OperatorImage"))


async def test_a_deleted_cluster_takes_its_record_along(fleet: Fleet) -> None:
    """The record is owned by the cluster and goes with it; the controller does not bring it back."""
    await fleet.cluster(await fleet.release("4.19.7", await fleet.component("a")))
    async with fleet.runner() as runner:
        await runner.settled()
        await fleet.store.delete(HOSTED_CLUSTER, DEMO)
        await runner.settled()
        assert (await fleet.store.list(CONTROL_PLANE_IMAGE)).items == ()
        assert runner.problems() == ()


async def test_a_record_that_somebody_removed_comes_back(fleet: Fleet) -> None:
    """The record is derived: deleting it costs one look."""
    await fleet.cluster(await fleet.release("4.19.7", await fleet.component("a")))
    async with fleet.runner() as runner:
        await runner.settled()
        await fleet.store.delete(CONTROL_PLANE_IMAGE, DEMO)
        await runner.settled()
        assert (await fleet.status()).rule == "payload"


async def test_many_at_once_fetch_each_payload_and_check_each_binary_once(fleet: Fleet) -> None:
    """64 clusters are observed in parallel: one payload read, one binary check for each digest."""
    operator = await fleet.operator("v1")
    release = await fleet.release("4.20.3", await fleet.component("a"))
    await fleet.settings(operatorImage=operator, operatorImageForCPO="on")
    for number in range(64):
        await fleet.cluster(release, f"c{number}")
    keys = [ObjectKey("clusters", f"c{number}") for number in range(64)]
    found = await asyncio.gather(*(IMAGE_TOPIC.observe(fleet.services, key) for key in keys))
    assert {IMAGE_TOPIC.decide(observed).value for observed in found} == {operator}
    blobs = [request for request in fleet.source.requests if request.startswith("blob")]
    # Layer and config of the payload; a layer for each of two architectures; the config of the image for its labels.
    assert (len(blobs), len(set(blobs))) == (5, 5)


async def test_the_binary_must_be_there_for_every_architecture(fleet: Fleet) -> None:
    """A list whose arm64 image lacks it counts as without, and the warning names the architecture."""
    operator = await fleet.operator("v1", binary_in=["amd64"])
    await fleet.settings(operatorImage=operator, operatorImageForCPO="on")
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")))
    await fleet.play()
    status = await fleet.status()
    assert (status.rule, [warning.code for warning in status.warnings]) == (
        "payload",
        ["BinaryMissingForArch"],
    )
    assert "arm64" in status.warnings[0].message


async def test_parity_and_attestation_are_judged_on_real_images(fleet: Fleet) -> None:
    """Enforced: an attested operator image that would lose a label is not taken; with all labels it is."""
    poor, rich = await fleet.operator("poor", labels={}), await fleet.operator("rich")
    await fleet.cluster(await fleet.release("4.20.3", await fleet.component("a")))
    for image, rule in ((poor, "payload"), (rich, "operator-image")):
        attested = {"digest": image.partition("@")[2], "platform": "rosa-hcp", "at": "2026-01-01T00:00:00Z"}
        await fleet.settings(
            operatorImage=image, operatorImageForCPO="on", attestationMode="enforce", attestations=[attested]
        )
        await fleet.play()
        assert (await fleet.status()).rule == rule


async def test_registry_overrides_rewrite_the_payload_component_only(fleet: Fleet) -> None:
    """The pull spec from the payload is rewritten; an image from an annotation is not."""
    component = await fleet.component("a")
    rewrites = {"quay.example.com/hypershift": "mirror.example.net/h"}
    await fleet.settings(registryOverrides=rewrites)
    await fleet.cluster(await fleet.release("4.19.7", component), labels="a=b")
    await fleet.cluster(await fleet.release("4.19.7", component), "pinned", image=component, labels="a=b")
    await fleet.play()
    assert (await fleet.status()).image == component.replace(
        "quay.example.com/hypershift", "mirror.example.net/h"
    )
    assert (await fleet.status("pinned")).image == component


async def test_explain_tells_what_was_hidden_and_what_is_not_known(fleet: Fleet) -> None:
    """All five rules, labels, consumers, node pools behind a proxy, and that the settings were not seen."""
    await fleet.cluster(await fleet.release("4.19.7", await fleet.component("a")))
    proxy = {"configuration": {"proxy": {"httpsProxy": "http://proxy:3128"}}}
    manifest = fleet.manifest(HOSTED_CLUSTER, DEMO, spec=proxy)
    await fleet.store.apply(HOSTED_CLUSTER, DEMO, manifest, manager="proxy", force=True)
    for name, owner in (("workers", "demo"), ("others", "else")):
        key = ObjectKey("clusters", name)
        await fleet.store.apply(
            NODE_POOL, key, fleet.manifest(NODE_POOL, key, spec={"clusterName": owner}), manager="t"
        )
    observed = await IMAGE_TOPIC.observe(fleet.services, DEMO)
    decision = IMAGE_TOPIC.decide(observed)
    answer = IMAGE_TOPIC.describe(observed, decision)
    assert [entry["rule"] for entry in answer["trail"]] == [
        "annotation",
        "override",
        "operator-image",
        "payload",
        "operator-fallback",
    ]
    assert (answer["rule"], answer["version"], answer["labels"]) == ("payload", "4.19.7", LABELS)
    assert answer["nodePoolsWithImage"] == ["workers"]
    assert len(answer["consumers"]) == 12
    details = dict(IMAGE_TOPIC.details(observed, decision))
    assert "not seen" in details["settings"]
    assert orjson.dumps(answer)


async def test_settings_that_cannot_be_read_are_an_error_that_names_them(fleet: Fleet) -> None:
    """A value of another type in the settings is not guessed around."""
    manifest = fleet.manifest(
        CONTROL_PLANE_SETTINGS, ObjectKey("", "default"), spec={"overridesEnabled": "maybe"}
    )
    broken = Object.of(manifest)
    await fleet.store.restore([broken])
    await fleet.cluster("quay.example.com/gone:1")
    with pytest.raises(InputError, match="ControlPlaneSettings"):
        await IMAGE_TOPIC.observe(fleet.services, DEMO)


async def test_the_board_shows_the_fleet(fleet: Fleet) -> None:
    """One record for each cluster, also for one that nobody looked at yet."""
    await fleet.cluster(await fleet.release("4.19.7", await fleet.component("a")))
    await fleet.play()
    await fleet.cluster("quay.example.com/gone:1", "new")
    board = ROOM.boards[0]
    records = {record["cluster"]: record for record in await board.records(fleet.store)}
    assert records["clusters/demo"]["rule"] == "payload"
    assert records["clusters/new"]["resolved"] == ""
    assert {key for _, key in board.columns} <= set(records["clusters/new"])


async def test_a_release_without_tag_and_digest_is_not_taken_for_latest(fleet) -> None:
    """`latest` of a release is nobody's intention: the cluster is told to name one."""
    await fleet.release("latest", await fleet.component("cpo-latest"))
    await fleet.settings()
    await fleet.cluster(release="quay.example.com/openshift/release")

    async with fleet.runner() as runner:
        await runner.settled()

    assert await fleet.condition() == ("False", "ReleaseLookupFailed")
    assert any("no tag or digest specified" in message for _, message in await fleet.events())
