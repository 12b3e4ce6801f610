"""All controllers of the gate, built from what a process has: a store, a clock, somewhere to run jobs, a registry, channels.

    gate            ticks by the schedule, and what the runs came to        nights
    gate-run        one run, from its first job to its promotion            running
    gate-outbox     messages to their channels                              outbox
    gate-watchman   nothing promoted, no tick, somebody overruled           watchman

They meet only in the store, so each of them may live in a process of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.health.watchman import DeadMan, Watchman
from pilotage.gate.promotion.promoting import Promoter, Promoting
from pilotage.gate.prow.jobrunner import JobRunner
from pilotage.gate.running import RunController
from pilotage.gate.runs.ledger import Ledger
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.runs.walk import Outside
from pilotage.gate.telling.outbox import OutboxController
from pilotage.gate.telling.owing import Outbox
from pilotage.gate.telling.sinks import Sink
from pilotage.gate.ticks.nights import GateController
from pilotage.runtime.clock import Clock
from pilotage.runtime.controller import Controller
from pilotage.store.base import Listing

__all__ = ["GateServices", "Store", "controllers"]


class Store(Protocol):
    """The part of a store that the gate needs as a whole; `EmbeddedStore` and `ClusterStore` have it."""

    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing: ...

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object: ...

    async def apply(
        self, kind: Kind, key: ObjectKey, manifest: Mapping[str, Any], *, manager: str, force: bool = False
    ) -> Object: ...

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: str = "",
    ) -> Object: ...

    async def delete(self, kind: Kind, key: ObjectKey) -> None: ...


class GateServices(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate is given. The store is read directly, never through a cache: it is the ledger.

    Every message goes to each of the `sinks`, so their channels are named differently. `pacer` is shared by all that asks the
    host of `runner`. `jitter` gives numbers in [0, 1).
    """

    store: Store
    clock: Clock
    runner: JobRunner
    promoter: Promoter
    pacer: Pacer
    sinks: tuple[Sink, ...] = ()
    dead_man: DeadMan | None = None
    jitter: Callable[[], float] = random.random


def controllers(services: GateServices) -> tuple[Controller, ...]:
    """The declarations, for a `Runner` on the same store."""
    store, clock = services.store, services.clock
    ledger = Ledger(store, clock)
    outbox = Outbox(store, [sink.channel for sink in services.sinks], clock)
    outside = Outside(ledger, services.runner, services.pacer, services.jitter)
    return (
        GateController(store, outbox, clock).declaration(),
        RunController(store, outside, Promoting(store, ledger, services.promoter), outbox).declaration(),
        OutboxController(store, services.sinks, clock).declaration(),
        Watchman(store, outbox, clock, services.dead_man).declaration(),
    )
