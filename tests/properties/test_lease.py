"""Laws of leader election: whatever happens to wires, processes and calendars, never two act; and in the end one does."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.runtime.clock import ManualClock
from pilotage.store.embedded import EmbeddedStore

_SPEC = importlib.util.spec_from_file_location(
    "electorate", Path(__file__).parents[1] / "runtime" / "electorate.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
_electorate = sys.modules.setdefault("electorate", importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(_electorate)
Electorate, WIRES = _electorate.Electorate, _electorate.WIRES

NAMES = ("a", "b", "c")

accidents = st.lists(
    st.tuples(
        st.sampled_from(("wire", "wire", "wire", "kill", "stop", "wait")),
        st.sampled_from(NAMES),
        st.sampled_from(WIRES),
        st.sampled_from((0.0, 0.7, 2.1, 3.3, 6.9, 7.0, 9.9, 10.1, 15.0)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(accidents=accidents, skews=st.tuples(*(st.floats(-1e6, 1e6),) * 3))
def test_never_two_act_and_in_the_end_one_does(
    accidents: list[tuple[str, str, str, float]], skews: tuple[float, float, float]
) -> None:
    """Requests that fail, arrive late or without an answer, kills, stops and wrong calendars do not make two leaders."""
    asyncio.run(_play(accidents, skews))


async def _play(accidents: list[tuple[str, str, str, float]], skews: tuple[float, float, float]) -> None:
    clock = ManualClock()
    async with await EmbeddedStore.open(None, clock) as store:
        electorate = Electorate(store, clock)
        present = {name: electorate.join(name, skew) for name, skew in zip(NAMES, skews, strict=True)}
        generation = 0

        def look() -> None:
            acting = [each.elector.identity for each in electorate.processes if each.acts]
            assert len(acting) <= 1, acting
            working = [each.elector.identity for each in electorate.processes if each.works]
            assert len(working) <= 1, working

        try:
            await electorate.pass_time(1.0, look)
            for what, name, wire, seconds in accidents:
                match what:
                    case "wire":
                        present[name].wire.state = wire
                    case "kill" | "stop":
                        if what == "kill":
                            await present[name].kill()
                        else:
                            present[name].stopping.set()
                        generation += 1
                        present[name] = electorate.join(f"{name}{generation}", skews[0])
                look()
                await electorate.pass_time(seconds, look)
            for process in electorate.processes:
                process.wire.state = "well"
            await electorate.pass_time(40.0, look)
            assert sum(process.acts for process in electorate.processes) == 1
        finally:
            await electorate.close()
