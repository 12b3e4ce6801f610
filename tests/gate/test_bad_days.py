"""Bad days of the whole gate, on a store, a Prow and a registry that misbehave: it survives, and what must hold holds."""

from __future__ import annotations

import errno
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from pilotage.api.gate import GATE, PROMOTION
from pilotage.api.konflux import SNAPSHOT
from pilotage.api.meta import Object, ObjectKey
from pilotage.gate.prow.jobrunner import Reply
from pilotage.images.disk.layout import OciLayout
from pilotage.images.reference import parse
from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Line, Playbook, Script, flaky
from pilotage.world.prow.inprocess import InProcessRunner

from .badrig import (
    BadNight,
    JumpingClock,
    Troubled,
    assert_sound,
    build,
    conflicts,
    furnish,
    lost_answers,
    outage,
    snapshots,
)
from .nightrig import EVENING, NAMESPACE, gate_manifest
from .promotionrig import HERE, push_operator
from .test_promoter import promoter

HOUR = timedelta(hours=1)
CALM = Playbook()
FIRST = build(EVENING - 6 * HOUR, 1)
THERE = parse("registry.example.org/verified/operator")


@pytest.fixture
async def begin(tmp_path):
    """Makes a night on a store of its own, at `at`, an hour before its slot unless said otherwise."""
    opened = []

    async def made(playbook=CALM, *gates, builds=(FIRST,), at=EVENING, path=None, shelf=None, made=None):
        clock = JumpingClock(at)
        store = await EmbeddedStore.open(path, clock)
        opened.append(store)
        await furnish(store, *(gates or (gate_manifest(),)), made=made or snapshots(*builds))
        prow = InProcessRunner(playbook, clock)
        return BadNight(store, clock, prow, prow.book, shelf)

    yield made
    for store in opened:
        await store.close()


# -- the API


@pytest.mark.parametrize("every", [3, 4, 7])
@pytest.mark.parametrize("trouble", [conflicts, lost_answers])
async def test_an_api_that_refuses_or_forgets(begin, trouble, every):
    """Conflicts at every few writes, or writes whose answer is lost: the night ends as if nothing had happened."""
    night = await begin(Playbook(flaky("e2e-azure")), gate_manifest(), gate_manifest("rosa-hcp"))
    night.api = Troubled(night.store, trouble(every))

    await night.live(30)

    assert ["promoted"] * 2 == [run.status.state for run in await night.runs()]
    assert ["m0", "m0"] == await night.told()
    await assert_sound(night)


@pytest.mark.parametrize("begun", [1.25, 1.3, 2.5, 2.9])
async def test_an_api_that_is_down_for_an_hour(begin, begun):
    """Whenever the outage begins, the night goes on after it."""
    night = await begin()
    now = night.clock.monotonic()
    night.api = Troubled(night.store, outage(night.clock, now + begun * 3600, now + begun * 3600 + 3600))

    await night.live(30)

    assert ["promoted"] == [run.status.state for run in await night.runs()]
    await assert_sound(night)


async def test_a_full_disk_under_the_store(begin, tmp_path):
    """Writes fail for two hours, with jobs under way: nothing is started twice, and the night is told when there is room."""
    night = await begin(Playbook(flaky("e2e-azure")), path=tmp_path / "store.db")

    await night.live(30, {1.3: lambda: may_grow(night, False), 3.3: lambda: may_grow(night, True)})

    assert ["promoted"] == [run.status.state for run in await night.runs()]
    assert ["m0"] == await night.told()
    await assert_sound(night)


async def may_grow(night, it_may: bool) -> None:
    """A limit on the pages of the file is what a full disk is to SQLite."""
    pages = 1 << 30 if it_may else 1

    await night.store._database.write(
        lambda tx: tx.connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    )


# -- time


@pytest.mark.parametrize(
    ("start", "zone", "schedule"),
    [
        (datetime(2026, 3, 26, 12, tzinfo=UTC), "Europe/Berlin", "30 2 * * *"),
        (datetime(2026, 10, 22, 12, tzinfo=UTC), "Europe/Berlin", "30 2 * * *"),
        (datetime(2026, 10, 29, 12, tzinfo=UTC), "America/New_York", "15 1 * * *"),
        (datetime(2026, 4, 2, 12, tzinfo=UTC), "Australia/Lord_Howe", "45 1 * * *"),
    ],
    ids=["missing-hour", "doubled-hour", "doubled-in-new-york", "half-an-hour"],
)
async def test_a_run_each_night_when_the_clocks_change(begin, start, zone, schedule):
    """Every night has one run, also the one that is an hour shorter or longer."""
    builds = [build(start - HOUR + timedelta(days=day), day + 1) for day in range(5)]
    gate = gate_manifest(timeZone=zone, schedule=schedule)
    night = await begin(Playbook(), gate, builds=builds[:1], at=start)

    at = {24 * day - 0.5: appears(night, builds[day]) for day in range(1, 5)}
    await night.live(24 * 5, at)

    runs = sorted(await night.runs(), key=lambda run: run.spec.created_at)
    assert [each.digest for each in builds] == [run.spec.digest for run in runs]
    assert ["m0"] * 5 == await night.told()
    await assert_sound(night)


@pytest.mark.parametrize(
    ("begun", "jump"),
    [
        (0.5, timedelta(days=2)),
        (1.3, timedelta(days=2)),
        (2.5, timedelta(days=2)),
        (1.3, timedelta(hours=5)),
        (2.5, timedelta(hours=-5)),
        (1.3, timedelta(days=-2)),
    ],
    ids=lambda each: str(each).replace(" ", ""),
)
async def test_a_clock_that_jumps_and_comes_back(begin, jump, begun):
    """Wrong for half an hour: no slot is lost afterwards, and each night is run once."""
    builds = [build(EVENING - 6 * HOUR + timedelta(days=day), day + 1) for day in range(4)]
    night = await begin(builds=builds[:1])
    at = {24 * day - 3: appears(night, builds[day]) for day in range(1, 4)}

    await night.live(24 * 4, at | {begun: set_to(night, jump), begun + 0.5: set_to(night, timedelta())})

    slots = Counter(run.spec.trigger.id for run in await night.runs())
    assert {"2026-06-12T03:15Z", "2026-06-13T03:15Z", "2026-06-14T03:15Z"} <= slots.keys()
    assert set(slots.values()) == {1}
    assert builds[-1].digest == night.shelf.tags["aro-hcp-latest"]
    assert (await night.gate()).status.last_slot.startswith("2026-06-14")
    await assert_sound(night)


def set_to(night, ahead):
    def change():
        night.clock.ahead = ahead

    return change


def appears(night, *builds):
    async def change():
        await night.store.restore([Object.of(manifest) for manifest in snapshots(*builds)])

    return change


# -- nights and Snapshots


async def test_a_run_that_takes_longer_than_a_day(begin):
    """The next slot waits; when the platform is free the newest Snapshot is tested, and those between never are."""
    builds = [build(EVENING - 6 * HOUR, 1), build(EVENING + 20 * HOUR, 2), build(EVENING + 26 * HOUR, 3)]
    script = Script(duration=26 * 3600.0)
    jobs = [{"name": "e2e-azure", "deadlineMinutes": 1800}]
    gate = gate_manifest(jobs=(), runDeadlineMinutes=1900)
    gate["spec"]["jobs"] = jobs
    night = await begin(Playbook((Line(script, digest=builds[0].digest),)), gate, builds=builds[:1])

    pending = []

    async def look():
        pending.append((await night.gate()).status)

    await night.live(48, {20: appears(night, builds[1]), 26: appears(night, builds[2]), 26.5: look})

    (waiting,) = pending
    assert ("wait", "platform-busy") == (waiting.last_tick.action, waiting.last_tick.reason)
    runs = sorted(await night.runs(), key=lambda run: run.spec.created_at)
    assert [builds[0].digest, builds[2].digest] == [run.spec.digest for run in runs]
    assert "coalesced" == runs[1].spec.trigger.kind
    assert ["m0", "m0"] == await night.told()
    await assert_sound(night)


async def test_a_newer_image_that_was_promoted_meanwhile(begin):
    """Another process promoted a newer build: this one is superseded, and no tag moves backwards."""
    night = await begin()
    newer = build(EVENING + HOUR, 2)

    async def promoted_elsewhere():
        await night.store.create(PROMOTION, promotion_of(newer), manager="another")

    await night.live(20, {2: promoted_elsewhere})

    (run,) = await night.runs()
    assert ("superseded", {}) == (run.status.state, night.shelf.tags)
    assert 1 == len(await night.promoted())
    assert newer.digest in run.status.message


def promotion_of(made, platform="aro-hcp"):
    tag = f"{platform}-{made.digest[7:]}"
    return {
        "apiVersion": PROMOTION.api_version,
        "kind": PROMOTION.kind,
        "metadata": {
            "namespace": NAMESPACE,
            "name": tag,
            "labels": {"gate.pilotage.dev/platform": platform},
        },
        "spec": {
            "platform": platform,
            "digest": made.digest,
            "repository": "registry.example.org/verified/operator",
            "tag": tag,
            "run": "another-run",
            "at": "2026-06-11T04:00:00Z",
            "builtAt": made.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


async def test_a_snapshot_that_is_superseded_and_labelled_anew_under_the_run(begin):
    """What the run pinned is what was built: labels and conditions that change later are no reason to throw the night away."""
    night = await begin()
    (made,) = snapshots(FIRST)
    key = ObjectKey(made["metadata"]["namespace"], made["metadata"]["name"])

    async def changed():
        labels = {"test.appstudio.openshift.io/run": "another-scenario", "team": "somebody"}
        await night.store.apply(
            SNAPSHOT, key, {"metadata": {"labels": labels}}, manager="somebody", force=True
        )
        conditions = [
            {**each, "message": "Released in newer Snapshot"} if each["type"] == "AutoReleased" else each
            for each in made["status"]["conditions"]
        ]
        await night.store.patch_status(SNAPSHOT, key, {"conditions": conditions}, manager="somebody")

    await night.live(30, {2: changed})

    assert ["promoted"] == [run.status.state for run in await night.runs()]
    await assert_sound(night)


async def test_a_snapshot_that_is_made_again_under_its_name(begin):
    """Another object with the name of ours is another object: deleted and made again, it stops the promotion."""
    night = await begin()
    (made,) = snapshots(FIRST)
    key = ObjectKey(made["metadata"]["namespace"], made["metadata"]["name"])

    async def replaced():
        await night.store.delete(SNAPSHOT, key)
        other = {**made, "metadata": {**made["metadata"], "uid": "another"}}
        await night.store.restore([Object.of(other)])

    await night.live(20, {2: replaced})

    (run,) = await night.runs()
    assert ("promotion-failed", {}) == (run.status.state, night.shelf.tags)
    await assert_sound(night)


async def test_a_gate_that_is_deleted_under_its_run(begin):
    """The run ends with what it planned, promotes nothing, and says why."""
    night = await begin()

    await night.live(20, {2: lambda: night.store.delete(GATE, ObjectKey(NAMESPACE, "aro-hcp"))})

    (run,) = await night.runs()
    assert ("promotion-failed", "the Gate was deleted") == (run.status.state, run.status.message)
    await assert_sound(night)


# -- the verified repository


class Crowded(OciLayout):
    """Somebody else writes into this repository right after us: `rival` takes the tags that begin with `prefix`."""

    rival = None
    prefix = "aro-hcp-0"

    async def put_manifest(self, reference, manifest, tag=""):
        await super().put_manifest(reference, manifest, tag)
        if tag.startswith(self.prefix) and self.rival is not None:
            await super().put_manifest(reference, self.rival, tag)


class Full(OciLayout):
    """A layout on a disk that is full until `clock` says so many seconds."""

    clock: ManualClock
    until = 0.0

    async def put_blob(self, reference, descriptor, content):
        if self.clock.monotonic() < self.until:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.directory))
        await super().put_blob(reference, descriptor, content)


async def made_of(layout):
    index = await push_operator(layout)
    (manifest,) = snapshots(FIRST)
    for component in manifest["spec"]["components"]:
        component["containerImage"] = f"{HERE.name}@{index.digest}"
    return index.digest, [manifest]


async def test_a_tag_that_somebody_takes_while_we_write_it(begin, tmp_path):
    """Registries take the last word; we look again, tell it, and promote nothing."""
    source, target = OciLayout(tmp_path / "source", create=True), Crowded(tmp_path / "target", create=True)
    digest, made = await made_of(source)
    target.prefix = f"aro-hcp-{digest[7:]}"
    target.rival = await push_operator(target, THERE, "rival")
    night = await begin(made=made, shelf=promoter(source, target))

    await night.live(20)

    (run,) = await night.runs()
    assert ("promotion-failed", True) == (run.status.state, "TagConflict" in run.status.message)
    assert ([], ["m6"]) == (await night.promoted(), await night.told())
    assert target.rival.digest == (await target.resolve(THERE.tagged(target.prefix))).digest
    await assert_sound(night, tags={})


async def test_a_full_disk_under_the_repository(begin, tmp_path):
    """Tried again until there is room; people hear of it once."""
    source, target = OciLayout(tmp_path / "source", create=True), Full(tmp_path / "target", create=True)
    digest, made = await made_of(source)
    night = await begin(made=made, shelf=promoter(source, target))
    target.clock, target.until = night.clock, 5 * 3600.0

    await night.live(20)

    (run,) = await night.runs()
    assert ("promoted", ["m0", "m6"]) == (run.status.state, await night.told())
    tags = {tag: (await target.resolve(THERE.tagged(tag))).digest for tag in await target.tags(THERE)}
    assert digest == tags["aro-hcp-latest"]
    assert any("No space left" in event.message for event in run.status.events)


# -- the chat


@pytest.mark.parametrize(("hours", "arrives"), [(23, True), (25, False)])
async def test_a_chat_that_is_down_for_a_day(begin, hours, arrives):
    """A message is offered for a day; after that it is a dead letter, which stays to be seen."""
    night = await begin(Playbook((Line(Script(ending="failure"), "e2e-azure"),)))
    post, up = night.inbox.post, night.clock.monotonic() + (5 + hours) * 3600

    async def down(body):
        return Reply(503, "no chat") if night.clock.monotonic() < up else await post(body)

    night.inbox.post = down

    await night.live(36)

    first = min(await night.notes(), key=lambda note: note.spec.created_at)
    assert (arrives, not arrives) == (bool(first.status.delivered_at), first.status.dead), first.status
    await assert_sound(night)


# -- Prow


@pytest.mark.parametrize(
    ("script", "states"),
    [
        (Script(says="WAITING_FOR_GODOT"), ["errored"]),
        (Script(says=99), ["errored"]),
        (Script(says="?", duration=900.0), ["promoted"]),
        (Script(forgotten_after=5500.0), ["promoted"]),
        (Script(forgotten_after=3000.0, leaves_artifacts=False), ["errored"]),
        (Script(ending="aborted"), ["errored"]),
        (Script(ending="error"), ["errored"]),
        (Script(uses_numbers=True), ["promoted"]),
    ],
    ids=[
        "unknown-word",
        "unknown-number",
        "unknown-for-a-while",
        "collected",
        "lost",
        "aborted",
        "error",
        "numbers",
    ],
)
async def test_jobs_that_end_in_odd_ways(begin, script, states):
    """Whatever becomes of a job, the run ends, in the right way, and says so."""
    night = await begin(Playbook((Line(script, "e2e-azure"),)))

    await night.live(14)

    assert states == [run.status.state for run in await night.runs()]
    await assert_sound(night)


async def test_two_processes_follow_the_same_gate(begin):
    """Two controllers of one store at once: every write is compared, so the night is done once."""
    night = await begin(Playbook(flaky("e2e-azure")))
    other = BadNight(night.store, night.clock, night.prow, night.book, night.shelf)
    async with other.runner() as second:
        await night.live(30)
        await second.rested()

    assert ["promoted"] == [run.status.state for run in await night.runs()]
    counts = Counter(start.labels["gate.pilotage.dev/job-key"] for start in night.book.starts)
    assert set(counts.values()) == {1}
    await assert_sound(night)
