"""Any night, with any bad luck: jobs, an API, a Prow and a chat that misbehave at random, and a process that is killed."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.gate.prow.jobrunner import Reply
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Line, Playbook, Script
from pilotage.world.prow.inprocess import InProcessRunner

from ..gate.badrig import (  # noqa: TID252 -- the rig of another folder
    BadNight,
    JumpingClock,
    Troubled,
    assert_sound,
    conflicts,
    furnish,
    lost_answers,
    outage,
)
from ..gate.nightrig import EVENING, gate_manifest  # noqa: TID252 -- as above
from ..gate.test_bad_days import FIRST, snapshots  # noqa: TID252 -- as above
from ..gate.test_crashes import CALLS, SHELVES, WRITES, Life, Mortal, PowerCut  # noqa: TID252 -- as above

EXAMPLES = int(os.environ.get("PILOTAGE_TEST_BAD_NIGHTS", "12"))
"""How many nights are played. Above the default they are random ones."""
DEFAULT = 12


class Luck(msgspec.Struct, frozen=True):
    """What is to go wrong. Hours are counted from the evening; the slot is at 1.25."""

    lines: tuple[Line, ...]
    api: tuple[str, int]
    deaths: tuple[int, ...]
    prow_down: tuple[float, float]
    chat_down: tuple[float, float]
    platforms: int


hours = st.floats(1.2, 6.0).map(lambda hour: round(hour, 2))
spans = st.tuples(hours, st.floats(0.0, 2.0).map(lambda hour: round(hour, 2)))
scripts = st.builds(
    Script,
    ending=st.sampled_from(["success", "success", "success", "failure", "aborted", "error", "hang"]),
    duration=st.sampled_from([600.0, 3600.0, 5400.0]),
    create=st.sampled_from(["ok", "ok", "reset", "truncated", "no-id", "not-json", "unavailable"]),
    says=st.sampled_from([None, None, None, "WHO_KNOWS"]),
    forgotten_after=st.sampled_from([None, None, 3000.0, 6000.0]),
    leaves_artifacts=st.booleans(),
)
lines = st.builds(
    Line,
    scripts,
    job=st.sampled_from(["e2e-azure", "e2e-upgrade", "*"]),
    attempt=st.sampled_from([None, 1, 2]),
    start=st.just(1),
)
luck = st.builds(
    Luck,
    lines=st.lists(lines, max_size=3).map(tuple),
    api=st.tuples(st.sampled_from(["fine", "conflicts", "lost", "outage"]), st.integers(3, 11)),
    deaths=st.lists(st.integers(1, 150), max_size=3).map(tuple),
    prow_down=spans,
    chat_down=spans,
    platforms=st.integers(1, 2),
)


@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == DEFAULT,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(luck)
def test_whatever_happens_the_night_ends_well_or_is_told(case: Luck):
    """Nothing untested is tagged, nothing is promoted or started twice, no result is lost, and every end is told."""
    asyncio.run(play(case))


async def play(case: Luck) -> None:
    clock = JumpingClock(EVENING)
    gates = [gate_manifest(name) for name in ("aro-hcp", "rosa-hcp")[: case.platforms]]
    async with await EmbeddedStore.open(None, clock) as store:
        await furnish(store, *gates, made=snapshots(FIRST))
        prow = InProcessRunner(Playbook(case.lines), clock)
        night = BadNight(store, clock, prow, prow.book)
        for moments in case.deaths:
            doomed = BadNight(store, clock, prow, prow.book, night.shelf)
            dress(doomed, case, prow)
            life = Life(moments)
            doomed.api, doomed.prow = Mortal(life, doomed.api, WRITES), Mortal(life, doomed.prow, CALLS)
            doomed.shelf = Mortal(life, night.shelf, SHELVES)
            try:
                await doomed.live(3.0)
            except PowerCut:
                continue
        dress(night, case, prow)
        await night.live(24.0 - clock.monotonic() / 3600)
        await assert_sound(night)


def dress(night: BadNight, case: Luck, prow: InProcessRunner) -> None:
    """Let everything around this process be as the case says."""
    kind, number = case.api
    trouble = {
        "fine": lambda _name, _is_done: None,
        "conflicts": conflicts(number),
        "lost": lost_answers(number),
        "outage": outage(night.clock, 3600.0 * (1 + number / 3), 3600.0 * (2 + number / 3)),
    }[kind]
    night.api = Troubled(night.store, trouble)
    night.prow = Moody(prow, night.clock, case.prow_down)
    post, chat_down = night.inbox.post, case.chat_down

    async def posted(body: bytes) -> Reply:
        return Reply(503, "no chat") if is_within(night.clock, chat_down) else await post(body)

    night.inbox.post = posted


class Moody:
    """A Prow that cannot be reached for a while."""

    def __init__(self, prow: InProcessRunner, clock: JumpingClock, down: tuple[float, float]) -> None:
        self._prow, self._clock, self._down = prow, clock, down

    def __getattr__(self, name: str) -> Any:
        self._prow.is_down = is_within(self._clock, self._down)
        return getattr(self._prow, name)


def is_within(clock: JumpingClock, span: tuple[float, float]) -> bool:
    hour = clock.monotonic() / 3600
    return span[0] <= hour < span[0] + span[1]
