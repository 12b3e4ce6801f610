"""The gate of an instance with the real outside: Prow, registries, chats, as the person who starts it names them.

Whoever has no Gate object has no gate: the controllers then wait and cost nothing. Tokens and webhook addresses stand in files that
are read for each use, so they are rotated without a restart; they are never arguments.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from pilotage.api.errors import InputError
from pilotage.app import health
from pilotage.app.gate.figures import metrics
from pilotage.app.gate.keys import instance_key
from pilotage.app.images import Images
from pilotage.gate.controllers import GateServices, controllers
from pilotage.gate.health.watchman import DeadMan
from pilotage.gate.promotion.registrypromoter import RegistryPromoter
from pilotage.gate.prow.countedrunner import CountedRunner
from pilotage.gate.prow.gangway import GangwayRunner, ProwSettings
from pilotage.gate.prow.wire import Wire, WireSettings
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.runs.pacing import DEFAULT_RATE, Rate
from pilotage.gate.telling.sinks import CloudEventSink, Sink, SlackSink
from pilotage.runtime.clock import SystemClock
from pilotage.runtime.perform import Change
from pilotage.runtime.runner import Runner
from pilotage.store.embedded.store import EmbeddedStore

__all__ = ["GateOutside", "read_channels", "read_rate", "real_gate"]

_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)/([1-9][0-9]?)")
_CHANNEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class GateOutside(msgspec.Struct, frozen=True, kw_only=True):
    """Where the gate finds Prow, and whom it tells. `slack` and `events` map channels to files that hold their addresses.

    `listen` is where Prometheus finds its figures, None for nowhere.
    """

    gangway: str
    deck: str
    artifacts: str
    token_file: Path | None = None
    rate: Rate = DEFAULT_RATE
    slack: Mapping[str, Path] = {}
    events: Mapping[str, Path] = {}
    dead_man_file: Path | None = None
    ca_file: Path | None = None
    listen: tuple[str, int] | None = None


@contextlib.asynccontextmanager
async def real_gate(
    store: EmbeddedStore,
    images: Images,
    directory: Path,
    outside: GateOutside,
    on_change: Callable[[Change], None],
) -> AsyncIterator[Runner]:
    """The controllers of the gate, at work until the block ends. Raises InputError for addresses that are none."""
    clock = SystemClock()
    wire = Wire(WireSettings(ca_file=outside.ca_file, environment=os.environ), clock)
    settings = ProwSettings(outside.gangway, outside.deck, outside.artifacts, outside.token_file)
    prow = CountedRunner(GangwayRunner(settings, wire))
    sinks: tuple[Sink, ...] = (
        *(SlackSink(channel, file, wire) for channel, file in outside.slack.items()),
        *(CloudEventSink(channel, file, wire) for channel, file in outside.events.items()),
    )
    services = GateServices(
        store=store,
        clock=clock,
        runner=prow,
        promoter=RegistryPromoter(
            lambda _image: images.direct, lambda _image: images.registry, instance_key(directory)
        ),
        pacer=Pacer(clock, outside.rate),
        sinks=sinks,
        dead_man=DeadMan(outside.dead_man_file, wire, clock) if outside.dead_man_file else None,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(wire.close)
        if outside.listen is not None:
            await stack.enter_async_context(
                health.measured(lambda: metrics(store, clock.now(), prow.requests), outside.listen)
            )
        yield await stack.enter_async_context(
            Runner(store, controllers(services), clock, on_change=on_change)
        )


def read_rate(text: str) -> Rate:
    """`6/3`: six requests a minute, three at once. Raises InputError `BadRate`."""
    written = _RATE.fullmatch(text)
    if written is None or not float(written[1]):
        raise InputError(
            "BadRate",
            f"--gangway-rate {text}: is no rate",
            hint="write N/BURST, such as 6/3: a minute, at once",
        )
    return Rate(float(written[1]), int(written[2]))


def read_channels(option: str, pairs: Sequence[str]) -> dict[str, Path]:
    """`CHANNEL=FILE`, each channel once. Raises InputError `BadChannel` listing everything that is wrong."""
    channels: dict[str, Path] = {}
    problems = []
    for pair in pairs:
        name, found, file = pair.partition("=")
        if not found or not file or not _CHANNEL.fullmatch(name):
            problems.append(f"{pair}: is not CHANNEL=FILE")
        elif name in channels:
            problems.append(f"{name}: comes twice")
        else:
            channels[name] = Path(file)
    if problems:
        raise InputError(
            "BadChannel",
            f"{option}: {'; '.join(problems)}",
            hint="name each channel once, in lower case, with the file that holds its address",
            messages=tuple(problems),
        )
    return channels
