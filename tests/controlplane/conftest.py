"""What the tests of this room stand on.

`given`: facts from a few words; what a case leaves out is an ordinary 4.20 cluster whose operator image could serve.
`fleet`: a store, images in a layout whose requests are counted, a clock moved by hand, and the controller over them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from pilotage.api.core import CONFIG_MAP, EVENT
from pilotage.api.hypershift import HOSTED_CLUSTER
from pilotage.api.meta import Kind, ObjectKey
from pilotage.api.pilotage import (
    CONTROL_PLANE_IMAGE,
    CONTROL_PLANE_SETTINGS,
    HOLD_UNTIL_ANNOTATION,
    IMAGE_SOURCE_ANNOTATION,
    ControlPlaneImage,
    ControlPlaneImageStatus,
)
from pilotage.controlplane import overrides
from pilotage.controlplane.facts import Attestation, ImageFacts, Recorded, Release
from pilotage.controlplane.labels import CAPABILITIES, PREFIX
from pilotage.controlplane.room import ROOM
from pilotage.decision.facts import Absent, Known, NotSeen
from pilotage.images import reference
from pilotage.images.disk.layout import OciLayout
from pilotage.images.errors import ImageError
from pilotage.images.layers.build import Entry, pack, push_image, push_index
from pilotage.images.reference import Reference
from pilotage.images.source import Descriptor, Manifest, Platform
from pilotage.room import Services
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.runner import Runner
from pilotage.store.embedded import EmbeddedStore

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def given() -> SimpleNamespace:
    """`given.facts(...)` builds facts, `given.whole(...)` writes digests out."""
    return SimpleNamespace(facts=facts, whole=whole, now=NOW)


def whole(text: str) -> str:
    """`sha256:a…` is a digest of 64 a's."""
    return re.sub(r"sha256:([0-9a-f])…", lambda match: f"sha256:{match[1] * 64}", text)


def facts(
    *,
    annotation: str | None = None,
    platform: str = "Azure",
    version: str = "4.20.3",
    hypershift: str | None = "quay.io/payload/cpo@sha256:2…",
    release: str = "read",
    overrides: dict[str, dict[str, str]] | None = None,
    overrides_enabled: bool | None = None,
    operator_image: str = "quay.io/ho@sha256:1…",
    binary: Any = True,
    switch: Any = "on",
    in_canary: bool = False,
    source: str | None = None,
    until: str | None = None,
    reported: bool = False,
    recorded: dict[str, str] | None = None,
    attestation_mode: Any = "off",
    attestation: str = "none",
    max_age_days: int = 0,
    labels: dict[str, list[str]] | None = None,
    cell_mode: Any = "off",
    cell: str = "unproven",
) -> ImageFacts:
    components = {} if hypershift is None else {"hypershift": whole(hypershift)}
    return ImageFacts(
        subject="clusters/demo",
        annotation=None if annotation is None else whole(annotation),
        platform=platform,
        release_image="quay.io/release:4.20.3",
        release=Known(Release(version, components)) if release == "read" else NotSeen("the registry is down"),
        overrides=_table(overrides or {}),
        overrides_enabled=bool(overrides) if overrides_enabled is None else overrides_enabled,
        operator_image=whole(operator_image),
        binary=_binary(binary),
        switch=switch,
        in_canary=in_canary,
        image_source=source,
        hold_until=until,
        hold_expiry_reported=reported,
        recorded=Recorded(whole(recorded["image"]), recorded["rule"]) if recorded else None,
        now=NOW,
        attestation_mode=attestation_mode,
        attestation=Absent() if attestation == "none" else Known(_attested(attestation)),
        attestation_max_age_days=max_age_days,
        operator_labels=_labels(labels, "operator"),
        payload_labels=_labels(labels, "payload"),
        cell_mode=cell_mode,
        cell_state=Known(cell),
    )


def _table(pins: dict[str, dict[str, str]]) -> overrides.OverrideTable:
    platforms = {
        platform: {
            "overrides": [{"version": version, "cpoImage": whole(image)} for version, image in block.items()]
        }
        for platform, block in pins.items()
    }
    return overrides.load({"platforms": platforms}).table


def _binary(binary: Any) -> Any:
    match binary:
        case "failed":
            return NotSeen("the registry is down")
        case None:
            return NotSeen()
        case _:
            return Known(binary, "layer 5")


def _attested(platform: str) -> Attestation:
    return Attestation(platform, datetime(2026, 5, 1, tzinfo=UTC))


def _labels(given: dict[str, list[str]] | None, side: str) -> Any:
    return None if given is None else Known({PREFIX + name: "true" for name in given[side]})


IMAGE = "hypershift.openshift.io/control-plane-operator-image"
IMAGE_LABELS = "hypershift.openshift.io/control-plane-operator-image-labels"
HO = "quay.example.com/hypershift/operator"
CPO = "quay.example.com/hypershift/cpo"
RELEASE = "quay.example.com/openshift/release"
LABELS = {capability.label: "true" for capability in CAPABILITIES}
DEMO = ObjectKey("clusters", "demo")


class CountedSource:
    """The layout, with every request counted by what it names; `is_down` makes it answer as a dead registry
    does, and so do the digests in `unreadable`.
    """

    def __init__(self, layout: OciLayout) -> None:
        self.layout = layout
        self.requests: list[str] = []
        self.is_down = False
        self.unreadable: set[str] = set()

    def _refuse(self, digest: str) -> None:
        if digest in self.unreadable:
            raise ImageError("RegistryUnreachable", f"{digest}: connection refused")

    def _count(self, what: str) -> None:
        self.requests.append(what)
        if self.is_down:
            raise ImageError("RegistryUnreachable", f"{what}: connection refused")

    async def resolve(self, reference: Reference) -> Descriptor:
        self._count(f"resolve {reference}")
        self._refuse(reference.digest)
        return await self.layout.resolve(reference)

    async def manifest(self, reference: Reference, digest: str) -> Manifest:
        self._count(f"manifest {digest}")
        return await self.layout.manifest(reference, digest)

    async def blob(self, reference: Reference, descriptor: Descriptor) -> AsyncIterator[bytes]:
        self._count(f"blob {descriptor.digest}")
        async for chunk in self.layout.blob(reference, descriptor):
            yield chunk

    async def referrers(self, reference: Reference, digest: str) -> Sequence[Descriptor]:
        return await self.layout.referrers(reference, digest)

    async def tags(self, reference: Reference) -> Sequence[str]:
        return await self.layout.tags(reference)

    async def close(self) -> None:
        await self.layout.close()


def _manifest(kind: Kind, key: ObjectKey, **fields: Any) -> dict[str, Any]:
    metadata = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


class Fleet:
    """One management cluster: a store, images, a clock, and the controller that runs over them."""

    def __init__(self, store: EmbeddedStore, source: CountedSource, clock: ManualClock) -> None:
        self.store = store
        self.source = source
        self.clock = clock
        self.services = Services(store, source, clock)

    def restarted(self) -> Fleet:
        """The same cluster after a restart: nothing that was looked up is remembered."""
        return Fleet(self.store, CountedSource(self.source.layout), self.clock)

    # -- images

    async def operator(
        self, tag: str, *, binary_in: Sequence[str] = ("amd64", "arm64"), labels: Any = None
    ) -> str:
        """An operator image for two architectures; its pull spec by digest."""
        name = reference.parse(f"{HO}:{tag}")
        children = []
        for architecture in ("amd64", "arm64"):
            has = architecture in binary_in
            content = [Entry("usr/bin/control-plane-operator", b"#!bin", 0o755)] if has else []
            platform = Platform(architecture, "linux")
            layer = pack([Entry(f"etc/{tag}", architecture.encode()), *content])
            found = LABELS if labels is None else labels
            child = await push_image(self.source.layout, name, [layer], platform=platform, labels=found)
            children.append((child, platform))
        index = await push_index(self.source.layout, name, children, tag=tag)
        return f"{HO}@{index.digest}"

    async def component(self, tag: str) -> str:
        name = reference.parse(f"{CPO}:{tag}")
        layer = pack([Entry(f"etc/{tag}", b"x")])
        return f"{CPO}@{(await push_image(self.source.layout, name, [layer], labels=LABELS, tag=tag)).digest}"

    async def release(self, version: str, hypershift: str | None) -> str:
        name = reference.parse(f"{RELEASE}:{version}")
        tags = (
            [{"name": "hypershift", "from": {"kind": "DockerImage", "name": hypershift}}]
            if hypershift
            else []
        )
        stream = {
            "kind": "ImageStream",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": version},
            "spec": {"tags": tags},
        }
        layer = pack([Entry("release-manifests/image-references", orjson.dumps(stream))])
        return f"{RELEASE}@{(await push_image(self.source.layout, name, [layer], tag=version)).digest}"

    # -- objects

    async def settings(self, **spec: Any) -> None:
        manifest = _manifest(
            CONTROL_PLANE_SETTINGS, ObjectKey("", "default"), spec={"attestationMode": "off"} | spec
        )
        await self.store.apply(
            CONTROL_PLANE_SETTINGS, ObjectKey("", "default"), manifest, manager="test", force=True
        )

    async def cluster(
        self, release: str, name: str = "demo", platform: str = "AWS", **annotations: str
    ) -> None:
        keys = {
            "image": IMAGE,
            "labels": IMAGE_LABELS,
            "source": IMAGE_SOURCE_ANNOTATION,
            "until": HOLD_UNTIL_ANNOTATION,
        }
        manifest = _manifest(
            HOSTED_CLUSTER,
            ObjectKey("clusters", name),
            spec={
                "platform": {"type": platform},
                "release": {"image": release},
                "pullSecret": {"name": "pull-secret"},
            },
        )
        manifest["metadata"]["annotations"] = {keys[key]: text for key, text in annotations.items()}
        await self.store.apply(
            HOSTED_CLUSTER, ObjectKey("clusters", name), manifest, manager="test", force=True
        )

    async def overrides(self, text: str) -> None:
        key = ObjectKey("hypershift", "cpo-overrides")
        manifest = {**_manifest(CONFIG_MAP, key), "data": {"overrides.yaml": text}}
        await self.store.apply(CONFIG_MAP, key, manifest, manager="test", force=True)

    # -- what came of it

    manifest = staticmethod(_manifest)

    def runner(self) -> Runner:
        return Runner(self.store, ROOM.controllers(self.services), self.clock)

    async def play(self) -> None:
        """Start the controllers, let them come to rest, stop them."""
        async with self.runner() as runner:
            await runner.settled()
            assert runner.problems() == ()

    async def status(self, name: str = "demo") -> ControlPlaneImageStatus:
        return (
            (await self.store.get(CONTROL_PLANE_IMAGE, ObjectKey("clusters", name)))
            .view(ControlPlaneImage)
            .status
        )

    async def condition(self, name: str = "demo") -> tuple[str, str]:
        """Status and reason of CPOImageResolved on the HostedCluster."""
        value = (await self.store.get(HOSTED_CLUSTER, ObjectKey("clusters", name))).value()
        found = next(each for each in value["status"]["conditions"] if each["type"] == "CPOImageResolved")
        return found["status"], found["reason"]

    async def events(self) -> list[tuple[str, str]]:
        found = [event.value() for event in (await self.store.list(EVENT)).items]
        return sorted((event["reason"], event["message"]) for event in found)

    async def everything(self) -> dict[str, str]:
        return {
            str((each.kind, each.key)): each.meta.resource_version
            for each in (await self.store.everything()).items
        }


@pytest.fixture
async def fleet(tmp_path: Any) -> AsyncIterator[Fleet]:
    clock = ManualClock()
    async with await EmbeddedStore.open(None, clock) as store:
        yield Fleet(store, CountedSource(OciLayout(tmp_path / "images", create=True)), clock)
