"""Builds of the HyperShift operator, and what Konflux records of them: a source of Snapshots.

A week of merges makes a week of Snapshots: most are pushes that were released at once; between them stand those that a gate must
not take, as they stand in every tenant: pull requests, merge queues, builds whose tests failed, that were overtaken by a newer one,
that have no digest. The same seed gives the same week.

Objects have the fields, labels, annotations and conditions that konflux-ci/integration-service writes.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from pilotage.api import konflux
from pilotage.api.konflux import SNAPSHOT
from pilotage.runtime.clock import rfc3339

__all__ = [
    "APPLICATION",
    "COMPONENT",
    "NAMESPACE",
    "Build",
    "BuildKind",
    "Tenant",
    "builds",
    "revision_of",
    "snapshot",
]

NAMESPACE: Final = "crt-redhat-acm-tenant"
APPLICATION: Final = "hypershift-operator"
COMPONENT: Final = "hypershift-operator-main"
_REPOSITORY: Final = "quay.example.com/redhat-user-workloads/crt-redhat-acm-tenant/hypershift-operator-main"
_SOURCE: Final = "https://github.com/openshift/hypershift"

BuildKind = Literal[
    "push",
    "superseded",
    "tests-failed",
    "testing",
    "invalid",
    "pull-request",
    "merge-queue",
    "no-digest",
    "override",
    "blocked",
]
_BUILD_TIME: Final = timedelta(minutes=14)
_SPOILED: Final[tuple[BuildKind, ...]] = (
    "pull-request", "pull-request", "superseded", "tests-failed", "merge-queue", "no-digest", "invalid"
)  # fmt: skip


class Tenant(msgspec.Struct, frozen=True):
    """Where the builds belong. `repository` is that of the images."""

    namespace: str = NAMESPACE
    application: str = APPLICATION
    component: str = COMPONENT
    repository: str = _REPOSITORY
    source: str = _SOURCE


class Build(msgspec.Struct, frozen=True):
    """One build: when its Snapshot was made, of which commit, and what it is."""

    at: datetime
    revision: str
    digest: str
    number: int
    kind: BuildKind = "push"


def builds(
    start: datetime,
    days: float,
    *,
    seed: int = 0,
    per_day: float = 8.0,
    spoiled: float = 0.4,
    digest_of: Callable[[str], str] | None = None,
) -> tuple[Build, ...]:
    """The builds from `start` on, in the order of time.

    `spoiled` is the part that no gate may take. `digest_of` gives the image of a commit where real ones exist; otherwise digests
    are made up. Fewer builds come on weekends.
    """
    return tuple(_builds(start, days, random.Random(seed), per_day, spoiled, digest_of or _made_up))  # noqa: S311 -- a story, no secret


def snapshot(build: Build, tenant: Tenant = Tenant()) -> dict[str, Any]:  # noqa: B008 -- frozen
    """The Snapshot of a build, as Konflux would show it a while later."""
    began = build.at - _BUILD_TIME
    image = tenant.repository if build.kind == "no-digest" else f"{tenant.repository}@{build.digest}"
    return {
        "apiVersion": SNAPSHOT.api_version,
        "kind": SNAPSHOT.kind,
        "metadata": {
            "name": name_of(build, tenant),
            "namespace": tenant.namespace,
            "uid": _uid(build, tenant),
            "generation": 1,
            "creationTimestamp": rfc3339(build.at),
            "labels": _labels(build, tenant),
            "annotations": _annotations(build, began),
        },
        "spec": {
            "application": tenant.application,
            "artifacts": {},
            "components": [
                {
                    "name": tenant.component,
                    "containerImage": f"{image}:{build.revision}" if build.kind == "no-digest" else image,
                    "source": {
                        "git": {
                            "url": tenant.source,
                            "revision": build.revision,
                            "context": "./",
                            "dockerfileUrl": "Containerfile.operator",
                        }
                    },
                }
            ],
        },
        "status": {"conditions": _conditions(build)},
    }


def name_of(build: Build, tenant: Tenant) -> str:
    """Application, time to the second, and a number for builds of one second."""
    return f"{tenant.application}-{build.at.astimezone(UTC):%Y%m%d-%H%M%S}-{build.number % 1000:03}"


def revision_of(number: int, seed: int = 0) -> str:
    """A commit hash."""
    return hashlib.sha1(f"{seed}/{number}".encode(), usedforsecurity=False).hexdigest()


def _builds(
    start: datetime,
    days: float,
    chance: random.Random,
    per_day: float,
    spoiled: float,
    digest_of: Callable[[str], str],
) -> Iterator[Build]:
    seed = chance.randrange(1 << 32)
    now, end, number = start, start + timedelta(days=days), 0
    while True:
        rate = per_day / 5 if now.weekday() >= 5 else per_day
        now += timedelta(seconds=round(chance.expovariate(rate / 86_400)))
        if now >= end:
            return
        kind: BuildKind = chance.choice(_SPOILED) if chance.random() < spoiled else "push"
        revision = revision_of(number, seed)
        yield Build(now, revision, digest_of(revision), number, kind)
        number += 1


def _made_up(revision: str) -> str:
    return f"sha256:{hashlib.sha256(revision.encode()).hexdigest()}"


def _uid(build: Build, tenant: Tenant) -> str:
    text = hashlib.sha256(f"{tenant.namespace}/{name_of(build, tenant)}".encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


def _labels(build: Build, tenant: Tenant) -> dict[str, str]:
    is_pull = build.kind == "pull-request"
    labels = {
        konflux.APPLICATION_LABEL: tenant.application,
        konflux.COMPONENT_LABEL: tenant.component,
        konflux.TYPE_LABEL: "override" if build.kind == "override" else "component",
        konflux.EVENT_TYPE_LABEL: "pull_request" if is_pull else "push",
        "pac.test.appstudio.openshift.io/branch": "main",
        "pac.test.appstudio.openshift.io/git-provider": "github",
        "pac.test.appstudio.openshift.io/repository": "hypershift",
        "pac.test.appstudio.openshift.io/sha": build.revision,
        "pac.test.appstudio.openshift.io/url-org": "openshift",
        "pac.test.appstudio.openshift.io/url-repository": "hypershift",
    }
    if is_pull:
        labels[konflux.PULL_REQUEST_LABEL] = str(5000 + build.number)
    if build.kind == "override":
        del labels[konflux.EVENT_TYPE_LABEL]
    return labels


def _annotations(build: Build, began: datetime) -> dict[str, str]:
    branch = {
        "merge-queue": f"refs/heads/gh-readonly-queue/main/pr-{5000 + build.number}-{build.revision}",
        "pull-request": f"change-{build.number}",
    }.get(build.kind, "refs/heads/main")
    annotations = {
        "build.appstudio.redhat.com/commit_sha": build.revision,
        konflux.SOURCE_BRANCH_ANNOTATION: branch,
        konflux.BUILD_START_ANNOTATION: str(int(began.timestamp())),
        konflux.STATUS_ANNOTATION: json.dumps(
            [
                {
                    "scenario": "enterprise-contract-hypershift-operator",
                    "status": "TestFail" if build.kind == "tests-failed" else "TestPassed",
                    "lastUpdateTime": rfc3339(build.at + timedelta(minutes=4)),
                    "startTime": rfc3339(build.at + timedelta(seconds=20)),
                    "completionTime": rfc3339(build.at + timedelta(minutes=4)),
                    "testPipelineRunName": f"enterprise-contract-{build.revision[:5]}",
                }
            ]
        ),
    }
    if build.kind == "blocked":
        annotations[konflux.BLOCKED_ANNOTATION] = "breaks upgrades from 4.19"
    return annotations


def _conditions(build: Build) -> list[dict[str, str]]:
    done = rfc3339(build.at + timedelta(minutes=4))

    def condition(kind: str, status: str, reason: str, message: str) -> dict[str, str]:
        return {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": done,
        }

    tested = "AppStudioTestSucceeded"
    integrated = "AppStudioIntegrationStatus"
    if build.kind == "testing":
        return [
            condition(tested, "Unknown", "InProgress", "Snapshot is being tested"),
            condition(integrated, "Unknown", "InProgress", "Snapshot is being tested"),
        ]
    if build.kind == "invalid":
        return [condition(integrated, "False", "Invalid", "Snapshot is invalid")]
    if build.kind == "tests-failed":
        return [
            condition(tested, "False", "Failed", "Some Integration pipeline tests failed"),
            condition(integrated, "True", "Finished", "Snapshot integration status is finished"),
        ]
    conditions = [
        condition(tested, "True", "Passed", "All Integration Pipeline tests passed"),
        condition(integrated, "True", "Finished", "Snapshot integration status is finished"),
    ]
    if build.kind not in ("pull-request", "merge-queue"):
        message = (
            "Released in newer Snapshot" if build.kind == "superseded" else "The Snapshot was auto-released"
        )
        conditions.append(condition("AutoReleased", "True", "AutoReleased", message))
    return conditions
