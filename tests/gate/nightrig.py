"""A whole gate in memory: store, ledger, controllers, a Prow that plays a script, a registry that only remembers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pilotage.api import crd
from pilotage.api.gate import DEFINITIONS, GATE, GATE_RUN, NOTIFICATION, PROMOTION, Gate, GateRun
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.controllers import GateServices, controllers
from pilotage.gate.promotion.promoting import PromotionOrder
from pilotage.gate.prow.jobrunner import Reply
from pilotage.gate.runs.pacer import Pacer
from pilotage.gate.runs.pacing import DEFAULT_RATE, Rate
from pilotage.gate.telling import plaintext
from pilotage.gate.telling.message import Message
from pilotage.runtime.clock import ManualClock
from pilotage.runtime.runner import Runner, run_to_rest
from pilotage.world.prow import Playbook
from pilotage.world.prow.inprocess import InProcessRunner

NAMESPACE = "gates"
TENANT = "crt-redhat-acm-tenant"
EVENING = datetime(2026, 6, 11, 2, 0, tzinfo=UTC)
SLOT = datetime(2026, 6, 11, 3, 15, 5, tzinfo=UTC)
DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)


class Shelf:
    """A verified repository that remembers what was put into it: digests by tag, attestations, and how often."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.attestations: dict[str, str] = {}
        self.copies: list[str] = []
        self.denials: tuple[tuple[str, str], ...] = ()
        self.failures: list[Exception] = []

    async def denied(self, order: PromotionOrder, now: datetime) -> tuple[tuple[str, str], ...]:
        return self.denials

    async def promote(self, order: PromotionOrder) -> str:
        if self.failures:
            raise self.failures.pop()
        self.copies.append(order.tag)
        self.tags.setdefault(order.tag, order.digest)
        self.attestations[order.tag] = (
            f"sha256:{order.digest[7:].translate(str.maketrans('0123456789', '9876543210'))}"
        )
        return self.attestations[order.tag]

    async def move_aliases(self, order: PromotionOrder, digest: str) -> None:
        for alias in order.aliases:
            self.tags[alias] = digest


class Inbox:
    """A channel that keeps what it gets, and answers as it is told: one reply for each post, then 200."""

    def __init__(self, channel: str = "chat", replies: tuple[Reply, ...] = ()) -> None:
        self.channel = channel
        self.replies = list(replies)
        self.got: list[str] = []

    def render(self, message: Message, at: datetime, *, plain: bool = False) -> bytes:
        return f"{'plain' if plain else 'rich'} {at:%H:%M} {plaintext.text(message)}".encode()

    async def post(self, body: bytes) -> Reply:
        reply = self.replies.pop(0) if self.replies else Reply(200, "ok")
        if 200 <= reply.status < 300:
            self.got.append(body.decode())
        return reply


def gate_manifest(
    platform: str = "aro-hcp", jobs: tuple[str, ...] = ("e2e-azure", "e2e-upgrade"), **spec: Any
):
    return {
        "apiVersion": GATE.api_version,
        "kind": "Gate",
        "metadata": {"namespace": NAMESPACE, "name": platform},
        "spec": {
            "platform": platform,
            "displayName": platform.upper(),
            "verifiedRepository": "registry.example.org/verified/operator",
            "owners": ["hcp-team"],
            "jobs": [{"name": name} for name in jobs],
            **spec,
        },
    }


class Night:
    """One process of the gate. `restart` is what a crash leaves: the store and the outside, nothing else."""

    def __init__(
        self, store, clock: ManualClock, prow: InProcessRunner, shelf: Shelf, rate: Rate = DEFAULT_RATE
    ) -> None:
        self.store, self.clock, self.prow, self.shelf, self.rate = store, clock, prow, shelf, rate
        self.inbox = Inbox()

    def runner(self, store=None) -> Runner:
        store = store or self.store
        services = GateServices(
            store=store,
            clock=self.clock,
            runner=self.prow,
            promoter=self.shelf,
            pacer=Pacer(self.clock, self.rate),
            sinks=(self.inbox,),
            jitter=lambda: 0.5,
        )
        return Runner(store, controllers(services), self.clock)

    async def play(self, store=None, horizon: float = 86_400.0) -> bool:
        async with self.runner(store) as runner:
            return await run_to_rest(runner, self.clock, horizon=horizon)

    async def runs(self) -> list[GateRun]:
        return [item.view(GateRun) for item in (await self.store.list(GATE_RUN, NAMESPACE)).items]

    async def gate(self, platform: str = "aro-hcp") -> Gate:
        return (await self.store.get(GATE, ObjectKey(NAMESPACE, platform))).view(Gate)

    async def names(self, kind: Kind) -> list[str]:
        return [item.meta.name for item in (await self.store.list(kind, NAMESPACE)).items]

    async def promotions(self) -> list[str]:
        return await self.names(PROMOTION)

    async def told(self) -> list[str]:
        found = (await self.store.list(NOTIFICATION, NAMESPACE)).items
        return sorted(item.meta.name.rsplit("-", 2)[1] for item in found)


async def new_night(
    store, clock: ManualClock, playbook: Playbook, *gates: dict[str, Any], snapshots=()
) -> Night:
    for definition in DEFINITIONS:
        await store.create(DEFINITION, crd.manifest(definition), manager="test")
    await store.restore([Object.of(manifest) for manifest in snapshots])
    for manifest in gates:
        await store.create(GATE, manifest, manager="test")
    clock.advance((SLOT - clock.now()).total_seconds())
    return Night(store, clock, InProcessRunner(playbook, clock), Shelf())
