"""Which Release promotes the image of a run, and how far is it? A plan over the Releases that are there.

    gate-<platform>-<12 digits of the digest>-r<n>    n from 1

The name follows from what is released, so a process that died between creating a Release and writing that down finds it again: it is
there already, and says the same, or it is somebody else's. Another one is made only when the last one came to its end and failed, and
three are enough. One that is under way is waited for: two Releases of one image at the same time would race for its tag.

Follows konflux-ci/release-service: `spec` never changes, and `Released` is `Progressing` until it is `Succeeded` or `Failed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from pilotage.api.gate import DIGEST_LABEL, GROUP, PLATFORM_LABEL, RUN_LABEL, GateRun
from pilotage.api.konflux import RELEASE
from pilotage.gate import loosejson
from pilotage.gate.promotion.admissions import Pairing, match_admission, read_admission, read_plan

__all__ = [
    "DIGEST_ANNOTATION",
    "MOST",
    "Await",
    "Create",
    "GiveUp",
    "NotOurs",
    "PlanProblem",
    "Released",
    "SeenRelease",
    "Wanted",
    "manifest_of",
    "next_move",
    "plan_problem",
    "read_release",
    "recipe",
    "release_name",
]

DIGEST_ANNOTATION: Final = f"{GROUP}/digest"
"""The whole digest on a Release: its history can be read without the ledger."""
MOST: Final = 3
"""Releases of one image for one platform."""

_SHORT: Final = 12
_MATCHED: Final = "Matched"


class Wanted(msgspec.Struct, frozen=True):
    """What is to be released through which ReleasePlan."""

    platform: str
    digest: str
    snapshot: str
    plan: str


class SeenRelease(msgspec.Struct, frozen=True):
    """A Release as it stands. `status` and the rest are those of its condition `Released`; empty before there is one."""

    name: str
    snapshot: str
    plan: str
    status: str = ""
    reason: str = ""
    message: str = ""
    ended_at: str = ""
    digest: str = ""
    platform: str = ""
    failed_part: str = ""

    @property
    def has_succeeded(self) -> bool:
        return self.status == "True"

    @property
    def has_failed(self) -> bool:
        return self.status == "False" and self.reason != "Progressing"


class Create(msgspec.Struct, frozen=True):
    name: str


class Await(msgspec.Struct, frozen=True):
    """It is under way."""

    release: SeenRelease


class Released(msgspec.Struct, frozen=True):
    release: SeenRelease


class NotOurs(msgspec.Struct, frozen=True):
    """A Release has our name and releases something else."""

    release: SeenRelease


class GiveUp(msgspec.Struct, frozen=True):
    """All attempts failed; this is the last."""

    release: SeenRelease


Move = Create | Await | Released | NotOurs | GiveUp


def release_name(platform: str, digest: str, number: int) -> str:
    """At most 41 characters."""
    return f"gate-{platform}-{digest.partition(':')[2][:_SHORT]}-r{number}"


def next_move(wanted: Wanted, seen: Sequence[SeenRelease]) -> Move:
    """What to do, when `seen` are the Releases of the namespace that have one of our names."""
    by_name = {each.name: each for each in seen}
    last = None
    for number in range(1, MOST + 1):
        name = release_name(wanted.platform, wanted.digest, number)
        found = by_name.get(name)
        if found is None:
            return Create(name)
        if (found.snapshot, found.plan) != (wanted.snapshot, wanted.plan):
            return NotOurs(found)
        if found.has_succeeded:
            return Released(found)
        if not found.has_failed:
            return Await(found)
        last = found
    if last is None:
        raise ValueError("no attempt is allowed")
    return GiveUp(last)


def manifest_of(run: GateRun, namespace: str, name: str, plan: str) -> dict[str, Any]:
    """The Release of a run. Who is its author is for the webhook of release-service to say."""
    platform, digest = run.spec.platform, run.spec.digest
    labels = {
        PLATFORM_LABEL: platform,
        RUN_LABEL: run.metadata.name,
        DIGEST_LABEL: digest.partition(":")[2][:63],
    }
    return {
        "apiVersion": RELEASE.api_version,
        "kind": RELEASE.kind,
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": labels,
            "annotations": {DIGEST_ANNOTATION: digest},
        },
        "spec": {"snapshot": run.spec.snapshot.name, "releasePlan": plan},
    }


def recipe(namespace: str, name: str, wanted: Wanted) -> str:
    """What a person applies to release by hand."""
    return "\n".join(
        (
            f"apiVersion: {RELEASE.api_version}",
            f"kind: {RELEASE.kind}",
            "metadata:",
            f"  name: {name}-by-hand",
            f"  namespace: {namespace}",
            "spec:",
            f"  snapshot: {wanted.snapshot}",
            f"  releasePlan: {wanted.plan}",
        )
    )


def read_release(value: Any) -> SeenRelease:
    """Never raises: what is missing is empty."""
    manifest = loosejson.mapping(value)
    metadata, spec = loosejson.mapping(manifest.get("metadata")), loosejson.mapping(manifest.get("spec"))
    status = loosejson.mapping(manifest.get("status"))
    conditions = {
        loosejson.text(each.get("type")): each for each in loosejson.objects(status.get("conditions"))
    }
    released = conditions.get("Released", {})
    return SeenRelease(
        name=loosejson.text(metadata.get("name")),
        snapshot=loosejson.text(spec.get("snapshot")),
        plan=loosejson.text(spec.get("releasePlan")),
        status=loosejson.text(released.get("status")),
        reason=loosejson.text(released.get("reason")),
        message=loosejson.text(released.get("message")),
        ended_at=loosejson.text(status.get("completionTime")),
        digest=loosejson.tags_of(metadata.get("annotations")).get(DIGEST_ANNOTATION, ""),
        platform=loosejson.tags_of(metadata.get("labels")).get(PLATFORM_LABEL, ""),
        failed_part=_failed_part(conditions),
    )


def _failed_part(conditions: Mapping[str, Mapping[str, Any]]) -> str:
    """The first part of the release that failed, with what it says."""
    for name, condition in conditions.items():
        if name != "Released" and condition.get("reason") == "Failed":
            return f"{name}: {loosejson.text(condition.get('message'))}".rstrip(": ")
    return ""


class PlanProblem(msgspec.Struct, frozen=True):
    """Why a ReleasePlan releases nothing; `code` as in the decision about partners."""

    code: str
    message: str


def plan_problem(plan: Any, admissions: Sequence[Any] | None) -> PlanProblem | None:
    """Is the plan paired? By the admissions where they may be read, else by what the plan's own status says."""
    if admissions is not None:
        decision = match_admission(Pairing(read_plan(plan), tuple(map(read_admission, admissions))))
        if decision.value is None:
            found = decision.error
            return PlanProblem(found.code, found.message) if found else None
        if decision.value.is_blocked:
            return PlanProblem("blocked", f"ReleasePlanAdmission {decision.value.name} blocks releases")
        return None
    status = loosejson.mapping(loosejson.mapping(plan).get("status"))
    for condition in loosejson.objects(status.get("conditions")):
        if condition.get("type") == _MATCHED and condition.get("status") == "False":
            return PlanProblem(
                "not-found", loosejson.text(condition.get("message")) or "no admission matches"
            )
    return None
