"""A Konflux tenant in memory: an embedded API, an integration-service that takes labels as the real one does, and time that jumps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from pilotage.api.core import CONFIG_MAP, NAMESPACE
from pilotage.api.errors import RefusedError
from pilotage.api.gate import GATE, GATE_RUN, Gate, GateRun
from pilotage.api.konflux import (
    PIPELINE_RUN,
    RELEASE,
    RELEASE_PLAN,
    RELEASE_PLAN_ADMISSION,
    RUN_LABEL,
    SNAPSHOT,
    STATUS_ANNOTATION,
)
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.konflux.definition import definition
from pilotage.gate.konflux.names import names_of
from pilotage.gate.konflux.target import Target
from pilotage.gate.steps.nightly import NightRequest
from pilotage.gate.steps.place import Place, place_at
from pilotage.runtime.clock import ManualClock, rfc3339
from pilotage.store.base import WriteOptions
from pilotage.world.snapshots import builds, snapshot

from .nightrig import DEFINITION, EVENING, SLOT
from .nightrig import gate_manifest as nightly_manifest

BY_KONFLUX = WriteOptions(manager="konflux")
TENANT = "crt-redhat-acm-tenant"
NIGHT = NightRequest("2026-06-11T03:15Z", holder="cron")


class Jumping(ManualClock):
    """Nobody waits: a sleep moves the time, and lets the neighbours do their work at the new time."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.neighbours: list[Callable[[], Awaitable[None]]] = []

    async def sleep(self, delay: float) -> None:
        self.advance(delay)
        for each in self.neighbours:
            await each()
        await asyncio.sleep(0)


def definition_of(kind: Kind) -> dict[str, Any]:
    """A CustomResourceDefinition that takes anything."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"plural": kind.plural, "singular": kind.kind.lower(), "kind": kind.kind},
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": anything},
                }
            ],
        },
    }


def definition_map(platform: str = "aro-hcp", **spec: Any) -> dict[str, Any]:
    """What GitOps applies for a platform."""
    manifest = nightly_manifest(platform, **spec)
    return definition(Target(Object.of(manifest).view(Gate)))


def made_snapshot(name: str = "", at=EVENING - timedelta(hours=5)) -> dict[str, Any]:
    build = builds(EVENING - timedelta(hours=8), 1.0, spoiled=0.0)[0]
    manifest = snapshot(type(build)(at, build.revision, build.digest, build.number))
    if name:
        manifest["metadata"]["name"] = name
    return manifest


class Integration:
    """Takes a label some time after it saw it, as konflux-ci/integration-service does: for a scenario that it knows, it writes the
    status and starts a PipelineRun; in every case it takes the label away.
    """

    def __init__(self, store, clock: ManualClock, scenarios: tuple[str, ...], delay: float = 15.0) -> None:
        self.store, self.clock, self.scenarios, self.delay = store, clock, set(scenarios), delay
        self.started: list[tuple[str, str]] = []
        self.lost: list[str] = []
        self.is_asleep = False
        self._seen: dict[str, tuple[str, float]] = {}
        self._lock = asyncio.Lock()

    async def act(self) -> None:
        if self.is_asleep or self._lock.locked():
            return
        async with self._lock:
            await self._look_at_all()

    async def _look_at_all(self) -> None:
        for item in (await self.store.list(SNAPSHOT, TENANT)).items:
            await self._look(item)

    async def _look(self, item: Object) -> None:
        label, name = item.labels.get(RUN_LABEL), item.meta.name
        if label is None:
            self._seen.pop(name, None)
            return
        before = self._seen.get(name)
        if before is not None and before[0] != label:
            self.lost.append(before[0])
        if before is None or before[0] != label:
            self._seen[name] = (label, self.clock.monotonic())
            return
        if self.clock.monotonic() - before[1] < self.delay:
            return
        metadata: dict[str, Any] = {"labels": {RUN_LABEL: None}}
        if label in self.scenarios:
            run = f"{label}-{len(self.started)}"
            self.started.append((label, run))
            entries = json.loads(item.annotations.get(STATUS_ANNOTATION) or "[]")
            entries = [each for each in entries if each["scenario"] != label]
            now = rfc3339(self.clock.now())
            entries.append(
                {
                    "scenario": label, "status": "InProgress", "testPipelineRunName": run,
                    "startTime": now, "lastUpdateTime": now,
                }
            )  # fmt: skip
            metadata["annotations"] = {STATUS_ANNOTATION: json.dumps(entries)}
        await self.store.patch(SNAPSHOT, item.key, "merge", {"metadata": metadata}, BY_KONFLUX)
        del self._seen[name]


class ReleaseService:
    """Ends every Release as it is told: outcomes by name, `Succeeded` for others, some minutes after it saw it."""

    def __init__(
        self, store, clock: ManualClock, outcomes: dict[str, str] | None = None, took: float = 600.0
    ):
        self.store, self.clock, self.outcomes, self.took = store, clock, outcomes or {}, took
        self.shelf: dict[str, str] = {}
        self._seen: dict[str, float] = {}

    async def act(self) -> None:
        for item in (await self.store.list(RELEASE, TENANT)).items:
            name, value = item.meta.name, item.value()
            if value.get("status", {}).get("completionTime"):
                continue
            began = self._seen.setdefault(name, self.clock.monotonic())
            outcome = self.outcomes.get(name, "Succeeded")
            is_over = self.clock.monotonic() - began >= self.took and outcome != "Progressing"
            condition = {
                "type": "Released",
                "status": "True" if is_over and outcome == "Succeeded" else "False",
                "reason": outcome if is_over else "Progressing",
                "message": "the managed pipeline failed" if outcome == "Failed" else "",
            }
            status: dict[str, Any] = {"conditions": [condition]}
            if is_over:
                status["completionTime"] = rfc3339(self.clock.now())
                if outcome == "Succeeded":
                    digest = value["metadata"]["annotations"]["gate.pilotage.dev/digest"]
                    platform = value["metadata"]["labels"]["gate.pilotage.dev/platform"]
                    self.shelf[f"{platform}-{digest[7:]}"] = digest
            await self.store.patch(RELEASE, item.key, "merge", {"status": status}, BY_KONFLUX)


class Registry:
    """What `releasing.RegistryCheck` finds on the shelf of the release service."""

    def __init__(self, shelf: dict[str, str]) -> None:
        self.shelf = shelf

    async def problem(self, repository, tag, digest, architectures) -> str:
        found = self.shelf.get(tag)
        if found not in (None, digest):
            raise RefusedError("TagConflict", f"{tag} names {found}")
        return "" if found else f"there is no tag {tag}"


class Tenant:
    """The namespace, with what works in it."""

    def __init__(self, store, clock: Jumping, platforms: tuple[str, ...]) -> None:
        self.store, self.clock = store, clock
        self.place: Place = place_at(store, clock, TENANT)
        self.integration = Integration(store, clock, tuple(names_of(each).scenario for each in platforms))
        self.releases = ReleaseService(store, clock)
        self.registry = Registry(self.releases.shelf)
        clock.neighbours += [self.integration.act, self.releases.act]

    async def runs(self) -> list[GateRun]:
        return [each.view(GateRun) for each in (await self.place.store.list(GATE_RUN, TENANT)).items]

    async def gate(self, platform: str = "aro-hcp") -> Gate:
        return (await self.place.store.get(GATE, ObjectKey(TENANT, platform))).view(Gate)

    async def snapshot(self) -> Object:
        return (await self.store.list(SNAPSHOT, TENANT)).items[0]

    async def spec_text(self) -> str:
        return json.dumps((await self.snapshot()).value()["spec"])


async def furnish(store, *definitions: dict[str, Any], snapshots=()) -> None:
    for name in (TENANT, "rhtap-releng-tenant"):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await store.create(NAMESPACE, manifest, manager="test")
    for kind in (SNAPSHOT, RELEASE, RELEASE_PLAN, RELEASE_PLAN_ADMISSION, PIPELINE_RUN):
        await store.create(DEFINITION, definition_of(kind), manager="test")
    for manifest in definitions:
        await store.create(CONFIG_MAP, manifest, manager="gitops")
        platform = manifest["metadata"]["labels"]["gate.pilotage.dev/platform"]
        await store.create(RELEASE_PLAN, plan_manifest(platform), manager="gitops")
        await store.create(RELEASE_PLAN_ADMISSION, admission_manifest(platform), manager="gitops")
    await store.restore([Object.of(each) for each in snapshots or (made_snapshot(),)])


def plan_manifest(platform: str) -> dict[str, Any]:
    names = names_of(platform)
    labels = {"release.appstudio.openshift.io/releasePlanAdmission": names.admission}
    return {
        "apiVersion": RELEASE_PLAN.api_version,
        "kind": RELEASE_PLAN.kind,
        "metadata": {"namespace": TENANT, "name": names.release_plan, "labels": labels},
        "spec": {"application": "hypershift-operator", "target": "rhtap-releng-tenant"},
    }


def admission_manifest(platform: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": RELEASE_PLAN_ADMISSION.api_version,
        "kind": RELEASE_PLAN_ADMISSION.kind,
        "metadata": {
            "namespace": "rhtap-releng-tenant",
            "name": names_of(platform).admission,
            "labels": {"release.appstudio.openshift.io/block-releases": "false", **labels},
        },
        "spec": {"applications": ["hypershift-operator"], "origin": TENANT},
    }


__all__ = ["SLOT", "Integration", "Jumping", "Tenant", "furnish"]
