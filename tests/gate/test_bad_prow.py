"""Bad days of Prow over real HTTP: refused tokens, throttling, answers that never come whole, and what the gate makes of them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings
from pilotage.gate.prow.wire import Wire, WireSettings
from pilotage.gate.telling.sinks import SlackSink
from pilotage.images.disk.layout import OciLayout
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.chat import Chat, Trouble
from pilotage.world.prow import Line, Playbook, Prow, Script, flaky
from pilotage.world.prow.server import Limit

from .badrig import BadNight, JumpingClock, assert_sound, build, furnish, snapshots
from .nightrig import EVENING, gate_manifest
from .test_bad_days import made_of
from .test_promoter import promoter

HOUR = timedelta(hours=1)
CALM, UNLIMITED = Playbook(), Limit(0.0)
FIRST = build(EVENING - 6 * HOUR, 1)
TOKEN = "the-token-of-tonight"


class World:
    """A night with a Prow and a chat that speak HTTP on loopback."""

    def __init__(self, stack, clock, store, directory, wire):
        self.stack, self.clock, self.store, self.directory, self.wire = stack, clock, store, directory, wire

    async def night(self, playbook=CALM, *gates, limit=UNLIMITED, troubles=(), shelf=None, made=None):
        await furnish(self.store, *(gates or (gate_manifest(),)), made=made or snapshots(FIRST))
        self.prow = await self.stack.enter_async_context(
            Prow(playbook, self.clock, limit=limit, tokens=frozenset({TOKEN}))
        )
        self.chat = await self.stack.enter_async_context(Chat(self.clock, troubles))
        (self.directory / "token").write_text(TOKEN)
        (self.directory / "webhook").write_text(self.chat.webhook("gate"))
        settings = ProwSettings(self.prow.url, self.prow.url, self.prow.url, self.directory / "token")
        night = BadNight(self.store, self.clock, GangwayRunner(settings, self.wire), self.prow.book, shelf)
        night.sinks = (SlackSink("chat", self.directory / "webhook", self.wire),)
        return night


@pytest.fixture
async def world(tmp_path):
    clock = JumpingClock(EVENING)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(await EmbeddedStore.open(None, clock))
        wire = Wire(WireSettings(timeout=2.0))
        stack.push_async_callback(wire.close)
        yield World(stack, clock, store, tmp_path, wire)


def events_of(run, *types):
    return [event for event in run.status.events if event.type in types]


async def states(night):
    return [run.status.state for run in await night.runs()]


@pytest.mark.parametrize("expired", [1.0, 1.3, 2.0])
async def test_a_token_that_expires_and_is_renewed(world, expired):
    """The run is suspended, told once, goes on with the new token, and passes: no job was lost."""
    night = await world.night()
    new = "the-token-of-tomorrow"

    await night.live(
        20,
        {
            expired: lambda: world.prow.tokens.clear() or world.prow.tokens.add(new),
            expired + 1.5: lambda: (world.directory / "token").write_text(new) and None,
        },
    )

    (run,) = await night.runs()
    assert ["Suspended", "Resumed"] == [each.type for each in events_of(run, "Suspended", "Resumed")]
    assert ("promoted", ["m0", "m3"]) == (run.status.state, await night.told())
    assert world.prow.answers["GET", 401] + world.prow.answers["POST", 401] < 120
    assert TOKEN not in "".join(note.spec.message for note in await night.notes())
    await assert_sound(night)


async def test_a_token_that_never_comes_back(world):
    """Suspended until the deadline of the run, then an error that is told: no verdict about the image."""
    night = await world.night()

    await night.live(20, {1.3: world.prow.tokens.clear, 1.31: lambda: world.prow.tokens.add("other")})

    (run,) = await night.runs()
    assert ("errored", "required-inconclusive") == (run.status.state, run.status.verdict_reason)
    assert ["m3", "m5"] == await night.told()
    await assert_sound(night)


@pytest.mark.parametrize("tells_when", [True, False])
async def test_a_storm_of_429(world, tells_when):
    """An ingress that takes one request every two minutes: slower, and not another night."""
    jobs = ("e2e-azure", "e2e-upgrade", "e2e-proxy")
    night = await world.night(
        Playbook(flaky("e2e-azure")), gate_manifest(jobs=jobs), limit=Limit(0.5, 1, tells_when)
    )

    await night.live(20)

    assert ["promoted"] == await states(night)
    assert 0 < world.prow.answers["POST", 429] + world.prow.answers["GET", 429]
    await assert_sound(night)


@pytest.mark.parametrize(
    "how", ["reset", "truncated", "stalled", "no-id", "not-json", "unavailable", "refused"]
)
async def test_a_start_whose_answer_is_of_no_use(world, how):
    """The job is found by its label and taken as ours; only one that never was is started again."""
    night = await world.night(Playbook((Line(Script(create=how), "e2e-azure", start=1),)))

    await night.live(20)

    (run,) = await night.runs()
    azure = next(record for record in run.status.jobs if record.name == "e2e-azure")
    assert ("promoted", 1) == (run.status.state, len(azure.attempts))
    word = "JobPossibleDuplicate" if how == "refused" else "JobAdopted"
    assert [word] == [each.type for each in events_of(run, "JobAdopted", "JobPossibleDuplicate")]
    assert 2 == len(world.prow.starts)
    await assert_sound(night)


async def test_a_start_whose_labels_nobody_can_see(world):
    """Deck is down: another job of that name is never taken for ours. One duplicate costs money, a wrong one would cost more."""
    night = await world.night(Playbook((Line(Script(create="reset"), "e2e-azure", start=1),)))
    world.prow.down.add("deck")

    await night.live(20)

    (run,) = await night.runs()
    assert 1 == len(events_of(run, "JobPossibleDuplicate"))
    assert "promoted" == run.status.state
    await assert_sound(night, duplicates=1)


async def test_faces_of_prow_that_are_down_for_an_hour(world):
    """Gangway answers 503 for an hour in the middle: people hear that there is trouble, and the night passes."""
    night = await world.night()
    down = world.prow.down

    await night.live(20, {1.6: lambda: down.add("gangway"), 2.6: lambda: down.discard("gangway")})

    (run,) = await night.runs()
    assert "promoted" == run.status.state
    assert {"m0"} <= set(await night.told()) <= {"m0", "m5"}
    assert events_of(run, "PollTrouble")
    await assert_sound(night)


@pytest.mark.parametrize(
    ("script", "state", "result"),
    [
        (Script(forgotten_after=5600.0), "promoted", "passed"),
        (Script(ending="failure", forgotten_after=5600.0), "failed", "failed"),
        (Script(forgotten_after=5600.0, leaves_artifacts=False), "promoted", "passed"),
        (Script(duration=300.0, forgotten_after=400.0), "errored", "lost"),
    ],
    ids=["passed", "failed", "seen-in-time", "before-anybody-looked"],
)
async def test_executions_that_are_collected(world, script, state, result):
    """What the job left decides; a job that left nothing is lost, and never taken for passed."""
    night = await world.night(Playbook((Line(script, "e2e-azure"),)))

    await night.live(20)

    (run,) = await night.runs()
    azure = next(record for record in run.status.jobs if record.name == "e2e-azure")
    assert (state, result) == (run.status.state, azure.attempts[-1].result)
    await assert_sound(night)


@pytest.mark.parametrize("kind", ["error", "reset", "truncated", "busy", "gone"])
async def test_a_chat_in_trouble(world, kind):
    """Six hours of trouble delay a message, or make a revoked webhook a dead letter; nothing else waits for it."""
    trouble = Trouble(kind, EVENING, EVENING + 10 * HOUR, 60.0)
    night = await world.night(troubles=(trouble,))

    await night.live(20)

    (note,) = await night.notes()
    assert ("promoted", kind == "gone") == ((await states(night))[0], note.status.dead)
    assert (kind != "gone") == bool(world.chat.messages)
    await assert_sound(night)


async def test_a_registry_that_takes_blobs_and_refuses_manifests(world, tmp_path, misbehaving, open_client):
    """For an hour: nothing is tagged meanwhile, people hear of it, and then the tested digest is promoted once."""
    source = OciLayout(tmp_path / "source", create=True)
    digest, made = await made_of(source)
    client, place = open_client(misbehaving.host), misbehaving.reference("verified/operator")
    gate = gate_manifest(verifiedRepository=place.name)
    night = await world.night(Playbook(), gate, shelf=promoter(source, client), made=made)
    misbehaving.fault("PUT", "/manifests/", 500, forever=True)

    def tags():
        return {tag for _, tag in misbehaving.manifests if tag.startswith("aro-hcp")}

    seen = []
    await night.live(20, {5: lambda: seen.append(tags()), 5.01: misbehaving.faults.clear})

    (run,) = await night.runs()
    assert ([set()], "promoted", ["m0", "m6"]) == (seen, run.status.state, await night.told())
    assert {f"aro-hcp-{digest[7:]}", "aro-hcp-latest"} <= tags()
    assert 1 == len(await night.promoted())
