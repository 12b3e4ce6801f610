"""A week of builds: the same each time, and each Snapshot eligible or not for the reason it was made for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pilotage.api.meta import Object
from pilotage.decision.questions import answer
from pilotage.gate.room import ROOM
from pilotage.world import snapshots
from pilotage.world.snapshots import Build, Tenant, builds, revision_of, snapshot

NOW = datetime(2026, 6, 11, 3, 15, tzinfo=UTC)
WEEK = NOW - timedelta(days=7)


def select(objects: list[dict]) -> dict:
    """What the gate's own decision says of them."""
    import msgspec

    question = next(each for each in ROOM.questions if each.name == "gate.select-snapshot")
    asked = {
        "snapshots": objects,
        "application": snapshots.APPLICATION,
        "component": snapshots.COMPONENT,
        "now": "2026-06-11T03:15:00Z",
    }
    return msgspec.json.decode(answer(question, msgspec.json.encode(asked)))["value"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("superseded", "auto-release-skipped"),
        ("tests-failed", "tests-failed"),
        ("testing", "not-auto-released"),
        ("invalid", "invalid-snapshot"),
        ("pull-request", "not-push"),
        ("merge-queue", "merge-queue"),
        ("no-digest", "no-digest"),
        ("override", "wrong-type"),
        ("blocked", "blocked"),
    ],
)
def test_each_kind_is_rejected_for_its_own_reason(kind, code):
    """The gate takes the push beside it."""
    pushed = Build(NOW - timedelta(hours=2), revision_of(1), f"sha256:{'ab' * 32}", 1)
    other = Build(NOW - timedelta(hours=1), revision_of(2), f"sha256:{'cd' * 32}", 2, kind)
    found = select([snapshot(pushed), snapshot(other)])
    assert ("selected", pushed.digest) == (found["outcome"], found["digest"])
    assert {snapshot(other)["metadata"]["name"]: code} == found["rejected"]


def test_a_week_is_the_same_week_each_time():
    """And another seed is another week."""
    assert builds(WEEK, 7) == builds(WEEK, 7)
    assert builds(WEEK, 7) != builds(WEEK, 7, seed=1)
    names = [snapshot(build)["metadata"]["name"] for build in builds(WEEK, 30)]
    assert len(set(names)) == len(names) > 50


def test_the_gate_selects_the_newest_push_of_a_week():
    """Whatever stands around it."""
    week = builds(WEEK, 7)
    newest = max((build for build in week if build.kind == "push"), key=lambda build: build.at)
    found = select([snapshot(build) for build in week])
    assert (newest.digest, newest.revision) == (found["digest"], found["revision"])


def test_images_may_be_real_ones():
    """Whoever has a registry names digests and repository."""
    (build,) = builds(WEEK, 1, per_day=500, digest_of=lambda revision: f"sha256:{revision}{'0' * 24}")[:1]
    shown = snapshot(build, Tenant("ns", "app", "part", "registry.example.com/op"))
    assert build.digest.startswith(f"sha256:{build.revision}")
    assert "ns/app-" in str(Object.of(shown).key)
    assert shown["spec"]["components"][0]["containerImage"].startswith("registry.example.com/op")
