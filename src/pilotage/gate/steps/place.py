"""Where a step works: the namespace of the tenant, its ledger, and the time."""

from __future__ import annotations

import contextlib

import msgspec

from pilotage.api.errors import InputError
from pilotage.api.gate import GATE, Gate
from pilotage.api.meta import ObjectKey
from pilotage.gate.konflux.configmapledger import ClusterPort, ConfigMapLedger
from pilotage.gate.running import cancellation_of
from pilotage.gate.runs.ledger import Entry, Ledger
from pilotage.gate.runs.progress import Moment, settle
from pilotage.gate.settings import settings_of
from pilotage.runtime.clock import Timers
from pilotage.store.base import ConflictError, NotFoundError

__all__ = ["Place", "place_at"]

_TRIES = 5


class Place(msgspec.Struct, frozen=True):
    """`cluster` is asked for what is Konflux's, `store` for what is ours."""

    cluster: ClusterPort
    store: ConfigMapLedger
    ledger: Ledger
    clock: Timers
    namespace: str

    def key(self, name: str) -> ObjectKey:
        return ObjectKey(self.namespace, name)

    async def gate(self, platform: str) -> Gate:
        """Raises InputError `NoGate`."""
        try:
            return (await self.store.get(GATE, self.key(platform))).view(Gate)
        except NotFoundError:
            raise InputError(
                "NoGate",
                f"platform {platform}: there is no ConfigMap gate-{platform}-definition in {self.namespace}",
                hint="render the Gate with `pilotage gate render`, and apply tenant/",
            ) from None

    async def gate_if_any(self, platform: str) -> Gate | None:
        with contextlib.suppress(InputError):
            return await self.gate(platform)
        return None

    async def run(self, name: str) -> Entry:
        """Raises NotFoundError."""
        return await self.ledger.read(self.key(name))

    def moment(self, entry: Entry, gate: Gate | None) -> Moment:
        now = self.ledger.now(entry)
        return Moment(entry.run, settings_of(gate, now), now, cancellation_of(entry))

    async def settled(self, name: str, gate: Gate | None) -> Entry:
        """The run after everything that follows by itself is written. Raises ConflictError, NotFoundError."""
        for _ in range(_TRIES):
            entry = await self.run(name)
            settled = settle(self.moment(entry, gate))
            if not settled.events:
                return entry
            with contextlib.suppress(ConflictError):
                return await self.ledger.write(entry, settled.status, *settled.events)
        raise ConflictError(f"run {name}: somebody else writes it all the time")


def place_at(cluster: ClusterPort, clock: Timers, namespace: str) -> Place:
    store = ConfigMapLedger(cluster)
    return Place(cluster, store, Ledger(store, clock), clock, namespace)
