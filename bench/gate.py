"""The gate at its largest: a thousand platforms with a thousand runs each, ten thousand Snapshots, twelve jobs on a shared host.

listing      `gate status` and its health figures, from a store on disk that holds the Gates, what is under way, and the runs
selection    the newest eligible among ten thousand Snapshots, each rejected one with its code
nights       from the answer that ends the last job to the verdict in the ledger; and the starts of twelve jobs at nine requests a
             minute with a burst of five, on a clock that is moved by hand, against the least that this pace allows, and
             against sixty seconds between any two
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pilotage.api import crd
from pilotage.api.gate import (
    DEFINITIONS,
    GATE,
    GATE_RUN,
    LIVE_LABEL,
    PLATFORM_LABEL,
    GateRun,
    GateStatus,
    RunSummary,
)
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.app.gate import overview
from pilotage.gate.controllers import GateServices, controllers
from pilotage.gate.prow.countedrunner import CountedRunner
from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.runs.ledger import stated
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.runs.pacing import Rate
from pilotage.gate.ticks.selection import SelectionPolicy, select
from pilotage.gate.ticks.snapshots import read_snapshot
from pilotage.runtime.clock import ManualClock, SystemClock, rfc3339
from pilotage.runtime.runner import Runner, run_to_rest
from pilotage.store.embedded.store import EmbeddedStore
from pilotage.world.prow import Playbook
from pilotage.world.prow.inprocess import InProcessRunner
from pilotage.world.snapshots import APPLICATION, COMPONENT, builds, snapshot

__all__ = ["run"]

GATES = 1000
RUNS = int(os.environ.get("PILOTAGE_BENCH_RUNS", "1000"))
KEPT = 100
SNAPSHOTS = 10_000
JOBS = 12
RATE = Rate(per_minute=9.0, burst=5)
NIGHTS = 20
ROUNDS = 5
NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
SLOT = datetime(2026, 6, 12, 3, 15, tzinfo=UTC)
NAMESPACE = "gates"
DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)


def run() -> dict[str, Any]:
    """Medians in seconds."""
    return {
        "selection": _selection(),
        "nights": asyncio.run(_nights()),
        "listing": asyncio.run(_listing()),
    }


def _selection() -> dict[str, Any]:
    made = [snapshot(build) for build in builds(NOW - timedelta(days=1300), 1300)]
    given = [read_snapshot(made[number % len(made)]) for number in range(SNAPSHOTS)]
    policy = SelectionPolicy(application=APPLICATION, component=COMPONENT, now=NOW)
    found = select(given, policy)
    return {
        "snapshots": len(given),
        "rejected": len(found.rejected),
        "seconds": _median(lambda: select(given, policy)),
    }


async def _nights() -> dict[str, Any]:
    """Nights on a clock that is moved by hand: what they cost beside the jobs themselves, and how long a verdict takes us."""
    latencies = [await _night() for _ in range(NIGHTS)]
    seconds = sorted(latency for latency, _ in latencies)
    spread = latencies[0][1]
    least = (JOBS - RATE.burst) * 60 / RATE.per_minute
    sequential = (JOBS - 1) * 60.0
    return {
        "jobs": JOBS,
        "started_within_seconds": spread,
        "times_the_least": round(spread / least, 3),
        "part_of_sequential": round(spread / sequential, 3),
        "verdict_p50_seconds": round(seconds[NIGHTS // 2], 4),
        "verdict_p99_seconds": round(seconds[-1], 4),
    }


async def _night() -> tuple[float, float]:
    """Real seconds from the answer that ended the last job to the verdict; seconds of the clock from first to last start."""
    clock = ManualClock(NOW)
    (built,) = builds(NOW - timedelta(hours=6), 0.25, spoiled=0.0)[:1]
    async with await EmbeddedStore.open(None, clock) as store:
        for definition in DEFINITIONS:
            await store.create(DEFINITION, crd.manifest(definition), manager="bench")
        await store.restore([Object.of(snapshot(built))])
        await store.create(GATE, {**_gate(0), "status": {}}, manager="bench")
        clock.advance((SLOT - NOW).total_seconds())
        runner = _Timed(InProcessRunner(Playbook(), clock))
        timed = _Noting(store)
        services = GateServices(
            store=timed,
            clock=clock,
            runner=runner,
            promoter=_Nowhere(),
            pacer=Pacer(clock, RATE),
            jitter=lambda: 0.5,
        )
        async with Runner(store, controllers(services), clock) as playing:
            await run_to_rest(playing, clock, horizon=20_000.0)
        (run,) = (await store.list(GATE_RUN, NAMESPACE)).items
    starts = [
        datetime.fromisoformat(event.at)
        for event in run.view(GateRun).status.events
        if event.type == "JobTriggered"
    ]
    return timed.judged_at - runner.last_answer, (max(starts) - SLOT).total_seconds()


class _Timed(CountedRunner):
    """Remembers when the last job was seen to have ended."""

    last_answer = 0.0

    async def get(self, execution: str) -> Reply:
        reply = await super().get(execution)
        if '"SUCCESS"' in reply.body:
            self.last_answer = time.perf_counter()
        return reply


class _Noting:
    """A store that remembers when the verdict was written."""

    judged_at = 0.0

    def __init__(self, store: EmbeddedStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def patch_status(self, kind: Kind, key: ObjectKey, status: Any, **more: Any) -> Object:
        written = await self._store.patch_status(kind, key, status, **more)
        if kind is GATE_RUN and status.get("verdict") and not self.judged_at:
            self.judged_at = time.perf_counter()
        return written


class _Nowhere:
    """A registry that takes everything."""

    async def denied(self, _order: Any, _now: datetime) -> tuple[tuple[str, str], ...]:
        return ()

    async def promote(self, _order: Any) -> str:
        return f"sha256:{'0' * 64}"

    async def move_aliases(self, _order: Any, _digest: str) -> None:
        """Nothing follows."""


async def _listing() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store.sqlite"
        async with await EmbeddedStore.open(path, SystemClock()) as store:
            await _fill(store)
        before = _memory()
        async with await EmbeddedStore.open(path, SystemClock()) as store:
            seconds: dict[str, list[float]] = {}
            for _ in range(ROUNDS):
                for name, ask in (("status", overview.status), ("health", overview.health)):
                    began, began_cpu = time.perf_counter(), time.process_time()
                    answer = await ask(store, NOW)
                    seconds.setdefault(f"{name}_seconds", []).append(time.perf_counter() - began)
                    seconds.setdefault(f"{name}_cpu_seconds", []).append(time.process_time() - began_cpu)
                    assert len(answer) == GATES
        return {
            "gates": GATES,
            "runs": GATES * RUNS,
            **{name: round(sorted(values)[ROUNDS // 2], 3) for name, values in seconds.items()},
            "megabytes_for_it": round(_memory() - before),
        }


async def _fill(store: EmbeddedStore) -> None:
    for definition in DEFINITIONS:
        await store.create(DEFINITION, crd.manifest(definition), manager="bench")
    await store.restore([Object.of(_gate(number)) for number in range(GATES)])
    for number in range(GATES):
        await store.restore([Object.of(manifest) for manifest in _runs(number)])


def _gate(number: int) -> dict[str, Any]:
    recent = tuple(_line(number, back) for back in range(KEPT))
    status = GateStatus(recent=recent, last_promotion=recent[0], last_promoted_tag=f"p{number}-tag")
    return {
        "apiVersion": GATE.api_version,
        "kind": GATE.kind,
        "metadata": {
            "namespace": NAMESPACE,
            "name": f"p{number}",
            "uid": f"gate-{number}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "platform": f"p{number}",
            "displayName": f"Platform {number}",
            "verifiedRepository": "quay.example.com/verified",
            "owners": ["hcp"],
            "jobs": [{"name": f"e2e-{job}"} for job in range(JOBS)],
        },
        "status": stated(status),
    }


def _line(number: int, back: int) -> RunSummary:
    began = NOW - timedelta(hours=8 * back + 9)
    is_red = (number + back) % 7 == 0
    return RunSummary(
        name=f"p{number}-{back:016x}",
        digest=f"sha256:{number * KEPT + back:064x}",
        revision=f"{back:040x}",
        verdict="failed" if is_red else "passed",
        state="failed" if is_red else "promoted",
        built_at=rfc3339(began - timedelta(hours=2)),
        started_at=rfc3339(began),
        triggered_at=rfc3339(began),
        finished_at=rfc3339(began + timedelta(hours=2)),
        job_set="0123456789ab",
    )


def _runs(number: int) -> Iterator[dict[str, Any]]:
    """Runs as their ledgers are: small ones, since nobody is to read them; one of each platform is under way."""
    for back in range(RUNS):
        began = rfc3339(NOW - timedelta(hours=8 * back + 1))
        yield {
            "apiVersion": GATE_RUN.api_version,
            "kind": GATE_RUN.kind,
            "metadata": {
                "namespace": NAMESPACE,
                "name": f"p{number}-{back:016x}",
                "uid": f"run-{number}-{back}",
                "creationTimestamp": began,
                "labels": {PLATFORM_LABEL: f"p{number}", LIVE_LABEL: "false" if back else "true"},
            },
            "spec": {
                "platform": f"p{number}",
                "snapshot": {"namespace": "tenant", "name": f"s-{back}"},
                "image": f"quay.example.com/op@sha256:{back:064x}",
                "digest": f"sha256:{back:064x}",
                "trigger": {"id": began},
                "jobs": [{"name": f"e2e-{job}"} for job in range(2)],
                "createdAt": began,
                "deadline": began,
            },
            "status": {"state": "promoted" if back else "testing"},
        }


def _median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return round(sorted(seconds)[ROUNDS // 2], 4)


def _memory() -> float:
    """The most that this process ever held, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
