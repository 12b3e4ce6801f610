"""The gate is watched: somebody hears of it when nothing is promoted, when no tick comes, and when a person overrules it."""

from datetime import timedelta

import pytest
from aiohttp import web

from pilotage.api.gate import ALERT, GATE, Alert
from pilotage.api.meta import ObjectKey
from pilotage.gate.health.watchman import DeadMan, Watchman
from pilotage.gate.prow.wire import Wire
from pilotage.gate.telling.owing import Outbox
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.runner import Runner, run_to_rest
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.loopback import LoopbackServer, new_application
from pilotage.world.prow import Line, Playbook, Script

from .nightrig import EVENING, NAMESPACE, gate_manifest, new_night
from .test_night import built

BAD = Playbook((Line(Script(ending="failure"), "e2e-upgrade"),))
HOUR = 3600.0
DAY = 86_400.0


@pytest.fixture
async def store():
    clock = ManualClock(EVENING)
    async with await EmbeddedStore.open(None, clock) as opened:
        yield opened, clock


async def look(night, hours: float = 0.0) -> None:
    """The watchman alone, as if nothing else of the gate were alive."""
    night.clock.advance(hours * HOUR)
    outbox = Outbox(night.store, ("chat",), night.clock)
    controller = Watchman(night.store, outbox, night.clock).declaration()
    async with Runner(night.store, (controller,), night.clock) as runner:
        assert await run_to_rest(runner, night.clock)


async def alert(night, what: str) -> Alert:
    return (await night.store.get(ALERT, ObjectKey(NAMESPACE, f"{what}-aro-hcp"))).view(Alert)


async def change(night, **spec) -> None:
    await night.store.apply(GATE, ObjectKey(NAMESPACE, "aro-hcp"), {"spec": spec}, manager="kim", force=True)


async def test_nothing_promoted_since_onboarding_is_told_at_the_threshold(store):
    """Three days after the Gate was written, to the second; not before, and once."""
    night = await new_night(*store, Playbook(), gate_manifest())
    elapsed = (night.clock.now() - EVENING).total_seconds() / HOUR
    await look(night, 72 - elapsed - 1 / 3600)
    assert "m7" not in await night.told()
    await look(night, 1 / 3600)
    await look(night)
    found = await alert(night, "stale")
    assert 1 == (await night.told()).count("m7")
    assert ("warning", "onboarded:2026-06-11T02:00:00Z") == (found.status.level, found.status.reference)


async def test_an_episode_is_reminded_of_and_escalated(store):
    """The same episode: again after a day, and once more when it has become critical."""
    night = await new_night(*store, Playbook(), gate_manifest())
    for _ in range(24 * 6):
        await look(night, 1)
    opened = (await alert(night, "stale")).status.opened_at
    assert 4 == (await night.told()).count("m7")  # warning, two reminders, critical
    found = await alert(night, "stale")
    assert ("critical", opened) == (found.status.level, found.status.opened_at)


async def test_a_promotion_resolves_the_alarm(store):
    """The first promotion after a stale time ends the episode, and people hear of that too."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    night.clock.advance(4 * DAY)
    await look(night)
    night.clock.advance(-((night.clock.now() - EVENING).total_seconds() % DAY) + DAY + 1.3 * HOUR)
    assert await night.play()
    found = await alert(night, "stale")
    assert found.status.resolved_at
    assert {"m0", "m7"} <= set(await night.told())
    assert any("promoted again" in text for text in night.inbox.got)


async def test_a_crash_between_message_and_episode_tells_once(store):
    """The message is found again by its name."""
    night = await new_night(*store, Playbook(), gate_manifest())
    night.clock.advance(4 * DAY)
    await look(night)
    first = await night.told()
    names = await night.names(ALERT)
    for name in names:
        await night.store.delete(ALERT, ObjectKey(NAMESPACE, name))
    await look(night)
    assert first == await night.told()


async def test_a_pause_until_a_day_silences_the_alarm(store):
    """Who announces a pause with an end is not woken before it."""
    night = await new_night(*store, Playbook(), gate_manifest())
    until = (EVENING + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await change(night, pausedUntil=until)
    await look(night, 24 * 8)
    assert [] == await night.told()
    await look(night, 24 * 2)
    assert ["m7", "m8"] == await night.told()


async def test_a_missing_tick_is_told_although_nothing_else_runs(store):
    """A dead scheduler: no tick for a period and a tenth of it is message M8; ticks again end the episode."""
    night = await new_night(*store, Playbook(), gate_manifest(), snapshots=built())
    assert await night.play()
    await look(night, 22)
    assert "m8" not in await night.told()
    await look(night, 8)
    assert 1 == (await night.told()).count("m8")
    assert await night.play()
    night.clock.advance(24 * HOUR - 6 * HOUR)
    assert await night.play(horizon=HOUR)
    await look(night)
    assert (await alert(night, "heartbeat")).status.resolved_at


async def test_what_people_overrule_is_told(store):
    """A yank and a quarantine stand in the Gate; whoever wrote them there, everybody hears of it once."""
    night = await new_night(*store, Playbook(), gate_manifest())
    at = night.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    yank = {"digest": f"sha256:{'b' * 64}", "reason": "CVE", "by": "kim", "at": at}
    entry = {
        "job": "e2e-azure",
        "until": "2026-06-20T00:00:00Z",
        "owner": "hcp",
        "reason": "flake",
        "since": at,
    }
    await change(night, yanked=[yank], quarantine=[entry])
    await look(night)
    await look(night)
    assert ["m9", "m9"] == await night.told()


class Monitor(LoopbackServer):
    """Counts pings, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.pings = 0
        self.status = 200

    def application(self) -> web.Application:
        application = new_application()
        application.router.add_get("/ping", self._ping)
        return application

    async def _ping(self, _request: web.Request) -> web.Response:
        self.pings += 1
        return web.Response(status=self.status)


async def test_an_outside_monitor_hears_of_every_completed_look(tmp_path):
    """Not more often than it must; one that fails is tried at the next look, and disturbs nothing."""
    clock = ManualClock(EVENING)
    async with Monitor() as monitor:
        file = tmp_path / "url"
        file.write_text(f"{monitor.url}/ping")
        wire = Wire()
        dead_man = DeadMan(file, wire, clock)
        monitor.status = 500
        await dead_man.ping()
        monitor.status = 200
        await dead_man.ping()
        await dead_man.ping()
        assert 2 == monitor.pings
        clock.advance(301)
        await dead_man.ping()
        assert 3 == monitor.pings
        file.unlink()
        clock.advance(301)
        await dead_man.ping()
        assert 3 == monitor.pings
        await wire.close()
